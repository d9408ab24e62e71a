"""Reading a trace file: which form it is in, and everything that can be wrong before its rows."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vmagent_marl.errors import TraceError, nearest
from vmagent_marl.trace.event_form import EVENT_FORM, from_events
from vmagent_marl.trace.lifetime_form import LIFETIME_FORM, from_lifetimes
from vmagent_marl.trace.table import Form, Table, line_of, read_rows
from vmagent_marl.trace.trace import Trace

_FORMS: dict[Form, Callable[[Table, str, int], Trace]] = {
    LIFETIME_FORM: from_lifetimes,
    EVENT_FORM: from_events,
}

# Months whose hour of the day at second 0 is known, by fingerprint. Huawei-East-1 in lifetime
# form starts at about 08:00 local time, seen from its daily rhythm.
_START_HOURS = {"0fbf925ac383ceee7773026883a7068834a2e6ba480dba36247bbb6ecde9ac84": 8}


def read_trace(path: str | Path, *, start_hour: int | None = None) -> Trace:
    """Read a trace in lifetime form or event form, whichever its header says; gzipped ones too.

    Columns may have any order and others may stand among them. Times are whole seconds, fractions
    rounded down (a departure's after arrival and lifetime are added); sizes are milli-vCPU and
    MiB (1 GB = 1024 MiB), fractions rounded up. `start_hour` is the hour of the day (local) at
    second 0, which no form tells: without it 8 for the Huawei-East-1 month, 0 for any other.

    Raises `TraceError` with the file, the line and what to do about it.
    """
    path = Path(path)
    text = _text(path)
    header, body = read_rows(path, text)
    form = _form(f"{path}, line {line_of(text, -1)}", header)
    table = Table.of(path, text, header, body, form)
    trace = _FORMS[form](table, Path(path.name.removesuffix(".gz")).stem, start_hour or 0)
    if start_hour is None and trace.fingerprint in _START_HOURS:
        return replace(trace, start_hour=_START_HOURS[trace.fingerprint])
    return trace


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file; give the path of a trace in CSV") from None
    except IsADirectoryError:
        raise TraceError(f"{path}: this is a directory; give the path of a trace in CSV") from None
    except OSError as error:
        raise TraceError(
            f"{path}: cannot be read ({error.strerror}); give the path of a trace in CSV"
        ) from None
    if data.startswith(b"\x1f\x8b"):  # gzip, whatever the name says
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise TraceError(
                f"{path}: broken gzip file ({error}); fetch or compress it again"
            ) from None
    if b"\0" in data:
        raise TraceError(f"{path}: this is a binary file; give a trace in CSV, gzipped or not")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}, line {line}: not UTF-8 text; give a trace in CSV") from None


def _form(place: str, header: list[str]) -> Form:
    """The form whose columns the header has, or an error about what is missing."""
    for form in _FORMS:
        if set(form.columns) <= set(header):
            for name in form.columns:
                if header.count(name) > 1:
                    raise TraceError(f"{place}: two columns {name!r}; rename one")
            return form
    likely = max(_FORMS, key=lambda form: len(set(form.columns) & set(header)))
    missing = [name for name in likely.columns if name not in header]
    # Both forms share an id and a cpu column: a third one tells which is meant.
    if len(missing) >= len(likely.columns) - 2:
        known = " and ".join(map(str, _FORMS))
        raise TraceError(
            f"{place}: unknown header {','.join(header)[:200]!r}; name the columns as in the "
            f"{known}"
        )
    spare = [name for name in header if name not in likely.columns] or header
    raise TraceError(
        f"{place}: no column {missing[0]!r} among {','.join(header)[:200]!r}: "
        f"{nearest(missing[0], spare)}; the {likely} is the nearest"
    )
