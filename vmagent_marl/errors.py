"""The errors that users meet, and the "did you mean" that goes with them.

Every message is one line: what is wrong, where (file, line, key), and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VmagentError(Exception):
    """Root of every error this package raises on purpose."""


class TraceError(VmagentError, ValueError):
    """A trace that cannot be read, or that contradicts itself."""


class SettingError(VmagentError, ValueError):
    """A key that is unknown or missing, or a value of the wrong type, in a file or a call."""


class ScenarioError(SettingError):
    """A scenario that makes no game, or that does not go with the trace."""


class UnknownNameError(VmagentError, LookupError):
    """A scenario, policy, program or data set that nobody has put on a shelf."""


class DatasetError(VmagentError):
    """A data set that exists already, is broken, or does not hold what is asked of it."""


class PolicyError(VmagentError, ValueError):
    """A policy or checkpoint that does not fit the scenario it is to play."""


class ActionError(VmagentError, ValueError):
    """An action outside of the action space, or a step where none is possible."""


class KilledError(VmagentError):
    """Work whose process was killed each time that it was begun."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """An error for a name that is not known, with the nearest known one.

    >>> unknown_name("scenario", "recovring", ["fading", "recovering"])
    UnknownNameError("unknown scenario 'recovring': did you mean 'recovering'?")
    """
    return UnknownNameError(f"unknown {kind} {name!r}: {nearest(name, known)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """What to do about a name that is not known: the nearest one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names) or 'none'}"
