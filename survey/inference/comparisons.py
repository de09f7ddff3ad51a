"""Comparing means and shares: t tests, and all pairs of estimates with p-values adjusted for their number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import scipy

from survey.arguments import as_name, as_names, check_choice, check_kind, check_level
from survey.design import Cells, Design, Missing, collapse
from survey.errors import EstimationError, did_you_mean
from survey.estimation import (
    DfRule,
    Domains,
    Estimate,
    Terms,
    TestResult,
    domains_of,
    estimate,
    is_numeric,
    mean_statistic,
    t_interval,
    terms_of,
)
from survey.inference.hypotheses import Correction, adjust_p_values, check_groups_vary, t_test_of

NO_VARIANCE = 1e-20  # of the two variances: a difference that varies less is constant but for rounding


def t_test(
    design: Design,
    y: str,
    *,
    by: str | None = None,
    value: float = 0.0,
    paired: str | None = None,
    level: float = 0.95,
    missing: Missing = "drop",
    df: DfRule = "satterthwaite",
) -> TestResult:
    """T test of a mean, of the difference between two groups, or between two answers of the same respondents.

    Parameters
    ----------
    y : numeric variable.
    by : variable with two groups; tested is the mean of the second minus that of the first, in the order of
        its levels. The variances of the groups may differ.
    value : mean, or difference, under the hypothesis.
    paired : numeric variable that is subtracted from `y` respondent by respondent.
    level : confidence level of the interval in `estimate`.
    missing : "drop" or "fail".
    df : degrees of freedom of a difference between groups: "satterthwaite", those that its variance has, which are few
        where a group has few PSUs (see `Estimate.contrast`); "design", PSUs minus strata minus 1, as R and Stata.

    Returns
    -------
    TestResult: the statistic is t, `df1` its degrees of freedom: of one mean, PSUs minus strata; `estimate` holds the
    mean or difference.

    Raises
    ------
    EstimationError : both `by` and `paired`, variables that are not numeric, groups that are not two, a group whose
        respondents are all in one PSU, so that its variance is unknown, or a standard error of zero.

    References
    ----------
    Bell and McCaffrey (2002), Survey Methodology 28:169, for the degrees of freedom. R equivalent: survey::svyttest,
    which takes those of the design, and subtracts one from a single mean as well.
    """
    check_level(level)
    check_choice(df, DfRule, "df")
    if by is not None and paired is not None:
        raise EstimationError(
            f"`by` and `paired` exclude each other; got {by!r} and {paired!r}. To compare changes between groups, make "
            "the change a variable."
        )
    for argument, name in (("y", y), ("by", by), ("paired", paired)):
        if name is not None or argument == "y":
            as_name(name, argument)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
        raise EstimationError(f"`value` must be a number, the mean or difference to test against; got {value!r}.")
    names = [y, *([by] if by is not None else []), *([paired] if paired is not None else [])]
    if len(set(names)) < len(names):
        raise EstimationError(f"`y` must be another variable than the one it is compared by; got {y!r} twice.")
    cells = collapse(design, names, missing)
    for argument, name in (("y", y), ("paired", paired)):
        if name is not None and not is_numeric(cells.frame[name]):
            raise EstimationError(
                f"`{argument}` of a t test must be numeric; {name!r} has type {cells.frame[name].dtype}. Use "
                "`rank_test`, or a crosstab and its test."
            )
    if by is not None:
        return t_test_of(_difference_between_groups(cells, y, by, level=level, rule=df), value, "t test of two means")
    measured = terms_of(cells, [y], argument="y")
    if paired is not None:
        labels = measured.labels.assign(term=f"{y} - {paired}")
        measured = Terms(labels, measured.values - terms_of(cells, [paired], argument="paired").values)
    mean = estimate(cells, mean_statistic(cells, measured, domains_of(cells, [])), level=level)
    return t_test_of(mean, value, "t test of one mean" if paired is None else "paired t test")


def two_groups(cells: Cells, by: str) -> Domains:
    """Groups that a two-sample test compares."""
    groups = domains_of(cells, [by])
    if len(groups.labels) != 2:
        names = groups.labels[by].astype(str).tolist()
        raise EstimationError(
            f"`by` must have two groups with respondents; {by!r} has {len(names)}: {names[:8]}. Take a domain, or use "
            "`compare` for all pairs of groups."
        )
    return groups


def _difference_between_groups(cells: Cells, y: str, by: str, *, level: float, rule: DfRule) -> Estimate:
    """Mean of the second group minus that of the first, at most on the residual degrees of freedom of a regression."""
    groups = two_groups(cells, by)
    means = estimate(cells, mean_statistic(cells, terms_of(cells, [y], argument="y"), groups), level=level)
    check_groups_vary(means, groups.labels[by].tolist())
    first, second = groups.labels[by]
    difference = means.contrast([[-1.0, 1.0]], [f"{y}: {second} - {first}"], df=rule)
    df = np.minimum(difference.df, means.whole_df - 1.0)
    low, high = t_interval(difference.value, difference.std_error, df, level)
    return replace(difference, df=df, conf_low=low, conf_high=high)


def compare(
    estimates: Estimate,
    *,
    by: str | Sequence[str] | None = None,
    correction: Correction = "holm",
    df: DfRule = "satterthwaite",
) -> pd.DataFrame:
    """Differences between all pairs of estimates, from their joint covariance.

    The covariance knows that respondents share PSUs and calibration, and that the same respondents gave several
    answers or chose several options of a multiple-response set: shares of such options can be compared too.

    Parameters
    ----------
    estimates : estimates made by one call, of `survey.mean` or any other; those with variance="cr2" give each
        pair its own degrees of freedom.
    by : label columns that both estimates of a pair share, such as "level" to compare groups answer by answer,
        or the name of a grouping variable to compare answers within each group; [] for all pairs. None: the
        columns `term` and `level` where there are groups, otherwise none.
    correction : "holm", "benjamini-hochberg" or "none"; over the pairs with the same values of `by`, as the
        letters of a table are.
    df : degrees of freedom of each difference, as `Estimate.contrast` has them.

    Returns
    -------
    One row per pair. Columns: those of `by`, first, second (the other labels of the two), estimate (first minus
    second), std_error, df, conf_low, conf_high (not adjusted), statistic, p_value, p_adjusted. A pair whose
    difference does not vary (two shares that make up the whole do), or with a group whose variance is unknown (its
    respondents are all in one PSU), has no statistic and does not count.

    Raises
    ------
    EstimationError : an unknown column or correction, or no two estimates to compare.

    References
    ----------
    R equivalent: survey::svycontrast and stats::p.adjust.
    """
    check_kind(estimates, Estimate, "estimates")
    columns = [str(name) for name in estimates.labels.columns]
    held = ["term", "level"] if by is None and len(columns) > 2 else as_names(by, "by")
    unknown = [name for name in held if name not in columns]
    if unknown:
        raise EstimationError(
            f"`by` must name columns of labels; {unknown} not among {columns}.{did_you_mean(unknown[0], columns)}"
        )
    adjust_p_values([], correction)
    labels = estimates.labels.astype(object)
    blocks: dict[tuple[Any, ...], list[int]] = {}
    for position, row in enumerate(labels[held].itertuples(index=False, name=None)):
        blocks.setdefault(tuple(row), []).append(position)
    pairs = [
        _pairs(estimates, labels.drop(columns=held), members, correction=correction, df=df).assign(
            **dict(zip(held, key, strict=True))
        )
        for key, members in blocks.items()
        if len(members) > 1
    ]
    if not pairs:
        raise EstimationError(
            f"`by` must leave two estimates to compare; with {held} held, each of the {len(labels)} estimates is "
            "alone. Give by=[] for all pairs."
        )
    result = pd.concat(pairs, ignore_index=True)
    return result[[*held, *(name for name in result.columns if name not in held)]]


def _pairs(
    estimates: Estimate, labels: pd.DataFrame, members: Sequence[int], *, correction: Correction, df: DfRule
) -> pd.DataFrame:
    """Differences of all pairs of the members, first minus second."""
    first, second = np.array(list(combinations(members, 2))).T
    matrix = np.zeros((first.size, len(labels)))
    pair = np.arange(first.size)
    matrix[pair, first] = 1.0
    matrix[pair, second] = -1.0
    names = np.array([_name(row) for row in labels.itertuples(index=False, name=None)], dtype=object)
    difference = estimates.contrast(matrix, df=df)
    alone = np.diag(estimates.vcov)[first] + np.diag(estimates.vcov)[second]
    varies = np.diag(difference.vcov) > NO_VARIANCE * alone
    error = np.where(varies | np.isnan(alone), difference.std_error, 0.0)
    statistic = np.divide(difference.value, error, out=np.full(error.size, np.nan), where=varies)
    p_value = 2.0 * scipy.special.stdtr(np.where(difference.df > 0, difference.df, np.nan), -np.abs(statistic))
    return pd.DataFrame(
        {
            "first": names[first],
            "second": names[second],
            "estimate": difference.value,
            "std_error": error,
            "df": difference.df,
            "conf_low": difference.conf_low,
            "conf_high": difference.conf_high,
            "statistic": statistic,
            "p_value": p_value,
            "p_adjusted": adjust_p_values(p_value, correction),
        }
    )


def _name(row: tuple[Any, ...]) -> str:
    """Labels of an estimate in one text, without the empty ones."""
    return ", ".join(str(label) for label in row if label != "")
