"""What the twin reads of a trace: one plain record a request, and the draws that homes need."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vmagent_marl.sim.rules import Rules
from vmagent_marl.trace import NEVER, Trace

WORD = 2**64
HOME = 1 << 20
LIFETIME = HOME + 1
BURST_GAP = 10  # s
COMMON = 20  # one of so many requests makes a type common


@dataclass(frozen=True)
class Request:
    """One row of the trace under the scenario's rules."""

    arrival: int  # s
    lifetime: int | None  # s; None: stays
    total: tuple[int, int]  # milli-vCPU, MiB
    need: tuple[int, int]  # of them on each node that it takes
    halved: bool
    burst: int


def read_requests(rules: Rules, trace: Trace) -> list[Request]:
    """Every row of the trace, also those that no episode plays: bursts go over all."""
    requests = []
    bursts = number_bursts(trace)
    for row in range(len(trace)):
        arrival, departure = int(trace.arrival[row]), int(trace.departure[row])
        total = (int(trace.cpu[row]), int(trace.memory[row]))
        halved = total[rules.halve_resource] > rules.halve_above
        stays = departure == NEVER or not rules.departures
        need = (-(-total[0] // 2), -(-total[1] // 2)) if halved else total
        lifetime = None if stays else departure - arrival
        requests.append(Request(arrival, lifetime, total, need, halved, bursts[row]))
    return requests


def number_bursts(trace: Trace) -> list[int]:
    """Number of each row's burst; they count up by type (cpu, then memory), then by time."""
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row in range(len(trace)):
        rows_of.setdefault((int(trace.cpu[row]), int(trace.memory[row])), []).append(row)
    burst = [0] * len(trace)
    number = -1
    for kind in sorted(rows_of):
        last = None
        for row in rows_of[kind]:
            arrival = int(trace.arrival[row])
            if last is None or arrival - last > BURST_GAP:
                number += 1
            burst[row], last = number, arrival
    return burst


def common_types(requests: list[Request]) -> list[tuple[int, int]]:
    """Types of VM that are not halved and make up a twentieth of the trace or more."""
    whole = [request.total for request in requests if not request.halved]
    return [kind for kind in set(whole) if COMMON * whole.count(kind) >= len(requests)]


def mix(value: int) -> int:
    """The finaliser of SplitMix64, in whole numbers."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def key(*numbers: int) -> int:
    """64 bits of (seed, episode, request, agent): each number is mixed into those before it."""
    bits = 0
    for number in numbers:
        bits = mix(bits ^ (number + 0x9E3779B97F4A7C15) % WORD)
    return bits


def below(bits: int, limit: int) -> int:
    """A whole number in [0, limit) of the highest 53 bits, as a float64 has it."""
    return int((bits >> 11) / 2**53 * limit)


def standard_normal(bits: int) -> float:
    """By Box and Muller, of two uniform numbers: the highest 53 bits, and of those mixed again."""
    one, two = ((word >> 11) / 2**53 for word in (bits, mix(bits)))
    return math.sqrt(-2 * math.log(1 - one)) * math.cos(2 * math.pi * two)
