"""A data set as one TensorDict, by the keys of TorchRL's environments.

TorchRL's own loader of Minari sets (0.11 to 0.14) ends by `memmap_like`, which keeps the shapes of
what it has read and none of the values: all that it hands out is zero. This does not go through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vmagent_marl.episodes.views.arrays import FORM, Arrays, agents_of, iterate_arrays, opened
from vmagent_marl.errors import VmagentError

if TYPE_CHECKING:
    from minari import MinariDataset


def load_tensordict(dataset: str | MinariDataset) -> Any:
    """The N transitions of a data set, in TorchRL's order of time (TED), all in memory.

    ("cluster", "observation")      (N, K, F)     ("cluster", "action_mask")  (N, K, A) bool
    ("cluster", "action")           (N, K, ...)   ("cluster", "action_log_prob")  (N, K) float32
    ("cluster", "reached")          (N, K) bool   ("cluster", "effective_action")  (N, K, ...)
    ("next", "cluster", "reward")   (N, K, 1) float32, after sharing, as environments give it
    ("next", "cluster", ...)        observation and mask after the transition
    ("next", "done"), ("next", "terminated"), ("next", "truncated")  (N, 1) bool
    "episode"                       (N,) its number

    The group is `cluster`, as in `vmagent_marl.adapters.torchrl`; `agent` for other games. Fill a
    replay buffer by `extend`. Raises `VmagentError` where tensordict, TorchRL's, is absent.
    """
    try:
        import torch
        from tensordict import TensorDict
    except ModuleNotFoundError as error:
        raise VmagentError(f"TensorDicts need tensordict ({error}): pip install torchrl") from None
    data = opened(dataset)
    metadata = data.storage.metadata
    own = metadata.get("vmagent_marl", {})
    group = "agent" if metadata.get(FORM, {}).get("environment") else "cluster"
    share = float(own["scenario"]["share"]) if own else 0.0
    parts = [_columns(arrays, share, i) for i, arrays in enumerate(iterate_arrays(data))]
    whole = {
        key: torch.from_numpy(np.concatenate([part[key] for part in parts])) for key in parts[0]
    }
    steps, agents = len(whole["episode"]), len(agents_of(data))

    def of_agents(prefix: str) -> Any:
        named = {key.removeprefix(prefix): v for key, v in whole.items() if key.startswith(prefix)}
        return TensorDict(named, (steps, agents))

    ends = {key: whole[key] for key in ("done", "terminated", "truncated")}
    after = TensorDict({group: of_agents("next "), **ends}, (steps,))
    return TensorDict(
        {group: of_agents("now "), "next": after, "episode": whole["episode"]}, (steps,)
    )


def _columns(arrays: Arrays, share: float, number: int) -> Arrays:
    """One episode by `now ` and `next `, and what belongs to no agent."""
    own, team = arrays["agent_rewards"], arrays["agent_rewards"].mean(axis=1, keepdims=True)
    paid = (share * team + (1 - share) * own).astype(np.float32)
    columns = {
        "now observation": arrays["observations"][:-1],
        "now action": arrays["actions"],
        "now action_log_prob": arrays["behavior_logp"].astype(np.float32),
        "now reached": arrays["reached"],
        "now effective_action": arrays["effective_action"],
        "next observation": arrays["observations"][1:],
        "next reward": paid[:, :, None],
        "terminated": arrays["terminations"][:, None],
        "truncated": arrays["truncations"][:, None],
        "done": (arrays["terminations"] | arrays["truncations"])[:, None],
        "episode": np.full(len(own), number),
    }
    if "masks" in arrays:
        masks = arrays["masks"].astype(np.bool_)
        columns |= {"now action_mask": masks[:-1], "next action_mask": masks[1:]}
    return columns
