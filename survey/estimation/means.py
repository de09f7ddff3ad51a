"""Totals, means, proportions and ratios."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Number

import pandas as pd

from survey.arguments import as_name, asked_names, by_names, check_choice
from survey.design import Cells, Design, Missing, collapse
from survey.errors import EstimationError
from survey.estimation.assembly import estimate
from survey.estimation.estimate import Estimate
from survey.estimation.few_clusters import VarianceMethod, group_means
from survey.estimation.influence import (
    Domains,
    Terms,
    domains_of,
    is_numeric,
    mean_statistic,
    ratio_statistic,
    terms_of,
    total_statistic,
)
from survey.estimation.intervals import IntervalMethod

NUMBER = re.compile(r"\s*[-+]?\d+(?:[.,]\d+)?\s*")  # text that is a number


def total(
    design: Design,
    x: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
) -> Estimate:
    """Population totals.

    Parameters
    ----------
    x : numeric variables, or categorical ones, whose levels are counted. Rows with a missing value in any
        variable of the call are left out as a domain is.
    by : variables whose combinations are the domains.
    level : confidence level of the t intervals.
    missing : "drop" or "fail".

    Raises
    ------
    EstimationError : unknown variable, missing values under "fail", or no respondent left.

    References
    ----------
    R equivalent: survey::svytotal, svyby.
    """
    cells, measured, domains = _counted(design, x, by, missing)
    return estimate(cells, total_statistic(cells, measured, domains), level=level)


def mean(
    design: Design,
    x: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
    variance: VarianceMethod = "linearization",
) -> Estimate:
    """Population means; of a categorical variable, the shares of its levels.

    Parameters
    ----------
    x : one or several variables; several are estimated on the rows that know them all.
    by : variables whose combinations are the domains.
    level : confidence level of the t intervals.
    missing : "drop" or "fail".
    variance : "linearization", that of the design; or "cr2", bias-reduced for few PSUs, with Satterthwaite degrees of
        freedom for each estimate: PSUs without strata, population sizes or calibration (`few_clusters`).

    Raises
    ------
    EstimationError : unknown variable, missing values under "fail", no respondent left, or a design that
        `variance="cr2"` is not defined for.

    References
    ----------
    R equivalent: survey::svymean, svyby; for "cr2" clubSandwich::vcovCR of the weighted regression on the groups.
    """
    check_choice(variance, VarianceMethod, "variance")
    cells, measured, domains = _counted(design, x, by, missing)
    means = mean_statistic(cells, measured, domains)
    few = group_means(cells, measured, domains, means.value) if variance == "cr2" else None
    return estimate(cells, means, level=level, few=few)


def _counted(
    design: Design, x: str | Sequence[str], by: str | Sequence[str] | None, missing: Missing
) -> tuple[Cells, Terms, Domains]:
    """Cells of variables that are averaged or added up, their values on them, and the domains among them."""
    variables = asked_names(x, "x")
    groups = by_names(by, variables)
    cells = collapse(design, [*variables, *groups], missing)
    for name in variables:
        _refuse_numbers_in_disguise(cells, name)
    return cells, terms_of(cells, variables), domains_of(cells, groups)


def _refuse_numbers_in_disguise(cells: Cells, name: str) -> None:
    """Raise for a column of numbers that are stored as text or objects: its levels would be counted."""
    column = cells.frame[name]
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind in "iufbmM":
        return
    values = column[cells.inside].unique()
    if all(
        NUMBER.fullmatch(value) if isinstance(value, str) else isinstance(value, Number) and not isinstance(value, bool)
        for value in values
    ):
        raise EstimationError(
            f"`x` must be numeric or categorical; {name!r} holds numbers, such as {values[0]!s}, as {column.dtype}. "
            "Make it numeric (pandas.to_numeric) to average it, or a pandas Categorical to count its levels."
        )


def proportion(
    design: Design,
    x: str,
    *,
    by: str | Sequence[str] | None = None,
    interval: IntervalMethod = "logit",
    level: float = 0.95,
    missing: Missing = "drop",
    variance: VarianceMethod = "linearization",
) -> Estimate:
    """Shares of the levels of a categorical variable, between 0 and 1, with intervals made for proportions.

    Parameters
    ----------
    x : categorical (or Boolean, or text) variable.
    by : variables whose combinations are the domains.
    interval : "logit", "korn-graubard", "wilson", "beta", "asin" or "wald"; see `survey.estimation.intervals`.
    level : confidence level.
    missing : "drop" or "fail".
    variance : "linearization", that of the design; or "cr2", bias-reduced for few PSUs, with Satterthwaite degrees of
        freedom for each estimate: PSUs without strata, population sizes or calibration (`few_clusters`).

    Raises
    ------
    EstimationError : a numeric variable, unknown names, missing values under "fail", no respondent left, or a design
        that `variance="cr2"` is not defined for.

    References
    ----------
    R equivalent: survey::svyciprop, svyby.
    """
    check_choice(variance, VarianceMethod, "variance")
    groups = by_names(by, [as_name(x, "x")])
    cells = collapse(design, [x, *groups], missing)
    if is_numeric(cells.frame[x]):
        raise EstimationError(
            f"`x` must be categorical; {x!r} is numeric. Use `mean`, or make it a pandas Categorical first."
        )
    measured = terms_of(cells, [x])
    domains = domains_of(cells, groups)
    shares = mean_statistic(cells, measured, domains)
    few = group_means(cells, measured, domains, shares.value) if variance == "cr2" else None
    return estimate(cells, shares, level=level, interval=interval, few=few)


def ratio(
    design: Design,
    y: str | Sequence[str],
    x: str,
    *,
    by: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
) -> Estimate:
    """Ratios of the totals of numeric variables, y over x.

    Parameters
    ----------
    y, x : numerator, or several, and denominator.
    by : variables whose combinations are the domains.
    level : confidence level of the t interval.
    missing : "drop" or "fail".

    Raises
    ------
    EstimationError : a variable that is not numeric, a denominator that sums to zero, or no respondent left.

    References
    ----------
    R equivalent: survey::svyratio.
    """
    numerators = asked_names(y, "y")
    groups = by_names(by, [*numerators, as_name(x, "x")])
    cells = collapse(design, [*numerators, x, *groups], missing)
    for argument, name in [*(("y", name) for name in numerators), ("x", x)]:
        if not is_numeric(cells.frame[name]):
            raise EstimationError(f"`{argument}` must be numeric; {name!r} has type {cells.frame[name].dtype}.")
    above = terms_of(cells, numerators, argument="y")
    below = terms_of(cells, [x], argument="x")
    ratios = ratio_statistic(cells, numerator=above, denominator=below, groups=domains_of(cells, groups))
    return estimate(cells, ratios, level=level)
