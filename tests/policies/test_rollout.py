"""Whole episodes inside the kernel against one step after the other, array by array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import World, worlds
from vmagent_marl.policies.heuristics import HINTED, PACKING, PASSING, Heuristic
from vmagent_marl.policies.rollout import Tape, blank_tape, longer, roll
from vmagent_marl.sim import Simulator
from vmagent_marl.sim.rules import NO_SUMMARIES
from vmagent_marl.sim.state import SECONDS

heuristics = st.builds(
    Heuristic,
    name=st.just("drawn"),
    packing=st.sampled_from(sorted(PACKING.values())),
    passing=st.sampled_from(sorted(PASSING.values())),
    epsilon=st.sampled_from([0.0, 0.0, 0.3]),
)
# Bounds, see the test of fits; and what steps of the others set to zero once an episode has ended.
NOT_COMPARED = {"most_free", "own_reward", "reward", "team_reward", "outcome"}


def step_through(simulator: Simulator, heuristic: Heuristic, tape: Tape) -> None:
    """The obvious way to write the tape."""
    tape.observations[:, 0], tape.masks[:, 0] = simulator.observation, simulator.mask
    while simulator.running.any():
        live = np.flatnonzero(simulator.running)
        at = tape.decided[live]
        actions, logp = heuristic.act(simulator, simulator.keys())
        simulator.step(actions)
        state = simulator.state
        tape.actions[live, at], tape.behavior_logp[live, at] = actions[live], logp[live]
        tape.rewards[live, at] = simulator.team_reward[live]
        tape.agent_rewards[live, at] = simulator.own_reward[live]
        tape.reached[live, at] = state.reached[live]
        tape.effective_action[live, at] = state.effective[live]
        tape.seconds[live, at] = state.outcome[live, SECONDS]
        tape.observations[live, at + 1] = simulator.observation[live]
        tape.masks[live, at + 1] = simulator.mask[live]
        tape.decided[live] += 1
        tape.returns[:] += simulator.own_reward


def assert_same_arrays(simulator: Simulator, other: Simulator) -> None:
    """All that the future and the metrics depend on, and what is seen."""
    for name in simulator.state._fields:
        if name not in NOT_COMPARED:
            mine, theirs = getattr(simulator.state, name), getattr(other.state, name)
            np.testing.assert_array_equal(mine, theirs, err_msg=name)


def playable(world: World, heuristic: Heuristic) -> Heuristic:
    """A heuristic that the world tells enough."""
    if "summaries" in heuristic.needs and world.rules.summaries == NO_SUMMARIES:
        heuristic = replace(heuristic, passing=PASSING["accept-always"])
    if heuristic.packing in HINTED and not world.rules.hints:
        heuristic = replace(heuristic, packing=PACKING["server-best-fit"])
    return heuristic


@given(worlds(), heuristics)
@settings(deadline=None, max_examples=150, derandomize=True)
def test_a_rollout_is_step_after_step(world: World, heuristic: Heuristic) -> None:
    heuristic = playable(world, heuristic)
    stepped, rolled = world.simulator(), world.simulator()
    batch, every = len(world.episodes), np.arange(len(world.episodes))
    wanted, counted = blank_tape(stepped.layout, batch, 200), blank_tape(stepped.layout, batch)
    step_through(stepped, heuristic, wanted)
    assert roll(rolled, heuristic, every, counted)
    np.testing.assert_array_equal(counted.decided, wanted.decided)
    np.testing.assert_array_equal(counted.returns, wanted.returns)
    assert_same_arrays(rolled, stepped)
    assert [rolled.metrics(b) for b in range(batch)] == [stepped.metrics(b) for b in range(batch)]


@given(worlds(), heuristics)
@settings(deadline=None, max_examples=100, derandomize=True)
def test_the_tape_holds_what_every_step_was(world: World, heuristic: Heuristic) -> None:
    heuristic = playable(world, heuristic)
    stepped, rolled = world.simulator(), world.simulator()
    batch, every = len(world.episodes), np.arange(len(world.episodes))
    wanted, tape = blank_tape(stepped.layout, batch, 200), blank_tape(stepped.layout, batch, 3)
    step_through(stepped, heuristic, wanted)
    tape.observations[:, 0], tape.masks[:, 0] = rolled.observation, rolled.mask
    while not roll(rolled, heuristic, every, tape):
        tape = longer(tape)
    assert_same_arrays(rolled, stepped)
    np.testing.assert_array_equal(tape.decided, wanted.decided)
    for name in Tape._fields[2:]:
        extra = 1 if name in ("observations", "masks") else 0
        for b, length in enumerate(tape.decided.tolist()):
            mine, theirs = getattr(tape, name)[b], getattr(wanted, name)[b]
            np.testing.assert_array_equal(
                mine[: length + extra], theirs[: length + extra], err_msg=name
            )


def test_only_the_environments_that_are_named_play_on() -> None:
    from vmagent_marl.scenario import load_scenario
    from vmagent_marl.sim import Episode

    simulator = load_scenario("recovering", horizon=50, turned_away="count").simulator(batch=3)
    simulator.reset({b: Episode(b) for b in range(3)})
    before = simulator.snapshot()
    tape = blank_tape(simulator.layout, 3)
    assert roll(simulator, Heuristic("first-fit", PACKING["first-fit"]), np.array([1]), tape)
    assert simulator.running.tolist() == [True, False, True]
    assert tape.decided.tolist() == [0, 50, 0]
    np.testing.assert_array_equal(simulator.observation[[0, 2]], before.observation[[0, 2]])


def test_a_queue_that_sticks_where_the_room_ends_is_measured() -> None:
    """Each VM stays for ever and fills the only server's node; the next one waits for good."""
    from vmagent_marl.scenario import load_scenario
    from vmagent_marl.sim import Episode
    from vmagent_marl.sim.simulator import FIRST_ROOM

    # one VM fills the first node, FIRST_ROOM the other: as many as there is room for at first
    size = FIRST_ROOM
    stay = [[0, 1, size, 1], *[[0, 1, 1, 1]] * size]
    scenario = load_scenario(
        "waiting",
        trace={"requests": [*stay, [0, 1, 1, 1]]},
        servers=1,
        node_cpu=size,
        node_memory=2 * size,
        departures=False,
        horizon=None,
    )
    simulator = scenario.simulator()
    simulator.reset({0: Episode(0)})
    assert roll(simulator, Heuristic("first-fit", 0), np.arange(1), blank_tape(simulator.layout, 1))
    metrics = simulator.metrics(0)
    assert (metrics.placed, metrics.turned_away) == (size + 1, 1)


def test_a_passing_rule_goes_with_no_random_packing() -> None:
    import pytest

    from vmagent_marl.errors import PolicyError
    from vmagent_marl.policies import make_policy

    with pytest.raises(PolicyError, match="random answers at random"):
        make_policy("cheapest-first+random")
