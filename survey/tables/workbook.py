"""Tidy frames as a workbook whose bytes depend on nothing but the frames."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from survey.errors import EstimationError
from survey.replacing import make_folder, write_bytes
from survey.tidy import CONFIDENTIAL, UNRELIABLE
from survey.workbooks import CREATED, LONGEST, OPTIONS

if TYPE_CHECKING:
    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

SHARES = ("estimate", "std_error", "conf_low", "conf_high", "unweighted", "weighted", "target", "gap")
SUPPRESSED = ("estimate", "std_error", "conf_low", "conf_high")
MEASURES = {"share": "estimate", "lower bound": "conf_low", "upper bound": "conf_high", "higher than": "letters"}
SHEET_NAME = 31  # longest name of a sheet
ROWS = 1_048_576  # of a sheet
WIDEST = 60  # characters of a column
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # what the XML of a workbook cannot hold


def to_excel(tidy: pd.DataFrame, path: str | os.PathLike[str], *, sheet: str = "Table") -> Path:
    """Write one tidy frame to a workbook; see `write_excel`."""
    return write_excel({sheet: tidy}, path)


def write_excel(frames: Mapping[str, pd.DataFrame], path: str | os.PathLike[str]) -> Path:
    """Write tidy frames to a workbook: an index, and a sheet for each.

    Numbers keep their full precision; shares are displayed as percentages. A row whose `shown` is False
    has `[u]`, or `[c]`, in place of its estimate, standard error and interval. Equal frames give equal files.

    Parameters
    ----------
    frames : frames by the name of their sheet, which is shortened to what a workbook allows.
    path : file to write, ending in .xlsx.

    Returns
    -------
    Path of the file.

    Raises
    ------
    EstimationError : no frame is given, one has more rows than a sheet, or a path does not end in .xlsx.
    """
    with _workbook(path) as workbook:
        sizes = {text: len(frame) for text, frame in frames.items()}
        for text, name in _add_index(workbook, ["Sheet", "Contents", "Rows"], sizes).items():
            frame = frames[text].reset_index(drop=True)
            _check_room(len(frame))
            proportions = "shown" in frame.columns or "target" in frame.columns
            formats = ["0.0%" if proportions and c in SHARES else _format(frame[c]) for c in frame.columns]
            rows = [_excel_row(row) for row in frame.to_dict("records")]
            _fill(workbook, workbook.add_worksheet(name), list(map(str, frame.columns)), rows, formats)
    return Path(path)


def write_banner(frames: Mapping[str, pd.DataFrame], path: str | os.PathLike[str]) -> Path:
    """Write a banner to a workbook: an index, and a sheet for each question.

    A sheet has the groups across, under the names of their variables and with their letters, and answers down:
    share, bounds and letters of an answer in rows of their own, which the column "Measure" tells apart for a
    filter. Bases follow. Numbers keep their full precision; suppressed ones are `[u]` or `[c]`.

    Parameters
    ----------
    frames : for each question, by its title, the rows of `banner(...).tidy()`.
    path : file to write, ending in .xlsx.

    Returns
    -------
    Path of the file.

    Raises
    ------
    EstimationError : no frame is given, one has more rows than a sheet, or a path does not end in .xlsx.
    """
    with _workbook(path) as workbook:
        largest = {title: _plain(frame["column_base"].max()) for title, frame in frames.items()}
        for title, name in _add_index(workbook, ["Sheet", "Question", "Respondents (n)"], largest).items():
            _fill_banner(workbook, workbook.add_worksheet(name), title, frames[title])
    return Path(path)


@contextmanager
def _workbook(path: str | os.PathLike[str]) -> Iterator[Workbook]:
    """Workbook that is written when its sheets are filled, without the moment and the name of who made it."""
    from xlsxwriter import Workbook

    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise EstimationError(f"`path` must end in .xlsx; got {target.name!r}. Rename it.")
    buffer = io.BytesIO()
    workbook = Workbook(buffer, dict(OPTIONS))
    workbook.set_properties({"created": CREATED})
    yield workbook
    workbook.close()
    make_folder(target.parent, error=EstimationError)
    write_bytes(target, buffer.getvalue(), error=EstimationError)


def _add_index(workbook: Workbook, heads: list[str], facts: Mapping[str, object]) -> dict[str, str]:
    """Write an index of the sheets to come - name, text and a fact of each - and give their names by text."""
    if not facts:
        raise EstimationError("`frames` must hold at least one frame; it is empty. Pass {title: frame}.")
    index = workbook.add_worksheet("Index")
    names = _sheet_names(list(facts))
    _fill(workbook, index, heads, [[name, _plain(text), facts[text]] for text, name in names.items()])
    plain = workbook.add_format()
    for row, name in enumerate(names.values(), start=1):
        index.write_url(row, 0, f"internal:'{name}'!A1", plain, string=name)
    return names


def _fill_banner(workbook: Workbook, sheet: Worksheet, title: str, frame: pd.DataFrame) -> None:
    """Write one question: its title, three rows of heads, answers by measure, bases."""
    columns = frame[["banner", "column", "column_letter"]].drop_duplicates()
    places = {key: place for place, key in enumerate(zip(columns["banner"], columns["column"], strict=True), start=2)}
    letters = [f"({letter})" if letter else "" for letter in columns["column_letter"]]
    heads = [
        [title],
        ["", "", *columns["banner"]],
        ["", "", *columns["column"]],
        ["Answer", "Measure", *letters],
    ]
    top = workbook.add_format({"bold": True, "valign": "top"})
    wrapped = workbook.add_format({"bold": True, "valign": "top", "text_wrap": True})
    for number, values in enumerate(heads):
        for place, value in enumerate(values):
            _write(sheet, number, place, _plain(value), wrapped if number else top)

    body = _measures(frame, places)
    bold = workbook.add_format({"bold": True})
    share = workbook.add_format({"align": "right", "num_format": "0.0%"})
    base = workbook.add_format({"align": "right", "num_format": "#,##0"})
    nets = {str(level) for level in frame.loc[frame["kind"] == "net", "level"]}
    for number, ((label, measure), cells) in enumerate(body.items(), start=len(heads)):
        _write(sheet, number, 0, _plain(label), bold if label in nets else None)
        _write(sheet, number, 1, measure)
        for place, value in cells.items():
            _write(sheet, number, place, _plain(value), base if measure == "base" else share)

    answers = [label for label, measure in body if measure != "base"]
    sheet.set_column(0, 0, min(max([10, *(len(label) + 2 for label in answers)]), WIDEST))
    sheet.set_column(1, len(places) + 1, 13)
    sheet.freeze_panes(len(heads), 2)
    sheet.autofilter(len(heads) - 1, 0, len(heads) + len(body) - 1, len(places) + 1)


def _measures(frame: pd.DataFrame, places: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], dict[int, object]]:
    """Rows of a banner, by answer and measure, then the bases; values by the place of their column."""
    body: dict[tuple[str, str], dict[int, object]] = {}
    bases: dict[tuple[str, str], dict[int, object]] = {}
    lettered = bool((frame["letters"] != "").any())
    for row in frame.to_dict("records"):
        place = places[row["banner"], row["column"]]
        for measure, name in MEASURES.items():
            if name != "letters" or lettered:
                value = row[name] if row["shown"] or name == "letters" else _mark(row)
                body.setdefault((str(row["level"]), measure), {})[place] = value
        for label, name in (("Respondents (n)", "column_base"), ("Weighted n", "column_base_weighted")):
            bases.setdefault((label, "base"), {})[place] = CONFIDENTIAL if pd.isna(row[name]) else row[name]
    return body | bases


def _sheet_names(titles: Sequence[str]) -> dict[str, str]:
    """A valid name of its own for each sheet."""
    names: dict[str, str] = {}
    taken = {"index"}
    for title in titles:
        plain = re.sub(r"[\[\]:*?/\\']", " ", title).strip()[:SHEET_NAME] or "Table"
        name, place = plain, 2
        while name.lower() in taken:
            ending = f" {place}"
            name, place = plain[: SHEET_NAME - len(ending)] + ending, place + 1
        taken.add(name.lower())
        names[title] = name
    return names


def _format(column: pd.Series[Any]) -> str:
    """Number format of a column that holds no shares."""
    whole = pd.api.types.is_numeric_dtype(column) and bool((column.dropna() % 1 == 0).all())
    return "#,##0" if whole and not pd.api.types.is_bool_dtype(column) else "0.000"


def _excel_row(row: Mapping[Any, Any]) -> list[bool | float | str | None]:
    """Values of a row: empty where missing, the mark where suppressed."""
    hidden = "shown" in row and not row["shown"]
    return [_mark(row) if hidden and name in SUPPRESSED else _plain(value) for name, value in row.items()]


def _mark(row: Mapping[Any, Any]) -> str:
    """What stands in place of a number that is not shown."""
    return CONFIDENTIAL if row.get("flag") == CONFIDENTIAL else UNRELIABLE


def _plain(value: Any) -> bool | float | str | None:
    """A value that a workbook can hold."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, bool | int | float):
        return value
    return NO_TEXT.sub("", str(value))[:LONGEST]


def _check_room(rows: int) -> None:
    """Raise where a sheet cannot hold so many rows and a header."""
    if rows >= ROWS:
        raise EstimationError(
            f"`path` must have room for all rows: a sheet has {ROWS:,}, header included, and {rows + 1:,} are "
            "needed. Write the frame as csv."
        )


def _fill(
    workbook: Workbook,
    sheet: Worksheet,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    formats: Sequence[str] = (),
) -> None:
    """Write a header and rows, with the header frozen and columns as wide as their contents."""
    bold = workbook.add_format({"bold": True})
    styles = {text: workbook.add_format({"num_format": text}) for text in dict.fromkeys(formats)}
    for place, name in enumerate(head):
        _write(sheet, 0, place, _plain(name), bold)
        style = styles[formats[place]] if formats else None
        for number, row in enumerate(rows, start=1):
            value = row[place]
            _write(sheet, number, place, value, None if isinstance(value, str) else style)
        longest = max([len(name), *(len(row[place]) for row in rows if isinstance(row[place], str))])
        sheet.set_column(place, place, min(max(longest + 2, 10), WIDEST))
    sheet.freeze_panes(1, 0)


def _write(
    sheet: Worksheet, row: int, column: int, value: bool | float | str | None, style: Format | None = None
) -> None:
    """Write one cell by the type of its value; nothing where there is none."""
    if value is None or value == "":
        return
    if isinstance(value, str):
        sheet.write_string(row, column, value, style)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    else:
        sheet.write_number(row, column, value, style)
