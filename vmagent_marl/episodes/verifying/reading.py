"""Reading the HDF5 file of a data set that may be broken anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.verifying.faults import Faults
from vmagent_marl.episodes.verifying.stored_form import Column, read_columns
from vmagent_marl.episodes.views.arrays import Arrays
from vmagent_marl.errors import DatasetError
from vmagent_marl.progress import counter

# What h5py raises for a file that is broken somewhere.
BROKEN = (OSError, LookupError, ValueError, TypeError, RuntimeError, OverflowError, MemoryError)


def read_episodes(
    file: Path,
    metadata: Mapping[str, Any],
    columns: Mapping[str, Column],
    faults: Faults,
    *,
    progress: bool,
) -> Iterator[tuple[int, Arrays, dict[str, Any]]]:
    """Number, arrays and attributes of every episode that can be read; the others are faults."""
    import h5py

    episodes, steps = int(metadata["total_episodes"]), 0
    try:
        stored = h5py.File(file, "r")
        there = set(stored)
    except BROKEN as error:
        faults.add("episodes", f"{file.name} cannot be read ({error})")
        return
    for told in _missing(there, {f"episode_{k}" for k in range(episodes)}):
        faults.add("episodes", told)
    with stored, counter("Verifying", episodes, unit="episodes", shown=progress) as move:
        for k in range(episodes):
            move()
            if f"episode_{k}" not in there:
                continue
            try:
                group = stored[f"episode_{k}"]
                arrays, attributes = read_columns(group, columns), dict(group.attrs)
            except (DatasetError, *BROKEN) as error:
                faults.add("arrays", f"episode {k}: {error}")
                continue
            if attributes.get("id") != k:
                faults.add("episodes", f"episode_{k} says that it is {attributes.get('id')}")
            steps += len(arrays["rewards"])
            yield k, arrays, attributes
    if steps != metadata["total_steps"]:
        faults.add("episodes", f"{steps:,} transitions in place of {metadata['total_steps']:,}")


def _missing(there: set[str], wanted: set[str]) -> Iterator[str]:
    """Episodes that are not where they belong."""
    if wanted - there:
        yield f"missing: {', '.join(sorted(wanted - there)[:3])} ({len(wanted - there):,} in all)"
    if there - wanted:
        yield f"too many: {', '.join(sorted(there - wanted)[:3])}"
