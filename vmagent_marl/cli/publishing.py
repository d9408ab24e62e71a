"""`publish`: a run's policy as a file that is played by its name, with a card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vmagent_marl import catalog
from vmagent_marl.cli.options import Name


def publish(
    run: Annotated[Positional[Path], arg(metavar="RUN")],
    name: Name,
    to: Annotated[Path, arg(metavar="FOLDER")] = Path("checkpoints"),
    episodes: int = 100,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
) -> None:
    """Publish a run's policy: NAME.pt, and NAME.md, which tells what it is and what it reaches.

    The policy is evaluated once, on the test window, beside every heuristic that goes with its
    scenario. In a checkout, what is put into `checkpoints/` is played by its name.

    Args:
        run: the folder of a run, as `train` and the programs of `offline/` leave it.
        name: of the policy, in small letters, digits and hyphens.
        to: the folder to write to.
        episodes: that each policy plays on the test window.
        seed: from which their starts and all draws come.
        overwrite: replace a policy of the same name.
        quiet: no progress bar.
    """
    from vmagent_marl.train.publishing import publish as write

    file, card = write(
        run, name, to, episodes=episodes, seed=seed, overwrite=overwrite, progress=not quiet
    )
    print(file)
    print(card)
    shelved = file.resolve().parent == catalog.shelf("checkpoints").resolve()
    print(f"Play it: --policy {name if shelved else file}")
