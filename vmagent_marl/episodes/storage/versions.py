"""Versions of what made a data set, for its metadata."""

from __future__ import annotations

from importlib import metadata


def version_of(package: str) -> str:
    """Version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
