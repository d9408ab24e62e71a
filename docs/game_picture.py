"""The picture of the offer chain: one request of the scenario that `game.md` shows.

python docs/game_picture.py                      # writes docs/game.svg
python docs/game_picture.py --out chain.png
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tyro
import yaml

from vmagent_marl.scenario import scenario_from
from vmagent_marl.sim import Episode, Simulator
from vmagent_marl.sim.rules import NODES
from vmagent_marl.view.style import FAINT, INK, OUT, PALETTE, SHARES, drawing

HERE = Path(__file__).parent
REQUEST = 10  # its number in the episode
VIEWER = 3  # the cluster of which the picture tells what it sees
BLUE, ORANGE, GREEN = PALETTE[:3]
CENTRES = {2: (3.0, 4.1), 3: (4.75, 2.45), 0: (3.0, 0.8), 1: (1.25, 2.45)}  # clockwise
WIDTH, HEIGHT, NODE = 1.5, 0.62, 0.33  # of a cluster's box, and width of a node
SAID = {
    2: ("cluster_2 · home", "full: can only pass", BLUE),
    3: ("cluster_3 · 2nd offer", "has room, but passes", BLUE),
    0: ("cluster_0 · last offer", "has room: has to place", GREEN),
    1: ("cluster_1 · beyond the tries", "is not asked", FAINT),
}
SEEN = {
    "servers": "own servers: free cpu, memory of each node",
    "in_service": "which of them are in service",
    "request": "request: cpu, memory, halved",
    "chain": "chain: distance, last offer, beyond",
    "time": "hour, weekday",
    "summaries": "published by each cluster, itself first:\nfree cpu, memory, empty, power, age",
}
PAID = (
    "from this decision to the next one, to each cluster its own, reached or not:",
    "price x vCPU-hours that ran - power x vCPU-hours of servers in use (profit)",
)


def simulator_at_the_request() -> Simulator:
    """The scenario of the page, played by first fit up to the request of the picture."""
    page = (HERE / "game.md").read_text(encoding="utf-8")
    (scenario,) = re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    simulator = scenario_from({"name": "ring", **yaml.safe_load(scenario)}).simulator()
    simulator.reset({0: Episode(0)})
    for _ in range(REQUEST):
        simulator.step(simulator.mask.argmax(axis=2))
    return simulator


def draw_cell(axes: Any, x: float, y: float, share: float, size: tuple[float, float]) -> None:
    """A share as a shade."""
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    face = colormaps[SHARES](0.8 * share)
    look = {"facecolor": face, "edgecolor": INK, "linewidth": 0.5, "zorder": 3}
    axes.add_patch(Rectangle((x, y), *size, **look))


def write(axes: Any, x: float, y: float, text: str, **look: Any) -> None:
    """A word or two, centred unless told otherwise."""
    axes.text(x, y, text, **{"ha": "center", "va": "center", "fontsize": 8, "color": INK} | look)


def draw_cluster(axes: Any, simulator: Simulator, k: int) -> None:
    """Its servers, two nodes each, darker as they fill; and what it does about the request."""
    from matplotlib.patches import FancyBboxPatch

    x, y = CENTRES[k]
    title, does, colour = SAID[k]
    look = {"boxstyle": "round,pad=0.05", "facecolor": "white", "edgecolor": colour}
    corner = x - WIDTH / 2, y - HEIGHT / 2
    axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, linewidth=1.8, **look, zorder=2))
    free = simulator.free[0, k] / simulator.rules.node[k][:, None]
    for slot, used in enumerate(1 - free.min(axis=0)):  # of the scarcer resource
        left = x + (slot // NODES - 1) * 0.74 + 0.04 + slot % NODES * NODE
        draw_cell(axes, left, y - 0.24, used, (NODE, 0.48))
        ink = "white" if used > 0.6 else INK
        write(axes, left + NODE / 2, y, f"{used:.0%}", fontsize=7, color=ink, zorder=4)
    ink = FAINT if colour == FAINT else INK
    write(axes, x, y - 0.53, title, fontweight="bold", color=ink)
    write(axes, x, y - 0.73, does, color=ink)


def draw_ring(axes: Any, simulator: Simulator) -> None:
    """The clusters, and the way of the request from home on."""
    for k in CENTRES:
        draw_cluster(axes, simulator, k)
    passed = {"arrowstyle": "-|>", "color": ORANGE, "linewidth": 2.0}
    unused = {"arrowstyle": "-|>", "color": OUT, "linewidth": 1.4, "linestyle": (0, (4, 3))}
    ways = [
        ((3.0, 5.15), (3.0, 4.5), passed, 0.0),
        ((3.9, 4.1), (4.75, 2.85), passed, -0.35),
        ((4.75, 1.6), (3.9, 0.8), passed, -0.35),
        ((2.1, 0.8), (1.25, 1.6), unused, -0.35),
        ((1.25, 2.85), (2.1, 4.1), unused, -0.35),
    ]
    for begin, end, look, bend in ways:
        how = {**look, "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", xy=end, xytext=begin, arrowprops=how, zorder=1)
    cpu, memory = simulator.feed.total[simulator.number(0)].tolist()
    request = f"a request: {cpu // 1000} vCPU, {memory // 1024} GB"
    write(axes, 3.1, 5.0, request, fontweight="bold", ha="left")
    for x, y in ((4.6, 3.75), (4.55, 1.0)):
        write(axes, x, y, "pass", color=ORANGE, ha="left")
    write(axes, 3.0, 2.9, "ring of 4 clusters", color=FAINT)
    write(axes, 3.0, 2.68, f"tries: {simulator.rules.tries}", color=FAINT)
    write(axes, 3.0, 2.3, "servers of two nodes,\nand how full they are", color=FAINT)


def draw_sight(axes: Any, simulator: Simulator) -> None:
    """The observation and the mask of one cluster, as they are."""
    parts, seen = simulator.layout.parts, simulator.observation[0, VIEWER]
    x, y, cell = 6.55, 4.75, 0.2
    write(axes, x, y + 0.35, f"What cluster_{VIEWER} sees", fontweight="bold", ha="left")
    write(axes, x + 1.95, y + 0.35, "0 light, 1 dark", color=FAINT, ha="left")
    for name, text in SEEN.items():
        values = seen[parts[name]]
        columns = 10  # of summaries two clusters a row
        rows = -(-len(values) // columns)
        for i, share in enumerate(values.tolist()):
            left, low = x + cell * (i % columns), y - cell * (i // columns)
            draw_cell(axes, left, low, share, (cell, cell))
        middle = y + cell / 2 - cell * (rows - 1) / 2
        write(axes, x + cell * 10 + 0.15, middle, text, ha="left")
        y -= cell * rows + 0.18
    y -= 0.3
    write(axes, x, y + 0.45, "Its mask: what it may answer", fontweight="bold", ha="left")
    mask, wide = simulator.mask[0, VIEWER].tolist(), 0.78
    for action, legal in enumerate(mask):
        server, node = divmod(action, NODES)
        text = "pass" if action == len(mask) - 1 else f"server {server}\nnode {node}"
        left = x + wide * action
        draw_cell(axes, left, y - 0.28, 0.35 * legal, (wide, 0.5))
        write(axes, left + wide / 2, y - 0.03, text, fontsize=7, zorder=4)
        write(axes, left + wide / 2, y - 0.42, str(legal))
    y -= 0.95
    write(axes, x, y, "What the step pays", fontweight="bold", ha="left")
    for i, text in enumerate(PAID):
        write(axes, x, y - 0.25 - 0.2 * i, text, ha="left")


def main(out: Path = HERE / "game.svg") -> None:
    """Draw it.

    Args:
        out: the picture; its suffix says in which format.
    """
    simulator = simulator_at_the_request()
    with drawing(out, 10.6, 5.3) as figure:
        axes = figure.add_subplot()
        axes.set_axis_off()
        axes.set_xlim(0.3, 10.9)
        axes.set_ylim(0.0, 5.3)
        axes.set_aspect("equal")
        draw_ring(axes, simulator)
        draw_sight(axes, simulator)
    print(out)


if __name__ == "__main__":
    tyro.cli(main)
