"""Code in documents: Python blocks run in order, and what they print stands in the text block after each.

`python -m tests.documents docs/tutorial.md` writes these text blocks anew, from a run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
READ_BY_DOCUMENTS = ("data", "tests/reference/nhanes.csv")
PYTHON = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A Python block.

    Attributes
    ----------
    code : its lines.
    line : number of its first line in the document.
    printed : the text block that follows; empty if none does.
    """

    code: str
    line: int
    printed: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the blocks of a document printed, one by one, and the names they left."""

    printed: tuple[str, ...]
    names: dict[str, Any]


def python_blocks(document: str) -> list[Block]:
    """The Python blocks of a document in Markdown."""
    return [
        Block(match["code"], document.count("\n", 0, match.start()) + 2, match["printed"] or "")
        for match in PYTHON.finditer(document)
    ]


def blocks_in(document: str, language: str) -> list[str]:
    """The code of all blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, flags=re.DOTALL | re.MULTILINE)


def working_copy(folder: Path) -> Path:
    """Copy what documents read into a folder, so that what they write does not land among the sources."""
    for name in READ_BY_DOCUMENTS:
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy(source, copy)
    return folder


def run(blocks: Sequence[Block], folder: Path, name: str) -> Run:
    """Run blocks in order, in one namespace, with a folder as the working directory.

    Parameters
    ----------
    name : of the document, which tracebacks then point into.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for block in blocks:
        code = compile("\n" * (block.line - 1) + block.code, name, "exec")
        with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as output:
            exec(code, names)
        printed.append("".join(f"{line.rstrip()}\n" for line in output.getvalue().splitlines()))
    return Run(tuple(printed), names)


def rewritten(document: str, printed: Sequence[str]) -> str:
    """The document with what each Python block printed in the text block after it."""
    texts = iter(printed)

    def block(match: re.Match[str]) -> str:
        text = next(texts)
        return f"```python\n{match['code']}```\n" + (f"\n```text\n{text}```\n" if text else "")

    return PYTHON.sub(block, document)


def main(paths: Sequence[str]) -> None:
    """Rewrite the text blocks of documents."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    for path in map(Path, paths):
        document = path.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            found = run(python_blocks(document), working_copy(Path(folder)), path.name)
        path.write_text(rewritten(document, found.printed), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
