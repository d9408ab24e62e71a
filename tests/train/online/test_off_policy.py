"""What DQN and SAC have in common."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from train.offline.learners import cql, trained
from train.online.off_policy_runs import SOLVES, drawn_by, learner, train
from train.online.playing import equal, weights
from train.recordings import record

from vmagent_marl.errors import PolicyError, SettingError
from vmagent_marl.policies import make_policy
from vmagent_marl.policies.checkpoint import load_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.train.online.off_policy import OffPolicyLearner
from vmagent_marl.train.validation import Validation

both = pytest.mark.parametrize("algorithm", ["dqn", "sac"])


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        ("dqn", {"n_step": 3, "target_every": 25, "tau": 1.0, "epsilon_end": 0.1}),
        (
            "sac",
            {"n_step": 1, "tau": 0.02, "temperature": 0.1, "target_entropy": 0.5, "anneal": False},
        ),
    ],
)
def test_tiny_is_solved(algorithm: str, fields: dict[str, Any], tmp_path: Path) -> None:
    """Heuristics place 8 of its 40, and so does what learns that sizes do not matter."""
    file = train(algorithm, tmp_path, minibatch=256, **{**SOLVES, **fields})
    policy = load_policy(file)
    assert Validation(load_scenario("tiny"), episodes=32, seed=5).score(policy).mean_return == 40.0


@both
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_gradients_reach_every_parameter(algorithm: str, network: str) -> None:
    """And every parameter that learns moves, those of targets towards them."""
    learns = learner(algorithm, network=network, target_every=1, tau=0.5)
    drawn = drawn_by(learns)
    drawn.mask[:, -1] = True  # passing is no choice where there is one cluster
    learns._update(drawn)  # targets are copies before the first
    before = {name: _copied(module) for name, module in learns.modules().items()}
    learns.updates += 1
    learns._update(drawn)
    for name, module in learns.modules().items():
        for key, parameter in module.named_parameters():
            assert not torch.equal(parameter, before[name][key]), (name, key)
            if name.startswith("target"):
                assert parameter.grad is None
            else:
                assert parameter.grad is not None
                assert parameter.grad.abs().max() > 0, (name, key)


def _copied(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


@both
@pytest.mark.parametrize("network", ["flat", "servers"])
def test_no_illegal_action_is_ever_chosen(algorithm: str, network: str) -> None:
    plays = learner(algorithm, network=network, batch=32, replay=10_000, steps=1_000)
    illegal: list[bool] = []
    while plays.steps < 1_000:
        mask = plays.stage.mask()[:, 0]
        chosen = plays._choose(plays.stage.features()[:, 0], mask)
        assert bool(mask.gather(1, chosen[:, None]).all())
        plays._play()
        illegal += plays.stage.simulator.state.illegal.any(axis=1).tolist()
    assert not any(illegal)


def test_what_follows_an_end_is_the_last_observation_and_then_another_episode() -> None:
    plays = learner(
        "dqn", scenario="tiny", played={"horizon": 5}, replay=10_000, n_step=1, network="flat"
    )
    stage, batch = plays.stage, plays.settings.batch
    last: dict[int, tuple[torch.Tensor, bool]] = {}  # by the place of an episode's last request
    waits = 0
    for row in range(200):
        alive = stage.alive
        plays._play()
        assert torch.equal(stage.alive[~alive], torch.ones_like(alive[~alive]))
        waits += int((~alive).sum())
        terminated, truncated = stage.ends()
        seen = stage.features()[:, 0]
        for b in (alive & (terminated | truncated)).nonzero().flatten().tolist():
            last[row * batch + b] = (seen[b], bool(truncated[b]))
    assert plays.steps == 200 * batch - waits
    assert stage.course.number - batch == waits == len(stage.returns)
    drawn = plays.replay.draw(8_000, plays.generator)
    found = {True: 0, False: 0}
    for i, place in enumerate(drawn.place.tolist()):
        genuine, truncated = last.get(place, (None, True))
        assert float(drawn.discount[i]) == pytest.approx(0.99 * truncated)
        if genuine is not None:
            assert torch.equal(drawn.after[i], genuine)
            found[truncated] += 1
    assert min(found.values()) > 100


@both
def test_equal_seeds_give_equal_runs_and_others_do_not(algorithm: str, tmp_path: Path) -> None:
    files = [train(algorithm, tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2))]
    curves = [(file.parent / "curve.csv").read_bytes() for file in files]
    assert curves[0] == curves[1] != curves[2]
    for name in ("policy.pt", "last.pt", "resume.pt"):
        assert files[0].with_name(name).read_bytes() == files[1].with_name(name).read_bytes()
    first, last = (weights(files[i].with_name("last.pt")) for i in (0, 2))
    assert not equal(first, last)


@pytest.mark.parametrize(
    ("algorithm", "fields"),
    [
        ("dqn", {"n_step": 3, "target_every": 7, "priority_alpha": 0.6}),
        ("dqn", {"duelling": False, "double": False, "network": "flat"}),
        ("sac", {}),
    ],
    ids=["dqn with all", "dqn with nothing", "sac"],
)
def test_a_killed_run_ends_as_one_that_was_not(
    algorithm: str, fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows nothing but its files, and the memory is full and overwritten by then."""
    whole = train(algorithm, tmp_path / "whole", **fields)
    going_on = OffPolicyLearner.advance

    def killed(learner: OffPolicyLearner) -> dict[str, float]:
        if learner.steps > 320:
            raise KeyboardInterrupt
        return going_on(learner)

    monkeypatch.setattr(OffPolicyLearner, "advance", killed)
    with pytest.raises(KeyboardInterrupt):
        train(algorithm, tmp_path / "killed", **fields)
    monkeypatch.setattr(OffPolicyLearner, "advance", going_on)
    torch.manual_seed(77)
    resumed = train(algorithm, tmp_path / "killed", **fields)
    for name in ("curve.csv", "config.json", "policy.pt", "last.pt"):
        assert (whole.parent / name).read_bytes() == (resumed.parent / name).read_bytes()
    with (whole.parent / "curve.csv").open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 4
    assert all(float(row["value"]) for row in rows[1:])
    assert equal(weights(whole.with_name("last.pt")), weights(resumed.with_name("last.pt")))


def test_a_run_begins_from_what_was_learned_offline(tmp_path: Path) -> None:
    data = record("tiny/random-v0", load_scenario("tiny"), [make_policy("random")], 4)
    told: dict[str, Any] = {"validate_every": 10, "validation_episodes": 2, "progress": False}
    offline = trained(cql(hidden=(8, 8)), data, tmp_path / "offline", steps=10, **told)
    given = weights(offline)
    for algorithm in ("dqn", "sac"):
        fields = {"init": str(offline), "network": "flat"}
        stays = {"learning_rate": 1e-30, **fields}
        begun = train(algorithm, tmp_path / f"{algorithm} stays", **stays)
        assert equal(weights(begun), given)
        learns = train(algorithm, tmp_path / algorithm, **fields)
        assert not equal(weights(learns.with_name("last.pt")), given)
    with pytest.raises(PolicyError, match=r"is not like this run's \(servers"):
        train("dqn", tmp_path / "other", init=str(offline))


@pytest.mark.parametrize(
    ("algorithm", "others"), [("dqn", "iql, vdn or qmix"), ("sac", "ippo or mappo")]
)
def test_many_clusters_are_refused(algorithm: str, others: str, tmp_path: Path) -> None:
    said = f"^agent '{algorithm}' is for one cluster and .* has 3 clusters: give --agent {others},"
    with pytest.raises(SettingError, match=said):
        train(algorithm, tmp_path / "run", scenario="region")
    assert not (tmp_path / "run").exists()


@both
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"minibatch": 0}, "minibatch: 0 is too few"),
        ({"updates": 0}, "updates: 0 is too few"),
        ({"n_step": 0}, "n_step: 0 is too few"),
        ({"target_every": 0}, "target_every: 0 is too few"),
        ({"replay": 15, "n_step": 3}, "replay: 15 .* give 16 or more"),
        ({"warmup": -1}, "warmup: -1 is negative"),
        ({"warmup": 400}, "warmup: 400 of 400 steps leave none to learn in"),
        ({"tau": 0.0}, "tau: 0.0 is no share"),
        ({"tau": 1.5}, "tau: 1.5 is no share"),
        ({"max_norm": 0.0}, "max_norm: 0.0 is not positive"),
        ({"gamma": 1.5}, "gamma: 1.5 is no discount"),
    ],
)
def test_what_trains_nothing_is_refused(
    algorithm: str, fields: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=f"^{said}"):
        train(algorithm, tmp_path / "run", **fields)
    assert not (tmp_path / "run").exists()
