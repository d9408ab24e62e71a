"""One look for every figure: legible in print, and for eyes that see fewer colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmagent_marl.errors import SettingError
from vmagent_marl.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008, in an order in which neighbours also differ in lightness.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#000000")
INK, FAINT, OUT = "#222222", "#8a8a8a", "#d9d9d9"
SHARES = "YlGnBu"  # of a used share: rising darkness, told apart by any eye and in grey print

# By suffix, what matplotlib would write into a file that makes the same figure another file.
_UNDATED = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
FORMATS = tuple(_UNDATED)

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "svg.hashsalt": "vmagent-marl",  # the same figure is the same file
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # text stays text
    "hatch.linewidth": 0.4,
}


def check_format(path: str | Path) -> str:
    """The suffix of a picture's name; raises `SettingError` for one that cannot be drawn."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise SettingError(f"{path}: no picture format: end the name in {', '.join(FORMATS)}")
    return suffix


@contextmanager
def drawing(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches, written to `path` as its suffix says when all went well.

    Nothing global is touched: no pyplot, no display. Raises `SettingError` for another suffix.
    """
    target = Path(path)
    suffix = check_format(target)
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(_STYLE):
        figure = Figure(figsize=(width, height))
        yield figure
        with replacing(target) as unfinished:
            figure.savefig(unfinished, format=suffix[1:], dpi=160, metadata=_UNDATED[suffix])


def short_number(value: float, _: float) -> str:
    """Ticks such as 250k and 1.5M, as matplotlib's formatters are called."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{letter}"
    return f"{value:g}"
