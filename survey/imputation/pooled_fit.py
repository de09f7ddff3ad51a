"""One ordinal model pooled over imputations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_alpha, check_choice
from survey.arrays import FloatArray
from survey.console import console
from survey.errors import EstimationError
from survey.estimation import TestResult, t_interval
from survey.imputation.pooled_estimate import PooledEstimate, joint_test
from survey.models import LinkName, ModelParts
from survey.tidy import as_odds_ratios

TestedPart = Literal["location", "scale"]


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
        check_alpha(alpha)
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

    def term_test(self, term: str, *, part: TestedPart = "location") -> TestResult:
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
        check_choice(part, TestedPart, "part")
        positions = self.parts.positions(term, part)
        slopes = np.eye(len(self.params))[positions]
        return joint_test(self.estimate, slopes, method=f"Pooled adjusted Wald test of {term}", argument="term")

    def _named(self, values: FloatArray) -> pd.Series[float]:
        """Values labelled with the names of the parameters."""
        return pd.Series(values, index=self.estimate.labels["term"].to_list())
