"""Shapes of the frames that come in: respondents and margins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import pandera.pandas as pa

EXACT = 2**53
"""Largest number up to which every whole number is a float."""

MISSING_SUFFIX = "_missing"


class RespondentItem(Protocol):
    """What the schema needs to know of an item; `survey.records.items.Item` is one."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns with the answers."""

    @property
    def kind(self) -> str:
        """Kind of the item."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the levels, in order."""

    @property
    def missing_labels(self) -> tuple[str, ...]:
        """Reasons for a missing answer, in order."""

    @property
    def nullable(self) -> bool:
        """Whether an answer may be missing."""

    @property
    def minimum(self) -> float | None:
        """Smallest number allowed."""

    @property
    def maximum(self) -> float | None:
        """Largest number allowed."""

    @property
    def unit(self) -> str | None:
        """Unit of the number."""

    @property
    def integer(self) -> bool:
        """Whether the number is whole."""


def companion(column: str) -> str:
    """Name the column that holds the reasons why answers in a column are missing."""
    return column + MISSING_SUFFIX


def category_dtype(item: RespondentItem) -> pd.CategoricalDtype:
    """Categories of an item in codebook order, ordered unless the item is nominal."""
    return pd.CategoricalDtype(list(item.labels), ordered=item.kind == "ordinal")


def missing_dtype(item: RespondentItem) -> pd.CategoricalDtype:
    """Reasons for a missing answer as categories, in codebook order."""
    return pd.CategoricalDtype(list(item.missing_labels), ordered=False)


def number_dtype(item: RespondentItem) -> str:
    """Whole numbers are int64 where nobody can lack one, and float64 otherwise."""
    return "int64" if item.integer and not item.nullable else "float64"


def all_whole(numbers: npt.NDArray[np.float64]) -> bool:
    """Whether numbers can become integers without a change: finite, whole, and exact as floats."""
    return bool((np.isfinite(numbers) & (np.abs(numbers) <= EXACT) & (np.trunc(numbers) == numbers)).all())


def respondent_schema(items: Iterable[RespondentItem], *, weight: str | None = None) -> pa.DataFrameSchema:
    """Make the schema of a frame of respondents.

    Parameters
    ----------
    items : items of the codebook.
    weight : column of weights; None where there is none.

    Returns
    -------
    pandera schema that requires the columns of all items and lets other columns through.
    """
    import pandera.pandas as pa

    columns: dict[str, pa.Column] = {}
    for item in items:
        for column in item.columns:
            columns[column] = pa.Column(**_column(item))
            if item.missing_labels:
                columns[companion(column)] = pa.Column(missing_dtype(item), nullable=True)
    if weight is not None:
        rule = pa.Check(_is_weight, error="a weight must be a finite number, zero or more", name="weight")
        columns[weight] = pa.Column(float, rule, coerce=True, nullable=False)
    return pa.DataFrameSchema(columns)


def _column(item: RespondentItem) -> dict[str, Any]:
    """Arguments of the pandera column of an item."""
    if item.kind == "id":
        return {"unique": True, "nullable": False}
    if item.kind == "text":
        return {"nullable": True}
    if item.kind == "numeric":
        return {"dtype": number_dtype(item), "checks": _number_checks(item), "nullable": item.nullable}
    return {"dtype": category_dtype(item), "nullable": item.nullable}


def _number_checks(item: RespondentItem) -> list[pa.Check]:
    """Rules for the numbers of an item, worded for the error message."""
    import pandera.pandas as pa

    low = -np.inf if item.minimum is None else item.minimum
    high = np.inf if item.maximum is None else item.maximum
    unit = f" {item.unit}" if item.unit else ""
    if item.minimum is None and item.maximum is None:
        checks = [pa.Check(np.isfinite, error="must be a finite number")]
    elif item.minimum is None or item.maximum is None:
        bound = f"at least {low:g}" if item.maximum is None else f"at most {high:g}"
        checks = [pa.Check.in_range(low, high, error=f"must be {bound}{unit}")]
    else:
        checks = [pa.Check.in_range(low, high, error=f"must be from {low:g} to {high:g}{unit}")]
    if item.integer:
        checks.append(pa.Check(_is_whole, error="must be a whole number", name="whole"))
    return checks


def _is_whole(numbers: pd.Series[float]) -> pd.Series[bool]:
    """Whether numbers are whole."""
    return numbers % 1 == 0


def _is_weight(weights: pd.Series[float]) -> pd.Series[bool]:
    """Whether weights are finite and not negative."""
    return (weights >= 0) & np.isfinite(weights)


def margins_schema() -> pa.DataFrameSchema:
    """Make the schema of a table of population margins.

    Returns
    -------
    pandera schema with one row per variable and level: `variable`, `level` and `target`, a share or a count.
    """
    import pandera.pandas as pa

    positive = pa.Check(_is_weight, error="a target must be a finite number, zero or more", name="target")
    columns = {
        "variable": pa.Column(str, nullable=False),
        "level": pa.Column(str, nullable=False),
        "target": pa.Column(float, positive, coerce=True, nullable=False),
    }
    return pa.DataFrameSchema(columns, strict=True, unique=["variable", "level"])
