"""Azure's packing trace of 2020, an SQLite file."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from trace_files import TYPE_TABLE, VM_TABLE, packing, rows_of

from vmagent_marl.errors import TraceError
from vmagent_marl.trace import NEVER, LeftOutWarning, read_trace

MACHINE = (64.0, 256.0)
VMS: list[tuple[Any, ...]] = [
    (10, 0, 8, 0, -138.925486, None),
    (11, 0, 8, 0, -2.5, 18.5),
    (13, 1, 9, 1, 1.5, 2.0),
    (12, 1, 9, 1, 0.25, 0.25),
]
TYPES: list[tuple[Any, ...]] = [(8, 0, 0.5, 0.25), (9, 0, 0.125, 0.0625), (9, 1, 1, 1)]
ROWS = [
    (10, 0, NEVER, 32_000, 65_536),
    (11, 0, 1_598_400, 32_000, 65_536),
    (12, 21_600, 21_600, 8000, 16_384),
    (13, 129_600, 172_800, 8000, 16_384),
]


def test_days_fractions_tenants_and_censoring(tmp_path: Path) -> None:
    trace = read_trace(packing(tmp_path / "zone a?#%.sqlite", VMS, TYPES), machine=MACHINE)
    assert rows_of(trace) == ROWS
    assert trace.tenant is not None
    assert trace.priority is not None
    assert (trace.tenant.tolist(), trace.priority.tolist()) == ([0, 0, 1, 1], [0, 0, 1, 1])
    assert (trace.name, trace.start_hour, trace.home) == ("zone a?#%", 0, None)


def test_the_machine_is_that_of_most_vms_or_the_named_one(tmp_path: Path) -> None:
    """Two VMs are of type 8 and two of type 9: machine 1 and 2 run one type each, 3 runs both."""
    types = [(8, 1, 0.5, 0.5), (9, 2, 0.5, 0.5), (8, 3, 0.25, 0.25), (9, 3, 1, 1)]
    path = packing(tmp_path / "zone.sqlite", VMS, types)
    assert read_trace(path, machine=MACHINE).cpu.tolist() == [16_000, 16_000, 64_000, 64_000]
    with pytest.warns(LeftOutWarning, match="2 of 4 VMs are of a type that machine 2 cannot run"):
        trace = read_trace(path, machine=MACHINE, machine_id=2)
    assert trace.vm.tolist() == [12, 13]
    with pytest.raises(TraceError, match="no machine 7 in table vmType; known are 1, 2, 3"):
        read_trace(path, machine=MACHINE, machine_id=7)


def test_of_several_machines_the_lowest(tmp_path: Path) -> None:
    types = [(k, m, 1 / m, 1 / m) for m in (4, 2) for k in (8, 9)]
    path = packing(tmp_path / "zone.sqlite", VMS, types)
    assert read_trace(path, machine=MACHINE).cpu.tolist() == [32_000] * 4


@pytest.mark.parametrize("machine", [None, (0, 1), (1, -1), (float("nan"), 1), (1, 1e9)])
def test_without_a_machine_the_command_that_needs_one_is_told(
    tmp_path: Path, machine: tuple[float, float] | None
) -> None:
    path = packing(tmp_path / "zone a.sqlite", VMS, TYPES)
    with pytest.raises(TraceError) as caught:
        read_trace(path, machine=machine)
    assert str(caught.value).startswith(f"{path}: sizes are fractions of a machine")
    assert f"trace convert '{path}' 'zone a'.h5 --machine 64 256" in str(caught.value)


@pytest.mark.parametrize(
    ("vm", "fault"),
    [
        ((14, 1, 9, 0, None, 1), "starttime is NULL; give a number"),
        ((14, 1, 9, 0, "soon", 1), "starttime is 'soon'; give a number"),
        ((14, 1, 9, 0, b"\xff", 1), "starttime is 'ÿ'; give a number"),
        ((14, 1, 9, 0, float("inf"), 1), "starttime is inf; give a finite number"),
        ((14, 1, 9, 0, 1e9, 1), "starttime is 1000000000.0; give days, at most a million"),
        ((14, 1, 9, 0, 2, 1), "endtime is 1.0; no VM ends before it starts"),
        ((14, 1, 9, 0, 1, "x"), "endtime is 'x'; give a number"),
        ((None, 1, 9, 0, 1, 1), "vmId is NULL; give a whole number of 64 bits"),
        ((1.5, 1, 9, 0, 1, 1), "vmId is 1.5; give a whole number of 64 bits"),
        ((14, "me", 9, 0, 1, 1), "tenantId is 'me'; give a whole number of 64 bits"),
        ((14, 1, 9, 2**40, 1, 1), "priority is 1099511627776; 0 is high and 1 is low"),
        ((11, 1, 9, 0, 1, 1), "vmId 11 again, after table vm, row 2; a VM has one row"),
        ((14, 1, 5, 0, 1, 1), "vmTypeId is 5; table vmType has no such type"),
    ],
)
def test_a_bad_vm_and_what_is_left_without_it(
    tmp_path: Path, vm: tuple[Any, ...], fault: str
) -> None:
    path = packing(tmp_path / "zone.sqlite", [*VMS, vm], TYPES)
    with pytest.raises(TraceError) as caught:
        read_trace(path, machine=MACHINE)
    assert str(caught.value) == f"{path}, table vm, row 5: {fault}"
    with pytest.warns(LeftOutWarning) as told:
        assert rows_of(read_trace(path, machine=MACHINE, skip_bad=True)) == ROWS
    assert told[0].message.first == (f"table vm, row 5: {fault}",)  # type: ignore[union-attr]


def test_vms_that_ended_before_are_counted(tmp_path: Path) -> None:
    path = packing(tmp_path / "zone.sqlite", [*VMS, (14, 1, 9, 0, -2, -1)], TYPES)
    with pytest.warns(LeftOutWarning, match="1 VM has ended before the trace begins: left out"):
        trace = read_trace(path, machine=MACHINE)
    assert rows_of(trace) == ROWS
    assert trace.alive_at_start.tolist() == [row[1] == 0 for row in ROWS]


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ((10, 0, 0, 1), "core is 0.0; a size is above 0"),
        ((10, 0, 1, -1), "memory is -1.0; a size is above 0"),
        ((10, 0, 1.5, 1), "core is 1.5; a VM takes at most 1, a whole machine"),
        ((10, 0, 1, None), "memory is NULL; give a number"),
        (("x", 0, 1, 1), "vmTypeId is 'x'; give a whole number"),
        ((9, 0, 1, 1), "vmTypeId 9 again, after table vmType, row 2; one row for machine 0"),
    ],
)
def test_a_bad_type_and_what_is_left_without_it(
    tmp_path: Path, kind: tuple[Any, ...], fault: str
) -> None:
    path = packing(tmp_path / "zone.sqlite", VMS, [*TYPES, kind])
    with pytest.raises(TraceError) as caught:
        read_trace(path, machine=MACHINE)
    assert str(caught.value).startswith(f"{path}, table vmType, row 4: {fault}")
    with pytest.warns(LeftOutWarning, match="1 row is left out"):
        assert rows_of(read_trace(path, machine=MACHINE, skip_bad=True)) == ROWS


BROKEN_VIEW = "CREATE VIEW vm AS SELECT abs(a) AS vmId, a AS tenantId FROM hidden"
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c"


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ("", "no table 'vmType' among none"),
        ("CREATE TABLE x (y)", "no table 'vmType' among x"),
        (TYPE_TABLE, "no row in table vmType|no table 'vm'"),
        (f"{TYPE_TABLE}; {VM_TABLE}", "no row in table vmType; fetch it again"),
        (f"{TYPE_TABLE}; {BROKEN_VIEW}", "no table 'vm' among"),
        (f"{TYPE_TABLE}; CREATE VIEW vm AS {ENDLESS}", "no table 'vm' among"),
        (f"CREATE VIEW vmType AS {ENDLESS}; {VM_TABLE}", "no table 'vmType' among"),
        (
            f"{TYPE_TABLE}; CREATE TABLE vm (vmId, tenantId, vmTypeId, priority, starttime)",
            "table vm has no column 'endtime' among vmId, tenantId",
        ),
        (
            "CREATE TABLE vmType (vmTypeId, machineId, core, "
            f"memory AS (length(hex(zeroblob(100000000))))); {VM_TABLE}",
            "table vmType has no column 'memory' among vmTypeId, machineId, core;",
        ),
    ],
)
def test_tables_that_are_not_there_or_run_something(
    tmp_path: Path, schema: str, fault: str
) -> None:
    path = tmp_path / "zone.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(schema + "; PRAGMA user_version = 1")
    with pytest.raises(TraceError, match=fault) as caught:
        read_trace(path, machine=MACHINE)
    assert str(caught.value).startswith(str(path))


def test_a_virtual_table_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "zone.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute(TYPE_TABLE)
        try:
            database.execute("CREATE VIRTUAL TABLE vm USING fts5(vmId, tenantId, vmTypeId)")
        except sqlite3.OperationalError as error:
            pytest.skip(f"this SQLite makes no virtual tables: {error}")
        database.commit()
    with pytest.raises(TraceError, match="no table 'vm' among"):
        read_trace(path, machine=MACHINE)


def test_locked_cut_and_false_databases(tmp_path: Path) -> None:
    path = packing(tmp_path / "zone.sqlite", VMS, TYPES)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TraceError, match="database is locked; close the program that writes"):
            read_trace(path, machine=MACHINE)
    data = path.read_bytes()
    for name, broken in {"cut": data[:5000], "head": data[:40], "false": data[:16] * 9}.items():
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(TraceError, match=r"broken SQLite file .*; fetch it again"):
            read_trace(tmp_path / name, machine=MACHINE)
    with pytest.raises(TraceError, match="this is an SQLite file, not events"):
        read_trace(path, format="events")
    (tmp_path / "vms.csv").write_text("vmid,cpu,mem,at,lt\n0,1,1,0,5\n")
    with pytest.raises(TraceError, match="this is not an SQLite file; let its content"):
        read_trace(tmp_path / "vms.csv", format="azure-packing", machine=MACHINE)


def test_nothing_is_written_into_the_database_or_beside_it(tmp_path: Path) -> None:
    path = packing(tmp_path / "zone.sqlite", VMS, TYPES)
    before = path.read_bytes()
    path.chmod(0o400)
    read_trace(path, machine=MACHINE)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["zone.sqlite"]


def test_a_trigger_may_be_called_like_its_table(tmp_path: Path) -> None:
    path = packing(tmp_path / "zone.sqlite", VMS, TYPES)
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TRIGGER vm AFTER INSERT ON vm BEGIN DELETE FROM vmType; END")
    assert rows_of(read_trace(path, machine=MACHINE)) == ROWS


@pytest.mark.parametrize(
    ("vms", "types", "fault"),
    [
        ([(1, 1, 8, 0, 5, 1)], TYPES, "no row of it can be used"),
        (VMS, [(8, 1, 2.0, 0.5)], "no row of table vmType can be used"),
    ],
)
def test_nothing_but_bad_rows(
    tmp_path: Path, vms: list[tuple[Any, ...]], types: list[tuple[Any, ...]], fault: str
) -> None:
    path = packing(tmp_path / "zone.sqlite", vms, types)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)
        with pytest.raises(TraceError, match=fault):
            read_trace(path, machine=MACHINE, skip_bad=True)
