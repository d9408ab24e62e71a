"""What is kept of an episode, against the simulator stepped once more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmagent_marl.envs.frames import taking, used_shares
from vmagent_marl.errors import DatasetError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.metrics import cluster_profit
from vmagent_marl.sim.state import HOME, LENGTH, NOW, START, TURNED_AWAY
from vmagent_marl.view import replay as replaying
from vmagent_marl.view.changes import EVERY, ChangeLog
from vmagent_marl.view.dashboard.frame import EMPTY, OUT, frame
from vmagent_marl.view.replay import Replay, played, replayed

GAMES = [
    ("recovering", "first-fit", {}),
    ("waiting", "first-fit", {"servers": 2}),
    ("expanding", "worst-fit", {"servers": 2}),
    ("tiny", "best-fit", {}),
    ("region-outage", "cheapest-first", {"servers": 2}),
    ("region-prices", "random", {"servers": [2, 3, 1]}),
    ("consolidate", "nilas", {"servers": 4}),
]


def again(replay: Replay) -> Simulator:
    recording = replay.recording
    simulator = recording.scenario.simulator()
    simulator.reset({0: recording.played})
    return simulator


@pytest.mark.parametrize(("name", "policy", "fields"), GAMES)
def test_every_step_is_the_simulators_own(name: str, policy: str, fields: dict) -> None:
    first = 0 if name == "tiny" else 60_000
    episode = Episode(first=first, stop=first + 1000, seed=4)
    replay = played(load_scenario(name, **fields), make_policy(policy), episode)
    assert len(replay) > 3
    simulator, reward = again(replay), 0.0
    for t in range(len(replay) + 1):
        state = simulator.state
        shown = frame(replay, t)
        used, here = replay.used(t), taking(simulator) | (state.vms_on[0] > 0)
        wanted = used_shares(simulator)
        assert np.array_equal(
            used[here.nonzero()[0], :, here.nonzero()[1]],
            wanted[here.nonzero()[0], :, here.nonzero()[1]],
        )
        assert np.array_equal(replay.vms_on(t), state.vms_on[0])
        assert replay.profit[t] == pytest.approx(cluster_profit(simulator.rules, state, 0))
        assert shown["second"] == state.clock[0, NOW] - state.clock[0, START]
        assert shown["gauges"]["turned_away"] == state.clock[0, TURNED_AWAY]
        assert shown["gauges"]["reward"] == pytest.approx(reward)
        real = np.arange(here.shape[1]) < simulator.rules.most[:, None]
        assert (np.array(shown["status"]) == OUT).tolist() == (~here)[real].tolist()
        empty = (taking(simulator) & (state.vms_on[0] == 0))[real]
        assert (np.array(shown["status"]) == EMPTY).tolist() == empty.tolist()
        if t < len(replay):
            assert simulator.running[0]
            assert shown["request"]["home"] == state.clock[0, HOME]
            simulator.step(replay.recording.actions[t][None])
            reward += float(simulator.team_reward[0])
    assert not simulator.running[0]
    assert replay.metrics == simulator.metrics()


def test_a_recording_replays_bit_for_bit(region: Replay) -> None:
    second = replayed(region.recording)
    for name in ("clock", "level", "counts", "outcome", "reached", "reward", "profit"):
        assert np.array_equal(getattr(region, name), getattr(second, name)), name
    assert second.metrics == region.metrics == region.recording.metrics
    for t in (0, 700, len(region)):
        assert np.array_equal(second.free.at(t), region.free.at(t))


def test_what_is_too_long_to_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "MOST_BYTES", 10 * 480)
    scenario, policy = load_scenario("recovering", horizon=11), make_policy("first-fit")
    with pytest.raises(SettingError, match=r"too long to watch: .*--set horizon=10"):
        played(scenario, policy, Episode(first=0))
    assert len(played(scenario.replace(horizon=10), policy, Episode(first=0))) == 10


def test_another_trace_is_refused(region: Replay) -> None:
    other = dataclasses.replace(region.recording.trace, fingerprint="0" * 64)
    with pytest.raises(DatasetError, match=r"recorded on trace .* --trace FILE"):
        replayed(dataclasses.replace(region.recording, trace=other))


def test_one_servers_course_is_what_every_step_shows(region: Replay) -> None:
    steps, shares = region.server(0, 1)
    assert steps[0] == 0
    assert (np.diff(steps) > 0).all()
    for t in range(0, len(region) + 1, 7):
        row = np.searchsorted(steps, t, side="right") - 1
        assert np.array_equal(shares[row], region.used(t)[0, :, 1])


def test_the_queue_is_what_has_come_and_not_started(waiting: Replay) -> None:
    assert waiting.queue.max() > 3
    arrival, played_rows = waiting.feed.arrival, waiting.recording.played
    last = min(played_rows.stop, played_rows.first + int(waiting.clock[0, LENGTH]))
    for t in range(0, len(waiting) + 1, 11):
        now, head = waiting.clock[t, NOW], played_rows.first + t
        come = [row for row in range(head, last) if arrival[row] < now]
        assert waiting.queue[t] == len(come)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_log_of_changes_is_the_array_at_every_step(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    live = np.zeros(size, np.int32)
    writer, kept = ChangeLog.begin(live), [live.copy()]
    steps = data.draw(st.integers(0, 40)) + data.draw(st.sampled_from([0, EVERY, 2 * EVERY]))
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    for _ in range(steps):
        some = draw.integers(0, size, draw.integers(0, 3))
        live[some] = draw.integers(-3, 4, len(some))
        writer.note()
        kept.append(live.copy())
    log = writer.closed()
    for t in {0, steps, *draw.integers(0, steps + 1, 20).tolist()}:
        assert log.at(t).tolist() == kept[t].tolist()
    places = list(range(0, size, 2))
    at, values = log.course(places)
    for t in draw.integers(0, steps + 1, 20):
        row = np.searchsorted(at, t, side="right") - 1
        assert values[row].tolist() == kept[t][places].tolist()
