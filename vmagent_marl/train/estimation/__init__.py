"""Choosing among policies without the environment: what one would earn, told by recordings."""
