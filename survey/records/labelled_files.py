"""Reading files that carry labels: SPSS .sav and Stata .dta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from survey.errors import RecordsError
from survey.records.items import as_code
from survey.records.record_file import DAMAGE, RecordFile, unreadable
from survey.records.rehearsal import rehearse
from survey.records.schema import all_whole


def read_sav(path: Path) -> RecordFile:
    """Read an SPSS file: codes as stored, user-missing codes included."""
    import pyreadstat

    frame, meta = _read(pyreadstat.read_sav, path)
    frame = _whole(frame)
    labels = meta.variable_value_labels
    missing = {
        name: _declared(frame[name], ranges, labels.get(name, {})) for name, ranges in meta.missing_ranges.items()
    }
    return _labelled(frame, meta, labels=labels, missing=missing)


def read_dta(path: Path) -> RecordFile:
    """Read a Stata file: codes as stored, the extended missing values .a to .z as "a" to "z"."""
    import pyreadstat

    frame, meta = _read(pyreadstat.read_dta, path)
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


def _read(reader: Callable[..., tuple[pd.DataFrame, Any]], path: Path) -> tuple[pd.DataFrame, Any]:
    """Cells and what the file says of them, read by a library that a damaged file may crash."""
    import pyreadstat

    # Without user_missing the reasons for a missing answer would become NaN.
    read = partial(reader, path, user_missing=True, apply_value_formats=False)
    wrong = rehearse(partial(read, output_format="dict"), path.stat().st_size)
    if wrong:
        raise unreadable(path, RecordsError(wrong))
    try:
        return read()
    except (*DAMAGE, pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
        raise unreadable(path, error) from error


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


def _whole(frame: pd.DataFrame) -> pd.DataFrame:
    """Undo that SPSS and Stata store every number as a float: columns of whole numbers become integers."""
    floats = frame.select_dtypes("float64")
    whole = [name for name in floats.columns if all_whole(floats[name].to_numpy())]
    return frame.astype(dict.fromkeys(whole, "int64"))
