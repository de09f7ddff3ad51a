"""Rank tests of ordered answers between groups, with ranks estimated for the population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import as_name, check_choice
from survey.arrays import FloatArray
from survey.design import Cells, Design, Missing, code_values, collapse, sum_by_code
from survey.errors import EstimationError
from survey.estimation import (
    DfRule,
    Estimate,
    Terms,
    TestResult,
    domains_of,
    estimate,
    is_numeric,
    mean_statistic,
    plain_wald,
    wald_chisq,
)
from survey.inference.hypotheses import against_first, check_groups_vary, t_test_of

RankMethod = Literal["wilcoxon", "kruskal-wallis", "van-der-waerden", "median"]
NAMES: Mapping[RankMethod, str] = {
    "wilcoxon": "Wilcoxon rank-sum test",
    "kruskal-wallis": "Kruskal-Wallis test",
    "van-der-waerden": "van der Waerden test",
    "median": "median test",
}


def rank_test(
    design: Design,
    y: str,
    by: str,
    *,
    method: RankMethod = "kruskal-wallis",
    missing: Missing = "drop",
    df: DfRule = "satterthwaite",
) -> TestResult:
    """Test that an ordered or numeric answer is distributed alike in all groups.

    Respondents are ranked by estimated population mid-ranks: the weighted share below a value plus half of the
    share with it. A score of the rank is then compared between the groups as a mean is. That the ranks are
    estimated does not matter under the hypothesis (Lumley and Scott), which is when the standard error holds.

    Parameters
    ----------
    y : numeric variable or ordered categorical one.
    by : grouping variable.
    method : score of the rank: "wilcoxon" and "kruskal-wallis" the rank itself (the first for two groups only),
        "van-der-waerden" its normal quantile, "median" whether it is above one half.
    missing : "drop" or "fail".
    df : degrees of freedom: "satterthwaite", those that the variance has, which are few where a group has few PSUs (see
        `Estimate.contrast` and `Estimate.test`); "design" those of R.

    Returns
    -------
    TestResult. With two groups the statistic is t on `df1`, at most the design df minus 1, and `estimate` the
    difference in mean score, second group minus first, without an interval, for the standard error supposes that there
    is none. With more groups it is an adjusted Wald F; with df="design" the Wald F on groups - 1, and design df minus
    groups + 1.

    Raises
    ------
    EstimationError : an unknown method, an answer without order, one group, Wilcoxon's test of several, or a group
        whose respondents are all in one PSU, so that its variance is unknown.

    References
    ----------
    Lumley and Scott (2013), Biometrika 100:831. R equivalent: survey::svyranktest, whose ranks of tied
    respondents with unequal weights depend on the order of the rows.
    """
    check_choice(df, DfRule, "df")
    check_choice(method, RankMethod, "method")
    if as_name(y, "y") == as_name(by, "by"):
        raise EstimationError(f"`by` must be another variable than the answer; got {by!r} twice.")
    cells = collapse(design, [y, by], missing)
    return compare_scores(cells, rank_scores(mid_ranks(cells, y), method), by=by, method=method, df=df)


def mid_ranks(cells: Cells, y: str) -> FloatArray:
    """(C,) estimated population mid-ranks of the patterns' values, as shares: 0 < rank < 1."""
    column = cells.frame[y]
    if not (is_numeric(column) or _is_ordered(column)):
        raise EstimationError(
            f"`y` must be numeric or an ordered categorical; {y!r} has type {column.dtype} without an order. Make it "
            "ordered (cat.as_ordered()), or test the crosstab."
        )
    codes, values = code_values(column)
    at = np.where(cells.inside, codes, 0)
    weight = sum_by_code(at, cells.weight, len(values))
    # share below a value, and half of the share with it
    ranks: FloatArray = ((np.cumsum(weight) - weight / 2.0) / weight.sum())[at]
    return ranks


def _is_ordered(column: pd.Series[Any]) -> bool:
    """Whether the answers have an order."""
    return isinstance(column.dtype, pd.CategoricalDtype) and bool(column.dtype.ordered)


def rank_scores(ranks: FloatArray, method: RankMethod) -> FloatArray:
    """Scores of ranks between 0 and 1."""
    if method == "van-der-waerden":
        normal: FloatArray = scipy.special.ndtri(ranks)
        return normal
    return (ranks > 0.5).astype(np.float64) if method == "median" else ranks


def compare_scores(
    cells: Cells, scores: FloatArray, by: str, *, method: RankMethod, df: DfRule = "satterthwaite"
) -> TestResult:
    """Compare the mean of (C,) scores, taken as fixed, between groups."""
    groups = domains_of(cells, [by])
    k = len(groups.labels)
    if k < 2 or (k > 2 and method == "wilcoxon"):
        allowed = "two groups" if method == "wilcoxon" else "two groups or more"
        hint = 'Use method="kruskal-wallis".' if k > 2 else "Nothing is left to compare."
        raise EstimationError(f'`by` must have {allowed} for method="{method}"; {by!r} has {k}. {hint}')
    measured = Terms(pd.DataFrame({"term": ["rank score"], "level": [""]}), scores[:, None])
    means = mean_statistic(cells, measured, groups)
    linear = means.influence  # the ranks are not estimated again in each replicate, as they are not elsewhere
    scored = estimate(cells, replace(means, evaluate=lambda weight: weight.T @ linear + means.value))
    check_groups_vary(scored, groups.labels[by].tolist())
    name = f"Design-based {NAMES[method]}"
    if k == 2:
        return t_test_of(_difference(scored, groups.labels[by].astype(str).tolist(), df), 0.0, name)
    against = against_first(k)
    if df == "satterthwaite":
        return replace(scored.test(against), method=name)
    chisq = wald_chisq(against @ scored.value, against @ scored.vcov @ against.T, argument="by")
    denominator = scored.whole_df - (k - 1)  # of a regression on k groups, whose means are estimated
    if denominator <= 0:
        reason = f"{k} groups need more than {k - 1} design degrees of freedom; the design has {scored.whole_df:g}."
        return TestResult(
            statistic=chisq / (k - 1),
            df1=k - 1,
            df2=np.nan,
            p_value=np.nan,
            method=name,
            note=reason,
            wald_chisq=chisq,
        )
    return plain_wald(chisq, k - 1, design_df=denominator, method=name)


def _difference(means: Estimate, groups: list[str], rule: DfRule) -> Estimate:
    """Mean score of the second group minus that of the first, on the design df minus 1 at most, without an interval."""
    first, second = groups
    difference = means.contrast([[-1.0, 1.0]], [f"mean rank score: {second} - {first}"], df=rule)
    nothing = np.full(1, np.nan)
    return replace(
        difference, df=np.minimum(difference.df, means.whole_df - 1.0), conf_low=nothing, conf_high=nothing.copy()
    )
