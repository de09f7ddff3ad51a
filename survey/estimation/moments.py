"""Variances, covariances and correlations of variables in the population, as statistics on cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from survey.arguments import as_name, as_names, by_names
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
    variables = as_names(x, "x")
    if not variables:
        raise EstimationError(f"`x` must name at least one variable; got {x!r}.")
    cells, groups = _counted(design, variables, by, missing)
    pairs = [(name, name) for name in variables]
    return _known(*_covariances(cells, pairs, variables, groups), level)


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
    cells, groups = _counted(design, list(pair), by, missing)
    return _known(*_covariances(cells, [pair], [f"{x}:{y}"], groups), level)


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
    if interval not in get_args(CorrelationInterval):
        raise EstimationError(
            f"`interval` of a correlation must be one of {', '.join(get_args(CorrelationInterval))}; got {interval!r}."
        )
    cells, groups = _counted(design, list(pair), by, missing)
    made = _known(*_correlations(cells, pair, groups), level)
    if interval == "wald":
        return made
    inside = np.abs(made.value) < 1 - CONSTANT
    r = np.where(inside, made.value, 0.0)
    low, high = t_interval(np.arctanh(r), made.std_error / (1 - r**2), made.df, level)
    ends = (np.where(inside, np.tanh(end), np.nan) for end in (low, high))
    return replace(made, conf_low=next(ends), conf_high=next(ends))


def _counted(
    design: Design, variables: Sequence[str], by: str | Sequence[str] | None, missing: Missing
) -> tuple[Cells, Domains]:
    """Cells of numeric variables, and the domains among them."""
    groups = by_names(by, variables)
    cells = collapse(design, [*variables, *groups], missing)
    for name in variables:
        if not is_numeric(cells.frame[name]):
            raise EstimationError(
                f"`{name}` must be numeric to have a variance; its type is {cells.frame[name].dtype}."
            )
    return cells, domains_of(cells, groups)


def _covariances(
    cells: Cells, pairs: Sequence[tuple[str, str]], names: Sequence[str], groups: Domains
) -> tuple[Cells, Statistic, BoolArray]:
    """Covariances of m pairs in G domains as a statistic, and which of the G m exist."""
    labels, membership = by_domain(groups, pd.DataFrame({"term": list(names), "level": ""}))
    members = membership.astype(np.float64)
    n = cells.n @ members
    exists = n > 1
    factor = np.divide(n, n - 1, out=np.zeros_like(n), where=exists)
    dx, dy = (_deviations(cells, [pair[i] for pair in pairs], members) for i in (0, 1))

    def evaluate(weight: FloatArray) -> FloatArray:
        """(R, k) covariances under (C, R) weights."""
        return factor * _second_moments(weight, members, dx, dy)

    size = cells.weight @ members
    value = factor * (cells.weight @ (dx * dy)) / size
    influence = members * (factor * dx * dy - value) / size
    return cells, Statistic(labels, value, influence, evaluate, membership), exists


def _correlations(cells: Cells, pair: tuple[str, str], groups: Domains) -> tuple[Cells, Statistic, BoolArray]:
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
        made = np.divide(xy, below, out=np.full_like(xy, np.nan), where=below > CONSTANT)
        made[:, ~exists] = 0.0
        return made

    value = cells.weight @ (dx * dy) / size
    influence = (dx * dy - value * (dx**2 + dy**2) / 2) / size
    return cells, Statistic(labels, value, influence, evaluate, membership), exists


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
    result: FloatArray = xy - x * y
    return result


def _known(cells: Cells, statistic: Statistic, exists: BoolArray, level: float) -> Estimate:
    """Estimate of a statistic, NaN where it does not exist."""
    made = estimate(cells, statistic, level=level)
    if exists.all():
        return made
    vcov = np.where(exists & exists[:, None], made.vcov, np.nan)
    parts = (np.where(exists, part, np.nan) for part in (made.value, made.deff, made.conf_low, made.conf_high))
    value, deff, low, high = parts
    return replace(made, value=value, vcov=vcov, deff=deff, conf_low=low, conf_high=high)
