"""The servers of an environment for whoever watches: `render_mode="human"`.

In a terminal each frame is drawn over the one before, in colour, as fast as the environment's
`render_fps` allows. Where the output is no terminal, each is printed below the one before.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING

from vmagent_marl.envs.frames import BLOCKS, EMPTY, LEVELS, OUT, palette

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

CELL = "on #f4f4ee"  # the ground of a server, so that its shades show on any terminal
LIGHTEST = 0.3  # of the shades, that is told from the ground
FAINT = "#8a8a8a"
HOME = "bold #d55e00"


class Screen:
    """Where frames of text are shown, one at a time."""

    def __init__(self, frames_per_second: float, console: Console | None = None) -> None:
        """`console`: standard output, if none is given."""
        from rich.console import Console

        self._console = Console(highlight=False) if console is None else console
        self._pause = 1.0 / frames_per_second
        self._live: Live | None = None
        self._shown = -self._pause  # s, of a clock that never goes back

    def show(self, frame: str) -> None:
        """Draw a frame in the place of the last one; only a terminal makes it wait its turn."""
        if not self._console.is_terminal:
            self._console.file.write(f"{frame}\n\n")
            self._console.file.flush()
            return
        if self._live is None:
            self._live = self._begin()
        left = self._shown + self._pause - time.monotonic()
        if left > 0.0:
            time.sleep(left)
        self._shown = time.monotonic()
        self._live.update(coloured(frame), refresh=True)

    def close(self) -> None:
        """Leave the last frame where it is, and the cursor below it."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _begin(self) -> Live:
        from rich.live import Live

        live = Live(console=self._console, auto_refresh=False, vertical_overflow="crop")
        live.start()
        weakref.finalize(self, live.stop)  # whoever forgets to close still finds the cursor
        return live


def coloured(frame: str) -> Text:
    """Text of `occupancy_text` with fuller nodes darker, the home orange and the rest faint."""
    from rich.text import Text

    text = Text(frame, no_wrap=True, overflow="crop")
    for i, block in enumerate(BLOCKS):
        share = LIGHTEST + (1.0 - LIGHTEST) * i / (len(BLOCKS) - 1)
        red, green, blue = palette()[round(share * (LEVELS - 1))].tolist()
        text.highlight_regex(block, f"rgb({red},{green},{blue}) {CELL}")
    text.highlight_regex(f"[{EMPTY}{OUT}]", f"{FAINT} {CELL}")
    text.highlight_regex(r"(?m)^> cluster_\d+|home cluster_\d+", HOME)
    return text
