"""Traces drawn from a seed, from what was measured on a real month.

To read it, begin with `plan` (what a drawn trace is to be like) and `month` (the days of one).
`bursts` draws the VMs of some hours; `statistics` holds the measured distributions.
"""
