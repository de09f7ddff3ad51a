"""Reading .csv and .tsv files as they stand: a fast reader for regular ones, field by field for the rest."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from survey.errors import RecordsError
from survey.records.record_file import Failure, RecordFile, check_columns, first_of_each

TEXT_FILES = (".csv", ".tsv")

BOM = "\ufeff".encode()

ROWS_AT_ONCE = 5_000
"""Rows of text that are turned into columns at a time: the lists of all of them would take too much memory."""


def read_csv(path: Path) -> RecordFile:
    """Read text as it stands; a row with too few or too many fields, or that takes in others, is a failure."""
    content = path.read_bytes()
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    _check_text(content, path, delimiter=delimiter)
    names = _csv_header(content, path, delimiter=delimiter)
    if _is_regular(content, delimiter=delimiter, width=len(names)):
        frame, failures = first_of_each(_regular_cells(content, delimiter=delimiter), names)
        return RecordFile(frame, failures=(*failures, *_taken_in(content, delimiter=delimiter, width=len(names))))
    rows = _csv_rows(content, delimiter=delimiter)
    next(rows)
    misfits: dict[int, int] = {}
    try:
        blocks = list(_csv_blocks(rows, len(names), misfits))
    except csv.Error as error:
        raise _too_long(path, _last_line(content, delimiter=delimiter)) from error
    texts = _csv_texts(content, delimiter=delimiter, rows=misfits)
    unread: list[Failure] = [
        (row, "", texts[row], f"the row has {fields} fields, the header {len(names)}")
        for row, fields in misfits.items()
    ]
    swallowed = [f for f in _taken_in(content, delimiter=delimiter, width=len(names)) if f[0] not in misfits]
    frame, failures = first_of_each(pd.concat(blocks, ignore_index=True), names)
    return RecordFile(frame, failures=(*failures, *unread, *swallowed))


def line_numbers(path: Path) -> list[int]:
    """Line of a file on which each respondent begins: blank lines and line breaks within answers count."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    return [line for line, _, _ in _csv_records(path.read_bytes(), delimiter=delimiter)][1:]


def _csv_records(content: bytes, *, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """Line on which each row begins, its fields and its text; the first row is the header."""
    lines: list[str] = []

    def remembered() -> Iterator[str]:
        for line in _lines(content):
            lines.append(line)
            yield line

    reader = csv.reader(remembered(), delimiter=delimiter)
    first = 1
    for fields in reader:
        if fields:
            yield first, fields, "".join(lines).rstrip("\r\n")
        lines.clear()
        first = reader.line_num + 1


def _last_line(content: bytes, *, delimiter: str) -> int:
    """Line on which the last row begins that can be read to its end, or the row at which reading stops."""
    last = 1
    count = 1
    try:
        for line, _, text in _csv_records(content, delimiter=delimiter):
            last = line
            count = line + len(text.splitlines())
    except csv.Error:
        return count
    return last


def _taken_in(content: bytes, *, delimiter: str, width: int) -> list[Failure]:
    """Report rows that take in others, by a quotation mark that is closed far below.

    Answers of several lines are sound. What gives a row away that was taken in: it splits into as many fields as the
    header, and its first one has the form of the first field of the row.
    """
    if b'"' not in content or width < 3:
        return []
    failures: list[Failure] = []
    for row, (line, fields, text) in enumerate(_csv_records(content, delimiter=delimiter)):
        parts = text.split("\n")[1:]
        alike = [part.split(delimiter) for part in parts]
        taken = [at for at, cells in enumerate(alike) if len(cells) == width and _form(cells[0]) == _form(fields[0])]
        if row and taken and _form(fields[0]):
            first, last = line + 1 + taken[0], line + 1 + taken[-1]
            where = f"line {first}" if first == last else f"lines {first} to {last}"
            rule = f"a quotation mark takes {where} into this row, which looks like another; close it, or save as .xlsx"
            failures.append((row, "", text, rule))
    return failures


def _form(cell: str) -> str:
    """Form of a cell: its letters and digits without which ones they are, "a9" for "B17"."""
    return re.sub("9+", "9", re.sub("[a-zA-Z]+", "a", re.sub("[0-9]", "9", cell.strip('"\r'))))


def _not_utf8(path: Path) -> RecordsError:
    """Say that text is in another encoding."""
    return RecordsError(
        f"`path` must be UTF-8 text; {path.name} is not UTF-8 text. Save it as 'CSV UTF-8', or as .xlsx."
    )


def _open_quote(path: Path, line: int) -> RecordsError:
    """Say that a quotation mark is not closed."""
    return RecordsError(
        f"`path` must close every quotation mark; one in {path.name} stays open, in the row that begins in line {line} "
        "or before it. Find it, or save as .xlsx."
    )


def _too_long(path: Path, line: int) -> RecordsError:
    """Say that a field is longer than the reader of irregular files takes, its only reason to stop."""
    return RecordsError(
        f"`path` must have fields of at most {csv.field_size_limit():,} characters; one in {path.name} is longer "
        f"(perhaps a quotation mark stays open in the row that begins in line {line}). Find it, or save as .xlsx."
    )


def _csv_rows(content: bytes, *, delimiter: str) -> Iterator[list[str]]:
    """Fields of each line; a blank line is no row."""
    return filter(None, csv.reader(_lines(content), delimiter=delimiter))


def _csv_header(content: bytes, path: Path, *, delimiter: str) -> list[str]:
    """Names of the columns."""
    try:
        names = next(_csv_rows(content, delimiter=delimiter), [])
    except csv.Error as error:
        raise _too_long(path, 1) from error
    if len(names) == 1 and ";" in names[0]:
        raise RecordsError(
            f"`path` must be separated by commas; {path.name} is separated by semicolons. "
            "Save it with commas, or as .xlsx."
        )
    if not names:
        raise RecordsError(f"`path` must hold records; {path.name} has only blank lines. Export it again.")
    check_columns(len(names), path)
    return names


def _is_regular(content: bytes, *, delimiter: str, width: int) -> bool:
    """Whether every line has as many fields as the header, none too long, and quotation marks around whole fields.

    Readers agree on such a file, so that a fast one may read it; one that is not is read field by field.
    """
    if content.count(b"\r") != content.count(b"\r\n"):
        return False
    content = content.removeprefix(BOM)
    text = np.frombuffer(content if content.endswith(b"\n") else content + b"\n", dtype=np.uint8)
    border = (text == ord(delimiter)) | (text == ord("\n"))
    if b'"' in content:
        marks = text == ord('"')
        quoted = np.bitwise_xor.accumulate(marks.view(np.uint8)).view(bool)
        opening = np.flatnonzero(marks & quoted)
        closing = np.flatnonzero(marks & ~quoted)
        # A mark that closes and opens again at once is a quotation mark in the field, written twice.
        before = opening[opening > 0] - 1
        if not (border | marks)[before].all() or not (border | marks | (text == ord("\r")))[closing + 1].all():
            return False
        border &= ~quoted
    borders = np.flatnonzero(border)
    last_of_line = np.flatnonzero(text[borders] == ord("\n"))
    length = np.diff(borders, prepend=-1) - 1
    fields = np.diff(last_of_line, prepend=-1)
    blank = (fields == 1) & (length[last_of_line] <= 1)  # one with \r has the length 1
    return bool(length.max() <= csv.field_size_limit() and (fields == width).all() and not blank.any())


def _regular_cells(content: bytes, *, delimiter: str) -> pd.DataFrame:
    """Cells of a file in which every line has the same number of fields."""
    table = pd.read_csv(
        io.BytesIO(content),
        sep=delimiter,
        header=None,
        dtype=object,  # equal answers of a column are one object: a survey has few of them
        na_filter=False,
        skip_blank_lines=False,
        encoding="utf-8-sig",
    )
    return table.iloc[1:].reset_index(drop=True)


def _check_text(content: bytes, path: Path, *, delimiter: str) -> None:
    """Refuse what is no UTF-8 text, and text with an open quotation mark."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    if "\0" in text:
        raise _not_utf8(path)
    # One open quotation mark in the last column would make all rows below it a single answer.
    if content.count(b'"') % 2:
        raise _open_quote(path, _last_line(content, delimiter=delimiter))


def _lines(content: bytes) -> io.TextIOWrapper:
    """Lines of a file with their ends, which newline="" leaves as they are, also between quotation marks."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")


def _csv_blocks(rows: Iterator[list[str]], width: int, misfits: dict[int, int]) -> Iterator[pd.DataFrame]:
    """Cells, some rows at a time; a row that does not fit is left empty, and `misfits` gets its number of fields."""
    # Equal answers become one object: a survey has few of them.
    same: dict[str | None, str | None] = {}
    first = 1
    yield pd.DataFrame(columns=range(width), dtype="str")
    while block := list(islice(rows, ROWS_AT_ONCE)):
        misfits |= {row: len(fields) for row, fields in enumerate(block, start=first) if len(fields) != width}
        cells = [fields if len(fields) == width else [None] * width for fields in block]
        columns = [list(map(same.setdefault, column, column)) for column in zip(*cells, strict=True)]
        yield pd.DataFrame(dict(enumerate(columns)), dtype="str")
        first += len(block)


def _csv_texts(content: bytes, *, delimiter: str, rows: Collection[int]) -> dict[int, str]:
    """Text from which some rows were read, by their numbers; the header is row 0."""
    if not rows:
        return {}
    records = enumerate(_csv_records(content, delimiter=delimiter))
    return {row: text for row, (_, _, text) in records if row in rows}
