from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from train.offline.learners import cql, learner
from train.online.games import on_disk
from train.online.region_puzzle import PUZZLE
from train.online.two_steps import FIRST, SECOND
from train.recordings import buffer, record, save, small_region

from vmagent_marl.errors import SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy, load_tensors
from vmagent_marl.policies.networks import Network
from vmagent_marl.sim.layout import layout_of
from vmagent_marl.train.offline.data.joint_decisions import JointDecisions, read_joint_decisions
from vmagent_marl.train.offline.in_torch.joint_cql import JointCQL, JointCQLLearner
from vmagent_marl.train.offline.learning import _Run, train_offline
from vmagent_marl.train.online.algorithms import settings_class, train_agent
from vmagent_marl.train.validation import Validation

MIXINGS: list[Any] = ["sum", "monotonic"]
SHORT: dict[str, Any] = {
    "steps": 20,
    "validate_every": 10,
    "validation_episodes": 2,
    "progress": False,
}


def made(mixing: Any, data: str | JointDecisions, *, seed: int = 0, **fields: Any) -> Any:
    """A small learner of a data set, or of what was read of one."""
    if isinstance(data, str):
        data = read_joint_decisions(data, reward_scale=None, state=mixing == "monotonic")
    config = JointCQL(mixing=mixing, **{"hidden": (16,), "batch_size": 16, **fields})
    return JointCQLLearner(config, data, seed=seed, device="cpu")


@pytest.fixture
def region() -> str:
    policies = [make_policy("random"), make_policy("cheapest-first", epsilon=0.1)]
    return record("small/mixed-v0", small_region(), policies, 4)


def two_steps() -> str:
    """All that two agents can do in the game of two steps, each once: a uniform recording.

    The game stands in the first places of observations of the puzzle's sizes; pass is not legal.
    """
    layout = layout_of(PUZZLE.rules())
    episodes = []
    for number, answers in enumerate(itertools.product((0, 1), repeat=4)):
        action = np.array(answers).reshape(2, 2)
        at = [0, action[0, 0] + 1, 0]
        paid = float((FIRST, SECOND)[action[0, 0]][tuple(action[1])])
        observation = np.zeros((3, 2, layout.size), np.float32)
        observation[np.arange(3), :, at] = 1
        mask = np.ones((3, 2, 3), np.int8)
        mask[:, :, 2] = 0
        episodes.append(
            buffer(
                number,
                observation=observation,
                mask=mask,
                action=action,
                own=np.array([[0.0, 0.0], [paid, paid]]),
                reached=np.ones((2, 2), np.bool_),
                terminated=True,
                state=np.eye(3, dtype=np.float32)[at],
            )
        )
    return save("two/steps-v0", episodes, PUZZLE, (2, layout.size, layout.actions))


def greedy_return(network: Network) -> float:
    """What the highest values of the two legal answers come to."""
    size = network.shape.observation

    def answers(at: int) -> tuple[int, int]:
        features = torch.zeros(2, size + 2)
        features[:, at] = 1
        features[:, size:] = torch.eye(2)
        with torch.no_grad():
            first, second = network(features)[:, :2].argmax(1).tolist()
        return first, second

    begun = answers(0)[0]
    return float((FIRST, SECOND)[begun][answers(begun + 1)])


GAME: dict[str, Any] = {"gamma": 0.98, "alpha": 0.01, "learning_rate": 1e-2, "hidden": (32,)}


@pytest.mark.parametrize(("mixing", "wanted"), [("none", 7.0), ("sum", 7.0), ("monotonic", 8.0)])
def test_only_a_monotonic_mixer_dares_what_pays_together(mixing: str, wanted: float) -> None:
    """Of uniform play; independent learners are those of discrete CQL."""
    if mixing == "none":
        config = cql(target_update_interval=25, batch_size=32, **GAME)
        learning: Any = learner(config, two_steps())
    else:
        learning = made(mixing, two_steps(), target_every=25, batch_size=32, **GAME)
    for _ in range(500):
        learning.update()
    assert greedy_return(learning.network) == wanted


def test_the_conservative_loss_is_that_of_its_formula(region: str) -> None:
    """Each reached agent's answer in turn exchanged, by a loop over all of them."""
    data = read_joint_decisions(region, state=True)
    learning = made("monotonic", data, batch_size=8, gamma=0.0, alpha=0.5)
    rows = np.random.default_rng(3).choice(np.flatnonzero(~data.closing), 8)

    def value(row: int, action: list[int]) -> float:
        with torch.no_grad():
            team = learning.values(
                torch.from_numpy(data.features[[row]]),
                torch.from_numpy(data.mask[[row]]),
                torch.tensor([action]),
                torch.from_numpy(data.state[[row]]),
            )
        return float(team)

    errors, distrust = [], []
    for row in rows.tolist():
        recorded = data.action[row].tolist()
        kept = value(row, recorded)
        wrong = abs(kept - data.reward[row])
        errors.append(wrong**2 / 2 if wrong < 1 else wrong - 0.5)
        for agent in np.flatnonzero(data.reached[row]).tolist():
            others = []
            for action in np.flatnonzero(data.mask[row, agent]).tolist():
                changed = [*recorded]
                changed[agent] = action
                others.append(value(row, changed))
            distrust.append(np.logaddexp.reduce(others) - kept)
    assert 8 < len(distrust) < 24  # some were reached, and some not
    learning.reseed(3)
    told = learning.update()
    assert told["td_loss"] == pytest.approx(np.mean(errors), rel=1e-4)
    assert told["conservative_loss"] == pytest.approx(np.mean(distrust), rel=1e-4)
    assert told["loss"] == pytest.approx(np.mean(errors) + 0.5 * np.mean(distrust), rel=1e-4)


def test_of_a_sum_it_is_each_agents_own(region: str) -> None:
    data = read_joint_decisions(region)
    learning = made("sum", data)
    rows = np.flatnonzero(~data.closing)[:20]
    features, mask = torch.from_numpy(data.features[rows]), torch.from_numpy(data.mask[rows])
    action = torch.from_numpy(data.action[rows])
    with torch.no_grad():
        team, others = learning.values.with_another(features, mask, action, torch.empty(20, 0))
        each = learning.values.each(features.flatten(0, 1), mask.flatten(0, 1)).view(mask.shape)
    own = each.logsumexp(2) - each.gather(2, action[:, :, None])[:, :, 0]
    torch.testing.assert_close(others.logsumexp(2) - team[:, None], own, atol=1e-4, rtol=1e-4)


def test_what_an_unreached_agent_may_do_is_not_distrusted(region: str) -> None:
    data = read_joint_decisions(region)
    learning = made("sum", data, batch_size=64)
    closed = data.mask.copy()
    legal = np.arange(data.actions) == data.action[:, :, None]
    closed[~data.reached] = legal[~data.reached]  # nothing else to do where nobody asked
    other = made("sum", JointDecisions(**{**vars(data), "mask": closed}), batch_size=64)
    assert learning.update()["conservative_loss"] == pytest.approx(
        other.update()["conservative_loss"], rel=1e-3
    )


@pytest.mark.parametrize("terminated", [True, False])
def test_goals_go_on_from_the_genuine_last_observation(terminated: bool) -> None:
    """One decision an episode: what was seen after it has a value, unless all was over."""
    layout = layout_of(PUZZLE.rules())
    observation = np.zeros((2, 2, layout.size), np.float32)
    observation[1] = 1.0
    episode = buffer(
        0,
        observation=observation,
        mask=np.ones((2, 2, 3), np.int8),
        action=np.zeros((1, 2), np.int64),
        own=np.full((1, 2), 3.0),
        reached=np.ones((1, 2), np.bool_),
        terminated=terminated,
    )
    data = read_joint_decisions(save("one/step-v0", [episode], PUZZLE, (2, layout.size, 3)))
    learning = made("sum", data, gamma=0.5)
    for parameter in learning.target.parameters():
        parameter.data.mul_(2)  # so that it is not what chooses
    last = torch.ones(2, layout.size + 2)
    last[:, -2:] = torch.eye(2)
    mask = torch.ones(2, 3)
    with torch.no_grad():
        best = learning.values.each.best(last, mask)
        later = learning.target.each(last, mask)[[0, 1], best].sum()
    wanted = 3.0 if terminated else 3.0 + 0.5 * float(later)
    goal = learning._goals(torch.tensor([0, 0]))
    assert goal.tolist() == pytest.approx([wanted, wanted], rel=1e-5)


def test_the_mixer_reads_the_state_of_the_row(region: str) -> None:
    data = read_joint_decisions(region, state=True)
    tags = np.arange(len(data.features), dtype=np.float32)
    data.state[:, 0] = tags
    data.features[:, :, 0] = tags[:, None]
    learning = made("monotonic", data, batch_size=32)
    told: dict[str, list[Any]] = {"values": [], "target": []}
    for name in told:
        team = getattr(learning, name)
        team.each.network.register_forward_pre_hook(
            lambda _, given, name=name: told[name].append(given[0][::3, 0])
        )
        team.mixer.register_forward_pre_hook(
            lambda _, given, name=name: told[name].append(given[1][:, 0])
        )
    learning.update()
    chosen, rows, *mixed = told["values"]  # what is greedy next, and what was decided
    assert all(torch.equal(each, rows) for each in mixed)
    assert len(mixed) == 2
    assert len(set(rows.tolist())) > 10
    assert torch.equal(chosen, rows + 1)
    assert all(torch.equal(each, rows + 1) for each in told["target"])
    assert len(told["target"]) == 2


@pytest.mark.parametrize("mixing", MIXINGS)
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_every_parameter_learns(mixing: Any, network: Any, region: str) -> None:
    learning = made(mixing, region, network=network, mixer_width=4, batch_size=64)
    before = {name: each.detach().clone() for name, each in learning.values.named_parameters()}
    for _ in range(5):
        learning.update()
    for name, each in learning.values.named_parameters():
        assert not torch.equal(before[name], each), name


@pytest.mark.parametrize("mixing", MIXINGS)
def test_equal_seeds_learn_the_same_and_a_killed_run_ends_alike(
    mixing: Any, region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str, seed: int = 1) -> Path:
        file = train_offline(
            made(mixing, region, seed=seed, target_every=7), tmp_path / out, **SHORT
        )
        return file.parent

    whole, again, other = run("whole"), run("again"), run("other", seed=2)
    going_on = _Run._advance_to

    def killed(run: _Run, step: int) -> None:
        if step == 20:
            raise KeyboardInterrupt
        going_on(run, step)

    monkeypatch.setattr(_Run, "_advance_to", killed)
    with pytest.raises(KeyboardInterrupt):
        run("killed")
    monkeypatch.setattr(_Run, "_advance_to", going_on)
    resumed = run("killed")
    for name in ("curve.csv", "config.json", "policy.pt"):
        bytes_of = [(folder / name).read_bytes() for folder in (whole, again, resumed)]
        assert bytes_of[0] == bytes_of[1] == bytes_of[2], name
        assert bytes_of[0] != (other / name).read_bytes(), name
    ends = [load_tensors(folder / "resume.pt")["learner"] for folder in (whole, resumed)]
    for part in ("values", "target"):
        for left, right in zip(*(end[part].values() for end in ends), strict=True):
            assert torch.equal(left, right)
    moments = [end["optimizer"]["state"][0]["exp_avg"] for end in ends]
    assert torch.equal(*moments)
    assert load_policy(whole / "policy.pt").training.algorithm == made(mixing, region).algorithm


@pytest.mark.parametrize("agent", ["iql", "vdn", "qmix"])
def test_online_learners_of_values_begin_from_it(agent: str, tmp_path: Path) -> None:
    data = record("puzzle/random-v0", PUZZLE, [make_policy("random")], 4)
    file = train_offline(made("sum", data), tmp_path / "offline", **SHORT)
    settings = settings_class(agent)(
        scenario=on_disk(PUZZLE, tmp_path),
        init=str(file),
        network="flat",
        hidden=(16,),
        batch=4,
        steps=200,
        warmup=40,
        validate_every=100,
        validation_episodes=2,
    )
    begun = train_agent(agent, settings, tmp_path / agent, progress=False)
    with (begun.parent / "curve.csv").open(encoding="utf-8") as lines:
        first, *later = csv.DictReader(lines)
    assert first["step"] == "0"
    given = Validation(PUZZLE, episodes=2).score(load_policy(file)).mean_return
    assert float(first["mean_return"]) == pytest.approx(given)
    assert any(float(row["loss"]) > 0 for row in later if row["loss"])


def test_what_trains_nothing_is_refused(region: str) -> None:
    bad: dict[str, Any] = {"batch_size": 0, "learning_rate": 0.0, "gamma": 1.5, "alpha": -1.0}
    bad |= {"target_every": 0, "mixer_width": 0, "hidden": ()}
    for name, value in bad.items():
        with pytest.raises(SettingError, match=rf"^{name}: "):
            made("sum", region, **{name: value})
    with pytest.raises(SettingError, match="seed: -1"):
        made("sum", region, seed=-1)
    with pytest.raises(SettingError, match=r"mixing: monotonic reads the state.*state=True"):
        made("monotonic", read_joint_decisions(region))
