"""The state of a batch of environments: a structure of arrays, and the names of their columns.

B environments, K clusters, S servers a cluster (of the largest), P positions in the chain,
V VMs an episode can number, slot = 2 * server + node. W and H are V, and Q is S, where VMs wait or
lifetimes are foretold; else 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import SettingError, nearest
from vmagent_marl.sim.handle import Bool, Float32, Float64, Int8, Int32, Int64, UInt8
from vmagent_marl.sim.jit import part
from vmagent_marl.sim.layout import SUMMARY, ObservationLayout
from vmagent_marl.sim.rules import FULL, NODES, WAIT, Rules
from vmagent_marl.trace import NEVER

# columns of `clock`
(
    NOW,  # s, of the trace
    START,  # s, when the episode began
    FIRST,  # row of the episode's first request
    ROW,  # row of the request that is to be decided
    STOP,  # row before which the episode ends
    LENGTH,  # requests after which it is truncated
    UNTIL,  # s at which it is truncated
    EVENT,  # place in the feed's events
    CHANGE,  # the next of the rules' changes
    STAMP,  # s, when the summaries were published
    HOME,  # cluster the request is offered to first
    STATUS,  # RUNNING, TERMINATED or TRUNCATED
    SEED,
    EPISODE,
    HEAPED,  # departures in the heap
    OFFERED,  # requests decided so far
    TURNED_AWAY,  # of them
    HOUR_ENDS,  # s, of the hour that observations show
    UNSEEN,  # 1 while nobody looks: observations and masks are left as they are
    HINT,  # s that the request's VM is foretold to live, where lifetimes are
    SHOWN,  # s as of which observations tell when servers are released, where they do
    CLOCK_COLUMNS,
) = range(22)

RUNNING, TERMINATED, TRUNCATED = 0, 1, 2

Number = TypeVar("Number", bound=np.generic)

EMPTY_SERVERS = 2  # column of `published`, behind the free shares of CPU and MEMORY

# columns of `level` and of `moment`
(
    USED_CPU,  # milli-vCPU
    USED_MEMORY,  # MiB
    ACTIVE,  # servers that are not empty
    SERVING,  # servers that have entered service
    HELD,  # of them, those that an outage or drain holds
    EMPTY,  # of the others, those without a VM
    TILT,  # sum over servers of |free cpu of node 0 - of node 1|, milli-vCPU
    STRANDED_CPU,  # free on servers where no common type fits, milli-vCPU
    STRANDED_MEMORY,  # the same in MiB
    LOWER_BOUND,  # servers that what runs needs at least
    LEVELS,
) = range(11)

# columns of `counts`
(
    PLACED,  # VMs
    PLACED_LARGE,  # of LARGE_CPU and more
    HOPS,  # sum of the positions at which VMs were taken
    KILLED,  # VMs ended by an outage
    HOME_TURNED_AWAY,  # VMs of this home that nobody took
    DOWN,  # changes that hold the cluster out of service
    DUE,  # s at which ordered servers enter service, or NEVER
    COUNTS,
) = range(8)

# rows of `share`, of what is free
(
    OF_NODE,  # min over cpu and memory of free / capacity
    OF_SERVER,  # sum of its nodes'
    DIFFERENCE,  # of its nodes'
    SHARES,
) = range(4)

# columns of `outcome`, the last transition
(
    PLACED_IN,  # cluster, or NOBODY
    SLOT,
    POSITION,
    SECONDS,  # from the decision to the next one
    WAITED,  # s from arrival to placement
    LOST_BY,  # home of the request that was turned away, or NOBODY
    OUTCOMES,
) = range(7)

NOBODY = -1
BUFFERS = ("observation", "mask", "reward")  # arrays that callers may bring
BLOCK = 64  # slots that are compared at once: of fewer, LLVM unrolls the loop instead
CLUSTER_SHIFT, POSITION_SHIFT = 21, 26  # bits of a `place_code`: 21 for the slot, 5, and 5
MOST_CLUSTERS = 1 << POSITION_SHIFT - CLUSTER_SHIFT
UNPLACED, GONE, ENDED = -1, -2, -3  # in `placed_at`: never placed, departed, killed


class State(NamedTuple):
    """Arrays of the batch; the first axis is the environment.

    What accrues is not added up as time passes: the integral of a level over the episode's seconds
    is level x seconds - moment, where every change of the level adds change x its second to the
    moment. So time costs nothing, and a change two additions.
    """

    clock: Annotated[Int64, "B", CLOCK_COLUMNS]
    level: Annotated[Int64, "B", "K", LEVELS]
    moment: Annotated[Int64, "B", "K", LEVELS]  # sum of changes x seconds at which they came
    counts: Annotated[Int64, "B", "K", COUNTS]
    free: Annotated[Int32, "B", "K", 2, "room"]  # by slot; 0 before service and behind the last
    most_free: Annotated[Int32, "B", "K", 2, "blocks"]  # at least `free` of each slot of a block
    share: Annotated[Float64, "B", "K", SHARES, "room"]  # by slot, of the scarcer resource
    stranded: Annotated[UInt8, "B", "K", "S"]  # 1 where no common type fits
    in_service: Annotated[UInt8, "B", "K", "S"]
    vms_on: Annotated[Int32, "B", "K", "S"]
    placed_at: Annotated[Int32, "B", "V"]  # see `place_code`, or UNPLACED ...
    waited: Annotated[Int64, "B", "W"]  # s, where VMs wait
    heap: Annotated[Int64, "B", "W", 2]  # second of departure and number of the VM, where VMs wait
    foretold: Annotated[Int64, "B", "H"]  # s at which a VM is foretold to leave, with hints
    below: Annotated[Int32, "B", "H"]  # the VM placed before it on its server, or NOBODY
    latest: Annotated[Int32, "B", "K", "Q"]  # the VM placed last on a server, or NOBODY
    release: Annotated[Int64, "B", "K", "Q"]  # s at which a server's last VM is foretold to leave
    review: Annotated[Int64, "B", "K", "Q"]  # s from which its release is to be reckoned anew
    running: Annotated[Int64, "B", "K", "P"]  # milli-vCPU, by the position that took them
    running_moment: Annotated[Int64, "B", "K", "P"]  # sum of changes x seconds at which they came
    earned_before: Annotated[Int64, "B", "K", "P"]  # at the last decision
    active_before: Annotated[Int64, "B", "K"]  # server x s at the last decision
    tilt_before: Annotated[Int64, "B", "K"]  # milli-vCPU at the last decision
    published: Annotated[Float32, "B", "K", 3]  # free share of cpu, of memory, empty servers' share
    published_servers: Annotated[Float32, "B", "K", "R"]  # where summaries are full
    outcome: Annotated[Int64, "B", OUTCOMES]
    effective: Annotated[Int64, "B", "K"]  # the answers as they counted
    reached: Annotated[Bool, "B", "K"]  # whether the request was offered to the cluster
    illegal: Annotated[Bool, "B", "K"]  # whether its answer was outside the mask
    own_reward: Annotated[Float64, "B", "K"]  # before sharing
    reward: Annotated[Float64, "B", "K"]
    team_reward: Annotated[Float64, "B"]  # mean over the clusters
    observation: Annotated[Float32, "B", "K", "F"]
    mask: Annotated[Int8, "B", "K", "A"]


@part
def place_code(position: int, k: int, slot: int) -> int:
    """A slot of cluster k and the position in the chain at which it was taken, in one number."""
    return (position << POSITION_SHIFT) | (k << CLUSTER_SHIFT) | slot


@part
def slot_of(code: int) -> int:
    """The slot of a `place_code`."""
    return code & (1 << CLUSTER_SHIFT) - 1


@part
def cluster_of(code: int) -> int:
    """The cluster of a `place_code`."""
    return (code >> CLUSTER_SHIFT) & MOST_CLUSTERS - 1


@part
def position_of(code: int) -> int:
    """The position of a `place_code`."""
    return code >> POSITION_SHIFT


@part
def change(state: State, b: int, k: int, column: int, by: int) -> None:
    """A level changes now."""
    state.level[b, k, column] += by
    state.moment[b, k, column] += by * (state.clock[b, NOW] - state.clock[b, START])


@part
def integral(state: State, b: int, k: int, column: int) -> int:
    """A level x seconds since the episode began."""
    elapsed = state.clock[b, NOW] - state.clock[b, START]
    return state.level[b, k, column] * elapsed - state.moment[b, k, column]


@part
def earned(state: State, b: int, k: int, position: int) -> int:
    """milli-vCPU x seconds that ran since the episode began, taken at a position."""
    elapsed = state.clock[b, NOW] - state.clock[b, START]
    return state.running[b, k, position] * elapsed - state.running_moment[b, k, position]


def allocate(rules: Rules, layout: ObservationLayout, batch: int, vms: int) -> State:
    """An empty state in which no environment runs yet; `vms` is V."""
    clusters, servers = layout.clusters, layout.servers
    slots, waits = NODES * servers, rules.turned_away == WAIT
    hinted = servers if rules.hints else 0
    blocks = -(-slots // BLOCK)
    state = State(
        clock=np.zeros((batch, CLOCK_COLUMNS), np.int64),
        level=np.zeros((batch, clusters, LEVELS), np.int64),
        moment=np.zeros((batch, clusters, LEVELS), np.int64),
        counts=np.zeros((batch, clusters, COUNTS), np.int64),
        free=np.zeros((batch, clusters, 2, BLOCK * blocks), np.int32),
        most_free=np.zeros((batch, clusters, 2, blocks), np.int32),
        share=np.zeros((batch, clusters, SHARES, BLOCK * blocks), np.float64),
        stranded=np.zeros((batch, clusters, servers), np.uint8),
        in_service=np.zeros((batch, clusters, servers), np.uint8),
        vms_on=np.zeros((batch, clusters, servers), np.int32),
        placed_at=np.full((batch, vms), UNPLACED, np.int32),
        waited=np.zeros((batch, vms if waits else 0), np.int64),
        heap=np.zeros((batch, vms if waits else 0, 2), np.int64),
        foretold=np.zeros((batch, vms if rules.hints else 0), np.int64),
        below=np.zeros((batch, vms if rules.hints else 0), np.int32),
        latest=np.full((batch, clusters, hinted), NOBODY, np.int32),
        release=np.zeros((batch, clusters, hinted), np.int64),
        review=np.full((batch, clusters, hinted), NEVER, np.int64),
        running=np.zeros((batch, clusters, rules.tries), np.int64),
        running_moment=np.zeros((batch, clusters, rules.tries), np.int64),
        earned_before=np.zeros((batch, clusters, rules.tries), np.int64),
        active_before=np.zeros((batch, clusters), np.int64),
        tilt_before=np.zeros((batch, clusters), np.int64),
        published=np.zeros((batch, clusters, SUMMARY - 2), np.float32),
        published_servers=np.zeros(
            (batch, clusters, 5 * servers if rules.summaries == FULL else 0), np.float32
        ),
        outcome=np.zeros((batch, OUTCOMES), np.int64),
        effective=np.zeros((batch, clusters), np.int64),
        reached=np.zeros((batch, clusters), np.bool_),
        illegal=np.zeros((batch, clusters), np.bool_),
        own_reward=np.zeros((batch, clusters), np.float64),
        reward=np.zeros((batch, clusters), np.float64),
        team_reward=np.zeros(batch, np.float64),
        observation=np.zeros((batch, clusters, layout.size), np.float32),
        mask=np.zeros((batch, clusters, layout.actions), np.int8),
    )
    state.clock[:, STATUS] = TERMINATED
    state.mask[:, :, -1] = 1
    return state


def with_buffers(state: State, buffers: Mapping[str, NDArray[Any]]) -> State:
    """The same state with arrays of the caller in the place of its own."""
    for name, given in buffers.items():
        if name not in BUFFERS:
            raise SettingError(f"buffers: {name!r} is unknown: {nearest(name, BUFFERS)}")
        own = getattr(state, name)
        whole = given.flags.c_contiguous and given.flags.writeable
        if given.shape != own.shape or given.dtype != own.dtype or not whole:
            raise SettingError(
                f"buffers: {name} is {given.dtype} of shape {given.shape}: give {own.dtype} of "
                f"shape {own.shape}, C-contiguous and writeable"
            )
        np.copyto(given, own)
    return state._replace(**buffers)


def with_room(state: State, vms: int) -> State:
    """The same state with room for `vms` numbers of VMs."""

    def widen(array: NDArray[Number], fill: int) -> NDArray[Number]:
        if array.shape[1] == 0:
            return array
        wide = np.full((array.shape[0], vms, *array.shape[2:]), fill, array.dtype)
        kept = min(vms, array.shape[1])
        wide[:, :kept] = array[:, :kept]
        return wide

    return state._replace(
        placed_at=widen(state.placed_at, UNPLACED),
        waited=widen(state.waited, 0),
        heap=widen(state.heap, 0),
        foretold=widen(state.foretold, 0),
        below=widen(state.below, 0),
    )
