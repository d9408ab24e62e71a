"""How well heuristics pack the real month, beside what was published of it.

python benchmarks/packing.py                                   # tables in Markdown
python benchmarks/packing.py --write benchmarks/results.md     # and into the results

One cluster of servers of 2 x (40 vCPU, 90 GB), VMs above 10 GB halved, every request of the month
in one episode. It needs the month of Huawei Cloud's VM-placement-dataset (CC-BY-NC 4.0).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import tyro
from results import measured_at, write_section

from vmagent_marl.errors import TraceError
from vmagent_marl.evaluation import Scores, evaluate
from vmagent_marl.policies import policy_names
from vmagent_marl.scenario import load_scenario

FILE = "huawei-east-1-lifetimes.csv"
ROOMY = 100  # servers, on which all rules but one that spreads place every VM of the month
HOURS = {"worst-fit": 2.08, "best-fit": 1.74, "server-best-fit": 1.64, "first-fit": 1.48}
HINTED = {"nilas": 1.29, "release-fit": None}  # by true lifetimes, hours as published if they were
ERRORS = (0.0, 0.5, 1.0, 2.0)  # of lifetime hints, standard deviations of their logarithm
LOST = {  # % of the cpu-seconds, by servers
    40: {"first-fit": 5.2, "server-best-fit": 3.3},
    30: {"first-fit": 17.6, "server-best-fit": 15.9},
    20: {"first-fit": 36.0, "server-best-fit": 35.0},
}
OTHERS = ["dot-product", "fragmentation-gradient", "slot-preserving", "balance-fit"]
USED_FIRST = "-used-first"

NOTES = """\
*Hours*: hours of servers that are not empty, over those that what runs fills at least, the integral
of max(ceil cpu, ceil memory). The published hours of first, best and worst fit are those of rules
that open an empty server only where none in use fits, `-used-first` in the package; server best fit
and dot product do so by themselves. How the published server best fit sums a server's shares is not
told; the package's sums the scarcer resource of each node. *Error*: standard deviation of the
logarithm of a lifetime hint over the lifetime; 0 is the truth, 1 is off by a factor of 2.7. *Lost*:
cpu-seconds of VMs turned away over those of all, each clipped at the last arrival, up to which the
month is played; the bound is fluid: no policy loses less, not even one that knows the future and
may split and interrupt VMs. What turns away few VMs may turn away many cpu-seconds."""


def month_at(trace: Path | None) -> Path:
    """The real month's file: the one given, or where tests look for it."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VMAGENT_TRACE_DIR") or beside)
    file = trace or folder / FILE
    if not file.is_file():
        raise TraceError(f"{file} is absent: give --trace, or its folder as VMAGENT_TRACE_DIR")
    return file


def played(month: Path, servers: int, policies: list[str], **fields: Any) -> Scores:
    """The whole month on so many servers."""
    scenario = load_scenario(
        "recovering-l",
        trace=month,
        servers=servers,
        turned_away="count",
        reward="server_hours",
        **fields,
    )
    return evaluate(scenario, policies, starts=[0])


def hours_table(month: Path) -> str:
    """Hours of servers over their bound, where every VM has room."""
    rules = [*HOURS, *OTHERS]
    used_first = [rule + USED_FIRST for rule in rules if rule + USED_FIRST in policy_names()]
    scores = played(month, ROOMY, [*rules, *used_first])

    def hours(policy: str) -> str:
        if policy not in scores.policies:
            return ""
        metrics = scores.result(policy).played[0].metrics
        told = f"{metrics.active_server_hours / metrics.server_hours_bound:.3f}"
        lost = 100 * scores.lost_cpu(policy)
        return f"{told} ({lost:.1f} % lost)" if lost else told

    lines = [f"| hours, {ROOMY} servers | published | used first | any server |"]
    lines.append("|---|---:|---:|---:|")
    for rule in rules:
        known = HOURS.get(rule, "")
        lines.append(f"| {rule} | {known} | {hours(rule + USED_FIRST)} | {hours(rule)} |")
    return "\n".join(lines)


def hints_table(month: Path) -> str:
    """Hours of servers over their bound, by rules that are told lifetimes more or less well."""
    titles = " | ".join(f"error {error:g}" for error in ERRORS)
    lines = [f"| hours with lifetime hints | published | {titles} |"]
    lines.append("|---|---:|" + "---:|" * len(ERRORS))
    figures: dict[str, list[str]] = {rule: [] for rule in HINTED}
    for error in ERRORS:
        scores = played(month, ROOMY, list(HINTED), hints={"log_sigma": error})
        for rule, cells in figures.items():
            metrics = scores.result(rule).played[0].metrics
            cells.append(f"{metrics.active_server_hours / metrics.server_hours_bound:.3f}")
    for rule, cells in figures.items():
        lines.append(f"| {rule} | {HINTED[rule] or ''} | {' | '.join(cells)} |")
    return "\n".join(lines)


def lost_table(month: Path) -> str:
    """Share of the cpu-seconds that is turned away where there is too little room."""
    lines = ["| lost cpu-seconds | published | package | bound | VMs lost |"]
    lines.append("|---|---:|---:|---:|---:|")
    for servers, known in LOST.items():
        rules = [*known, "best-fit", *OTHERS]
        scores = played(month, servers, rules)
        bound = scores.lost_bound.value if scores.lost_bound else 0.0
        for rule in rules:
            percent = f"{known[rule]} %" if rule in known else ""
            vms = scores.result(rule).played[0].metrics.turned_away
            figures = f"{percent} | {100 * scores.lost_cpu(rule):.2f} % | {100 * bound:.2f} %"
            lines.append(f"| {servers} servers, {rule} | {figures} | {vms:,} |")
    return "\n".join(lines)


def main(trace: Path | None = None, write: Path | None = None) -> None:
    """Print the tables.

    Args:
        trace: the real month, where it is not in ../shared/data or $VMAGENT_TRACE_DIR.
        write: a Markdown file whose section on packing is replaced.
    """
    month = month_at(trace)
    told = f"`python benchmarks/packing.py` at {measured_at()}."
    text = "\n\n".join([told, hours_table(month), hints_table(month), lost_table(month), NOTES])
    print(text)
    if write is not None:
        write_section(write, "Packing", text)


if __name__ == "__main__":
    tyro.cli(main)
