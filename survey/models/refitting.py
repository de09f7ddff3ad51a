"""Cumulative-link fits under many replicate weights at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.errors import EstimationError
from survey.models.derivatives import Ratios, derivatives
from survey.models.likelihood import SUSPECT_CURVATURE, refit_limits
from survey.models.links import Link
from survey.models.newton import Points, maximize
from survey.models.predictors import Predictors, smallest_gap
from survey.models.units import in_units

# Newton decrement per respondent before the last step. It is squared by a step, and replicates are compared with each
# other to their last digits.
LAST_DECREMENT = 1e-10
AT_INFINITY = (  # of the limits -inf and inf: F, 1 - F, f and f'
    np.array([[0.0], [1.0]]),
    np.array([[1.0], [0.0]]),
    np.zeros((2, 1)),
    np.zeros((2, 1)),
)
BATCH_CELLS = 200_000  # patterns times replicates that are worked on together: what fits in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """Products of columns that every replicate sums with its own weights.

    `of_gradient` : (2 C, q + p) what derivatives by the limits above and below each answer are multiplied with;
    `of_information` : (3 C, q + q p + q - 1) the same of second derivatives, by each limit and by both, for the
    thresholds themselves, thresholds with covariates and neighbouring thresholds; `squares` : (C, p (p + 1) / 2)
    products of covariates, one of each pair; `distinct` : (D, p) distinct rows of covariates and offset; `offset` :
    (D, 1); `above`, `below` : (C,) position of the limits of each answer among those of all thresholds of all distinct
    rows, -inf and inf being the last two; `divisions` is q.
    """

    of_gradient: FloatArray
    of_information: FloatArray
    squares: FloatArray
    distinct: FloatArray
    offset: FloatArray
    above: IntArray
    below: IntArray
    divisions: int


def refit(
    outcome: IntArray,
    predictors: Predictors,
    weights: FloatArray,
    link: Link,
    start: FloatArray,
    *,
    argument: str = "design",
) -> FloatArray:
    """Maximize the likelihood under each of R replicate weights, from the full-sample solution.

    Proportional-odds models are moved together; nominal effects, effects on the scale and structured thresholds are
    fitted replicate by replicate.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q.
    predictors : columns of C patterns.
    weights : (C, R) replicate weights of the patterns.
    link : the link of the full-sample fit.
    start : (P,) thresholds, slopes and effects on the scale of the full-sample fit.
    argument : the caller's argument that the replicates came in with.

    Returns
    -------
    (R, P) parameters in the same order.

    Raises
    ------
    EstimationError : replicates in which an answer has no respondents, no maximum exists or thresholds cross.
    """
    answers = range(len(predictors.structure) + 1)
    vanished = np.array([weights[outcome == j].sum(axis=0) <= 0 for j in answers]).any(axis=0)
    if vanished.any():
        raise EstimationError(
            f"`{argument}`: in {vanished.sum()} of {vanished.size} replicates nobody gives one of the answers, so that "
            "its threshold is infinite. Merge rare answers, or use linearization."
        )
    one_by_one = not predictors.is_proportional
    fitted = refit_limits if one_by_one else _refit_together
    params = fitted(outcome, predictors, weights, link, start)
    unsolved = np.isnan(params[:, 0])
    if unsolved.any():
        raise EstimationError(
            f"`{argument}`: the model has no finite solution in {unsolved.sum()} of {unsolved.size} replicates: a "
            "predictor separates the answers there. Merge rare answers or levels, or use linearization."
        )
    if one_by_one:
        _check_thresholds(predictors, weights, params=params, argument=argument)
    return params


def _check_thresholds(predictors: Predictors, weights: FloatArray, params: FloatArray, argument: str) -> None:
    """Raise where thresholds cross for respondents of a replicate."""
    crossed = np.array(
        [smallest_gap(predictors.rows(live), row) <= 0 for live, row in zip(weights.T > 0, params, strict=True)]
    )
    if crossed.any():
        raise EstimationError(
            f"`{argument}`: thresholds cross for some respondents in {crossed.sum()} of {crossed.size} replicates, so "
            "that an answer has a negative probability. Merge rare answers or levels, or use linearization."
        )


def _refit_together(
    outcome: IntArray, predictors: Predictors, weights: FloatArray, link: Link, start: FloatArray
) -> FloatArray:
    """(R, P) maxima of proportional-odds models, batch by batch; rows of NaN where there is none."""
    scaled, units = in_units(predictors, weights.mean(axis=1))
    moments = _moments(outcome, scaled)
    first = units.scaled(start)
    batch = max(1, BATCH_CELLS // max(len(outcome), 1))
    refitted = [
        _refitted(moments, weights[:, i : i + batch], link=link, start=first) for i in range(0, weights.shape[1], batch)
    ]
    return units.natural(np.vstack(refitted).T).T


def _moments(outcome: IntArray, predictors: Predictors) -> _Moments:
    """Products of the indicators of the limits and the covariates."""
    covariates = predictors.location
    q = len(predictors.structure)
    upper = (outcome[:, None] == np.arange(q)).astype(np.float64)
    lower = (outcome[:, None] - 1 == np.arange(q)).astype(np.float64)
    rows = np.column_stack([covariates, predictors.offset])
    _, first, row = np.unique(rows, axis=0, return_index=True, return_inverse=True)

    def products(left: FloatArray) -> FloatArray:
        """(C, columns of left times p) products with the covariates."""
        return (left[:, :, None] * covariates[:, None, :]).reshape(len(outcome), -1)

    by_upper = products(upper)
    by_lower = products(lower)
    none = np.zeros((len(outcome), q - 1))
    both = np.hstack([np.zeros_like(upper), by_upper + by_lower, upper[:, 1:] * lower[:, :-1]])
    i, j = np.triu_indices(covariates.shape[1])
    return _Moments(
        of_gradient=np.vstack([np.hstack([upper, -covariates]), np.hstack([lower, -covariates])]),
        of_information=np.vstack([np.hstack([-upper, by_upper, none]), np.hstack([-lower, by_lower, none]), both]),
        squares=covariates[:, i] * covariates[:, j],
        distinct=covariates[first],
        offset=predictors.offset[first][:, None],
        above=np.where(outcome < q, row * q + outcome, len(first) * q + 1),
        below=np.where(outcome > 0, row * q + outcome - 1, len(first) * q),
        divisions=q,
    )


def _refitted(moments: _Moments, weights: FloatArray, link: Link, start: FloatArray) -> FloatArray:
    """(B, P) solutions for a batch of B replicates, all moved together; rows of NaN where there is none."""
    size = weights.sum(axis=0)

    def evaluate(params: FloatArray, moving: IntArray) -> Points:
        """Likelihoods of the replicates that still move."""
        return _evaluate(moments, weights if moving.size == size.size else weights[:, moving], link=link, params=params)

    starts = np.tile(start, (size.size, 1))
    maxima = maximize(evaluate, starts, size, decrement=LAST_DECREMENT)
    information = maxima.points.information[maxima.reached] / size[maxima.reached, None, None]
    solved = maxima.reached.copy()
    solved[maxima.reached] = np.linalg.eigvalsh(information)[:, 0] >= SUSPECT_CURVATURE
    return np.where(solved[:, None], maxima.params, np.nan)


def _evaluate(moments: _Moments, weights: FloatArray, link: Link, params: FloatArray) -> Points:
    """Log-likelihoods (B,), gradients (B, P) and informations (B, P, P) of proportional-odds models.

    Where a step went too far the value is -inf and the derivatives are not numbers; the step is then halved.
    """
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        share, at = _ratios(moments, link, params)
        value = np.where(weights > 0, weights * np.log(share), 0.0).sum(axis=0)
        value[np.isnan(value)] = -np.inf
        first, second = derivatives(at, weights)
        # sums over patterns are matrix products with columns that all replicates share
        replicates = weights.shape[1]
        gradient = first.reshape(-1, replicates).T @ moments.of_gradient
        sums = second.reshape(-1, replicates).T @ moments.of_information
        curvature = (second[0] + second[1] + 2 * second[2]).T @ moments.squares
    return Points(value, gradient, _information(moments, sums, curvature))


def _ratios(moments: _Moments, link: Link, params: FloatArray) -> tuple[FloatArray, Ratios]:
    """(C, B) probabilities of the answers, and densities over them.

    F and f are evaluated at the thresholds of distinct rows of covariates, of which every answer takes two, and not on
    the log scale: replicates lie near the full sample's solution, and logarithms of every pattern would cost most of
    the time.
    """
    q = moments.divisions
    replicates = len(params)
    predictor = moments.distinct @ params[:, q:].T + moments.offset
    limit = (params[:, :q].T[None, :, :] - predictor[:, None, :]).reshape(-1, replicates)
    cdf, sf, density, slope = (
        np.vstack([part, np.broadcast_to(ends, (2, replicates))])
        for part, ends in zip(link.tails(limit), AT_INFINITY, strict=True)
    )
    above = moments.above
    below = moments.below
    reached = cdf[above]
    share = np.where(reached <= 0.5, reached - cdf[below], sf[below] - sf[above])  # in the tail that loses no digits
    inverse = np.where(share > 0, 1.0 / share, 0.0)
    densities = [values[rows] for rows in (above, below) for values in (density, slope)]
    for values in densities:
        values *= inverse
    return share, Ratios(*densities)


def _information(moments: _Moments, sums: FloatArray, curvature: FloatArray) -> FloatArray:
    """(B, P, P) informations from the sums of second derivatives with the columns of `of_information` and `squares`."""
    replicates = len(sums)
    q = moments.divisions
    p = moments.distinct.shape[1]
    i, j = np.triu_indices(p)
    steps = np.arange(q)
    information = np.empty((replicates, q + p, q + p))
    information[:, :q, :q] = 0.0
    # answers touch two limits at most: thresholds have a main and one next diagonal
    information[:, steps, steps] = sums[:, :q]
    information[:, steps[1:], steps[:-1]] = information[:, steps[:-1], steps[1:]] = -sums[:, q + q * p :]
    crossed = sums[:, q : q + q * p].reshape(replicates, q, p)
    information[:, :q, q:] = crossed
    information[:, q:, :q] = crossed.transpose(0, 2, 1)
    information[:, q + i, q + j] = information[:, q + j, q + i] = -curvature
    return information
