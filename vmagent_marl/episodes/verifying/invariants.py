"""What holds in every episode of a data set, whatever was played; told as faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from vmagent_marl.episodes.views.arrays import Arrays

if TYPE_CHECKING:
    from gymnasium.spaces import Box

CLOSE = 1e-9  # relative; sums may be taken in another order
LIKELIEST = 1e-9  # that a log-probability may lie above 0 by rounding


def value_faults(arrays: Arrays, bounds: Box) -> Iterator[str]:
    """Observations outside of their space, ends that are none, rewards that do not add up."""
    seen = arrays["observations"]
    low, high = bounds.low.reshape(seen.shape[1:]), bounds.high.reshape(seen.shape[1:])
    outside = ~((seen >= low) & (seen <= high))  # NaN lies in no bounds
    if outside.any():
        yield f"observation outside of its bounds in row {_row(outside)}"
    ends = arrays["terminations"].astype(np.int64) + arrays["truncations"]
    if ends[:-1].any() or ends[-1] != 1:
        yield "it does not end once, at its last transition"
    own, team = arrays["agent_rewards"], arrays["rewards"]
    if not (np.isfinite(own).all() and np.isfinite(team).all()):
        yield "a reward is not finite"
    elif not np.allclose(own.mean(axis=1), team, rtol=CLOSE, atol=CLOSE):
        unlike = ~np.isclose(own.mean(axis=1), team, rtol=CLOSE, atol=CLOSE)
        yield f"reward of transition {_row(unlike)} is not the mean of the agents'"
    if (arrays["seconds"] < 0).any():
        yield f"time runs backwards in transition {_row(arrays['seconds'] < 0)}"
    if (arrays["component"] != arrays["component"][0]).any():
        yield "more than one policy of the mixture plays it"


def mask_faults(arrays: Arrays, actions: int, *, passes: bool) -> Iterator[str]:
    """Masks that are none, and effective actions that they forbid.

    `passes`: an agent that was not reached passed, by the last action.
    """
    taken, reached = arrays["effective_action"], arrays["reached"]
    for name in ("actions", "effective_action"):
        outside = (arrays[name] < 0) | (arrays[name] >= actions)
        if outside.any():
            yield f"{name} of transition {_row(outside)} is outside of Discrete({actions})"
            return
    if "masks" not in arrays:
        return
    masks = arrays["masks"]
    if ((masks != 0) & (masks != 1)).any():
        yield f"mask in row {_row((masks != 0) & (masks != 1))} holds more than 0 and 1"
    if not masks.any(axis=2).all():
        yield f"mask in row {_row(~masks.any(axis=2))} allows nothing"
    legal = np.take_along_axis(masks[:-1], taken[:, :, None], axis=2)[:, :, 0] == 1
    if (reached & ~legal).any():
        yield f"effective action of transition {_row(reached & ~legal)} is illegal"
    if passes and (taken[~reached] != actions - 1).any():
        yield f"an unreached agent acts in transition {_row(~reached & (taken != actions - 1))}"


def probability_faults(arrays: Arrays, *, discrete: bool) -> Iterator[str]:
    """Log-probabilities that are none; NaN says that one is not known."""
    logp = arrays["behavior_logp"]
    if np.isinf(logp).any():
        yield f"log-probability of transition {_row(np.isinf(logp))} is infinite"
    if discrete and (logp > LIKELIEST).any():
        yield f"log-probability of transition {_row(logp > LIKELIEST)} is above 0"


def _row(wrong: Any) -> int:
    """The first row in which something is wrong."""
    return int(np.argwhere(wrong)[0][0])
