"""`trace describe` and `trace convert` on every form, as people type them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import pytest
from trace_files import packing, vmtable

from vmagent_marl.cli.main import main
from vmagent_marl.trace import read_trace

LIFETIMES = "vmid,cpu,mem,at,lt\n" + "".join(
    f"{i},2,4,{i},{'' if i % 4 else 50}\n" for i in range(8)
)
EVENTS = "vmid,cpu,memory,time,type\n0,2,4,0,0\n1,2,4,5,0\n0,2,4,9,1\n"
VMTABLE = vmtable([(0, 300, 2, 4), (0, 2_591_400, ">24", ">64")])
VMS = [(0, 5, 0, 1, -1.0, None), (1, 6, 0, 0, 0.5, 1.0)]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command prints, spaces evened out."""
    main(["trace", *map(str, arguments)])
    return re.sub(r"\s+", " ", capsys.readouterr().out)


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(["trace", *map(str, arguments)])
    assert end.value.code == 1
    return capsys.readouterr().err


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "vms.csv").write_text(LIFETIMES)
    (tmp_path / "vms.events.csv").write_text(EVENTS)
    (tmp_path / "vmtable.csv").write_text(VMTABLE)
    packing(tmp_path / "zone.sqlite", VMS, [(0, 0, 0.5, 0.25)])
    return tmp_path


@pytest.mark.parametrize(
    ("name", "options", "requests", "never", "at_start"),
    [
        ("vms.csv", [], 8, "75.0 %", None),
        ("vms.events.csv", ["--format", "events"], 2, "50.0 %", None),
        ("vmtable.csv", [], 2, "50.0 %", "100.0 %"),
        ("vmtable.csv", ["--format", "azure-v2"], 2, "50.0 %", "100.0 %"),
        ("zone.sqlite", ["--machine", 64, 256], 2, "50.0 %", "50.0 %"),
    ],
)
def test_every_form_is_described_and_converted(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    name: str,
    options: list[object],
    requests: int,
    never: str,
    at_start: str | None,
) -> None:
    told = run(capsys, "describe", files / name, *options)
    assert f"requests {requests} " in told
    before = f"ran before the trace begins {at_start} " if at_start else ""
    assert f" never deleted {never} {before}come in bursts" in told
    assert "None" not in told
    assert "e-0" not in told
    for out in ("out.h5", "out.csv", "out.events.csv.gz"):
        said = run(capsys, "convert", files / name, files / out, *options)
        assert f"{requests} VMs" in said
        lost = {"vmtable.csv": "tenant", "zone.sqlite": "tenant, priority"}.get(name)
        assert (f"without {lost}: .h5 keeps them" in said) == (bool(lost) and out != "out.h5")
        assert f"requests {requests} " in run(capsys, "describe", files / out)


def test_load_against_a_cluster(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Eight VMs of 2 vCPU and 4 GB, one a second: on two nodes of 4 vCPU and 64 GB."""
    told = run(capsys, "describe", files / "vms.csv", "--servers", 1, "--node", 4, 64)
    assert "servers 1 of the time more than they hold 42.9 % cpu in use, mean" in told
    printed = told.split(" fingerprint ")[1].split(" Types")[0]
    assert printed.replace(" ", "") == read_trace(files / "vms.csv").fingerprint
    for words in ("cpu in use, mean 100.0 %", "memory in use, mean 12.5 %", "peak 200.0 %"):
        assert words in told
    page = files / "page.html"
    run(capsys, "describe", files / "vms.csv", "--servers", 1, "--node", 4, 64, "--plot", page)
    assert "<td>cpu in use, peak</td><td>200.0 %</td>" in page.read_text()
    assert "servers with nodes of" in fails(capsys, "describe", files / "vms.csv", "--servers", 0)


def test_what_is_wrong_and_skipping_it(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    path = files / "vms.csv"
    path.write_text(LIFETIMES + "8,x,4,8,5\n")
    assert f"{path}, line 10: cpu is 'x'; give a number" in fails(capsys, "describe", path)
    assert "line 10" in fails(capsys, "convert", path, files / "out.csv")
    assert not (files / "out.csv").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # as the command has it; the tests make errors of them
        main(["trace", "convert", str(path), str(files / "out.csv"), "--skip-bad"])
    said = capsys.readouterr()
    assert "8 VMs" in said.out
    assert f"warning: {path}: 1 row is left out:\n  line 10: cpu is 'x'; give a number" in said.err
    assert len(read_trace(files / "out.csv")) == 8


def test_before_anything_is_read(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """The new file's name is looked at first: reading may take long."""
    nowhere = files / "nowhere.csv"
    assert "no form is known" in fails(capsys, "convert", nowhere, files / "out.xls")
    assert "exists" in fails(capsys, "convert", nowhere, files / "vms.csv")
    assert "cannot be written" in fails(capsys, "convert", nowhere, files / "vms.csv" / "out.h5")
    assert "--machine 64 256" in fails(capsys, "describe", files / "zone.sqlite")


def test_the_start_hour_is_not_lost_unsaid(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    said = run(capsys, "convert", files / "vms.csv", files / "a.h5", "--start-hour", 8)
    assert said == f"{files / 'a.h5'}: 8 VMs "
    assert "hour of the day at second 0 8 " in run(capsys, "describe", files / "a.h5")
    said = run(capsys, "convert", files / "a.h5", files / "b.csv")
    assert "8 VMs, without start hour (--start-hour 8): .h5 keeps them" in said
    assert "second 0 0 " in run(capsys, "describe", files / "b.csv")
    assert "second 0 8 " in run(capsys, "describe", files / "b.csv", "--start-hour", 8)
    assert "give 0 to 23" in fails(capsys, "describe", files / "b.csv", "--start-hour", 24)
    said = run(capsys, "synthesize", files / "c.csv", "--days", 1)
    assert "without start hour (--start-hour 8)" in said


def test_traces_that_end_unlike_and_are_called_alike(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    other = files / "other" / "vms.csv"
    other.parent.mkdir()
    other.write_text("vmid,cpu,mem,at,lt\n0,1,1,0,5\n")
    plot = files / "both.html"
    told = run(capsys, "describe", files / "vms.csv", files / "vms.events.csv", "--plot", plot)
    assert "Trace vms.csv " in told
    assert "Trace vms.events.csv " in told
    note = "50.0 % of vms.events.csv are never deleted and 75.0 % of vms.csv: their loads are not"
    assert note in told
    assert note in plot.read_text()
    told = run(capsys, "describe", files / "vms.csv", files / "vms.csv")
    assert "not comparable" not in told
    main(["trace", "describe", str(files / "vms.csv"), str(other), "--plot", str(plot)])
    assert f"{other} (1 VM)" in plot.read_text()


def test_a_machine_is_for_packing_alone(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    machine = "--machine", 64, 256
    assert "--machine is for" in fails(capsys, "describe", files / "vms.csv", *machine)
    assert "--machine is for" in fails(capsys, "describe", "synthetic", *machine)
    told = run(capsys, "describe", files / "vms.csv", files / "zone.sqlite", *machine)
    assert "Trace zone" in told


def test_what_fails_leaves_no_folder(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    fails(capsys, "convert", files / "nowhere.csv", files / "new" / "deep" / "out.h5")
    fails(capsys, "describe", files / "nowhere.csv", "--plot", files / "new" / "out.png")
    address = "http://127.0.0.1:1/none.csv"  # where nobody listens
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vmagent_marl.trace.fetch._PAUSES", ())
        patch.setattr("time.sleep", lambda seconds: None)
        out = files / "new" / "out.csv"
        options = "--accept-licence", "--url", address, "--out", out
        fails(capsys, "fetch", "huawei-east-1", *options)
    assert not (files / "new").exists()


def test_the_synthetic_month_is_converted_too(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    run(capsys, "convert", "synthetic", files / "month.h5")
    assert len(read_trace(files / "month.h5")) > 100_000
