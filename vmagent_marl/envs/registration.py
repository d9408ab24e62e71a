"""Every scenario on the shelf under a Gymnasium id, as soon as both packages are imported.

Gymnasium 1.0 dropped its plugin entry point: a package registers when it is imported. Ours must not
import Gymnasium for that, so where it comes first, registration waits for Gymnasium's own import.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from vmagent_marl import catalog

NAMESPACE = "vmagent_marl"
SINGLE = "vmagent_marl.envs.gym_env:ClusterEnv"
VECTOR = "vmagent_marl.envs.vector:ClusterVectorEnv"


def gym_id(scenario_name: str) -> str:
    """The id of a scenario.

    >>> gym_id("recovering-l")
    'vmagent_marl/RecoveringL-v0'
    """
    camel = "".join(part.capitalize() for part in scenario_name.replace("_", "-").split("-"))
    return f"{NAMESPACE}/{camel}-v0"


def register_when_imported() -> None:
    """Register now if Gymnasium is there already, else right after its import."""
    if "gymnasium" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _GymnasiumFinder())


class _GymnasiumFinder(MetaPathFinder):
    """Finds Gymnasium as Python does, and has its loader register our environments."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "gymnasium":
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader, self)
        return spec


class _RegisteringLoader(Loader):
    """Loads Gymnasium by its own loader, which it leaves in its place, then registers."""

    def __init__(self, loader: Loader, finder: MetaPathFinder) -> None:
        self._loader, self._finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        register()


def register() -> None:
    """Register every scenario on the shelf, without reading one."""
    import gymnasium

    for name in catalog.names("scenarios"):
        gymnasium.register(
            gym_id(name),
            entry_point=SINGLE,
            vector_entry_point=VECTOR,
            kwargs={"scenario": name},
            order_enforce=False,  # the environment itself says when reset() is missing
            disable_env_checker=True,  # the tests have checked it
        )
