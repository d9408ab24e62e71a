"""`demo`: the main job, end to end: play, record, learn offline, and see who schedules better."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from vmagent_marl.errors import VmagentError

if TYPE_CHECKING:
    from vmagent_marl.evaluation import Scores
    from vmagent_marl.policies import Policy

MARK = "demo.txt"  # in a folder that a demo made, and that the next one may replace
BASELINE = {"region-prices": "accept-always", "recovering": "first-fit"}


@dataclass(frozen=True)
class Act:
    """One scenario of the demo."""

    scenario: str
    recipe: str
    cql_steps: int
    bc_steps: int
    episodes: int  # held out, on test windows


ACTS = (
    Act("region-prices", "region-prices-mixed", cql_steps=6000, bc_steps=3000, episodes=20),
    Act("recovering", "recovering-mixed", cql_steps=3000, bc_steps=1500, episodes=100),
)


def demo(out: Path = Path("runs/demo"), trace: str | None = None, seed: int = 0) -> None:
    """Record heuristics, learn from the recording, and compare on held-out windows.

    Args:
        out: folder for tables, plots, checkpoints and data sets; an earlier demo's is replaced.
        trace: a trace file in the place of the embedded synthetic month.
        seed: of training and evaluation.
    """
    console, began = Console(), time.monotonic()
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
        "it to load them. Next: `vmagent-marl list`.",
        soft_wrap=True,
        highlight=False,
    )


def _make_room(out: Path) -> None:
    """An empty folder; what stands there goes only if an earlier demo made it."""
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).is_file():
            raise VmagentError(f"{out} holds something else than a demo: name another --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).write_text("made by `vmagent-marl demo`; the next one replaces this folder\n")


def _play(act: Act, out: Path, trace: str | None, seed: int, console: Console) -> None:
    import dataclasses

    import minari

    from vmagent_marl.envs.game import as_scenario
    from vmagent_marl.episodes import collect, load_recipe
    from vmagent_marl.evaluation import evaluate, print_scores, score_table, write_json
    from vmagent_marl.policies import make_policy, policy_names
    from vmagent_marl.train import train_offline

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
    cql = train_offline("cql", name, out / "cql", steps=act.cql_steps, seed=seed)
    bc = train_offline("bc", name, out / "bc", steps=act.bc_steps, seed=seed)

    baseline = BASELINE[act.scenario]
    others = [policy for policy in policy_names(scenario) if policy != baseline]
    behaviours = [make_policy(player.name, epsilon=player.epsilon) for player in recipe.policies]
    recorded = [policy for policy in behaviours if policy.name not in {baseline, *others}]
    policies: list[str | Policy] = [baseline, *others, *recorded, str(cql), str(bc)]

    def compare(window: str) -> Scores:
        return evaluate(
            scenario, policies, windows=window, episodes=act.episodes, seed=seed, progress=True
        )

    console.print("\n[bold]3. Compare[/]  on the validation window, where checkpoints were chosen")
    console.print(score_table(compare("validation")))
    console.print("\n[bold]4. Compare[/]  on the test window, which nobody has seen")
    scores = compare("test")
    print_scores(scores, console=console)
    write_json(scores, out / "scores.json")
    _draw(scores, {"masked CQL": cql, "behaviour cloning": bc}, out)


def _draw(scores: Scores, trained: dict[str, Path], out: Path) -> None:
    """Scores, learning curves, and the best policy's first episode on the servers."""
    from vmagent_marl.policies import make_policy
    from vmagent_marl.view.heatmap import plot_occupancy, record_occupancy
    from vmagent_marl.view.plots import plot_learning_curve, plot_scores
    from vmagent_marl.windows import episode_of

    plot_scores(scores, out / "scores.png")
    curves = {label: policy.parent / "curve.csv" for label, policy in trained.items()}
    plot_learning_curve(
        curves,
        out / "learning.png",
        y="mean_return",
        title=f"{scores.scenario.name}: learning from the recording",
        x_label="updates",
        y_label="mean return on validation",
    )
    by_name = {make_policy(str(policy)).name: policy for policy in trained.values()}
    best = make_policy(str(by_name.get(scores.ranked[0], scores.ranked[0])))
    trace = scores.scenario.load_trace()
    episode = episode_of(scores.scenario, trace, scores.window, seed=scores.seed, number=0)
    plot_occupancy(record_occupancy(scores.scenario, best, episode), out / "episode.png")
