"""A file that is closed when a `with` block ends."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import h5py


class HDF5File:
    """What reads or writes the HDF5 file of a data set."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
