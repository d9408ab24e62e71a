"""What is dropped on the page: an episode file, or a data set's folder as a zip; nothing else."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from pathlib import Path, PurePosixPath

from vmagent_marl.errors import DatasetError
from vmagent_marl.view.dashboard.episode_file import SUFFIX

MOST_BYTES = 200 * 2**20  # of an upload
MOST_UNPACKED = 1 << 30  # bytes of a data set
MOST_METADATA = 16 << 20
MOST_MEMBERS = 1000
WANTED = ("metadata.json", "main_data.hdf5")
_PIECE = 1 << 20


def content_of(name: str, data_url: str) -> bytes:
    """The bytes that a browser sent; raises `DatasetError` for too many and for no file of ours."""
    check_name(name)
    _, comma, encoded = data_url.partition(",")
    if len(encoded) > MOST_BYTES // 3 * 4 + 4:
        raise DatasetError(f"{name}: is too large: {MOST_BYTES // 2**20} MB at most")
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not comma or not content:
        raise DatasetError(f"{name}: is empty, or did not arrive whole: drop it again")
    return content


def check_name(name: str) -> None:
    """Raise `DatasetError` for a file that is neither an episode nor a zip."""
    if name.endswith((SUFFIX, ".zip")):
        return
    what = f"drop an episode file (*{SUFFIX}) or a data set's folder as a .zip"
    if name.endswith((".hdf5", ".h5")):
        raise DatasetError(f"{name}: the scenario stands in metadata.json beside it: {what}")
    raise DatasetError(f"{name}: is not taken: {what}")


def unpack_dataset(name: str, content: bytes, folder: Path) -> Path:
    """Write a zipped data set's two files into `folder`/data, under our names and no others.

    Nothing is unpacked by a name of the archive's. Raises `DatasetError` for names that leave the
    folder, for what holds no or several data sets, and for more bytes than a data set may have.
    """
    target = folder / "data"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = _members(archive, name)
            target.mkdir(parents=True)
            left = MOST_UNPACKED
            for wanted, info in members.items():
                most = MOST_METADATA if wanted == WANTED[0] else left
                left -= _copy(archive, info, target / wanted, most, name)
    except DatasetError:
        raise
    except Exception as error:  # zlib's, struct's and zipfile's own have no common base
        raise DatasetError(f"{name}: is no whole zip ({str(error)[:120]})") from None
    return folder


def _members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise DatasetError(f"{name}: holds {len(infos):,} files: zip the folder of one data set")
    for info in infos:
        path = PurePosixPath(info.filename)
        odd = "\\" in info.filename or "\0" in info.filename or ":" in info.filename
        if path.is_absolute() or ".." in path.parts or odd:
            raise DatasetError(f"{name}: holds a name that leaves its folder: it is refused")
    found: dict[str, zipfile.ZipInfo] = {}
    for wanted in WANTED:
        there = [info for info in infos if PurePosixPath(info.filename).name == wanted]
        if len(there) != 1:
            raise DatasetError(f"{name}: holds {len(there)} {wanted}: zip one data set's folder")
        found[wanted] = there[0]
    return found


def _copy(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, most: int, name: str
) -> int:
    """Bytes written: they are counted as they come, whatever the archive says of them."""
    written = 0
    with archive.open(info) as source, target.open("wb") as sink:
        while piece := source.read(_PIECE):
            written += len(piece)
            if written > most:
                raise DatasetError(f"{name}: unpacks to more than {most // 2**20:,} MB: refused")
            sink.write(piece)
    return written
