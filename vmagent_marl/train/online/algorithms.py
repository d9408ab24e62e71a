"""Online agents by the names that people type."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmagent_marl.errors import SettingError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmagent_marl.scenario import Scenario
    from vmagent_marl.train.online.learner import Learner, Settings
    from vmagent_marl.train.online.stage import Stage


@dataclass(frozen=True)
class Algorithm:
    """An agent: where its code is, and what it is for."""

    settings: str  # its dataclass of settings, as module:name beside this file
    learner: str  # what learns by them, likewise
    many: bool | None  # for several clusters, or for one; None: for either
    instead: str  # the agents for the other number of clusters
    about: str


VALUE_LEARNER = "value_decomposition:ValueDecompositionLearner"
ALGORITHMS = {
    "ppo": Algorithm(
        "ppo:PPO", "ppo:PPOLearner", False, "ippo or mappo", "proximal policy optimisation"
    ),
    "a2c": Algorithm(
        "ppo_cases:A2C",
        "ppo:PPOLearner",
        False,
        "ippo or mappo",
        "PPO of one epoch without clipping",
    ),
    "dqn": Algorithm(
        "dqn:DQN", "dqn:DQNLearner", False, "iql, vdn or qmix", "double, duelling deep Q-learning"
    ),
    "sac": Algorithm(
        "sac:SAC", "sac:SACLearner", False, "ippo or mappo", "soft actor-critic, discrete"
    ),
    "ippo": Algorithm(
        "ppo_cases:IPPO", "ppo:PPOLearner", True, "ppo", "PPO, one network for all clusters"
    ),
    "mappo": Algorithm(
        "ppo_cases:MAPPO", "ppo:PPOLearner", True, "ppo", "IPPO, its critic knows the state of all"
    ),
    "iql": Algorithm(
        "value_cases:IQL", VALUE_LEARNER, True, "dqn", "deep Q-learning, each by itself"
    ),
    "vdn": Algorithm("value_cases:VDN", VALUE_LEARNER, True, "dqn", "values of all, summed"),
    "qmix": Algorithm(
        "value_cases:QMIX", VALUE_LEARNER, True, "dqn", "values of all, mixed by rising"
    ),
    "es": Algorithm(
        "evolution:ES", "evolution:ESLearner", None, "", "evolution strategies on whole episodes"
    ),
}


def find_algorithm(name: str) -> Algorithm:
    """An agent by name; `UnknownNameError` with the nearest for one that is not known."""
    if name not in ALGORITHMS:
        raise unknown_name("agent", name, ALGORITHMS)
    return ALGORITHMS[name]


def settings_class(name: str) -> type[Settings]:
    """The dataclass of an agent's settings, with its defaults."""
    return _load(find_algorithm(name).settings)  # type: ignore[no-any-return]


def learner_class(name: str) -> Callable[[Any, Stage], Learner]:
    """What learns by an agent's settings on a stage."""
    return _load(find_algorithm(name).learner)  # type: ignore[no-any-return]


def check_clusters(name: str, scenario: Scenario) -> None:
    """Raise `SettingError` where an agent is for another number of clusters.

    Learners of one value, or of a team's, ask this too: nothing else would fail.
    """
    algorithm, clusters = find_algorithm(name), scenario.clusters
    if algorithm.many not in (None, clusters > 1):
        has = "one cluster" if clusters == 1 else f"{clusters} clusters"
        wants = "several clusters" if algorithm.many else "one cluster"
        raise SettingError(
            f"agent {name!r} is for {wants} and scenario {scenario.name!r} has {has}: "
            f"give --agent {algorithm.instead}, or another --scenario"
        )


def train_agent(name: str, settings: Settings, out: str | Path, *, progress: bool = True) -> Path:
    """Train an agent by name, see `train_online`; the path of the best checkpoint.

    Raises `SettingError` also for a scenario of another number of clusters.
    """
    make = learner_class(name)
    from vmagent_marl.train.online.run import scenario_of, train_online

    settings.check()
    check_clusters(name, scenario_of(settings))
    return train_online(name, settings, make, out, progress=progress)


def _load(place: str) -> Any:
    importlib.import_module("vmagent_marl.policies.checkpoint")  # says what to do without torch
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(f"vmagent_marl.train.online.{module}"), name)
