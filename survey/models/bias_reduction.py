"""Inference for regression coefficients from few clusters: CR2 standard errors and Satterthwaite degrees of freedom."""

from __future__ import annotations

import numpy as np
import pandas as pd

from survey.arguments import check_kind
from survey.arrays import FloatArray
from survey.errors import EstimationError
from survey.estimation import Estimate, check_cr2, model_estimate, of_coefficients, regression, units_of
from survey.models.links import LINKS, log_difference
from survey.models.ordinal import OrdinalFit


def bias_reduced(fit: OrdinalFit, *, level: float = 0.95) -> Estimate:
    """Coefficients of an ordinal regression with CR2 standard errors and Satterthwaite degrees of freedom.

    The model is linearized at its solution: the indicators of Y <= j of one respondent, with their multinomial
    covariance, take the place of a response, and the derivatives of P(Y <= j) by the parameters that of columns.
    Standardized by the Cholesky root of the covariance, they form a linear model with independent errors, and its CR2
    is taken. The information is the expected one, as in generalized estimating equations.

    Parameters
    ----------
    fit : fitted to a design with PSUs, without strata, population sizes, calibration or replicate weights.
    level : confidence level of the t intervals.

    Returns
    -------
    Estimate with a row per parameter in the order of `fit.params`. Each has its own degrees of freedom, and so has
    each contrast of them; `note` says so.

    Raises
    ------
    EstimationError : a design that CR2 is not defined for, a model with more than slopes and free thresholds, or a
        coefficient that one PSU alone determines.

    References
    ----------
    McCaffrey and Bell (2006), Statistics in Medicine 25:4081; Pustejovsky and Tipton (2018), J. Business & Economic
    Statistics 36:672. R equivalents for linear and binary regression: clubSandwich::vcovCR(type = "CR2");
    survey::svyglm(std.errors = "Bell-McCaffrey") takes the adjustment of a linear model for all.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_cr2(fit.cells)
    p = fit.covariates.shape[1]
    q = len(fit.levels) - 1
    if not fit.is_proportional:
        raise EstimationError(
            f"`fit` must have one slope per column and one threshold per division of the answers; it has "
            f"{len(fit.params)} parameters for {p} columns and {q} divisions. Leave out nominal and scale effects, a "
            "structure of the thresholds and an offset."
        )
    columns, residuals = _standardized(fit)
    unknown = of_coefficients(fit.cells, units_of(fit.cells), columns).unknown(np.eye(len(fit.params)))
    if unknown.any():
        raise EstimationError(
            f"`fit` must have coefficients whose variance is known; {fit.params.index[int(unknown.argmax())]!r} rests "
            "on the respondents of one PSU alone, and nobody knows how much another would differ. Merge its level "
            "with another."
        )
    few = regression(fit.cells, columns, residuals)
    value: FloatArray = np.array(fit.params, dtype=np.float64)
    return model_estimate(
        pd.DataFrame({"term": list(fit.params.index), "level": ""}),
        value,
        few.vcov,
        df=few.df,
        n=float(fit.n),
        level=level,
        whole_df=fit.df,
        whole_n=float(fit.n),
        few=few,
    )


def _standardized(fit: OrdinalFit) -> tuple[FloatArray, FloatArray]:
    """(C, q, p + q) columns and (C, q) residuals in units of independent errors with variance 1."""
    link = LINKS[fit.link]
    cells = fit.cells
    slopes = fit.slopes.to_numpy(dtype=np.float64)
    thresholds = fit.thresholds.to_numpy(dtype=np.float64)
    q = thresholds.size
    limit = thresholds - (fit.covariates @ slopes)[:, None]
    below = np.hstack([np.full((len(limit), 1), -np.inf), limit])
    above = np.hstack([limit, np.full((len(limit), 1), np.inf)])
    share = np.exp(log_difference(link, above, below))  # (C, q + 1) probabilities of the answers
    reached = np.exp(link.log_cdf(limit))
    density = np.exp(link.log_pdf(limit))
    by_slopes = -density[:, :, None] * fit.covariates[:, None, :]
    derivatives = np.concatenate([by_slopes, density[:, :, None] * np.eye(q)], axis=2)
    observed = (fit.data.codes[:, None] <= np.arange(q)).astype(np.float64)
    # answers rather than divisions: their covariance diag(share) - share share' is the better conditioned
    changes = np.eye(q) - np.eye(q, k=-1)
    root = np.linalg.cholesky(share[:, :q, None] * np.eye(q) - share[:, :q, None] * share[:, None, :q])
    both = np.concatenate([derivatives, (observed - reached)[:, :, None]], axis=2)
    left = np.linalg.solve(root, changes @ both)
    left[~cells.inside] = 0.0
    return left[:, :, :-1], left[:, :, -1]
