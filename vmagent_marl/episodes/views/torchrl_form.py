"""A data set in the form that TorchRL's `MinariExperienceReplay` takes from the local disk.

TorchRL 0.11 to 0.14 know no int8 (a KeyError) and no MultiDiscrete (NotImplementedError) in spaces,
and read Minari's HDF5 alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from gymnasium import spaces

from vmagent_marl.episodes.views.arrays import (
    FORM,
    TORCHRL,
    Arrays,
    agents_of,
    iterate_arrays,
    opened,
)
from vmagent_marl.episodes.views.derived import flat, shifted, with_suffix, write_derived
from vmagent_marl.episodes.views.stacking import MASK, agent_space
from vmagent_marl.errors import DatasetError

DTYPES = ("float16", "float32", "float64", "int64", "int32", "uint8")  # that TorchRL knows
KEPT = ("return", "agent_returns", "metrics")  # of an episode's metadata
PLAIN = ("observations", "masks", "actions", "rewards", "terminations", "truncations")


def export_torchrl(name: str, *, overwrite: bool = False, progress: bool = False) -> str:
    """Write data set `name` again in TorchRL's form, with `-torchrl` before the version; its id.

    Masks are uint8. For many agents observations, masks and actions are a dictionary by agent:
    `("observation", "cluster_0", "action_mask")`, `("action", "cluster_0")`. The infos stay
    stacked, `(T+1, K)`, and stand in `("next", "info", ...)` beside the transition they tell of.
    Raises `DatasetError` for observations of a type that TorchRL does not know.
    """
    from minari.data_collector import EpisodeBuffer

    data, agents = opened(name), agents_of(name)
    metadata = data.storage.metadata
    shown, acts = _named(data.observation_space, agents), _named(data.action_space, agents)

    def by_agent(values: list[Any]) -> Any:
        return dict(zip(agents, values, strict=True)) if len(agents) > 1 else values[0]

    def episodes() -> Iterator[tuple[EpisodeBuffer, dict[str, Any]]]:
        described = data.storage.get_episode_metadata(data.episode_indices)
        for about, arrays in zip(described, iterate_arrays(data), strict=True):
            buffer = EpisodeBuffer(
                seed=about["seed"],
                options=about.get("options"),
                observations=by_agent([_seen(arrays, k) for k in range(len(agents))]),
                actions=by_agent(list(np.moveaxis(arrays["actions"], 1, 0))),
                rewards=arrays["rewards"],
                terminations=arrays["terminations"],
                truncations=arrays["truncations"],
                infos=_infos(arrays),
            )
            own = {
                key: about[key] for key in ("return", "agent_returns", "metrics") if key in about
            }
            yield buffer, flat(own)

    sha256 = (metadata.get(FORM) or metadata["vmagent_marl"])["sha256"]
    return write_derived(
        with_suffix(data.id, TORCHRL),
        shown,
        acts,
        episodes(),
        count=data.total_episodes,
        about={
            "description": f"{data.id} in TorchRL's form. {metadata['description']}",
            "algorithm_name": metadata["algorithm_name"],
        },
        form={
            "form": TORCHRL,
            "source": data.id,
            "source_sha256": sha256,
            "agents": list(agents),
        },
        overwrite=overwrite,
        progress=progress,
    )


def _named(space: spaces.Space[Any], agents: tuple[str, ...]) -> spaces.Space[Any]:
    """A space of agents stacked as one by agent, in types that TorchRL knows."""
    if len(agents) == 1:
        return _known(space)
    return spaces.Dict({agent: _known(agent_space(space, k)) for k, agent in enumerate(agents)})


def _known(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """A space with its mask of uint8."""
    if isinstance(space, spaces.Dict):
        parts = {key: part if key == MASK else _known(part) for key, part in space.items()}
        if MASK in parts:
            parts[MASK] = spaces.Box(0, 1, parts[MASK].shape, np.uint8)
        return spaces.Dict(parts)
    if str(space.dtype) not in DTYPES:
        raise DatasetError(
            f"TorchRL knows no values of type {space.dtype}: record them as {', '.join(DTYPES)}"
        )
    return space


def _seen(arrays: Arrays, k: int) -> Arrays:
    """What agent k observed."""
    seen = {"observation": arrays["observations"][:, k]}
    if "masks" in arrays:
        seen[MASK] = arrays["masks"][:, k].astype(np.uint8)
    return seen


def _infos(arrays: Arrays) -> Arrays:
    """Infos, each (T+1, K) or (T+1, 1)."""
    named = {name: values for name, values in arrays.items() if name not in PLAIN}
    return {
        name: shifted(values[:, None] if values.ndim == 1 else values)
        for name, values in named.items()
    }
