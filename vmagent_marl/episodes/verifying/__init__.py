"""Whether a data set holds what it says."""
