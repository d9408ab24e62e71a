"""Results of other simulators on the real month, to the last digit, through `evaluate`."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vmagent_marl.evaluation import Scores, evaluate
from vmagent_marl.evaluation.statistics import trimmed_mean
from vmagent_marl.scenario import load_scenario

FILE = "huawei-east-1-lifetimes.csv"
SHARED = Path(__file__).resolve().parents[3] / "shared"
EXACT = SHARED / "reference"


def real_month_path() -> Path:
    given = os.environ.get("VMAGENT_TRACE_DIR")
    path = Path(given) if given else SHARED / "data"
    return path / FILE if path.is_dir() else path


pytestmark = pytest.mark.skipif(
    not (real_month_path().is_file() and EXACT.is_dir()),
    reason=f"{FILE} is not in ../shared/data, or ../shared/reference is absent",
)

TRIMMED = {"first-fit": 267_139.975, "balance-fit": 204_081.367, "best-fit": 254_803.65}  # s


@pytest.fixture(scope="module")
def queue() -> list[dict[str, str]]:
    with (EXACT / "waiting_queue.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def waiting(queue: list[dict[str, str]]) -> Scores:
    starts = [int(row["start"]) for row in queue]
    return evaluate("waiting", list(TRIMMED), starts=starts, trace=real_month_path())


@pytest.mark.parametrize("policy", TRIMMED)
def test_waits_are_exact(policy: str, queue: list[dict[str, str]], waiting: Scores) -> None:
    column = policy.replace("-", "_") + "_wait_s"
    assert waiting.values(policy).tolist() == [float(row[column]) for row in queue]
    assert waiting.result(policy).column("requests").tolist() == [int(r["vms"]) for r in queue]


@pytest.mark.parametrize(("policy", "seconds"), TRIMMED.items())
def test_trimmed_means_are_the_published_ones(policy: str, seconds: float, waiting: Scores) -> None:
    assert float(trimmed_mean(waiting.values(policy))) == pytest.approx(seconds, abs=5e-4)


def test_published_waits_are_no_shorter_than_the_bound_and_some_are_as_short(
    queue: list[dict[str, str]], waiting: Scores
) -> None:
    assert waiting.bound is not None
    for policy in TRIMMED:
        waits = np.array([float(row[policy.replace("-", "_") + "_wait_s"]) for row in queue])
        assert (waits >= waiting.bound.values).all()
        assert (waits == waiting.bound.values).any()


def test_waits_are_scored_less_is_better(waiting: Scores) -> None:
    assert waiting.score == "wait_s"
    assert waiting.window == "all"
    assert waiting.ranked[0] == "balance-fit"
    worse = waiting.values("first-fit") > waiting.values("balance-fit")
    ties = waiting.values("first-fit") == waiting.values("balance-fit")
    share = float((worse + 0.5 * ties).mean())
    assert waiting.improvement("balance-fit").value == share


def failures() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((EXACT / "first_failure.json").read_text())
    return [row for row in rows if row["policy"] == "first-fit"]


def test_first_fit_places_as_many_as_in_vmagent() -> None:
    groups: dict[tuple[str, int, float], list[dict[str, Any]]] = {}
    for row in failures():
        key = (row["scenario"], row["servers"], row["double_threshold"])
        groups.setdefault(key, []).append(row)
    assert {name for name, _, _ in groups} == {"fading", "recovering"}
    for (name, servers, above), rows in groups.items():
        scenario = load_scenario(
            name, servers=servers, halve={"resource": "memory", "above": above}
        )
        starts = [row["first_vm"] for row in rows]
        scores = evaluate(scenario, "first-fit", starts=starts, trace=real_month_path())
        placed = scores.result("first-fit").column("placed")
        assert placed.tolist() == [row["allocations"] for row in rows]
        assert np.array_equal(placed, scores.values("first-fit"))  # the reward is 1 a VM
