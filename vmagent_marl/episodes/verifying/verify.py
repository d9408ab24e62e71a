"""Whether a data set is what its metadata say: every byte, every value, every replayed step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.verifying.faults import Check
from vmagent_marl.episodes.views.arrays import FORM, PARALLEL
from vmagent_marl.errors import DatasetError


def verify(name: str, *, trace: str | None = None, progress: bool = False) -> Iterator[Check]:
    """Check a data set on this machine, one thing after the other, as each is done.

    checksum       the file's sha256 is the one in the metadata, so not a bit has changed
    metadata       id, spaces, environment, counts and scores agree with the recipe
    episodes       all are there, under their numbers, and no others
    arrays         names, shapes and types; observations in bounds, one end, rewards that add up
    masks          0 or 1 and never all 0; no effective action illegal
    probabilities  finite, or NaN where unknown; none above 1
    starts         each episode begins, and is played by the component, that seed and number draw
    replay         the recorded actions repeat everything bit by bit in the simulator
    policies       asked again, they give the recorded actions and log-probabilities, bit by bit
    statistics     recomputed
    environment    `recover_environment()` replays the first episode as Gymnasium has it

    A check that fails does not stop those that can do without it. `metadata`, `starts` and the last
    four are of our own game, and not of what `record_parallel` recorded. `trace`: a file in the
    scenario's place, for a data set that was recorded elsewhere; it is to hold the very same rows.
    Raises `UnknownNameError` for an id that is not here, and `DatasetError` for a data set that
    keeps no checksum.
    """
    from vmagent_marl.episodes.storage import minari_format

    folder = minari_format.dataset_folder(name) / "data"
    if not folder.is_dir():
        minari_format.load_dataset(name)  # says which is the nearest id
    try:
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
        if not isinstance(metadata, dict):
            raise ValueError("it is no mapping")
    except (OSError, ValueError) as error:
        yield Check("metadata", False, f"metadata.json cannot be read ({error})")
        return
    own = metadata.get(minari_format.OWN) or metadata.get(FORM)
    if own is None or own.get("form", PARALLEL) != PARALLEL:
        source = f": verify its source, {own['source']!r}" if own else " by vmagent_marl"
        raise DatasetError(f"data set {name!r} was not recorded{source}")
    file = folder / minari_format.FILE
    if not file.is_file():
        yield Check("checksum", False, f"{minari_format.FILE} is not there")
        return
    yield _checksum(file, own)
    from vmagent_marl.episodes.verifying.verified_game import verify_game
    from vmagent_marl.episodes.verifying.verified_parallel import verify_parallel

    if FORM in metadata:
        yield from verify_parallel(name, file, metadata, progress)
    else:
        yield from verify_game(name, file, metadata, trace, progress)


def require(name: str, checks: list[Check]) -> None:
    """Raise `DatasetError` where a check failed, with what to do about it."""
    failed = [check for check in checks if not check.passed]
    if failed:
        raise DatasetError(
            f"data set {name!r} fails {len(failed)} of {len(checks)} checks "
            f"({', '.join(check.name for check in failed)}): record it anew with --overwrite, or "
            "download it again"
        )


def _checksum(file: Path, own: Mapping[str, Any]) -> Check:
    """A file that was written to since differs even where its arrays are whole."""
    from vmagent_marl.episodes.storage.minari_format import sha256_of

    found, kept = sha256_of(file), own.get("sha256")
    size = f"{file.stat().st_size / 1e6:,.1f} MB"
    if found == kept:
        return Check("checksum", True, f"sha256 {found[:16]}, {size}")
    return Check(
        "checksum",
        False,
        f"sha256 {found[:16]} of {size} is not {str(kept)[:16]}: the file is damaged, or was "
        "written to since (as Minari does to add metadata or episodes)",
    )
