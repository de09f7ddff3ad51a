"""Estimates of totals, means, proportions and ratios, with their joint covariance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survey.arguments import check_choice
from survey.arrays import FloatArray
from survey.console import console
from survey.errors import EstimationError
from survey.estimation import delta
from survey.estimation.contrasts import contrast_matrix
from survey.estimation.degrees_of_freedom import DfRule
from survey.estimation.delta import Function
from survey.estimation.few_clusters import FewClusters
from survey.estimation.intervals import t_interval
from survey.estimation.spans import Spans
from survey.estimation.wald import TestResult, adjusted_wald, wald_chisq
from survey.tidy import gives_copies, with_columns

SHOWN = ("estimate", "std_error", "df", "conf_low", "conf_high", "n")  # columns that the console shows
DEPENDS = 1e-9  # change of a combination with an estimate, relative to the largest, above which it depends on it
ROUNDING = 1e-15  # variance of a combination, relative to the largest it could have, that is rounding error


@gives_copies("labels")
@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """k estimates made together from one design.

    Attributes
    ----------
    labels : k rows; by-columns, `term`, `level`.
    value : (k,) estimates.
    vcov : (k, k) covariance, in the row order of `tidy()`.
    df : (k,) degrees of freedom: PSUs minus strata in each estimate's domain; of a contrast, those that its variance
        has (see `contrast`).
    n : (k,) respondents that each estimate is based on.
    deff : (k,) design effect against simple random sampling with replacement of n respondents; NaN where the
        variable does not vary.
    conf_low, conf_high : (k,) confidence bounds.
    level : confidence level of the bounds.
    whole_df, whole_n : degrees of freedom and respondents of all domains of the call together.
    left_out : respondents of the design's domain that the call left out, for a missing value in one of its variables.
    few : where variance="cr2", what gives contrasts their own degrees of freedom too.
    spans : whom each estimate is about, from which a contrast has its degrees of freedom and respondents. None where
        all estimates are about everybody, as those of a model are.
    """

    labels: pd.DataFrame
    value: FloatArray
    vcov: FloatArray
    df: FloatArray
    n: FloatArray
    deff: FloatArray
    conf_low: FloatArray
    conf_high: FloatArray
    level: float
    whole_df: float
    whole_n: float
    left_out: int = 0
    few: FewClusters | None = None
    spans: Spans | None = None

    def __post_init__(self) -> None:
        for array in (self.value, self.vcov, self.df, self.n, self.deff, self.conf_low, self.conf_high):
            array.flags.writeable = False

    def __repr__(self) -> str:
        """The first estimates, as the console shows them."""
        many = f"{self.value.size} estimates" if self.value.size != 1 else "1 estimate"
        title = f"{many}, {100 * self.level:g}% intervals"
        return console(title, self.tidy(), [*map(str, self.labels.columns), *SHOWN], self.note)

    @property
    def std_error(self) -> FloatArray:
        """(k,) standard errors."""
        return np.sqrt(np.diag(self.vcov))

    @property
    def note(self) -> str:
        """Where standard errors and degrees of freedom come from, if not from the design's own; else empty."""
        return "" if self.few is None else self.few.note

    def tidy(self) -> pd.DataFrame:
        """One row per estimate.

        Returns
        -------
        Columns: by-columns, term, level, estimate, std_error, df, conf_low, conf_high, n, n_eff, deff.
        `n_eff` is n / deff, NaN where the design effect is zero (a calibrated total) or not defined.
        """
        return with_columns(
            self.labels,
            estimate=self.value,
            std_error=self.std_error,
            df=self.df,
            conf_low=self.conf_low,
            conf_high=self.conf_high,
            n=self.n.astype(np.int64) if np.isfinite(self.n).all() else self.n,
            n_eff=np.divide(self.n, self.deff, out=np.full(self.n.size, np.nan), where=self.deff > 0),
            deff=self.deff,
        )

    def contrast(
        self,
        weights: Mapping[object, float] | ArrayLike,
        names: Sequence[str] | None = None,
        *,
        df: DfRule = "satterthwaite",
    ) -> Estimate:
        """Linear combinations of the estimates, with their covariance.

        Parameters
        ----------
        weights : coefficient per label, or a (q, k) matrix with one row per combination. A label is a
            row's `level` or a by-value; a tuple of several of its labels where one is not enough.
        names : q names for the `term` column; made from the labels otherwise.
        df : "satterthwaite", the degrees of freedom that the variance of a contrast has where all respondents vary
            alike: about 1 for a group in 2 PSUs against one in 22. "design", as R and Stata have it: PSUs minus strata
            of the domains that the contrast is made of, here 22, with which a test at 5% rejects 28% of true
            hypotheses.

        Returns
        -------
        Estimate of q contrasts; n is of the domains that each is made of, together, and deff is NaN. A contrast with a
        group whose respondents are all in one PSU has no known variance: its standard error is NaN.

        Raises
        ------
        EstimationError : a label that no row or several rows have, a matrix of the wrong width, or an unknown `df`.

        References
        ----------
        Bell and McCaffrey (2002), Survey Methodology 28:169, for the degrees of freedom. R equivalent:
        survey::svycontrast.
        """
        matrix, stated = contrast_matrix(weights, self.labels)
        names = [names] if isinstance(names, str) else names
        if names is not None and len(names) != len(matrix):
            raise EstimationError(f"`names` must name each of the {len(matrix)} contrasts; got {len(names)}.")
        return self._derived(matrix @ np.nan_to_num(self.value), matrix, stated if names is None else list(names), df)

    def test(
        self,
        weights: Mapping[object, float] | ArrayLike | None = None,
        *,
        null: float = 0.0,
        df: DfRule = "satterthwaite",
    ) -> TestResult:
        """Test that all estimates, or all contrasts of them, equal a number: the adjusted Wald F.

        Parameters
        ----------
        weights : contrasts as `contrast` takes them: coefficient per label, or a (q, k) matrix with one row per
            contrast; None: each estimate itself.
        null : what they all equal under the hypothesis.
        df : as `contrast` has it.

        Returns
        -------
        TestResult: F on q and d - q + 1 degrees of freedom, d those of the covariance of what is tested. With q > d
        statistic and p-value are NaN and the note says so. Of one estimate or contrast F is the square of its t, and
        `estimate` holds it.

        Raises
        ------
        EstimationError : weights that `contrast` refuses, a `null` that is no number, estimates that do not exist or do
            not vary, more of them than the design can tell apart, or several with variance="cr2".

        References
        ----------
        Korn and Graubard (1990), American Statistician 44:270; Pustejovsky and Tipton (2018), J. Business & Economic
        Statistics 36:672, for d. R equivalent: survey::regTermTest of a regression on the groups, whose F = W / q is
        not adjusted.

        Examples
        --------
        Is the share the same in all three groups? The second and the third minus the first are zero:

        >>> import pandas as pd
        >>> import survey
        >>> frame = pd.DataFrame({"group": ["a", "b", "c"] * 4, "agrees": [0, 1, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0]})
        >>> shares = survey.mean(survey.Design(frame, weight=None), "agrees", by="group")
        >>> shares.test([[-1, 1, 0], [-1, 0, 1]])
        Adjusted Wald test: F(2, 10) = 1.111, p = 0.367
        Satterthwaite df 11.
        """
        if isinstance(null, bool) or not isinstance(null, int | float | np.number) or not np.isfinite(null):
            raise EstimationError(f"`null` must be a number, what the estimates are tested to equal; got {null!r}.")
        check_choice(df, DfRule, "df")
        tested = self.contrast(np.eye(self.value.size) if weights is None else weights, df=df)
        q = tested.value.size
        absent = np.isnan(tested.value) | np.isnan(np.diag(tested.vcov))
        if absent.any():
            raise EstimationError(
                f"`weights` must involve estimates that exist; {absent.sum()} of {q} to be tested are NaN or have no "
                "standard error. Leave them out."
            )
        if q > 1 and self.few is not None:
            raise EstimationError(
                f'`weights` must be one contrast where the estimates were made with variance="cr2", whose degrees of '
                f"freedom are of one combination each; got {q}. Test one at a time, or use linearization."
            )
        d = float(tested.df[0]) if q == 1 or tested.spans is None else tested.spans.joint_df(df)
        # with q > d the covariance may be singular: adjusted_wald says so, where wald_chisq would refuse
        statistic = np.nan if q > d else wald_chisq(tested.value - null, tested.vcov, argument="weights")
        rule: DfRule = "design" if tested.spans is None else df
        result = adjusted_wald(statistic, q, d, "Adjusted Wald test", rule=rule)
        return replace(result, estimate=tested) if q == 1 else result

    def transform(
        self,
        function: Function,
        *,
        names: str | Sequence[str] | None = None,
        jacobian: Callable[[FloatArray], ArrayLike] | None = None,
        df: DfRule = "satterthwaite",
    ) -> Estimate:
        """Smooth functions of the estimates, with their covariance by the delta method.

        Parameters
        ----------
        function : from the (k,) estimates, in the row order of `tidy()`, to a number or (m,) numbers:
            `lambda e: np.log(e[0] / e[1])`.
        names : name, or m names, for the `term` column; numbered otherwise.
        jacobian : from the (k,) estimates to the (m, k) derivatives; by central differences otherwise.
        df : as `contrast` has it.

        Returns
        -------
        Estimate of m functions with covariance J vcov J'; n is of the domains that a function depends on, together, and
        deff is NaN. The intervals are t intervals on the scale of the function.

        Raises
        ------
        EstimationError : values or derivatives that are not finite, a function with a kink at the estimates, or names
            or derivatives that do not fit the values.

        References
        ----------
        Wolter (2007), ch. 6. R equivalent: survey::svycontrast with a quoted expression.
        """
        value = delta.values_of(function, self.value)
        k = self.value.size
        m = value.size
        if jacobian is None:
            slopes = delta.jacobian(function, self.value, self.std_error)
        else:
            slopes = np.atleast_2d(np.asarray(jacobian(self.value.copy()), dtype=np.float64))
        if slopes.shape != (m, k) or not np.isfinite(slopes).all():
            raise EstimationError(
                f"`jacobian` must give finite derivatives of shape {(m, k)}; it gave shape {slopes.shape}."
            )
        terms = [names] if isinstance(names, str) else list(names or [f"function {i + 1}" for i in range(m)])
        if len(terms) != m:
            raise EstimationError(f"`names` must name each of the {m} functions; got {len(terms)}.")
        return self._derived(value, slopes, terms, df)

    def _derived(self, value: FloatArray, slopes: FloatArray, names: Sequence[str], rule: DfRule) -> Estimate:
        """Estimate of (m,) values that change by (m, k) slopes with the estimates; unknown where these are unknown."""
        check_choice(rule, DfRule, "df")
        # J vcov J', but for estimates without a variance, which make unknown what depends on them and nothing else
        unknown = np.isnan(np.diag(self.vcov))
        vcov = slopes @ np.where(unknown | unknown[:, None], 0.0, self.vcov) @ slopes.T
        lost = (slopes[:, unknown] != 0).any(axis=1)
        largest = np.abs(slopes) @ np.nan_to_num(self.std_error)
        fixed = np.diag(vcov) <= ROUNDING * largest**2  # two shares that make up the whole do not vary together
        for rows, entry in ((fixed, 0.0), (lost, np.nan)):
            vcov[rows] = entry
            vcov[:, rows] = entry
        value = np.where((slopes[:, np.isnan(self.value)] != 0).any(axis=1), np.nan, value)

        few = None if self.few is None else self.few.combined(slopes)
        reach = np.abs(slopes) * (np.abs(np.nan_to_num(self.value)) + np.nan_to_num(self.std_error, nan=1.0))
        depends = reach > DEPENDS * reach.max(axis=1, keepdims=True)
        spans = None if self.spans is None else self.spans.combined(np.where(depends, slopes, 0.0))
        if few is not None:
            df = few.df
        elif spans is not None:
            df = spans.df(rule)
        else:
            df = np.full(len(slopes), self.whole_df)
        n = np.full(len(slopes), self.whole_n) if spans is None else spans.n()
        low, high = t_interval(value, np.sqrt(np.diag(vcov)), df, self.level)
        return replace(
            self,
            labels=pd.DataFrame({"term": list(names), "level": ""}),
            value=value,
            vcov=vcov,
            df=df,
            n=n,
            deff=np.full(len(slopes), np.nan),
            conf_low=low,
            conf_high=high,
            few=few,
            spans=spans,
        )


def model_estimate(
    labels: pd.DataFrame,
    value: FloatArray,
    vcov: FloatArray,
    *,
    df: float | FloatArray,
    n: float | FloatArray,
    level: float,
    whole_df: float,
    whole_n: float,
    left_out: int = 0,
    few: FewClusters | None = None,
) -> Estimate:
    """Estimate of k quantities of a model: t intervals, and no design effect, as no simple sample would give one.

    Parameters
    ----------
    df, n : degrees of freedom and respondents, (k,) or the same for all.
    """
    k = value.size
    each_df = np.broadcast_to(np.asarray(df, dtype=np.float64), (k,)).copy()
    low, high = t_interval(value, np.sqrt(np.diag(vcov)), each_df, level)
    return Estimate(
        labels=labels,
        value=value,
        vcov=vcov,
        df=each_df,
        n=np.broadcast_to(np.asarray(n, dtype=np.float64), (k,)).copy(),
        deff=np.full(k, np.nan),
        conf_low=low,
        conf_high=high,
        level=level,
        whole_df=whole_df,
        whole_n=whole_n,
        left_out=left_out,
        few=few,
    )
