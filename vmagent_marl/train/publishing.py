"""A run's policy with a card: a file that others play by its name, and what they may expect of it.

The policy is evaluated once, on the test window of the trace that it was trained on, beside every
heuristic that goes with its scenario.
"""

from __future__ import annotations

import csv
import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.collecting.replay import config_of
from vmagent_marl.errors import SettingError, VmagentError
from vmagent_marl.evaluation import ALL, Scores, evaluate
from vmagent_marl.files import check_writable, replacing
from vmagent_marl.policies import policy_names
from vmagent_marl.policies.checkpoint import load_policy, policy_bytes
from vmagent_marl.policies.network_policy import NetworkPolicy
from vmagent_marl.scenario import Scenario, scenario_from
from vmagent_marl.trace.source import SYNTHETIC

MOST_BYTES = 1_000_000  # of a policy that ships
EPISODES = 100
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Chosen:
    """Which checkpoint of a run was kept, and why."""

    step: int
    steps: int  # of the whole run
    mean_return: float  # on validation, the best of all


@dataclass(frozen=True)
class Published:
    """All that a card tells of a policy."""

    name: str
    policy: NetworkPolicy
    content: bytes  # of the file
    scenario: Scenario  # that it learned and was evaluated on
    config: dict[str, Any]  # what decided its training
    chosen: Chosen
    scores: Scores  # of the policy, the first, and the heuristics, on the test window


def publish(
    run: str | Path,
    name: str,
    to: str | Path,
    *,
    episodes: int = EPISODES,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> tuple[Path, Path]:
    """Evaluate a run's policy and write NAME.pt and its card NAME.md into a folder; both files.

    Raises `SettingError` for a name that cannot be typed as a policy's and for a folder that holds
    no run, `VmagentError` for a policy of more than `MOST_BYTES` and where a file is there already,
    unless `overwrite`; all before anything is played.
    """
    from vmagent_marl.train.policy_card import card_of

    check_name(name)
    file, card = Path(to) / f"{name}.pt", Path(to) / f"{name}.md"
    for each in (file, card):
        if each.exists() and not overwrite:
            raise VmagentError(f"{each} exists: give --overwrite, or another --name")
        check_writable(each)
    published = evaluated(run, name, episodes=episodes, seed=seed, progress=progress)
    text = card_of(published)
    with replacing(file) as unfinished, replacing(card) as unfinished_card:
        unfinished.write_bytes(published.content)  # of the two it gets its name last
        unfinished_card.write_text(text, encoding="utf-8")
    return file, card


def evaluated(
    run: str | Path, name: str, *, episodes: int = EPISODES, seed: int = 0, progress: bool = True
) -> Published:
    """A run's policy with its scores; raises what `publish` does about the run."""
    config, chosen = config_of(run), _chosen(Path(run))
    kept = load_policy(Path(run) / "policy.pt")
    content = shared_bytes(Path(run) / "policy.pt")
    if len(content) > MOST_BYTES:
        raise VmagentError(
            f"{run}: its policy takes {len(content):,} bytes and {MOST_BYTES:,} are the most that "
            "ships: train a smaller network (--network servers, or fewer --hidden)"
        )
    policy = dataclasses.replace(kept, name=name)
    scenario = scenario_from(policy.training.scenario)
    scores = evaluate(
        scenario, [policy, ALL], windows="test", episodes=episodes, seed=seed, progress=progress
    )
    return Published(name, policy, content, scenario, config, chosen, scores)


def shared_bytes(file: Path) -> bytes:
    """A checkpoint as others get it: a trace goes by its file's name, wherever it lay."""
    policy = load_policy(file)
    training, trace = policy.training, policy.training.scenario.get("trace")
    if not isinstance(trace, str) or trace == SYNTHETIC:
        return file.read_bytes()
    scenario = {**training.scenario, "trace": Path(trace).name}
    return policy_bytes(policy.network, dataclasses.replace(training, scenario=scenario))


def check_name(name: str) -> None:
    """Raise `SettingError` for what is no name of a policy, or that of a heuristic."""
    if NAME.fullmatch(name) is None:
        raise SettingError(
            f"--name {name}: is no name of a policy: write small letters, digits and hyphens, as "
            "in recovering-dqn"
        )
    if name in policy_names():
        raise SettingError(f"--name {name}: is a heuristic's: give another")


def _chosen(run: Path) -> Chosen:
    """The first of the validations that none is better than, whose checkpoint was kept."""
    try:
        with (run / "curve.csv").open(encoding="utf-8", newline="") as lines:
            rows = [(int(row["step"]), float(row["mean_return"])) for row in csv.DictReader(lines)]
        step, best = max(rows, key=lambda row: row[1])
    except (OSError, KeyError, ValueError):
        raise SettingError(
            f"{run / 'curve.csv'}: tells no validation: give the folder of a run, and let it train"
        ) from None
    return Chosen(step, rows[-1][0], best)
