"""Algorithms x data sets x seeds: every program trained, chosen on validation, and tested once."""
