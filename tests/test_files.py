"""Files that are there whole or not at all."""

import pytest

from vmagent_marl.errors import VmagentError
from vmagent_marl.files import check_writable, replacing


def test_a_file_is_replaced_when_all_went_well(tmp_path):
    target = tmp_path / "new" / "folder" / "a.json"
    for text in ("first", "second"):
        with replacing(target) as unfinished:
            unfinished.write_text(text)
            assert unfinished.suffix == ".json"
    assert target.read_text() == "second"
    assert list(target.parent.iterdir()) == [target]


def test_what_was_there_stays_when_anything_goes_wrong(tmp_path):
    target = tmp_path / "a.json"
    target.write_text("first")

    def fail():
        with replacing(target) as unfinished:
            unfinished.write_text("half")
            raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        fail()
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "deeper" / "a.json"):
        with pytest.raises(VmagentError, match="name"), replacing(place) as unfinished:
            unfinished.write_text("never")


def test_a_name_that_no_file_can_have_is_one_line(tmp_path):
    with pytest.raises(VmagentError, match="NUL"), replacing(tmp_path / "a\0.json"):
        pass
    with pytest.raises(VmagentError, match="NUL"):
        check_writable("a\0.json")


def test_looking_whether_a_file_can_be_written_leaves_nothing(tmp_path):
    check_writable(None)
    check_writable(tmp_path / "new" / "folder" / "a.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old").mkdir()
    check_writable(tmp_path / "old" / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_folders_that_were_made_go_again_unless_others_use_them(tmp_path):
    def fail(folder):
        with replacing(tmp_path / folder / "deeper" / "a.json") as unfinished:
            unfinished.write_text("half")
            if folder == "used":
                (tmp_path / folder / "other").touch()
            raise KeyError("ours")

    for folder in ("new", "used"):
        with pytest.raises(KeyError, match="ours"):
            fail(folder)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "used",
        "used/other",
    ]
