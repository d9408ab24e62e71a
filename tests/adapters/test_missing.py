"""Where a library is absent, its adapter says in one line what to install."""

import importlib
import sys

import pytest

from vmagent_marl.errors import VmagentError

TAKEN_AWAY = {
    "sb3": "stable_baselines3.common.vec_env",
    "torchrl": "tensordict",
    "benchmarl": "benchmarl.environments.common",
    "rllib": "ray.rllib.env.wrappers.pettingzoo_env",
}


@pytest.mark.parametrize("adapter", TAKEN_AWAY)
def test_what_to_install(adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, TAKEN_AWAY[adapter], None)
    monkeypatch.delitem(sys.modules, f"vmagent_marl.adapters.{adapter}", raising=False)
    with pytest.raises(VmagentError, match=r"this adapter needs \w+.*: pip install") as told:
        importlib.import_module(f"vmagent_marl.adapters.{adapter}")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("adapter", ["agilerl", "epymarl", "rllib_form"])
def test_what_needs_nothing(adapter):
    importlib.import_module(f"vmagent_marl.adapters.{adapter}")
