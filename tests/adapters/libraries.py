"""Which library is here, and what brings those that are not."""

from __future__ import annotations

import importlib
import os
import warnings
from typing import Any

import pytest

DEV = 'pip install -c constraints.txt ".[dev]"'
BRINGS = {
    "torchrl": DEV,
    "sb3_contrib": DEV,
    "benchmarl": "make test-libraries ARGS=benchmarl",
    "ray": "make test-libraries ARGS=rllib",
    "ray.rllib": "make test-libraries ARGS=rllib",
    "tianshou": "make test-libraries ARGS=tianshou",
    "agilerl": "make test-libraries ARGS=agilerl",
}


def need(library: str) -> Any:
    """The library; where it is absent the tests skip, but fail in the environment made for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, at import
        try:
            return importlib.import_module(library)
        except ModuleNotFoundError as error:
            wanted = library == os.environ.get("VMAGENT_LIBRARY")
            if wanted or (BRINGS[library] == DEV and os.environ.get("CI")):
                raise
            told = f"{library} is absent ({error}): {BRINGS[library]}"
            pytest.skip(told, allow_module_level=True)
