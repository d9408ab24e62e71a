"""Traces that others have published: where they lie, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmagent_marl.errors import TraceError, unknown_name
from vmagent_marl.trace.trace import NEVER

_LONGEST = 80  # characters of a wrong first line that a message quotes


@dataclass(frozen=True)
class PublishedTrace:
    """A file that is fetched by whoever may use it; the package holds no row of it."""

    name: str
    about: str
    publisher: str
    page: str  # where it is published, with its terms
    url: str  # of the file itself
    licence: str
    licence_url: str
    file_name: str
    columns: tuple[str, ...]  # of its header
    requests: int  # VMs that are created, as its publisher tells
    deleted: int  # of them, those that are deleted

    @property
    def terms(self) -> str:
        """What a person should know before fetching it."""
        return (
            f"{self.name}: {self.about}\n"
            f"Published by {self.publisher}, {self.page}\n"
            f"Licence: {self.licence}, {self.licence_url}"
        )

    def check(self, path: Path) -> None:
        """Raise `TraceError` where a file holds other VMs than its publisher tells of."""
        from vmagent_marl.trace.forms.read import read_trace

        self.check_header(path)
        trace = read_trace(path)
        deleted = int((trace.departure != NEVER).sum())
        if (len(trace), deleted) != (self.requests, self.deleted):
            raise TraceError(
                f"what came is not {self.name}: it holds {len(trace):,} VMs, of which {deleted:,} "
                f"are deleted; published were {self.requests:,} and {self.deleted:,}; "
                "--accept-other takes it all the same"
            )

    def check_header(self, path: Path) -> None:
        """Raise `TraceError` where a file is no trace, such as a page that says no."""
        with path.open("rb") as file:
            first = file.readline(1000).decode("utf-8-sig", "replace").strip()
        if not set(self.columns) <= {name.strip().lower() for name in first.split(",")}:
            raise TraceError(
                f"what came is not {self.name}: it begins with {first[:_LONGEST]!r} and not with "
                f"{','.join(self.columns)!r}; give the address of the file itself"
            )


PUBLISHED = {
    trace.name: trace
    for trace in (
        PublishedTrace(
            name="huawei-east-1",
            about="one month of VM requests of a Huawei Cloud region, 15 VM types, event form",
            publisher="Huawei Cloud, VM-placement-dataset",
            page="https://github.com/huaweicloud/VM-placement-dataset",
            url="https://raw.githubusercontent.com/huaweicloud/VM-placement-dataset/main/"
            "Huawei-East-1/data/Huawei-East-1.csv",
            licence="CC-BY-NC 4.0 (to be named as the source; not for commercial purposes)",
            licence_url="https://creativecommons.org/licenses/by-nc/4.0/",
            file_name="Huawei-East-1.csv",
            columns=("vmid", "cpu", "memory", "time", "type"),
            requests=125_430,
            deleted=116_313,
        ),
    )
}


def published_trace(name: str) -> PublishedTrace:
    """By name; raises `UnknownNameError` with the nearest known one."""
    if name not in PUBLISHED:
        raise unknown_name("published trace", name, PUBLISHED)
    return PUBLISHED[name]
