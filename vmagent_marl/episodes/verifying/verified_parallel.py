"""The checks of a data set of somebody else's game, which cannot be replayed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.verifying.faults import Check, Faults
from vmagent_marl.episodes.verifying.invariants import mask_faults, probability_faults, value_faults
from vmagent_marl.episodes.verifying.reading import read_episodes
from vmagent_marl.episodes.verifying.stored_form import columns_of
from vmagent_marl.episodes.views.arrays import FORM


def verify_parallel(
    name: str, file: Path, metadata: Mapping[str, Any], progress: bool
) -> Iterator[Check]:
    """What `verify` checks of a data set by `record_parallel`."""
    from gymnasium.spaces import Box
    from minari.serialization import deserialize_space

    shown = deserialize_space(metadata["observation_space"])
    acts = deserialize_space(metadata["action_space"])
    agents = metadata[FORM]["agents"]
    columns = columns_of(shown, acts, len(agents), lives=True)
    discrete = not isinstance(acts, Box)
    count = 0 if not discrete else int(acts.n if hasattr(acts, "n") else acts.nvec[0])
    faults = Faults("episodes", "arrays", "masks", "probabilities")
    episodes = steps = 0
    if metadata["dataset_id"] != name:
        faults.add("episodes", f"its metadata are those of {metadata['dataset_id']!r}")
    for k, arrays, _ in read_episodes(file, metadata, columns, faults, progress=progress):
        episodes, steps = episodes + 1, steps + len(arrays["rewards"])
        for told in value_faults(arrays, shown["observation"]):
            faults.add("arrays", f"episode {k}: {told}")
        for told in mask_faults(arrays, count, passes=False) if discrete else ():
            faults.add("masks", f"episode {k}: {told}")
        for told in probability_faults(arrays, discrete=discrete):
            faults.add("probabilities", f"episode {k}: {told}")
    yield faults.check("episodes", f"{episodes:,}, {steps:,} transitions of {len(agents)} agents")
    yield faults.check("arrays", f"{len(columns)} an episode, as the spaces have them")
    yield faults.check(
        "masks", "none illegal" if "action_mask" in shown.spaces else "there are none"
    )
    yield faults.check("probabilities", "finite, or NaN where unknown")
