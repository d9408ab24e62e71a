"""Recipes: everything that decides the bytes of a data set, written down."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vmagent_marl import settings
from vmagent_marl.episodes.recording.blend import by_step
from vmagent_marl.episodes.recording.record import Mixture
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.errors import SettingError
from vmagent_marl.policies import Policy, check_policy, make_policy
from vmagent_marl.policies.registry import CHECKPOINT, checkpoint_file
from vmagent_marl.scenario import Scenario, load_scenario
from vmagent_marl.trace import Trace
from vmagent_marl.trace.source import SYNTHETIC
from vmagent_marl.windows import Window

FORMAT = 3  # of what is stored; a new one makes other data sets of the same recipes
Scalar = bool | int | float | str | None
Field = Scalar | dict[str, Scalar] | tuple[Scalar | dict[str, Scalar], ...]


@dataclass(frozen=True)
class Player:
    """One policy of a mixture."""

    name: str  # of a heuristic or a trained policy that ships, or the path of a checkpoint
    epsilon: float = 0.0  # probability of a random legal action instead of its own
    weight: float = 1.0  # how often it plays an episode (or answers), compared with the others
    sampled: bool = False  # whether a trained policy's answers are drawn by their probabilities

    @property
    def label(self) -> str:
        """The name of its policy, which tells the noise too."""
        noise = "" if self.epsilon == 0.0 else f"-epsilon-{self.epsilon:g}"
        return f"{self.name}{noise}{'-sampled' if self.sampled else ''}"

    @property
    def is_noisy(self) -> bool:
        """Whether it gives every legal answer a chance."""
        return self.name == "random" or self.epsilon > 0 or self.sampled

    def policy(self) -> Policy:
        """Who plays."""
        return make_policy(self.name, epsilon=self.epsilon, sampled=self.sampled)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is played by whom, how often and from which seed: one tier of a file of recipes."""

    scenario: str  # name on the shelf, or the path of a YAML file
    behaviour: str  # the tier's name, last part of the id: vmagent/<scenario>/<behaviour>-v0
    policies: tuple[Player, ...]
    episodes: int
    per: Literal["episode", "step", "stretch"] = "episode"
    """For which one of the policies is drawn. By the stretch none is: each plays its share of the
    episodes, one after the other."""
    description: str = ""
    window: Window = "train"
    seed: int = 0
    trace: str | None = None  # a file, in the scenario's place
    fields: dict[str, Field] = field(default_factory=dict)  # of the scenario, in its place

    def __post_init__(self) -> None:
        """Refuse what makes no data set."""
        if not self.policies:
            raise SettingError("policies: there is none: give one or more")
        if self.episodes < 1:
            raise SettingError(f"episodes: {self.episodes} are too few: give 1 or more")
        if self.seed < 0:
            raise SettingError(f"seed: {self.seed} is negative: give 0 or more")
        for player in self.policies:
            if not player.weight > 0:
                raise SettingError(f"policies: {player.name} has no weight above 0: leave it out")

    def load_scenario(self) -> Scenario:
        """The scenario that is played; a trace's path is absolute, to be found from anywhere."""
        fields: dict[str, Any] = dict(self.fields)
        if self.trace is not None:
            fields["trace"] = self.trace
        scenario = load_scenario(self.scenario, **fields)
        if isinstance(scenario.trace, str) and scenario.trace != SYNTHETIC:
            return scenario.replace(trace=str(Path(scenario.trace).absolute()))
        return scenario

    def mixture(self, scenario: Scenario) -> Mixture:
        """The policies; raises `PolicyError` for one that the scenario cannot be played by."""
        policies = tuple(player.policy() for player in self.policies)
        for policy in policies:
            check_policy(policy, scenario)
        return self.mixed(policies)

    def mixed(self, policies: tuple[Policy, ...]) -> Mixture:
        """The mixture of these in the places of the recipe's own."""
        weights = tuple(player.weight for player in self.policies)
        mixture = Mixture(policies, weights, self.episodes if self.per == "stretch" else None)
        return by_step(mixture) if self.per == "step" else mixture

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values


def recipe_for(
    scenario: str,
    policy: str,
    *,
    episodes: int,
    epsilon: float = 0.0,
    sampled: bool = False,
    behaviour: str | None = None,
    window: str = "train",
    seed: int = 0,
    trace: str | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of one policy; `behaviour` is named after it and what is changed unless given."""
    return settings.build(
        Recipe,
        {
            "scenario": scenario,
            "behaviour": behaviour
            or behaviour_name(policy, epsilon, sampled=sampled, fields=fields, trace=trace),
            "policies": [{"name": policy, "epsilon": epsilon, "sampled": sampled}],
            "episodes": episodes,
            "window": window,
            "seed": seed,
            "trace": trace,
            "fields": fields or {},
        },
        "recipe",
    )


def behaviour_name(
    policy: str,
    epsilon: float = 0.0,
    *,
    sampled: bool = False,
    fields: Mapping[str, Any] | None = None,
    trace: str | None = None,
) -> str:
    """What a policy's data set is called; what stands in the scenario's place is part of it.

    >>> behaviour_name("cheapest-first+best-fit", epsilon=0.1)
    'noisy-cheapest-first-best-fit'
    >>> behaviour_name("first-fit", fields={"servers": 3}, trace="data/month.csv.gz")
    'first-fit-servers-3-on-month'
    """
    parts = ["noisy"] if epsilon else []
    parts += ["sampled"] if sampled else []
    parts.append(Path(policy).stem if policy.endswith(CHECKPOINT) else policy)
    parts += [f"{key} {json.dumps(value)}" for key, value in sorted((fields or {}).items())]
    if trace is not None:
        parts += ["on", Path(trace.removesuffix(".gz")).stem]
    return re.sub(r"[^A-Za-z0-9_]+", "-", " ".join(parts)).strip("-")


def recipe_hash(recipe: Recipe, scenario: Scenario, trace: Trace) -> str:
    """sha256 (hex) over everything that decides the data: two alike make the same bytes.

    A trace and a checkpoint count by what they hold, wherever they lie.
    """
    played = scenario.as_dict()
    for key in ("description", "trace"):
        played.pop(key)
    players = [_decides(player) for player in recipe.policies]
    decides = {
        "format": FORMAT,
        "version": version_of("vmagent-marl"),
        "scenario": played,
        "trace": trace.fingerprint,
        "window": recipe.window,
        "policies": players,
        "per": recipe.per,
        "episodes": recipe.episodes,
        "seed": recipe.seed,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def checkpoint_digest(name: str) -> str | None:
    """sha256 (hex) of a trained policy's file; None for a heuristic, or where there is no file."""
    file = checkpoint_file(name)
    if file is None or not file.is_file():
        return None
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _decides(player: Player) -> dict[str, Any]:
    """A checkpoint by its digest, a heuristic by its name."""
    plain = dataclasses.asdict(player)
    if not player.sampled:  # as it was before there was a choice
        plain.pop("sampled")
    return {**plain, "name": checkpoint_digest(player.name) or player.name}
