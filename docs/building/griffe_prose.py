"""For the API pages: docstrings go through `prose` before they are taken for Markdown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))  # it is loaded by its path
from prose import prose


class Prose(griffe.Extension):
    """Rewrites every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """As the module is read."""
        if obj.docstring is not None:
            obj.docstring.value = prose(obj.docstring.value)
