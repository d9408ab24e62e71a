"""The one error of an adapter whose library is not there."""

from __future__ import annotations

from vmagent_marl.errors import VmagentError


def missing(library: str, command: str, error: ModuleNotFoundError) -> VmagentError:
    """What is absent, and the command that installs it."""
    return VmagentError(f"this adapter needs {library} ({error}): {command}")
