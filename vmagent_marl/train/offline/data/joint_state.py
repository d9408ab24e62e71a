"""The state of the whole game beside every row of a recording: as it was recorded, or replayed.

`infos/state` (T+1, S), row t beside observation t, is read where a data set holds it. Our own
recordings hold none: it takes more room than the observations, of which it is made, and the
simulator tells it again. So the recorded answers are played once more, and what every agent sees on
the way has to be what was recorded, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl import sim
from vmagent_marl.episodes.storage.hdf5_reader import HDF5Reader
from vmagent_marl.errors import DatasetError
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim.global_state import global_state, state_size
from vmagent_marl.train.offline.data.decisions import FEATURES

STATE = "infos/state"
BATCH = 64  # episodes that are replayed side by side


def state_of(
    name: str, reader: HDF5Reader, scenario: Scenario, lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(N, S) at the rows of all episodes, each with a row more than its length.

    Raises `DatasetError` where the data set `name` does not tell what its episodes play, or plays
    them otherwise than the simulator does.
    """
    try:
        size = reader.shape(reader.numbers[0], STATE)[-1]
    except KeyError:
        return _replayed(name, reader, scenario, lengths)
    state = np.empty((int((lengths + 1).sum()), size), np.float32)
    begun = 0
    for number, length in zip(reader.numbers, lengths.tolist(), strict=True):
        state[begun : begun + length + 1] = reader.array(number, STATE)
        begun += length + 1
    return state


def _replayed(
    name: str, reader: HDF5Reader, scenario: Scenario, lengths: NDArray[np.int64]
) -> NDArray[np.float32]:
    simulator = scenario.simulator(batch=min(BATCH, len(lengths)))
    begun = np.cumsum(lengths + 1) - lengths - 1
    state = np.empty((int((lengths + 1).sum()), state_size(simulator)), np.float32)
    for first in range(0, len(lengths), simulator.batch):
        which = np.arange(first, min(first + simulator.batch, len(lengths)))
        numbers = [reader.numbers[i] for i in which.tolist()]
        simulator.reset({b: _played(name, reader, n) for b, n in enumerate(numbers)})
        seen = [reader.array(n, FEATURES) for n in numbers]
        answers = [reader.array(n, "actions") for n in numbers]
        plans = np.zeros((simulator.batch, simulator.clusters), np.int64)
        for t in range(int(lengths[which].max()) + 1):
            live = np.flatnonzero(lengths[which] >= t)
            state[begun[which[live]] + t] = global_state(simulator)[live]
            for b in live.tolist():
                _check(name, numbers[b], t, seen[b][t], simulator.observation[b])
                plans[b] = answers[b][t] if t < len(answers[b]) else 0
            if (lengths[which] > t).any():
                simulator.step(plans)
    return state


def _played(name: str, reader: HDF5Reader, number: int) -> sim.Episode:
    """What an episode plays."""
    try:
        return sim.Episode(
            first=int(reader.attribute(number, "options/start")),
            stop=int(reader.attribute(number, "options/stop")),
            number=int(reader.attribute(number, "options/number")),
            seed=int(reader.attribute(number, "seed")),
        )
    except KeyError:
        raise DatasetError(
            f"data set {name!r}: episode {number} holds no state and does not tell what it plays, "
            "from which it is found again: record it with vmagent-marl, or learn by what reads "
            "none (--mixing sum)"
        ) from None


def _check(name: str, number: int, t: int, recorded: NDArray[Any], seen: NDArray[Any]) -> None:
    if not np.array_equal(recorded, seen):
        raise DatasetError(
            f"data set {name!r}: row {t} of episode {number} is not what the simulator shows when "
            "its answers are played again, so the state cannot be told: is its trace the one it "
            "was recorded on? else record it anew, or learn by what reads no state (--mixing sum)"
        )
