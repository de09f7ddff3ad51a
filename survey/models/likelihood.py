"""Cumulative-link likelihood on weighted cells and its maximum by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.errors import ConvergenceError
from survey.models.derivatives import Derivatives, derivatives, ratios
from survey.models.links import Link, log_difference
from survey.models.newton import MAX_ITERATIONS, SINGULAR, Maxima, Points, maximize
from survey.models.predictors import Predictors, proportional, smallest_gap
from survey.models.units import in_units

DECREMENT = 1e-14  # Newton decrement per respondent at which the maximum is reached
STEP = 1e-8  # largest last step, in standard errors of simple random sampling
SUSPECT_CURVATURE = 1e-6  # smallest eigenvalue of the scaled information per respondent that is not suspicious


@dataclass(frozen=True, slots=True, eq=False)
class Convergence:
    """How the maximization ended.

    Attributes
    ----------
    iterations : Newton steps taken.
    gradient : largest absolute component of the score at the solution, in scaled units, per respondent.
    decrement : Newton decrement at the last step, per respondent.
    correct_decimals : decimals of the scaled parameters that the last step left alone.
    condition : condition number of the scaled information.
    smallest_gap : smallest distance between neighbouring thresholds among the patterns, before scale effects;
        infinite for two answers. It is at most 0 where nominal effects make thresholds cross.
    """

    iterations: int
    gradient: float
    decrement: float
    correct_decimals: int
    condition: float
    smallest_gap: float = np.inf


@dataclass(frozen=True, slots=True, eq=False)
class CumulativeFit:
    """Maximum of a cumulative-link likelihood of P parameters: thresholds, slopes, effects on the log scale.

    Attributes
    ----------
    params : (P,) thresholds with their nominal effects, column by column; then slopes; then effects on the scale.
    influence : (C, P) inverse information times the score of one respondent, weight not included.
    inverse_information : (P, P) inverse of the observed information, for the weights given.
    log_likelihood, null_log_likelihood : with and without covariates, for the weights given.
    convergence : how it ended.
    suspicious : whether the information is so flat somewhere that a coefficient may be infinite.
    """

    params: FloatArray
    influence: FloatArray
    inverse_information: FloatArray
    log_likelihood: float
    null_log_likelihood: float
    convergence: Convergence
    suspicious: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """How parameters make the limits above (a) and below (b) the answer of each pattern.

    `upper`, `lower` : (C, t) columns of the threshold parameters; `no_upper`, `no_lower` : (C,) zero, or infinite where
    an answer has no such limit; `covariates` : (C, p); `scale` : (C, s); `offset` : (C,).
    """

    upper: FloatArray
    lower: FloatArray
    no_upper: FloatArray
    no_lower: FloatArray
    covariates: FloatArray
    scale: FloatArray
    offset: FloatArray

    def rows(self, chosen: IntArray) -> _Answers:
        """The same of some patterns."""
        return _Answers(*(getattr(self, field.name)[chosen] for field in fields(self)))


class _Limits(NamedTuple):
    """(C,) limits above and below the answer of each pattern, and the inverse of its scale."""

    above: FloatArray
    below: FloatArray
    inverse: FloatArray


def fit_cumulative(outcome: IntArray, covariates: FloatArray, weight: FloatArray, link: Link) -> CumulativeFit:
    """Maximize the weighted likelihood of P(Y <= j) = F(threshold_j - x b); see `fit_limits`.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q, each of which occurs.
    covariates : (C, p) of full column rank together with a constant.
    weight : (C,) positive sums of weights.
    link : one of `survey.models.links.LINKS`.
    """
    return fit_limits(outcome, proportional(covariates, int(outcome.max())), weight=weight, link=link)


def fit_limits(outcome: IntArray, predictors: Predictors, weight: FloatArray, link: Link) -> CumulativeFit:
    """Maximize the weighted likelihood of P(Y <= j) = F(limit_j).

    Newton's method with analytic derivatives, started at the model without covariates; where there are effects on the
    scale, at the model without them. Columns are centred and scaled inside, so that their units do not matter.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q, each of which occurs.
    predictors : columns of C patterns; location and nominal columns of full rank together with a constant, and so
        those of the scale.
    weight : (C,) positive sums of weights.
    link : one of `survey.models.links.LINKS`.

    Raises
    ------
    ConvergenceError : no maximum was reached; where a predictor separates the answers there is none.

    References
    ----------
    McCullagh (1980), JRSS B 42:109; Christensen (2022), Cumulative link models with the R package ordinal.
    """
    scaled, units = in_units(predictors, weight)
    answers = _answers(outcome, scaled)
    null_params, null_log_likelihood = _null(outcome, scaled, weight=weight, link=link)
    t, p, s = predictors.sizes
    start = np.concatenate([null_params, np.zeros(t + p - null_params.size)])
    taken = 0
    if s:
        located = _maximum(_without_scale(answers), weight, link=link, start=start)
        taken = int(located.iterations[0])
        start = np.concatenate([located.params[0], np.zeros(s)])
    maximum = _maximum(answers, weight, link=link, start=start)
    _, gradient, information = (part[0] for part in maximum.points)
    size = weight.sum()
    eigenvalues = np.linalg.eigvalsh(information / size)
    if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
        raise ConvergenceError(
            "`formula`: the likelihood is flat, or no maximum, where Newton's method stopped. A parameter may be "
            "infinite, or effects on the scale may not be told apart from others: simplify the model."
        )
    natural = units.natural(maximum.params[0])
    back = units.jacobian(maximum.params[0])
    scores = _scores(answers, link, maximum.before[0])
    return CumulativeFit(
        params=natural,
        # inverted while scaled: a covariate with a large offset would cost its standard error all digits otherwise
        influence=np.linalg.solve(information, scores.T).T @ back.T,
        inverse_information=back @ np.linalg.inv(information) @ back.T,
        log_likelihood=float(maximum.points.value[0]),
        null_log_likelihood=null_log_likelihood,
        convergence=Convergence(
            iterations=taken + int(maximum.iterations[0]),
            gradient=float(np.abs(gradient).max() / size),
            decrement=float(maximum.decrements[0]),
            correct_decimals=int(min(-np.log10(max(np.abs(maximum.steps[0]).max(), 1e-16)), 16)),
            condition=float(eigenvalues[-1] / max(eigenvalues[0], np.finfo(float).tiny)),
            smallest_gap=smallest_gap(predictors, natural),
        ),
        suspicious=bool(eigenvalues[0] < SUSPECT_CURVATURE),
    )


def refit_limits(
    outcome: IntArray, predictors: Predictors, weights: FloatArray, link: Link, start: FloatArray
) -> FloatArray:
    """(R, P) maxima under each of (C, R) replicate weights, from a solution nearby; rows of NaN where there is none."""
    scaled, units = in_units(predictors, weights.mean(axis=1))
    answers = _answers(outcome, scaled)
    first = units.scaled(start)
    refitted = np.full((weights.shape[1], start.size), np.nan)
    for replicate, weight in enumerate(weights.T):
        live = np.flatnonzero(weight > 0)
        try:
            maximum = _maximum(answers.rows(live), weight[live], link=link, start=first)
        except ConvergenceError:
            continue
        if np.linalg.eigvalsh(maximum.points.information[0] / weight.sum())[0] >= SUSPECT_CURVATURE:
            refitted[replicate] = units.natural(maximum.params[0])
    return refitted


def _answers(outcome: IntArray, predictors: Predictors) -> _Answers:
    """Columns of the limits above and below each answer."""
    q, _ = predictors.structure.shape
    table = np.vstack([predictors.structure, np.zeros_like(predictors.structure[:1])])

    def columns(limit: IntArray) -> FloatArray:
        """(C, t) columns of the thresholds numbered `limit`; zero for the one after the last."""
        thresholds = table[limit]
        if predictors.nominal.shape[1] == 0:
            return thresholds
        effects = predictors.nominal[:, :, None] * thresholds[:, None, :]
        return np.hstack([thresholds, effects.reshape(len(limit), -1)])

    return _Answers(
        upper=columns(outcome),
        lower=columns(np.where(outcome > 0, outcome - 1, q)),
        no_upper=np.where(outcome < q, 0.0, np.inf),
        no_lower=np.where(outcome > 0, 0.0, -np.inf),
        covariates=predictors.location,
        scale=predictors.scale,
        offset=predictors.offset,
    )


def _without_scale(answers: _Answers) -> _Answers:
    """The same model without effects on the scale."""
    return replace(answers, scale=np.zeros((len(answers.scale), 0)))


def _null(outcome: IntArray, predictors: Predictors, weight: FloatArray, link: Link) -> tuple[FloatArray, float]:
    """(r,) thresholds of the model without covariates and the log-likelihood there.

    Free thresholds without an offset are the quantiles of the answers' shares; others start from the structured ones
    nearest to these.
    """
    none = np.zeros((len(outcome), 0))
    answers = _answers(
        outcome,
        Predictors(location=none, nominal=none, scale=none, offset=predictors.offset, structure=predictors.structure),
    )
    share = np.cumsum(np.bincount(outcome, weights=weight))[:-1] / weight.sum()
    nearest = np.linalg.lstsq(predictors.structure, link.quantile(share), rcond=None)[0]
    start = np.asarray(nearest, dtype=np.float64)
    if predictors.offset.any() or not np.array_equal(predictors.structure, np.eye(share.size)):
        maximum = _maximum(answers, weight, link=link, start=start)
        return maximum.params[0], float(maximum.points.value[0])
    limits = _limits(answers, start)
    return start, float(weight @ log_difference(link, limits.above, limits.below))


def _maximum(answers: _Answers, weight: FloatArray, link: Link, start: FloatArray) -> Maxima:
    """The maximum of one likelihood.

    Raises
    ------
    ConvergenceError : it was not reached.
    """

    def evaluate(params: FloatArray, _: IntArray) -> Points:
        """The likelihood as one of one."""
        return _evaluate(answers, weight, link=link, params=params[0])

    maximum = maximize(evaluate, start[None, :], np.array([weight.sum()]), decrement=DECREMENT, step=STEP)
    if not maximum.reached[0]:
        raise ConvergenceError(
            f"`formula`: the likelihood did not reach a maximum in {MAX_ITERATIONS} Newton steps (decrement "
            f"{maximum.decrements[0]:.2g} per respondent). A predictor may separate the answers, or two may be nearly "
            "collinear: simplify the model or merge sparse levels."
        )
    return maximum


def _limits(answers: _Answers, params: FloatArray) -> _Limits:
    """Limits of the answers at some parameters."""
    t = answers.upper.shape[1]
    p = answers.covariates.shape[1]
    predictor = answers.covariates @ params[t : t + p] + answers.offset
    above = answers.upper @ params[:t] - predictor
    below = answers.lower @ params[:t] - predictor
    inverse = np.exp(-answers.scale @ params[t + p :])
    if answers.scale.shape[1]:
        above *= inverse
        below *= inverse
    return _Limits(above + answers.no_upper, below + answers.no_lower, inverse)


def _evaluate(answers: _Answers, weight: FloatArray, link: Link, params: FloatArray) -> Points:
    """Log-likelihood, gradient and information, as those of one likelihood."""
    limits = _limits(answers, params)
    log_p = log_difference(link, limits.above, limits.below)
    value = float(weight @ log_p)
    k = params.size
    if not np.isfinite(value):
        return Points(np.array([-np.inf]), np.full((1, k), np.nan), np.full((1, k, k), np.nan))
    by_limits = derivatives(ratios(link, limits.above, below=limits.below, log_p=log_p), weight)
    gradient, information = _assembled(answers, limits, by_limits)
    return Points(np.array([value]), gradient[None], information[None])


def _assembled(answers: _Answers, limits: _Limits, by_limits: Derivatives) -> tuple[FloatArray, FloatArray]:
    """(P,) gradient and (P, P) information from derivatives by the limits, weights included.

    A limit is (theta(z) - x b - o) / exp(s g): its derivatives by thresholds and slopes are columns over the scale, and
    its derivative by the effects g is the limit times -s.
    """
    upper = answers.upper
    lower = answers.lower
    covariates = answers.covariates
    if answers.scale.shape[1]:
        upper, lower, covariates = (columns * limits.inverse[:, None] for columns in (upper, lower, covariates))
    t = upper.shape[1]
    slopes = slice(t, t + covariates.shape[1])
    effects = slice(slopes.stop, None)
    k = slopes.stop + answers.scale.shape[1]
    by_above, by_below = by_limits.first
    twice_above, twice_below, by_both = by_limits.second

    at_upper = upper * twice_above[:, None] + lower * by_both[:, None]
    at_lower = upper * by_both[:, None] + lower * twice_below[:, None]
    curvature = twice_above + 2 * by_both + twice_below
    information = np.empty((k, k))
    information[:t, :t] = -(upper.T @ at_upper + lower.T @ at_lower)
    information[:t, slopes] = (at_upper + at_lower).T @ covariates
    information[slopes, slopes] = -(covariates.T @ (curvature[:, None] * covariates))
    gradient = np.empty(k)
    gradient[:t] = by_above @ upper + by_below @ lower
    gradient[slopes] = -(by_above + by_below) @ covariates
    if answers.scale.shape[1]:
        scale = answers.scale
        above, below = _finite(limits)
        # the derivative of a limit by thresholds and slopes depends on g too: first derivatives enter
        with_upper = above * twice_above + below * by_both + by_above
        with_lower = below * twice_below + above * by_both + by_below
        twice = above * with_upper + below * with_lower
        information[:t, effects] = (upper * with_upper[:, None] + lower * with_lower[:, None]).T @ scale
        information[slopes, effects] = -(covariates.T @ ((with_upper + with_lower)[:, None] * scale))
        information[effects, effects] = -(scale.T @ (twice[:, None] * scale))
        gradient[effects] = -(above * by_above + below * by_below) @ scale
    triangle = np.triu(information, 1)
    return gradient, triangle + triangle.T + np.diag(np.diag(information))


def _finite(limits: _Limits) -> tuple[FloatArray, FloatArray]:
    """Limits with zeros for those at infinity, whose derivatives are zero."""
    above = np.where(np.isfinite(limits.above), limits.above, 0.0)
    below = np.where(np.isfinite(limits.below), limits.below, 0.0)
    return above, below


def _scores(answers: _Answers, link: Link, params: FloatArray) -> FloatArray:
    """(C, P) derivative of one respondent's log-likelihood by the parameters."""
    limits = _limits(answers, params)
    log_p = log_difference(link, limits.above, limits.below)
    by_above, by_below = derivatives(ratios(link, limits.above, below=limits.below, log_p=log_p)).first
    above, below = _finite(limits)
    by_scale = -(above * by_above + below * by_below)
    upper = by_above * limits.inverse
    lower = by_below * limits.inverse
    at_thresholds = answers.upper * upper[:, None] + answers.lower * lower[:, None]
    at_slopes = -answers.covariates * (upper + lower)[:, None]
    return np.hstack([at_thresholds, at_slopes, answers.scale * by_scale[:, None]])
