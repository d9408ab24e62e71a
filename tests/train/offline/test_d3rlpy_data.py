from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest
from d3rlpy.logging import NoopAdapterFactory
from hypothesis import given
from hypothesis import strategies as st
from train.recordings import record, save, small_region, tagged

from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder
from vmagent_marl.errors import DatasetError, SettingError, UnknownNameError
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.estimation.trajectories import read_trajectories
from vmagent_marl.train.offline.data.decisions import read_decisions
from vmagent_marl.train.offline.data.joint_decisions import read_joint_decisions
from vmagent_marl.train.offline.data.semi_markov import Happened, decided
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_data import DecisionBuffer, trajectories
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import TransitionMiniBatch

FEATURES, ACTIONS = 4, 5
SHAPES = [(0, 6, True), (1, 9, False), (2, 1, True), (3, 1, False), (4, 12, True)]  # number, T, end


def save_tagged(clusters: int, name: str = "tagged/small-v0") -> tuple[str, list[Any]]:
    episodes = [
        tagged(n, clusters=clusters, steps=t, terminated=e, features=FEATURES, actions=ACTIONS)
        for n, t, e in SHAPES
    ]
    scenario = load_scenario("tiny") if clusters == 1 else small_region()
    return save(name, episodes, scenario, (clusters, FEATURES, ACTIONS)), episodes


def expected(episodes: list[Any], clusters: int, gamma: float, own: bool) -> list[dict[str, Any]]:
    """The decisions one by one, in plain Python."""
    found = []
    for (number, steps, terminated), episode in zip(SHAPES, episodes, strict=True):
        for k in range(clusters):
            reached = episode.infos["reached"][1:, k]
            asked = [t for t in range(steps) if reached[t]]
            for i, t in enumerate(asked):
                following = asked[i + 1] if i + 1 < len(asked) else steps
                ended = terminated and following == steps
                paid = [
                    episode.infos["agent_rewards"][1 + u, k] if own else episode.rewards[u]
                    for u in range(t, following)
                ]
                found.append(
                    {
                        "tag": (number, t, k),
                        "action": int(np.reshape(episode.actions, (steps, clusters))[t, k]),
                        "reward": sum(gamma**j * r for j, r in enumerate(paid)),
                        "interval": following - t,
                        "next": None if ended else (number, following, k),
                    }
                )
    return found


def tag(features: Any) -> tuple[int, int, int]:
    number, step, agent = (round(100 * float(x)) for x in features[:3])
    return number, step, agent


@pytest.mark.parametrize("clusters", [1, 3])
@pytest.mark.parametrize("reward", ["team", "own"])
def test_no_row_is_shifted_lost_or_invented(clusters: int, reward: Any) -> None:
    name, episodes = save_tagged(clusters)
    decisions = read_decisions(name, reward=reward, gamma=0.9)
    wanted = expected(episodes, clusters, 0.9, reward == "own")
    assert len(wanted) > 20
    buffer = DecisionBuffer(decisions)
    picked = [
        buffer.transition_picker(episode, index)
        for episode in buffer.episodes
        for index in range(episode.transition_count)
    ]
    assert len(picked) == len(wanted) == buffer.transition_count
    for transition, want in zip(picked, wanted, strict=True):
        features, mask = transition.observation
        number, step, agent = want["tag"]
        assert tag(features) == want["tag"]
        recorded = np.reshape(episodes[number].observations["action_mask"], (-1, clusters, ACTIONS))
        np.testing.assert_array_equal(mask, recorded[step, agent])
        assert mask[int(transition.action[0])] == 1
        assert int(transition.action[0]) == want["action"]
        assert transition.reward[0] == pytest.approx(want["reward"], rel=1e-6)
        assert transition.interval == want["interval"]
        assert bool(transition.terminal) == (want["next"] is None)
        if want["next"]:
            assert tag(transition.next_observation[0]) == want["next"]
            np.testing.assert_array_equal(
                transition.next_observation[1], recorded[want["next"][1], agent]
            )
        if clusters > 1:
            np.testing.assert_array_equal(features[FEATURES:], np.eye(clusters)[agent])


@pytest.mark.parametrize("clusters", [1, 3])
def test_a_batch_holds_what_d3rlpy_would_have_picked(clusters: int) -> None:
    name, _ = save_tagged(clusters)
    buffer = DecisionBuffer(read_decisions(name))
    rows = np.flatnonzero(~buffer.decisions.closing)
    ours = buffer.batch(rows)
    theirs = TransitionMiniBatch.from_transitions(
        [
            buffer.transition_picker(episode, index)
            for episode in buffer.episodes
            for index in range(episode.transition_count)
        ]
    )
    for field in ("actions", "rewards", "terminals", "intervals"):
        np.testing.assert_array_equal(getattr(ours, field), getattr(theirs, field))
    alive = ours.terminals[:, 0] == 0
    np.testing.assert_array_equal(ours.next_actions[alive], theirs.next_actions[alive])
    for i in range(2):
        np.testing.assert_array_equal(ours.observations[i], theirs.observations[i])
        np.testing.assert_array_equal(ours.next_observations[i], theirs.next_observations[i])


def test_batches_are_drawn_by_the_seed_from_all_decisions_alike() -> None:
    name, _ = save_tagged(1)
    decisions = read_decisions(name)
    first, second = DecisionBuffer(decisions, seed=3), DecisionBuffer(decisions, seed=3)
    drawn = first.sample_transition_batch(5000)
    np.testing.assert_array_equal(
        drawn.observations[0], second.sample_transition_batch(5000).observations[0]
    )
    _, counts = np.unique(drawn.observations[0], axis=0, return_counts=True)
    assert len(counts) == 29  # 6 + 9 + 1 + 1 + 12 decisions
    assert counts.min() > 100
    assert counts.max() < 260


@given(st.integers(0, 2**32), st.floats(0.5, 1.0), st.integers(1, 3))
def test_decisions_keep_the_discounted_return(seed: int, gamma: float, clusters: int) -> None:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 30, draw.integers(1, 5))
    ends = np.cumsum(lengths + 1)
    total = int(ends[-1])
    happened = np.ones((total, 1), np.bool_)
    happened[ends - 1] = False
    recorded = Happened(
        lengths=lengths,
        terminated=draw.random(len(lengths)) < 0.5,
        asked=draw.random((len(lengths), clusters)) < 0.5,
        reached=happened & (draw.random((total, clusters)) < draw.choice([0.1, 0.6, 1.0])),
        action=happened * draw.integers(0, 9, (total, clusters)),
        paid=happened * draw.normal(size=(total, draw.choice([1, clusters]))),
    )
    table = decided(recorded, gamma)
    stops = np.flatnonzero(table.closing) + 1
    found = iter(zip(stops - np.diff(stops, prepend=0), stops, strict=True))
    for e, (length, end) in enumerate(zip(lengths, ends - 1, strict=True)):
        for k in range(clusters):
            asked = np.flatnonzero(recorded.reached[end - length : end, k])
            last = length
            if asked.size and not (recorded.terminated[e] or recorded.asked[e, k]):
                asked, last = asked[:-1], asked[-1]
            if not asked.size:
                continue
            rows = slice(*next(found))
            assert (table.episode[rows] == e).all()
            assert (table.agent[rows] == k).all()
            assert table.seen[rows].tolist() == [t * clusters + k for t in [*asked, last]]
            answers = recorded.action[end - length : end, k][asked]
            assert table.action[rows].tolist()[:-1] == answers.tolist()
            assert table.terminal[rows].any() == recorded.terminated[e]
            assert not table.terminal[rows][:-2].any()
            assert not table.closing[rows][:-1].any()
            assert table.interval[rows].sum() == last - asked[0]
            before = np.cumsum(table.interval[rows]) - table.interval[rows]
            kept = (gamma**before * table.reward[rows]).sum()
            paid = np.broadcast_to(recorded.paid, (total, clusters))[end - length : end, k]
            wanted = (gamma ** np.arange(last - asked[0]) * paid[asked[0] : last]).sum()
            assert kept == pytest.approx(wanted, rel=1e-9, abs=1e-9)
    assert next(found, None) is None


def test_no_trajectory_ends_where_the_agent_could_not_be_asked() -> None:
    """What such a request is worth to the agent is taught by nothing."""
    scenario = small_region(tries=2)
    name = record("small/two-tries-v0", scenario, [make_policy("random")], 6)
    decisions = read_decisions(name)
    beyond = layout_of(scenario.rules()).parts["chain"].stop - 1
    ends = decisions.closing & (decisions.mask.sum(axis=1) > 0)  # truncated, not terminated
    assert ends.sum() > 6
    assert not decisions.features[ends, beyond].any()
    assert not decisions.features[~decisions.closing, beyond].any()


def test_an_agent_that_nobody_asked_has_no_trajectory() -> None:
    recorded = Happened(
        lengths=np.array([2]),
        terminated=np.array([True]),
        asked=np.array([[True, True]]),
        reached=np.array([[False, True], [False, True], [False, False]]),
        action=np.zeros((3, 2), np.int64),
        paid=np.array([[1.0], [1.0], [0.0]]),
    )
    assert decided(recorded, 1.0).agent.tolist() == [1, 1, 1]
    nobody = recorded._replace(reached=np.zeros((3, 2), np.bool_))
    assert decided(nobody, 1.0).agent.size == 0


def test_the_store_under_the_buffer_finds_what_a_list_would_hold() -> None:
    name, _ = save_tagged(3)
    buffer = DecisionBuffer(read_decisions(name))
    listed = [(episode, i) for episode in buffer.episodes for i in range(episode.transition_count)]
    store = buffer.buffer
    assert len(store) == store.transition_count == len(listed)
    for number in (*range(len(listed)), -1, -len(listed)):
        assert store[number][0] is listed[number][0]
        assert store[number][1] == listed[number][1]
    with pytest.raises(IndexError):
        store[len(listed)]
    with pytest.raises(DatasetError, match="read several data sets together"):
        buffer.append_episode(buffer.episodes[0])


def test_rewards_are_scaled() -> None:
    name, _ = save_tagged(1)
    plain = read_decisions(name).reward
    np.testing.assert_allclose(read_decisions(name, reward_scale=4.0).reward, plain / 4, rtol=1e-6)
    own = read_decisions(name, reward_scale=None)
    assert (own.reward[~own.closing] ** 2).mean() == pytest.approx(1.0, rel=1e-4)


def test_recordings_of_the_simulator_are_read_whole() -> None:
    scenario = small_region()
    name = record("small/mixed-v0", scenario, [make_policy("random"), make_policy("best-fit")], 3)
    decisions = read_decisions([name], gamma=1.0)
    import minari

    episodes = list(minari.load_dataset(name).iterate_episodes())
    asked = sum(int(episode.infos["reached"].sum()) for episode in episodes)
    assert (~decisions.closing).sum() == asked
    assert len(trajectories(decisions)) == 6 * 3
    assert decisions.scenario == scenario.as_dict()
    assert not decisions.terminal.any()  # the horizon truncates


def test_a_file_that_was_repacked_and_compressed_is_read_alike() -> None:
    name = record("small/mixed-v0", small_region(), [make_policy("random")], 3)
    before = read_decisions(name)
    file = dataset_folder(name) / "data" / FILE
    packed = file.with_suffix(".packed")

    def copied(path: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            target.create_dataset(path, data=item[()], compression="gzip", shuffle=True)

    with h5py.File(file) as source, h5py.File(packed, "w", track_order=True) as target:
        source.visititems(copied)
    packed.replace(file)
    after = read_decisions(name)
    for field in ("features", "mask", "action", "reward", "interval", "terminal", "trajectory"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field), field)


def test_two_data_sets_make_one() -> None:
    first, _ = save_tagged(1, "tagged/first-v0")
    second, _ = save_tagged(1, "tagged/second-v0")
    both = read_decisions([first, second])
    one = read_decisions(first)
    assert len(both.action) == 2 * len(one.action)
    np.testing.assert_array_equal(both.features[: len(one.action)], one.features)
    assert both.trajectory.max() == 2 * len(SHAPES) - 1


def test_d3rlpy_fits_on_the_buffer() -> None:
    from vmagent_marl.train.offline.on_d3rlpy.masked import NetworkFactory
    from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig

    name, _ = save_tagged(1)
    learner = MaskedBCConfig(batch_size=4, encoder_factory=NetworkFactory([8])).create()
    epochs = learner.fit(
        DecisionBuffer(read_decisions(name)),
        n_steps=2,
        n_steps_per_epoch=1,
        show_progress=False,
        logger_adapter=NoopAdapterFactory(),
    )
    assert len(epochs) == 2


def test_what_cannot_be_learned_from_is_refused() -> None:
    name, episodes = save_tagged(1)
    with pytest.raises(UnknownNameError, match=r"did you mean 'tagged/small-v0'"):
        read_decisions("tagged/smal-v0")
    with pytest.raises(SettingError, match="reward: 'mine'"):
        read_decisions(name, reward="mine")  # type: ignore[arg-type]
    for read in (read_decisions, read_joint_decisions, read_trajectories):
        with pytest.raises(SettingError, match="dataset: there is none"):
            read(())
    other = save(
        "tagged/other-v0",
        episodes,
        load_scenario("fading"),
        (1, FEATURES, ACTIONS),
    )
    with pytest.raises(DatasetError, match="two scenarios"):
        read_decisions([name, other])
    forbidden = tagged(0, clusters=1, steps=3, terminated=True, features=FEATURES, actions=ACTIONS)
    forbidden.infos["effective_action"][:] = 0
    forbidden.observations["action_mask"][:, 0] = 0
    bad = save("tagged/bad-v0", [forbidden], load_scenario("tiny"), (1, FEATURES, ACTIONS))
    with pytest.raises(DatasetError, match=r"cluster_0 in episode 0, row 0 is outside"):
        read_decisions(bad)
    lacking = tagged(0, clusters=1, steps=3, terminated=True, features=FEATURES, actions=ACTIONS)
    del lacking.infos["reached"]
    poor = save("tagged/poor-v0", [lacking], load_scenario("tiny"), (1, FEATURES, ACTIONS))
    with pytest.raises(DatasetError, match="lacks 'infos/reached'"):
        read_decisions(poor)
