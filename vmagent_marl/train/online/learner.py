"""What every online algorithm is: settings, and a learner that goes on step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from torch import nn

from vmagent_marl.errors import SettingError
from vmagent_marl.policies.networks import Kind, Network

Paid = Literal["team", "own", "shared"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all algorithms are told."""

    kinds: ClassVar[tuple[Kind, ...]] = ("flat", "servers", "numbered")  # of network

    scenario: str = "recovering"
    """Name on the shelf, or the path of a YAML file."""
    trace: str | None = None
    """A trace file in the place of the scenario's own."""
    servers: int | None = None
    """Of each cluster, in the place of the scenario's own."""
    set: tuple[str, ...] = ()
    """Other fields of the scenario, as name=value."""
    steps: int = 1_000_000
    """Requests decided, over all environments, rounded up to whole rounds of play. A finished run
    can be made longer; what falls as it goes (rates, epsilon) then follows the new length."""
    batch: int = 64
    """Environments that are played at once."""
    seed: int = 0
    """Of everything that is drawn: parameters, starts, answers, batches."""
    network: Kind = "servers"
    """`servers`: the same for every server, of any number; `numbered`: that, and told the
    server's number, as first fit is; `flat`: plain layers."""
    hidden: tuple[int, ...] = (32, 32)
    """Sizes of its hidden layers."""
    learning_rate: float = 1e-3
    """Of Adam."""
    gamma: float = 0.99
    """Discount a request."""
    reward: Paid = "team"
    """The team's mean, what each cluster earns itself (selfish agents), or both, mixed by the
    scenario's `share`."""
    reward_scale: float = 1.0
    """Rewards are divided by it."""
    init: str | None = None
    """A checkpoint of the same kind of network to begin from: a file, or the name of one that
    ships."""
    validate_every: int = 100_000
    """Steps between validations."""
    validation_episodes: int = 16
    """Episodes that a validation plays; the best checkpoint is kept."""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: a GPU where there is one."""

    def check(self) -> None:
        """Raise `SettingError` for values that train nothing, before anything is made."""
        if self.seed < 0:
            raise SettingError(f"seed: {self.seed} is negative: give 0 or more")
        for name in ("steps", "batch", "validate_every", "validation_episodes"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name}: {getattr(self, name)} is too few: give 1 or more")
        if not 0.0 < self.learning_rate < math.inf:
            raise SettingError(f"learning_rate: {self.learning_rate} is not positive: give 1e-3")
        if not self.reward_scale > 0:
            raise SettingError(f"reward_scale: {self.reward_scale} is not positive: give 1")
        if not 0.0 <= self.gamma <= 1.0:
            raise SettingError(f"gamma: {self.gamma} is no discount: give 0 to 1")
        if self.network not in self.kinds:
            raise SettingError(
                f"network: {self.network}: this agent learns no such network: give "
                f"{', '.join(self.kinds[:-1])} or {self.kinds[-1]}"
            )
        if not self.hidden or min(self.hidden) < 1:
            raise SettingError(f"hidden: {self.hidden} are no sizes: give one or more")


@dataclass(frozen=True, kw_only=True)
class ActorSettings(Settings):
    """What algorithms are told besides whose network answers by logits: they can imitate."""

    imitate: str | None = None
    """A heuristic whose answers the network is taught before it learns by itself."""
    imitate_steps: int = 200_000
    """Requests that are decided by it meanwhile."""


class Learner(Protocol):
    """One algorithm at work on its stage. Everything it knows is in its `state_dict`."""

    network: Network  # what acts, by its highest value or logit
    steps: int  # requests decided so far

    def advance(self) -> dict[str, float]:
        """Play a little and learn from it; figures for the curve."""
        ...

    def modules(self) -> dict[str, nn.Module]:
        """All networks, by name."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values from which `load_state_dict` goes on to the same end."""
        ...

    def load_state_dict(self, content: dict[str, Any]) -> None:
        """Go on from there."""
        ...


@runtime_checkable
class Explorer(Protocol):
    """A learner that answers at random now and then."""

    @property
    def epsilon(self) -> float:
        """Share of random answers now."""
        ...
