"""`trace synthesize`, `scale` and `fetch` as people type them, right and wrong."""

from __future__ import annotations

import hashlib
import http.server
import io
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from vmagent_marl.cli.main import main
from vmagent_marl.trace import NEVER, read_trace, synthetic_month, write_lifetimes
from vmagent_marl.trace.scaling import reweigh, stretch, superpose

EVENTS = "vmid,cpu,memory,time,type\n7,1,2,0,0\n8,2,4,5,0\n7,0,0,9,1\n"


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a wrong command answers."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("error:")]) == 1
    return lines[-1]


@pytest.fixture
def day(tmp_path: Path) -> Path:
    file = tmp_path / "day.csv"
    write_lifetimes(synthetic_month(days=1), file)
    return file


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[str]:
    """The address of a folder with the published file."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "month.csv").write_text(EVENTS)
    (folder / "page.csv").write_text("<html>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_synthesize_without_options_is_the_embedded_month(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "month.csv.gz"
    main(["trace", "synthesize", str(out)])
    assert capsys.readouterr().out == (
        f"{out}: {len(synthetic_month()):,} VMs, without start hour (--start-hour 8): "
        ".h5 keeps them\n"
    )
    assert read_trace(out).fingerprint == synthetic_month().fingerprint


def test_synthesize_takes_what_the_generator_takes(tmp_path: Path) -> None:
    out = tmp_path / "month.csv"
    main(
        f"trace synthesize {out} --seed 3 --rate 0.5 --days 2 --profile resampled --mix 4x8=2 "
        "64x128=0 --burstiness 2 --tail days".split()
    )
    drawn = synthetic_month(
        seed=3,
        rate=0.5,
        days=2,
        day_profile="resampled",
        mix={"4x8": 2, "64x128": 0},
        burstiness=2,
        tail="days",
    )
    assert read_trace(out).fingerprint == drawn.fingerprint


def test_scale_is_mix_then_thin_then_copies_then_stretch(day: Path, tmp_path: Path) -> None:
    out = tmp_path / "scaled.csv"
    main(
        f"trace scale {day} {out} --mix 1x2=0.5 --copies 3 --shift-days 1 --stretch 2.5 "
        "--stretch-lifetimes --seed 4".split()
    )
    kept = reweigh(read_trace(day), {"1x2": 0.5}, seed=4)
    wanted = stretch(superpose(kept, 3, shift_days=1), 2.5, lifetimes=True)
    assert read_trace(out).fingerprint == wanted.fingerprint
    main(f"trace scale {day} {tmp_path / 'thin.csv'} --thin 0.3".split())
    whole = read_trace(day)
    thinned = read_trace(tmp_path / "thin.csv")
    assert set(thinned.vm.tolist()) < set(whole.vm.tolist())
    assert len(thinned) == pytest.approx(0.3 * len(whole), rel=0.1)


def test_several_traces_are_described_beside_each_other(
    capsys: pytest.CaptureFixture[str], day: Path, tmp_path: Path
) -> None:
    page = tmp_path / "both.html"
    main(f"trace describe {day} synthetic --servers 90 --plot {page}".split())
    said = capsys.readouterr().out
    for words in (
        "Trace day",
        "Trace synthetic-month",
        "How like day it is",
        "type mix",
        str(page),
    ):
        assert words in said
    text = page.read_text(encoding="utf-8")
    assert "90 servers" in text
    assert "How like day they are" in text


@pytest.mark.parametrize("command", ["synthesize", "scale synthetic --thin 0.1"])
def test_new_traces_take_any_form_that_can_be_written(tmp_path: Path, command: str) -> None:
    for name in ("a.h5", "a.events.csv", "a.csv"):
        days = ["--days", "0.5"] if command == "synthesize" else []
        main(["trace", *command.split(), str(tmp_path / name), *days])
    read = [read_trace(tmp_path / name) for name in ("a.h5", "a.events.csv", "a.csv")]
    assert len({trace.fingerprint for trace in read}) == 1


def test_what_a_mix_keeps_does_not_decide_what_thinning_keeps(day: Path, tmp_path: Path) -> None:
    """Else a thinned half of a mixed half would be all of that half."""
    main(f"trace scale {day} {tmp_path / 'both.csv'} --mix 1x2=0.5 --thin 0.5".split())
    whole, both = read_trace(day), read_trace(tmp_path / "both.csv")
    small, small_left = (int(((t.cpu == 1000) & (t.memory == 2048)).sum()) for t in (whole, both))
    assert small_left == pytest.approx(small / 4, rel=0.2)


def test_fetch_shows_the_licence_and_takes_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shop: str
) -> None:
    out = tmp_path / "month.csv"
    sha256 = hashlib.sha256(EVENTS.encode()).hexdigest()
    command = f"trace fetch huawei-east-1 --url {shop}/month.csv --out {out}".split()
    options = ["--accept-licence", "--sha256", sha256, "--size", str(len(EVENTS))]
    said = fails(capsys, *command, *options)
    assert "2 VMs, of which 1 are deleted; published were 125,430 and 116,313" in said
    assert not out.exists()
    main([*command, *options, "--accept-other"])
    said = capsys.readouterr().out
    assert "CC-BY-NC 4.0" in said
    assert "https://github.com/huaweicloud/VM-placement-dataset" in said
    assert sha256 in said
    assert read_trace(out).departure.tolist() == [9, NEVER]
    assert "exists" in fails(capsys, *command, "--accept-licence")


@pytest.mark.parametrize(("answer", "taken"), [("y", True), ("Yes", True), ("", False)])
def test_fetch_asks_a_person(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    shop: str,
    answer: str,
    taken: bool,
) -> None:
    out = tmp_path / "month.csv"
    command = f"trace fetch huawei-east-1 --url {shop}/month.csv --out {out} --quiet".split()
    command.append("--accept-other")
    person = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(person, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", person)
    if taken:
        main(command)
    else:
        assert "was not accepted: nothing was fetched" in fails(capsys, *command)
    assert out.exists() == taken


def test_fetch_without_a_person_wants_the_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shop: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    said = fails(capsys, "trace", "fetch", "huawei-east-1", "--url", f"{shop}/month.csv")
    assert "--accept-licence" in said
    assert not (tmp_path / "Huawei-East-1.csv").exists()


def test_fetch_of_what_is_not_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, shop: str
) -> None:
    out = tmp_path / "month.csv"
    command = f"trace fetch huawei-east-1 --accept-licence --out {out} --url {shop}".split()
    command, address = command[:-1], command[-1]
    assert "404" in fails(capsys, *command, f"{address}/none.csv")
    assert "begins with '<html>'" in fails(capsys, *command, f"{address}/page.csv")
    assert "its sha256 is" in fails(capsys, *command, f"{address}/month.csv", "--sha256", "0" * 64)
    assert not list(tmp_path.glob("month.csv*"))


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("trace synthesize {out} --rate 0", "rate is 0.0; give a number above 0, at most"),
        ("trace synthesize {out} --burstiness -1", "burstiness is -1.0; give 0"),
        ("trace synthesize {out} --mix 4x8", "--mix 4x8: is no type and number: write 4x8=2"),
        ("trace synthesize {out} --mix 4x9=2", "unknown VM type '4x9': did you mean"),
        ("trace synthesize {out} --mix 4x8=many", "--mix 4x8=many: is no type and number"),
        ("trace synthesize {folder} --days 1", "exists: move it away"),
        ("trace scale {file} {out}", "nothing to change: give --mix, --thin"),
        ("trace scale {file} {out} --thin 0.5 --shift-days 2", "give --copies too"),
        ("trace scale {file} {out} --thin 0.5 --stretch-lifetimes", "give --stretch"),
        ("trace scale nowhere.csv {out} --thin 0.5", "nowhere.csv: no such file"),
        ("trace scale {file} {out} --thin 2", "--thin 2: give a number above 0, at most 1"),
        ("trace scale {file} {out} --thin 0", "--thin 0: give a number above 0"),
        ("trace scale {file} {out} --stretch 0", "--stretch 0: give a finite number above 0"),
        ("trace scale {file} {out} --copies 0", "--copies 0: give 1 or more"),
        ("trace synthesize {out} --rate 100000000", "at most 10,000"),
        ("trace scale {file} {folder}/a.parquet --thin 0.5", "a.parquet"),
        ("trace synthesize {folder}/a.parquet", "a.parquet"),
        ("trace scale {file} {file} --thin 0.5", "exists: move it away"),
        ("trace scale {file} {out} --mix 4x9=1", "unknown VM type '4x9'"),
        ("trace fetch huawei-east-2", "did you mean 'huawei-east-1'"),
    ],
)
def test_wrong_commands_say_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, day: Path, command: str, answer: str
) -> None:
    out = tmp_path / "out.csv"
    given = command.format(out=out, folder=tmp_path, file=day)
    assert answer in fails(capsys, *given.split())
    assert not out.exists()


@pytest.mark.parametrize("command", ["synthesize", "scale", "fetch", "describe", "convert"])
def test_help_explains(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["trace", command, "--help"])
    assert end.value.code == 0
    assert f"usage: vmagent-marl trace {command}" in capsys.readouterr().out
