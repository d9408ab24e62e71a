from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vmagent_marl.errors import PolicyError, VmagentError
from vmagent_marl.evaluation import evaluate
from vmagent_marl.policies import check_policy, make_policy
from vmagent_marl.policies.checkpoint import load_policy, save_policy
from vmagent_marl.policies.network_policy import NetworkPolicy, Training
from vmagent_marl.policies.networks import FlatNetwork, NetworkShape, with_identity
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.sim import Episode, Simulator

REQUESTS = [[second, 3 + second % 5, 1 + second % 3, 1 + second % 3] for second in range(60)]


def small(**fields: Any) -> Scenario:
    settings = {"trace": {"requests": REQUESTS}, "servers": 2, "node_cpu": 6, "node_memory": 6}
    return load_scenario("region-prices", **{**settings, "horizon": 40, **fields})


def fresh(scenario: Scenario, seed: int = 0) -> tuple[FlatNetwork, Training]:
    layout = scenario.simulator().layout
    torch.manual_seed(seed)
    identities = layout.clusters if layout.clusters > 1 else 0
    network = FlatNetwork(NetworkShape(layout.size, identities, layout.actions, (16, 8)))
    training = Training(
        algorithm="cql",
        scenario=scenario.as_dict(),
        clusters=layout.clusters,
        servers=layout.servers,
        summaries=layout.summaries,
        gamma=0.9,
        dataset=("small/mixed-v0",),
    )
    return network, training


def started(scenario: Scenario, batch: int = 4) -> Simulator:
    simulator = scenario.simulator(batch=batch)
    simulator.reset({b: Episode(first=b, number=b) for b in range(batch)})
    return simulator


@pytest.mark.parametrize("clusters", [1, 3])
def test_what_is_saved_is_loaded(tmp_path: Path, clusters: int) -> None:
    scenario = small() if clusters == 3 else small(clusters=1, tries=1, power=0.2)
    network, training = fresh(scenario)
    save_policy(tmp_path / "deep" / "policy.pt", network, training)
    before = NetworkPolicy("before", network, training)
    after = make_policy(str(tmp_path / "deep" / "policy.pt"))
    assert isinstance(after, NetworkPolicy)
    assert after.training == training
    assert after.name == str(tmp_path / "deep" / "policy.pt")
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["policy.pt"]
    simulator = started(scenario)
    seen = set()
    for _ in range(20):
        actions, chances = after.act(simulator, simulator.keys())
        wanted, _ = before.act(simulator, simulator.keys())
        np.testing.assert_array_equal(actions, wanted)
        assert actions.shape == chances.shape == (4, clusters)
        assert actions.dtype == np.int64
        assert (chances == 0.0).all()
        assert np.take_along_axis(simulator.mask, actions[:, :, None], axis=2).all()
        seen |= set(actions.ravel().tolist())
        simulator.step(actions)
    assert len(seen) > 1


def test_it_takes_the_best_legal_action() -> None:
    scenario = small()
    network, training = fresh(scenario)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([-5.0, -4, -3, 9, -1]))
    simulator = started(scenario)
    simulator.mask[:, :, 3] = 0
    simulator.mask[1, 2, :] = [1, 1, 0, 0, 0]
    actions, _ = NetworkPolicy("it", network, training).act(simulator, simulator.keys())
    legal = np.where(simulator.mask == 1, [-5.0, -4, -3, 9, -1], -np.inf)
    np.testing.assert_array_equal(actions, legal.argmax(axis=2))
    assert actions[1, 2] == 1


def test_agents_with_shared_parameters_know_who_they_are() -> None:
    features = with_identity(torch.zeros(2, 3, 4), 3)
    assert features.shape == (2, 3, 7)
    assert torch.equal(features[1, :, 4:], torch.eye(3))
    scenario = small()
    network, training = fresh(scenario)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        weights = network.state_dict()  # the parameters themselves, by name
        weights["body.0.weight"][0, -1] = 1.0  # the last agent's identity alone is read
        weights["body.2.weight"][0, 0] = 1.0
        network.head.weight[-1, 0] = 1.0  # and makes it pass
    simulator = started(scenario)
    simulator.mask[:] = 1
    actions, _ = NetworkPolicy("it", network, training).act(simulator, simulator.keys())
    np.testing.assert_array_equal(actions, [[0, 0, 4]] * 4)


def test_it_says_what_it_reads() -> None:
    told, training = fresh(small())
    policy = NetworkPolicy("told", told, training)
    assert policy.needs == "summaries"
    with pytest.raises(PolicyError, match="publishes none"):
        check_policy(policy, small(summaries="none"))
    blind, training = fresh(small(summaries="none"))
    assert NetworkPolicy("blind", blind, training).needs == "own servers"


def test_another_game_is_refused_with_what_differs(tmp_path: Path) -> None:
    network, training = fresh(small())
    save_policy(tmp_path / "policy.pt", network, training)
    simulator = started(small(servers=3, summaries="none"))
    with pytest.raises(
        PolicyError,
        match=r"3 clusters of 2 servers with coarse summaries and plays 3 clusters of 3 servers "
        r"with no summaries.*'region-prices'",
    ):
        load_policy(tmp_path / "policy.pt").act(simulator, simulator.keys())


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("evil"),)


def test_a_file_that_is_no_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PolicyError, match=r"none.pt: is not there"):
        load_policy(tmp_path / "none.pt")
    network, training = fresh(small())
    good = tmp_path / "good.pt"
    save_policy(good, network, training)
    torn = tmp_path / "torn.pt"
    for length in (0, 1, 100, good.stat().st_size // 2, good.stat().st_size - 1):
        torn.write_bytes(good.read_bytes()[:length])
        with pytest.raises(PolicyError, match="torn"):
            load_policy(torn)
    text = tmp_path / "text.pt"
    text.write_text("start,stop\n1,2\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="no checkpoint"):
        load_policy(text)
    evil = tmp_path / "evil.pt"
    evil.write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), tmp_path / "evil2.pt")
    for file in (evil, tmp_path / "evil2.pt"):
        with pytest.raises(PolicyError, match="no checkpoint"):
            load_policy(file)
    assert not (tmp_path / "evil").exists()
    torch.save({"weights": network.state_dict()}, tmp_path / "other.pt")
    with pytest.raises(PolicyError, match="a learner here wrote"):
        load_policy(tmp_path / "other.pt")


@pytest.mark.parametrize("part", ["network", "training", "weights"])
def test_a_checkpoint_with_a_part_missing_or_wrong_is_refused(tmp_path: Path, part: str) -> None:
    network, training = fresh(small())
    file = tmp_path / "policy.pt"
    save_policy(file, network, training)
    content = torch.load(file, weights_only=True)
    torch.save({key: value for key, value in content.items() if key != part}, file)
    with pytest.raises(PolicyError, match="broken"):
        load_policy(file)
    if part == "training":
        torch.save({**content, part: {**content[part], "servers": 7}}, file)
        with pytest.raises(PolicyError, match="does not fit its layout"):
            load_policy(file)
    else:
        torch.save({**content, "network": {**content["network"], "hidden": []}}, file)
        with pytest.raises(PolicyError, match="broken"):
            load_policy(file)
        wrong = {"network": {**content["network"], "actions": 9}, "weights": {}}
        torch.save({**content, part: wrong[part]}, file)
        with pytest.raises(PolicyError, match="broken"):
            load_policy(file)


def test_a_kill_while_writing_leaves_the_old_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, training = fresh(small())
    file = tmp_path / "policy.pt"
    save_policy(file, network, training)
    before = file.read_bytes()

    write = Path.write_bytes

    def killed(target: Path, data: bytes) -> int:
        write(target, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        save_policy(file, *fresh(small(), seed=1))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_one_line_and_leaves_the_old_policy(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # what a file may hold, where a system has it
    file = tmp_path / "policy.pt"
    save_policy(file, *fresh(small()))
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(VmagentError, match=r"^[^\n]*policy.pt: cannot be written[^\n]*$"):
            save_policy(file, *fresh(small(), seed=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_equal_policies_are_equal_files(tmp_path: Path) -> None:
    for name in ("one.pt", "other.pt"):
        save_policy(tmp_path / name, *fresh(small()))
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other.pt").read_bytes()


def test_two_checkpoints_of_one_layout_are_compared(tmp_path: Path) -> None:
    scenario = small(horizon=10)
    files = [tmp_path / run / "cql" / "policy.pt" for run in ("a", "b")]
    for seed, file in enumerate(files):
        save_policy(file, *fresh(scenario, seed))
    scores = evaluate(scenario, [str(file) for file in files], windows="train", episodes=2)
    assert scores.policies == [str(file) for file in files]


def test_loading_leaves_the_callers_draws_alone(tmp_path: Path) -> None:
    save_policy(tmp_path / "policy.pt", *fresh(small()))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_policy(tmp_path / "policy.pt")
    assert torch.equal(torch.rand(4), expected)


def test_acting_leaves_the_number_of_threads_alone() -> None:
    scenario = small()
    policy = NetworkPolicy("it", *fresh(scenario))
    simulator = started(scenario)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        policy.act(simulator, simulator.keys())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "vmagent_marl.policies.checkpoint")
    monkeypatch.delitem(sys.modules, "vmagent_marl.policies.networks")
    with pytest.raises(PolicyError, match=r'pip install "\.\[torch\]"'):
        make_policy("runs/policy.pt")
