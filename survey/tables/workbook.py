"""Tidy frames as a workbook whose bytes depend on nothing but the frames."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from survey.errors import EstimationError
from survey.tidy import CONFIDENTIAL, UNRELIABLE

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

CREATED = datetime(2000, 1, 1)  # the same in every workbook, so that equal contents are equal files
SHARES = ("estimate", "std_error", "conf_low", "conf_high", "unweighted", "weighted", "target", "gap")
SUPPRESSED = ("estimate", "std_error", "conf_low", "conf_high")
MEASURES = {"share": "estimate", "lower bound": "conf_low", "upper bound": "conf_high", "higher than": "letters"}
SHEET_NAME = 31  # longest name of a sheet
WIDEST = 60  # characters


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
    EstimationError : no frame is given, or a path that does not end in .xlsx.
    """
    workbook, names = _with_index(["Sheet", "Contents", "Rows"], {text: len(frame) for text, frame in frames.items()})
    for text, name in names.items():
        frame = frames[text].reset_index(drop=True)
        proportions = "shown" in frame.columns or "target" in frame.columns
        formats = {c: "0.0%" if proportions and c in SHARES else _format(frame[c]) for c in frame.columns}
        rows = [_excel_row(row) for row in frame.to_dict("records")]
        _fill(workbook.create_sheet(name), list(map(str, frame.columns)), rows, list(formats.values()))
    return _save(workbook, path)


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
    EstimationError : no frame is given, or a path that does not end in .xlsx.
    """
    largest = {title: _plain(frame["column_base"].max()) for title, frame in frames.items()}
    workbook, names = _with_index(["Sheet", "Question", "Respondents (n)"], largest)
    for title, name in names.items():
        _fill_banner(workbook.create_sheet(name), title, frames[title])
    return _save(workbook, path)


def _with_index(heads: list[str], facts: Mapping[str, object]) -> tuple[Workbook, dict[str, str]]:
    """Workbook with an index of the sheets to come: name, text and a fact of each; and the names by text."""
    from openpyxl import Workbook

    if not facts:
        raise EstimationError("`frames` must hold at least one frame; it is empty. Pass {title: frame}.")
    workbook = Workbook()
    index = workbook.worksheets[0]
    index.title = "Index"
    names = _sheet_names(list(facts))
    _fill(index, heads, [[name, text, facts[text]] for text, name in names.items()])
    for row, name in enumerate(names.values(), start=2):
        index.cell(row, 1).hyperlink = f"#'{name}'!A1"
    return workbook, names


def _fill_banner(sheet: Worksheet, title: str, frame: pd.DataFrame) -> None:
    """Write one question: its title, three rows of heads, answers by measure, bases."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    columns = frame[["banner", "column", "column_letter"]].drop_duplicates()
    places = {key: place for place, key in enumerate(zip(columns["banner"], columns["column"], strict=True), start=3)}
    head = [[title], ["", "", *columns["banner"]], ["", "", *columns["column"]], ["Answer", "Measure"]]
    head[-1] += [f"({letter})" if letter else "" for letter in columns["column_letter"]]
    body: dict[tuple[str, str], dict[int, object]] = {}
    bases: dict[tuple[str, str], dict[int, object]] = {}
    marked = bool((frame["letters"] != "").any())
    for row in frame.to_dict("records"):
        place = places[row["banner"], row["column"]]
        for measure, name in MEASURES.items():
            if name != "letters" or marked:
                value = row[name] if row["shown"] or name == "letters" else _mark(row)
                body.setdefault((str(row["level"]), measure), {})[place] = value
        for label, name in (("Respondents (n)", "column_base"), ("Weighted n", "column_base_weighted")):
            bases.setdefault((label, "base"), {})[place] = CONFIDENTIAL if pd.isna(row[name]) else row[name]
    for number, values in enumerate(head, start=1):
        for place, value in enumerate(values, start=1):
            cell = sheet.cell(number, place)
            cell.value = value or None
            cell.data_type = "s" if value else "n"
            cell.font = Font(bold=True)
            cell.alignment = Alignment(wrap_text=number > 1, vertical="top")
    nets = {str(level) for level in frame.loc[frame["kind"] == "net", "level"]}
    for number, ((label, measure), cells) in enumerate([*body.items(), *bases.items()], start=len(head) + 1):
        for place, value in {1: label, 2: measure, **cells}.items():
            cell = sheet.cell(number, place)
            cell.value = _plain(value)  # type: ignore[assignment]
            if isinstance(value, str):
                cell.data_type = "s"
            else:
                cell.number_format = "#,##0" if measure == "base" else "0.0%"
            if label in nets and place == 1:
                cell.font = Font(bold=True)
            if place > 2:
                cell.alignment = Alignment(horizontal="right")
    sheet.column_dimensions["A"].width = min(max([10, *(len(label) + 2 for label, _ in body)]), WIDEST)
    for place in range(2, len(places) + 3):
        sheet.column_dimensions[get_column_letter(place)].width = 13
    sheet.freeze_panes = "C5"
    sheet.auto_filter.ref = f"A4:{get_column_letter(len(places) + 2)}{len(head) + len(body) + len(bases)}"


def _save(workbook: Workbook, path: str | os.PathLike[str]) -> Path:
    """Write a workbook without the moment and the name of who made it."""
    workbook.properties.creator = ""
    workbook.properties.created = CREATED
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise EstimationError(f"`path` must end in .xlsx; got {target.name!r}. Rename it.")
    buffer = io.BytesIO()
    workbook.save(buffer)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(_without_times(buffer.getvalue()))
    return target


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


def _excel_row(row: Mapping[Any, Any]) -> list[object]:
    """Values of a row: empty where missing, the mark where suppressed."""
    hidden = "shown" in row and not row["shown"]
    return [_mark(row) if hidden and name in SUPPRESSED else _plain(value) for name, value in row.items()]


def _mark(row: Mapping[Any, Any]) -> str:
    """What stands in place of a number that is not shown."""
    return CONFIDENTIAL if row.get("flag") == CONFIDENTIAL else UNRELIABLE


def _plain(value: Any) -> object:
    """A value that a workbook can hold."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return str(value)
    if isinstance(value, bool | int | float):
        return value
    return ILLEGAL_CHARACTERS_RE.sub("", str(value))


def _fill(sheet: Worksheet, head: Sequence[str], rows: Sequence[Sequence[object]], formats: Sequence[str] = ()) -> None:
    """Write a header and rows, with the header frozen and columns as wide as their contents."""
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    for number, values in enumerate([head, *rows], start=1):
        for place, value in enumerate(values, start=1):
            cell = sheet.cell(number, place)
            cell.value = value  # type: ignore[assignment]
            if isinstance(value, str):
                cell.data_type = "s"  # a label that begins with "=" is no formula
            elif formats and isinstance(value, int | float) and not isinstance(value, bool):
                cell.number_format = formats[place - 1]
            if number == 1:
                cell.font = Font(bold=True)
    for place, name in enumerate(head, start=1):
        longest = max([len(name), *(len(str(row[place - 1])) for row in rows if isinstance(row[place - 1], str))])
        sheet.column_dimensions[get_column_letter(place)].width = min(max(longest + 2, 10), WIDEST)
    sheet.freeze_panes = "A2"


def _without_times(content: bytes) -> bytes:
    """The same workbook without the moment at which it was written."""
    out = io.BytesIO()
    stamp = CREATED.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            part = source.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, part)
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()
