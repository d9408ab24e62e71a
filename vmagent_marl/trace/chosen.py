"""Some rows of a trace, with all that it tells of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.trace.trace import Trace


def chosen_rows(trace: Trace, rows: NDArray[np.int64], **changes: Any) -> Trace:
    """The rows in the order given, perhaps some more than once, and `changes` for fields.

    Every column goes along, also those that not every trace has.
    """
    columns = {field.name: getattr(trace, field.name) for field in fields(trace)}
    picked = {name: column[rows] for name, column in columns.items() if _is_column(column)}
    return replace(trace, **picked | changes)


def _is_column(value: object) -> bool:
    return isinstance(value, np.ndarray)
