"""Results of hypothesis tests, Wald tests of linear hypotheses under a design, and p-values for many tests."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy
from numpy.typing import ArrayLike

from survey.arguments import check_choice
from survey.arrays import FloatArray
from survey.errors import EstimationError
from survey.estimation import Estimate, TestResult

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
