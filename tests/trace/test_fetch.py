"""Fetching over HTTP, from a server of our own that does what servers do wrong."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from vmagent_marl.errors import TraceError, UnknownNameError
from vmagent_marl.trace.fetch import fetch
from vmagent_marl.trace.published import PUBLISHED, published_trace

BODY = b"vmid,cpu,memory,time,type\n" + b"".join(b"%d,1,1,%d,0\n" % (i, i) for i in range(20_000))
SHA = hashlib.sha256(BODY).hexdigest()


@dataclass
class Shop:
    """What the server hands out, and how it fails; `asked` are the Range headers it saw."""

    body: bytes = BODY
    tag: str | None = '"one"'  # ETag
    modified: str | None = None
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes after which each next answer ends
    statuses: list[int] = field(default_factory=list)  # of the next answers
    lengths: bool | str = True  # whether Content-Length is told, or what instead
    honest: bool = True  # whether If-Range is looked at
    repeats_tag: bool = True  # in answers with a part
    asked: list[str | None] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/Huawei-East-1.csv"


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:  # as http.server has it
            wanted = self.headers.get("Range")
            shop.asked.append(wanted)
            if shop.statuses and (status := shop.statuses.pop(0)) != 200:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted[6:-1]) if wanted and shop.ranges else 0
            named = self.headers.get("If-Range")
            if start and shop.honest and named not in (shop.tag, shop.modified):
                start = 0
            if start >= len(shop.body):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            part = shop.body[start:]
            self.send_response(206 if start else 200)
            if start:
                end = len(shop.body)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
            if shop.lengths:
                told = len(part) if shop.lengths is True else shop.lengths
                self.send_header("Content-Length", str(told))
            if shop.tag and (shop.repeats_tag or not start):
                self.send_header("ETag", shop.tag)
            if shop.modified:
                self.send_header("Last-Modified", shop.modified)
            self.end_headers()
            cut = shop.cuts.pop(0) if shop.cuts else len(part)
            self.wfile.write(part[:cut])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield shop
    server.shutdown()
    thread.join()
    server.server_close()


def get(shop: Shop, path: Path, *, attempts: int = 4, **options: Any) -> str:
    return fetch(shop.url, path, pauses=(0.0,) * (attempts - 1), **options)


def message_of(shop: Shop, path: Path, **options: Any) -> str:
    with pytest.raises(TraceError) as caught:
        get(shop, path, **options)
    assert "\n" not in str(caught.value)
    assert not path.exists()
    return str(caught.value)


def test_a_file_comes_whole_and_alone(shop: Shop, tmp_path: Path) -> None:
    path, told = tmp_path / "new" / "month.csv", []
    found = get(
        shop,
        path,
        sha256=SHA.upper(),
        size=len(BODY),
        progress=lambda done, total: told.append((done, total)),
    )
    assert found == SHA
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]
    assert (told[0], told[-1]) == ((0, len(BODY)), (len(BODY), len(BODY)))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_cut_connection_is_gone_on_with(shop: Shop, tmp_path: Path) -> None:
    shop.cuts = [100_000, 0, 70_000]
    assert get(shop, tmp_path / "month.csv") == SHA
    assert shop.asked == [None, "bytes=100000-", "bytes=100000-", "bytes=170000-"]


def test_a_later_call_goes_on(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "month.csv"
    shop.cuts = [100_000, 1000]
    said = message_of(shop, path, attempts=2)
    assert "cut after 101,000 of" in said
    assert f"101,000 bytes are kept in {path}.part: the same command goes on" in said
    assert get(shop, path) == SHA
    assert shop.asked[-1] == "bytes=101000-"
    assert list(tmp_path.iterdir()) == [path]


def test_a_server_that_sends_no_parts(shop: Shop, tmp_path: Path) -> None:
    shop.ranges, shop.cuts = False, [100_000]
    assert get(shop, tmp_path / "month.csv") == SHA
    assert (tmp_path / "month.csv").read_bytes() == BODY


@pytest.mark.parametrize("honest", [True, False])
def test_a_file_that_changes_between_attempts(shop: Shop, tmp_path: Path, honest: bool) -> None:
    """Also where the server sends a part of the new file although the old one was asked for."""
    path, shop.cuts, shop.honest = tmp_path / "month.csv", [100_000], honest
    message_of(shop, path, attempts=1)
    shop.body, shop.tag = BODY.replace(b",1,1,", b",2,1,"), '"two"'
    get(shop, path)
    assert path.read_bytes() == shop.body


def test_a_file_that_has_become_shorter(shop: Shop, tmp_path: Path) -> None:
    path, shop.cuts, shop.honest = tmp_path / "month.csv", [100_000], False
    message_of(shop, path, attempts=1)
    shop.body = BODY[:50_000]
    get(shop, path)
    assert path.read_bytes() == shop.body
    assert shop.asked == [None, "bytes=100000-", None]  # 416, then anew


@pytest.mark.parametrize(("tag", "modified"), [(None, None), ('W/"weak"', None)])
def test_a_part_of_nobody_knows_what_is_not_gone_on_with(
    shop: Shop, tmp_path: Path, tag: str | None, modified: str | None
) -> None:
    shop.tag, shop.modified, shop.cuts = tag, modified, [100_000]
    assert get(shop, tmp_path / "month.csv") == SHA
    assert shop.asked == [None, None]


@pytest.mark.parametrize("repeats", [True, False])
def test_a_date_serves_where_there_is_no_strong_tag(
    shop: Shop, tmp_path: Path, repeats: bool
) -> None:
    shop.tag, shop.modified = 'W/"weak"', "Mon, 01 Nov 2021 00:00:00 GMT"
    shop.repeats_tag, shop.cuts = repeats, [100_000]
    assert get(shop, tmp_path / "month.csv") == SHA
    assert shop.asked == [None, "bytes=100000-"]


def test_notes_of_something_else_begin_anew(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "month.csv"
    (tmp_path / "month.csv.part").write_bytes(b"something else")
    for notes in ("no json", "[]", '{"url": "http://elsewhere", "tag": "one"}', '{"a": 1}'):
        (tmp_path / "month.csv.part.json").write_text(notes)
        assert get(shop, path) == SHA
        path.unlink()
    assert shop.asked == [None] * 4


def test_an_unknown_length(shop: Shop, tmp_path: Path) -> None:
    shop.lengths, told = False, []
    get(shop, tmp_path / "month.csv", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (len(BODY), None)


def test_a_wrong_hash_or_size_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "month.csv"
    said = message_of(shop, path, sha256="0" * 64)
    assert f"its sha256 is {SHA} and not {'0' * 64}" in said
    assert f"{len(BODY):,} bytes came and 5 were wanted" in message_of(shop, path, size=5)
    assert not list(tmp_path.iterdir())


def test_a_page_that_says_no_is_no_trace(shop: Shop, tmp_path: Path) -> None:
    month = published_trace("huawei-east-1")
    shop.body = b"<!DOCTYPE html>\n<title>Sign in</title>"
    said = message_of(shop, tmp_path / "month.csv", check=month.check)
    assert "is not huawei-east-1: it begins with '<!DOCTYPE html>'" in said
    assert not list(tmp_path.iterdir())
    shop.body = b"\xef\xbb\xbfVMID, cpu,memory,time,type\n1,1,1,0,0\n"
    said = message_of(shop, tmp_path / "month.csv", check=month.check)
    assert "it holds 1 VMs, of which 0 are deleted; published were 125,430 and 116,313" in said
    assert not list(tmp_path.iterdir())
    get(shop, tmp_path / "month.csv", check=month.check_header)


def test_what_is_not_there_is_not_asked_for_again(shop: Shop, tmp_path: Path) -> None:
    shop.statuses = [404]
    assert ": 404 Not Found: has the file moved?" in message_of(shop, tmp_path / "month.csv")
    assert len(shop.asked) == 1
    assert not list(tmp_path.iterdir())


def test_a_busy_server_is_asked_again(shop: Shop, tmp_path: Path) -> None:
    shop.statuses = [503, 429]
    assert get(shop, tmp_path / "month.csv") == SHA
    shop.statuses = [503] * 9
    assert "503 Service Unavailable" in message_of(shop, tmp_path / "again.csv")


def test_a_full_disk_keeps_what_came(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real_open, room = tmp_path / "month.csv", Path.open, 100_000

    def small(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = real_open(self, mode, *args, **options)
        if self.suffix != ".part" or "b" not in mode or "r" in mode:
            return file
        write = file.write

        def full(data: bytes) -> int:
            if file.tell() + len(data) > room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(data)

        class Full:
            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            write = staticmethod(full)

        return Full()

    monkeypatch.setattr(Path, "open", small)
    said = message_of(shop, path)
    assert f"{path}: cannot be written (No space left on device); make room" in said
    assert len(shop.asked) == 1  # another attempt would not find more room
    monkeypatch.undo()
    assert get(shop, path) == SHA
    assert shop.asked[-1] == "bytes=65536-"


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"cannot be reached .*; try again later"):
        fetch("http://127.0.0.1:9/x.csv", tmp_path / "x.csv", pauses=())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["file:///etc/hostname", "ftp://x/y", "month.csv", "http://[1/", "http://x/a b"]
)
def test_addresses_that_are_none(url: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no address to fetch from"):
        fetch(url, tmp_path / "x.csv", pauses=())


def test_a_file_that_is_there_stays(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "month.csv"
    path.write_text("mine")
    with pytest.raises(TraceError, match=r"month\.csv exists: move it away"):
        get(shop, path)
    assert (path.read_text(), shop.asked) == ("mine", [])


def test_published_traces_tell_their_terms() -> None:
    for name, trace in PUBLISHED.items():
        assert trace.url.startswith("https://")
        for words in (name, trace.licence, trace.page, trace.licence_url):
            assert words in trace.terms
    with pytest.raises(UnknownNameError, match="did you mean 'huawei-east-1'"):
        published_trace("huawei-east-2")


def test_killed_before_the_part_of_another_file_is_gone(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is here of the old file must never pass for the beginning of the new one."""
    path, shop.cuts = tmp_path / "month.csv", [100_000]
    message_of(shop, path, attempts=1)
    shop.body, shop.tag, real_open = BODY.replace(b",1,1,", b",2,1,"), '"two"', Path.open

    def killed(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if self.suffix == ".part" and "r" not in mode:
            raise KeyboardInterrupt
        return real_open(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", killed)
    with pytest.raises(KeyboardInterrupt):
        get(shop, path)
    monkeypatch.undo()
    get(shop, path)
    assert path.read_bytes() == shop.body


def test_two_at_once_spoil_no_file(shop: Shop, tmp_path: Path) -> None:
    path = tmp_path / "month.csv"

    def other(done: int, total: int | None) -> None:
        if done == total:
            with path.with_name("month.csv.part").open("ab") as part:
                part.write(bytes(len(BODY)))

    assert "something else writes to it too" in message_of(shop, path, progress=other)


def test_a_length_that_is_none(shop: Shop, tmp_path: Path) -> None:
    shop.lengths = "many"
    assert get(shop, tmp_path / "month.csv") == SHA


def test_a_hash_that_is_none_costs_no_download(shop: Shop, tmp_path: Path) -> None:
    assert "'abc' is no sha256" in message_of(shop, tmp_path / "month.csv", sha256="abc")
    assert shop.asked == []
