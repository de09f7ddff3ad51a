"""Profile-likelihood intervals of slopes, for simple random samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_kind, check_level
from survey.errors import ConvergenceError, EstimationError
from survey.models.curvature import check_simple_sample
from survey.models.fitted import answer_codes, scaled_weight
from survey.models.likelihood import fit_limits
from survey.models.links import LINKS
from survey.models.ordinal import OrdinalFit

FURTHEST = 40  # doublings of the distance at which a bound is taken to be infinite


def profile_intervals(fit: OrdinalFit, *, level: float = 0.95) -> pd.DataFrame:
    """Profile-likelihood intervals of the slopes of an ordinal model, for simple random samples.

    A bound is where the likelihood, maximized over all other parameters, has fallen by half the quantile of a
    chi-square on one degree of freedom. Under a design there is no likelihood of which this would be true: the
    function refuses it, and `fit.conf_int()` has intervals from the design-based covariance.

    Parameters
    ----------
    level : confidence level.

    Returns
    -------
    One row per slope: term, level (""), estimate, conf_low, conf_high, n.

    Raises
    ------
    EstimationError : a design other than a simple random sample with equal weights, a model without slopes, or a
        profile that does not fall far enough on one side.

    References
    ----------
    Venzon and Moolgavkar (1988), Applied Statistics 37:87. R equivalent: confint(ordinal::clm), which interpolates
    the profile between about ten points; here the bounds are roots of the profile itself.
    """
    check_kind(fit, OrdinalFit, "fit")
    check_level(level)
    check_simple_sample(
        fit.cells, "`fit`: a profile-likelihood interval; Use `fit.conf_int()`, which respects the design."
    )
    names = list(fit.matrix.columns)
    if not names:
        raise EstimationError("`fit` must have slopes to make intervals of; it has none.")
    goal = float(scipy.special.ndtri(0.5 + level / 2))
    bounds = [[_bound(fit, k, side=side, goal=goal) for side in (-1.0, 1.0)] for k in range(len(names))]
    return pd.DataFrame(
        {
            "term": names,
            "level": "",
            "estimate": fit.slopes.to_numpy(),
            "conf_low": [low for low, _ in bounds],
            "conf_high": [high for _, high in bounds],
            "n": fit.n,
        }
    )


def _bound(fit: OrdinalFit, k: int, side: float, goal: float) -> float:
    """Value of slope k at which the signed root of twice the fall of the likelihood reaches the goal."""
    from scipy.optimize import brentq

    inside = fit.cells.inside
    predictors = fit.predictors.rows(inside)
    column = predictors.location[:, k]
    weight = scaled_weight(fit.cells)
    column = column - weight @ column / weight.sum() if predictors.is_proportional else column
    rest = np.delete(predictors.location, k, axis=1)
    codes = answer_codes(fit)
    link = LINKS[fit.link]
    centre = float(fit.slopes.iloc[k])
    step = float(np.sqrt(fit.model_vcov[k, k]))

    def excess(distance: float) -> float:
        """Signed root of twice the fall at a distance from the estimate, in standard errors, less the goal."""
        value = centre + side * distance * step
        held = replace(predictors, location=rest, offset=predictors.offset + column * value)
        try:
            profile = fit_limits(codes, held, weight=weight, link=link)
        except ConvergenceError as error:
            raise EstimationError(
                f"`fit`: with {fit.matrix.columns[k]!r} held at {value:.4g} the likelihood has no maximum, so that its "
                f"profile has no bound there. {error}"
            ) from error
        return float(np.sqrt(max(2.0 * (fit.log_likelihood - profile.log_likelihood), 0.0))) - goal

    far = goal
    for _ in range(FURTHEST):
        if excess(far) > 0:
            return centre + side * step * float(brentq(excess, 0.0, far, xtol=1e-10, rtol=1e-12))
        far *= 1.5
    raise EstimationError(
        f"`fit`: the profile of {fit.matrix.columns[k]!r} does not fall far enough for a bound; the data do not limit "
        "it on one side. Report the other bound, or use `fit.conf_int()`."
    )
