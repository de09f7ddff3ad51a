"""Results of hypothesis tests, and Wald tests of linear hypotheses under a design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from survey.design import FloatArray
from survey.errors import EstimationError


@dataclass(frozen=True, slots=True, eq=False)
class TestResult:
    """Outcome of one hypothesis test.

    Attributes
    ----------
    statistic : value of the test statistic.
    df1, df2 : degrees of freedom; df2 is NaN for a chi-square.
    p_value : probability of a statistic at least as large under the hypothesis.
    method : name of the test.
    note : what a reader should know: reference, df used, what limits the result.
    wald_chisq : Wald statistic before it was turned into an F, where there is one.
    parts : the same test term by term, where the test has parts.
    """

    __test__ = False  # not a test case, whatever its name suggests to pytest

    statistic: float
    df1: float
    df2: float
    p_value: float
    method: str
    note: str = ""
    wald_chisq: float | None = None
    parts: pd.DataFrame | None = None

    def tidy(self) -> pd.DataFrame:
        """One row for the test, preceded by a row per term where it has parts."""
        row = pd.DataFrame(
            {
                "term": ["overall"],
                "statistic": [self.statistic],
                "df1": [self.df1],
                "df2": [self.df2],
                "p_value": [self.p_value],
                "method": [self.method],
            }
        )
        return row if self.parts is None else pd.concat([self.parts, row], ignore_index=True)


def wald_chisq(value: FloatArray, vcov: FloatArray) -> float:
    """Wald statistic of the hypothesis that all of `value` is zero.

    Raises
    ------
    EstimationError : the covariance is singular, as with more contrasts than PSUs allow.
    """
    scale = np.sqrt(np.diag(vcov))
    if not (scale > 0).all():
        raise EstimationError(
            f"`hypothesis` must involve estimates that vary; {int((scale == 0).sum())} of {scale.size} have a standard "
            "error of zero. Leave them out."
        )
    correlation = vcov / np.outer(scale, scale)
    if np.linalg.matrix_rank(correlation, tol=1e-10, hermitian=True) < scale.size:
        raise EstimationError(
            f"`hypothesis` has {scale.size} parts, which is more than the design can tell apart (singular covariance). "
            "Test fewer at once."
        )
    return float(value / scale @ np.linalg.solve(correlation, value / scale))


def adjusted_wald(statistic: float, k: int, design_df: float, method: str, note: str = "") -> TestResult:
    """Adjusted Wald F of k hypotheses: F = (d - k + 1) / (k d) W on k and d - k + 1 degrees of freedom.

    With k > d the design has too few PSUs for the test: statistic and p-value are NaN and the note says so.

    References
    ----------
    Korn and Graubard (1990), American Statistician 44:270.
    """
    d = design_df
    if d - k + 1 <= 0:
        reason = f"{k} hypotheses need more than {k - 1} design degrees of freedom; the design has {d:g}."
        return TestResult(np.nan, k, np.nan, np.nan, method, f"{note} {reason}".strip(), statistic)
    adjusted = (d - k + 1) / (k * d) * statistic
    p_value = float(fdtrc(k, d - k + 1, adjusted))
    stated = f"{note} Design df {d:g}.".strip()
    return TestResult(float(adjusted), k, d - k + 1, p_value, method, stated, statistic)


def plain_wald(statistic: float, k: int, design_df: float, method: str) -> TestResult:
    """Wald F without adjustment: W / k on k and d degrees of freedom."""
    value = statistic / k
    p_value = float(fdtrc(k, design_df, value))
    return TestResult(value, k, design_df, p_value, method, f"Design df {design_df:g}.", statistic)
