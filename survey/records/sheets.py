"""Reading .xlsx workbooks: the first sheet, within bounds that a small file cannot exceed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import pandas as pd

from survey.errors import RecordsError
from survey.records.record_file import DAMAGE, Failure, RecordFile, check_columns, first_of_each, most_cells, unreadable

ROWS = 1_048_576
"""Rows of a sheet."""

LARGEST = 20_000_000
RATIO = 40
"""Bytes that a workbook may be unpacked to: 20 MB, or forty times its size; reading 20 MB takes some 15 seconds."""

PARTS = 10_000
"""Files in a workbook."""


def read_xlsx(path: Path) -> RecordFile:
    """Read the first sheet; its first row is the header."""
    _check_parts(path)
    failures: list[Failure] = []
    try:
        rows = _rows(path, failures)
    except RecordsError:
        raise
    except DAMAGE as error:
        raise unreadable(path, error) from error
    if not rows:
        raise RecordsError(f"`path` must hold records; the first sheet of {path.name} is empty. Put them there.")
    width = max(map(len, rows))
    if width * len(rows) > most_cells(path):
        raise RecordsError(
            f"`path` must hold a table; the first sheet of {path.name} reaches to row {len(rows):,} and column "
            f"{width:,}, perhaps by a stray cell. Delete what is far from the table, or save it as .csv."
        )
    check_columns(width, path)
    names = [str(name) for name in [*rows[0], *[""] * (width - len(rows[0]))]]
    sheet = pd.DataFrame([row + [""] * (width - len(row)) for row in rows[1:]], columns=range(width), dtype=object)
    frame, repeated = first_of_each(sheet, names)
    named = [(row, names[int(str(column))], value, rule) for row, column, value, rule in failures]
    return RecordFile(frame, failures=(*repeated, *named))


def _check_parts(path: Path) -> None:
    """Refuse what is no workbook, and one that is unpacked to far more than its size."""
    try:
        with ZipFile(path) as parts:
            sizes = [part.file_size for part in parts.infolist()]
    except BadZipFile as error:
        raise RecordsError(
            f"`path` must be what its ending says; {path.name} is not an Excel workbook (perhaps renamed). Open it in "
            "the program that made it, and save it as .xlsx."
        ) from error
    except DAMAGE as error:
        raise unreadable(path, error) from error
    if sum(sizes) > max(LARGEST, RATIO * path.stat().st_size) or len(sizes) > PARTS:
        raise RecordsError(
            f"`path` must be a workbook of ordinary size; {path.name} unpacks to {sum(sizes):,} bytes in "
            f"{len(sizes):,} parts. Save its first sheet as .csv."
        )


def _rows(path: Path, failures: list[Failure]) -> list[list[Any]]:
    """Cells of the first sheet without blank ones at the end; errors are noted by the number of their column."""
    from openpyxl import load_workbook

    with path.open("rb") as stream:
        workbook = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        sheet = workbook[workbook.sheetnames[0]]
        if hasattr(sheet, "reset_dimensions"):
            sheet.reset_dimensions()  # programs write wrong ones
        return _within_bounds(sheet.rows, path, failures)


def _within_bounds(cells_of: Iterable[Any], path: Path, failures: list[Failure]) -> list[list[Any]]:
    """Values of rows, until there are more than a sheet has, or more cells than the size of the file allows."""
    rows: list[list[Any]] = []
    filled = 0
    left = most_cells(path)
    for place, cells in enumerate(cells_of):
        left -= len(cells)
        if place >= ROWS or left < 0:
            raise RecordsError(
                f"`path` must hold a table; the first sheet of {path.name} has more rows and columns than its size "
                "allows. Is it damaged? Save it as .csv."
            )
        row = [_value(cell) for cell in cells]
        failures += [
            (place, str(at), cell.value, "is an error of the sheet, not an answer; mend the formula, or clear the cell")
            for at, cell in enumerate(cells)
            if cell.data_type == "e" and place
        ]
        while row and row[-1] == "":
            row.pop()
        rows.append(row)
        filled = place + 1 if row else filled
    return rows[:filled]


def _value(cell: Any) -> Any:
    """Value of a cell: blanks as "", whole numbers as integers."""
    value = cell.value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return "" if value is None else value
