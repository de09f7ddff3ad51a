"""Domains: which rows a condition over the columns holds for."""

from __future__ import annotations

import re
from io import StringIO
from token import NAME
from tokenize import TokenError, generate_tokens
from typing import Any

import numpy as np
import pandas as pd

from survey.arrays import BoolArray
from survey.errors import DesignError, did_you_mean

UNREADABLE = (  # what pandas raises for expressions that it cannot evaluate
    SyntaxError,
    NameError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    NotImplementedError,
    TokenError,
)


def rows_inside(frame: pd.DataFrame, condition: str | pd.Series[bool] | BoolArray) -> BoolArray:
    """Boolean value per row of a domain condition."""
    values: Any = condition
    known = np.ones(len(frame), dtype=bool)
    if isinstance(condition, str):
        try:
            values = frame.eval(condition)
            used = _columns_of(condition, frame)
        except UNREADABLE as error:
            unknown = re.search(r"name '(.+?)' is not defined", str(error))
            hint = did_you_mean(unknown[1], frame.columns) if unknown else ""
            raise DesignError(
                f"`condition` must be an expression over the columns; {condition!r} fails: {error}.{hint}"
            ) from error
        if isinstance(values, pd.DataFrame):
            raise DesignError(f"`condition` must compare, with ==; {condition!r} assigns a column.")
        known = np.asarray(frame[used].notna().all(axis=1), dtype=bool)
    elif isinstance(condition, pd.Series) and not condition.index.equals(frame.index):
        raise DesignError(
            "`condition` must have the index of the data, row for row; it has another one, as a sorted or merged table "
            "has. Make it from `design.frame`, or pass an array in the order of the rows."
        )
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.BooleanDtype | pd.ArrowDtype):
        values = values.to_numpy(dtype=bool, na_value=False)
    values = np.asarray(values)
    if values.dtype != np.bool_ or values.shape != (len(frame),):
        raise DesignError(
            f"`condition` must give True or False for each of the {len(frame)} rows; got {values.dtype} of shape "
            f"{values.shape}."
        )
    inside: BoolArray = values & known
    return inside


def _columns_of(condition: str, frame: pd.DataFrame) -> list[str]:
    """Columns that a condition compares; those it asks about with isna() or notna() are left out."""
    if "isna(" in condition or "notna(" in condition or "isnull(" in condition:
        return []
    quoted = re.findall(r"`([^`]+)`", condition)
    plain = re.sub(r"`[^`]+`", " ", condition)
    words = [token.string for token in generate_tokens(StringIO(plain).readline) if token.type == NAME]
    return [name for name in dict.fromkeys([*quoted, *words]) if name in frame.columns]
