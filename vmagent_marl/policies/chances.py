"""Answers that are drawn by their probabilities, from nothing but the keys."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def uniforms(keys: NDArray[np.uint64]) -> Floats:
    """A number in [0, 1) for each key: `sim.draws.uniform(mix(key))`, of arrays."""
    bits = (keys ^ (keys >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    whole: NDArray[np.uint64] = (bits ^ (bits >> np.uint64(31))) >> np.uint64(11)
    return whole.astype(np.float64) * 2.0**-53


def logarithms(chances: Floats) -> Floats:
    """Of probabilities; not by numpy, whose last bit hangs on the machine."""
    return np.array([math.log(chance) for chance in chances.ravel().tolist()]).reshape(
        chances.shape
    )


def chances_of(
    values: NDArray[np.float32], mask: NDArray[np.int8], *, sampled: bool, epsilon: float
) -> Floats:
    """Probabilities (B, K, A) of all actions, by values or logits (B, K, A) and the mask.

    Of the action of the highest value 1, or those of the softmax of legal actions' logits; then
    (1 - epsilon) of it, and epsilon shared among the legal actions. Where nothing is legal, since
    nothing is being played, the last action has all of it.
    """
    legal = mask > 0
    legal[..., -1] |= ~legal.any(axis=2)
    if sampled:
        logits = np.where(legal, values, -np.inf).astype(np.float64)
        chances = np.exp(logits - logits.max(axis=2, keepdims=True))
        chances /= chances.sum(axis=2, keepdims=True)
    else:
        chances = np.zeros(values.shape)
        best = np.where(legal, values, -np.inf).argmax(axis=2)
        np.put_along_axis(chances, best[..., None], 1.0, axis=2)
    if epsilon:
        each = epsilon / np.count_nonzero(legal, axis=2, keepdims=True)
        chances = (1.0 - epsilon) * chances + each * legal
    return chances


def draw(chances: Floats, keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], Floats]:
    """Actions (B, K) by probabilities (B, K, A), and the logarithms of theirs."""
    upto = np.cumsum(chances, axis=2)
    drawn = uniforms(keys)[..., None] * upto[..., -1:]
    actions = np.count_nonzero(upto <= drawn, axis=2)
    last = chances.shape[2] - 1 - (chances[..., ::-1] > 0).argmax(axis=2)
    actions = np.minimum(actions, last)  # rounding may carry the largest draw to the end
    taken = np.take_along_axis(chances, actions[..., None], axis=2)[..., 0]
    return actions.astype(np.int64), logarithms(taken)
