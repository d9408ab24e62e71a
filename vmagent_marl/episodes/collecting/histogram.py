"""Histograms in block characters, which a terminal shows, and Markdown where code may stand."""

from __future__ import annotations

from collections.abc import Sequence

EIGHTHS = " ▁▂▃▄▅▆▇█"
ROWS = 5  # of characters, eight steps each
WIDTH = 2  # characters of a bin


def histogram(counts: Sequence[int], low: float, high: float) -> str:
    """Counts of equal steps from `low` to `high` as a picture with its axes, six lines and one."""
    most = max(counts)
    label = f"{most:,}"
    lines = []
    for row in reversed(range(ROWS)):
        bars = "".join(EIGHTHS[_filled(count, most, row)] * WIDTH for count in counts)
        left = label if row == ROWS - 1 else ""
        lines.append(f"{left:>{len(label)}} │{bars}".rstrip())
    ends = readable(low), readable(high)
    room = WIDTH * len(counts)
    lines.append(f"{0:>{len(label)}} └{'─' * room}")
    lines.append(f"{'':{len(label)}}  {ends[0]} {ends[1]:>{max(1, room - 1 - len(ends[0]))}}")
    return "\n".join(lines)


def readable(value: float) -> str:
    """A return, or whatever else may be of any size."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as one line of bars; a dot where there is nothing."""
    most = max(1, *counts)
    heights = [-(-count * (len(EIGHTHS) - 1) // most) for count in counts]
    return "".join(EIGHTHS[height] if height else "·" for height in heights)


def _filled(count: int, most: int, row: int) -> int:
    """How many eighths of a row's character a bar fills; whatever is not nothing is seen."""
    eighths = -(-count * ROWS * 8 // most)  # rounded up
    return min(8, max(0, eighths - 8 * row))
