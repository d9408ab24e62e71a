"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmagent_marl.errors import VmagentError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A file to write in the place of `path`, which it replaces when the block ends well.

    It stands in the same folder, which is made, and has the same suffixes. Raises `VmagentError`
    where nothing can be written; whatever goes wrong, what was at `path` stays and nothing is left.
    """
    final = Path(path)
    if "\0" in str(path):
        raise VmagentError(f"{str(path)!r}: a name cannot hold a NUL character: name another file")
    unfinished = final.with_name(f".{os.getpid()}.{final.name}")
    made = [folder for folder in final.parents if not os.path.exists(folder)]  # the nearest first
    try:
        if final.is_dir():
            raise VmagentError(f"{final}: is a folder: name a file")
        final.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        unfinished.replace(final)
        made = []
    except OSError as error:
        reason = error.strerror or error
        raise VmagentError(f"{final}: cannot be written ({reason}): name another file") from error
    finally:
        with contextlib.suppress(OSError):  # where nothing could be written, nothing is left
            unfinished.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # where others have put something
            for folder in made:
                folder.rmdir()


def check_writable(path: str | Path | None) -> None:
    """Raise what `replacing` would, before the work whose result it is to hold; None is fine."""
    if path is None:
        return
    with contextlib.suppress(_Untouched), replacing(path) as unfinished:
        unfinished.touch()
        raise _Untouched


class _Untouched(Exception):
    """Leaves `replacing` without replacing anything."""
