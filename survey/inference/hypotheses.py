"""Results of hypothesis tests, Wald tests of linear hypotheses under a design, and p-values for many tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from survey.arguments import check_choice
from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.errors import EstimationError, shown
from survey.estimation import (
    DfRule,
    Estimate,
    TestResult,
    components,
    degrees_of_freedom,
    inside_one_unit,
    units_of,
)

Correction = Literal["holm", "benjamini-hochberg", "none"]


def t_test_of(estimate: Estimate, null: float, method: str, note: str = "") -> TestResult:
    """T test that one estimate equals a number, with the estimate's degrees of freedom.

    Without a degree of freedom the p-value is NaN and the note says so.

    Raises
    ------
    EstimationError : the standard error is zero.
    """
    error = float(estimate.std_error[0])
    df = float(estimate.df[0])
    if np.isnan(error):
        raise EstimationError(
            f"`y` must have a mean whose variance is known; that of {str(estimate.labels['term'][0])!r} is not: all "
            "respondents are in one PSU, and nobody knows how much another would differ. Take a larger domain."
        )
    if not error > 1e-12 * abs(float(estimate.value[0])):
        raise EstimationError(
            f"`y` must vary to be tested; {str(estimate.labels['term'][0])!r} has a standard error of zero. Check that "
            "the variable is not constant and that it is not a total to which the weights were calibrated."
        )
    statistic = (float(estimate.value[0]) - null) / error
    p_value = 2.0 * float(scipy.special.stdtr(df, -abs(statistic))) if df > 0 else np.nan
    stated = f"df {df:g}." if df > 0 else f"The design leaves {df:g} degrees of freedom, too few for a test."
    return TestResult(
        statistic=statistic,
        df1=df,
        df2=np.nan,
        p_value=p_value,
        method=method,
        note=f"{note} {stated}".strip(),
        estimate=estimate,
    )


def check_groups_vary(means: Estimate, groups: Sequence[object], argument: str = "by") -> None:
    """Raise where the variance of a group's mean is unknown, for its respondents are all in one PSU.

    Parameters
    ----------
    means : one or more of each group, group by group.
    groups : names of the groups.
    """
    unknown = np.isnan(np.diag(means.vcov)).reshape(len(groups), -1).any(axis=1)
    if unknown.any():
        position = int(unknown.argmax())
        n = means.n.reshape(len(groups), -1)[position, 0]
        raise EstimationError(
            f"`{argument}` must make groups of at least two PSUs (or respondents, where each is one); {n:g} "
            f"respondent(s) of {shown(groups[position])} are all in one, and nobody knows how much another would "
            "differ. Merge groups, or take a domain."
        )


def against_first(groups: int) -> FloatArray:
    """(K - 1, K) differences of each group from the first."""
    return np.hstack([-np.ones((groups - 1, 1)), np.eye(groups - 1)])


def groups_df(cells: Cells, group: IntArray, groups: int, *, rule: DfRule, names: Sequence[object] = ()) -> float:
    """Degrees of freedom of a comparison of all groups.

    Parameters
    ----------
    group : (C,) group of each pattern.
    rule : "design", PSUs minus strata; "satterthwaite", those of the covariance of the groups' differences, at most.
    names : what the groups are called, for errors; numbers otherwise.

    Raises
    ------
    EstimationError : a group whose respondents are all in one PSU.
    """
    check_choice(rule, DfRule, "df")
    design = float(degrees_of_freedom(cells, np.ones((cells.n.size, 1), dtype=bool))[0])
    domains = (group[:, None] == np.arange(groups)) & cells.inside[:, None]
    alone = inside_one_unit(cells, domains, degrees_of_freedom(cells, domains))
    if alone.any():
        position = int(alone.argmax())
        named = shown(names[position]) if names else f"column {position + 1}"
        raise EstimationError(
            "`table` must have columns with respondents in at least two PSUs (or two respondents, where each is one) "
            f"to be tested; the {cells.n @ domains[:, position]} of {named} are all in one, and nobody knows how much "
            "another would differ. Merge columns, or take a domain."
        )
    if rule == "design":
        return design
    own = components(cells, units_of(cells), domains, centred=True).joint_df(against_first(groups)[:, :, None])
    return float(np.fmin(design, own))


def adjust_p_values(p_values: ArrayLike, correction: Correction = "holm") -> FloatArray:
    """P-values adjusted for the number of tests.

    Parameters
    ----------
    p_values : (m,) p-values of one family of tests; NaN is a test that was not made and does not count.
    correction : "holm" keeps the chance of any false rejection at the level, whatever the dependence;
        "benjamini-hochberg" the expected share of false ones among the rejections; "none".

    Returns
    -------
    (m,) adjusted p-values, NaN where there was none: reject where they are at most the level.

    Raises
    ------
    EstimationError : an unknown correction.

    References
    ----------
    Holm (1979), Scand. J. Stat. 6:65; Benjamini and Hochberg (1995), JRSS B 57:289. Computed by pingouin.multicomp.
    """
    check_choice(correction, Correction, "correction")
    raw = np.array(p_values, dtype=np.float64)
    if correction == "none" or raw.size == 0:
        return raw
    from pingouin import multicomp

    adjusted: FloatArray = multicomp(raw, method="holm" if correction == "holm" else "fdr_bh")[1]
    return adjusted
