"""Wald tests: a statistic, what it is referred to, and the result of any test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import scipy

from survey.arrays import FloatArray
from survey.console import console
from survey.errors import EstimationError
from survey.estimation.degrees_of_freedom import SOURCES, DfRule


class Estimated(Protocol):
    """What a test knows of the quantity that it is about; `survey.Estimate` is one."""

    @property
    def labels(self) -> pd.DataFrame:
        """K rows: what is estimated."""

    @property
    def value(self) -> FloatArray:
        """(k,) estimates."""

    @property
    def std_error(self) -> FloatArray:
        """(k,) standard errors."""

    @property
    def conf_low(self) -> FloatArray:
        """(k,) lower bounds."""

    @property
    def conf_high(self) -> FloatArray:
        """(k,) upper bounds."""

    def tidy(self) -> pd.DataFrame:
        """One row per estimate."""


@dataclass(frozen=True, slots=True, eq=False)
class TestResult:
    """Outcome of one hypothesis test.

    Attributes
    ----------
    statistic : value of the test statistic.
    df1, df2 : degrees of freedom; df2 is NaN for a chi-square and for a t, whose df is df1.
    p_value : probability of a statistic at least as large under the hypothesis; two-sided for a t.
    method : name of the test.
    note : what a reader should know: reference, df used, what limits the result.
    wald_chisq : Wald statistic before it was turned into an F, where there is one.
    parts : the same test term by term, where the test has parts.
    estimate : what was tested, where it is one number: its value, standard error and interval.
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
    estimate: Estimated | None = None

    def __repr__(self) -> str:
        """The test as it is reported: "F(3, 179) = 6.02, p = 0.001"."""
        df1, df2 = (f"{df:,.0f}" if df >= 1000 else f"{df:.4g}" for df in (self.df1, self.df2))
        value = f"{self.statistic:.4g} on {df1} df" if np.isnan(self.df2) else f"F({df1}, {df2}) = {self.statistic:.4g}"
        shown = f"{self.method}: {value}, p = {self.p_value:.3g}"
        parts = "" if self.parts is None else "\n" + console("", self.parts, list(map(str, self.parts.columns)))
        return shown + parts + (f"\n{self.note}" if self.note else "")

    def tidy(self) -> pd.DataFrame:
        """One row for the test, preceded by a row per term where it has parts.

        Returns
        -------
        Columns: term, (estimate, std_error, conf_low, conf_high where one number was tested,) statistic, df1,
        df2, p_value, method.
        """
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
        if self.estimate is not None:
            interval = self.estimate.tidy()[["estimate", "std_error", "conf_low", "conf_high"]]
            row = pd.concat([self.estimate.labels[["term"]], interval, row.drop(columns="term")], axis=1)
        return row if self.parts is None else pd.concat([self.parts, row], ignore_index=True)


def wald_chisq(value: FloatArray, vcov: FloatArray, *, argument: str = "hypothesis") -> float:
    """Wald statistic of the hypothesis that all of `value` is zero, v' V^-1 v.

    Parameters
    ----------
    value : (k,) estimates.
    vcov : (k, k) their covariance.
    argument : what the function that the user called names the hypothesis by, for its errors.

    Raises
    ------
    EstimationError : the covariance is singular, as with more contrasts than PSUs allow.
    """
    scale = np.sqrt(np.diag(vcov))
    if not (scale > 0).all():
        raise EstimationError(
            f"`{argument}` must involve estimates that vary; {int((scale == 0).sum())} of {scale.size} have a standard "
            "error of zero. Leave them out."
        )
    # on the scale of correlations, so that the rank does not depend on the units of the estimates
    correlation = vcov / np.outer(scale, scale)
    if np.linalg.matrix_rank(correlation, tol=1e-10, hermitian=True) < scale.size:
        raise EstimationError(
            f"`{argument}` has {scale.size} parts, which is more than the design can tell apart (singular covariance). "
            "Test fewer at once."
        )
    return float(value / scale @ np.linalg.solve(correlation, value / scale))


def adjusted_wald(
    statistic: float, k: int, design_df: float, method: str, note: str = "", *, rule: DfRule = "design"
) -> TestResult:
    """Adjusted Wald F of k hypotheses: F = (d - k + 1) / (k d) W on k and d - k + 1 degrees of freedom.

    With k > d the design has too few PSUs for the test: statistic and p-value are NaN and the note says so.

    Parameters
    ----------
    design_df : d.
    rule : where d comes from, for the note.

    References
    ----------
    Korn and Graubard (1990), American Statistician 44:270.
    """
    d = design_df
    if d - k + 1 <= 0:
        whose = "design" if rule == "design" else "comparison"
        reason = f"{k} hypotheses need more than {k - 1} degrees of freedom; the {whose} has {d:.4g}."
        return TestResult(
            statistic=np.nan,
            df1=k,
            df2=np.nan,
            p_value=np.nan,
            method=method,
            note=f"{note} {reason}".strip(),
            wald_chisq=statistic,
        )
    adjusted = (d - k + 1) / (k * d) * statistic
    p_value = float(scipy.special.fdtrc(k, d - k + 1, adjusted))
    stated = f"{note} {SOURCES[rule]} {d:.5g}.".strip()
    return TestResult(
        statistic=float(adjusted),
        df1=k,
        df2=d - k + 1,
        p_value=p_value,
        method=method,
        note=stated,
        wald_chisq=statistic,
    )


def plain_wald(statistic: float, k: int, design_df: float, method: str, *, rule: DfRule = "design") -> TestResult:
    """Wald F without adjustment: W / k on k and d degrees of freedom."""
    value = statistic / k
    p_value = float(scipy.special.fdtrc(k, design_df, value))
    return TestResult(
        statistic=value,
        df1=k,
        df2=design_df,
        p_value=p_value,
        method=method,
        note=f"{SOURCES[rule]} {design_df:.5g}.",
        wald_chisq=statistic,
    )
