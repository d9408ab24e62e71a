"""What all learners that learn from remembered play are told, and what of it trains nothing."""

from __future__ import annotations

from dataclasses import dataclass

from vmagent_marl.errors import SettingError
from vmagent_marl.train.online.learner import Settings


@dataclass(frozen=True, kw_only=True)
class Remembering(Settings):
    """What learners from remembered play are told."""

    replay: int = 200_000
    """Requests that are remembered, over all environments."""
    warmup: int = 5_000
    """Requests decided before the first update."""
    minibatch: int = 256
    """Decisions an update."""
    updates: int = 1
    """Updates for every request of the batch."""
    target_every: int = 1
    """Updates between steps of the target networks."""
    max_norm: float = 10.0
    """Gradients are cut to this norm."""


def check_remembering(settings: Remembering, *, rows: int, n_step: int = 1) -> None:
    """Raise `SettingError` for values of these that train nothing.

    `rows` is the least that a batch must remember of, since what follows `n_step` requests later
    is learned from.
    """
    for name in ("minibatch", "updates", "target_every"):
        if getattr(settings, name) < 1:
            raise SettingError(f"{name}: {getattr(settings, name)} is too few: give 1 or more")
    if settings.warmup < 0:
        raise SettingError(f"warmup: {settings.warmup} is negative: give 0 or more")
    if settings.warmup >= settings.steps:
        raise SettingError(
            f"warmup: {settings.warmup} of {settings.steps} steps leave none to learn in: give "
            "fewer, or more steps"
        )
    if settings.replay < rows * settings.batch:
        ahead = f" and n_step {n_step}" if n_step > 1 else ""
        raise SettingError(
            f"replay: {settings.replay} requests hold nothing to learn from with batch "
            f"{settings.batch}{ahead}: give {rows * settings.batch} or more"
        )
    if not settings.max_norm > 0:
        raise SettingError(f"max_norm: {settings.max_norm} is not positive: give e.g. 10")
