"""From a statistic to an estimate: covariance, degrees of freedom, design effect and bounds."""

from __future__ import annotations

import numpy as np

from survey.arguments import check_level
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells
from survey.estimation.degrees_of_freedom import degrees_of_freedom
from survey.estimation.estimate import Estimate
from survey.estimation.few_clusters import FewClusters
from survey.estimation.influence import Statistic
from survey.estimation.intervals import IntervalMethod, proportion_interval, t_interval
from survey.estimation.spans import Basis, Spans
from survey.estimation.units import inside_one_unit
from survey.estimation.variance import covariance


def estimate(
    cells: Cells,
    statistic: Statistic,
    *,
    level: float = 0.95,
    interval: IntervalMethod | None = None,
    few: FewClusters | None = None,
) -> Estimate:
    """Give a statistic its covariance, degrees of freedom, design effect and bounds.

    Parameters
    ----------
    interval : method for proportions; None for a t interval.
    few : covariance and degrees of freedom made for few clusters, in place of those of the design.
    """
    check_level(level)
    domains, position = _distinct_columns(statistic.membership)
    domain_df = degrees_of_freedom(cells, domains)
    if few is None:
        vcov = covariance(
            cells, statistic.value, statistic.influence, statistic.evaluate, membership=statistic.membership
        )
        df = domain_df[position]
    else:
        vcov = few.vcov
        df = few.df
    unknown = inside_one_unit(cells, domains & cells.inside[:, None], domain_df)[position]
    if statistic.centred and unknown.any():
        vcov = np.where(unknown | unknown[:, None], np.nan, vcov)

    n = (cells.n @ domains)[position].astype(np.float64)
    simple = _simple_variance(cells, statistic, n)
    variance = np.diag(vcov)
    deff = np.divide(variance, simple, out=np.full(n.size, np.nan), where=simple > 0)

    std_error = np.sqrt(variance)
    if interval is None:
        low, high = t_interval(statistic.value, std_error, df, level)
    else:
        low, high = proportion_interval(statistic.value, std_error, n, df, level=level, method=interval)

    return Estimate(
        labels=statistic.labels,
        value=statistic.value,
        vcov=vcov,
        df=df,
        n=n,
        deff=deff,
        conf_low=low,
        conf_high=high,
        level=level,
        whole_df=float(degrees_of_freedom(cells, cells.inside[:, None])[0]),
        whole_n=float(cells.n.sum()),
        left_out=cells.left_out,
        few=few,
        spans=Spans(Basis(cells, domains, position, np.sqrt(simple * n), centred=statistic.centred)),
    )


def _distinct_columns(membership: BoolArray) -> tuple[BoolArray, IntArray]:
    """Distinct columns of a (C, k) Boolean array, and (k,) which of them each column is."""
    if membership.shape[1] == 1:
        return membership, np.zeros(1, dtype=np.intp)
    keys = [column.tobytes() for column in np.ascontiguousarray(membership.T)]
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    distinct = sorted(first.values())
    rank = {keys[i]: r for r, i in enumerate(distinct)}
    return membership[:, distinct], np.array([rank[key] for key in keys], dtype=np.intp)


def _simple_variance(cells: Cells, statistic: Statistic, n: FloatArray) -> FloatArray:
    """(k,) variance under simple random sampling with replacement of n respondents.

    `W^2 S^2 / n` with S^2 the weighted variance of the influence within the domain, as in R's
    `svymean(deff="replace")`. A constant variable gives rounding error, not variance: it is set to zero.
    """
    members = statistic.membership.astype(np.float64)
    size = cells.weight @ members
    first = np.einsum("c,ck,ck->k", cells.weight, members, statistic.influence) / size
    spread = members * (statistic.influence - first) ** 2
    second = cells.weight @ spread / size
    level = np.einsum("c,ck->k", cells.weight, members * statistic.influence**2) / size
    # rounding of 1e-12 of the values is 1e-24 of their squares
    second = np.where(second > 1e-24 * level, second, 0.0)
    return np.divide(size**2 * second, n - 1, out=np.zeros_like(n), where=n > 1)
