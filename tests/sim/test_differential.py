"""The simulator against its slow twin: any world, any answers, every field, every step."""

from __future__ import annotations

import numba
from hypothesis import HealthCheck, given, settings

from oracle.compare import assert_same, assert_same_metrics, assert_same_state
from oracle.twin import Twin
from strategies import World, answers, crowded, worlds
from vmagent_marl.sim.simulator import Simulator

SCALE = 1 if numba.config.DISABLE_JIT else 3
fixed = settings(
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,  # each takes its time to be made small
    suppress_health_check=[HealthCheck.too_slow],
)


@given(worlds())
@settings(fixed, max_examples=60 * SCALE)
def test_every_field_of_every_step(world: World) -> None:
    play_beside_the_twin(world)


@given(worlds().map(crowded))
@settings(fixed, max_examples=30 * SCALE)
def test_every_field_of_every_step_where_vms_queue(world: World) -> None:
    play_beside_the_twin(world)


def play_beside_the_twin(world: World) -> None:
    """Each environment plays its two episodes, while the others go on."""
    simulator = Simulator(
        world.rules,
        world.trace,
        batch=len(world.episodes),
        length=world.length,
        seconds=world.seconds,
        privileged=True,
    )
    to_play = {b: [episode, world.again[b]] for b, episode in enumerate(world.episodes)}
    twins: dict[int, Twin] = {}
    for step in range(10_000):
        begin = {b: rest.pop(0) for b, rest in to_play.items() if rest and b not in twins}
        if begin:
            simulator.reset(begin)
            for b, episode in begin.items():
                twins[b] = Twin(world.rules, world.trace, episode, world.length, world.seconds)
        for b, twin in twins.items():
            assert_same(simulator, b, twin)
            assert_same_metrics(simulator, b, twin)
        assert_same_state(simulator, twins)
        if not simulator.running.any() and not any(to_play.values()):
            break
        plans = answers(world.tape, step, simulator.mask)
        simulator.step(plans)
        for b, twin in twins.items():
            twin.step(plans[b].tolist())
        for b in [b for b, twin in twins.items() if twin.status != "running" and to_play[b]]:
            assert_same(simulator, b, twins[b])
            twins.pop(b)
    assert not simulator.running.any()
