"""Multiple imputation: results of several completed data sets become one, by Rubin's rules.

The analysis is made once per completed data set, with the same design, and the results are handed over as a list.
Variance within the imputations is the design's; variance between them is what not knowing the missing values costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, overload, runtime_checkable

import numpy as np
import pandas as pd

from survey.arguments import check_level
from survey.arrays import FloatArray
from survey.design import Cells
from survey.errors import DisclosureError, EstimationError
from survey.estimation import Estimate, IntervalMethod
from survey.imputation.pooled_estimate import PooledEstimate, whole
from survey.imputation.pooled_fit import PooledFit
from survey.models import OrdinalFit

SAME_BASIS = 1e-10  # relative: columns of one formula, computed twice from the same values
BASES = ("row_base", "column_base", "row_base_weighted", "column_base_weighted")


@runtime_checkable
class Tabulated(Protocol):
    """What pooling needs to know of a table; `survey.Table` is one."""

    @property
    def share(self) -> str:
        """Side that the shares add up over."""

    @property
    def by_columns(self) -> tuple[str, ...]:
        """Variables in the columns."""

    @property
    def vcov(self) -> FloatArray:
        """(k, k) covariance of the shares."""

    @property
    def cells(self) -> Cells | None:
        """What the shares were computed from; None in a protected table."""

    def tidy(self) -> pd.DataFrame:
        """One row per share."""


@overload
def pool(results: Sequence[OrdinalFit], *, level: float = ..., interval: IntervalMethod | None = ...) -> PooledFit: ...


@overload
def pool(
    results: Sequence[Estimate] | Sequence[Tabulated], *, level: float = ..., interval: IntervalMethod | None = ...
) -> PooledEstimate: ...


def pool(
    results: Sequence[OrdinalFit] | Sequence[Estimate] | Sequence[Tabulated],
    *,
    level: float = 0.95,
    interval: IntervalMethod | None = None,
) -> PooledFit | PooledEstimate:
    """Pool the results of one analysis over imputations of the missing values.

    Estimates are averaged. Their variance is the average of the design variances, plus 1 + 1/m times the variance of
    the estimates over the m imputations. A linear contrast of pooled estimates is the pool of the contrasts.

    Parameters
    ----------
    results : the results of two or more completed data sets: fits of `ordinal`, estimates (means, proportions,
        average effects, ...) or tables. All are of the same kind and have the same rows.
    level : confidence level.
    interval : method for proportions; None: "korn-graubard" for tables, as `topline` has it, t intervals otherwise.

    Returns
    -------
    PooledFit for fits, otherwise PooledEstimate. Their tidy frames have the columns of the results, and
    `fraction_missing`. A table goes on to `survey.tables.to_gt`.

    Raises
    ------
    EstimationError : fewer than two results, results of different kinds, rows or models, or models whose columns were
        learned from the data (`poly`, `bs`) and mean something else in each imputation.
    DisclosureError : a table with suppressed cells.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys, ch. 3; Barnard and Rubin (1999), Biometrika 86:948.
    R equivalent: mitools::MIcombine with df.complete, whose degrees of freedom leave out a factor 1 + 1/m.
    """
    check_level(level)
    completed = list(results) if isinstance(results, Sequence | Iterator) else [results]
    kinds = {type(result).__name__: type(result) for result in completed}
    if len(completed) < 2 or len(kinds) > 1:
        what = f"{len(completed)} of them" if len(kinds) < 2 else f"{', '.join(sorted(kinds))}"
        raise EstimationError(
            "`results` must be two or more results of one kind, one for each imputation, as what is missing shows in "
            f"how they differ; got {what}."
        )
    fits = [result for result in completed if isinstance(result, OrdinalFit)]
    estimates = [result for result in completed if isinstance(result, Estimate)]
    tables = [result for result in completed if isinstance(result, Tabulated)]
    if fits:
        return _pooled_fits(fits, level)
    if estimates:
        return _pooled_estimates(estimates, level, interval)
    if tables:
        return _pooled_tables(tables, level, interval)
    raise EstimationError(
        f"`results` must be fits of `ordinal`, estimates or tables; got {', '.join(kinds)}. Pool what it was made from."
    )


def _pooled(
    labels: Sequence[pd.DataFrame], values: Sequence[FloatArray], vcovs: Sequence[FloatArray]
) -> tuple[pd.DataFrame, FloatArray, FloatArray, FloatArray]:
    """Labels, average, covariance within and covariance between; refused where rows differ."""
    first = labels[0].reset_index(drop=True)
    for number, other in enumerate(labels[1:], start=2):
        _check_rows(first, other.reset_index(drop=True), number)
    stacked = np.vstack(values)
    # Rubin's rules: the average, W the average of the covariances, B the covariance of the m estimates
    average = stacked.mean(axis=0)
    deviation = stacked - average
    between = deviation.T @ deviation / (len(stacked) - 1)
    return first, average, np.mean(vcovs, axis=0), between


def _check_rows(first: pd.DataFrame, other: pd.DataFrame, number: int) -> None:
    """Raise unless a result has the rows of the first one."""
    names = [", ".join(map(str, frame.columns)) for frame in (first, other)]
    if names[0] != names[1]:
        raise EstimationError(
            f"`results` must have the same labels; the first has the columns {names[0]}, number {number} {names[1]}."
        )
    rows = [[tuple(map(str, row)) for row in frame.itertuples(index=False, name=None)] for frame in (first, other)]
    if rows[0] == rows[1]:
        return
    apart = [row for row in (*rows[0], *rows[1]) if (row in rows[0]) != (row in rows[1])]
    what = (
        f"{' / '.join(filter(None, apart[0]))} is not in both" if apart else "their order differs or one occurs twice"
    )
    raise EstimationError(
        f"`results` must have the same rows; of the first and number {number}, {what}. An answer or a group that not "
        "every imputation has makes rows differ: keep its level as a category, or merge it."
    )


def _pooled_estimates(estimates: Sequence[Estimate], level: float, interval: IntervalMethod | None) -> PooledEstimate:
    """Estimates pooled."""
    labels, value, within, between = _pooled(
        [one.labels for one in estimates], [one.value for one in estimates], [one.vcov for one in estimates]
    )
    return PooledEstimate(
        labels=labels,
        value=value,
        within=within,
        between=between,
        imputations=len(estimates),
        complete_df=np.min([one.df for one in estimates], axis=0),
        whole_df=min(one.whole_df for one in estimates),
        n=np.mean([one.n for one in estimates], axis=0),
        level=level,
        interval=interval,
    )


def _pooled_tables(tables: Sequence[Tabulated], level: float, interval: IntervalMethod | None) -> PooledEstimate:
    """Tables pooled, with their average bases."""
    frames = [table.tidy() for table in tables]
    if any(table.cells is None for table in tables):
        raise DisclosureError("`results` must be tables with every cell; one is protected. Pool first, then `protect`.")
    if any(np.isnan(table.vcov).any() for table in tables):
        raise EstimationError(
            "`results` must be tables with every share; one has row shares of an answer that nobody gave. Merge it, or "
            "pool column shares."
        )
    shares = {table.share for table in tables}
    if len(shares) > 1:
        raise EstimationError(f"`results` must add up over the same side; got share = {', '.join(sorted(shares))}.")
    keys = [[*tables[0].by_columns, "term", "level"]]
    keys += [[*table.by_columns, "term", "level"] for table in tables[1:]]
    labels, value, within, between = _pooled(
        [frame[key] for frame, key in zip(frames, keys, strict=True)],
        [frame["estimate"].to_numpy(dtype=np.float64) for frame in frames],
        [table.vcov for table in tables],
    )
    df = np.min([frame["df"].to_numpy(dtype=np.float64) for frame in frames], axis=0)
    bases = {
        name: whole(np.mean([frame[name].to_numpy(dtype=np.float64) for frame in frames], axis=0))
        for name in BASES
        if name in frames[0]
    }
    return PooledEstimate(
        labels=labels,
        value=value,
        within=within,
        between=between,
        imputations=len(tables),
        complete_df=df,
        whole_df=float(df.max(initial=0.0)),
        n=np.mean([frame["n"].to_numpy(dtype=np.float64) for frame in frames], axis=0),
        level=level,
        interval=interval or "korn-graubard",
        table=pd.DataFrame({**bases, "kind": frames[0]["kind"]}),
    )


def _pooled_fits(fits: Sequence[OrdinalFit], level: float) -> PooledFit:
    """Fits of one model pooled."""
    first = fits[0]
    for number, other in enumerate(fits[1:], start=2):
        for name in ("formula", "link", "outcome", "levels"):
            one = getattr(first, name)
            two = getattr(other, name)
            if one != two:
                raise EstimationError(
                    f"`results` must be fits of one model; the first has {name} {one!r}, number {number} {two!r}."
                )
        if first.parts.offset != other.parts.offset:
            raise EstimationError(
                f"`results` must be fits of one model; the first has offset {first.parts.offset!r}, number {number} "
                f"{other.parts.offset!r}."
            )
        _check_columns(first, other, number)
    labels, value, within, between = _pooled(
        [pd.DataFrame({"term": list(fit.params.index), "level": ""}) for fit in fits],
        [np.asarray(fit.params, dtype=np.float64) for fit in fits],
        [fit.vcov for fit in fits],
    )
    df = min(fit.df for fit in fits)
    parameters = PooledEstimate(
        labels=labels,
        value=value,
        within=within,
        between=between,
        imputations=len(fits),
        complete_df=np.full(value.size, df),
        whole_df=df,
        n=np.full(value.size, np.mean([fit.n for fit in fits])),
        level=level,
    )
    return PooledFit(
        formula=first.formula,
        link=first.link,
        outcome=first.outcome,
        levels=first.levels,
        parts=first.parts,
        estimate=parameters,
    )


def _check_columns(first: OrdinalFit, other: OrdinalFit, number: int) -> None:
    """Raise where columns that were learned from the data differ between two imputations."""
    frame = first.cells.frame[first.cells.inside]
    for one, two in zip(first.parts.matrices(), other.parts.matrices(), strict=True):
        if one.is_plain or list(one.columns) != list(two.columns):
            continue  # plain columns mean the same; different names are refused with the rows
        try:
            same = np.allclose(one.evaluate(frame), two.evaluate(frame), rtol=SAME_BASIS, atol=SAME_BASIS)
        except EstimationError:
            same = False
        if not same:
            raise EstimationError(
                f"`results` must have columns that mean the same in every imputation; those of {first.formula!r} were "
                f"learned from the data and differ in number {number}. Give knots and centres as numbers, or make "
                "the columns before imputing."
            )
