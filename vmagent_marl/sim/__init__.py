"""The exact simulator: arrays only, compiled kernels over a batch of environments."""

from vmagent_marl.sim.layout import ObservationLayout
from vmagent_marl.sim.metrics import Metrics
from vmagent_marl.sim.rules import Rules
from vmagent_marl.sim.simulator import Episode, Simulator

__all__ = ["Episode", "Metrics", "ObservationLayout", "Rules", "Simulator"]
