"""Ctrl-C reaches every process of a terminal; here it is for the first of them alone to answer."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.resource_tracker import ensure_running


@contextmanager
def kept_from_others() -> Iterator[None]:
    """Processes and threads begun in this block never see a Ctrl-C; this one sees it afterwards."""
    ensure_running()  # loky and others would begin it on the way, which lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
