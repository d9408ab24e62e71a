"""Minari data sets as learners take them: decisions of agents, and joint steps of teams."""
