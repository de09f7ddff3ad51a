"""What conditions are made of: columns and constants with values that may be unknown, compared and combined.

Truth has three values, as in Kleene's logic: a comparison with a missing value is unknown, `unknown or True` is True,
`unknown and False` is False, and `not unknown` is unknown.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arrays import BoolArray
from survey.errors import did_you_mean, shown, some

Kind = Literal["truth", "numbers", "text", "dates", "levels"]
LARGEST_EXACT = 2**53  # whole numbers above it are rounded where they are calculated with
MOST_COMPARED = 5_000  # levels among which the nearest is looked for
ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?")
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "==": operator.eq,
        "!=": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)


class Mismatch(ValueError):
    """Operands that do not go together.

    Attributes
    ----------
    remedy : what to do, as a sentence.
    """

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """Values of a column, a constant or a part of a condition.

    Attributes
    ----------
    kind : "truth", "numbers", "dates", "levels" (of a categorical column, or the texts of another), or "text", which
        is a constant.
    values : (n_rows,) values, or one; codes of levels. What stands where they are unknown means nothing.
    known : (n_rows,) where they are known, or one value.
    levels : the levels, in their order; none of another kind.
    is_ordered : whether the levels are.
    is_constant : whether no column is part of it.
    """

    kind: Kind
    values: Any
    known: Any
    levels: pd.Index[Any] = field(default_factory=lambda: pd.Index([]))
    is_ordered: bool = False
    is_constant: bool = False


def truth(true: Any, known: Any, *, is_constant: bool = False) -> Operand:
    """Truth values; False where they are unknown."""
    return Operand("truth", np.asarray(true & known), np.asarray(known), is_constant=is_constant)


def constant(value: bool | int | float | str) -> Operand:
    """One value for all rows."""
    known = np.True_
    if isinstance(value, bool):
        return truth(np.bool_(value), known, is_constant=True)
    return Operand("text" if isinstance(value, str) else "numbers", value, known, is_constant=True)


def of_column(column: pd.Series[Any]) -> Operand:
    """Values of a column.

    Raises
    ------
    Mismatch : a column of values that conditions cannot compare.
    """
    known = column.notna().to_numpy(dtype=bool)
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return Operand("levels", column.cat.codes.to_numpy(), known, dtype.categories, bool(dtype.ordered))
    if pd.api.types.is_bool_dtype(dtype):
        return truth(column.to_numpy(dtype=bool, na_value=False), known)
    if pd.api.types.is_integer_dtype(dtype):
        whole = np.uint64 if pd.api.types.is_unsigned_integer_dtype(dtype) else np.int64
        return Operand("numbers", column.to_numpy(dtype=whole, na_value=0), known)
    if pd.api.types.is_float_dtype(dtype):
        return Operand("numbers", column.to_numpy(dtype=np.float64, na_value=np.nan), known)
    if pd.api.types.is_datetime64_dtype(dtype):
        return Operand("dates", column.to_numpy(), known)
    return _of_objects(column, known)


def _of_objects(column: pd.Series[Any], known: BoolArray) -> Operand:
    """Values of a column whose type does not say what they are."""
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in ("string", "empty"):
        codes, levels = pd.factorize(column, sort=True)
        return Operand("levels", codes, known, pd.Index(levels))
    if found == "boolean":
        return truth(column.eq(True).to_numpy(dtype=bool, na_value=False), known)
    if found == "integer" and column[known].between(-(2**63), 2**63 - 1).all():
        return of_column(column.astype("Int64"))
    if found in ("floating", "mixed-integer-float", "decimal"):
        return Operand("numbers", column.where(known, np.nan).to_numpy(dtype=np.float64), known)
    if found in ("date", "datetime") or (found == "datetime64" and column.dt.tz is None):
        return Operand("dates", pd.to_datetime(column).to_numpy(), known)
    kinds = {"mixed": "values of several kinds", "mixed-integer": "values of several kinds", "integer": "huge numbers"}
    raise Mismatch(
        f"holds {kinds.get(found, found)} of type {column.dtype}, which conditions cannot compare",
        "Pass a Boolean value per row instead.",
    )


def opposite(operand: Operand) -> Operand:
    """True where it is False; unknown where it is unknown."""
    return truth(~operand.values, operand.known, is_constant=operand.is_constant)


def both(first: Operand, second: Operand) -> Operand:
    """Whether both are True; False as soon as one is, whatever the other."""
    false = (first.known & ~first.values) | (second.known & ~second.values)
    true = first.values & second.values
    return truth(true, true | false, is_constant=first.is_constant and second.is_constant)


def either(first: Operand, second: Operand) -> Operand:
    """Whether one is True, whatever the other."""
    return opposite(both(opposite(first), opposite(second)))


def calculated(function: Callable[..., Any], *operands: Operand) -> Operand:
    """A number of numbers; unknown where it has no finite value, as after a division by zero.

    Raises
    ------
    Mismatch : whole numbers that would be rounded, or constants without a finite value.
    """
    is_constant = all(one.is_constant for one in operands)
    with np.errstate(all="ignore"):
        values = np.asarray(function(*(_as_float(one) for one in operands)))
    known = np.isfinite(values) & reduce(np.logical_and, [one.known for one in operands])
    if is_constant and not known:
        raise Mismatch("has no finite value", "Write the number itself.")
    return Operand("numbers", values, known, is_constant=is_constant)


def _as_float(operand: Operand) -> Any:
    """Numbers in double precision, where that is exact."""
    values = np.asarray(operand.values)
    whole: list[int] = []
    if isinstance(operand.values, int):
        whole = [operand.values]
    elif values.dtype.kind in "iu" and np.any(operand.known):
        known = values[operand.known]
        whole = [int(known.min()), int(known.max())]
    if any(abs(value) > LARGEST_EXACT for value in whole):
        raise Mismatch(
            f"calculates with whole numbers beyond {LARGEST_EXACT:,}, which would be rounded",
            "Compare them as they are, or make a column of what is calculated.",
        )
    return values.astype(np.float64)


def compared(sign: str, first: Operand, second: Operand) -> Operand:
    """Comparison of two operands; unknown where either is.

    Raises
    ------
    Mismatch : operands of different kinds, an order among what has none, or a constant that is no level.
    """
    known = first.known & second.known
    left, right = _alike(first, second, ordering=sign not in ("==", "!="))
    found = COMPARISONS[sign](left, right)
    return truth(np.asarray(found, dtype=bool), known, is_constant=first.is_constant and second.is_constant)


def _alike(first: Operand, second: Operand, *, ordering: bool) -> tuple[Any, Any]:
    """Values of two operands as they can be compared."""
    kinds = {first.kind, second.kind}
    if kinds == {"dates", "text"}:
        return _as_date(first), _as_date(second)
    if first.kind == "levels":
        return _among_levels(first, second, ordering=ordering)
    if second.kind == "levels":
        right, left = _among_levels(second, first, ordering=ordering)
        return left, right
    if "truth" in kinds and kinds <= {"truth", "numbers"}:
        _check_truth(first, second, ordering=ordering)
    elif len(kinds) > 1:
        raise Mismatch(
            f"compares {first.kind} with {second.kind}",
            "Text stands between quotation marks, numbers and names of columns do not.",
        )
    return first.values, second.values


def _check_truth(first: Operand, second: Operand, *, ordering: bool) -> None:
    """Raise where True and False are ordered, or compared with a number that they cannot be."""
    if ordering:
        raise Mismatch("orders True and False", "Compare them with == or !=.")
    for one, other in ((first, second), (second, first)):
        if one.kind == "truth" and other.kind == "numbers" and other.is_constant and other.values not in (0, 1):
            raise Mismatch(f"compares True and False with {other.values}", "Compare them with True or False.")


def _as_date(operand: Operand) -> Any:
    """Dates of a text as 2018-02-28, or of a column."""
    if operand.kind == "dates":
        return operand.values
    if not ISO_DATE.fullmatch(operand.values):
        raise Mismatch(f"compares dates with {operand.values!r}", "Write a date as '2018-02-28'.")
    try:
        return np.datetime64(operand.values.replace(" ", "T"))
    except ValueError as error:
        raise Mismatch(f"compares dates with {operand.values!r}, which is none", "Check day and month.") from error


def _among_levels(first: Operand, second: Operand, *, ordering: bool) -> tuple[Any, Any]:
    """Codes of levels, and the codes of what they are compared with among the same levels."""
    if ordering and not first.is_ordered:
        raise Mismatch(
            "orders levels that have no order", "Name the levels, as in ['a', 'b'], or make them ordered categories."
        )
    if second.is_constant:
        return first.values, position(first, second)
    if second.kind != "levels":
        raise Mismatch(f"compares levels with {second.kind}", "Compare it with one of its levels.")
    if ordering and not (second.is_ordered and first.levels.equals(second.levels)):
        raise Mismatch("orders levels of two columns that have different ones", "Give both the same ordered levels.")
    places = first.levels.get_indexer(second.levels)
    if not (places >= 0).any():
        raise Mismatch("compares columns without a level in common", "Check which columns are meant.")
    return first.values, np.append(places, -1)[second.values]


def position(levelled: Operand, one: Operand) -> int:
    """Position of a constant among the levels; 1, "1" and True are three levels.

    Raises
    ------
    Mismatch : a constant that is none.
    """
    value = one.values.item() if one.kind == "truth" else one.values
    place = levelled.levels.get_loc(value) if value in levelled.levels else None
    if isinstance(place, int) and _sort(levelled.levels[place]) == _sort(value):
        return place
    first = [_plain(level) for level in levelled.levels[:MOST_COMPARED]]
    raise Mismatch(
        f"asks for {shown(value)}, which is none of its levels", f"They are {some(first)}.{did_you_mean(value, first)}"
    )


def _sort(value: object) -> str:
    """Sort of a level: text, a truth value, a number or another."""
    if isinstance(value, bool | np.bool_):
        return "truth"
    if isinstance(value, int | float | np.number):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def _plain(level: Any) -> Any:
    """A level as a message prints it."""
    return level.item() if isinstance(level, np.generic) else level if isinstance(level, int | float) else str(level)
