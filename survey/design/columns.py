"""Columns that describe a sample: checked before anything rests on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from survey.arguments import brief, listed_names
from survey.arrays import FloatArray
from survey.errors import DesignError, did_you_mean, shown, some

LARGEST = 1e100  # beyond these the squares of weights leave double precision
SMALLEST = 1e-100
COLUMN_FIRST = " Put values into a column of the data first, and name it."


def as_pandas(data: Any) -> pd.DataFrame:
    """Data as a pandas frame that later edits of the caller's table cannot reach."""
    if not isinstance(data, pd.DataFrame):
        import narwhals as nw

        try:
            data = nw.from_native(data, eager_only=True).to_pandas()
        except TypeError as error:
            raise DesignError(
                f"`data` must be a table (pandas, Polars, PyArrow ...); got {type(data).__name__}."
            ) from error
        except ModuleNotFoundError as error:
            raise DesignError(
                f"`data` must be a pandas frame where {error.name} is not installed, which other tables are read with; "
                f'got {type(data).__name__}. Install it with: pip install "opinion-survey[parquet]".'
            ) from error
    if len(data) == 0:
        raise DesignError("`data` must hold at least one respondent; the table has no rows.")
    if not data.columns.is_unique:
        twice = sorted(set(data.columns[data.columns.duplicated()]))
        raise DesignError(f"`data` must have unique column names; found twice: {twice}. Rename one of each.")
    # In depth: a lazy copy shares its buffers with whoever writes through `.array`, or to what the table was made of.
    frame: pd.DataFrame = data.copy(deep=True)
    return frame


def check_name(name: object, argument: str) -> None:
    """Raise unless an argument is the name of one column, or None."""
    if name is None or isinstance(name, str):
        return
    below = " Units of the stages below go in `ssu`." if argument == "psu" and isinstance(name, Sequence) else ""
    raise DesignError(f"`{argument}` must be the name of one column; got {brief(name)}.{COLUMN_FIRST}{below}")


def names_of(names: str | Sequence[str] | None, argument: str) -> list[str]:
    """Argument that is a name, several names or nothing, as a list; it may be any iterable of names."""
    return listed_names(
        names,
        several=isinstance(names, Iterable) and not isinstance(names, str | Mapping | pd.Series | pd.DataFrame),
        rule=f"`{argument}` must be the name of a column, or a list of names",
        remedy=COLUMN_FIRST,
        error=DesignError,
    )


def check_stages(frame: pd.DataFrame, names: Sequence[str], argument: str, *, stages: int) -> None:
    """Raise unless the columns of an argument exist, have no missing value and are no more than the stages."""
    if len(names) > stages:
        raise DesignError(
            f"`{argument}` names {len(names)} stages, but the design has {stages}. Give at most one column per stage."
        )
    for name in names:
        check_column(frame, name, argument)


def check_column(frame: pd.DataFrame, name: str, argument: str) -> None:
    """Raise unless the column exists and has no missing value."""
    check_known(frame, name, argument)
    missing = frame[name].isna().to_numpy()
    if missing.any():
        raise DesignError(
            f"`{argument}` must be known for every row; {name!r} is missing in {missing.sum()} rows, first "
            f"in row {shown(frame.index[int(missing.argmax())])}. Fill it in, or remove those rows."
        )


def check_known(frame: pd.DataFrame, name: str, argument: str) -> None:
    """Raise unless a column of that name exists."""
    if name not in frame.columns:
        raise DesignError(
            f"`{argument}` must name a column of the data; {name!r} is not among {some(frame.columns)}."
            f"{did_you_mean(name, frame.columns)}"
        )


def weights_of(frame: pd.DataFrame, name: str, argument: str = "weight") -> FloatArray:
    """Weights as a (n,) array; zero is allowed, negative, missing and infinite weights are not."""
    check_known(frame, name, argument)
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column.dtype):
        raise DesignError(f"`{argument}` must be numeric; column {name!r} has type {column.dtype}.")
    weights = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    for wrong, what, remedy in (
        (np.isnan(weights), "missing", "Give every respondent a weight, or zero"),
        (np.isinf(weights), "infinite", "Correct the weighting that made it"),
        (weights < 0, "negative", "Weights are never negative: correct the weighting that made it"),
    ):
        if wrong.any():
            first = int(wrong.argmax())
            raise DesignError(
                f"`{argument}` must be finite and at least zero; {name!r} is {what} in {wrong.sum()} of "
                f"{weights.size} rows, first in row {shown(frame.index[first])} ({weights[first]}). {remedy}."
            )
    extreme = (weights > 0) & ((weights < SMALLEST) | (weights > LARGEST))
    if extreme.any():
        raise DesignError(
            f"`{argument}` must be zero or between {SMALLEST:g} and {LARGEST:g}; {name!r} is "
            f"{weights[extreme][0]:g} in row {shown(frame.index[int(extreme.argmax())])}. Rescale the weights."
        )
    if not weights.any():
        raise DesignError(f"`{argument}` must be positive for someone; {name!r} is zero in all {weights.size} rows.")
    return weights


def with_values(frame: pd.DataFrame, columns: Mapping[str, Any], *, in_use: Mapping[str, str]) -> pd.DataFrame:
    """The frame with added or replaced columns.

    Parameters
    ----------
    columns : name -> values by row, one value, or a function of the frame that gives either.
    in_use : columns that must stay as they are, and what each one is to the design.

    Raises
    ------
    DesignError : a column in use, or values that do not fit the rows.
    """
    for name, given in columns.items():
        if name in in_use:
            raise DesignError(
                f"`with_columns` must leave alone what the design was made of; {name!r} is {in_use[name]}. Give the "
                "new column another name, or make the design anew with survey.Design."
            )
        values = given(frame.copy(deep=False)) if callable(given) else given
        frame = frame.assign(**{name: _by_row(values, name, frame.index)})
    return frame


def _by_row(values: Any, name: str, index: pd.Index[Any]) -> Any:
    """Values of a new column, as a Series of its own; one value stays what it is."""
    if isinstance(values, pd.Series):
        if not values.index.equals(index):
            raise DesignError(
                f"`{name}` must have the index of the data, row for row; it has another one, as a sorted or merged "
                "table has. Make it from `design.frame`, or pass an array in the order of the rows."
            )
        return values.copy(deep=True)
    if pd.api.types.is_scalar(values):
        return values
    if not isinstance(values, list | tuple | np.ndarray | pd.Index | pd.api.extensions.ExtensionArray):
        raise DesignError(
            f"`{name}` must be one value, or one for each row as an array, a list or a Series; got "
            f"{type(values).__name__}. Convert it first."
        )
    shape = getattr(values, "shape", (len(values),))
    if shape != (len(index),):
        raise DesignError(
            f"`{name}` must have one value for each of the {len(index)} rows; got the shape {shape}. Make it from "
            "`design.frame`."
        )
    return pd.Series(values, index=index, copy=True)
