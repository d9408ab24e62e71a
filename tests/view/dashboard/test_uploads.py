"""What is dropped on the page, right, wrong and hostile."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from vmagent_marl.episodes import collect, recipe_for
from vmagent_marl.episodes.storage.minari_format import dataset_folder
from vmagent_marl.errors import DatasetError, VmagentError
from vmagent_marl.view.dashboard import uploads
from vmagent_marl.view.dashboard.episode_file import SUFFIX, episode_bytes
from vmagent_marl.view.dashboard.library import Library
from vmagent_marl.view.dashboard.stored import open_stored
from vmagent_marl.view.replay import Replay


@pytest.fixture
def library() -> Iterator[Library]:
    made = Library()
    yield made
    made.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recorded data set's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("minari")))
        recipe = recipe_for(
            "region-prices", "random", episodes=2, fields={"horizon": 40}, behaviour="random"
        )
        yield dataset_folder(collect(recipe, progress=False))


def sent(content: bytes) -> str:
    return "data:application/octet-stream;base64," + base64.b64encode(content).decode()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def members(folder: Path, prefix: str = "any-v0/data/") -> dict[str, bytes]:
    return {prefix + file.name: file.read_bytes() for file in (folder / "data").iterdir()}


def test_an_episode_file_is_opened(library: Library, recovering: Replay) -> None:
    page = library.upload(f"a{SUFFIX}", sent(episode_bytes(recovering.recording)))
    assert library.replay(page.removeprefix("/watch/")).metrics == recovering.metrics


def test_a_zipped_data_set_is_opened_and_removed_at_the_end(library: Library, folder: Path) -> None:
    page = library.upload("mine.zip", sent(zipped(members(folder))))
    key = page.removeprefix("/data/")
    replay = library.replay(f"{key}.1")
    assert len(replay) == 40
    assert replay.metrics == replay.recording.metrics
    place = library.datasets[key].folder
    assert sorted(file.name for file in place.rglob("*") if file.is_file()) == [
        "main_data.hdf5",
        "metadata.json",
    ]
    library.close()
    assert not place.exists()


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("policy.pt", "is not taken"),
        ("episode.pkl", "is not taken"),
        ("main_data.hdf5", "metadata.json beside it"),
        (f"a{SUFFIX}.exe", "is not taken"),
        ("../../etc/passwd", "is not taken"),
    ],
)
def test_other_files_are_refused_by_name(library: Library, name: str, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        library.upload(name, sent(b"x"))


def test_too_large_or_broken_uploads_are_refused(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    with pytest.raises(DatasetError, match="is too large"):
        library.upload("a.zip", sent(bytes(2000)))
    for data in ("", "data:,", "data:;base64,%%%", "nonsense"):
        with pytest.raises(DatasetError, match="did not arrive whole"):
            library.upload("a.zip", data)
    with pytest.raises(DatasetError, match="no whole zip"):
        library.upload("a.zip", sent(b"PK\x03\x04 torn"))


@pytest.mark.parametrize(
    "name",
    ["../metadata.json", "/etc/metadata.json", "a/../../metadata.json", "..\\x", "C:metadata.json"],
)
def test_names_that_leave_the_folder_are_refused(folder: Path, name: str, tmp_path: Path) -> None:
    content = zipped({**members(folder), name: b"{}"})
    with pytest.raises(DatasetError, match="leaves its folder"):
        uploads.unpack_dataset("a.zip", content, tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_several_or_no_data_sets_are_refused(folder: Path, tmp_path: Path) -> None:
    two = {**members(folder, "a/data/"), **members(folder, "b/data/")}
    for files, count in ((two, 2), ({"read.me": b""}, 0)):
        with pytest.raises(DatasetError, match=f"holds {count} metadata"):
            uploads.unpack_dataset("a.zip", zipped(files), tmp_path / "there")
    many = {f"{i}.txt": b"" for i in range(uploads.MOST_MEMBERS + 1)}
    with pytest.raises(DatasetError, match="zip the folder of one"):
        uploads.unpack_dataset("a.zip", zipped(many), tmp_path / "there")


def test_a_bomb_is_stopped_while_it_unpacks(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_UNPACKED", 3 << 20)
    files = {**members(folder), "any-v0/data/main_data.hdf5": bytes(64 << 20)}
    content = zipped(files)
    assert len(content) < 1 << 20
    with pytest.raises(DatasetError, match="unpacks to more than"):
        uploads.unpack_dataset("a.zip", content, tmp_path / "there")
    written = sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    assert written < 5 << 20


def test_metadata_that_are_none_are_refused(library: Library, folder: Path) -> None:
    good = members(folder)
    for text in (b"", b"[]", b"{}", b'{"total_episodes": "x"}', b'{"total_episodes": -3}',
                 b'{"total_steps": "many"}', b"[" * 100_000, b"\xff"):  # fmt: skip
        files = {**good, "any-v0/data/metadata.json": text}
        with pytest.raises(VmagentError):
            library.upload("a.zip", sent(zipped(files)))


def test_a_trace_on_this_machine_is_not_read_for_a_stranger(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("vmid,cpu,mem,at,lt\n1,1,1,0,5\n")
    files = members(folder)
    told = json.loads(files["any-v0/data/metadata.json"])
    told["vmagent_marl"]["scenario"]["trace"] = str(secret)
    files["any-v0/data/metadata.json"] = json.dumps(told).encode()
    with pytest.raises(DatasetError, match=r"recorded on 'secret\.csv': start .* --trace FILE"):
        library.upload("a.zip", sent(zipped(files)))


@pytest.mark.parametrize("kind", ["link", "outer", "virtual", "episode"])
def test_hdf5_that_points_to_other_files_is_refused(
    library: Library, folder: Path, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["a"] = np.zeros((40, 3), np.int64)
    broken = tmp_path / "main_data.hdf5"
    broken.write_bytes((folder / "data" / "main_data.hdf5").read_bytes())
    with h5py.File(broken, "a") as file:
        if kind == "episode":
            del file["episode_0"]
            file["episode_0"] = h5py.ExternalLink(str(secret), "/")
        else:
            del file["episode_0/actions"]
        if kind == "link":
            file["episode_0/actions"] = h5py.ExternalLink(str(secret), "/a")
        elif kind == "outer":
            raw = [(str(secret), 0, 960)]
            file.create_dataset("episode_0/actions", (40, 3), np.int64, external=raw)
        elif kind == "virtual":
            layout = h5py.VirtualLayout((40, 3), np.int64)
            layout[:] = h5py.VirtualSource(str(secret), "a", (40, 3))
            file.create_virtual_dataset("episode_0/actions", layout)
    files = {**members(folder), "any-v0/data/main_data.hdf5": broken.read_bytes()}
    missing = {"link": "KeyError..actions", "episode": "KeyError..episode_0"}
    with pytest.raises(DatasetError, match=missing.get(kind, "points out of its file")):
        library.upload("a.zip", sent(zipped(files)))


@pytest.mark.parametrize("kind", ["array", "group", "type", "metrics"])
def test_hdf5_of_another_form_is_refused(
    library: Library, folder: Path, tmp_path: Path, kind: str
) -> None:
    broken = tmp_path / "main_data.hdf5"
    broken.write_bytes((folder / "data" / "main_data.hdf5").read_bytes())
    with h5py.File(broken, "a") as file:
        if kind == "metrics":
            file["episode_0"].attrs["metrics"] = "{"
        else:
            name = "episode_0" if kind == "array" else "episode_0/actions"
            del file[name]
            if kind == "group":
                file.create_group(name)
            else:
                file[name] = np.arange(3) if kind == "array" else np.dtype("i8")
    files = {**members(folder), "any-v0/data/main_data.hdf5": broken.read_bytes()}
    with pytest.raises(DatasetError, match="episode 0: cannot be read"):
        library.upload("a.zip", sent(zipped(files)))


def test_a_data_set_named_twice_is_shown_once(library: Library, folder: Path) -> None:
    assert library.add_dataset(open_stored(folder)) == library.add_dataset(open_stored(folder))
    assert len(library.datasets) == 1


def test_numbers_without_end_are_not_read(library: Library, folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "main_data.hdf5"
    broken.write_bytes((folder / "data" / "main_data.hdf5").read_bytes())
    with h5py.File(broken, "a") as file:
        del file["episode_0/actions"]
        file.create_dataset("episode_0/actions", (10**9, 3), np.int64, chunks=(1024, 3))
    files = {**members(folder), "any-v0/data/main_data.hdf5": broken.read_bytes()}
    with pytest.raises(DatasetError, match="cannot be read"):
        library.upload("a.zip", sent(zipped(files)))
