"""A trained policy that answers at random now and then, with the probability of every answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.checkpoint import NetworkPolicy, one_thread
from vmagent_marl.policies.networks import with_identity
from vmagent_marl.policies.policy import Needs
from vmagent_marl.sim import Simulator

CHUNK = 4096  # rows that a network reads at once: it bounds the memory
WHETHER = np.uint64(0xA0761D6478BD642F)  # sets the draw of whether it errs apart from
WHICH = np.uint64(0xE7037ED1A0B428DB)  # the draw of the answer


@dataclass(frozen=True)
class NoisyNetwork:
    """The network's highest legal action; with probability `epsilon` a random legal one instead.

    The probability of an answer is (1 - epsilon) [it is the highest] + epsilon / legal ones.
    """

    policy: NetworkPolicy
    epsilon: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a share of noise that is none."""
        if not 0.0 <= self.epsilon <= 1.0:
            raise PolicyError(f"epsilon: {self.epsilon} is no probability: give 0 to 1")

    @property
    def name(self) -> str:
        """The network's, and its noise."""
        noise = f"-epsilon-{self.epsilon:g}" if self.epsilon else ""
        return f"{self.policy.name}{noise}"

    @property
    def needs(self) -> Needs:
        """See `Policy`."""
        return self.policy.needs

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See `Policy.act`."""
        best, _ = self.policy.act(batch, keys)
        legal = batch.mask > 0
        count = np.maximum(1, legal.sum(axis=2))
        number = np.minimum((_uniform(keys ^ WHICH) * count).astype(np.int64), count - 1)
        drawn = (legal.cumsum(axis=2) > number[..., None]).argmax(axis=2)
        actions = np.where(_uniform(keys ^ WHETHER) < self.epsilon, drawn, best)
        chances = self.epsilon / count + (1.0 - self.epsilon) * (actions == best)
        # not numpy's logarithm, whose last bit hangs on the machine
        logp = np.array([math.log(chance) for chance in chances.ravel().tolist()])
        return actions, logp.reshape(keys.shape)

    def chances(
        self, observation: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """(N, K, A) probabilities of the answers to observations (N, K, F) and masks (N, K, A).

        Raises `PolicyError` where the network reads something else.
        """
        network = self.policy.network
        shape = network.shape
        if (observation.shape[2], mask.shape[2]) != (shape.observation, shape.actions):
            raise PolicyError(
                f"policy {self.policy.name!r} reads {shape.observation} floats and has "
                f"{shape.actions} actions, and the observations have {observation.shape[2]} and "
                f"{mask.shape[2]}: give what it was trained on "
                f"({self.policy.training.scenario.get('name')!r})"
            )
        legal = mask > 0
        chances = np.where(legal, self.epsilon / np.maximum(1, legal.sum(axis=2))[..., None], 0.0)
        with torch.inference_mode(), one_thread():
            for first in range(0, len(mask), CHUNK):
                rows = slice(first, first + CHUNK)
                features = with_identity(torch.from_numpy(observation[rows]), shape.identities)
                seen = torch.from_numpy(mask[rows]).flatten(0, 1)
                values = network.legal(features.flatten(0, 1), seen).view(mask[rows].shape)
                best = values.numpy().argmax(axis=2)[..., None]
                part = chances[rows]
                more = np.take_along_axis(part, best, axis=2) + (1.0 - self.epsilon)
                np.put_along_axis(part, best, more, axis=2)
        return chances


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Floats in [0, 1) by the finaliser of SplitMix64, as in `vmagent_marl.sim.draws`."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits = (bits ^ (bits >> np.uint64(31))) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53
