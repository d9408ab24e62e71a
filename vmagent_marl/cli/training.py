"""`train`: online agents in the simulator; each agent's own settings are the options."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import arg

from vmagent_marl import catalog
from vmagent_marl.cli.options import Name, blaming_options
from vmagent_marl.errors import SettingError

if TYPE_CHECKING:
    from vmagent_marl.train.online.learner import Settings


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where the run goes, and what is done around it."""

    config: Annotated[Path | None, arg(metavar="FILE.yaml")] = None
    """Settings of the agent, one `key: value` a line; options win over them."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the run, by default runs/AGENT-SCENARIO-SEED; a killed run goes on there."""
    compare: Literal["validation", "test", "no"] = "validation"
    """Window on which it is compared with the heuristics in the end."""
    sweep: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUES")] = ()
    """Runs for each of several values, as seed=0..4 or learning_rate=1e-3,3e-4; may be repeated."""
    workers: int = 1
    """Processes that train the runs of a sweep."""
    quiet: bool = False
    """No progress line."""


def train(agent: Name, *arguments: str) -> None:
    """Train an online agent: `train --agent ppo --scenario fading`.

    `train --help` lists the agents, `train --agent NAME --help` what one of them is told.

    Args:
        agent: its name.
        arguments: its settings, as options.
    """
    train_by(["--agent", agent, *arguments])


def train_by(words: list[str]) -> None:
    """Run `train` as it was typed: the agent decides which options there are."""
    agent, config, rest = _first_read(words)
    if agent is None:
        if rest and not {"-h", "--help"} & set(rest):
            raise SettingError("which agent? give --agent NAME; `train --help` lists them")
        print(_overview())
        return
    from vmagent_marl.train.online.algorithms import settings_class

    kind = settings_class(agent)
    given = {} if config is None else _read_config(kind, agent, config)
    if "imitate" not in given and any(word.startswith("--imitate") for word in rest):
        _check_imitates(kind, agent)
    run, settings = _options(agent, kind, kind(**given), rest)
    if run.workers != 1 and not run.sweep:
        raise SettingError(
            "--workers: is for the runs of a sweep: give --sweep too, or leave it out"
        )
    if run.sweep:
        from vmagent_marl.cli.sweeping import sweep

        sweep(agent, settings, run, run.out or _folder(agent, settings, "sweep"))
    else:
        _train(agent, settings, run, run.out or _folder(agent, settings, str(settings.seed)))


def compare(file: Path, window: Literal["validation", "test", "no"]) -> None:
    """Print how a checkpoint compares with the heuristics, and where it is."""
    if window != "no":
        from vmagent_marl.train.comparison import print_comparison

        print_comparison(file, window)
    print(f"The policy is in {file}")


def _train(agent: str, settings: Settings, run: Run, out: Path) -> None:
    from vmagent_marl.train.online.algorithms import train_agent

    with blaming_options(settings.trace, settings.servers):
        file = train_agent(agent, settings, out, progress=not run.quiet)
    compare(file, run.compare)


def _first_read(words: list[str]) -> tuple[str | None, Path | None, list[str]]:
    """The agent, the file of settings, and all words but the agent's."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--agent", nargs="?", const="")
    named, rest = reader.parse_known_args(words)
    if named.agent == "":
        raise SettingError("--agent: names none: give one; `train --help` lists them")
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--config", nargs="?")
    file = reader.parse_known_args(rest)[0].config
    return named.agent, None if file is None else Path(file), rest


def _overview() -> str:
    from vmagent_marl.train.online.algorithms import ALGORITHMS

    lines = [
        "usage: vmagent-marl train --agent NAME [--scenario NAME] [options]",
        "",
        "Train an online agent in the simulator; a run that is killed goes on by the same command.",
    ]
    groups = {False: "one cluster", True: "several clusters", None: "one cluster or several"}
    for many, group in groups.items():
        lines += ["", f"For {group}:"]
        named = {name: each for name, each in ALGORITHMS.items() if each.many is many}
        lines += [f"  {name:<6} {each.about}" for name, each in named.items()]
    return "\n".join([*lines, "", "`vmagent-marl train --agent NAME --help` shows its options."])


def _read_config(kind: type[Settings], agent: str, file: Path) -> dict[str, Any]:
    """What a file says of an agent's settings, checked; errors name file, line and key."""
    from vmagent_marl import settings
    from vmagent_marl.train.online.sweep import with_numbers

    data, lines = settings.read_mapping(file)
    if data.pop("agent", agent) != agent:
        raise SettingError(f"{file}:{lines['agent']}: agent: is not {agent!r}, as in --agent")
    if "imitate" in data:
        _check_imitates(kind, agent)
    for key in ("trace", "init"):  # as in a scenario's file, a path is relative to it
        shipped = key == "init" and data.get(key) in catalog.names("checkpoints")
        if isinstance(data.get(key), str) and not shipped:
            data[key] = str(file.parent / data[key])
    built = settings.build(kind, with_numbers(kind, data), str(file), lines)
    return {key: getattr(built, key) for key in data}


def _check_imitates(kind: type[Settings], agent: str) -> None:
    if "imitate" not in {field.name for field in dataclasses.fields(kind)}:
        raise SettingError(
            f"imitate: agent {agent!r} learns values, which no heuristic tells: give --init with a "
            "checkpoint that learned values too, such as discrete CQL's, in its place"
        )


def _options(agent: str, kind: type[Settings], default: Settings, words: list[str]) -> Any:
    """The run and the settings that the options say, over the defaults."""
    both = dataclasses.make_dataclass(
        "Train",
        [("run", Run, dataclasses.field(default=Run())), ("agent", kind, default)],
        frozen=True,
    )
    options: Any = tyro.cli(
        both,
        prog=f"vmagent-marl train --agent {agent}",
        description="Train it in the simulator; a killed run goes on by the same command.",
        args=words,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    return options.run, options.agent


def _folder(agent: str, settings: Settings, last: str) -> Path:
    return Path("runs") / f"{agent}-{Path(settings.scenario).stem}-{last}"
