"""Random numbers by key: the same (seed, episode, request, agent) draws the same, in any order."""

from __future__ import annotations

import math

import numpy as np

from vmagent_marl.sim.jit import part

# These stand where an agent's number would: no cluster has so high a one.
HOME = 1 << 20
LIFETIME = HOME + 1


@part
def mix(value: np.uint64) -> np.uint64:
    """Finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014, variant 13 of Stafford)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(value ^ (value >> np.uint64(31)))


@part
def key(seed: int, episode: int, request: int, agent: int) -> np.uint64:
    """64 random bits that depend on the four numbers alone."""
    step = np.uint64(0x9E3779B97F4A7C15)
    bits = mix(np.uint64(seed) + step)
    bits = mix(bits ^ (np.uint64(episode) + step))
    bits = mix(bits ^ (np.uint64(request) + step))
    return mix(bits ^ (np.uint64(agent) + step))


@part
def uniform(bits: np.uint64) -> float:
    """A float64 in [0, 1) of 53 random bits."""
    return np.float64(bits >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@part
def below(bits: np.uint64, limit: int) -> int:
    """A whole number in [0, limit)."""
    return int(uniform(bits) * limit)


@part
def normal(bits: np.uint64) -> float:
    """A standard normal number (Box & Muller 1958, the cosine's)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(bits)))
    return radius * math.cos(2.0 * math.pi * uniform(mix(bits)))
