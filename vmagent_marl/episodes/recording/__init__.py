"""A policy at play, as episodes of arrays."""
