"""Fetching a file over HTTP: resumed where it was cut, checked, and there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

from vmagent_marl.errors import TraceError

Progress = Callable[[int, int | None], None]
"""Told of the bytes that are here, and of all of them where the server says so."""

_BLOCK = 1 << 16  # bytes
_TIMEOUT = 30.0  # s without a byte
_PAUSES = (0.5, 2.0, 5.0)  # s before the second attempt and those after it
_PASSING = (408, 429, 500, 502, 503, 504)  # statuses that may be others in a moment


def fetch(
    url: str,
    path: str | Path,
    *,
    sha256: str | None = None,
    size: int | None = None,
    check: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
    pauses: tuple[float, ...] = _PAUSES,
) -> str:
    """Fetch `url` into `path`, and return the file's sha256 (hex).

    What has come waits beside it as `path`.part. An attempt that is cut is followed by another, and
    a later call goes on too, where the server sends parts (Range) of what is still the same file
    (If-Range); else it begins anew. The file gets its name after its `size` (bytes), its `sha256`
    and what `check` looks at were right; what was wrong is removed.

    Raises `TraceError`, in one line.
    """
    path = Path(path)
    if not url.lower().startswith(("http://", "https://")):
        raise TraceError(f"{url}: no address to fetch from; give one that begins with https://")
    if os.path.lexists(path):
        raise TraceError(f"{path} exists: move it away or name another file")
    if sha256 is not None and not re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", sha256):
        raise TraceError(f"{sha256!r} is no sha256: give its 64 hexadecimal digits")
    download = _Download(url, path, progress or (lambda done, total: None))
    try:
        for pause in (*pauses, None):
            try:
                download.attempt()
                break
            except _Passing as error:
                if pause is None:
                    raise TraceError(f"{url}: {error}; {download.what_next}") from None
                time.sleep(pause)
        found = _checked(download, sha256, size, check)
        download.part.replace(path)
        download.forget(part=False)
    except OSError as error:
        raise TraceError(
            f"{path}: cannot be written ({error.strerror or error}); make room or name another "
            "file: the same command goes on from what is here"
        ) from None
    return found


class _Passing(Exception):
    """What another attempt may mend."""


@dataclass(frozen=True)
class _Version:
    """Which file a part belongs to."""

    url: str
    tag: str  # a strong ETag, else Last-Modified; without one a part cannot be gone on with


class _Download:
    """The part that is here, and the notes on which version of the file it is from."""

    def __init__(self, url: str, path: Path, progress: Progress) -> None:
        self.url, self.progress = url, progress
        self.part = path.with_name(path.name + ".part")
        self.notes = path.with_name(path.name + ".part.json")

    def here(self) -> int:
        """Bytes that have come."""
        return self.part.stat().st_size if self.part.is_file() else 0

    @property
    def what_next(self) -> str:
        """For a person whose download failed."""
        if not self.here():
            return "try again later, or give another address by --url"
        return f"{self.here():,} bytes are kept in {self.part}: the same command goes on from there"

    def forget(self, *, part: bool = True) -> None:
        """Begin anew next time."""
        self.notes.unlink(missing_ok=True)
        if part:
            self.part.unlink(missing_ok=True)

    def attempt(self) -> None:
        """The rest of the file, or all of it; raises `_Passing` where it was cut."""
        version = self._version()
        start = self.here() if version else 0
        headers = {"User-Agent": "vmagent-marl", "Accept-Encoding": "identity"}
        if version and start:
            headers |= {"Range": f"bytes={start}-", "If-Range": version.tag}
        try:
            request = urllib.request.Request(self.url, headers=headers)
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error)
        except urllib.error.URLError as error:
            raise _Passing(f"cannot be reached ({error.reason})") from None
        except (ValueError, http.client.InvalidURL) as error:
            raise TraceError(f"{self.url!r}: no address to fetch from ({error})") from None
        except (OSError, http.client.HTTPException) as error:
            raise _Passing(f"the connection was cut ({error or type(error).__name__})") from None
        else:
            with response:
                self._take(response, version, start)

    def _version(self) -> _Version | None:
        try:
            version = _Version(**json.loads(self.notes.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):  # none yet, or not ours
            return None
        return version if version.url == self.url and version.tag else None

    def _refused(self, error: urllib.error.HTTPError) -> NoReturn:
        said = f"{error.code} {error.reason}"
        if error.code == 416:  # what is here is not the beginning of what is there
            self.forget()
            raise _Passing(said)
        if error.code in _PASSING:
            raise _Passing(said)
        raise TraceError(f"{self.url}: {said}: has the file moved? give its address by --url")

    def _take(
        self, response: http.client.HTTPResponse, version: _Version | None, start: int
    ) -> None:
        now = _Version(self.url, _tag(response))
        # With If-Range a part need not repeat the tag that it was asked for.
        same = version is not None and now.tag in ("", version.tag)
        goes_on = response.status == 206 and _starts_at(response, start) and same
        if response.status == 206 and not goes_on:
            self.forget()  # a part of something else
            raise _Passing("the file has changed since its first part came")
        if not goes_on:
            start = 0
            self.part.parent.mkdir(parents=True, exist_ok=True)
            self.forget()  # first, lest what is here of another file be taken for this one's
            self.notes.write_text(json.dumps(asdict(now)), encoding="utf-8")
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        done = start
        self.progress(done, total)
        with self.part.open("ab" if goes_on else "wb") as file:
            while block := _read(response):
                file.write(block)
                done += len(block)
                self.progress(done, total)
        if total is not None and done < total:
            raise _Passing(f"the connection was cut after {done:,} of {total:,} bytes")
        if self.here() != done:
            raise TraceError(
                f"{self.part}: something else writes to it too; end that, remove it and begin anew"
            )


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(f"the connection was cut ({error or type(error).__name__})") from None


def _tag(response: http.client.HTTPResponse) -> str:
    """What If-Range takes (RFC 9110, 13.1.5): weak tags do not say that bytes are the same."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag


def _starts_at(response: http.client.HTTPResponse, start: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _checked(
    download: _Download, sha256: str | None, size: int | None, check: Callable[[Path], None] | None
) -> str:
    """The part's sha256; where it is not what was wanted it is removed and `TraceError` raised."""
    with download.part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.ExitStack() as wrong:
        wrong.callback(download.forget)
        if size is not None and download.here() != size:
            raise TraceError(
                f"{download.url}: {download.here():,} bytes came and {size:,} were wanted: "
                "it is another file, or --size is wrong"
            )
        if sha256 is not None and found != sha256.strip().lower():
            raise TraceError(
                f"{download.url}: its sha256 is {found} and not {sha256}: "
                "it is another file, or --sha256 is wrong"
            )
        if check is not None:
            check(download.part)
        wrong.pop_all()
    return found
