"""The game in the forms that single libraries ask for, one file each, on the batch core.

None of these libraries is a dependency: a file here is imported by whoever uses the library. Those
that take PettingZoo's or Gymnasium's forms as they are need no file; README.md shows them too.
"""
