"""Reading files of respondents, before a codebook gives them a meaning: csv, parquet, xlsx, .sav and .dta."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from survey.errors import RecordsError
from survey.records.items import as_code
from survey.records.schema import all_whole

Failure = tuple[object, str, object, str]
"""Row (respondents counted from 1; None for the whole file), column, value and the rule that it breaks."""

PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?"
"""Text that is a number and nothing else: 007, +1 and 1_000 are not, nor is a name of more than 15 digits."""

BOM = "\ufeff".encode()

ROWS_AT_ONCE = 5_000
"""Rows of text that are turned into columns at a time: the lists of all of them would take too much memory."""


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


def read_file(path: Path) -> RecordFile:
    """Read the cells of a file.

    Parameters
    ----------
    path : the file; its ending says what it is.

    Returns
    -------
    The cells, value labels and what is wrong with the file itself.

    Raises
    ------
    RecordsError : the file is absent or empty, its ending is unknown, or it cannot be read.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        endings = ", ".join(_READERS)
        raise RecordsError(f"`path` must end in {endings}; found {path.name!r}. Save the records as one of these.")
    if not path.is_file():
        raise RecordsError(f"`path` must be an existing file; there is none at {path}. Check the name and the folder.")
    if path.stat().st_size == 0:
        raise RecordsError(f"`path` must hold records; {path.name} is empty (0 bytes). Export it again.")
    return reader(path)


def _unreadable(path: Path, error: Exception) -> RecordsError:
    """Say that a file is not what its ending promises."""
    why = " ".join(str(error).split()).rstrip(".")
    kind = path.suffix.lower()
    return RecordsError(f"`path` must be a sound {kind} file; {path.name} could not be read: {why}. Export it again.")


def _not_utf8(path: Path) -> RecordsError:
    """Say that text is in another encoding."""
    return RecordsError(
        f"`path` must be UTF-8 text; {path.name} is not UTF-8 text. Save it as 'CSV UTF-8', or as .xlsx."
    )


def _open_quote(path: Path) -> RecordsError:
    """Say that a quotation mark is not closed."""
    return RecordsError(
        f"`path` must close every quotation mark; one in {path.name} stays open. Find it, or save as .xlsx."
    )


def _too_long(path: Path) -> RecordsError:
    """Say that a field is longer than the reader of irregular files takes, its only reason to stop."""
    return RecordsError(
        f"`path` must have fields of at most {csv.field_size_limit():,} characters; one in {path.name} is longer "
        "(perhaps a quotation mark stays open). Find it, or save as .xlsx."
    )


def _first_of_each(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, list[Failure]]:
    """Keep the first of several columns with one name, and report the others."""
    frame.columns = pd.RangeIndex(len(names))
    counts = Counter(names)
    failures: list[Failure] = [
        (None, name, count, f"the column occurs {count} times; names of columns must differ")
        for name, count in counts.items()
        if count > 1
    ]
    first = frame[[names.index(name) for name in counts]]
    first.columns = pd.Index(list(counts), dtype=object)
    return first, failures


def _read_csv(path: Path) -> RecordFile:
    """Read text as it stands; a row with too few or too many fields is a failure of its own."""
    content = path.read_bytes()
    _check_text(content, path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    names = _csv_header(content, path, delimiter=delimiter)
    if _is_regular(content, delimiter=delimiter, width=len(names)):
        frame, failures = _first_of_each(_regular_cells(content, delimiter=delimiter), names)
        return RecordFile(frame, failures=tuple(failures))
    rows = _csv_rows(content, delimiter=delimiter)
    next(rows)
    misfits: dict[int, int] = {}
    try:
        blocks = list(_csv_blocks(rows, len(names), misfits))
    except csv.Error as error:
        raise _too_long(path) from error
    texts = _csv_texts(content, delimiter=delimiter, rows=misfits)
    unread: list[Failure] = [
        (row, "", texts[row], f"the row has {fields} fields, the header {len(names)}")
        for row, fields in misfits.items()
    ]
    frame, failures = _first_of_each(pd.concat(blocks, ignore_index=True), names)
    return RecordFile(frame, failures=(*failures, *unread))


def _csv_rows(content: bytes, *, delimiter: str) -> Iterator[list[str]]:
    """Fields of each line; a blank line is no row."""
    return filter(None, csv.reader(_lines(content), delimiter=delimiter))


def _csv_header(content: bytes, path: Path, *, delimiter: str) -> list[str]:
    """Names of the columns."""
    try:
        names = next(_csv_rows(content, delimiter=delimiter), [])
    except csv.Error as error:
        raise _too_long(path) from error
    if len(names) == 1 and ";" in names[0]:
        raise RecordsError(
            f"`path` must be separated by commas; {path.name} is separated by semicolons. "
            "Save it with commas, or as .xlsx."
        )
    if not names:
        raise RecordsError(f"`path` must hold records; {path.name} has only blank lines. Export it again.")
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


def _check_text(content: bytes, path: Path) -> None:
    """Refuse what is no UTF-8 text, and text with an open quotation mark."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    if "\0" in text:
        raise _not_utf8(path)
    # One open quotation mark in the last column would make all rows below it a single answer.
    if content.count(b'"') % 2:
        raise _open_quote(path)


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
    lines: list[str] = []
    texts: dict[int, str] = {}

    def remembered() -> Iterator[str]:
        for line in _lines(content):
            lines.append(line)
            yield line

    row = -1
    for fields in csv.reader(remembered(), delimiter=delimiter):
        if fields:
            row += 1
        if fields and row in rows:
            texts[row] = "".join(lines).rstrip("\r\n")
        lines.clear()
    return texts


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file where the package that reads and writes it is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RecordsError(
            f"`path` must not be a .parquet file where pyarrow is not installed; got {path.name!r}. "
            'Install it with: pip install "opinion-survey[parquet]".'
        ) from error


def _read_parquet(path: Path) -> RecordFile:
    """Read a Parquet file; labelled columns come as categoricals."""
    check_parquet(path)
    import pyarrow as arrow

    try:
        frame = pd.read_parquet(path)
    except arrow.ArrowInvalid as error:
        raise _unreadable(path, error) from error
    # An index with a name is a column that pandas set aside, such as the number of the respondent.
    frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
    frame.columns = frame.columns.map(str)
    return RecordFile(frame)


def _read_xlsx(path: Path) -> RecordFile:
    """Read the first sheet; its first row is the header."""
    from zipfile import BadZipFile

    try:
        sheet = pd.read_excel(path, header=None, dtype=object, na_filter=False, engine="openpyxl")
    except BadZipFile as error:
        raise RecordsError(
            f"`path` must be what its ending says; {path.name} is not an Excel workbook (perhaps renamed). Open it in "
            "the program that made it, and save it as .xlsx."
        ) from error
    except (KeyError, ValueError) as error:
        raise _unreadable(path, error) from error
    if sheet.empty:
        raise RecordsError(f"`path` must hold records; the first sheet of {path.name} is empty. Put them there.")
    names = [str(name) for name in sheet.iloc[0]]
    frame, failures = _first_of_each(sheet.iloc[1:].reset_index(drop=True), names)
    return RecordFile(frame, failures=tuple(failures))


def _read_sav(path: Path) -> RecordFile:
    """Read an SPSS file: codes as stored, user-missing codes included."""
    import pyreadstat

    try:
        # Without user_missing the reasons for a missing answer would become NaN.
        frame, meta = pyreadstat.read_sav(path, user_missing=True, apply_value_formats=False)
    except pyreadstat.ReadstatError as error:
        raise _unreadable(path, error) from error
    frame = _whole(frame)
    labels = meta.variable_value_labels
    missing = {
        name: _declared(frame[name], ranges, labels.get(name, {})) for name, ranges in meta.missing_ranges.items()
    }
    return _labelled(frame, meta, labels=labels, missing=missing)


def _declared(cells: pd.Series, ranges: list[dict[str, Any]], labels: Mapping[int | str, str]) -> dict[int | str, str]:
    """Codes that SPSS takes for missing, those with a label and those that occur, and their labels."""
    candidates = dict.fromkeys([*labels, *cells.dropna().unique()])

    def within(code: Any, bounds: dict[str, Any]) -> bool:
        alike = isinstance(code, str) == isinstance(bounds["lo"], str)
        return alike and bool(bounds["lo"] <= code <= bounds["hi"])

    codes = [code for code in candidates if any(within(code, bounds) for bounds in ranges)]
    return {as_code(code): labels.get(code, f"Missing ({as_code(code)})") for code in codes}


def _labelled(
    frame: pd.DataFrame, meta: Any, *, labels: Mapping[str, Any], missing: Mapping[str, Mapping[int | str, str]]
) -> RecordFile:
    """Cells with what the file says of its columns."""
    return RecordFile(
        frame,
        labels,
        title=meta.file_label or "",
        column_labels={name: label or "" for name, label in meta.column_names_to_labels.items()},
        measures=meta.variable_measure,
        missing=missing,
    )


def _read_dta(path: Path) -> RecordFile:
    """Read a Stata file: codes as stored, the extended missing values .a to .z as "a" to "z"."""
    import pyreadstat

    try:
        frame, meta = pyreadstat.read_dta(path, user_missing=True, apply_value_formats=False)
    except pyreadstat.ReadstatError as error:
        raise _unreadable(path, error) from error
    labels = dict(meta.variable_value_labels)
    missing: dict[str, dict[int | str, str]] = {}
    # Only numbers have labels in Stata, so that a label of a letter is that of a missing value, in use or not.
    lettered = {column: [code for code in named if isinstance(code, str)] for column, named in labels.items()}
    for column, letters in meta.missing_user_values.items():
        lettered[column] = [*dict.fromkeys([*lettered.get(column, []), *letters])]
    for column, letters in lettered.items():
        if not letters:
            continue
        # A letter is a missing value only in a column of numbers; the label tells which, else .a as in Stata.
        named = labels.get(column, {})
        cells = frame[column].astype(object)
        missing[column] = {x: named.get(x, f".{x}") for x in letters}
        marks = cells.map(missing[column]).astype(object)
        frame[column] = cells.where(marks.isna(), marks)
    return _labelled(_whole(frame), meta, labels=labels, missing=missing)


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Undo that SPSS and Stata store every number as a float: columns of whole numbers become integers."""
    floats = frame.select_dtypes("float64")
    whole = [name for name in floats.columns if all_whole(floats[name].to_numpy())]
    return frame.astype(dict.fromkeys(whole, "int64"))


_READERS: Mapping[str, Callable[[Path], RecordFile]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".parquet": _read_parquet,
    ".xlsx": _read_xlsx,
    ".sav": _read_sav,
    ".dta": _read_dta,
}
