"""The heap of departures of an environment in which VMs wait: by second, then number of the VM."""

from __future__ import annotations

from vmagent_marl.sim.jit import part
from vmagent_marl.sim.state import HEAPED, State


@part
def push_departure(state: State, b: int, second: int, vm: int) -> None:
    """VM number `vm` of the episode will leave at `second`."""
    heap, at = state.heap[b], state.clock[b, HEAPED]
    state.clock[b, HEAPED] += 1
    while at > 0:
        parent = (at - 1) // 2
        if not _before(second, vm, heap[parent, 0], heap[parent, 1]):
            break
        heap[at, 0], heap[at, 1] = heap[parent, 0], heap[parent, 1]
        at = parent
    heap[at, 0], heap[at, 1] = second, vm


@part
def pop_departure(state: State, b: int) -> int:
    """Take the next departure off the heap; its VM's number."""
    heap, last = state.heap[b], state.clock[b, HEAPED] - 1
    vm = heap[0, 1]
    second, moved = heap[last, 0], heap[last, 1]
    state.clock[b, HEAPED] = last
    at = 0
    while 2 * at + 1 < last:
        child = 2 * at + 1
        if child + 1 < last and _before(
            heap[child + 1, 0], heap[child + 1, 1], heap[child, 0], heap[child, 1]
        ):
            child += 1
        if not _before(heap[child, 0], heap[child, 1], second, moved):
            break
        heap[at, 0], heap[at, 1] = heap[child, 0], heap[child, 1]
        at = child
    heap[at, 0], heap[at, 1] = second, moved
    return vm


@part
def _before(second: int, vm: int, other_second: int, other_vm: int) -> bool:
    return second < other_second or (second == other_second and vm < other_vm)
