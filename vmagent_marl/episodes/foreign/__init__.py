"""Recording anybody's parallel environment."""
