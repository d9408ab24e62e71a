from __future__ import annotations

from pathlib import Path

import pytest

from vmagent_marl import catalog
from vmagent_marl.errors import SettingError, UnknownNameError
from vmagent_marl.train.offline.comparing.contenders import find_contenders


@pytest.fixture
def mine(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text("print('mine')\n")
    return str(tmp_path / "mine.py")


def test_programs_are_names_on_the_shelf_or_paths(mine: str) -> None:
    found = find_contenders(["behaviour_cloning", "offline/discrete_cql.py", mine])
    assert [each.name for each in found] == ["behaviour_cloning", "discrete_cql", "mine"]
    assert found[0].file == catalog.find("offline", "behaviour_cloning").absolute()
    assert found[2].file == Path(mine)
    assert all(each.options == () for each in found)


def test_options_make_settings_each_of_a_name(mine: str) -> None:
    options = ["mine: --gain 2.0 --name 'a b'", "mine/strong: --gain=3", "mine/as-it-comes:"]
    found = find_contenders(["behaviour_cloning", mine], options)
    assert [(each.name, each.options) for each in found] == [
        ("behaviour_cloning", ()),
        ("mine.gain-2.0-name-a-b", ("--gain", "2.0", "--name", "a b")),
        ("mine.strong", ("--gain=3",)),
        ("mine.as-it-comes", ()),
    ]
    assert {each.program for each in found} == {"behaviour_cloning", "mine"}


@pytest.mark.parametrize(
    ("programs", "options", "told"),
    [
        (["discrete_sql"], [], r"unknown program 'discrete_sql': did you mean 'discrete_cql'\?"),
        (["my/discrete_cql.py"], [], r"unknown program 'my/discrete_cql.py': did you mean"),
        (["compare"], [], "unknown program 'compare'"),
        ([], [], "programs: there is none"),
        (["discrete_cql", "discrete_cql"], [], "two are named 'discrete_cql'"),
        (["discrete_cql"], ["--alpha 1.0"], "write `PROGRAM: --option value"),
        (["discrete_cql"], ["discrete_sql: --alpha 1"], "did you mean 'discrete_cql'"),
        (["discrete_cql"], ["discrete_cql: --alpha '1"], "mend the quotes"),
        (["discrete_cql"], ["discrete_cql: --seed 3"], "--seed is the comparison's own"),
        (["discrete_cql"], ["discrete_cql: --out=x"], "--out is the comparison's own"),
        (["discrete_cql"], ["discrete_cql: --a 1", "discrete_cql: --a 1"], "is there twice"),
    ],
)
def test_what_is_wrong_is_told(programs: list[str], options: list[str], told: str) -> None:
    with pytest.raises((SettingError, UnknownNameError), match=told) as error:
        find_contenders(programs, options)
    assert "\n" not in str(error.value)


def test_a_program_that_changes_is_another(mine: str) -> None:
    (before,) = find_contenders([mine])
    told = before.told
    Path(mine).write_text("print('better')\n")
    assert before.told != told
    assert before.told["options"] == []
