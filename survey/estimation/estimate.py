"""Estimates of totals, means, proportions and ratios, with their joint covariance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survey.arrays import BoolArray, FloatArray
from survey.console import console
from survey.design import Cells
from survey.errors import EstimationError, did_you_mean
from survey.estimation import delta
from survey.estimation.degrees_of_freedom import degrees_of_freedom
from survey.estimation.delta import Function
from survey.estimation.few_clusters import FewClusters
from survey.estimation.intervals import t_interval
from survey.tidy import gives_copies

SHOWN = ("estimate", "std_error", "df", "conf_low", "conf_high", "n")  # columns that the console shows
DEPENDS = 1e-9  # change of a combination with an estimate, relative to the largest, above which it depends on it
ROUNDING = 1e-15  # variance of a combination, relative to the largest it could have, that is rounding error


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Whom k estimates are about, so that a combination of some can be given their degrees of freedom.

    `cells` counted patterns; `domains` (C, G) patterns of each domain; `parts` (k, G) domains of each estimate.
    """

    cells: Cells
    domains: BoolArray
    parts: BoolArray

    def of(self, used: BoolArray) -> tuple[Spans, FloatArray, FloatArray]:
        """Whom m combinations are about, their degrees of freedom and respondents.

        Parameters
        ----------
        used : (m, k) estimates that each combination is made of; all of them where it is made of none.
        """
        parts: BoolArray = np.asarray(used.astype(np.float64) @ self.parts > 0)
        parts[~parts.any(axis=1)] = self.parts.any(axis=0)
        distinct, position = np.unique(parts, axis=0, return_inverse=True)
        df, n = np.empty(len(distinct)), np.empty(len(distinct))
        for i, own in enumerate(distinct):
            together: BoolArray = np.asarray(self.domains[:, own].any(axis=1))
            df[i] = degrees_of_freedom(self.cells, together[:, None])[0]
            n[i] = self.cells.n[together].sum()
        position = position.reshape(-1)
        return Spans(self.cells, self.domains, parts), df[position], n[position]


@gives_copies("labels")
@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """k estimates made together from one design.

    Attributes
    ----------
    labels : k rows; by-columns, `term`, `level`.
    value : (k,) estimates.
    vcov : (k, k) covariance, in the row order of `tidy()`.
    df : (k,) degrees of freedom: PSUs minus strata in each estimate's domain.
    n : (k,) respondents that each estimate is based on.
    deff : (k,) design effect against simple random sampling with replacement of n respondents; NaN where the
        variable does not vary.
    conf_low, conf_high : (k,) confidence bounds.
    level : confidence level of the bounds.
    whole_df, whole_n : degrees of freedom and respondents of all domains of the call together.
    left_out : respondents of the design's domain that the call left out, for a missing value in one of its variables.
    few : where variance="cr2", what gives contrasts their own degrees of freedom too.
    spans : whom each estimate is about: a contrast has the degrees of freedom and respondents of the domains that it is
        made of. None where all estimates are about everybody, as those of a model are.
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
        return self.labels.assign(
            estimate=self.value,
            std_error=self.std_error,
            df=self.df,
            conf_low=self.conf_low,
            conf_high=self.conf_high,
            n=self.n.astype(np.int64) if np.isfinite(self.n).all() else self.n,
            n_eff=np.divide(self.n, self.deff, out=np.full(self.n.size, np.nan), where=self.deff > 0),
            deff=self.deff,
        )

    def contrast(self, weights: Mapping[object, float] | ArrayLike, names: Sequence[str] | None = None) -> Estimate:
        """Linear combinations of the estimates, with their covariance.

        Parameters
        ----------
        weights : coefficient per label, or a (q, k) matrix with one row per combination. A label is a
            row's `level` or a by-value; a tuple of several of its labels where one is not enough.
        names : q names for the `term` column; made from the labels otherwise.

        Returns
        -------
        Estimate of q contrasts. df and n are those of the domains that the contrast is made of, together; deff is NaN.

        Raises
        ------
        EstimationError : a label that no row or several rows have, or a matrix of the wrong width.

        References
        ----------
        R equivalent: survey::svycontrast.
        """
        k = self.value.size
        if isinstance(weights, pd.Series):
            weights = weights.to_dict()
        if isinstance(weights, Mapping):
            matrix = np.zeros((1, k))
            for label, coefficient in weights.items():
                if not isinstance(coefficient, int | float | np.number) or not np.isfinite(coefficient):
                    raise EstimationError(f"`weights` must be finite numbers; {label!r} has {coefficient!r}.")
                matrix[0, self._position(label)] += coefficient
            shown = [" ".join(f"{c:+g} {label}" for label, c in weights.items())]
            if not weights:
                raise EstimationError("`weights` must name at least one estimate; it is empty.")
        else:
            matrix = _matrix(weights)
            shown = [f"contrast {i + 1}" for i in range(len(matrix))]
            if matrix.ndim != 2 or matrix.shape[1] != k:
                raise EstimationError(
                    f"`weights` must have one column per estimate; got {matrix.shape[1]} columns for {k} estimates."
                )
        names = [names] if isinstance(names, str) else names
        if names is not None and len(names) != len(matrix):
            raise EstimationError(f"`names` must name each of the {len(matrix)} contrasts; got {len(names)}.")
        return self._derived(matrix @ np.nan_to_num(self.value), matrix, list(names) if names is not None else shown)

    def transform(
        self,
        function: Function,
        *,
        names: str | Sequence[str] | None = None,
        jacobian: Callable[[FloatArray], ArrayLike] | None = None,
    ) -> Estimate:
        """Smooth functions of the estimates, with their covariance by the delta method.

        Parameters
        ----------
        function : from the (k,) estimates, in the row order of `tidy()`, to a number or (m,) numbers:
            `lambda e: np.log(e[0] / e[1])`.
        names : name, or m names, for the `term` column; numbered otherwise.
        jacobian : from the (k,) estimates to the (m, k) derivatives; by central differences otherwise.

        Returns
        -------
        Estimate of m functions with covariance J vcov J'. df and n are those of the domains that a function depends on,
        together; deff is NaN. The intervals are t intervals on the scale of the function.

        Raises
        ------
        EstimationError : values or derivatives that are not finite, a function with a kink at the estimates, or names
            or derivatives that do not fit the values.

        References
        ----------
        Wolter (2007), ch. 6. R equivalent: survey::svycontrast with a quoted expression.
        """
        value = delta.values_of(function, self.value)
        if jacobian is None:
            slopes = delta.jacobian(function, self.value, self.std_error)
        else:
            slopes = np.atleast_2d(np.asarray(jacobian(self.value.copy()), dtype=np.float64))
        if slopes.shape != (value.size, self.value.size) or not np.isfinite(slopes).all():
            raise EstimationError(
                f"`jacobian` must give finite derivatives of shape {(value.size, self.value.size)}; it gave shape "
                f"{slopes.shape}."
            )
        shown = [names] if isinstance(names, str) else list(names or [f"function {i + 1}" for i in range(value.size)])
        if len(shown) != value.size:
            raise EstimationError(f"`names` must name each of the {value.size} functions; got {len(shown)}.")
        return self._derived(value, slopes, shown)

    def _derived(self, value: FloatArray, slopes: FloatArray, names: Sequence[str]) -> Estimate:
        """Estimate of (m,) values that change by (m, k) slopes with the estimates; unknown where these are unknown."""
        m = len(slopes)
        unknown = np.isnan(np.diag(self.vcov))
        vcov = slopes @ np.where(unknown | unknown[:, None], 0.0, self.vcov) @ slopes.T
        lost = (slopes[:, unknown] != 0).any(axis=1)
        largest = np.abs(slopes) @ np.nan_to_num(self.std_error)
        fixed = np.diag(vcov) <= ROUNDING * largest**2
        vcov[fixed], vcov[:, fixed] = 0.0, 0.0
        vcov[lost], vcov[:, lost] = np.nan, np.nan
        value = np.where((slopes[:, np.isnan(self.value)] != 0).any(axis=1), np.nan, value)
        few = None if self.few is None else self.few.combined(slopes)
        reach = np.abs(slopes) * (np.abs(np.nan_to_num(self.value)) + np.nan_to_num(self.std_error, nan=1.0))
        spans, df, n = self.combined(reach > DEPENDS * reach.max(axis=1, keepdims=True))
        df = df if few is None else few.df
        low, high = t_interval(value, np.sqrt(np.diag(vcov)), df, self.level)
        return replace(
            self,
            labels=pd.DataFrame({"term": list(names), "level": ""}),
            value=value,
            vcov=vcov,
            df=df,
            n=n,
            deff=np.full(m, np.nan),
            conf_low=low,
            conf_high=high,
            few=few,
            spans=spans,
        )

    def combined(self, used: BoolArray) -> tuple[Spans | None, FloatArray, FloatArray]:
        """Whom m combinations of the estimates are about, and their degrees of freedom and respondents.

        Parameters
        ----------
        used : (m, k) estimates that each combination is made of.
        """
        if self.spans is None:
            return None, np.full(len(used), self.whole_df), np.full(len(used), self.whole_n)
        return self.spans.of(used)

    def _position(self, label: object) -> int:
        """Row that a label means."""
        wanted = set(label) if isinstance(label, tuple) else {label}
        hits = [i for i, row in enumerate(self.labels.itertuples(index=False, name=None)) if wanted <= set(row)]
        if len(hits) == 1:
            return hits[0]
        what = "no estimate has it" if not hits else f"{len(hits)} estimates have it"
        known = [tuple(v for v in row if v != "") for row in self.labels.itertuples(index=False, name=None)]
        hint = "" if hits else did_you_mean(label, dict.fromkeys(one for row in known for one in row))
        raise EstimationError(
            f"`weights` must name estimates by a label that only one has; {label!r}: {what}. Labels are {known[:12]}."
            f"{hint}"
        )


def _matrix(weights: ArrayLike) -> FloatArray:
    """(q, k) finite coefficients of contrasts, given as numbers."""
    try:
        matrix = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise EstimationError(
            f"`weights` must be coefficients by label, as {{'High': 1, 'Low': -1}}, or a matrix of numbers; {error}."
        ) from error
    if not np.isfinite(matrix).all():
        raise EstimationError(f"`weights` must be finite numbers; got {matrix[~np.isfinite(matrix)][0]}.")
    return matrix


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
