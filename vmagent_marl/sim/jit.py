"""How kernels are compiled: `entry` for what Python calls, `part` for what kernels call.

An entry is cached on disk, so that a second start compiles nothing. Numba looks only at the file
of the entry itself to decide whether its cache is stale; an edit or upgrade of a part in another
file would go unnoticed, so the cache is stamped with the text of every kernel file instead.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).parent.parent


# Without reference counts: a kernel allocates nothing, and counting costs ten times its work.
_OPTIONS = {"nogil": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}
_UNCALLED = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # by Python


def part(function: Function) -> Function:
    """A piece of a kernel; inlined, since handing on a state of many arrays costs more than it."""
    compiled: Function = numba.njit(forceinline=True, **_OPTIONS, **_UNCALLED)(function)
    return compiled


def seldom(function: Function) -> Function:
    """A piece of a kernel that few steps run; a call of its own, out of the way of the others."""
    compiled: Function = numba.njit(**_OPTIONS, **_UNCALLED)(function)
    return compiled


def entry(function: Function) -> Function:
    """A kernel that Python calls; compiled once and kept on disk."""
    compiled = numba.njit(cache=True, **_OPTIONS)(function)
    if hasattr(compiled, "_cache"):  # absent where NUMBA_DISABLE_JIT leaves the plain function
        compiled._cache._cache_file._source_stamp = _stamp()
        _announce_compiling()
    result: Function = compiled
    return result


@cache
def _stamp() -> str:
    """Digest of every file that holds kernels or constants that are compiled into them."""
    digest = hashlib.sha256()
    files = [_PACKAGE / "trace" / "trace.py", _PACKAGE / "trace" / "units.py"]
    for folder in ("sim", "policies", "envs"):
        files += sorted((_PACKAGE / folder).glob("*.py"))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


class _CompileNotice(event.Listener):  # type: ignore[misc]  # numba is not typed
    """Says once, on the error stream, that this start compiles."""

    said = False

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith("vmagent_marl."):
            self.said = True
            about = "once for each kind of use; half a minute or so"
            print(f"Compiling the simulator ({about}) ...", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing to say: the work that waited for it reports by itself."""


@cache
def _announce_compiling() -> None:
    event.register("numba:compile", _CompileNotice())
