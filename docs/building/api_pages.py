"""Pages of the public names, which mkdocstrings fills from their docstrings."""

from __future__ import annotations

import ast

from places_of_pages import ROOT
from prose import docstring, prose

MODULES = (
    "vmagent_marl",
    "vmagent_marl.envs",
    "vmagent_marl.policies",
    "vmagent_marl.episodes",
    "vmagent_marl.evaluation",
    "vmagent_marl.view",
)
CLASSES = {  # that the functions of a module hand out
    "vmagent_marl.envs": (
        "parallel.ClusterParallelEnv",
        "aec.ClusterAECEnv",
        "gym_env.ClusterEnv",
        "vector.ClusterVectorEnv",
        "candidates.Candidates",
    ),
}


def public_names(module: str) -> list[str]:
    """Its `__all__`, without importing it."""
    file = ROOT.joinpath(*module.split("."), "__init__.py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return []


def api_page(module: str) -> str:
    """Every public name of a module."""
    file = ROOT.joinpath(*module.split("."), "__init__.py")
    parts = [f"# {module}", prose(docstring(file))]
    for name in (*public_names(module), *CLASSES.get(module, ())):
        parts.append(f"::: {module}.{name}")
    return "\n\n".join([*parts, ""])


def api_place(module: str) -> str:
    """Where its page stands."""
    return f"api/{module.replace('.', '-').replace('_', '-')}.md"
