"""What a page shows of one step: plain numbers, the whole of what is sent when a slider moves."""

from __future__ import annotations

from typing import Any

import numpy as np

from vmagent_marl.sim.rules import CPU, END, MEMORY, NODES, WAIT
from vmagent_marl.sim.state import (
    ACTIVE,
    DOWN,
    HELD,
    HOME,
    HOPS,
    KILLED,
    NOBODY,
    OFFERED,
    PLACED,
    PLACED_IN,
    POSITION,
    ROW,
    SERVING,
    SLOT,
    STATUS,
    TERMINATED,
    TURNED_AWAY,
    USED_CPU,
    USED_MEMORY,
    WAITED,
)
from vmagent_marl.trace import NEVER
from vmagent_marl.view.replay import Replay

OUT, EMPTY, USED, HELD_BACK = range(4)  # what a server is: `status` of a frame


def frame(replay: Replay, t: int) -> dict[str, Any]:
    """Step t of a replay: gauges, the request and its chain, every server, every cluster.

    Cells of servers come flat, cluster by cluster and without padding; used shares are whole per
    cent, a node each (two a server). Servers are told by their place, nodes by 0 and 1.
    """
    t = min(max(t, 0), len(replay))
    used, vms = replay.used(t), replay.vms_on(t)
    level, counts, most = replay.level[t], replay.counts[t], replay.rules.most
    whole = np.clip(np.rint(100 * used), 0, 100).astype(np.int64)
    servers = np.arange(used.shape[2])
    in_service = servers[None] < level[:, SERVING, None]
    held = (counts[:, DOWN] > 0)[:, None]
    status = np.where(vms > 0, np.where(held, HELD_BACK, USED), np.where(held, OUT, EMPTY))
    status = np.where(in_service, status, OUT)
    real = servers[None] < most[:, None]  # no padding
    return {
        "t": t,
        "second": int(replay.second[t]),
        "gauges": _gauges(replay, t),
        "request": _request(replay, t),
        "chain": _chain(replay, t),
        "end": _end(replay, t),
        "cpu": whole[:, CPU][real].ravel().tolist(),
        "memory": whole[:, MEMORY][real].ravel().tolist(),
        "vms": vms[real].tolist(),
        "status": status[real].tolist(),
        "last": _placement(replay, t - 1),
        "next": _placement(replay, t),
        "clusters": _clusters(replay, t),
    }


def _gauges(replay: Replay, t: int) -> dict[str, Any]:
    """Shares of what is in service; counts and sums since the beginning."""
    level, clock = replay.level[t], replay.clock[t]
    room = level[:, SERVING, None] * NODES * replay.rules.node.astype(np.float64)
    used = level[:, [USED_CPU, USED_MEMORY]].sum(axis=0)
    shares = np.divide(used, room.sum(axis=0), out=np.zeros(2), where=room.sum(axis=0) > 0)
    placed = int(replay.counts[t, :, PLACED].sum())
    return {
        "cpu": float(shares[0]),
        "memory": float(shares[1]),
        "placed": placed,
        "turned_away": int(clock[TURNED_AWAY]),
        "killed": int(replay.counts[t, :, KILLED].sum()),
        "offered": int(clock[OFFERED]),
        "active": int(level[:, ACTIVE].sum()),
        "serving": int(level[:, SERVING].sum() - level[:, HELD].sum()),
        "reward": float(replay.reward[:t].sum()),
        "profit": float(replay.profit[t].sum()),
        "queue": int(replay.queue[t]) if replay.rules.turned_away == WAIT else None,
        "hops": float(replay.counts[t, :, HOPS].sum() / placed) if placed else 0.0,
    }


def _request(replay: Replay, t: int) -> dict[str, Any] | None:
    """The request that is to be placed, while there is one."""
    if t >= len(replay):
        return None
    row, feed = int(replay.clock[t, ROW]), replay.feed
    lifetime = int(feed.lifetime[row])
    waited = int(replay.outcome[t, WAITED]) if replay.rules.turned_away == WAIT else 0
    return {
        "number": t + 1,
        "row": row,
        "cpu": float(feed.total[row, CPU] / 1000),
        "memory": float(feed.total[row, MEMORY] / 1024),
        "halved": bool(feed.halved[row]),
        "lifetime": None if lifetime == NEVER else lifetime,
        "home": int(replay.clock[t, HOME]),
        "waited": waited,
    }


def _chain(replay: Replay, t: int) -> list[dict[str, Any]]:
    """Who is asked in turn, and what each answers; the last one may take it."""
    if t >= len(replay):
        return []
    outcome, home = replay.outcome[t], int(replay.clock[t, HOME])
    taker, position = int(outcome[PLACED_IN]), int(outcome[POSITION])
    asked = int(replay.reached[t].sum())
    return [
        {
            "cluster": (home + place) % replay.clusters,
            "takes": taker != NOBODY and place == position,
            "server": int(outcome[SLOT]) // NODES if place == position else None,
            "node": int(outcome[SLOT]) % NODES if place == position else None,
        }
        for place in range(asked)
    ]


def _placement(replay: Replay, t: int) -> dict[str, Any] | None:
    """Where decision t put its VM: cluster, server and the nodes that it takes."""
    if not 0 <= t < len(replay) or replay.outcome[t, PLACED_IN] == NOBODY:
        return None
    slot, row = int(replay.outcome[t, SLOT]), int(replay.clock[t, ROW])
    halved = bool(replay.feed.halved[row])
    return {
        "cluster": int(replay.outcome[t, PLACED_IN]),
        "server": slot // NODES,
        "nodes": [0, 1] if halved else [slot % NODES],
    }


def _end(replay: Replay, t: int) -> str | None:
    """Why nothing more comes, at the last step."""
    if t < len(replay):
        return None
    rule, lost = replay.rules.turned_away, replay.clock[t, TURNED_AWAY] > 0
    if replay.clock[t, STATUS] != TERMINATED:
        return "the horizon was reached"
    if lost and rule == END:
        return "a VM was turned away"
    return "the queue stands for good" if lost and rule == WAIT else "the requests are over"


def _clusters(replay: Replay, t: int) -> list[dict[str, Any]]:
    """Each cluster's used cpu, profit, hops and servers."""
    made = []
    for k in range(replay.clusters):
        level, counts = replay.level[t, k], replay.counts[t, k]
        room = float(level[SERVING]) * NODES * float(replay.rules.node[k, CPU])
        placed = int(counts[PLACED])
        made.append(
            {
                "cpu": float(level[USED_CPU] / room) if room else 0.0,
                "active": int(level[ACTIVE]),
                "serving": int(level[SERVING]),
                "down": bool(counts[DOWN] > 0),
                "placed": placed,
                "hops": float(counts[HOPS] / placed) if placed else 0.0,
                "profit": float(replay.profit[t, k]),
                "power": float(replay.rules.power[k]),
            }
        )
    return made
