"""VM requests over time: read from files, drawn from a seed, described, scaled and written.

`trace` says what a trace is. `forms/` reads and writes its files, `synthetic/` draws one from a
seed, `fetch` brings a `published` one; `source` is how scenarios name any of them. `describe`,
`likeness` and `scaling` are what is done with one.
"""

from vmagent_marl.trace.describe import describe, load_over_time
from vmagent_marl.trace.forms.bad_rows import LeftOutWarning
from vmagent_marl.trace.forms.read import read_trace
from vmagent_marl.trace.forms.write import write_events, write_lifetimes, write_trace
from vmagent_marl.trace.synthetic.month import synthetic_month
from vmagent_marl.trace.trace import NEVER, Trace

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
