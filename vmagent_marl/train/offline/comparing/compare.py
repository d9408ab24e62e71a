"""Train every cell, choose on validation, play the test window once; what was done is kept."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vmagent_marl.errors import SettingError, VmagentError
from vmagent_marl.files import replacing
from vmagent_marl.parallel import in_turn, kept
from vmagent_marl.train.offline.comparing.board import Board
from vmagent_marl.train.offline.comparing.cells import DONE, Cell, Trained, train
from vmagent_marl.train.offline.comparing.contenders import Contender, find_contenders
from vmagent_marl.train.offline.comparing.plays import work_of
from vmagent_marl.train.offline.comparing.testing import Testing
from vmagent_marl.train.run_folder import claim

Tell = Callable[[str], None]
PROGRAM = "program.json"  # beside the runs of a program, by which it is known again
WORTH = (DONE, "resume.pt")  # what is not to be mixed with a changed program's
TOLD = 25  # plays after which it is told how many there are
_ID = re.compile(r".+-v\d+")  # of a data set; else it is a recipe's name


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is compared, and how."""

    programs: tuple[str, ...]
    datasets: tuple[str, ...]  # ids, or recipes
    out: Path
    seeds: int = 5
    options: tuple[str, ...] = ()  # see `find_contenders`
    steps: int = 4000
    validate_every: int = 500
    validation_episodes: int = 8
    episodes: int = 100  # of the test window
    device: str = "auto"
    workers: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        """Refuse what compares nothing."""
        for name in ("seeds", "steps", "validate_every", "validation_episodes", "episodes"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name}: {getattr(self, name)} is too few: give 1 or more")
        if not self.datasets:
            raise SettingError("datasets: there is none: name one or more")

    @property
    def decides(self) -> dict[str, Any]:
        """What all runs in a folder are to have alike."""
        names = ("steps", "validate_every", "validation_episodes", "device")
        return {"kind": "comparison", **{name: getattr(self, name) for name in names}}

    @property
    def words(self) -> tuple[str, ...]:
        """Options of every program."""
        given = {name: value for name, value in self.decides.items() if name != "kind"}
        return tuple(w for k, v in given.items() for w in (f"--{k.replace('_', '-')}", str(v)))


@dataclass(frozen=True)
class Compared:
    """What came of a plan."""

    plan: Plan
    boards: list[Board]
    trained: list[Trained]

    @property
    def failed(self) -> list[Trained]:
        """Cells that came to nothing."""
        return [each for each in self.trained if each.best is None]


def compare(plan: Plan, tell: Tell) -> Compared:
    """Train, choose and play whatever `plan.out` does not hold yet; `tell` hears of each cell.

    Raises `VmagentError` for a program or data set that is nowhere, for a folder that holds other
    runs, all before the first is trained; a cell that fails is told of, and the others go on.
    """
    from vmagent_marl.episodes.storage.minari_format import own_metadata

    contenders = find_contenders(plan.programs, plan.options)
    names = _recorded(plan)
    digests = _claimed(plan, contenders, names)
    cells = [
        Cell(
            each,
            name,
            digests[name],
            dict(own_metadata(name)["scenario"]),
            seed,
            plan.out.absolute(),
            plan.words,
            str(Path.cwd()),
            os.environ.get("MINARI_DATASETS_PATH") and str(_datasets_path()),
        )
        for seed in range(plan.seeds)  # the outermost: what is stopped early holds everybody
        for name in names
        for each in contenders
    ]
    with kept(plan.ray, plan.workers):
        trained = list(_all_trained(plan, cells, tell))
        if all(each.best is None for each in trained):
            raise VmagentError(
                f"none of {len(trained)} cells was trained: the errors stand above; mend them and "
                "run the same again"
            )
        boards = _boards(plan, names, trained, tell)
    return Compared(plan, boards, trained)


def _datasets_path() -> Path:
    return Path(os.environ["MINARI_DATASETS_PATH"]).absolute()


def _recorded(plan: Plan) -> list[str]:
    """Ids of the data sets, in order; those of recipes are recorded unless they are there."""
    from vmagent_marl.episodes import collect_all, load_recipes
    from vmagent_marl.episodes.storage.minari_format import dataset_id, load_dataset

    found: dict[str, Any] = {}
    for given in plan.datasets:
        if _ID.fullmatch(given):
            load_dataset(given)
            found[given] = None
            continue
        for recipe in load_recipes(given):
            found[dataset_id(recipe.load_scenario().name, recipe.behaviour)] = recipe
    recipes = [recipe for recipe in found.values() if recipe is not None]
    for _ in collect_all(recipes, workers=plan.workers, ray=plan.ray):
        pass
    return list(found)


def _claimed(plan: Plan, contenders: Sequence[Contender], names: Sequence[str]) -> dict[str, str]:
    """Digests of the data sets; refuses a folder whose runs are of other settings or data."""
    from vmagent_marl.episodes.storage.minari_format import FILE, dataset_folder, sha256_of

    claim(plan.out, plan.decides)
    for each in contenders:
        runs = plan.out / each.name
        try:
            _same(runs / PROGRAM, each.told, each.name)
        except SettingError:
            if any(any(runs.rglob(file)) for file in WORTH):
                raise
            (runs / PROGRAM).unlink()  # all that it did was to fail, and it was mended since
            _same(runs / PROGRAM, each.told, each.name)
    digests = {}
    for name in names:
        digests[name] = sha256_of(dataset_folder(name) / "data" / FILE)
        _same(plan.out / "datasets" / f"{name}.json", {"sha256": digests[name]}, name)
    return digests


def _same(file: Path, told: dict[str, Any], name: str) -> None:
    """Write down what decides about runs; raises `SettingError` where other runs stand there."""
    if file.is_file():
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            held = {}
        for key, value in told.items():
            if held.get(key) != value:
                raise SettingError(
                    f"{file}: the runs here are of {name} with another {key}: give another --out, "
                    f"or remove {file if file.name != PROGRAM else file.parent} to train anew"
                )
        return
    with replacing(file) as unfinished:
        unfinished.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _all_trained(plan: Plan, cells: Sequence[Cell], tell: Tell) -> Iterator[Trained]:
    work = {str(cell): partial(train, cell) for cell in cells}
    with closing(in_turn(work, workers=plan.workers, ray=plan.ray)) as done:
        for number, each in enumerate(done, start=1):
            said = f"failed, in {each.cell.folder}: {each.error}"
            if each.best is not None:
                took = "kept" if each.seconds is None else f"{each.seconds:.0f} s"
                said = f"best on validation {each.best:.4g} ({took})"
            tell(f"{number}/{len(cells)} {each.cell}: {said}")
            yield each


def _boards(
    plan: Plan, names: Sequence[str], trained: Sequence[Trained], tell: Tell
) -> list[Board]:
    """Play everybody that is to be played, then one board a data set."""
    from vmagent_marl.episodes.storage.minari_format import own_metadata

    tests = [
        Testing(
            name,
            own_metadata(name),
            [each for each in trained if each.cell.dataset == name],
            plan.out.absolute(),
            plan.episodes,
            plan.validation_episodes,
        )
        for name in names
    ]
    plays = {str(play.file): play for test in tests for play in test.plays}
    tell(f"{len(plays)} plays of {plan.episodes} episodes, of the test window and for reference")
    work = work_of(plays)
    played = {}
    with closing(in_turn(work, workers=plan.workers, ray=plan.ray)) as done:
        for name, each in zip(work, done, strict=True):
            played[name] = each
            if len(played) % TOLD == 0 or len(played) == len(plays):
                tell(f"{len(played)}/{len(plays)} played")
    return [test.board(played) for test in tests]
