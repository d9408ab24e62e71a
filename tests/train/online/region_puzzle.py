"""Two clusters of a server each, one dear: the optimum of an episode is found by trying all."""

from __future__ import annotations

import itertools

import numpy as np

from vmagent_marl import windows
from vmagent_marl.scenario import scenario_from

# Of each round the cheap server should keep its nodes for the two VMs of 4 vCPU, and nobody take
# the one of 1 that comes first: a 4 would be left to the dear server, whose power costs more than
# it earns. Memory tells the two apart, so that a request shows where in its round it is.
PUZZLE = scenario_from(
    {
        "name": "puzzle",
        "trace": {
            "requests": [[0, 3600, 1, 1], [60, 3540, 4, 2], [120, 3480, 4, 3]],
            "repeat": 100,
            "every": 4000,
        },
        "clusters": 2,
        "servers": 1,
        "node_cpu": 4,
        "node_memory": 4,
        "power": [0.2, 0.6],
        "decline": "allowed",
        "summaries": "coarse",
        "horizon": 6,
        "reward": "profit",
    }
)
PLANS = np.array([[0, 2], [1, 2], [2, 0], [2, 1], [2, 2]])  # slot 0 or 1 of a server, or pass: 2


def best_return(episodes: int) -> float:
    """Mean over validation's episodes of the best team return that any plans come to."""
    horizon = PUZZLE.horizon
    assert isinstance(horizon, int)
    every = np.array(list(itertools.product(range(len(PLANS)), repeat=horizon)))
    trace = PUZZLE.load_trace()
    simulator = PUZZLE.simulator(batch=len(every))
    best = []
    for number in range(episodes):
        episode = windows.episode_of(PUZZLE, trace, "validation", seed=0, number=number)
        simulator.reset(dict.fromkeys(range(len(every)), episode))
        returns = np.zeros(len(every))
        for chosen in every.T:
            simulator.step(PLANS[chosen])
            returns += simulator.team_reward
        assert simulator.truncated.all()
        best.append(returns.max())
    return float(np.mean(best))
