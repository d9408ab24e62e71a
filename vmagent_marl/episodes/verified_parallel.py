"""The checks of a data set of somebody else's game, which cannot be replayed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vmagent_marl.episodes.arrays import FORM
from vmagent_marl.episodes.faults import Check, Faults, missing_groups
from vmagent_marl.episodes.invariants import mask_faults, probability_faults, value_faults
from vmagent_marl.episodes.stored_form import columns_of, read_columns
from vmagent_marl.errors import DatasetError
from vmagent_marl.progress import counter


def verify_parallel(
    name: str, file: Path, metadata: Mapping[str, Any], progress: bool
) -> Iterator[Check]:
    """What `verify` checks of a data set by `record_parallel`."""
    import h5py
    from gymnasium.spaces import Box
    from minari.serialization import deserialize_space

    shown = deserialize_space(metadata["observation_space"])
    acts = deserialize_space(metadata["action_space"])
    agents = metadata[FORM]["agents"]
    columns = columns_of(shown, acts, len(agents), lives=True)
    discrete = not isinstance(acts, Box)
    count = 0 if not discrete else int(acts.n if hasattr(acts, "n") else acts.nvec[0])
    faults = Faults("episodes", "arrays", "masks", "probabilities")
    steps, episodes = 0, int(metadata["total_episodes"])
    if metadata["dataset_id"] != name:
        faults.add("episodes", f"its metadata are those of {metadata['dataset_id']!r}")
    try:
        with (
            h5py.File(file, "r") as stored,
            counter("Verifying", episodes, unit="episodes", shown=progress) as move,
        ):
            for told in missing_groups(stored, episodes):
                faults.add("episodes", told)
            for k in range(episodes):
                move()
                if f"episode_{k}" not in stored:
                    continue
                try:
                    arrays = read_columns(stored[f"episode_{k}"], columns)
                except (DatasetError, OSError, KeyError, RuntimeError) as error:
                    faults.add("arrays", f"episode {k}: {error}")
                    continue
                steps += len(arrays["rewards"])
                for told in value_faults(arrays, shown["observation"]):
                    faults.add("arrays", f"episode {k}: {told}")
                if discrete:
                    for told in mask_faults(arrays, count, passes=False):
                        faults.add("masks", f"episode {k}: {told}")
                for told in probability_faults(arrays, discrete=discrete):
                    faults.add("probabilities", f"episode {k}: {told}")
    except (OSError, RuntimeError) as error:
        yield Check("episodes", False, f"{file.name} cannot be read ({error})")
        return
    if steps != metadata["total_steps"]:
        faults.add("episodes", f"{steps:,} transitions in place of {metadata['total_steps']:,}")
    yield faults.check("episodes", f"{episodes:,}, {steps:,} transitions of {len(agents)} agents")
    yield faults.check("arrays", f"{len(columns)} an episode, as the spaces have them")
    yield faults.check(
        "masks", "none illegal" if "action_mask" in shown.spaces else "there are none"
    )
    yield faults.check("probabilities", "finite, or NaN where unknown")
