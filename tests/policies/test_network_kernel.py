"""Networks inside the kernel against torch, and whole episodes against one step after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from strategies import World, worlds
from vmagent_marl.policies.network_kernel import Desk, Weights, answer, new_desk, weights_of
from vmagent_marl.policies.networks import with_identity
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.policies.population import play_out
from vmagent_marl.policies.server_network import ServerNetwork
from vmagent_marl.sim import ObservationLayout, Simulator
from vmagent_marl.sim.handle import pack, unpacker
from vmagent_marl.sim.jit import entry
from vmagent_marl.sim.rules import FULL

KINDS = ["servers", "ranked"]
unpack = unpacker(Weights, Desk)


@entry
def answers_of(told: Any, who: Any, seen: Any, legal: Any, answers: Any) -> None:
    weights, desk = unpack(told)
    for b in range(answers.shape[0]):
        for k in range(answers.shape[1]):
            answers[b, k] = answer(weights, who[b], desk, 0, seen[b, k], legal[b, k], k)


class Members:
    """Networks of one shape, drawn, and what they answer request by request."""

    def __init__(self, layout: ObservationLayout, kind: Any, number: int, seed: int) -> None:
        self.network = new_network(network_shape(layout, hidden=(5, 7), kind=kind))
        assert isinstance(self.network, ServerNetwork)
        size = parameters_to_vector(self.network.parameters()).numel()
        draw = np.random.default_rng(seed)
        self.vectors = draw.standard_normal((number, size), np.float32)
        self.weights = weights_of(self.network, self.vectors)

    def answers(self, simulator: Simulator, who: NDArray[np.int64]) -> NDArray[np.int64]:
        """By the kernel, (B, K)."""
        answers = np.zeros((simulator.batch, simulator.clusters), np.int64)
        desk = new_desk(self.weights, simulator.servers, 1)
        told = pack(self.weights, desk)
        answers_of(told, who, simulator.observation, simulator.mask, answers)
        return answers

    def values(self, simulator: Simulator, who: NDArray[np.int64]) -> NDArray[np.float32]:
        """By torch, (B, K, A)."""
        found = []
        for b, member in enumerate(who):
            vector_to_parameters(torch.from_numpy(self.vectors[member]), self.network.parameters())
            seen = torch.from_numpy(simulator.observation[b : b + 1].copy())
            features = with_identity(seen, self.network.shape.identities)
            with torch.no_grad():
                found.append(self.network(features.flatten(0, 1)).numpy())
        return np.stack(found)


def simulator_of(world: World) -> Simulator:
    simulator = Simulator(
        world.rules,
        world.trace,
        batch=len(world.episodes),
        length=world.length,
        seconds=world.seconds,
    )
    simulator.reset(dict(enumerate(world.episodes)))
    return simulator


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_the_kernel_takes_what_torch_values_most(world: World, kind: str, seed: int) -> None:
    simulator = simulator_of(world)
    assume(simulator.layout.summaries != FULL)
    members = Members(simulator.layout, kind, 2, seed)
    who = np.arange(simulator.batch) % 2
    draw = np.random.default_rng(seed)
    for _ in range(12):
        answers, values = members.answers(simulator, who), members.values(simulator, who)
        legal = simulator.mask > 0
        assert np.take_along_axis(legal, answers[:, :, None], 2)[simulator.running].all()
        best = np.where(legal, values, -np.inf).max(2)
        taken = np.take_along_axis(values, answers[:, :, None], 2)[:, :, 0]
        slack = 1e-4 * (1 + np.abs(values).max())
        assert (taken >= best - slack)[simulator.running].all()
        simulator.step(draw.integers(simulator.actions, size=answers.shape))


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_playing_out_is_step_after_step(world: World, kind: str, seed: int, threads: int) -> None:
    stepped, played = simulator_of(world), simulator_of(world)
    assume(stepped.layout.summaries != FULL)
    members = Members(stepped.layout, kind, 3, seed)
    who = np.arange(stepped.batch) % 3
    returns, decided = np.zeros(stepped.batch), 0
    while stepped.running.any():
        decided += int(stepped.running.sum())
        stepped.step(members.answers(stepped, who))
        returns += stepped.team_reward
    found, steps = play_out(played, members.weights, who, threads=threads)
    np.testing.assert_array_equal(found, returns)
    assert steps == decided
    for b in range(stepped.batch):
        assert played.metrics(b) == stepped.metrics(b)


@pytest.mark.parametrize("hints", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_its_place(kind: Any, hints: int) -> None:
    """A vector's numbers all come back, each once."""
    layout = ObservationLayout(clusters=3, servers=4, summaries=1, hints=hints)
    members = Members(layout, kind, 2, 1)
    arrays = [each for each in members.weights if isinstance(each, np.ndarray)]
    for member in range(2):
        kept = np.concatenate([each[member].ravel() for each in arrays])
        np.testing.assert_array_equal(np.sort(kept), np.sort(members.vectors[member]))
