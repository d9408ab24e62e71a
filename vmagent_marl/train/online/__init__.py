"""Learning while playing: torch agents on the batch of environments, one file an algorithm."""
