"""How full each server was over an episode: a replay's servers over time, and drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError
from vmagent_marl.evaluation import score_of
from vmagent_marl.policies import Policy
from vmagent_marl.scenario import Scenario
from vmagent_marl.sim import Episode
from vmagent_marl.sim.rules import WAIT
from vmagent_marl.sim.state import NOBODY, PLACED, PLACED_IN
from vmagent_marl.trace import Trace
from vmagent_marl.trace.units import DAY, HOUR
from vmagent_marl.view.replay import Replay, played
from vmagent_marl.view.style import FAINT, INK, OUT, PALETTE, SHARES, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

GAP = 0.6  # of a row, between clusters
RULED = 40  # servers up to which a line parts their rows
SHORT = 3 * HOUR  # s; up to it time is told in minutes


@dataclass(frozen=True)
class Occupancy:
    """An episode in `samples` moments, evenly spread over its simulated time."""

    scenario: Scenario
    policy: str
    trace: str  # its name
    first: int  # row of the trace of the first request
    time: Floats  # (T,) s since the episode began
    used: NDArray[np.float32]  # (T, K, S) larger used share of cpu and memory; NaN out of service
    in_service: NDArray[np.bool_]  # (T, K, S)
    servers: tuple[int, ...]  # of each cluster after every expansion; the rest of S is padding
    gained: Floats  # (T, K) since the beginning: profit, or VMs placed
    gained_name: str  # "profit" or "VMs placed"
    turned_away: Floats  # (n,) s since the episode began, of each request that nobody took


def record_occupancy(
    scenario: Scenario,
    policy: Policy,
    episode: Episode,
    samples: int = 400,
    *,
    trace: Trace | None = None,
) -> Occupancy:
    """Play one episode and note how full each server is, as of the last arrival up to a moment."""
    if samples < 2:
        raise SettingError(f"samples: {samples} are too few for a picture: give 2 or more")
    return occupancy_of(played(scenario, policy, episode, trace), samples)


def occupancy_of(replay: Replay, samples: int) -> Occupancy:
    """A replay in so many moments, each as of the last arrival up to then."""
    recording, second = replay.recording, replay.second
    time = np.linspace(0, second[-1], samples)
    steps = np.searchsorted(second, time, side="right") - 1
    profits = score_of(recording.scenario) == "profit share"
    gained = replay.profit if profits else replay.counts[:, :, PLACED].astype(np.float64)
    used = [replay.used_where_in_service(t).mean(axis=3).max(axis=1) for t in steps]
    nobody = replay.outcome[:, PLACED_IN] == NOBODY
    lost = nobody if replay.rules.turned_away != WAIT else np.zeros_like(nobody)
    return Occupancy(
        scenario=recording.scenario,
        policy=recording.policy,
        trace=recording.trace.name,
        first=recording.played.first,
        time=time,
        used=np.stack(used).astype(np.float32),  # a server's nodes are alike
        in_service=np.stack([replay.taking(t) for t in steps]),
        servers=tuple(replay.rules.most.tolist()),
        gained=gained[steps],
        gained_name="profit" if profits else "VMs placed",
        turned_away=second[:-1][lost].astype(np.float64),
    )


def plot_occupancy(occupancy: Occupancy, path: str | Path) -> Path:
    """Servers as rows, simulated time across, darkness for what is used; below, what was gained."""
    rows = sum(occupancy.servers)
    height = float(np.clip(0.16 * rows, 1.4, 4.2))
    with drawing(path, 7.6, height + 2.3) as figure:
        away, servers, gained = figure.subplots(
            3, 1, sharex=True, height_ratios=[0.18, height, 1.3]
        )
        title = f"{occupancy.scenario.name}: {occupancy.policy}, from row {occupancy.first:,}"
        figure.suptitle(
            f"{title} of {occupancy.trace}", x=0.01, ha="left", fontweight="bold", fontsize=10
        )
        unit, name = time_unit(occupancy.time[-1])
        _draw_turned_away(away, occupancy, unit)
        _draw_servers(servers, occupancy, unit)
        _draw_gained(gained, occupancy, unit)
        gained.set_xlabel(f"simulated time ({name})")
        gained.set_xlim(0, max(occupancy.time[-1] / unit, 1e-9))
        figure.align_ylabels()
    return Path(path)


def time_unit(seconds: float) -> tuple[float, str]:
    """The seconds of a unit in which so much time is easily read, and its name."""
    if seconds <= SHORT:
        return 60.0, "minutes"
    return (float(HOUR), "hours") if seconds <= 2 * DAY else (float(DAY), "days")


def _draw_turned_away(axes: Axes, occupancy: Occupancy, unit: float) -> None:
    number = occupancy.turned_away.size
    axes.vlines(occupancy.turned_away / unit, 0, 1, color=PALETTE[4], linewidth=0.8)
    axes.set_title(f"turned away: {number:,}", fontsize=8, fontweight="normal", color=INK, pad=2)
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)


def _draw_servers(axes: Axes, occupancy: Occupancy, unit: float) -> None:
    """A mesh for each cluster, with a gap between clusters."""
    edges = np.append(occupancy.time, occupancy.time[-1]) / unit
    top, middles, labels = 0.0, [], []
    power = occupancy.scenario.each("power")
    mesh = None
    for k, number in enumerate(occupancy.servers):
        used = occupancy.used[:, k, :number].T
        lines = top + np.arange(number + 1)
        axes.fill_between(
            edges[[0, -1]],
            top,
            top + number,
            facecolor=OUT,
            edgecolor=FAINT,
            hatch="/////",
            linewidth=0,
            zorder=1,
        )
        mesh = axes.pcolormesh(
            edges,
            lines,
            np.ma.masked_invalid(used),
            cmap=SHARES,
            vmin=0,
            vmax=1,
            zorder=2,
            rasterized=True,
        )
        if sum(occupancy.servers) <= RULED:
            axes.hlines(lines[1:-1], 0, edges[-1], color="white", linewidth=0.7, zorder=3)
        middles.append(top + number / 2)
        priced = f"\npower {power[k]:g}" if any(power) else f"\n{number} servers"
        labels.append(f"cluster {k}{priced}")
        top += number + GAP
    axes.set_yticks(middles, labels)
    axes.set_ylim(top - GAP, 0)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines[["left", "bottom"]].set_visible(False)
    assert mesh is not None  # a scenario has a cluster
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.01, fraction=0.04, aspect=18)
    bar.set_label("used share of a server\n(larger of cpu and memory)", fontsize=8)
    bar.outline.set_visible(False)
    if not occupancy.in_service[:, _real(occupancy)].all():
        axes.set_title("hatched: out of service", fontsize=8, fontweight="normal", loc="right")


def _real(occupancy: Occupancy) -> NDArray[np.bool_]:
    """(K, S) servers that are no padding."""
    return np.arange(occupancy.used.shape[2]) < np.array(occupancy.servers)[:, None]


def _draw_gained(axes: Axes, occupancy: Occupancy, unit: float) -> None:
    clusters = occupancy.gained.shape[1]
    time = occupancy.time / unit
    if clusters > 1:
        for k in range(clusters):
            line = occupancy.gained[:, k]
            axes.plot(time, line, color=PALETTE[k % 6], linewidth=1.2, label=f"cluster {k}")
    axes.plot(time, occupancy.gained.sum(axis=1), color=PALETTE[-1], label="all")
    axes.set_ylabel(occupancy.gained_name)
    if clusters > 1:
        axes.legend(loc="upper left", handlelength=1.2)
