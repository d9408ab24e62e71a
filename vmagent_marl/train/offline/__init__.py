"""Learning from recordings: Minari data sets, d3rlpy's learners, masks."""
