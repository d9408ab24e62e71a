"""VM requests over time: read from files, drawn from a seed, described and written."""

from vmagent_marl.trace.bad_rows import LeftOutWarning
from vmagent_marl.trace.describe import describe, load_over_time
from vmagent_marl.trace.read import read_trace
from vmagent_marl.trace.synthetic import synthetic_month
from vmagent_marl.trace.trace import NEVER, Trace
from vmagent_marl.trace.write import write_events, write_lifetimes, write_trace

__all__ = [
    "NEVER",
    "LeftOutWarning",
    "Trace",
    "describe",
    "load_over_time",
    "read_trace",
    "synthetic_month",
    "write_events",
    "write_lifetimes",
    "write_trace",
]
