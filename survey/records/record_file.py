"""The cells of a file, before a codebook gives them a meaning."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from survey.errors import RecordsError, clipped

Failure = tuple[object, str, object, str]
"""Row (respondents counted from 1; None for the whole file), column, value and the rule that it breaks."""


DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError),
    *(SyntaxError, TypeError, ValueError, BadZipFile, struct.error, zlib.error),
)
"""Errors by which readers of binary formats show that a file is damaged: they check little of what they read."""

MOST_CELLS = 20_000_000
"""Cells that a file of any size may stand for."""

MOST_COLUMNS = 20_000
"""Columns that a file may have: each costs time, whatever it holds."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordFile:
    """The cells of a file, before a codebook gives them a meaning.

    frame : cells as they are stored, one row per respondent, columns of unique names.
    value_labels : column -> code -> label, where the file carries labels.
    failures : what is wrong with the file itself.
    title : what the file says of itself, or empty.
    column_labels, measures : column -> its label, and "nominal", "ordinal" or "scale" where SPSS knows.
    missing : column -> code that stands for no answer -> its label, or how it is stored; letters in Stata.
    """

    frame: pd.DataFrame
    value_labels: Mapping[str, Mapping[int | str, str]] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    title: str = ""
    column_labels: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Mapping[int | str, str]] = field(default_factory=dict)


def unreadable(path: Path, error: Exception) -> RecordsError:
    """Say that a file is not what its ending promises."""
    why = clipped(" ".join(str(error).split()), 300).rstrip(".")
    kind = path.suffix.lower()
    return RecordsError(f"`path` must be a sound {kind} file; {path.name} could not be read: {why}. Export it again.")


def first_of_each(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, list[Failure]]:
    """Keep the first of several columns with one name, and report the others."""
    frame.columns = pd.RangeIndex(len(names))
    counts = Counter(names)
    failures: list[Failure] = [
        (None, name, count, f"the column occurs {count} times; names of columns must differ")
        for name, count in counts.items()
        if count > 1
    ]
    places = {name: at for at, name in reversed(list(enumerate(names)))}
    first = frame[[places[name] for name in counts]]
    first.columns = pd.Index(list(counts), dtype=object)
    return first, failures


def check_columns(count: int, path: Path) -> None:
    """Refuse a file with more columns than any survey."""
    if count > MOST_COLUMNS:
        raise RecordsError(
            f"`path` must have at most {MOST_COLUMNS:,} columns; {path.name} has {count:,}. Export fewer of them."
        )


def most_cells(path: Path) -> int:
    """Cells that a file may stand for: its size bounds them, and a small one may have many blanks."""
    return max(MOST_CELLS, 20 * path.stat().st_size)
