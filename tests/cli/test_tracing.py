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
        ("vms.csv", [], 8, "0.75", "0.125"),
        ("vms.events.csv", ["--format", "events"], 2, "0.5", "0.5"),
        ("vmtable.csv", [], 2, "0.5", "1"),
        ("vmtable.csv", ["--format", "azure-v2"], 2, "0.5", "1"),
        ("zone.sqlite", ["--machine", 64, 256], 2, "0.5", "0.5"),
    ],
)
def test_every_form_is_described_and_converted(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    name: str,
    options: list[object],
    requests: int,
    never: str,
    at_start: str,
) -> None:
    told = run(capsys, "describe", files / name, *options)
    assert f"requests {requests} " in told
    assert f"never deleted share {never} alive at start share {at_start} " in told
    for out in ("out.h5", "out.csv", "out.events.csv.gz"):
        said = run(capsys, "convert", files / name, files / out, *options)
        assert f"{requests} VMs" in said
        lost = {"vmtable.csv": "tenant", "zone.sqlite": "tenant, priority"}.get(name)
        assert (f"without {lost}: .h5 keeps them" in said) == (bool(lost) and out != "out.h5")
        assert f"requests {requests} " in run(capsys, "describe", files / out)


def test_load_against_a_cluster(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    """Eight VMs of 2 vCPU and 4 GB, one a second: on two nodes of 4 vCPU and 64 GB."""
    told = run(capsys, "describe", files / "vms.csv", "--servers", 1, "--node", 4, 64)
    assert "servers 1 mean load cpu: 1, memory: 0.125 peak load cpu: 2, memory: 0.25" in told
    assert "overload share 0.4286" in told
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


def test_the_synthetic_month_is_converted_too(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    run(capsys, "convert", "synthetic", files / "month.h5")
    assert len(read_trace(files / "month.h5")) > 100_000
