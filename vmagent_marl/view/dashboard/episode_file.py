"""An episode as one small file, `*.episode.npz`: what replays, and nothing that could be run.

Two arrays, read without pickle: `about`, JSON as UTF-8 bytes (uint8), and `actions` (T, K) int64.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vmagent_marl.errors import DatasetError
from vmagent_marl.sim import Episode, Metrics
from vmagent_marl.view.dashboard.limits import scenario_of
from vmagent_marl.view.recording import PlayedOn, Recording
from vmagent_marl.view.replay import most_steps

SUFFIX = ".episode.npz"
FORM = "vmagent_marl episode 1"
MEMBERS = {"about.npy": 1 << 20, "actions.npy": 1 << 28}  # and bytes each may have
_WHOLE = ("seed", "number", "start", "stop")


def episode_bytes(recording: Recording) -> bytes:
    """The file of a recording."""
    played = recording.played
    stop = recording.trace.requests if played.stop is None else played.stop
    about = {
        "form": FORM,
        "scenario": recording.scenario.as_dict(),
        "trace": asdict(recording.trace),
        "policy": recording.policy,
        "seed": played.seed,
        "number": played.number,
        "start": played.first,
        "stop": stop,
        "metrics": None if recording.metrics is None else recording.metrics.as_dict(),
    }
    text = json.dumps(about, allow_nan=False).encode()
    out = io.BytesIO()
    np.savez_compressed(
        out, about=np.frombuffer(text, np.uint8), actions=recording.actions.astype(np.int64)
    )
    return out.getvalue()


def file_name(recording: Recording) -> str:
    """What a recording's file is called, from letters that any system takes."""
    words = f"{recording.scenario.name}-{recording.policy}-{recording.played.first}"
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in words) + SUFFIX


def read_episode(
    file: str | Path | bytes, *, name: str = "", trace: str | None = None, strange: bool = True
) -> Recording:
    """The recording in a file, or in the bytes of one that is called `name`.

    `trace`, `strange`: see `limits.scenario_of`. Raises `DatasetError` for whatever it is not.
    """
    where = name or (Path(file).name if isinstance(file, (str, Path)) else "the file")
    stream: Any = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        with zipfile.ZipFile(stream) as archive:
            about, actions = _members(archive, where)
    except (zipfile.BadZipFile, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DatasetError(f"{where}: is no episode file ({_short(error)})") from None
    except OSError as error:
        raise DatasetError(f"{where}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # a broken deflate stream is a zlib.error, which has no better base
        raise DatasetError(f"{where}: is no episode file ({_short(error)})") from None
    return _recording(_told(about, where), actions, where, trace, strange)


def _members(archive: zipfile.ZipFile, where: str) -> tuple[bytes, NDArray[np.int64]]:
    """The bytes that tell, and the actions; sizes are looked at before anything is read."""
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    if set(sizes) != set(MEMBERS) or len(archive.infolist()) != len(MEMBERS):
        raise ValueError("it does not hold `about` and `actions` alone")
    for member, most in MEMBERS.items():
        if sizes[member] > most:
            raise ValueError(f"{member} would take {sizes[member]:,} bytes, {most:,} at most")
    with archive.open("about.npy") as stream:
        about = _array(stream, sizes["about.npy"], np.dtype(np.uint8), 1)
    with archive.open("actions.npy") as stream:
        actions = _array(stream, sizes["actions.npy"], np.dtype(np.int64), 2)
    return about.tobytes(), actions


def _array(stream: Any, size: int, dtype: np.dtype[Any], axes: int) -> NDArray[Any]:
    """An array whose header is believed only after it was looked at."""
    file: BinaryIO = stream
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError("an array is of an unknown form")
    shape, fortran, found = np.lib.format.read_array_header_1_0(file)
    if found != dtype or fortran or len(shape) != axes:
        raise ValueError(f"an array is {found} of {len(shape)} axes, not {dtype} of {axes}")
    count = int(np.prod([int(n) for n in shape], dtype=object))
    if not 0 <= count * dtype.itemsize <= size:
        raise ValueError("an array is shorter than it says")
    content = file.read(count * dtype.itemsize + 1)
    if len(content) != count * dtype.itemsize:
        raise ValueError("an array is not as long as it says")
    return np.frombuffer(content, dtype).reshape(shape)


def _told(about: bytes, where: str) -> dict[str, Any]:
    try:
        told = json.loads(about)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("form") != FORM:
        raise DatasetError(f"{where}: is no episode file of this version ({FORM!r})")
    return told


def _recording(
    told: dict[str, Any],
    actions: NDArray[np.int64],
    where: str,
    trace: str | None,
    strange: bool,
) -> Recording:
    scenario = scenario_of(told.get("scenario"), where=where, trace=trace, strange=strange)
    try:
        seed, number, start, stop = (_whole(told[name]) for name in _WHOLE)
        on = PlayedOn(**{key: type_(told["trace"][key]) for key, type_ in _TRACE.items()})
        policy = str(told["policy"])[:200]
        stored = told["metrics"]
        metrics = None
        if stored is not None:
            metrics = Metrics(**{**stored, "cluster_profit": tuple(stored["cluster_profit"])})
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(f"{where}: something is missing or wrong in it ({error!r})") from None
    most = 2 * (max(scenario.each("servers"), default=0)) + 1
    if scenario.expansion:
        most = 2 * scenario.expansion.most + 1
    if len(actions) > most_steps(scenario.clusters):
        raise DatasetError(f"{where}: {len(actions):,} steps are too many to watch")
    if actions.shape[1] != scenario.clusters:
        raise DatasetError(f"{where}: {actions.shape[1]} answers a step for {scenario.clusters}")
    if actions.size and (actions.min() < 0 or actions.max() >= most):
        raise DatasetError(f"{where}: an action is outside of Discrete({most})")
    return Recording(
        scenario=scenario,
        trace=on,
        played=Episode(first=start, stop=stop, number=number, seed=seed),
        policy=policy,
        actions=actions,
        metrics=metrics,
    )


_TRACE: dict[str, Any] = {"name": str, "fingerprint": str, "requests": int}


def _whole(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError(f"{value!r} is no whole number of 0 or more")
    return value


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:160]
