"""Replays and recordings that several tests look at."""

from __future__ import annotations

import pytest

from vmagent_marl.policies import make_policy
from vmagent_marl.scenario import load_scenario
from vmagent_marl.sim import Episode
from vmagent_marl.view.replay import Replay, played

OUTAGE = [
    {"cluster": 1, "at": 2000, "seconds": 4000},
    {"cluster": 0, "at": 3000, "seconds": 3000, "kind": "drain"},
]


def play(name: str, policy: str, requests: int = 400, **fields: object) -> Replay:
    first = 0 if name == "tiny" else 60_000
    episode = Episode(first=first, stop=first + requests, seed=4)
    return played(load_scenario(name, **fields), make_policy(policy), episode)


@pytest.fixture(scope="session")
def region() -> Replay:
    return play("region-prices", "cheapest-first", 1500, servers=[2, 3, 1], outages=OUTAGE)


@pytest.fixture(scope="session")
def recovering() -> Replay:
    return play("recovering", "first-fit")


@pytest.fixture(scope="session")
def packed() -> Replay:
    """The same requests as `recovering`."""
    return play("recovering", "server-best-fit")


@pytest.fixture(scope="session")
def waiting() -> Replay:
    return play("waiting", "first-fit", 700, servers=2)
