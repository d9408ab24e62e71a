"""The checks of a data set of our own game, which plays it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vmagent_marl import settings
from vmagent_marl.episodes.collecting.coverage import statistics
from vmagent_marl.episodes.collecting.recipe import Recipe
from vmagent_marl.episodes.collecting.reference import RANDOM
from vmagent_marl.episodes.storage.versions import version_of
from vmagent_marl.episodes.verifying.auditing import Auditor, Made
from vmagent_marl.episodes.verifying.faults import Check, Faults, unlike
from vmagent_marl.episodes.verifying.reading import BROKEN
from vmagent_marl.episodes.verifying.stored_form import columns_of
from vmagent_marl.errors import DatasetError, VmagentError
from vmagent_marl.policies import Policy, make_policy
from vmagent_marl.policies.registry import checkpoint_file
from vmagent_marl.scenario import scenario_from
from vmagent_marl.sim.layout import layout_of

READ = ("episodes", "arrays", "masks", "probabilities", "starts", "replay", "policies")


def verify_game(
    name: str, file: Path, metadata: Mapping[str, Any], trace: str | None, progress: bool
) -> Iterator[Check]:
    """What `verify` checks of a data set by `collect`."""
    own = metadata["vmagent_marl"]
    faults = Faults("metadata", *READ, "statistics")
    try:
        made = _made(own, trace)
        for told in _metadata_faults(name, metadata, made):
            faults.add("metadata", told)
    except (VmagentError, KeyError, TypeError, ValueError) as error:
        yield Check("metadata", False, f"nothing can be played by them ({error})")
        return
    yield faults.check("metadata", f"scenario {made.scenario.name}, window {made.recipe.window}")
    auditor = Auditor(made, faults)
    auditor.look(file, metadata, progress)
    found = _found(made, auditor)
    for key in READ:
        check = faults.check(key, found[key])
        yield replace(check, found=check.found + _changes(own)) if key == "replay" else check
    told_of = {**own["statistics"], "recorded_return": own["references"].get("recorded_return")}
    if auditor.tally is None or auditor.counted < made.recipe.episodes:
        faults.add("statistics", "not recomputed, since episodes are missing or broken")
    else:
        counted = statistics(auditor.tally, layout_of(made.scenario.rules()))
        scored = auditor.tally.returns[: own["references"]["episodes"]]
        counted["recorded_return"] = float(scored.mean())
        for told in unlike(told_of, json.loads(json.dumps(counted))):
            faults.add("statistics", told)
    yield faults.check("statistics", f"{len(told_of)} recomputed")
    yield _environment(name, trace)


def _found(made: Made, auditor: Auditor) -> dict[str, str]:
    """What each check of the episodes says where nothing is wrong."""
    agents = layout_of(made.scenario.rules()).clusters
    known = ", ".join(policy.name for policy in made.policies if policy is not None)
    strange = sum(policy is None for policy in made.policies)
    asked = [f"{known} give the same answers"] * bool(known)
    asked += [f"{strange} from checkpoints not asked again"] * bool(strange)
    return {
        "episodes": f"{auditor.episodes:,}, {auditor.steps:,} transitions of {agents} agents",
        "arrays": f"{len(made.columns)} an episode, as the scenario has them",
        "masks": "0 or 1, all allow something, no effective action is illegal",
        "probabilities": "finite, or NaN where unknown",
        "starts": f"rows and components as seed {made.recipe.seed} draws them",
        "replay": f"{auditor.replayed:,} transitions repeat bit by bit",
        "policies": ", ".join(asked),
    }


def _changes(own: Mapping[str, Any]) -> str:
    """Versions that have changed since the recording."""
    changed = [
        f"{package} was {version}"
        for package, version in own["versions"].items()
        if version_of(package) != version
    ]
    return f" ({', '.join(changed)})" if changed else ""


def _made(own: Mapping[str, Any], trace: str | None) -> Made:
    """Everything that the metadata say was recorded, built again; raises where that fails."""
    from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space

    recipe = settings.build(Recipe, own["recipe"], "recipe")
    scenario = scenario_from(own["scenario"])
    if trace is not None:
        scenario = scenario.replace(trace=trace)
    layout = layout_of(scenario.rules())
    rows = scenario.load_trace()
    space: Any = joint_observation_space(layout)
    if recipe.per == "step":
        mixture = recipe.mixture(scenario)
        policies: tuple[Policy | None, ...] = mixture.policies
    else:
        mixture = recipe.mixed(tuple(make_policy(RANDOM) for _ in recipe.policies))
        policies = tuple(
            None if checkpoint_file(player.name) is not None else player.policy()
            for player in recipe.policies
        )
    return Made(
        recipe,
        scenario,
        rows,
        policies,
        mixture,
        columns_of(space, joint_action_space(layout), layout.clusters, lives=False),
        space["observation"],
    )


def _metadata_faults(name: str, metadata: Mapping[str, Any], made: Made) -> Iterator[str]:
    """Where the metadata contradict each other, the trace or the id."""
    from minari.serialization import serialize_space

    from vmagent_marl.envs.spaces import joint_action_space, joint_observation_space

    own, layout = metadata["vmagent_marl"], layout_of(made.scenario.rules())
    returns, references = own["references"]["returns"], own["references"]
    agree = {
        "dataset_id": (metadata["dataset_id"], name),
        "total_episodes": (metadata["total_episodes"], made.recipe.episodes),
        "total_steps": (metadata["total_steps"], own["statistics"]["transitions"]),
        "observation_space": (
            json.loads(metadata["observation_space"]),
            json.loads(serialize_space(joint_observation_space(layout))),
        ),
        "action_space": (
            json.loads(metadata["action_space"]),
            json.loads(serialize_space(joint_action_space(layout))),
        ),
        "env_spec": (
            json.loads(metadata["env_spec"])["kwargs"],
            {
                "scenario": scenario_from(own["scenario"]).as_dict(),
                "window": made.recipe.window,
                "recorded_on": own["trace"],
            },
        ),
        "window": (own["window"], made.recipe.window),
        "seed": (own["seed"], made.recipe.seed),
        "policies": (own["policies"], [player.name for player in made.recipe.policies]),
        "ref_min_score": (metadata["ref_min_score"], returns[RANDOM]),
        "ref_max_score": (metadata["ref_max_score"], returns[references["best_policy"]]),
        "best_policy": (returns[references["best_policy"]], max(returns.values())),
    }
    for key, (told, wanted) in agree.items():
        if json.dumps(told, sort_keys=True) != json.dumps(wanted, sort_keys=True):
            short = "" if len(str(told)) > 60 else f" ({told}, not {wanted})"
            yield f"{key} does not agree with the rest{short}"
    if made.trace.fingerprint != own["trace"]["fingerprint"]:
        yield (
            f"trace {made.trace.name!r} is not the one that was recorded on "
            f"({own['trace']['name']!r}): give it as the trace"
        )


def _environment(name: str, trace: str | None) -> Check:
    """The first episode as Minari and Gymnasium have it."""
    from vmagent_marl.episodes.storage.minari_format import load_dataset

    try:
        dataset = load_dataset(name)
        fields = {} if trace is None else {"trace": trace}
        environment = dataset.recover_environment(**fields)
        about = next(iter(dataset.storage.get_episode_metadata([0])))
        episode = dataset[0]
        seen, _ = environment.reset(seed=about["seed"], options=about["options"])
        for t in range(len(episode)):
            if not all(np.array_equal(seen[key], episode.observations[key][t]) for key in seen):
                raise DatasetError(f"row {t} of episode 0 differs")
            seen, reward, terminated, truncated, _ = environment.step(episode.actions[t])
            ends = (bool(episode.terminations[t]), bool(episode.truncations[t]))
            if reward != episode.rewards[t] or (terminated, truncated) != ends:
                raise DatasetError(f"transition {t} of episode 0 differs")
        if not all(np.array_equal(seen[key], episode.observations[key][-1]) for key in seen):
            raise DatasetError("the last row of episode 0 differs")
    except (VmagentError, AssertionError, *BROKEN) as error:
        return Check("environment", False, f"it does not replay ({error})")
    return Check("environment", True, f"recover_environment() replays {len(episode):,} transitions")
