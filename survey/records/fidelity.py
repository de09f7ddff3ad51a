"""Whether a written file holds what a frame held: cell by cell, in the columns that no codebook describes."""

from __future__ import annotations

import math
from datetime import date

import pandas as pd

from survey.records.decoding import as_text, shown


def first_change(columns: pd.DataFrame, cells: pd.DataFrame, *, digits: int = 17) -> tuple[str, str] | None:
    """Find the first column that a file does not give back, and what became of it, in words.

    Numbers must have the same value, text the same characters, dates the same moment and time zone. A number is
    the same where a file of text has its digits, and true is 1 where a format has no truth values. An empty text is a
    blank.

    Parameters
    ----------
    columns : what was written.
    cells : (same rows) cells of the file as they are stored.
    digits : of fractions that the format keeps; 17 are all of them.

    Returns
    -------
    Name of the column, and a phrase such as "'=1+1' came back as ''"; None where every cell is kept.
    """
    if len(columns) != len(cells):
        return str(columns.columns[0]), f"{len(columns)} rows came back as {len(cells)}"
    for name in columns.columns:
        if name not in cells.columns:
            return str(name), "the column did not come back"
        before = _texts(columns[name], as_stored=cells[name], digits=digits)
        after = _texts(cells[name], as_stored=columns[name], digits=digits)
        changed = ~((before == after) | (before.isna() & after.isna())).to_numpy()
        if changed.any():
            row = int(changed.argmax())
            came = f"{shown(columns[name].iloc[row])!r:.100} came back as {shown(cells[name].iloc[row])!r:.100}"
            return str(name), f"{came} in row {row + 1}"
    return None


def _texts(cells: pd.Series, *, as_stored: pd.Series, digits: int) -> pd.Series:
    """Text of each cell, in which columns of two types can be compared."""
    if _is_text(cells) and pd.api.types.is_numeric_dtype(as_stored.dtype) and as_stored.dtype != bool:
        cells = _numbers(cells, whole=pd.api.types.is_integer_dtype(as_stored.dtype))
    elif _is_text(cells) and as_stored.dtype.kind in "mM":
        cells = cells.map(lambda text: _moment(text, as_stored.dtype.kind), na_action="ignore")
    elif cells.dtype == bool and pd.api.types.is_numeric_dtype(as_stored.dtype) and as_stored.dtype != bool:
        cells = cells.astype("int64")
    if cells.dtype.kind == "M" or isinstance(cells.dtype, pd.DatetimeTZDtype):
        cells = cells.astype(object)
    if cells.dtype == object or cells.dtype.kind == "f":
        midnights = pd.api.types.infer_dtype(as_stored, skipna=True) == "datetime"
        cells = cells.map(lambda cell: _rounded(cell, digits, midnights=midnights))
    return as_text(cells.reset_index(drop=True))


def _rounded(cell: object, digits: int, *, midnights: bool) -> object:
    """A fraction to its digits; a day as its midnight where it was stored as that; anything else as it is."""
    if isinstance(cell, float) and math.isfinite(cell) and not cell.is_integer():
        return float(f"{cell:.{digits}g}")
    return pd.Timestamp(cell) if midnights and type(cell) is date else cell


def _is_text(cells: pd.Series) -> bool:
    """Whether a column may hold text."""
    return cells.dtype == object or pd.api.types.is_string_dtype(cells.dtype)


def _numbers(cells: pd.Series, *, whole: bool) -> pd.Series:
    """Numbers in a column of text; whole ones keep all their digits, and what is no number stays."""

    def number(text: object) -> object:
        try:
            return (int if whole else float)(text) if isinstance(text, str) and text else text
        except ValueError:
            return text

    return pd.Series([number(cell) for cell in cells], dtype=object)


def _moment(text: object, kind: str) -> object:
    """Date or duration that a text stands for; the text itself where it stands for none."""
    try:
        return str(pd.Timestamp(text) if kind == "M" else pd.Timedelta(text)) if isinstance(text, str) else text
    except ValueError:
        return text
