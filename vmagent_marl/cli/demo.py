"""`demo`: the main job, end to end: play, record, learn offline, and see who schedules better."""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from tyro.conf import arg

from vmagent_marl.cli import programs
from vmagent_marl.cli.options import TraceFile
from vmagent_marl.errors import VmagentError

if TYPE_CHECKING:
    from vmagent_marl.evaluation import Scores
    from vmagent_marl.policies import Policy
    from vmagent_marl.policies.network_policy import NetworkPolicy

VALIDATED = 8  # episodes, as the programs validate on
MARK = "demo.txt"  # in a folder that a demo made, and that the next one may replace
LEARNERS = {"masked CQL": "discrete_cql", "behaviour cloning": "behaviour_cloning"}  # programs
BASELINE = {"region-prices": "accept-always", "recovering": "first-fit"}


@dataclass(frozen=True)
class Act:
    """One scenario of the demo."""

    scenario: str
    recipe: str
    steps: dict[str, int]  # updates of each learner
    episodes: int  # held out, on test windows


ACTS = (
    Act(
        "region-prices",
        "region-prices/mixed",
        steps={"masked CQL": 2000, "behaviour cloning": 1500},
        episodes=20,
    ),
    Act(
        "recovering",
        "recovering/noisy-10",
        steps={"masked CQL": 1000, "behaviour cloning": 1000},
        episodes=100,
    ),
)


def demo(
    out: Annotated[Path, arg(metavar="FOLDER")] = Path("runs/demo"),
    trace: TraceFile = None,
    seed: int = 0,
) -> None:
    """Record heuristics, learn from the recording, and compare on held-out windows.

    Args:
        out: folder for tables, plots, checkpoints and data sets; an earlier demo's is replaced.
        trace: a trace file in the place of the embedded synthetic month.
        seed: of training and evaluation.
    """
    from vmagent_marl.envs.game import as_scenario
    from vmagent_marl.windows import starts_of

    console, began = Console(), time.monotonic()
    if seed < 0:
        raise VmagentError(f"seed: {seed} is negative: give 0 or more")
    for act in ACTS:  # what cannot be played is refused before an earlier demo goes
        scenario = as_scenario(act.scenario, **({} if trace is None else {"trace": trace}))
        played = scenario.simulator().trace
        for window in ("train", "validation", "test"):
            starts_of(scenario, played, window)
    _make_room(out)
    os.environ["MINARI_DATASETS_PATH"] = str((out / "datasets").absolute())  # nobody else's
    for act in ACTS:
        _play(act, out / act.scenario, trace, seed, console)
    console.rule("Done")
    console.print(f"{time.monotonic() - began:.0f} s. Tables, plots and checkpoints are in {out}:")
    for file in sorted(out.glob("*/*.png")):
        console.print(f"  {file}", highlight=False)
    console.print(
        f"The data sets are in {os.environ['MINARI_DATASETS_PATH']}; set MINARI_DATASETS_PATH to "
        "it to load them. Next: `vmagent-marl list`, or the demo on your own trace (--trace FILE).",
        soft_wrap=True,
        highlight=False,
    )
    console.print(
        f"Watch an episode: vmagent-marl view {shlex.quote(str(out))}",
        soft_wrap=True,
        highlight=False,
    )


def _make_room(out: Path) -> None:
    """An empty folder; what stands there goes only if an earlier demo made it."""
    if out.exists() and not out.is_dir():
        raise VmagentError(f"{out}: is a file: name a folder")
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise VmagentError(f"{out} holds something else than a demo: name another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).write_text("made by `vmagent-marl demo`; the next one replaces this folder\n")


def _play(act: Act, out: Path, trace: str | None, seed: int, console: Console) -> None:
    import minari

    from vmagent_marl.envs.game import as_scenario
    from vmagent_marl.episodes import collect, load_recipe
    from vmagent_marl.evaluation import evaluate, print_scores, score_table, write_json
    from vmagent_marl.policies import make_policy, policy_names

    fields = {} if trace is None else {"trace": trace}
    scenario = as_scenario(act.scenario, **fields)
    console.rule(f"[bold]{scenario.name}")
    console.print(scenario.description, highlight=False)

    recipe = dataclasses.replace(load_recipe(act.recipe), trace=trace)
    console.print(f"\n[bold]1. Record[/]  {recipe.description}", highlight=False)
    name = collect(recipe, overwrite=True)
    data = minari.load_dataset(name)
    console.print(
        f"minari.load_dataset({name!r}): {data.total_episodes} episodes, {data.total_steps:,} steps"
    )

    console.print("\n[bold]2. Learn[/]  from the recording alone, masked, best on validation kept")
    trained = [_learn(label, act, name, out, seed, console) for label in LEARNERS]

    names = dict.fromkeys([BASELINE[act.scenario], *policy_names(scenario)])  # the baseline first
    heuristics = [make_policy(policy) for policy in names]
    recorded = [make_policy(player.name, epsilon=player.epsilon) for player in recipe.policies]
    players = {policy.name: policy for policy in (*heuristics, *recorded, *trained)}

    def compare(window: str) -> Scores:
        return evaluate(
            scenario,
            list(players.values()),
            windows=window,
            episodes=act.episodes,
            seed=seed,
            progress=True,
        )

    console.print("\n[bold]3. Compare[/]  on the validation window, where checkpoints were chosen")
    console.print(score_table(compare("validation")))
    console.print("\n[bold]4. Compare[/]  on the test window, which nobody has seen")
    scores = compare("test")
    print_scores(scores, console=console)
    _conclude(scores, [policy.name for policy in recorded], console)
    write_json(scores, out / "scores.json")
    _draw(scores, players, out)


def _conclude(scores: Scores, recorded: list[str], console: Console) -> None:
    """Every learner against the baseline, the best it learned from, and the best heuristic."""
    teacher = next(name for name in scores.ranked if name in recorded)
    reference = scores.reference or scores.baseline
    for learner in LEARNERS:
        told = []
        for other in dict.fromkeys((scores.baseline, teacher, reference)):
            gap = scores.difference(learner, other)
            sure = (
                "no sure difference" if gap.holds_zero else "better" if gap.value > 0 else "worse"
            )
            told.append(f"{gap.value:+.3g} against {other} ({sure})")
        console.print(f"{learner}: {', '.join(told)}", highlight=False, soft_wrap=True)


def _learn(
    label: str, act: Act, dataset: str, out: Path, seed: int, console: Console
) -> NetworkPolicy:
    """Run a program of the shelf as anybody would; its best policy, by the name of the learner."""
    from vmagent_marl.policies.checkpoint import load_policy

    program, folder = f"offline/{LEARNERS[label]}", out / LEARNERS[label]
    options = {"dataset": dataset, "out": folder, "steps": act.steps[label], "seed": seed}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    words += ["--compare", "no"]
    console.print(f"$ vmagent-marl run {program} {shlex.join(words)}", soft_wrap=True, style="dim")
    programs.run(program, *words)
    return dataclasses.replace(load_policy(folder / "policy.pt"), name=label)


def _draw(scores: Scores, players: dict[str, Policy], out: Path) -> None:
    """Scores, learning curves, and the best policy's first episode on the servers."""
    from vmagent_marl.train.validation import Validation
    from vmagent_marl.view.heatmap import plot_occupancy, record_occupancy
    from vmagent_marl.view.plots import plot_learning_curve, plot_scores
    from vmagent_marl.windows import episode_of

    plot_scores(scores, out / "scores.png")
    curves = {label: out / program / "curve.csv" for label, program in LEARNERS.items()}
    validation = Validation(scores.scenario, episodes=VALIDATED)  # the very episodes of the curves
    held_against = dict.fromkeys([scores.reference or scores.baseline, scores.baseline, "random"])
    plot_learning_curve(
        curves,
        out / "learning.png",
        y="mean_return",
        title=f"{scores.scenario.name}: learning from the recording",
        x_label="updates",
        y_label="mean return on validation",
        levels={name: validation.score(players[name]).mean_return for name in held_against},
    )
    trace = scores.scenario.load_trace()
    episode = episode_of(scores.scenario, trace, scores.window, seed=scores.seed, number=0)
    best = players[scores.ranked[0]]
    plot_occupancy(record_occupancy(scores.scenario, best, episode), out / "episode.png")
