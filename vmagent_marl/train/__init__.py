"""What learners share; offline algorithms are programs on the shelf, online ones in `online`.

Their libraries are heavy: import from the modules here, where it is used.
"""
