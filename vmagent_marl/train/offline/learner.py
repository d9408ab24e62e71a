"""What every offline algorithm is: a learner over recorded data that goes on update by update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.policies.network_policy import Training
from vmagent_marl.policies.networks import Kind, Network, NetworkShape
from vmagent_marl.policies.new_networks import network_shape
from vmagent_marl.scenario import scenario_from
from vmagent_marl.sim.layout import layout_of


class Recorded(Protocol):
    """Data that is learned from, whatever its form."""

    @property
    def dataset(self) -> tuple[str, ...]:
        """Ids of its Minari data sets."""
        ...

    @property
    def sha256(self) -> tuple[str, ...]:
        """Of their files, which may be recorded anew under the same ids."""
        ...

    @property
    def scenario(self) -> dict[str, Any]:
        """Of all of them, as `scenario_from` takes it."""
        ...

    @property
    def inputs(self) -> int:
        """Floats that a network reads of one agent: its observation, and its identity."""
        ...

    @property
    def actions(self) -> int:
        """A, of one agent."""
        ...


class OfflineLearner(Protocol):
    """One algorithm at work on recorded data. What it knows is in its `state_dict`."""

    algorithm: str  # its name, in checkpoints
    gamma: float | None  # None: nothing is discounted
    settings: dict[str, Any]  # plain values that, with data and seed, decide what is learned
    seed: int  # of its first parameters, and of the batches

    @property
    def data(self) -> Recorded:
        """What it learns from."""
        ...

    def reseed(self, *seed: int) -> None:
        """Draw batches from these numbers on."""
        ...

    def update(self) -> dict[str, float]:
        """Learn from one batch; its losses."""
        ...

    @property
    def network(self) -> Network:
        """What acts, by its highest legal value or logit: a copy, on the CPU."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which `load_state_dict` goes on to the same end."""
        ...

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on from there."""
        ...


def check_settings(*, seed: int, learning_rate: float, **counts: int) -> None:
    """Raise `SettingError` for values that train nothing."""
    if seed < 0:
        raise SettingError(f"seed: {seed} is negative: give 0 or more")
    if not 0.0 < learning_rate < math.inf:
        raise SettingError(f"learning_rate: {learning_rate} is not positive: give e.g. 3e-4")
    check_counts(**counts)


def check_counts(**counts: int) -> None:
    """Raise `SettingError` for one that is below 1."""
    for name, value in counts.items():
        if value < 1:
            raise SettingError(f"{name}: {value} is too few: give 1 or more")


def check_hidden(hidden: Sequence[int]) -> None:
    """Raise `SettingError` for sizes of hidden layers that make no network."""
    if not hidden or min(hidden) < 1:
        raise SettingError(f"hidden: {hidden} makes no network: give sizes, e.g. 64 64")


def training_of(data: Recorded, *, algorithm: str, gamma: float | None) -> Training:
    """What a checkpoint says of a policy that learned from these data."""
    scenario = scenario_from(data.scenario, where=data.dataset[0])
    return Training.on(
        layout_of(scenario.rules()),
        algorithm=algorithm,
        scenario=scenario.as_dict(),
        gamma=gamma,
        dataset=data.dataset,
    )


def shape_for(data: Recorded, *, hidden: tuple[int, ...], kind: Kind) -> NetworkShape:
    """The shape of a network that plays what was recorded.

    Raises `DatasetError` where the data is of other sizes than its scenario.
    """
    scenario = scenario_from(data.scenario, where=data.dataset[0])
    shape = network_shape(layout_of(scenario.rules()), hidden=hidden, kind=kind)
    if (data.inputs, data.actions) != (shape.inputs, shape.actions):
        raise DatasetError(
            f"data set {data.dataset[0]!r} has {data.inputs} features and {data.actions} actions, "
            f"its scenario {shape.inputs} and {shape.actions}: record it anew"
        )
    return shape
