"""Files that are there whole or not at all."""

import pytest

from vmagent_marl.errors import VmagentError
from vmagent_marl.files import replacing


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
