"""What learners share; the algorithms are the programs on the shelves.

Their libraries are heavy: import from the modules here, where it is used.
"""
