"""`evaluate`: policies on the same episodes; a table, JSON, and a plot."""

from __future__ import annotations

from pathlib import Path

from vmagent_marl.cli.options import (
    Changes,
    Name,
    Names,
    TraceFile,
    Window,
    blaming_options,
    scenario_fields,
)
from vmagent_marl.files import check_writable


def evaluate(
    scenario: Name,
    policy: Names = (),
    trace: TraceFile = None,
    window: Window = "validation",
    episodes: int = 20,
    seed: int = 0,
    starts: Path | None = None,
    servers: int | None = None,
    set: Changes = (),  # the option's name on the command line
    json: Path | None = None,
    plot: Path | None = None,
    quiet: bool = False,
) -> None:
    """Play policies on held-out windows and compare them.

    The first policy is the baseline, from which the differences of the others are told. A trace
    with bad rows, or one that needs options to be read, goes through `trace convert` first.

    Args:
        scenario: a name from `vmagent-marl list`, or the path of a YAML file.
        policy: names of heuristics and trained policies, or checkpoints (.pt); all, or none: every
            heuristic that fits.
        trace: a trace file in the place of the scenario's own.
        window: rows of the trace from which episodes are drawn.
        episodes: how many.
        seed: from which their starts and all draws come.
        starts: a file with a row of the trace a line; one episode begins at each, instead.
        servers: of each cluster, in the place of the scenario's own.
        set: other fields of the scenario, as name=value.
        json: write everything there, episode by episode.
        plot: draw the scores there (.png, .svg or .pdf).
        quiet: no progress bar.
    """
    from vmagent_marl.evaluation import ALL, print_scores, read_starts, write_json
    from vmagent_marl.evaluation import evaluate as play_and_score
    from vmagent_marl.scenario import load_scenario

    for file in (json, plot):
        check_writable(file)
    if plot is not None:
        from vmagent_marl.view.style import check_format

        check_format(plot)
    with blaming_options(trace, servers):
        chosen = load_scenario(scenario, **scenario_fields(trace, servers, set))
    scores = play_and_score(
        chosen,
        policy or ALL,
        windows=window,
        episodes=episodes,
        seed=seed,
        starts=None if starts is None else read_starts(starts),
        progress=not quiet,
    )
    if json is not None:
        write_json(scores, json)
    try:
        print_scores(scores)
    finally:  # whoever reads the table may close the pipe before its end
        if plot is not None:
            from vmagent_marl.view.plots import plot_scores

            plot_scores(scores, plot)
    for file in (json, plot):
        if file is not None:
            print(file)
