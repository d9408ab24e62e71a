"""Policies that a network plays, and what is known of its training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError
from vmagent_marl.policies.chances import chances_of, draw
from vmagent_marl.policies.policy import Needs
from vmagent_marl.sim import ObservationLayout, Simulator

try:
    import torch

    from vmagent_marl.policies.networks import Network, with_identity
except ModuleNotFoundError as error:
    raise PolicyError(
        f'trained policies need torch ({error}): in the checkout, pip install ".[torch]"'
    ) from None

SUMMARIES = ("no", "coarse", "full")  # by the number in a layout
CHUNK = 4096  # rows of recorded observations that a network reads at once: it bounds the memory
DRAWN = ("ppo", "a2c", "ippo", "mappo", "sac", "masked_bc", "masked_sac", "implicit_q")
"""Learners whose networks give logits by which answers may be drawn."""
LOGITS = (*DRAWN, "es")
"""Learners whose networks say what to answer, and hold no values."""


@dataclass(frozen=True)
class Training:
    """Where a policy comes from and what it plays."""

    algorithm: str
    scenario: dict[str, Any]  # as `scenario_from` takes it
    clusters: int  # the layout's
    servers: int
    summaries: int
    gamma: float | None = None  # None: nothing was discounted
    dataset: tuple[str, ...] = ()  # ids; none for what learned online
    hints: int = 0  # the layout's, which older checkpoints have not
    epsilon: float | None = None  # random answers at this step of a run; None: it is not of one

    @classmethod
    def on(cls, layout: ObservationLayout, **told: Any) -> Training:
        """Of a policy that plays this layout; `told`: the other fields."""
        return cls(
            clusters=layout.clusters,
            servers=layout.servers,
            summaries=layout.summaries,
            hints=layout.hints,
            **told,
        )

    @property
    def layout(self) -> ObservationLayout:
        """Where what stands in the observations that it reads."""
        return ObservationLayout(self.clusters, self.servers, self.summaries, self.hints)


@dataclass(frozen=True)
class NetworkPolicy:
    """The legal action of the highest value or logit, the same network for every agent.

    `sampled` draws by the softmax of the legal actions' logits instead, as actor-critics do while
    they learn; with probability `epsilon` it is a random legal action, as learners of values have
    it. Then the log-probability is that of the answer, whichever way it was come to.
    """

    name: str
    network: Network
    training: Training
    epsilon: float = 0.0
    sampled: bool = False

    def __post_init__(self) -> None:
        """Refuse a share of noise that is none, and to take values for logits."""
        if not 0.0 <= self.epsilon <= 1.0:
            raise PolicyError(f"epsilon: {self.epsilon} is no probability: give 0 to 1")
        if self.sampled and self.training.algorithm not in DRAWN:
            learned = "the best answer alone, and no"
            if self.training.algorithm not in LOGITS:
                learned = "values, which are no"
            raise PolicyError(
                f"policy {self.name!r}: {self.training.algorithm} learned {learned} "
                "probabilities: leave `sampled` out, or give an epsilon"
            )

    def with_noise(self, epsilon: float) -> NetworkPolicy:
        """The same with this share of random legal answers, which its name tells."""
        name = f"{self.name}-epsilon-{epsilon:g}" if epsilon else self.name
        return replace(self, name=name, epsilon=epsilon)

    @property
    def needs(self) -> Needs:
        """See `Policy`."""
        if self.training.hints:
            return "summaries and lifetimes" if self.training.summaries else "lifetimes"
        return "summaries" if self.training.summaries else "own servers"

    def act(
        self, batch: Simulator, keys: NDArray[np.uint64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """See `Policy.act`. Raises `PolicyError` for another layout."""
        self.check_layout(batch.layout)
        if self.sampled or self.epsilon:
            return draw(self.chances(batch.observation, batch.mask), keys)
        values = self._values(batch.observation, batch.mask)
        actions = values.argmax(axis=2)  # numpy's takes the lowest of equals, torch's any
        return actions, np.zeros(actions.shape)

    def chances(
        self, observation: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> NDArray[np.float64]:
        """(N, K, A) probabilities of the answers to observations (N, K, F) and masks (N, K, A).

        Raises `PolicyError` for observations or masks of other sizes.
        """
        self._check_sizes(observation.shape[2], mask.shape[2])
        parts = [slice(first, first + CHUNK) for first in range(0, len(mask), CHUNK)]
        return np.concatenate(
            [
                chances_of(
                    self._values(observation[rows], mask[rows]),
                    mask[rows],
                    sampled=self.sampled,
                    epsilon=self.epsilon,
                )
                for rows in parts
            ]
        )

    def _values(
        self, observation: NDArray[np.float32], mask: NDArray[np.int8]
    ) -> NDArray[np.float32]:
        """(N, K, A) of legal actions, and `ILLEGAL` for the others."""
        with torch.inference_mode(), one_thread():
            features = with_identity(torch.tensor(observation), self.network.shape.identities)
            legal = torch.tensor(mask)
            values = self.network.legal(features.flatten(0, 1), legal.flatten(0, 1))
            found: NDArray[np.float32] = values.view(legal.shape).numpy()
        return found

    def _check_sizes(self, observation: int, actions: int) -> None:
        """Raise `PolicyError` for floats of an observation and actions that it does not read."""
        shape = self.network.shape
        wanted = shape.observation
        if shape.over_servers:
            wanted += (5 + shape.hints) * (actions - shape.actions) // 2
        if observation != wanted or (not shape.over_servers and actions != shape.actions):
            raise PolicyError(
                f"policy {self.name!r} reads {shape.observation} floats and has {shape.actions} "
                f"actions, and the observations have {observation} and {actions}: give what it was "
                f"trained on ({self.training.scenario.get('name')!r})"
            )

    def check_layout(self, layout: ObservationLayout) -> None:
        """Raise `PolicyError` where the network reads other observations than of this layout."""
        learned = self.training.layout
        if self.network.shape.over_servers:
            learned = replace(learned, servers=layout.servers)
        if layout != learned:
            raise PolicyError(
                f"policy {self.name!r} was trained for {_described(self.training.layout)} and "
                f"plays {_described(layout)}: give the game it was trained on "
                f"({self.training.scenario.get('name')!r}), or train it anew"
            )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Small networks on one thread: several are slower, and far slower on a busy machine."""
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)


def _described(layout: ObservationLayout) -> str:
    clusters = f"{layout.clusters} cluster{'s' if layout.clusters > 1 else ''}"
    told = f"{SUMMARIES[layout.summaries]} summaries{' and lifetime hints' if layout.hints else ''}"
    return f"{clusters} of {layout.servers} servers with {told}"
