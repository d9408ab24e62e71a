"""Playing episodes out: against a plain loop, whatever the batch and the order."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from vmagent_marl import windows
from vmagent_marl.episodes.recording.play import Played, play
from vmagent_marl.errors import PolicyError
from vmagent_marl.policies import Heuristic, make_policy
from vmagent_marl.policies.rollout import blank_tape, longer, roll
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode


@pytest.fixture(scope="module", params=["region-prices", "recovering", "waiting", "tiny"])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    loaded = load_scenario(request.param)
    return loaded if loaded.name in ("waiting", "tiny") else loaded.replace(horizon=80)


def episodes(scenario: Scenario, number: int) -> list[Episode]:
    trace = scenario.load_trace()
    window = "validation"
    return [windows.episode_of(scenario, trace, window, seed=2, number=i) for i in range(number)]


def play_one(scenario: Scenario, name: str, episode: Episode) -> Played:
    """The obvious way: one environment, one step after the other."""
    policy, sim = make_policy(name), scenario.simulator(batch=1)
    sim.reset({0: episode})
    own, length = np.zeros(sim.clusters), 0
    while sim.running[0]:
        actions, _ = policy.act(sim, sim.keys())
        sim.step(actions)
        own += sim.own_reward[0]
        length += 1
    return Played(sim.metrics(0), float(own.mean()), tuple(own.tolist()), length)


@pytest.mark.parametrize("policy", ["first-fit", "random"])
def test_each_episode_comes_out_as_when_played_alone(scenario: Scenario, policy: str) -> None:
    chosen = episodes(scenario, 3)
    alone = [play_one(scenario, policy, episode) for episode in chosen]
    assert play(scenario, make_policy(policy), chosen) == alone


@pytest.mark.parametrize(
    "policy", ["cheapest-first", "least-loaded", "central-by-summaries", "central"]
)
@pytest.mark.parametrize("every", [0, 3600])
def test_what_clusters_know_of_each_other_is_as_fresh_as_when_played_alone(
    policy: str, every: int
) -> None:
    """Clusters so small that they fill up, which the others have to hear of."""
    crowded = load_scenario("region-prices", servers=2, horizon=400, summary_every=every)
    chosen = episodes(crowded, 2)
    alone = [play_one(crowded, policy, episode) for episode in chosen]
    assert play(crowded, make_policy(policy), chosen) == alone
    home = play(crowded, make_policy("accept-always"), chosen)
    assert [one.metrics.hops for one in alone] != [one.metrics.hops for one in home]


@pytest.mark.parametrize("policy", ["best-fit", "random", "slot-preserving"])
def test_threads_do_not_matter(
    scenario: Scenario, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = episodes(scenario, 5)
    results = []
    for threads in (1, 2, 7):
        monkeypatch.setattr(
            "vmagent_marl.episodes.recording.play.cpus", lambda threads=threads: threads
        )
        results.append(play(scenario, make_policy(policy), chosen, batch=4))
    assert results[0] == results[1] == results[2]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="has no fork")
def test_a_forked_process_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its parent's, which do not run there: it would wait for them for ever."""
    monkeypatch.setattr("vmagent_marl.episodes.recording.play.cpus", lambda: 2)
    scenario, policy = load_scenario("tiny"), make_policy("first-fit")
    chosen = episodes(scenario, 2)
    play(scenario, policy, chosen)
    child = multiprocessing.get_context("fork").Process(
        target=play, args=(scenario, policy, chosen), daemon=True
    )
    child.start()
    child.join(timeout=60)
    assert child.exitcode == 0


def test_threads_write_the_same_tape() -> None:
    """Also where the tape and the simulator's own room run out on the way."""
    scenario = load_scenario("region-prices", horizon=None)
    tapes = []
    for threads in (1, 3):
        sim = scenario.simulator(batch=5)
        sim.reset({b: Episode(300 * b, stop=300 * b + 1300 - 100 * b) for b in range(5)})
        tape, which = blank_tape(sim.layout, 5, 500), np.arange(5)
        while not roll(sim, make_heuristic("least-loaded"), which, tape, threads=threads):
            tape = longer(tape)
        tapes.append(tape)
    assert tapes[0].decided.tolist() == [1300, 1200, 1100, 1000, 900]
    for name in tapes[0]._fields[:2]:
        assert (getattr(tapes[0], name) == getattr(tapes[1], name)).all()
    for name in tapes[0]._fields[2:]:
        for b, length in enumerate(tapes[0].decided):
            one, other = (getattr(tape, name)[b, 1:length] for tape in tapes)
            assert (one == other).all(), name


def make_heuristic(name: str) -> Heuristic:
    policy = make_policy(name)
    assert isinstance(policy, Heuristic)
    return policy


def test_the_batch_does_not_matter(scenario: Scenario) -> None:
    chosen, policy = episodes(scenario, 5), make_policy("random")
    whole = play(scenario, policy, chosen, batch=64)
    assert play(scenario, policy, chosen, batch=1) == whole
    assert play(scenario, policy, chosen, batch=3) == whole
    assert play(scenario, policy, chosen[::-1], batch=2) == whole[::-1]


def test_the_team_is_paid_the_mean_of_its_agents() -> None:
    scenario = load_scenario("region-prices", horizon=200, share=0.5)
    (played,) = play(scenario, make_policy("accept-always"), episodes(scenario, 1))
    assert len(played.own_returns) == 3
    assert played.team_return == pytest.approx(sum(played.own_returns) / 3)
    assert played.own_returns == pytest.approx(played.metrics.cluster_profit)


def test_no_episodes_are_no_results() -> None:
    assert play(load_scenario("recovering"), make_policy("first-fit"), []) == []


def test_a_policy_that_lacks_summaries_is_refused() -> None:
    scenario = load_scenario("region-prices", summaries="none")
    with pytest.raises(PolicyError, match="summaries: coarse"):
        play(scenario, make_policy("cheapest-first"), episodes(scenario, 1))


def test_progress_is_shown_on_the_error_stream_alone(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = load_scenario("tiny")
    play(scenario, make_policy("first-fit"), episodes(scenario, 3), progress=True)
    assert capsys.readouterr().out == ""
