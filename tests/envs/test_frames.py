"""Frames: one size a scenario, what fills is darker, what is out of service is grey."""

from __future__ import annotations

import numpy as np
import pytest

from vmagent_marl.envs import frames
from vmagent_marl.envs.frames import occupancy_image, occupancy_text, used_shares
from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode, Simulator

REQUESTS = {
    "requests": [[0, 9999, 5, 2], [5, 9999, 1, 40], [9, 9999, 1, 1]],
    "repeat": 30,
    "every": 10,
}


def begun(name: str = "recovering", **fields: object) -> Simulator:
    sim = load_scenario(name, **fields).simulator(batch=2)
    sim.reset({1: Episode(first=0)})
    return sim


def steps(sim: Simulator, number: int) -> None:
    policy = make_policy("first-fit")
    for _ in range(number):
        sim.step(policy.act(sim, sim.keys())[0])


def darkness(image: frames.Image) -> float:
    return 255.0 - float(image.mean())


@pytest.mark.parametrize("name", ["recovering", "region-prices", "expanding", "waiting", "tiny"])
def test_one_size_and_type_throughout_an_episode(name: str) -> None:
    sim = begun(name)
    before = occupancy_image(sim, 1)
    steps(sim, 300)
    after = occupancy_image(sim, 1)
    assert before.shape == after.shape
    assert before.dtype == after.dtype == np.uint8
    height, width, channels = after.shape
    assert (height % 16, width % 16, channels) == (0, 0, 3)
    assert after.flags.c_contiguous
    assert (before != after).any()


def test_frames_are_a_function_of_the_state() -> None:
    one, two = begun("region-prices"), begun("region-prices")
    steps(one, 100)
    steps(two, 100)
    assert (occupancy_image(one, 1) == occupancy_image(two, 1)).all()
    assert occupancy_text(one, 1) == occupancy_text(two, 1)
    kept = occupancy_image(one, 1)
    copy = kept.copy()
    steps(one, 100)
    assert (kept == copy).all()  # what was handed out stays
    assert occupancy_text(one, 1) != occupancy_text(two, 1)


def test_fuller_is_darker() -> None:
    sim = begun(trace=REQUESTS, servers=3, node_cpu=100, node_memory=2000)
    seen = []
    for _ in range(6):
        seen.append(darkness(occupancy_image(sim, 1)))
        steps(sim, 9)
    assert seen == sorted(seen)
    assert seen[-1] > seen[0] + 1


def test_used_shares_by_node_and_resource() -> None:
    sim = begun(trace=REQUESTS, servers=2, node_cpu=10, node_memory=50)
    steps(sim, 2)
    used = used_shares(sim, 1)
    assert used.shape == (1, 2, 2, 2)
    # 5 vCPU and 2 GB on node 0; 1 vCPU and 40 GB are halved over both nodes (above 10 GB).
    assert used[0, 0].tolist() == pytest.approx(np.array([[0.55, 0.05], [0, 0]]))
    assert used[0, 1].tolist() == pytest.approx(np.array([[0.44, 0.40], [0, 0]]))


def test_text_shows_the_larger_share_of_each_node() -> None:
    sim = begun(trace=REQUESTS, servers=2, node_cpu=10, node_memory=50)
    assert occupancy_text(sim, 1).splitlines()[1] == "> cluster_0 ·· ··"
    steps(sim, 2)
    request, servers, legend = occupancy_text(sim, 1).splitlines()
    assert request == "request 3: 1 vCPU, 1 GB | home cluster_0 | day 0 00:00:09"
    assert servers == "> cluster_0 ▅▄ ··"  # ceil(8 x 0.55), ceil(8 x 0.4)
    assert "used share" in legend


def test_lines_fit_a_terminal_and_every_server_is_there() -> None:
    sim = begun("region-prices", servers=[100, 30, 1])
    steps(sim, 50)
    lines = occupancy_text(sim, 1).splitlines()
    assert max(map(len, lines)) <= 80
    cells = sum(len(line[12:].split()) for line in lines[1:-1])
    assert cells == 131
    assert sum(line.startswith("> ") for line in lines) == 1


def test_out_of_service_is_grey_and_hatched_and_padding_is_paper() -> None:
    outage = {"cluster": 1, "at": 0, "seconds": 10**6}
    sim = begun("region-prices", servers=[2, 2, 1], outages=[outage])
    steps(sim, 5)
    lines = occupancy_text(sim, 1).splitlines()
    assert lines[2].endswith("cluster_1 ░░ ░░")
    grey = (occupancy_image(sim, 1) == (150, 150, 150)).all(axis=2)
    assert grey.any()
    clear = begun("region-prices", servers=[2, 2, 1])
    steps(clear, 5)
    assert not (occupancy_image(clear, 1) == (150, 150, 150)).all(axis=2).any()


def test_a_drained_cluster_shows_its_vms_until_they_leave() -> None:
    sim = begun(
        trace=REQUESTS,
        servers=2,
        outages=[{"cluster": 0, "at": 7, "seconds": 10**5, "kind": "drain"}],
        turned_away="count",
    )
    steps(sim, 2)
    used = used_shares(sim, 1)
    assert not np.isnan(used[0, :, 0]).any()
    assert np.isnan(used[0, :, 1]).all()


def test_after_the_end_there_is_no_request() -> None:
    sim = begun("tiny")
    steps(sim, 200)
    assert not sim.running[1]
    text = occupancy_text(sim, 1)
    assert text.startswith("no request, the episode has ended")
    assert ">" not in text
    orange = (occupancy_image(sim, 1) == (213, 94, 0)).all(axis=2)
    assert not orange.any()


def test_the_request_is_drawn_as_a_share_of_a_node() -> None:
    def orange(cpu: float) -> int:
        sim = begun(trace={"requests": [[0, 9, cpu, 1], [1, 9, 1, 1]]}, node_cpu=10)
        return int((occupancy_image(sim, 1) == (213, 94, 0)).all(axis=2).sum())

    width = (orange(10) - orange(5)) / (orange(5) - orange(2.5))
    assert width == pytest.approx(2, abs=0.1)


def test_many_servers_stay_within_a_screen() -> None:
    height, width, _ = occupancy_image(begun(servers=1000), 1).shape
    assert width <= 720
    assert height <= 400
