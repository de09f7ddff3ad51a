"""Totals, means, proportions and ratios on cells: a value and an influence function, nothing more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells, code_values, compress, mixed_radix
from survey.errors import EstimationError, shown
from survey.tidy import rows_at, side_by_side

MANY_LEVELS = 100  # up to as many, levels are groups however few respondents each has
FEWEST_PER_LEVEL = 2  # respondents per level, on average, below which many levels tell people apart
MOST_NUMBERS = 1 << 30  # numbers of one array, domains by patterns: 8 GB

Evaluate: TypeAlias = Callable[[FloatArray], FloatArray]
Share = Literal["column", "row", "cell"]


@dataclass(frozen=True, slots=True, eq=False)
class Statistic:
    """k statistics evaluated on C patterns.

    Attributes
    ----------
    labels : k rows; what each statistic is: by-columns, `term`, `level`.
    value : (k,) values.
    influence : (C, k) influence of one respondent with each pattern, weight not included.
    evaluate : from (C, R) weights to (R, k) values, for replicate weights.
    membership : (C, k) patterns of the domain that each statistic is about.
    centred : whether the influence adds up to zero in the domain, as that of a mean does and that of a total does not.
    """

    labels: pd.DataFrame
    value: FloatArray
    influence: FloatArray
    evaluate: Evaluate
    membership: BoolArray
    centred: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Domains:
    """Patterns sorted into G domains.

    Attributes
    ----------
    labels : G rows, one column per by-variable.
    indicator : (C, G) whether each pattern belongs to each domain.
    """

    labels: pd.DataFrame
    indicator: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Variables laid out as numbers: a numeric variable as itself, a categorical one as its indicators.

    Attributes
    ----------
    labels : m rows, `term` and `level` ("" for a numeric variable).
    values : (C, m) values; zero outside the domain.
    """

    labels: pd.DataFrame
    values: FloatArray


def domains_of(cells: Cells, by: Sequence[str]) -> Domains:
    """Domains that the by-variables make, in the order of their levels; empty combinations are left out.

    Raises
    ------
    EstimationError : a by-variable whose values tell people apart, or more domains than fit in memory.
    """
    if not by:
        return Domains(pd.DataFrame(index=range(1)), cells.inside[:, None])
    coded = [code_values(cells.frame[name]) for name in by]
    for name, (codes, values) in zip(by, coded, strict=True):
        _check_groups(cells, name, codes, len(values), argument="by")
    key, size = mixed_radix([codes for codes, _ in coded], [len(values) for _, values in coded], cells.n.size)
    live = np.flatnonzero(cells.inside)
    dense, first = compress(key[live], size)
    if first.size * cells.n.size > MOST_NUMBERS:
        raise EstimationError(
            f"`by` must make fewer groups; {', '.join(map(repr, by))} makes {first.size:,} of {cells.n.size:,} "
            f"patterns, which is {first.size * cells.n.size * 8 / 1e9:,.0f} GB. Cut numbers into groups (pandas.cut)."
        )
    indicator = np.zeros((cells.n.size, first.size), dtype=bool)
    indicator[live, dense] = True
    return Domains(rows_at(cells.frame, live[first], by), indicator)


def _check_groups(cells: Cells, name: str, codes: IntArray, levels: int, *, argument: str) -> None:
    """Raise where a variable that should sort respondents into groups tells them apart, as an identifier does."""
    if levels <= MANY_LEVELS:
        return
    used = np.unique(codes[cells.inside]).size
    respondents = int(cells.n.sum())
    if used > MANY_LEVELS and used * FEWEST_PER_LEVEL > respondents:
        raise EstimationError(
            f"`{argument}` must sort respondents into groups; {name!r} has {used:,} values for {respondents:,} "
            "respondents, which tells them apart. Cut numbers into groups (pandas.cut), merge levels, or name another "
            "variable."
        )


def terms_of(cells: Cells, variables: Sequence[str], *, argument: str = "x") -> Terms:
    """Values of the variables on the patterns.

    Parameters
    ----------
    argument : what the function that the user called names them by, for its errors.
    """
    columns: list[FloatArray] = []
    terms: list[str] = []
    levels: list[object] = []
    for name in variables:
        column = cells.frame[name]
        if is_numeric(column):
            values = np.where(cells.inside, column.to_numpy(dtype=np.float64, na_value=np.nan), 0.0)
            if not np.isfinite(values).all():
                raise EstimationError(
                    f"`{argument}` must be finite; {name!r} holds an infinite value. Recode it as missing."
                )
            columns.append(values)
            terms.append(name)
            levels.append("")
        else:
            for level, indicator in zip(*level_indicators(cells, name, argument=argument), strict=True):
                columns.append(indicator.astype(np.float64))
                terms.append(name)
                levels.append(level)
    return Terms(pd.DataFrame({"term": terms, "level": levels}), np.column_stack(columns))


def is_numeric(column: pd.Series[Any]) -> bool:
    """Whether a variable is a quantity rather than a set of answers."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def level_indicators(cells: Cells, name: str, *, argument: str = "x") -> tuple[list[object], list[BoolArray]]:
    """Levels of a categorical variable, all those of its type, and (C,) indicators of them."""
    codes, values = code_values(cells.frame[name])
    _check_groups(cells, name, codes, len(values), argument=argument)
    return list(values), [(codes == position) & cells.inside for position in range(len(values))]


def is_chosen(cells: Cells, name: str, labels: Sequence[object]) -> BoolArray:
    """(C,) whether each pattern has chosen an option of a multiple-response set.

    Parameters
    ----------
    name : column of the option: True or False, or one of two labels.
    labels : the labels, the second of which means "chosen".

    Raises
    ------
    EstimationError : a column with other values, of which nobody could tell what they mean.
    """
    values = cells.frame[name][cells.inside]
    if all(isinstance(value, bool | np.bool_) for value in values.unique()):
        labels = (False, True)
    strange = [value for value in values.unique() if value not in labels or is_numeric(values)]
    if strange:
        wanted = " or ".join(map(shown, labels))
        raise EstimationError(
            f"`item` must have options that hold True or False, or {wanted}, the labels of its levels; {name!r} holds "
            f"{shown(strange[0])}. State the labels in the item, as levels=(Level(0, 'Not chosen'), Level(1, "
            "'Chosen')), or make the column Boolean."
        )
    result: BoolArray = np.zeros(cells.n.size, dtype=bool)
    result[cells.inside] = (values == labels[1]).to_numpy(dtype=bool)
    return result


def total_statistic(cells: Cells, measured: Terms, groups: Domains) -> Statistic:
    """Totals: sum of w x in each domain; the influence is x itself. R equivalent: survey::svytotal."""
    values = _spread(groups.indicator.astype(np.float64), measured.values)
    labels, membership = by_domain(groups, measured.labels)
    return Statistic(
        labels=labels,
        value=cells.weight @ values,
        influence=values,
        evaluate=lambda weight: weight.T @ values,
        membership=membership,
        centred=False,
    )


def mean_statistic(cells: Cells, measured: Terms, groups: Domains) -> Statistic:
    """Means in each domain; influence (x - mean) / (sum of weights). R equivalent: survey::svymean."""
    indicator = groups.indicator.astype(np.float64)
    labels, membership = by_domain(groups, measured.labels)
    above = _spread(indicator, measured.values)
    below = np.repeat(indicator, len(measured.labels), axis=1)
    return ratio_of_totals(cells, labels, above=above, below=below, membership=membership)


def ratio_statistic(cells: Cells, numerator: Terms, denominator: Terms, groups: Domains) -> Statistic:
    """Ratios of totals y / x in each domain; influence (y - R x) / X. R equivalent: survey::svyratio."""
    indicator = groups.indicator.astype(np.float64)
    name = denominator.labels["term"][0]
    labels, membership = by_domain(groups, numerator.labels.assign(term=numerator.labels["term"] + "/" + name))
    below = np.repeat(indicator * denominator.values, len(numerator.labels), axis=1)
    sums = cells.weight @ below
    # positive and negative values that cancel leave rounding error, not zero
    nothing = np.abs(sums) <= 1e-12 * (cells.weight @ np.abs(below))
    if nothing.any():
        empty = labels.iloc[int(nothing.argmax())].drop(["term", "level"]).to_dict()
        where = f"in {empty}" if empty else "over the sample"
        raise EstimationError(f"`x` must have a total other than zero; {name!r} sums to zero {where}. Leave these out.")
    above = _spread(indicator, numerator.values)
    return ratio_of_totals(cells, labels, above=above, below=below, membership=membership)


def ratio_of_totals(
    cells: Cells, labels: pd.DataFrame, *, above: FloatArray, below: FloatArray, membership: BoolArray
) -> Statistic:
    """K ratios of the totals of (C, k) values: means, shares and ratios are all of this form."""
    size = cells.weight @ below
    value = cells.weight @ above / size
    influence = (above - below * value) / size  # (y - R x) / X, with R = Y / X and the totals estimated
    return Statistic(
        labels=labels,
        value=value,
        influence=influence,
        evaluate=lambda weight: _divided(weight.T @ above, weight.T @ below),
        membership=membership,
    )


def _divided(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotients, NaN where a replicate has nobody in the domain."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def _spread(indicator: FloatArray, values: FloatArray) -> FloatArray:
    """(C, G m) products of (C, G) indicators and (C, m) values, domain by domain."""
    product = indicator[:, :, None] * values[:, None, :]
    return product.reshape(len(values), -1)


def by_domain(groups: Domains, labels: pd.DataFrame) -> tuple[pd.DataFrame, BoolArray]:
    """Labels and (C, G m) membership of statistics that run domain by domain and, within one, term by term."""
    n_groups = len(groups.labels)
    m = len(labels)
    position: IntArray = np.repeat(np.arange(n_groups), m)
    repeated = rows_at(labels, np.tile(np.arange(m), n_groups))
    return side_by_side(rows_at(groups.labels, position), repeated), groups.indicator[:, position]
