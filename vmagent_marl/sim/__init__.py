"""The exact simulator: arrays only, compiled kernels over a batch of environments.

To read it, begin with `step` (a transition: offer, place, pay), then `request` (the next one, and
what agents see of it), `clock` (what happens in between) and `servers` (placing and removing).
`rules` and `state` say what the arrays are, `simulator` is what Python holds.
"""

from vmagent_marl.sim.layout import ObservationLayout
from vmagent_marl.sim.metrics import Metrics
from vmagent_marl.sim.rules import Rules
from vmagent_marl.sim.simulator import Episode, Simulator

__all__ = ["Episode", "Metrics", "ObservationLayout", "Rules", "Simulator"]
