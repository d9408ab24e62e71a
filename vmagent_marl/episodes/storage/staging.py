"""Where a data set is made before it has its name, so that nobody ever sees half of one.

Beside the place of `name` stand, hidden from Minari: `.name.partial`, in which it is made and which
a killed run leaves behind; and for an instant `.name.replaced`, the one that is overwritten.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmagent_marl.errors import DatasetError, KilledError, VmagentError
from vmagent_marl.files import replacing

LOCK, KEY, BUILT = "lock", "recipe", "built"


@contextmanager
def staging(final: Path, key: str, *, overwrite: bool) -> Iterator[Path]:
    """The folder in which the data set of `final` is made by the recipe with the hash `key`.

    It keeps what an earlier run of the same recipe has left; that of another recipe goes. Where
    nothing was finished, nothing is left. Raises `DatasetError` where the data set exists, is being
    made, cannot be written, or cannot be made since processes are killed.
    """
    folder = final.with_name(f".{final.name}.partial")
    above = [path for path in folder.parents if not path.exists()]  # the nearest first
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as lock:
            _hold(lock.fileno(), final)
            try:
                _bring_back(final)
                _refuse_existing(final, overwrite)
                _keep_or_clear(folder, key)
                yield folder
            except BaseException:
                _remove_if_empty(folder, above)
                raise
    except (OSError, KilledError) as error:
        waiting = f"; finished episodes wait in {folder}" if folder.exists() else ""
        what = f"{final}: {error}"
        if isinstance(error, OSError):
            what = (
                f"{final}: cannot be written ({error.strerror or error}): make room there or set "
                "MINARI_DATASETS_PATH, and run the same again"
            )
        raise DatasetError(f"{what}{waiting}") from error


@contextmanager
def replacing_staged(path: Path) -> Iterator[Path]:
    """`replacing` for what is made within `staging`, which knows what to do about an `OSError`.

    An `OSError` also comes out of a worker process as it is.
    """
    try:
        with replacing(path) as unfinished:
            yield unfinished
    except VmagentError as error:
        raise (error.__cause__ or error) from None


def commit(folder: Path, final: Path) -> None:
    """Give what was built its name; what had it before goes only then."""
    replaced = _replaced(final)
    if final.exists():
        os.replace(final, replaced)
    try:
        os.replace(folder / BUILT, final)
    except OSError:
        _bring_back(final)
        raise
    shutil.rmtree(replaced, ignore_errors=True)
    shutil.rmtree(folder)


def reserve(file: Path, size: int) -> None:
    """Raise `OSError` now where `file` cannot grow by `size` bytes: HDF5 would lose them, or crash.

    What a file that is open has not yet written counts as room, so `size` is better too large.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        if shutil.disk_usage(file.parent).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    room = file.with_name(".room")
    try:
        with room.open("wb") as stream:  # it stands where the file will: a limit to sizes counts
            os.posix_fallocate(stream.fileno(), file.stat().st_size, max(size, 1))
    finally:
        room.unlink(missing_ok=True)


def _bring_back(final: Path) -> None:
    """Undo a replacement that was killed between its two moves, or finish it."""
    replaced = _replaced(final)
    if replaced.exists() and not final.exists():
        os.replace(replaced, final)
    shutil.rmtree(replaced, ignore_errors=True)


def _replaced(final: Path) -> Path:
    return final.with_name(f".{final.name}.replaced")


def _hold(lock: int, final: Path) -> None:
    """One run at a time; the system lets go of the lock when its process ends, however it does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DatasetError(
            f"{final}: another run is making this data set: wait for it, or stop it"
        ) from None


def _refuse_existing(final: Path, overwrite: bool) -> None:
    if final.exists() and not overwrite:
        raise DatasetError(
            f"{final}: this data set exists already: give overwrite=True (--overwrite) to "
            "replace it, or choose another behaviour name"
        )


def _remove_if_empty(folder: Path, above: list[Path]) -> None:
    """A folder in which nothing was finished, and those above that were made for it."""
    shutil.rmtree(folder / BUILT, ignore_errors=True)
    finished = [path for path in folder.glob("*/*") if not path.name.startswith(".")]
    if not finished:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # where others have put something
            for path in above:
                path.rmdir()


def _keep_or_clear(folder: Path, key: str) -> None:
    """Remove what another recipe has left, and half of a file."""
    mark = folder / KEY
    if not mark.is_file() or mark.read_text(encoding="utf-8") != key:
        left = [path for path in folder.iterdir() if path.name != LOCK]
        if left:
            print(f"{folder}: left by another recipe, begun anew", file=sys.stderr)
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with replacing_staged(mark) as unfinished:
            unfinished.write_text(key, encoding="utf-8")
    shutil.rmtree(folder / BUILT, ignore_errors=True)
    for path in folder.glob("*/.*"):
        path.unlink()
