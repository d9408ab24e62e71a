"""Reading a trace file of any known form, which its content tells or the caller names."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal, TextIO, get_args

from vmagent_marl.errors import TraceError, nearest
from vmagent_marl.trace.forms import azure_vmtable
from vmagent_marl.trace.forms.bad_rows import BadRows
from vmagent_marl.trace.forms.events import EVENT_FORM, from_events
from vmagent_marl.trace.forms.hdf5 import SEAL, from_hdf5
from vmagent_marl.trace.forms.lifetimes import LIFETIME_FORM, from_lifetimes
from vmagent_marl.trace.forms.rows import Form, Rows
from vmagent_marl.trace.forms.text import GZIP, cells_of, first_line, is_number, opened_text
from vmagent_marl.trace.trace import Trace

Format = Literal["lifetimes", "events", "azure-v1", "azure-v2", "azure-packing", "hdf5"]

_FORMS = {"lifetimes": LIFETIME_FORM, "events": EVENT_FORM}
_READERS = {"lifetimes": from_lifetimes, "events": from_events}
_LARGEST = 1_000_000  # vCPU or GB of a machine
_MAGIC = {b"SQLite format 3\0": "azure-packing", SEAL: "hdf5"}  # a file's first bytes
_KINDS = {"azure-packing": "an SQLite file", "hdf5": "a trace in HDF5"}  # in words

# Months whose hour of the day at second 0 is known, by fingerprint. Huawei-East-1 in lifetime
# form starts at about 08:00 local time, seen from its daily rhythm.
_START_HOURS = {"0fbf925ac383ceee7773026883a7068834a2e6ba480dba36247bbb6ecde9ac84": 8}


def read_trace(
    path: str | Path,
    *,
    start_hour: int | None = None,
    format: Format | None = None,
    machine: tuple[float, float] | None = None,
    machine_id: int | None = None,
    skip_bad: bool = False,
) -> Trace:
    """Read a trace of any form; its content tells which one, gzipped text or not.

    lifetimes: CSV `vmid,cpu,mem,at,lt`. events: CSV `vmid,cpu,memory,time,type`. azure-v1,
    azure-v2: a headerless `vmtable.csv`. azure-packing: the SQLite file of 2020. hdf5: our own.
    Units and censoring of each stand in the module that reads it. Columns with a header may have
    any order and others may stand among them; files larger than memory are read in parts.

    Times become whole seconds, fractions rounded down (a departure's after arrival and lifetime
    are added); sizes milli-vCPU and MiB (1 GB = 1024 MiB), fractions rounded up.

    - `start_hour`: hour of the day (local) at second 0. Without it what the file says (HDF5), 8
      for the Huawei-East-1 month, 0 for any other.
    - `format`: the form, where the content does not tell it or tells it wrong.
    - `machine`, `machine_id`: azure-packing alone, and `machine` it needs: vCPU and GB of the
      machine whose fractions the sizes are, and which of the file's machines that is.
    - `skip_bad`: leave bad rows out, with a `LeftOutWarning` that counts them and lists ten.

    Raises `TraceError` with the file, the line or row, the column, the value and what to do.
    """
    path = Path(path)
    if format is not None and format not in get_args(Format):
        raise TraceError(f"unknown format {format!r}: {nearest(format, get_args(Format))}")
    packed = path.suffix.lower() == ".gz"
    name = Path(path.stem if packed else path.name).stem.removesuffix(".events")
    hour = start_hour or 0
    with _opened(path) as file:
        head = file.peek(4096)  # type: ignore[attr-defined]
        found = next((form for magic, form in _MAGIC.items() if head.startswith(magic)), None)
        _require_kind(path, head, format, found)
        if found and not path.is_file():
            raise TraceError(f"{path}: {_KINDS[found]} is not read from a pipe; save it as a file")
        if found == "azure-packing":
            if machine is None or not all(0 < size <= _LARGEST for size in machine):
                raise TraceError(_machine_wanted(path))
            # Here, since not every Python was built with SQLite.
            from vmagent_marl.trace.forms.azure_packing import from_packing

            return from_packing(path, name, hour, skip_bad, machine, machine_id)
        if found == "hdf5":
            return from_hdf5(path, file, name, start_hour, BadRows(path, "row", skip_bad))
        try:
            with opened_text(path, file, head.startswith(GZIP)) as text:
                trace = _from_text(path, text, name, hour, format, BadRows(path, skip=skip_bad))
        except OSError as error:
            raise TraceError(f"{path}: cannot be read ({error.strerror}); try again") from None
    if start_hour is None and trace.fingerprint in _START_HOURS:
        return replace(trace, start_hour=_START_HOURS[trace.fingerprint])
    return trace


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file; give the path of a trace") from None
    except IsADirectoryError:
        raise TraceError(f"{path}: this is a directory; give the path of a trace") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TraceError(f"{path}: cannot be read ({reason}); give the path of a trace") from None


def _require_kind(path: Path, head: bytes, named: str | None, found: str | None) -> None:
    """Refuse a file that is not of the form that was named, and one that is packed."""
    if head.startswith(b"PK\3\4"):
        raise TraceError(f"{path}: this is a zip archive; unpack it and give the file in it")
    if found and named not in (None, found):
        raise TraceError(f"{path}: this is {_KINDS[found]}, not {named}; let its content tell")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        raise TraceError(
            f"{path}: an HDF5 file that `vmagent-marl trace convert` did not write; give the trace "
            "in CSV, or write it with `vmagent_marl.trace.write_trace`"
        )
    if not found and named in _KINDS:
        raise TraceError(f"{path}: this is not {_KINDS[named]}; let its content tell the form")
    if not found and b"\0" in head and not head.startswith(GZIP):
        raise TraceError(f"{path}: this is a binary file; give a trace in CSV, SQLite or HDF5")


def _machine_wanted(path: Path) -> str:
    return (
        f"{path}: sizes are fractions of a machine; give its vCPU and GB, each up to {_LARGEST:,}, "
        "once and for all: vmagent-marl trace convert "
        f"{shlex.quote(str(path))} {shlex.quote(path.stem)}.h5 --machine 64 256"
    )


def _from_text(
    path: Path,
    text: TextIO,
    name: str,
    hour: int,
    named: Format | None,
    bad_rows: BadRows,
) -> Trace:
    """The trace of an open text file."""
    line, first = first_line(path, text)
    try:
        cells = cells_of(first)
    except ValueError as error:
        raise TraceError(f"{path}, line {line}: {error}") from None
    before = first
    if azure_vmtable.is_header(cells):
        number, before = first_line(path, text)
        line, cells = line + number, before.split(",")
    v1_or_v2 = named in ("azure-v1", "azure-v2")
    if v1_or_v2 or (named is None and azure_vmtable.is_vmtable(cells)):
        columns = azure_vmtable.COLUMNS
        rows = Rows(path, text, line + 1, columns, azure_vmtable.WANTED, False, before)
        buckets = named != "azure-v1"
        return azure_vmtable.from_vmtable(rows, name, hour, bad_rows, buckets=buckets)
    separator = next((mark for mark in ";\t" if len(cells) == 1 and mark in first), None)
    if separator:
        raise TraceError(
            f"{path}, line {line}: the columns are separated by {separator!r}: separate them by ','"
        )
    header = [cell.strip().lower() for cell in cells]
    kind = _kind(f"{path}, line {line}", header, named)
    rows = Rows(path, text, line + 1, header, _FORMS[kind].columns)
    return _READERS[kind](rows, name, hour, bad_rows)


def _kind(place: str, header: list[str], named: str | None) -> str:
    """The form whose columns the header has, or an error about what is missing."""
    forms = {named: _FORMS[named]} if named else _FORMS
    for kind, form in forms.items():
        if set(form.columns) <= set(header):
            for name in form.columns:
                if header.count(name) > 1:
                    raise TraceError(f"{place}: two columns {name!r}; rename one")
            return kind
    raise TraceError(f"{place}: {_missing(header, list(forms.values()))}")


def _missing(header: list[str], forms: list[Form]) -> str:
    """What the header lacks of the form that it is nearest to."""
    likely = max(forms, key=lambda form: len(set(form.columns) & set(header)))
    missing = [name for name in likely.columns if name not in header]
    # Both forms share an id and a cpu column: a third one tells which is meant.
    if len(missing) >= len(likely.columns) - 2:
        known = " and ".join(map(str, forms))
        azure = ", or name Azure's format" if len(header) == len(azure_vmtable.COLUMNS) else ""
        shown = ",".join(header)[:200]
        if any(header) and all(map(is_number, filter(None, header))):
            return (
                f"no header, but a row of numbers ({shown!r}); put the names of the columns above "
                f"it, as in the {known}{azure}"
            )
        return f"unknown header {shown!r}; name the columns as in the {known}{azure}"
    spare = [name for name in header if name not in likely.columns]
    close = difflib.get_close_matches(missing[0], spare, n=1)
    what_next = f"rename {close[0]!r} to {missing[0]!r}" if close else "add it"
    return (
        f"no column {missing[0]!r} among {','.join(header)[:200]!r}: {what_next}; "
        f"the {likely} is the nearest"
    )
