"""Estimates pooled over imputations, which know the variance within and between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survey.arrays import FloatArray, IntArray
from survey.console import console
from survey.errors import EstimationError
from survey.estimation import (
    SHOWN,
    IntervalMethod,
    TestResult,
    effective_size,
    judge,
    proportion_interval,
    t_interval,
)
from survey.imputation.moment_tests import moment_test
from survey.imputation.rubin import barnard_rubin, missing_share, rubin_df
from survey.tidy import gives_copies, side_by_side, with_columns


@gives_copies("labels", "table")
@dataclass(frozen=True, slots=True, eq=False)
class PooledEstimate:
    """k estimates pooled over m imputations.

    Attributes
    ----------
    labels : k rows; by-columns, `term`, `level`.
    value : (k,) averages of the estimates.
    within : (k, k) average of their covariances.
    between : (k, k) covariance of the estimates over the imputations.
    imputations : m.
    complete_df : (k,) degrees of freedom that the estimates would have if nothing were missing: those of the design,
        the fewest where they differ between imputations.
    whole_df : the same of all domains together, for tests of several estimates.
    n : (k,) respondents, on average.
    level : confidence level of the intervals.
    interval : method of the intervals; None: t intervals.
    table : bases and kinds of the rows, where tables were pooled.
    """

    labels: pd.DataFrame
    value: FloatArray
    within: FloatArray
    between: FloatArray
    imputations: int
    complete_df: FloatArray
    whole_df: float
    n: FloatArray
    level: float
    interval: IntervalMethod | None = None
    table: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        for array in (self.value, self.within, self.between, self.complete_df, self.n):
            array.flags.writeable = False

    def __repr__(self) -> str:
        """The first estimates, as the console shows them."""
        columns = [*map(str, self.labels.columns), *SHOWN, "fraction_missing"]
        return console(f"Pooled over {self.imputations} imputations", self.tidy(), columns)

    @property
    def vcov(self) -> FloatArray:
        """(k, k) total covariance: within + (1 + 1/m) between."""
        return self.within + (1 + 1 / self.imputations) * self.between

    @property
    def std_error(self) -> FloatArray:
        """(k,) standard errors."""
        return np.sqrt(np.diag(self.vcov))

    @property
    def df(self) -> FloatArray:
        """(k,) degrees of freedom of Barnard and Rubin (1999)."""
        return barnard_rubin(self._missing_share, self.imputations, self.complete_df)

    @property
    def _missing_share(self) -> FloatArray:
        """(k,) share of the total variance that is due to missing values."""
        return missing_share(self.within, self.between, self.imputations)

    @property
    def relative_increase(self) -> FloatArray:
        """(k,) increase of the variance due to missing values, relative to the variance within."""
        share = self._missing_share
        with np.errstate(divide="ignore"):
            return share / (1 - share)

    @property
    def fraction_missing(self) -> FloatArray:
        """(k,) fractions of information that is missing (Rubin 1987, eq. 3.1.10), with his large-sample df."""
        share = self._missing_share
        infinite = rubin_df(share, self.imputations)
        return share + (1 - share) * 2 / (infinite + 3)

    @property
    def conf_low(self) -> FloatArray:
        """(k,) lower confidence bounds."""
        return self._bounds()[0]

    @property
    def conf_high(self) -> FloatArray:
        """(k,) upper confidence bounds."""
        return self._bounds()[1]

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        """Confidence bounds."""
        if self.interval is None:
            return t_interval(self.value, self.std_error, self.df, self.level)
        return proportion_interval(self.value, self.std_error, self.n, self.df, level=self.level, method=self.interval)

    @property
    def note(self) -> str:
        """How the results were pooled."""
        return (
            f"Pooled over {self.imputations} imputations by Rubin's rules, with Barnard-Rubin degrees of freedom from "
            f"{self.whole_df:g} design df."
        )

    def tidy(self) -> pd.DataFrame:
        """One row per estimate.

        Returns
        -------
        Columns: by-columns, term, level, estimate, std_error, df, conf_low, conf_high, n, fraction_missing. Of tables
        also n_eff, the bases, kind, shown and flag, and letters and column_letter, which are empty: columns of pooled
        tables are not compared.
        """
        low, high = self._bounds()
        frame = with_columns(
            self.labels,
            estimate=self.value,
            std_error=self.std_error,
            df=self.df,
            conf_low=low,
            conf_high=high,
            n=whole(self.n),
        )
        if self.table is None:
            return with_columns(frame, fraction_missing=self.fraction_missing)
        n_eff = effective_size(self.value, self.std_error, self.n, self.df)
        frame = side_by_side(with_columns(frame, n_eff=n_eff), self.table)
        return with_columns(judge(frame), letters="", column_letter="", fraction_missing=self.fraction_missing)

    def test(self, hypothesis: ArrayLike | None = None) -> TestResult:
        """Test that linear combinations of the estimates are all zero.

        Parameters
        ----------
        hypothesis : (q, k) matrix with a row per combination; None: every estimate is zero.

        Returns
        -------
        TestResult; see `PooledFit.term_test`.

        Raises
        ------
        EstimationError : a matrix of the wrong width, or combinations that the design cannot tell apart.
        """
        k = self.value.size
        matrix = np.eye(k) if hypothesis is None else np.atleast_2d(np.asarray(hypothesis, dtype=np.float64))
        if matrix.ndim != 2 or matrix.shape[1] != k:
            raise EstimationError(
                f"`hypothesis` must have one column per estimate; got {matrix.shape[1]} columns for {k} estimates."
            )
        return joint_test(self, matrix, method="Wald test of pooled estimates", argument="hypothesis")


def joint_test(pooled: PooledEstimate, matrix: FloatArray, *, method: str, argument: str) -> TestResult:
    """Test that the combinations in the rows of a (q, k) matrix are all zero; `argument` is what errors name."""
    return moment_test(
        matrix @ pooled.value,
        within=matrix @ pooled.within @ matrix.T,
        between=matrix @ pooled.between @ matrix.T,
        imputations=pooled.imputations,
        design_df=pooled.whole_df,
        method=method,
        argument=argument,
    )


def whole(values: FloatArray) -> FloatArray | IntArray:
    """Counts as whole numbers where all of them are."""
    if np.isfinite(values).all() and (values == np.round(values)).all():
        return values.astype(np.intp)
    return values
