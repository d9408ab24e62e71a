"""Docstrings as Markdown: lists, columns, examples and commands become what they look like.

Docstrings are written to be read in an editor. Markdown would join their lines.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

COLUMNS = re.compile(r"^(\S+(?: \S+)*) {2,}(\S.*)$")
SCRIPTS = re.compile(r"^(python|vmagent-marl|pip|make) ")


def prose(text: str) -> str:
    """Markdown of a docstring, whose indentation is gone already."""
    return "\n\n".join(_paragraph(part) for part in re.split(r"\n[ \t]*\n", text.strip("\n")))


def docstring(file: Path, name: str | None = None) -> str:
    """Of a file, or of a function or class in it; nothing is imported."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    if name is None:
        return ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
            return ast.get_docstring(node) or ""
    raise LookupError(f"{file}: no {name!r}: the page that shows it is to be mended")


def arguments(file: Path) -> list[tuple[str, str, str, str]]:
    """Name, type, default and text of each field of a program's `Args`, or first dataclass."""
    source = file.read_text(encoding="utf-8")
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    data = [c for c in classes if any("dataclass" in ast.unparse(d) for d in c.decorator_list)]
    data.sort(key=lambda c: c.name != "Args")
    if not data:
        return []
    body, lines = data[0].body, source.splitlines()
    found = []
    for field, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = comment(lines[(field.end_lineno or field.lineno) - 1])
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = " ".join(str(after.value.value).split())
            default = ast.unparse(field.value) if field.value else "needed"
            found.append((field.target.id, ast.unparse(field.annotation), default, text))
    return found


def comment(line: str) -> str:
    """What is said behind a line of code."""
    found = re.search(r"\s#\s(?!type:|noqa)(.*)$", line)
    return found[1].partition("  #")[0].strip() if found else ""


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Its bars are no borders; those in code are told by Markdown itself."""
    parts = str(text).replace("\n", " ").split("`")
    return "`".join(part if i % 2 else part.replace("|", "\\|") for i, part in enumerate(parts))


def _paragraph(part: str) -> str:
    lines = part.split("\n")
    if lines[0].startswith(">>> "):
        return "\n".join(["```python", *lines, "```"])
    if all(line.startswith("    ") for line in lines):
        language = "sh" if SCRIPTS.match(lines[0].strip()) else "text"
        return "\n".join([f"```{language}", *(line[4:] for line in lines), "```"])
    if SCRIPTS.match(lines[0]) and all(SCRIPTS.match(line) or line[:1] == " " for line in lines):
        return "\n".join(["```sh", *lines, "```"])
    if COLUMNS.match(lines[0]) and any(COLUMNS.match(line) for line in lines[1:]):
        return _columns(lines)
    told = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith(("- ", "* ")) and before and not before.startswith(("- ", "* ", "  ")):
            told.append("")  # what Markdown wants before a list
        told.append(line)
    return "\n".join(told)


def _columns(lines: list[str]) -> str:
    """Names and what is said of each, which goes on in lines that are indented."""
    rows: list[tuple[str, ...]] = []
    for line in lines:
        found = COLUMNS.match(line)
        if found:
            rows.append((found[1], found[2]))
        elif rows and line.startswith(" "):
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}")
        else:
            rows.append((line.strip(), ""))
    return table(("", ""), rows)
