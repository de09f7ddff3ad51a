"""Residuals of ordinal models: where an answer stands among those that the model expects.

An answer says only that a latent value lies between two limits. A probability-scale residual is the share expected
below less the share expected above it; a surrogate residual draws the latent value from between the limits. Under the
right model both have mean 0 whatever the covariates, and the surrogate has the distribution of the link.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from survey.arguments import as_name, check_choice, check_kind, check_level, refuse_reserved
from survey.arrays import BoolArray, FloatArray
from survey.errors import EstimationError
from survey.estimation import Estimate, covariance, model_estimate
from survey.models.curvature import limits_of
from survey.models.fitted import answer_codes, params_of
from survey.models.links import LINKS
from survey.models.ordinal import OrdinalFit
from survey.models.predictors import spread

ResidualKind = Literal["surrogate", "probability-scale"]
PREDICTOR = "linear_predictor"
ROUNDING = 1e-8  # norm of the influence of a mean, relative to what it was before the fit, that is rounding error


def residuals(
    fit: OrdinalFit, *, kind: ResidualKind = "surrogate", rng: np.random.Generator | None = None
) -> pd.DataFrame:
    """Residuals of an ordinal model.

    Parameters
    ----------
    kind : "surrogate" draws the latent value of every respondent from between the limits of the answer and subtracts
        its mean; "probability-scale" needs no draw and has one row per pattern of answers and covariates.
    rng : generator of the draws of "surrogate", as np.random.default_rng(1).

    Returns
    -------
    Columns: the outcome and covariates, linear_predictor, residual, uniform ("surrogate": the residual's place in the
    link's distribution, uniform between 0 and 1 under the right model), weight (of each respondent the mean of the
    pattern; of a pattern the sum) and n. The rows are those of the respondents used, in the order of their patterns,
    not of the data.

    Raises
    ------
    EstimationError : an unknown kind, or no generator for "surrogate".

    References
    ----------
    Liu and Zhang (2018), JASA 113:845; Shepherd, Li and Liu (2016), Canadian J. Statistics 44:463.
    R equivalents: sure::resids; PResiduals::presid.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_choice(kind, ResidualKind, "kind")
    cells = fit.cells
    inside = fit.cells.inside
    below, above = _sides(fit, limits_of(fit))
    frame = cells.frame[inside].reset_index(drop=True).assign(linear_predictor=_predictor(fit))
    if kind == "probability-scale":
        return frame.assign(residual=below - above, weight=cells.weight[inside], n=cells.n[inside])
    if not isinstance(rng, np.random.Generator):
        raise EstimationError(
            f"`rng` must be a generator of random numbers to draw surrogates with, as np.random.default_rng(1); got "
            f"{rng!r}."
        )
    n = cells.n[inside]
    position = np.repeat(np.arange(n.size), n)
    low, high = below[position], 1.0 - above[position]
    uniform = low + (high - low) * rng.random(position.size)
    least = np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg
    link = LINKS[fit.link]
    residual = link.quantile(np.clip(uniform, *least)) - link.center
    drawn = frame.iloc[position].reset_index(drop=True)
    return drawn.assign(residual=residual, uniform=uniform, weight=(cells.weight[inside] / n)[position], n=1)


def residual_means(fit: OrdinalFit, by: str = PREDICTOR, *, groups: int = 10, level: float = 0.95) -> Estimate:
    """Means of the probability-scale residuals in groups of respondents: 0 where the model fits.

    The standard errors are design-based and know that the model was fitted to the same respondents.

    Parameters
    ----------
    by : "linear_predictor", or a covariate: its levels, or groups of a numeric one.
    groups : groups of equal size (sum of weights) that a numeric `by` is divided into; values that fewer share are
        groups of their own.
    level : confidence level of the t intervals.

    Returns
    -------
    Estimate with a row per group: the by-column (of a numeric one the mean in the group), term "residual", level "". A
    mean of .1 says that answers are higher than expected: of two respondents, one observed and one as the model has
    it, the observed one is higher 55 times in 100 (ties divided).

    Raises
    ------
    EstimationError : an unknown covariate, or fewer than 2 groups.

    References
    ----------
    Shepherd, Li and Liu (2016), Canadian J. Statistics 44:463.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_level(level)
    cells = fit.cells
    inside = fit.cells.inside
    labels, member = _grouped(fit, as_name(by, "by"), groups)
    weight = cells.weight[inside]
    codes = answer_codes(fit)
    link = LINKS[fit.link]

    def means(params: FloatArray, replicate: FloatArray) -> FloatArray:
        """(G,) means at some parameters and weights; NaN for groups without respondents."""
        below, above = _sides(fit, limits_of(fit, params))
        sums = replicate @ member
        unknown: FloatArray = np.full(sums.size, np.nan)
        return np.divide((replicate * (below - above)) @ member, sums, out=unknown, where=sums > 0)

    params = params_of(fit)
    value = means(params, weight)
    between = limits_of(fit)
    density = np.exp(link.log_pdf(between))
    touched = (codes[:, None] == np.arange(density.shape[1])) | (codes[:, None] - 1 == np.arange(density.shape[1]))
    sums = weight @ member
    below, above = _sides(fit, between)
    influence = np.zeros((cells.n.size, value.size))
    # a ratio's linearization for who is in a group, then the delta method for the parameters that moved the limits
    influence[inside] = ((below - above)[:, None] - value) * member / sums
    before = cells.weight @ influence**2
    for g in range(value.size):
        factor = density * touched * (weight * member[:, g] / sums[g])[:, None]
        influence[:, g] += fit.influence @ _gradient(fit, factor, between)
    fixed = cells.weight @ influence**2 <= ROUNDING**2 * before  # the logit's scores make some means exactly zero
    influence[:, fixed] = 0.0
    value[fixed] = np.where(np.abs(value[fixed]) < ROUNDING, 0.0, value[fixed])
    vcov = covariance(
        cells,
        value,
        influence,
        lambda weights: np.array([means(row, w) for row, w in zip(fit.replicated, weights[inside].T, strict=True)]),
    )
    return model_estimate(
        labels.assign(term="residual", level=""),
        value,
        vcov,
        df=fit.df,
        n=cells.n[inside].astype(np.float64) @ member,
        level=level,
        whole_df=fit.df,
        whole_n=float(fit.n),
    )


def _predictor(fit: OrdinalFit) -> FloatArray:
    """(C,) linear predictor of the patterns inside the domain."""
    predictors = fit.predictors.rows(fit.cells.inside)
    predictor: FloatArray = predictors.location @ fit.slopes.to_numpy(dtype=np.float64) + predictors.offset
    return predictor


def _gradient(fit: OrdinalFit, factor: FloatArray, between: FloatArray) -> FloatArray:
    """(k,) sum over patterns and limits of (C, q) factors times the derivatives of the limits by the parameters."""
    predictors = fit.predictors.rows(fit.cells.inside)
    scaled = factor / spread(predictors, fit.parameters(params_of(fit)).scale)[:, None]
    by_threshold = scaled @ predictors.structure
    return np.concatenate(
        [
            -scaled.sum(axis=1) @ predictors.location,
            by_threshold.sum(axis=0),
            (predictors.nominal.T @ by_threshold).ravel(),
            -(factor * between).sum(axis=1) @ predictors.scale,
        ]
    )


def _sides(fit: OrdinalFit, between: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(C,) probabilities of lower and of higher answers than each pattern has."""
    codes = answer_codes(fit)
    link = LINKS[fit.link]
    rows = np.arange(codes.size)
    q = between.shape[1]
    below = np.zeros(codes.size)
    above = np.zeros(codes.size)
    lower = codes > 0
    upper = codes < q
    below[lower] = np.exp(link.log_cdf(between[rows[lower], codes[lower] - 1]))
    above[upper] = np.exp(link.log_sf(between[rows[upper], codes[upper]]))
    return below, above


def _grouped(fit: OrdinalFit, by: str, groups: int) -> tuple[pd.DataFrame, FloatArray]:
    """Labels of G groups of respondents, and (C, G) indicators."""
    frame = fit.cells.frame[fit.cells.inside]
    refuse_reserved([by], "by")
    if by != PREDICTOR and (by not in frame.columns or by == fit.outcome):
        known = [name for name in frame.columns if name != fit.outcome]
        raise EstimationError(f"`by` must be {PREDICTOR!r} or a covariate of the model; {by!r} is not among {known}.")
    if isinstance(groups, bool) or not isinstance(groups, int) or groups < 2:
        raise EstimationError(f"`groups` must be a whole number, 2 or more; got {groups!r}.")
    values = pd.Series(_predictor(fit)) if by == PREDICTOR else frame[by].reset_index(drop=True)
    if by != PREDICTOR and by in fit.parts.dtypes:
        codes = pd.Categorical(values, dtype=fit.parts.dtypes[by])
        member: BoolArray = codes.codes[:, None] == np.arange(len(codes.categories))
        return pd.DataFrame({by: codes.categories}), member.astype(np.float64)
    x = values.to_numpy(dtype=np.float64)
    weight = fit.cells.weight[fit.cells.inside]
    order = np.argsort(x, kind="stable")
    rank = np.empty(x.size)
    rank[order] = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
    distinct, position = np.unique(x, return_inverse=True)  # equal values belong together
    middle = np.bincount(position, weights=rank * weight) / np.bincount(position, weights=weight)
    code = (
        np.minimum((middle * groups).astype(np.intp), groups - 1)
        if distinct.size > groups
        else np.arange(distinct.size)
    )
    member = code[position][:, None] == np.unique(code)
    indicators = member.astype(np.float64)
    return pd.DataFrame({by: (weight * x) @ indicators / (weight @ indicators)}), indicators
