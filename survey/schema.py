"""Shapes of the frames that go in and out: respondents, margins, tidy results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    import pandera.pandas as pa

Result = TypeVar("Result")

EXACT = 2**53
"""Largest number up to which every whole number is a float."""

MISSING_SUFFIX = "_missing"

RESULT_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "term": "item, coefficient or other quantity that is estimated",
        "level": "answer or net of the term; empty where it has none",
        "estimate": "the estimate; proportions lie between 0 and 1",
        "std_error": "standard error under the design",
        "df": "degrees of freedom of the interval and the test",
        "conf_low": "lower limit of the confidence interval",
        "conf_high": "upper limit of the confidence interval",
        "statistic": "test statistic of no effect",
        "p_value": "p value of the test, two-sided",
        "n": "respondents that the estimate rests on, unweighted",
        "n_eff": "size of the simple random sample with the same precision",
        "deff": "design effect: variance against that of a simple random sample of the same size",
        "row_base": "respondents in the row of the table, unweighted",
        "column_base": "respondents in the column of the table, unweighted",
        "row_base_weighted": "sum of weights in the row of the table",
        "column_base_weighted": "sum of weights in the column of the table",
        "kind": 'sort of the row: "level", "net" or "missing"; of a model "slope", "odds ratio", "threshold", '
        '"nominal" or "scale"',
        "shown": "whether the reliability rule lets the number be shown",
        "flag": 'marks of the reliability rule, such as "[u]" for unreliable; empty where none',
        "letters": "letters of the columns that this one is significantly higher than",
        "column_letter": "letter of the column itself among those that it is compared with; empty where none",
        "fraction_missing": "share of the information that is missing, of results pooled over imputations",
    }
)
"""Columns of tidy results, in order, with what they hold; columns of groups come before them."""

TEST_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "df1": "degrees of freedom of the numerator of F, of a chi-square or of t",
        "df2": "degrees of freedom of the denominator of F; missing for others",
        "method": "name of the test",
        "note": "what a reader should know of the test: reference, degrees of freedom, what limits it",
    }
)
"""Columns of the tidy frames of tests beside those of results; variables may have these names."""


def gives_copies(*names: str) -> Callable[[type[Result]], type[Result]]:
    """Make frames and series that a frozen dataclass with slots holds safe: whoever asks for one gets a copy of it.

    The copies are lazy, as pandas copies on write.
    """

    def protect(cls: type[Result]) -> type[Result]:
        for name in names:
            slot = cls.__dict__[name]
            setattr(cls, name, property(_copying(slot), slot.__set__, doc=slot.__doc__))
        return cls

    return protect


def _copying(slot: Any) -> Callable[[object], Any]:
    """Getter of a slot that gives a copy of its frame or series."""

    def copied(held: object) -> Any:
        value = slot.__get__(held, type(held))
        return value.copy(deep=False) if isinstance(value, pd.DataFrame | pd.Series) else value

    return copied


class RespondentItem(Protocol):
    """What the schema needs to know of an item; `survey.items.Item` is one."""

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
    return bool((np.isfinite(numbers) & (np.abs(numbers) <= EXACT) & (numbers % 1 == 0)).all())


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
