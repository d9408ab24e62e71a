"""From a recipe to a data set with its card."""
