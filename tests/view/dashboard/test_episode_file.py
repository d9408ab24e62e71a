"""The file of an episode: what comes back, and what is refused."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vmagent_marl.errors import DatasetError
from vmagent_marl.view.dashboard.episode_file import (
    FORM,
    MEMBERS,
    SUFFIX,
    episode_bytes,
    file_name,
    read_episode,
)
from vmagent_marl.view.replay import Replay, replayed


def told(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found: dict[str, Any] = json.loads(arrays["about"].tobytes())
    return found


def file_of(about: Any, actions: Any = None, **others: Any) -> bytes:
    """A file that tells these things, right or wrong."""
    text = about if isinstance(about, bytes) else json.dumps(about).encode()
    out = io.BytesIO()
    given = np.zeros((3, 1), np.int64) if actions is None else actions
    np.savez_compressed(out, about=np.frombuffer(text, np.uint8), actions=given, **others)
    return out.getvalue()


def refused(content: bytes, match: str) -> None:
    with pytest.raises(DatasetError, match=match) as error:
        read_episode(content, name=f"x{SUFFIX}")
    assert str(error.value).startswith(f"x{SUFFIX}: ")
    assert "\n" not in str(error.value)


def test_what_is_written_replays(region: Replay, tmp_path: Path) -> None:
    file = tmp_path / file_name(region.recording)
    file.write_bytes(episode_bytes(region.recording))
    assert file.name.endswith(SUFFIX)
    assert file.stat().st_size < 20_000
    read = read_episode(file)
    again = replayed(read)
    assert read.policy == "cheapest-first"
    assert read.metrics == again.metrics == region.metrics
    assert read.scenario == region.recording.scenario
    assert np.array_equal(again.outcome, region.outcome)


def test_a_name_of_the_file_is_plain(region: Replay) -> None:
    odd = dataclasses.replace(region.recording, policy="../../a b/\0")
    assert set(file_name(odd)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert ".." not in file_name(odd)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"form": "another"}, "no episode file of this version"),
        ({"scenario": None}, "tells no scenario"),
        ({"scenario": {"name": "x"}}, "makes no game"),
        ({"scenario": {"name": "x", "servers": 2, "odd": 1}}, "makes no game"),
        ({"scenario": {"name": "x", "servers": 900_000}}, "servers are too many"),
        ({"scenario": {"name": "x", "servers": 2, "trace": "/etc/passwd"}}, "--trace FILE"),
        ({"scenario": {"name": "x", "servers": 2, "trace": "../a.csv"}}, "--trace FILE"),
        ({"scenario": {"name": "x", "servers": 2, "clusters": 2}}, "answers a step for 2"),
        ({"seed": -1}, "no whole number"),
        ({"seed": "1"}, "no whole number"),
        ({"start": 2**70}, "no whole number"),
        ({"trace": []}, "missing or wrong"),
        ({"metrics": {"placed": 1}}, "missing or wrong"),
        ({"metrics": 3}, "missing or wrong"),
        ({"policy": None, "number": None}, "no whole number"),
    ],
)
def test_what_tells_something_else_is_refused(
    recovering: Replay, change: dict[str, Any], match: str
) -> None:
    about = told(episode_bytes(recovering.recording))
    refused(file_of({**about, **change}), match)


def test_requests_written_out_without_end_are_refused(recovering: Replay) -> None:
    about = told(episode_bytes(recovering.recording))
    endless = {"requests": [[0, 1, 1, 1]], "repeat": 10**9, "every": 1}
    about["scenario"]["trace"] = endless
    refused(file_of(about), "too many requests written out")


def test_actions_outside_of_the_space_are_refused(recovering: Replay) -> None:
    about = told(episode_bytes(recovering.recording))
    for wrong in (-1, 11, 2**62):
        refused(file_of(about, np.full((2, 1), wrong)), "outside of Discrete")
    refused(file_of(about, np.zeros((2, 3), np.int64)), "3 answers a step")
    refused(file_of(about, np.zeros(4, np.int64)), "1 axes")
    refused(file_of(about, np.zeros((2, 1))), "float64")


def test_a_pickle_is_never_opened(recovering: Replay) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("a pickle was run",))

    about = told(episode_bytes(recovering.recording))
    out = io.BytesIO()
    np.savez(out, about=np.frombuffer(b"{}", np.uint8), actions=np.array([Bomb()], object))
    refused(out.getvalue(), "no episode file")
    refused(pickle.dumps(about), "no episode file")


def test_what_is_no_archive_or_a_torn_one_is_refused(recovering: Replay) -> None:
    whole = episode_bytes(recovering.recording)
    refused(b"", "no episode file")
    refused(b"PK\x03\x04nonsense", "no episode file")
    for cut in (10, len(whole) // 2, len(whole) - 30):
        refused(whole[:cut], "no episode file")
    for at in range(30, len(whole) - 30, 41):
        broken = bytearray(whole)
        broken[at] ^= 0xFF
        with suppress(DatasetError):  # no other error; where a bit does not matter, none
            read_episode(bytes(broken), name=f"x{SUFFIX}")


def test_other_members_are_refused() -> None:
    refused(file_of({}, more=np.zeros(1)), "about. and .actions. alone")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../about.npy", b"")
        archive.writestr("actions.npy", b"")
    refused(out.getvalue(), "alone")


def test_a_bomb_is_seen_before_it_is_unpacked() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("about.npy", bytes(MEMBERS["about.npy"] + 1))
        archive.writestr("actions.npy", b"")
    refused(out.getvalue(), "would take")


def test_a_header_that_promises_more_than_there_is_allocates_nothing() -> None:
    header = io.BytesIO()
    large = {"descr": "<i8", "fortran_order": False, "shape": (2**40, 1)}
    np.lib.format.write_array_header_1_0(header, large)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        about = io.BytesIO()
        np.save(about, np.frombuffer(json.dumps({"form": FORM}).encode(), np.uint8))
        archive.writestr("about.npy", about.getvalue())
        archive.writestr("actions.npy", header.getvalue())
    refused(out.getvalue(), "shorter than it says")


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.episode\.npz: cannot be read \(No such file"):
        read_episode(tmp_path / f"gone{SUFFIX}")
