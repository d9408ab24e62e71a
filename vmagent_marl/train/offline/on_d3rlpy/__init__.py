"""Learners of d3rlpy, masked."""
