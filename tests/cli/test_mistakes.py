"""Words that no command takes: one line says what, where and what next, and the status is 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vmagent_marl import catalog
from vmagent_marl.cli import mistakes
from vmagent_marl.cli.main import COMMANDS, GROUPS, main
from vmagent_marl.cli.reading import kinds_of

LEAVES = [name for name in COMMANDS if name not in (*GROUPS, "train", "run")]
LEAVES += [f"{group} {name}" for group, union in GROUPS.items() for name in kinds_of(union)]
LEAVES += ["train --agent dqn", "train --agent qmix"]
LEAVES += [f"run {name}" for name in catalog.programs()]

PROGRAM = '''"""Say hello."""
from dataclasses import dataclass
from vmagent_marl.cli.reading import run_program
from vmagent_marl.errors import DatasetError

@dataclass(frozen=True)
class Args:
    times: int = 20
    """How often."""

def main(args: Args) -> str:
    if args.times == 1:
        raise DatasetError("once: is not often enough: give 2")
    if args.times == 2:
        raise KeyboardInterrupt
    print("hello " * args.times)
    return "hello"

if __name__ == "__main__":
    run_program(main, Args, __doc__)
'''


def told(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """The one line that a wrong command answers."""
    with pytest.raises(SystemExit) as end:
        main(command.split())
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    return line


@pytest.mark.parametrize("leaf", LEAVES)
def test_no_command_takes_any_option(capsys: pytest.CaptureFixture[str], leaf: str) -> None:
    line = told(capsys, f"{leaf} --zzzzzz 3")
    assert line == (
        f"vmagent-marl {leaf}: unknown option '--zzzzzz': leave it out (vmagent-marl {leaf} --help)"
    )


@pytest.mark.parametrize(
    ("page", "words", "answer"),
    [
        ("evaluate", "--scenario tiny --episodes two", "'two' is no whole number: give e.g. 20"),
        ("evaluate", "--episodes two", "'two' is no whole number: give e.g. 20"),
        ("evaluate", "--scenario tiny --episodes=2.5", "'2.5' is no whole number: give e.g. 20"),
        ("view", "--episode first", "'first' is no whole number: give e.g. 0"),
        ("collect", "--epsilon much", "'much' is no number: give e.g. 0.5"),
        ("train --agent dqn", "--learning-rate fast", "'fast' is no number: give e.g. 0.001"),
        ("trace describe", "synthetic --node 1 x", "'x' is no number: give e.g. 40.0 90.0"),
        (
            "run offline/behaviour_cloning",
            "--dataset a/b-v0 --out c --hidden 3 x",
            "'x' is no whole number: give e.g. 32 32",
        ),
        ("evaluate", "--scenario tiny --window tst", "'tst' is no choice: did you mean 'test'?"),
        ("evaluate", "--scenario tiny --servers", "has too few values: give --servers N"),
        ("trace describe", "synthetic --machine 1", "has too few values: give --machine NUMBER"),
        ("train --agent ppo", "--compare tst", "'tst' is no choice: did you mean 'test'?"),
        ("dataset export", "a/b-v0 --to disk", "'disk' is no choice: known are agents, torchrl"),
    ],
)
def test_a_wrong_value(
    capsys: pytest.CaptureFixture[str], page: str, words: str, answer: str
) -> None:
    line = told(capsys, f"{page} {words}")
    option = [word for word in words.replace("=", " ").split() if word.startswith("--")][-1]
    assert line.startswith(f"vmagent-marl {page}: {option}: {answer}")
    assert line.endswith(f" (vmagent-marl {page} --help)")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("evalute", "vmagent-marl: unknown command 'evalute': did you mean 'evaluate'?"),
        ("--verison", "vmagent-marl: unknown option '--verison': leave it out"),
        ("trace", "vmagent-marl trace: what? give one of describe, convert, synthesize, scale,"),
        ("trace fetsh", "vmagent-marl trace: unknown command 'fetsh': did you mean 'fetch'?"),
        ("dataset", "vmagent-marl dataset: what? give one of list, show, verify, export"),
        ("dataset show", "vmagent-marl dataset show: name: is missing: give ID"),
        ("evaluate", "vmagent-marl evaluate: --scenario: is missing: give --scenario NAME"),
        ("evaluate tiny", "vmagent-marl evaluate: --scenario: is missing: give --scenario NAME"),
        ("evaluate --senario tiny", "vmagent-marl evaluate: unknown option '--senario': did you"),
        ("evaluate --scenario tiny 3", "vmagent-marl evaluate: '3': is a word too many: leave it"),
        ("view --windows all", "vmagent-marl view: unknown option '--windows': did you mean"),
        ("copy", "vmagent-marl copy: name: is missing: give NAME"),
        ("run", "vmagent-marl run: program: is missing: give NAME"),
        (
            "run offline/discrete_cql",
            "vmagent-marl run offline/discrete_cql: --dataset, --out: are missing: give --dataset",
        ),
        (
            "train --agent ppo --minibatches 4",
            "vmagent-marl train --agent ppo: unknown option '--minibatches': did you mean "
            "'--minibatch'? (vmagent-marl train --agent ppo --help)",
        ),
    ],
)
def test_wrong_words(capsys: pytest.CaptureFixture[str], command: str, line: str) -> None:
    assert told(capsys, command).startswith(line)


def test_a_program_that_is_run_by_itself_says_it_likewise(tmp_path: Path) -> None:
    program = tmp_path / "hello.py"
    program.write_text(PROGRAM)
    page = f"(python {program} --help)\n"
    wrong = f"{program}: --times: 'x' is no whole number: give e.g. 20 {page}"
    misspelt = f"{program}: unknown option '--tmes': did you mean '--times'? {page}"
    for words, status, err in (
        (["--times", "x"], 2, wrong),
        (["--tmes", "3"], 2, misspelt),
        (["--times", "1"], 1, "hello: once: is not often enough: give 2\n"),
        (["--times", "2"], 130, "interrupted: the same command again goes on\n"),
        (["--times", "3"], 0, ""),
    ):
        done = subprocess.run(
            [sys.executable, str(program), *words], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (status, err)
    assert done.stdout.split() == ["hello"] * 3


def test_where_tyro_tells_nothing_of_what_went_wrong_it_says_so_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "failures", None)
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--scenario", "tiny", "--episodes", "two"])
    assert end.value.code == 2
    assert "'two' is no whole number" in capsys.readouterr().err
