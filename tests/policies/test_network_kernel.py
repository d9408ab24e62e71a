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
)
from vmagent_marl.policies.networks import with_identity
from vmagent_marl.policies.new_networks import network_shape, new_network, slot_value_shape
from vmagent_marl.policies.population import members_of, play_out
from vmagent_marl.policies.slot_value_kernel import (
    Counts,
    SlotValues,
    answer_by_room,
    new_counts,
)
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.handle import pack, unpacker
from vmagent_marl.sim.rules import FULL

KINDS = ["servers", "numbered", "slots"]
unpack = unpacker(Weights, Workspace)
unpack_slot_values = unpacker(SlotValues, Counts)
VALUES = {
    "direct": "direct.weight",
    "server": "server",
    "cluster": "cluster",
    "passing": "passing",
}


@numba.njit(error_model="numpy")
def answers_of(told: Any, who: Any, seen: Any, legal: Any, answers: Any) -> None:
    weights, work = unpack(told)
    for b in range(answers.shape[0]):
        for k in range(answers.shape[1]):
            answers[b, k] = answer(weights, who[b], work, seen[b, k], legal[b, k], k)


@numba.njit(error_model="numpy")
def answers_by_room(told: Any, who: Any, seen: Any, legal: Any, answers: Any) -> None:
    values, work = unpack_slot_values(told)
    for b in range(answers.shape[0]):
        for k in range(answers.shape[1]):
            answers[b, k] = answer_by_room(values, who[b], work, seen[b, k], legal[b, k], k)


class Members:
    """Networks of one shape, drawn, and what they answer request by request."""

    def __init__(self, simulator: Simulator, kind: Any, number: int, seed: int) -> None:
        shape = network_shape(simulator.layout, hidden=(5, 7), kind=kind)
        self.network = new_network(slot_value_shape(simulator) if kind == "slots" else shape)
        size = parameters_to_vector(self.network.parameters()).numel()
        draw = np.random.default_rng(seed)
        self.vectors = draw.standard_normal((number, size), np.float32)
        self.kept = members_of(self.network, self.vectors)

    def answers(self, simulator: Simulator, who: NDArray[np.int64]) -> NDArray[np.int64]:
        """By the kernel, (B, K)."""
        answers = np.zeros((simulator.batch, simulator.clusters), np.int64)
        asked = who, simulator.observation, simulator.mask, answers
        if isinstance(self.kept, SlotValues):
            counts = new_counts(self.kept, simulator.servers)  # a table holds nothing alive
            answers_by_room(pack(self.kept, counts), *asked)
        else:
            work = new_workspace(self.kept, simulator.servers)
            answers_of(pack(self.kept, work), *asked)
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
    members = Members(simulator, kind, 2, seed)
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
    members = Members(stepped, kind, 3, seed)
    who = np.arange(stepped.batch) % 3
    returns, decided = np.zeros(stepped.batch), 0
    while stepped.running.any():
        decided += int(stepped.running.sum())
        stepped.step(members.answers(stepped, who))
        returns += stepped.team_reward
    found, steps = play_out(played, members.kept, who, threads=threads)
    np.testing.assert_array_equal(found, returns)
    assert steps == decided
    for b in range(stepped.batch):
        assert played.metrics(b) == stepped.metrics(b)


@pytest.mark.parametrize("hints", ["none", "exact"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_has_its_place(kind: Any, hints: Any) -> None:
    scenario = load_scenario("region-prices", trace={"requests": [[0, 9, 1, 1]]}, hints=hints)
    members = Members(scenario.simulator(), kind, 2, 1)
    places = VALUES if kind == "slots" else PLACES
    for member in range(2):
        vector_to_parameters(
            torch.from_numpy(members.vectors[member]), members.network.parameters()
        )
        named = dict(members.network.named_parameters())
        assert set(named) == set(places.values())
        for field, name in places.items():
            kept, learned = getattr(members.kept, field)[member], named[name].detach().numpy()
            # the kernel reads what a feature weighs row by row
            learned = learned.reshape(kept.shape) if kind == "slots" else learned.T
            np.testing.assert_array_equal(kept, learned, field)


@pytest.mark.parametrize("kind", ["servers", "slots"])
@pytest.mark.parametrize("name", ["recovering", "waiting"])
def test_room_for_vms_grows_on_the_way(
    name: str, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, ends = load_scenario(name), []
    for room in (2, 4096):
        monkeypatch.setattr(sim.simulator, "FIRST_ROOM", room)
        simulator = scenario.simulator(batch=6)
        simulator.reset({b: Episode(first=500 * b, number=b) for b in range(6)})
        members = Members(simulator, kind, 2, 5)
        ends.append(play_out(simulator, members.kept, np.arange(6) % 2, threads=2))
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1] > 100


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_nan_answer_legally(kind: Any) -> None:
    simulator = load_scenario("recovering").simulator()
    simulator.reset({0: Episode(first=0)})
    members = Members(simulator, kind, 1, 5)
    members.vectors.fill(np.nan)
    members.kept = members_of(members.network, members.vectors)
    assert members.answers(simulator, np.zeros(1, np.int64)) == [[simulator.mask[0, 0].argmax()]]
