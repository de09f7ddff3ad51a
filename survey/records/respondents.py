"""Respondent records: a file and its codebook make a validated frame, or one error with every failure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from survey.arguments import check_choice, check_kind
from survey.errors import CodebookError, RecordsError
from survey.records.checks import (
    NULL_RULE,
    column_failures,
    items_in_column_order,
    reason_failures,
    records_error,
    schema_failures,
)
from survey.records.codebook import Codebook
from survey.records.declared import unknown_codes, without_declared
from survey.records.decoding import BLANK, as_text, decode, identifiers, label_failures, plain_numbers, shown
from survey.records.derived import derive
from survey.records.encoding import encode
from survey.records.fidelity import first_change
from survey.records.files import read_file
from survey.records.items import Item
from survey.records.record_file import Failure, RecordFile
from survey.records.schema import companion
from survey.records.text_files import TEXT_FILES, line_numbers
from survey.records.writers import write_file
from survey.replacing import replacing

Derived = Literal["omit", "write"]
CELLS = (str, bool, int, float, np.generic, date, timedelta, Decimal)
"""Types of what a column outside the codebook may hold."""

DIGITS = {".xlsx": 15}
"""Digits of fractions that a format keeps, where these are not all 17; Excel itself has no more."""


def read_respondents(path: str | os.PathLike[str], codebook: Codebook) -> pd.DataFrame:
    """Read respondent records and check them against a codebook.

    A column may hold codes (1, "1" and 1.0 are the same) or labels, which must match exactly. A blank cell is
    the reason "No answer" where the codebook has a missing code of that label, and a failure otherwise.
    Derived items are computed; one that the file already has must agree. Columns that the codebook does not
    know, such as strata and PSUs, are kept at the end; what a .sav or .dta file declares missing in them is missing. In
    a numeric item, a code that the file declares missing must be one of the codebook's: it is never a number.

    Parameters
    ----------
    path : .csv, .tsv (UTF-8), .parquet, .xlsx (first sheet), SPSS .sav or Stata .dta.
    codebook : what the file should hold.

    Returns
    -------
    One row per respondent, in file order: nominal and ordinal items as categoricals in codebook order,
    numeric items as numbers, and per item with missing codes a column `<column>_missing` of reasons.

    Raises
    ------
    RecordsError : anything that the codebook does not allow. `failures` lists every one as (row, column,
        value, rule); rows count respondents from 1, without the header; None is the whole file.
    """
    check_kind(codebook, Codebook, "codebook", CodebookError)
    source = _path(path)
    file = read_file(source)
    cells = _without_reasons(file, codebook)
    failures = [*file.failures, *column_failures(cells.columns, codebook)]
    if not len(cells):
        failures.append((None, "", "", "the file has a header but no respondents"))
    for item in codebook.items.values():
        for column in item.columns:
            failures += label_failures(column, item, file.value_labels.get(column, {}))
            if column in cells.columns and item.kind == "numeric" and not item.is_derived:
                failures += unknown_codes(cells[column], item, file.missing.get(column, {}))
    columns: dict[str, pd.Series] = {}
    for item in items_in_column_order(codebook):
        failures += _read_item(item, cells, columns, codebook)
    frame = pd.DataFrame(columns, index=cells.index)
    if len(cells):
        broken = schema_failures(frame, cells, codebook, known=failures)
        # Decoding has reported every blank; where it found a bad cell it left one behind.
        failures += [failure for failure in broken if failure[3] != NULL_RULE]
    # Rows that could not be split into fields are empty in `cells`: one failure is enough for each.
    unread = {failure[0] for failure in file.failures if failure[1] == ""} - {None}
    failures = [failure for failure in failures if failure[0] not in unread or failure[1] == ""]
    failures = list({failure[:2] if failure[0] else failure: failure for failure in reversed(failures)}.values())[::-1]
    if failures:
        lines = line_numbers(source) if source.suffix.lower() in TEXT_FILES else []
        raise records_error(source.name, codebook, cells, failures=failures, lines_of=lines)
    others = {name: plain_numbers(cells[name]) for name in cells.columns if name not in frame.columns}
    return pd.DataFrame({**columns, **others}, index=cells.index)


def write_respondents(
    frame: pd.DataFrame,
    path: str | os.PathLike[str],
    codebook: Codebook,
    *,
    derived: Derived = "omit",
) -> None:
    """Write respondent records as codes, with labels and missing codes where the format carries them.

    The file is read again before it is put in place: it gives back the same records, columns that the codebook does
    not know included, or nothing is written. Text that begins with = stays text in a workbook.
    In .sav missing codes are declared as user-missing, in .dta they become .a, .b, ...

    Parameters
    ----------
    frame : records as `read_respondents` returns them; derived items may be absent.
    path : file to write; its ending (.csv, .tsv, .parquet, .xlsx, .sav, .dta) says how.
    codebook : what the records hold.
    derived : "write" also writes derived items, for use in other programs; reading computes them anyway.

    Raises
    ------
    RecordsError : the frame breaks the codebook, or the format cannot hold the records exactly.
    """
    check_kind(codebook, Codebook, "codebook", CodebookError)
    if not isinstance(frame, pd.DataFrame):
        raise RecordsError(f"`frame` must be a pandas frame, as `read_respondents` makes; got {type(frame).__name__}.")
    check_choice(derived, Derived, "derived", RecordsError)
    target = _path(path)
    _check_names(frame)
    frame = frame.reset_index(drop=True)
    failures = [*column_failures(frame.columns, codebook), *reason_failures(frame, codebook)]
    failures += schema_failures(frame, frame, codebook, known=failures)
    if failures:
        raise records_error("frame", codebook, frame, failures=failures)
    items = [item for item in codebook.items.values() if derived == "write" or not item.is_derived]
    items = [item for item in items if all(column in frame.columns for column in item.columns)]
    others = _other_columns(frame, codebook)
    coded = encode(frame, items)
    with replacing(target, error=RecordsError) as draft:
        write_file(draft, replace(coded, frame=coded.frame.assign(**others)))
        columns = [column for item in items for column in item.columns]
        changed = _change(frame[columns], draft, codebook, others=others)
        if changed is not None:
            column, what = changed
            raise RecordsError(
                f"`frame` must survive in a {target.suffix} file unchanged; {column!r} would not{what}. "
                "Shorten its text, strip blanks around it, make text of numbers and dates that the format cannot hold, "
                "or use .csv or .parquet."
            )


def _check_names(frame: pd.DataFrame) -> None:
    """Refuse columns that would have one name in a file."""
    counts = pd.Series([str(name) for name in frame.columns], dtype=object).value_counts()
    if (counts > 1).any():
        raise RecordsError(
            f"`frame` must have columns of different names; {counts.index[0]!r} occurs {counts.iloc[0]} times. "
            "Rename one of each."
        )


def _path(path: str | os.PathLike[str]) -> Path:
    """Name of a file as a path."""
    try:
        return Path(path)
    except TypeError as error:
        raise RecordsError(f"`path` must be the name of a file; got {type(path).__name__}.") from error


def _change(answers: pd.DataFrame, path: Path, codebook: Codebook, *, others: pd.DataFrame) -> tuple[str, str] | None:
    """Read a file again, and find the first column that differs from what was written, and how."""
    try:
        again = read_respondents(path, codebook)
        cells = read_file(path).frame
    except RecordsError as error:
        return (error.failures[0][1], "") if error.failures else (path.name, f", for reading it says: {error}")
    changed = next((name for name in answers.columns if not _same(answers[name], again[name])), None)
    if changed is not None:
        return str(changed), ""
    kept = first_change(others, cells, digits=DIGITS.get(path.suffix.lower(), 17)) if len(others.columns) else None
    return None if kept is None else (kept[0], f": {kept[1]}")


def _without_reasons(file: RecordFile, codebook: Codebook) -> pd.DataFrame:
    """Cells, blank where the file declares a code missing in a column whose reasons the codebook does not keep."""
    kept = {column for item in codebook.items.values() if item.kind not in ("id", "text") for column in item.columns}
    declared = {name: codes for name, codes in file.missing.items() if codes and name not in kept}
    return file.frame.assign(**{name: without_declared(file.frame[name], codes) for name, codes in declared.items()})


def _read_item(item: Item, cells: pd.DataFrame, columns: dict[str, pd.Series], codebook: Codebook) -> Iterator[Failure]:
    """Read the columns of one item into `columns`, and report the cells that are wrong."""
    if item.is_derived:
        yield from _derive_item(item, cells, columns, codebook)
        return
    for column in item.columns:
        if column not in cells.columns:
            continue
        if item.kind == "id":
            columns[column] = identifiers(cells[column])
            for row in np.flatnonzero(columns[column].isna()):
                yield int(row) + 1, column, "", "is blank; every respondent needs an id"
        elif item.kind == "text":
            columns[column] = as_text(cells[column])
        else:
            answers = decode(cells[column], item, _given_reasons(column, item, cells))
            columns[column] = answers.values
            if answers.reasons is not None:
                columns[companion(column)] = answers.reasons
            yield from answers.failures


def _given_reasons(column: str, item: Item, cells: pd.DataFrame) -> pd.Series | None:
    """Find the column of reasons that belongs to a column of answers, if the file has it."""
    name = companion(column)
    return cells[name] if item.missing and name in cells.columns else None


def _derive_item(
    item: Item, cells: pd.DataFrame, columns: dict[str, pd.Series], codebook: Codebook
) -> Iterator[Failure]:
    """Compute a derived item into `columns`, and report what the breaks or the file itself contradict."""
    source = codebook.items[str(item.derived_from)]
    if source.name not in columns:
        return
    answers = columns[source.name]
    derived = derive(item, source, answers)
    columns[item.name] = derived
    known = derived.notna()
    if item.missing:
        columns[companion(item.name)] = columns[companion(source.name)].rename(companion(item.name))
        known |= columns[companion(item.name)].notna()
    for row in np.flatnonzero(answers.notna() & ~known & _in_range(answers, source)):
        yield int(row) + 1, source.name, shown(answers.iloc[row]), f"lies outside the breaks of {item.name!r}"
    if item.name not in cells.columns:
        return
    stored = replace(item, missing=item.stored_missing)
    stated = decode(cells[item.name], stored, _given_reasons(item.name, stored, cells))
    failures = [f for f in stated.failures if item.missing == stored.missing or f[3] != BLANK]
    yield from failures
    agree = _equal(derived, stated.values)
    if stated.reasons is not None:
        agree &= _equal(columns[companion(item.name)], stated.reasons)
    failed = {failure[0] for failure in failures}
    for row in np.flatnonzero(known & ~agree):
        if row + 1 not in failed:
            value = derived.iloc[row] if pd.notna(derived.iloc[row]) else columns[companion(item.name)].iloc[row]
            rule = f"must be what the codebook derives from {source.name!r}: {shown(value)!r}"
            yield int(row) + 1, item.name, shown(cells[item.name].iloc[row]), rule


def _in_range(numbers: pd.Series, item: Item) -> pd.Series:
    """Whether numbers lie within the bounds of their item: one that does not is reported as that."""
    if item.kind != "numeric":
        return pd.Series(True, index=numbers.index)
    low = -np.inf if item.minimum is None else item.minimum
    return numbers.between(low, np.inf if item.maximum is None else item.maximum)


def _other_columns(frame: pd.DataFrame, codebook: Codebook) -> pd.DataFrame:
    """Columns that the codebook does not know, such as strata and PSUs, in types that files have."""
    known = {name for column in _described(codebook) for name in (column, companion(column))}
    names = [name for name in frame.columns if name not in known]
    others = frame[names].set_axis([str(name) for name in names], axis=1)
    for name in [name for name, dtype in others.dtypes.items() if pd.api.types.is_object_dtype(dtype)]:
        odd = next((cell for cell in others[name].dropna() if not isinstance(cell, CELLS)), None)
        if odd is not None:
            raise RecordsError(
                f"`frame` must hold text, numbers, dates or truth values; {name!r} has a {type(odd).__name__}. "
                "Make columns of its parts, or text of it."
            )
    # A number of single precision has another decimal form: .1 would come back as another number.
    return others.astype(dict.fromkeys(others.select_dtypes(["float16", "float32"]).columns, "float64"))


def _described(codebook: Codebook) -> Iterator[str]:
    """Columns of all items."""
    return (column for item in codebook.items.values() for column in item.columns)


def _equal(one: pd.Series, other: pd.Series) -> pd.Series:
    """Whether two columns agree, row by row; missing agrees with missing."""
    return (one == other) | (one.isna() & other.isna())


def _same(one: pd.Series, other: pd.Series) -> bool:
    """Whether two columns hold the same answers; empty text is a blank."""
    if isinstance(one.dtype, pd.CategoricalDtype):
        return one.dtype == other.dtype and bool(_equal(one, other).all())
    plain = [column.astype(object).where(column.astype(object) != "", None) for column in (one, other)]
    return bool(_equal(plain[0], plain[1]).all())
