"""Scenarios: everything about a game but its players."""

from vmagent_marl.scenario.checking import MOST_CLUSTERS, MOST_SERVERS
from vmagent_marl.scenario.oversize import OversizeWarning
from vmagent_marl.scenario.parts import Expansion, Halve, Outage, Reach, WrongHints
from vmagent_marl.scenario.reading import load_scenario, scenario_from
from vmagent_marl.scenario.rules import REWARDS
from vmagent_marl.scenario.scenario import Scenario

__all__ = [
    "MOST_CLUSTERS",
    "MOST_SERVERS",
    "REWARDS",
    "Expansion",
    "Halve",
    "Outage",
    "OversizeWarning",
    "Reach",
    "Scenario",
    "WrongHints",
    "load_scenario",
    "scenario_from",
]
