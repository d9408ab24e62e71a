"""How often learners of values answer at random, which falls as they go."""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.errors import SettingError
from vmagent_marl.train.online.learner import Settings


@dataclass(frozen=True, kw_only=True)
class Exploring(Settings):
    """What learners that explore by random answers are told."""

    epsilon_start: float = 1.0
    """Share of random legal actions at first; less with `init`."""
    epsilon_end: float = 0.02
    """The same from `epsilon_decay` on."""
    epsilon_decay: float = 0.2
    """Share of all steps until then."""


def random_share(settings: Exploring, steps: int) -> float:
    """Share of random answers after this many steps: a line down, then level."""
    gone = min(steps / max(settings.epsilon_decay * settings.steps, 1.0), 1.0)
    return settings.epsilon_start + gone * (settings.epsilon_end - settings.epsilon_start)


def check_shares(settings: Settings, *names: str) -> None:
    """Raise `SettingError` where one of these settings is no share of 1."""
    for name in names:
        if not 0.0 <= getattr(settings, name) <= 1.0:
            raise SettingError(f"{name}: {getattr(settings, name)} is no share: give 0 to 1")


def check_exploring(settings: Exploring) -> None:
    """Raise `SettingError` for values of these that are no shares."""
    check_shares(settings, "epsilon_start", "epsilon_end", "epsilon_decay")
