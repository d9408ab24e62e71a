"""For the API pages: docstrings go through `prose` before they are taken for Markdown.

Fields of dataclasses are told of in the comments behind them; they become a table of the class.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import griffe

sys.path.insert(0, str(Path(__file__).parent))  # it is loaded by its path
from prose import comment, prose, table


class Prose(griffe.Extension):
    """Rewrites every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """As the module is read."""
        if obj.docstring is not None:
            obj.docstring.value = prose(obj.docstring.value)

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """When all of its members are known."""
        if cls.docstring is None or "dataclass" not in cls.labels:
            return
        lines = Path(str(cls.filepath)).read_text(encoding="utf-8").splitlines()
        rows: list[tuple[str, ...]] = [
            (f"`{name}`", f"`{field.annotation}`", comment(lines[field.endlineno - 1]))
            for name, field in cls.members.items()
            if isinstance(field, griffe.Attribute) and field.annotation and field.endlineno
            if "property" not in field.labels and not name.startswith("_")
        ]
        if any(told for _, _, told in rows):
            head = ("field", "type", "meaning")
            cls.docstring.value = f"{cls.docstring.value}\n\n{table(head, rows)}"
