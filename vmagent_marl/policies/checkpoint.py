"""Trained policies in files: plain tensors and plain values, nothing that runs when it is read."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import PolicyError
from vmagent_marl.files import replacing
from vmagent_marl.policies.chances import chances_of, draw
from vmagent_marl.policies.policy import Needs
from vmagent_marl.sim import ObservationLayout, Simulator
from vmagent_marl.sim.rules import FULL

try:
    import torch
    from torch import nn

    from vmagent_marl.policies.constrained_network import ConstrainedNetwork
    from vmagent_marl.policies.networks import (
        FlatNetwork,
        Kind,
        Network,
        NetworkShape,
        flat_body,
        with_identity,
    )
    from vmagent_marl.policies.server_network import ServerCritic, ServerNetwork
except ModuleNotFoundError as error:
    raise PolicyError(
        f'trained policies need torch ({error}): in the checkout, pip install ".[torch]"'
    ) from None

FORMAT = "vmagent_marl policy 1"
CHECKPOINTS = "checkpoints"  # folder of a run, with one of each validation, by its step
SUMMARIES = ("no", "coarse", "full")  # by the number in a layout
LOGITS = ("ppo", "a2c", "ippo", "mappo", "sac", "masked_bc", "masked_sac", "implicit_q")
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
        if self.sampled and self.training.algorithm not in LOGITS:
            raise PolicyError(
                f"policy {self.name!r}: {self.training.algorithm} learned values, which are no "
                "probabilities: leave `sampled` out, or give an epsilon"
            )

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
        if self.sampled or self.epsilon:
            return draw(self.chances(batch), keys)
        actions = self._values(batch).argmax(axis=2)  # numpy's takes the lowest of equals
        return actions, np.zeros(actions.shape)

    def chances(self, batch: Simulator) -> NDArray[np.float64]:
        """(B, K, A) the probability of every answer."""
        values = self._values(batch)
        return chances_of(values, batch.mask, sampled=self.sampled, epsilon=self.epsilon)

    def _values(self, batch: Simulator) -> NDArray[np.float32]:
        """(B, K, A) of legal actions, and `ILLEGAL` for the others."""
        self.check_layout(batch.layout)
        with torch.inference_mode(), one_thread():
            features = with_identity(torch.tensor(batch.observation), self.network.shape.identities)
            mask = torch.tensor(batch.mask)
            values = self.network.legal(features.flatten(0, 1), mask.flatten(0, 1))
            legal: NDArray[np.float32] = values.view(mask.shape).numpy()
        return legal

    def check_layout(self, layout: ObservationLayout) -> None:
        """Raise `PolicyError` where the network reads other observations than of this layout."""
        learned = self.training.layout
        if self.network.shape.kind == "servers":
            learned = replace(learned, servers=layout.servers)
        if layout != learned:
            raise PolicyError(
                f"policy {self.name!r} was trained for {_described(self.training.layout)} and "
                f"plays {_described(layout)}: give the game it was trained on "
                f"({self.training.scenario.get('name')!r}), or train it anew"
            )


def network_shape(
    layout: ObservationLayout, *, hidden: tuple[int, ...] = (64, 64), kind: Kind = "flat"
) -> NetworkShape:
    """The shape of a network that plays a layout."""
    if kind == "servers" and layout.summaries == FULL:
        raise PolicyError("a network over servers reads no full summaries: take the flat one")
    return NetworkShape(
        observation=layout.size,
        identities=layout.clusters if layout.clusters > 1 else 0,
        actions=layout.actions,
        hidden=hidden,
        kind=kind,
        hints=layout.hints,
    )


def new_network(shape: NetworkShape) -> Network:
    """A network of this shape, whose first parameters are drawn."""
    if shape.flexibility is not None:
        alone = replace(shape, flexibility=None)
        return ConstrainedNetwork(new_network(alone), new_network(alone), shape.flexibility)
    return ServerNetwork(shape) if shape.kind == "servers" else FlatNetwork(shape)


def new_critic(shape: NetworkShape) -> nn.Module:
    """One value (N, 1) of features (N, inputs), in layers of the same kind and sizes."""
    if shape.kind == "servers":
        return ServerCritic(shape)
    return nn.Sequential(flat_body(shape.inputs, shape.hidden), nn.Linear(shape.hidden[-1], 1))


def save_policy(path: Path, network: Network, training: Training) -> None:
    """Write a checkpoint; for equal ones equal bytes, whole or not at all."""
    _write(path, policy_bytes(network, training))


def policy_bytes(network: Network, training: Training) -> bytes:
    """What `save_policy` writes."""
    return _bytes_of(
        {
            "format": FORMAT,
            "network": network.shape.as_dict(),
            "training": {**asdict(training), "dataset": list(training.dataset)},
            "weights": network.state_dict(),
        }
    )


def load_policy(path: Path) -> NetworkPolicy:
    """A policy named by its path; `PolicyError` for a file that is no checkpoint, or is torn."""
    content = load_tensors(path)
    if content.get("format") != FORMAT:
        raise PolicyError(f"{path}: is no {FORMAT!r}: give a policy.pt that a learner here wrote")
    try:
        sizes = content["network"]
        with torch.random.fork_rng(devices=[]):  # the parameters are drawn before they are loaded
            network = new_network(NetworkShape(**{**sizes, "hidden": tuple(sizes["hidden"])}))
        network.load_state_dict(content["weights"])
        plain = content["training"]
        training = Training(**{**plain, "dataset": tuple(plain["dataset"])})
        fits = (network.shape.observation, network.shape.actions) == (
            training.layout.size,
            training.layout.actions,
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise PolicyError(f"{path}: is a broken checkpoint ({reason}): train it anew") from None
    if not fits:
        raise PolicyError(f"{path}: its network does not fit its layout: train it anew")
    return NetworkPolicy(str(path), network.eval(), training)


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values; `VmagentError` where that fails, and the old file stays."""
    _write(path, _bytes_of(content))


def _bytes_of(content: dict[str, Any]) -> bytes:
    whole = io.BytesIO()  # torch names the file in what it writes, and hides the system's errors
    torch.save(content, whole)
    return whole.getvalue()


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as unfinished:
        unfinished.write_bytes(content)


def load_tensors(path: Path) -> dict[str, Any]:
    """What `save_tensors` wrote; `PolicyError` for anything else. Nothing in the file runs."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise PolicyError(f"{path}: is not there: give the policy.pt of a run") from None
    except Exception:  # torch's reader raises whatever noise leads it to, IndexError included
        content = None  # and its own messages advise to switch its safety off
    if not isinstance(content, dict):
        raise PolicyError(f"{path}: is no checkpoint, or a torn one: give a run's policy.pt")
    return content


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
