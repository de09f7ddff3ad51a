"""What pooling over imputations gives: estimates and fits that know the variance within and between imputations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike

from survey.arrays import FloatArray, IntArray
from survey.console import console
from survey.errors import EstimationError
from survey.estimation import (
    SHOWN,
    IntervalMethod,
    TestResult,
    adjusted_wald,
    effective_size,
    judge,
    proportion_interval,
    t_interval,
    wald_chisq,
)
from survey.imputation.rubin import barnard_rubin, moment_test_df, rubin_df
from survey.models import LinkName, ModelParts
from survey.tidy import as_odds_ratios, gives_copies


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
        return barnard_rubin(_missing_share(self), self.imputations, self.complete_df)

    @property
    def relative_increase(self) -> FloatArray:
        """(k,) increase of the variance due to missing values, relative to the variance within."""
        share = _missing_share(self)
        with np.errstate(divide="ignore"):
            return share / (1 - share)

    @property
    def fraction_missing(self) -> FloatArray:
        """(k,) fractions of information that is missing (Rubin 1987, eq. 3.1.10), with his large-sample df."""
        share = _missing_share(self)
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
        return proportion_interval(self.value, self.std_error, self.n, self.df, self.level, self.interval)

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
        frame = self.labels.assign(
            estimate=self.value,
            std_error=self.std_error,
            df=self.df,
            conf_low=low,
            conf_high=high,
            n=whole(self.n),
        )
        if self.table is None:
            return frame.assign(fraction_missing=self.fraction_missing)
        n_eff = effective_size(self.value, self.std_error, self.n, self.df)
        frame = pd.concat([frame.assign(n_eff=n_eff), self.table], axis=1)
        return judge(frame).assign(letters="", column_letter="", fraction_missing=self.fraction_missing)

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
        return _moment_test(self, matrix, "Wald test of pooled estimates")


@dataclass(frozen=True, slots=True, eq=False)
class PooledFit:
    """One ordinal model pooled over imputations.

    Attributes
    ----------
    formula, link, outcome, levels : of the model; see `OrdinalFit`.
    parts : how covariates become columns.
    estimate : the pooled parameters.
    """

    formula: str
    link: LinkName
    outcome: str
    levels: tuple[object, ...]
    parts: ModelParts
    estimate: PooledEstimate

    def __repr__(self) -> str:
        """The parameters, as the console shows them."""
        columns = ("term", "estimate", "std_error", "df", "conf_low", "conf_high", "p_value", "fraction_missing")
        return console(f"Pooled over {self.estimate.imputations} imputations, {self.link} link", self.tidy(), columns)

    @property
    def params(self) -> pd.Series[float]:
        """Pooled parameters, in the order of the fits."""
        return self._named(self.estimate.value)

    @property
    def vcov(self) -> FloatArray:
        """(k, k) total covariance of the parameters."""
        return self.estimate.vcov

    @property
    def bse(self) -> pd.Series[float]:
        """Standard errors."""
        return self._named(self.estimate.std_error)

    @property
    def df(self) -> pd.Series[float]:
        """Barnard-Rubin degrees of freedom of each parameter."""
        return self._named(self.estimate.df)

    @property
    def fraction_missing(self) -> pd.Series[float]:
        """Estimated fraction of information that is missing, for each parameter."""
        return self._named(self.estimate.fraction_missing)

    @property
    def tvalues(self) -> pd.Series[float]:
        """Parameters over their standard errors."""
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series[float]:
        """Two-sided p-values from t with each parameter's own degrees of freedom."""
        return self._named(2 * scipy.special.stdtr(self.estimate.df, -np.abs(self.tvalues.to_numpy())))

    @property
    def n(self) -> float:
        """Respondents used, on average."""
        mean = float(self.estimate.n[0])
        return int(mean) if mean.is_integer() else mean

    @property
    def note(self) -> str:
        """How the fits were pooled."""
        return self.estimate.note

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        """Confidence intervals of the parameters, columns 0 and 1, as statsmodels gives them."""
        low, high = t_interval(self.estimate.value, self.estimate.std_error, self.estimate.df, 1 - alpha)
        return pd.DataFrame({0: low, 1: high}, index=self.params.index)

    def cov_params(self) -> pd.DataFrame:
        """Total covariance of the parameters, labelled."""
        return pd.DataFrame(self.vcov, self.params.index, self.params.index)

    def tidy(self, exponentiate: bool = False, *, level: float = 0.95) -> pd.DataFrame:
        """One row per parameter.

        Parameters
        ----------
        exponentiate : give slopes and their bounds as odds ratios (logit link), as `OrdinalFit.tidy` does.
        level : confidence level.

        Returns
        -------
        Columns: term, level (""), estimate, std_error, df, conf_low, conf_high, statistic, p_value, n, kind,
        fraction_missing.

        Raises
        ------
        EstimationError : odds ratios asked of a model that has none.
        """
        bounds = self.conf_int(1 - level)
        frame = pd.DataFrame(
            {
                "term": self.params.index,
                "level": "",
                "estimate": self.params.to_numpy(),
                "std_error": self.bse.to_numpy(),
                "df": self.df.to_numpy(),
                "conf_low": bounds[0].to_numpy(),
                "conf_high": bounds[1].to_numpy(),
                "statistic": self.tvalues.to_numpy(),
                "p_value": self.pvalues.to_numpy(),
                "n": self.n,
                "kind": self.parts.kinds,
                "fraction_missing": self.estimate.fraction_missing,
            }
        )
        if not exponentiate:
            return frame
        if self.link != "logit" or self.parts.scale.columns:
            raise EstimationError(
                "`exponentiate` gives odds ratios, which only a model with the logit link and no effects on the scale "
                f"has; the link of this one is {self.link!r}. Pool average effects instead."
            )
        return as_odds_ratios(frame)

    def term_test(self, term: str, *, part: Literal["location", "scale"] = "location") -> TestResult:
        """Test that every parameter of a term is zero: its slopes, its nominal effects or its effects on the scale.

        The statistic of Li, Raghunathan and Rubin, D1 = q' [(1 + r) within]^-1 q / k with r the average relative
        increase of the variance, which takes the missing information to be the same for all slopes of the term: m
        imputations know too little about a (k, k) covariance between them. For the d degrees of freedom of the design,
        D1 is scaled by (d - k + 1) / d, as the adjusted Wald test of one fit is, and referred to F on k and Reiter's
        degrees of freedom for complete data with d - k + 1. For one slope it is the square of its t.

        Parameters
        ----------
        term : term of the formula.
        part : "location" for the slopes or nominal effects of a term, "scale" for its effects on the scale.

        Returns
        -------
        TestResult; `wald_chisq` is k D1, before the scaling.

        Raises
        ------
        EstimationError : a term that is not in the formula.

        References
        ----------
        Li, Raghunathan and Rubin (1991), JASA 86:1065; Reiter (2007), Biometrika 94:502; Korn and Graubard (1990),
        American Statistician 44:270. R equivalent (without the scaling): mice::D1.
        """
        if part not in ("location", "scale"):
            raise EstimationError(f'`part` must be "location" or "scale"; got {part!r}.')
        positions = self.parts.positions(term, part)
        return _moment_test(self.estimate, np.eye(len(self.params))[positions], f"Pooled adjusted Wald test of {term}")

    def _named(self, values: FloatArray) -> pd.Series[float]:
        """Values labelled with the names of the parameters."""
        return pd.Series(values, index=self.estimate.labels["term"].to_list())


def _missing_share(pooled: PooledEstimate) -> FloatArray:
    """(k,) share of the total variance that is due to missing values; zero where nothing varies."""
    total = np.diag(pooled.vcov)
    lost = (1 + 1 / pooled.imputations) * np.diag(pooled.between)
    return np.divide(lost, total, out=np.where(np.isnan(total), np.nan, 0.0), where=total > 0)


def _moment_test(pooled: PooledEstimate, matrix: FloatArray, method: str) -> TestResult:
    """Test of Li, Raghunathan and Rubin for rows of a matrix; see `PooledFit.term_test`."""
    k, m, d = len(matrix), pooled.imputations, pooled.whole_df
    value = matrix @ pooled.value
    within, between = matrix @ pooled.within @ matrix.T, matrix @ pooled.between @ matrix.T
    statistic = np.nan
    if k <= d:
        chisq = wald_chisq(value, within)
        scale = np.sqrt(np.diag(within))
        unit = np.outer(scale, scale)
        increase = (1 + 1 / m) * float(np.trace(np.linalg.solve(within / unit, between / unit))) / k
        statistic = chisq / (1 + increase)
    note = f"Pooled over {m} imputations."
    if k > d:
        return adjusted_wald(statistic, k, d, method, note)
    left = d - k + 1
    share = np.array([increase / (1 + increase)])
    if k == 1:
        df2, source = float(barnard_rubin(share, m, np.array([d]))[0]), "Barnard and Rubin (1999)"
    else:
        df2, source = moment_test_df(increase, k, m, left)
    adjusted = (1.0 if np.isinf(d) else left / d) * statistic / k
    note = (
        f"{note} Variance increased by {increase:.3g} on average for what is missing; denominator df by {source}, from "
        f"{left:g}. Design df {d:g}."
    )
    return TestResult(adjusted, k, df2, float(scipy.special.fdtrc(k, df2, adjusted)), method, note, statistic)


def whole(values: FloatArray) -> FloatArray | IntArray:
    """Counts as whole numbers where all of them are."""
    if np.isfinite(values).all() and (values == np.round(values)).all():
        return values.astype(np.intp)
    return values
