"""Variances, covariances and correlations of variables in the population, as statistics on cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from survey.arguments import as_name, asked_names, by_names, check_choice
from survey.arrays import BoolArray, FloatArray
from survey.design import Cells, Design, Missing, collapse
from survey.errors import EstimationError
from survey.estimation.assembly import estimate
from survey.estimation.estimate import Estimate
from survey.estimation.influence import Domains, Statistic, by_domain, domains_of, is_numeric, terms_of
from survey.estimation.intervals import t_interval

CorrelationInterval = Literal["fisher", "wald"]
CONSTANT = 1e-12  # a standard deviation below this share of the largest value is the rounding of a constant


def var(
    design: Design,
    x: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
) -> Estimate:
    """Variances of numeric variables in the population.

    The weighted mean of squared deviations from the weighted mean, times n / (n - 1) of the domain's respondents.

    Parameters
    ----------
    x : one or several numeric variables; several are estimated on the rows that know them all.
    by : variables whose combinations are the domains.
    level : confidence level of the t intervals.
    missing : "drop" or "fail".

    Returns
    -------
    Estimate; NaN in a domain of one respondent.

    Raises
    ------
    EstimationError : a variable that is not numeric, missing values under "fail", or no respondent left.

    References
    ----------
    R equivalent: survey::svyvar.
    """
    variables = asked_names(x, "x")
    cells, groups = _counted(design, [("x", name) for name in variables], by, missing)
    statistic, exists = _covariances(cells, groups, pairs=[(name, name) for name in variables], names=variables)
    return _where_it_exists(estimate(cells, statistic, level=level), exists)


def cov(
    design: Design,
    x: str,
    y: str,
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
) -> Estimate:
    """Covariance of two numeric variables in the population, with the factor n / (n - 1) of `var`.

    Parameters
    ----------
    x, y : numeric variables.
    by : variables whose combinations are the domains.
    level : confidence level of the t interval.
    missing : "drop" or "fail".

    Returns
    -------
    Estimate with the term "x:y"; NaN in a domain of one respondent.

    Raises
    ------
    EstimationError : a variable that is not numeric, missing values under "fail", or no respondent left.

    References
    ----------
    R equivalent: survey::svyvar with two variables.
    """
    pair = (as_name(x, "x"), as_name(y, "y"))
    cells, groups = _counted(design, [("x", x), ("y", y)], by, missing)
    statistic, exists = _covariances(cells, groups, pairs=[pair], names=[f"{x}:{y}"])
    return _where_it_exists(estimate(cells, statistic, level=level), exists)


def corr(
    design: Design,
    x: str,
    y: str,
    *,
    by: str | Sequence[str] | None = None,
    interval: CorrelationInterval = "fisher",
    level: float = 0.95,
    missing: Missing = "drop",
) -> Estimate:
    """Pearson correlation of two numeric variables in the population, by the delta method.

    Parameters
    ----------
    x, y : numeric variables.
    by : variables whose combinations are the domains.
    interval : "fisher", a t interval of artanh r, which stays between -1 and 1; or "wald", r plus and minus t SE.
    level : confidence level.
    missing : "drop" or "fail".

    Returns
    -------
    Estimate with the term "x:y"; NaN in a domain where a variable does not vary.

    Raises
    ------
    EstimationError : a variable that is not numeric, an unknown interval, missing values under "fail", or no
        respondent left.

    References
    ----------
    R equivalent: survey::svyvar, then svycontrast of v[1, 2] / sqrt(v[1, 1] v[2, 2]).
    """
    pair = (as_name(x, "x"), as_name(y, "y"))
    check_choice(interval, CorrelationInterval, "interval")
    cells, groups = _counted(design, [("x", x), ("y", y)], by, missing)
    statistic, exists = _correlations(cells, pair, groups)
    correlations = _where_it_exists(estimate(cells, statistic, level=level), exists)
    return correlations if interval == "wald" else _with_fisher_bounds(correlations)


def _with_fisher_bounds(correlations: Estimate) -> Estimate:
    """Correlations with t intervals of z = artanh r, whose standard error is SE / (1 - r^2); NaN at -1 and 1."""
    inside = np.abs(correlations.value) < 1 - CONSTANT
    r = np.where(inside, correlations.value, 0.0)
    low, high = t_interval(
        np.arctanh(r), correlations.std_error / (1 - r**2), correlations.df, level=correlations.level
    )
    return replace(
        correlations,
        conf_low=np.where(inside, np.tanh(low), np.nan),
        conf_high=np.where(inside, np.tanh(high), np.nan),
    )


def _counted(
    design: Design, variables: Sequence[tuple[str, str]], by: str | Sequence[str] | None, missing: Missing
) -> tuple[Cells, Domains]:
    """Cells of numeric variables, given as (argument, name), and the domains among them."""
    names = [name for _, name in variables]
    groups = by_names(by, names)
    cells = collapse(design, [*names, *groups], missing)
    for argument, name in variables:
        if not is_numeric(cells.frame[name]):
            raise EstimationError(
                f"`{argument}` must be numeric to have a variance; {name!r} has type {cells.frame[name].dtype}."
            )
    return cells, domains_of(cells, groups)


def _covariances(
    cells: Cells, groups: Domains, *, pairs: Sequence[tuple[str, str]], names: Sequence[str]
) -> tuple[Statistic, BoolArray]:
    """Covariances of m pairs in G domains as a statistic, and which of the G m exist."""
    labels, membership = by_domain(groups, pd.DataFrame({"term": list(names), "level": ""}))
    members = membership.astype(np.float64)
    n = cells.n @ members
    exists = n > 1
    # n / (n - 1) of respondents, not of weights: what R's svyvar has
    factor = np.divide(n, n - 1, out=np.zeros_like(n), where=exists)
    dx, dy = (_deviations(cells, [pair[i] for pair in pairs], members) for i in (0, 1))

    def evaluate(weight: FloatArray) -> FloatArray:
        """(R, k) covariances under (C, R) weights."""
        return factor * _second_moments(weight, members, dx, dy)

    size = cells.weight @ members
    value = factor * (cells.weight @ (dx * dy)) / size
    # The means are estimated too, but deviations from them add to zero: they change nothing to first order.
    influence = members * (factor * dx * dy - value) / size
    return Statistic(labels, value, influence=influence, evaluate=evaluate, membership=membership), exists


def _correlations(cells: Cells, pair: tuple[str, str], groups: Domains) -> tuple[Statistic, BoolArray]:
    """Correlations in G domains as a statistic, and which of them exist."""
    labels, membership = by_domain(groups, pd.DataFrame({"term": [f"{pair[0]}:{pair[1]}"], "level": ""}))
    members = membership.astype(np.float64)
    size = cells.weight @ members
    exists = np.ones(len(labels), dtype=bool)
    standard = []
    for name in pair:
        deviation = _deviations(cells, [name], members)
        spread = np.sqrt(cells.weight @ deviation**2 / size)
        largest = np.abs(members * _numbers(cells, name)[:, None]).max(axis=0)
        varies = spread > CONSTANT * largest
        exists &= varies
        standard.append(np.divide(deviation, spread, out=np.zeros_like(deviation), where=varies))
    dx, dy = standard

    def evaluate(weight: FloatArray) -> FloatArray:
        """(R, k) correlations under (C, R) weights; NaN where a variable does not vary."""
        xy, xx, yy = (_second_moments(weight, members, a, b) for a, b in ((dx, dy), (dx, dx), (dy, dy)))
        below = np.sqrt(xx * yy)
        values = np.divide(xy, below, out=np.full_like(xy, np.nan), where=below > CONSTANT)
        values[:, ~exists] = 0.0
        return values

    value = cells.weight @ (dx * dy) / size
    # r = c_xy / sqrt(c_xx c_yy), of variables in standard units: dr = dc_xy - r (dc_xx + dc_yy) / 2
    influence = (dx * dy - value * (dx**2 + dy**2) / 2) / size
    return Statistic(labels, value, influence=influence, evaluate=evaluate, membership=membership), exists


def _numbers(cells: Cells, name: str) -> FloatArray:
    """(C,) values of a numeric variable, zero outside the domain."""
    return terms_of(cells, [name]).values[:, 0]


def _deviations(cells: Cells, names: Sequence[str], members: FloatArray) -> FloatArray:
    """(C, k) deviations of the variables from their means in each row's domain; zero outside it."""
    columns = terms_of(cells, list(dict.fromkeys(names)))
    position = {name: i for i, name in enumerate(columns.labels["term"])}
    values = columns.values[:, [position[name] for name in names]]
    repeated = np.tile(values, members.shape[1] // len(names))
    mean = cells.weight @ (members * repeated) / (cells.weight @ members)
    return members * (repeated - mean)


def _second_moments(weight: FloatArray, members: FloatArray, dx: FloatArray, dy: FloatArray) -> FloatArray:
    """(R, k) central moments under (C, R) weights of values with means near zero; NaN where nobody has a weight."""
    size = weight.T @ members
    present = size > 0
    xy, x, y = (np.divide(weight.T @ d, size, out=np.full_like(size, np.nan), where=present) for d in (dx * dy, dx, dy))
    result: FloatArray = xy - x * y  # the deviations are from full-sample means, not from those of the replicate
    return result


def _where_it_exists(estimates: Estimate, exists: BoolArray) -> Estimate:
    """The estimates, NaN where there is nothing to estimate."""
    if exists.all():
        return estimates
    return replace(
        estimates,
        value=np.where(exists, estimates.value, np.nan),
        vcov=np.where(exists & exists[:, None], estimates.vcov, np.nan),
        deff=np.where(exists, estimates.deff, np.nan),
        conf_low=np.where(exists, estimates.conf_low, np.nan),
        conf_high=np.where(exists, estimates.conf_high, np.nan),
    )
