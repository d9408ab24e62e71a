"""Networks inside the kernel against torch, and whole episodes against one step after the other."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from strategies import World, worlds
from vmagent_marl import sim
from vmagent_marl.policies.network_kernel import (
    PLACES,
    Weights,
    Workspace,
    answer,
    new_workspace,
    weights_of,
)
from vmagent_marl.policies.networks import with_identity
from vmagent_marl.policies.new_networks import network_shape, new_network
from vmagent_marl.policies.population import play_out
from vmagent_marl.policies.server_network import ServerNetwork
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, ObservationLayout, Simulator
from vmagent_marl.sim.handle import pack, unpacker
from vmagent_marl.sim.rules import FULL

KINDS = ["servers", "numbered"]
unpack = unpacker(Weights, Workspace)


@numba.njit(error_model="numpy")
def answers_of(told: Any, who: Any, seen: Any, legal: Any, answers: Any) -> None:
    weights, work = unpack(told)
    for b in range(answers.shape[0]):
        for k in range(answers.shape[1]):
            answers[b, k] = answer(weights, who[b], work, seen[b, k], legal[b, k], k)


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
        work = new_workspace(self.weights, simulator.servers)  # a table holds nothing alive
        told = pack(self.weights, work)
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


@settings(max_examples=60, deadline=None)
@given(worlds(), st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_the_kernel_takes_what_torch_values_most(world: World, kind: str, seed: int) -> None:
    simulator = world.simulator()
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
    stepped, played = world.simulator(), world.simulator()
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
    layout = ObservationLayout(clusters=3, servers=4, summaries=1, hints=hints)
    members = Members(layout, kind, 2, 1)
    for member in range(2):
        vector_to_parameters(
            torch.from_numpy(members.vectors[member]), members.network.parameters()
        )
        named = dict(members.network.named_parameters())
        assert set(named) == set(PLACES.values())
        for field, name in PLACES.items():
            kept = getattr(members.weights, field)[member]
            np.testing.assert_array_equal(kept, named[name].detach().numpy().T, field)


@pytest.mark.parametrize("name", ["recovering", "waiting"])
def test_room_for_vms_grows_on_the_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, ends = load_scenario(name), []
    for room in (2, 4096):
        monkeypatch.setattr(sim.simulator, "FIRST_ROOM", room)
        simulator = scenario.simulator(batch=6)
        simulator.reset({b: Episode(first=500 * b, number=b) for b in range(6)})
        members = Members(simulator.layout, "servers", 2, 5)
        ends.append(play_out(simulator, members.weights, np.arange(6) % 2, threads=2))
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1] > 100


def test_networks_of_nan_answer_legally() -> None:
    simulator = load_scenario("recovering").simulator()
    simulator.reset({0: Episode(first=0)})
    members = Members(simulator.layout, "servers", 1, 5)
    for weights in members.weights[:13]:
        weights.fill(np.nan)
    assert members.answers(simulator, np.zeros(1, np.int64)) == [[simulator.mask[0, 0].argmax()]]
