"""`view`: the dashboard, on what is named or on everything that is found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from vmagent_marl import catalog
from vmagent_marl.cli.options import Changes, TraceFile, Window, blaming_options, scenario_fields
from vmagent_marl.errors import SettingError, VmagentError, unknown_name

if TYPE_CHECKING:
    from vmagent_marl.view.dashboard.library import Library

RUNS = Path("runs")  # where runs are looked for if nothing is named


def view(
    what: Annotated[
        Positional[tuple[str, ...]], arg(metavar="RUN|DATASET|EPISODE|SCENARIO:POLICY ...")
    ] = (),
    export: Path | None = None,
    port: int | None = None,
    open: bool = False,
    window: Window = "validation",
    episode: int = 0,
    seed: int = 0,
    trace: TraceFile = None,
    servers: int | None = None,
    set: Changes = (),  # the option's name on the command line
) -> None:
    """Watch episodes, runs and data sets in a browser, on this machine alone.

    `vmagent-marl view recovering:first-fit recovering:server-best-fit` plays two policies on the
    same requests side by side. Nothing named: what is found in ./runs and among Minari's data sets.

    Args:
        what: a folder of runs, scores (.json), a data set's id (ID#7: its episode 7), an episode
            file, or a scenario and a policy to play now.
        export: write the episode of one SCENARIO:POLICY to this file instead: .html, a page that
            plays by itself, .gif, .png, .svg or .pdf.
        port: of the address; 8050 if that is free, else any.
        open: open the page in a browser.
        window: rows of the trace from which an episode that is played now is drawn.
        episode: its number.
        seed: from which its start and all draws come.
        trace: a trace file in the place of the one that a scenario or recording names.
        servers: of each cluster of a scenario that is played now.
        set: other fields of it, as name=value.
    """
    if seed < 0 or episode < 0:
        raise SettingError(f"--seed {seed} --episode {episode}: give 0 or more")
    if export is not None:
        _export(what, export, seed, episode, window, scenario_fields(trace, servers, set))
        return
    try:
        import dash  # noqa: F401  # it is there, or it is told what to install
    except ModuleNotFoundError as error:
        raise VmagentError(
            f'the dashboard needs dash and plotly ({error}): in the checkout, pip install ".[view]"'
        ) from None
    from vmagent_marl.view.dashboard.library import Choices, Library
    from vmagent_marl.view.dashboard.serving import listen, serve

    fields = scenario_fields(trace, servers, set)
    library = Library(Choices(window=window, seed=seed, number=episode, trace=trace))
    with blaming_options(trace, servers):
        keys = [key for each in what for key in _add(library, each, fields)]
    if not what:
        _add_all(library)
    for key in keys[:2]:  # what cannot be watched is told of here, and the page opens at once
        if key.startswith("/"):
            continue
        library.replay(key)
    serve(library, listen(port), _path(keys), browser=open)


def _export(
    what: tuple[str, ...], file: Path, seed: int, episode: int, window: str, fields: dict[str, Any]
) -> None:
    from vmagent_marl.view.video import export_named

    if len(what) != 1 or ":" not in what[0]:
        raise SettingError("--export: name one SCENARIO:POLICY, whose episode is to be written")
    print(export_named(what[0], file, seed=seed, number=episode, window=window, fields=fields))


def _path(keys: list[str]) -> str:
    """The page to begin with: what was named, if that is one page."""
    watched = [key for key in keys if not key.startswith("/")]
    if watched and len(watched) == len(keys) and len(keys) <= 2:
        return f"/watch/{'/'.join(keys)}"
    return keys[0] if len(keys) == 1 else "/"


def _add(library: Library, what: str, fields: dict[str, Any]) -> list[str]:
    """Put what was named into the library: a key to watch, or the address of its page."""
    from vmagent_marl.view.dashboard.discovery import look_through
    from vmagent_marl.view.dashboard.episode_file import SUFFIX
    from vmagent_marl.view.dashboard.runs import read_score
    from vmagent_marl.view.dashboard.stored import open_stored

    path = Path(what)
    if what.endswith(SUFFIX):
        return [library.add_episode(path)]
    if path.suffix == ".json" and path.is_file():
        score = read_score(path)
        if score is None:
            raise SettingError(f"{what}: holds no scores: give what `evaluate --json` wrote")
        library.scores.append(score)
        return ["/runs/0"]
    if (path / "data" / "metadata.json").is_file():
        return [f"/data/{library.add_dataset(open_stored(path))}"]
    if path.is_dir():
        found = look_through(path)
        if not found:
            raise SettingError(f"{what}: holds no run, scores, data set or episode: name another")
        library.add_found(found)
        return ["/"]
    if ":" in what:
        from vmagent_marl.scenario import load_scenario

        scenario, _, policy = what.partition(":")
        return [library.add_play(load_scenario(scenario, **fields), policy)]
    return [_add_dataset(library, what)]


def _add_dataset(library: Library, what: str) -> str:
    from vmagent_marl.episodes.storage.minari_format import dataset_folder
    from vmagent_marl.view.dashboard.discovery import look_through
    from vmagent_marl.view.dashboard.stored import open_stored

    if what in catalog.names("scenarios"):
        raise SettingError(f"{what}: is a scenario: say who plays it, as in {what}:first-fit")
    name, marked, number = what.partition("#")
    folder = dataset_folder(name) if name else Path()
    if not name or ".." in Path(name).parts or not (folder / "data" / "metadata.json").is_file():
        known = [dataset.name for dataset in look_through(dataset_folder("")).datasets]
        raise unknown_name("run, data set or episode file", what, known)
    if marked and not number.isdecimal():
        raise SettingError(f"{what}: {number!r} is no episode: write {name}#0")
    key = library.add_dataset(open_stored(folder))
    return f"{key}.{number}" if marked else f"/data/{key}"


def _add_all(library: Library) -> None:
    from vmagent_marl.episodes.storage.minari_format import dataset_folder
    from vmagent_marl.view.dashboard.discovery import look_through

    for root in (dataset_folder(""), RUNS):
        if root.is_dir():
            library.add_found(look_through(root))
