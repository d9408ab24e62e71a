"""How fast offline learners learn, beside d3rlpy on the same rows, in one run.

python benchmarks/offline_speed.py                                   # tables in Markdown
python benchmarks/offline_speed.py --write benchmarks/results.md     # and into the results

The data set goes to a temporary folder.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import structlog
import tyro
from d3rlpy.algos import DiscreteBCConfig
from d3rlpy.dataset import Episode, create_infinite_replay_buffer
from d3rlpy.logging import NoopAdapterFactory
from d3rlpy.models.encoders import VectorEncoderFactory
from passing import passing_datasets
from results import measured_at, write_section
from timing import Row, markdown, paired

from vmagent_marl.episodes import collect, load_recipe
from vmagent_marl.policies.network_policy import one_thread
from vmagent_marl.train.offline.data.decisions import Decisions, read_decisions
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_data import trajectories
from vmagent_marl.train.offline.on_d3rlpy.d3rlpy_learner import D3rlpyLearner
from vmagent_marl.train.offline.on_d3rlpy.masked import MaskedQFunctionFactory, NetworkFactory
from vmagent_marl.train.offline.on_d3rlpy.masked_bc import MaskedBCConfig
from vmagent_marl.train.offline.on_d3rlpy.quiet_d3rlpy import DiscreteCQLConfig

RECIPE = "recovering/noisy-10"
SERVERS = 16  # 88 floats and a mask of 33
HIDDEN = [64, 64]
GAMMA = 0.9
PEERS = ("d3rlpy", "d3rlpy without masks")
TARGET = 3.0
NOTES = """\
Updates of this thread's cpu second, the best of several stretches that take turns. *Ours* is
`D3rlpyLearner`: batches taken from tensors by one indexing, and a fused Adam. *d3rlpy* is its `fit`
of the same masked networks, with its own replay buffer, sampling and Adam; *without masks*, of its
own encoder with the same layers on the features alone. What the goal lacks is spent by either way
in the same calls of torch, a few microseconds each: at 64 decisions d3rlpy's sampling, which is
what we save, is a small part of them. CQL's four passes forward, as d3rlpy has it, are a quarter.\
"""


def ours(algorithm: str, decisions: Decisions, batch: int) -> D3rlpyLearner:
    """The masked learner as the programs on the shelf make it."""
    return D3rlpyLearner(masked_config(algorithm, batch), decisions, device="cpu")


def masked_config(algorithm: str, batch: int) -> Any:
    """Of our networks."""
    if algorithm == "BC":
        return MaskedBCConfig(batch_size=batch, beta=0.0, encoder_factory=NetworkFactory(HIDDEN))
    return DiscreteCQLConfig(
        batch_size=batch,
        gamma=GAMMA,
        encoder_factory=NetworkFactory(HIDDEN),
        q_func_factory=MaskedQFunctionFactory(),
    )


def plain_config(algorithm: str, batch: int) -> Any:
    """Of d3rlpy's own networks, of the same layers."""
    layers = VectorEncoderFactory(list(HIDDEN))
    if algorithm == "BC":
        return DiscreteBCConfig(batch_size=batch, beta=0.0, encoder_factory=layers)
    return DiscreteCQLConfig(batch_size=batch, gamma=GAMMA, encoder_factory=layers)


def plain_buffer(decisions: Decisions, *, masks: bool) -> Any:
    """d3rlpy's own replay buffer of its own episodes."""
    episodes = [
        Episode(
            observations=each.observations if masks else each.observations[0],
            actions=each.actions,
            rewards=each.rewards,
            terminated=each.terminated,
        )
        for each in trajectories(decisions)
    ]
    return create_infinite_replay_buffer(episodes)


def fitting(config: Any, buffer: Any, updates: int) -> Callable[[], None]:
    """`updates` by d3rlpy's own `fit`, with nothing logged, saved or shown."""
    learner = config.create(device="cpu:0")

    def run() -> None:
        learner.fit(
            buffer,
            n_steps=updates,
            n_steps_per_epoch=updates,
            logger_adapter=NoopAdapterFactory(),
            show_progress=False,
            save_interval=updates,
        )

    return run


def updating(learner: D3rlpyLearner, updates: int) -> Callable[[], None]:
    """`updates` of ours."""

    def run() -> None:
        for _ in range(updates):
            learner.update()

    return run


def measured(decisions: Decisions, updates: int, stretches: int) -> list[Row]:
    """Rates of both algorithms at both sizes of a batch."""
    plain, masked = (plain_buffer(decisions, masks=masks) for masks in (False, True))
    rows = []
    for algorithm in ("CQL", "BC"):
        for batch in (64, 256):
            seconds = paired(
                updating(ours(algorithm, decisions, batch), updates),
                fitting(masked_config(algorithm, batch), masked, updates),
                fitting(plain_config(algorithm, batch), plain, updates),
                stretches=stretches,
            )
            rate, *theirs = (updates / each for each in seconds)
            what = f"{algorithm}, batch of {batch}"
            rows.append(Row(f"{what}, ours", rate, "updates/s"))
            for name, their, target in zip(PEERS, theirs, (TARGET, None), strict=True):
                rows.append(Row(f"{what}, {name}", their, "updates/s"))
                rows.append(Row(f"{what}, ours over {name}", rate / their, "times", target))
    return rows


def main(
    write: Path | None = None, episodes: int = 20, updates: int = 100, stretches: int = 5
) -> None:
    """Print the table.

    Args:
        write: a Markdown file whose section on training is replaced.
        episodes: of the data set, of some 500 decisions each.
        updates: of a stretch.
        stretches: of each way, after a first.
    """
    with passing_datasets():
        recipe = replace(load_recipe(RECIPE), episodes=episodes, fields={"servers": SERVERS})
        decisions = read_decisions(collect(recipe, progress=False), gamma=GAMMA, reward_scale=None)
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)  # it warns at every `fit` after the first
    np.random.seed(0)  # d3rlpy draws its batches from numpy's global generator
    with one_thread():
        rows = measured(decisions, updates, stretches)
    made = int((~decisions.closing).sum())
    told = (
        f"`python benchmarks/offline_speed.py` at {measured_at()}; `{RECIPE}`, {made:,} decisions "
        f"of {decisions.inputs} floats and {decisions.actions} actions, flat networks of "
        f"{' x '.join(map(str, HIDDEN))}."
    )
    text = "\n\n".join([told, markdown(rows), NOTES])
    print(text)
    if write is not None:
        write_section(write, "Offline updates", text)


if __name__ == "__main__":
    tyro.cli(main)
