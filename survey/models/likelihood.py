"""Cumulative-link likelihood on weighted cells and its maximum by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy

from survey.arrays import FloatArray, IntArray
from survey.errors import ConvergenceError
from survey.models.links import Link, log_difference
from survey.models.predictors import Predictors, constant_of, proportional, smallest_gap

DECREMENT = 1e-14  # Newton decrement per respondent at which the maximum is reached
STEP = 1e-8  # largest last step, in standard errors of simple random sampling
MAX_ITERATIONS = 60
MAX_HALVINGS = 40
SINGULAR = 1e-14  # smallest eigenvalue of the scaled information, relative to the largest, that is rounding error
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
class _Point:
    """Log-likelihood, (P,) gradient and (P, P) information at some parameters.

    `by_upper`, `by_lower` : (C,) derivatives of one respondent's log-likelihood by the limits of the answer before
    they are divided by the scale; `by_scale` : (C,) the same by the logarithm of the scale.
    """

    value: float
    gradient: FloatArray
    information: FloatArray
    by_upper: FloatArray
    by_lower: FloatArray
    by_scale: FloatArray


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
        return _Answers(
            self.upper[chosen],
            self.lower[chosen],
            self.no_upper[chosen],
            self.no_lower[chosen],
            self.covariates[chosen],
            self.scale[chosen],
            self.offset[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Units:
    """Centres and spreads of the columns, and what they mean for the parameters.

    Parameters of centred and scaled columns become natural ones by `linear` (t + p, t + p), times exp(shift g), and
    division of the effects on the scale by `spread` (s,). `shift` (s,) is the centre of the columns of the scale.
    """

    linear: FloatArray
    shift: FloatArray
    spread: FloatArray

    def natural(self, params: FloatArray) -> FloatArray:
        """Natural parameters of scaled ones."""
        k = len(self.linear)
        effects = params[k:] / self.spread
        return np.concatenate([np.exp(self.shift @ effects) * (self.linear @ params[:k]), effects])

    def scaled(self, params: FloatArray) -> FloatArray:
        """Scaled parameters of natural ones."""
        k = len(self.linear)
        effects = params[k:]
        return np.concatenate(
            [np.linalg.solve(self.linear, params[:k]) * np.exp(-self.shift @ effects), effects * self.spread]
        )

    def jacobian(self, params: FloatArray) -> FloatArray:
        """(P, P) derivative of the natural parameters by the scaled ones."""
        k, size = len(self.linear), params.size
        made = np.zeros((size, size))
        factor = np.exp(self.shift @ (params[k:] / self.spread))
        made[:k, :k] = factor * self.linear
        made[:k, k:] = factor * np.outer(self.linear @ params[:k], self.shift / self.spread)
        made[k:, k:] = np.diag(1 / self.spread)
        return made


def fit_cumulative(outcome: IntArray, covariates: FloatArray, weight: FloatArray, link: Link) -> CumulativeFit:
    """Maximize the weighted likelihood of P(Y <= j) = F(threshold_j - x b); see `fit_limits`.

    Parameters
    ----------
    outcome : (C,) answers numbered 0 ... q, each of which occurs.
    covariates : (C, p) of full column rank together with a constant.
    weight : (C,) positive sums of weights.
    link : one of `survey.models.links.LINKS`.
    """
    return fit_limits(outcome, proportional(covariates, int(outcome.max())), weight, link)


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
    size = weight.sum()
    scaled, units = _in_units(predictors, weight)
    answers = _answers(outcome, scaled)
    null_params, null = _null(outcome, scaled, weight, link)
    t, p, s = predictors.sizes
    start, point = np.concatenate([null_params, np.zeros(t + p - null_params.size)]), null
    taken = 0
    if s:
        located = _without_scale(answers)
        start, _, taken, _, _ = _maximize(located, weight, link, start, _evaluate(located, weight, link, start))
        start = np.concatenate([start, np.zeros(s)])
    point = _evaluate(answers, weight, link, start)
    params, point, iterations, decrement, step = _maximize(answers, weight, link, start, point)
    eigenvalues = np.linalg.eigvalsh(point.information / size)
    if eigenvalues[0] <= SINGULAR * eigenvalues[-1]:
        raise ConvergenceError(
            "`formula`: the likelihood is flat, or no maximum, where Newton's method stopped. A parameter may be "
            "infinite, or effects on the scale may not be told apart from others: simplify the model."
        )
    back = units.jacobian(params)
    natural = units.natural(params)
    return CumulativeFit(
        params=natural,
        # inverted while scaled: a covariate with a large offset would cost its standard error all digits otherwise
        influence=np.linalg.solve(point.information, _scores(answers, point).T).T @ back.T,
        inverse_information=back @ np.linalg.inv(point.information) @ back.T,
        log_likelihood=point.value,
        null_log_likelihood=null.value,
        convergence=Convergence(
            iterations=taken + iterations,
            gradient=float(np.abs(point.gradient).max() / size),
            decrement=decrement,
            correct_decimals=int(min(-np.log10(max(np.abs(step).max(), 1e-16)), 16)),
            condition=float(eigenvalues[-1] / max(eigenvalues[0], np.finfo(float).tiny)),
            smallest_gap=smallest_gap(predictors, natural),
        ),
        suspicious=bool(eigenvalues[0] < SUSPECT_CURVATURE),
    )


def refit_limits(
    outcome: IntArray, predictors: Predictors, weights: FloatArray, link: Link, start: FloatArray
) -> FloatArray:
    """(R, P) maxima under each of (C, R) replicate weights, from a solution nearby; rows of NaN where there is none."""
    scaled, units = _in_units(predictors, weights.mean(axis=1))
    answers = _answers(outcome, scaled)
    first = units.scaled(start)
    found = np.full((weights.shape[1], start.size), np.nan)
    for i, weight in enumerate(weights.T):
        live = np.flatnonzero(weight > 0)
        rows, own = answers.rows(live), weight[live]
        try:
            params, point, *_ = _maximize(rows, own, link, first, _evaluate(rows, own, link, first))
        except ConvergenceError:
            continue
        if np.linalg.eigvalsh(point.information / own.sum())[0] >= SUSPECT_CURVATURE:
            found[i] = units.natural(params)
    return found


def _in_units(predictors: Predictors, weight: FloatArray) -> tuple[Predictors, _Units]:
    """Columns with mean 0 and standard deviation 1, and how their parameters become natural ones.

    The mean of the location is taken up by the thresholds, if these have a free constant, that of the scale by all
    other parameters, if no offset stands beside them.
    """
    size = weight.sum()

    def moments(columns: FloatArray, centred: bool) -> tuple[FloatArray, FloatArray]:
        """(p,) means, or zeros, and standard deviations about the means."""
        mean = weight @ columns / size
        return mean if centred else np.zeros_like(mean), np.sqrt(weight @ (columns - mean) ** 2 / size)

    structure = predictors.structure
    r = structure.shape[1]
    constant = constant_of(structure)
    centre, sd = moments(predictors.location, constant is not None)
    nominal_centre, nominal_sd = moments(predictors.nominal, True)
    shift, scale_sd = moments(predictors.scale, not predictors.offset.any())
    t, p, _ = predictors.sizes
    linear = np.eye(t + p)
    for i, (mean, deviation) in enumerate(zip(nominal_centre, nominal_sd, strict=True), start=1):
        block = slice(i * r, (i + 1) * r)
        linear[block, block] = np.eye(r) / deviation
        linear[:r, block] = -np.eye(r) * (mean / deviation)
    if constant is not None:
        linear[:r, t:] = np.outer(constant, centre / sd)
    linear[t:, t:] = np.diag(1 / sd)
    scaled = Predictors(
        (predictors.location - centre) / sd,
        (predictors.nominal - nominal_centre) / nominal_sd,
        (predictors.scale - shift) / scale_sd,
        predictors.offset,
        structure,
    )
    return scaled, _Units(linear, shift, scale_sd)


def _answers(outcome: IntArray, predictors: Predictors) -> _Answers:
    """Columns of the limits above and below each answer."""
    q, _ = predictors.structure.shape
    table = np.vstack([predictors.structure, np.zeros_like(predictors.structure[:1])])

    def columns(limit: IntArray) -> FloatArray:
        """(C, t) columns of the thresholds numbered `limit`; zero for the one after the last."""
        own = table[limit]
        if predictors.nominal.shape[1] == 0:
            return own
        return np.hstack([own, (predictors.nominal[:, :, None] * own[:, None, :]).reshape(len(own), -1)])

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


def _null(outcome: IntArray, predictors: Predictors, weight: FloatArray, link: Link) -> tuple[FloatArray, _Point]:
    """(r,) thresholds of the model without covariates and the likelihood there.

    Free thresholds without an offset are the quantiles of the answers' shares; others start from the structured ones
    nearest to these.
    """
    none = np.zeros((len(outcome), 0))
    answers = _answers(outcome, Predictors(none, none, none, predictors.offset, predictors.structure))
    share = np.cumsum(np.bincount(outcome, weights=weight))[:-1] / weight.sum()
    nearest = np.linalg.lstsq(predictors.structure, link.quantile(share), rcond=None)[0]
    start = np.asarray(nearest, dtype=np.float64)
    point = _evaluate(answers, weight, link, start)
    if predictors.offset.any() or not np.array_equal(predictors.structure, np.eye(share.size)):
        start, point, *_ = _maximize(answers, weight, link, start, point)
    return start, point


def _evaluate(answers: _Answers, weight: FloatArray, link: Link, params: FloatArray) -> _Point:
    """Log-likelihood and its derivatives.

    With `r = f / (F(a) - F(b))` and `g = f' / (F(a) - F(b))` at each limit, the derivatives by (a, b) are
    (r_a, -r_b) and [g_a - r_a^2, r_a r_b; r_a r_b, -g_b - r_b^2]; they vanish at infinite limits. The derivative of
    a by the effects on the log scale is -a s.
    """
    t, p = answers.upper.shape[1], answers.covariates.shape[1]
    predictor = answers.covariates @ params[t : t + p] + answers.offset
    a = answers.upper @ params[:t] - predictor
    b = answers.lower @ params[:t] - predictor
    inverse = np.exp(-answers.scale @ params[t + p :])
    if answers.scale.shape[1]:
        a, b = a * inverse, b * inverse
    a, b = a + answers.no_upper, b + answers.no_lower
    log_p = log_difference(link, a, b)
    value = float(weight @ log_p)
    if not np.isfinite(value):
        nothing = np.empty(0)
        return _Point(-np.inf, nothing, np.empty((0, 0)), nothing, nothing, nothing)
    r_a, g_a = ratios(link, a, log_p)
    r_b, g_b = ratios(link, b, log_p)
    both = weight * r_a * r_b
    by_aa, by_bb = weight * (g_a - r_a**2), -weight * (g_b + r_b**2)
    upper, lower, covariates = answers.upper, answers.lower, answers.covariates
    if answers.scale.shape[1]:
        upper, lower, covariates = (columns * inverse[:, None] for columns in (upper, lower, covariates))
    information = np.empty((params.size, params.size))
    at_upper = upper * by_aa[:, None] + lower * both[:, None]
    at_lower = upper * both[:, None] + lower * by_bb[:, None]
    information[:t, :t] = -(upper.T @ at_upper + lower.T @ at_lower)
    information[:t, t : t + p] = (at_upper + at_lower).T @ covariates
    curvature = by_aa + 2 * both + by_bb
    information[t : t + p, t : t + p] = -(covariates.T @ (curvature[:, None] * covariates))
    gradient = np.empty(params.size)
    gradient[:t] = (weight * r_a) @ upper - (weight * r_b) @ lower
    gradient[t : t + p] = -(weight * (r_a - r_b)) @ covariates
    by_scale = np.zeros_like(predictor)
    if answers.scale.shape[1]:
        scale = answers.scale
        at_a, at_b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
        by_scale = r_b * at_b - r_a * at_a
        by_a = at_a * by_aa + at_b * both + weight * r_a
        by_b = at_b * by_bb + at_a * both - weight * r_b
        information[:t, t + p :] = (upper * by_a[:, None] + lower * by_b[:, None]).T @ scale
        information[t : t + p, t + p :] = -(covariates.T @ ((by_a + by_b)[:, None] * scale))
        information[t + p :, t + p :] = -(scale.T @ ((at_a * by_a + at_b * by_b)[:, None] * scale))
        gradient[t + p :] = (weight * by_scale) @ scale
    triangle = np.triu(information, 1)
    information = triangle + triangle.T + np.diag(np.diag(information))
    return _Point(value, gradient, information, r_a * inverse, -r_b * inverse, by_scale)


def _scores(answers: _Answers, point: _Point) -> FloatArray:
    """(C, P) derivative of one respondent's log-likelihood by the parameters."""
    at_thresholds = answers.upper * point.by_upper[:, None] + answers.lower * point.by_lower[:, None]
    at_slopes = -answers.covariates * (point.by_upper + point.by_lower)[:, None]
    return np.hstack([at_thresholds, at_slopes, answers.scale * point.by_scale[:, None]])


def ratios(link: Link, limit: FloatArray, log_p: FloatArray) -> tuple[FloatArray, FloatArray]:
    """F / p and f' / p at finite limits, zero at infinite ones."""
    finite = np.isfinite(limit)
    at = np.where(finite, limit, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        density = np.where(finite, np.exp(link.log_pdf(at) - log_p), 0.0)
        slope = np.where(density > 0, link.pdf_slope(at) * density, 0.0)
    return density, slope


def _maximize(
    answers: _Answers, weight: FloatArray, link: Link, params: FloatArray, point: _Point
) -> tuple[FloatArray, _Point, int, float, FloatArray]:
    """Parameters at the maximum, the point one step before it, iterations, decrement per respondent, that step."""
    size = weight.sum()
    for iteration in range(1, MAX_ITERATIONS + 1):
        step, variance = _newton_step(point)
        decrement = float(point.gradient @ step) / size
        in_errors = np.abs(step) / np.sqrt(variance)
        if decrement < DECREMENT and in_errors.max() < STEP:
            return params + step, point, iteration - 1, decrement, step
        factor = 1.0
        for _ in range(MAX_HALVINGS):
            moved = _evaluate(answers, weight, link, params + factor * step)
            # within rounding of the maximum the value cannot tell better from worse
            if moved.value > point.value or (np.isfinite(moved.value) and decrement < 1e-11):
                break
            factor /= 2
        else:
            break
        params, point = params + factor * step, moved
    raise ConvergenceError(
        f"`formula`: the likelihood did not reach a maximum in {MAX_ITERATIONS} Newton steps (decrement "
        f"{decrement:.2g} per respondent). A predictor may separate the answers, or two may be nearly collinear: "
        "simplify the model or merge sparse levels."
    )


def _newton_step(point: _Point) -> tuple[FloatArray, FloatArray]:
    """Newton step and the (P,) variances of simple random sampling; the information is made positive definite."""
    information = point.information
    try:
        factor = scipy.linalg.cho_factor(information)
    except np.linalg.LinAlgError:
        smallest = float(np.linalg.eigvalsh(information)[0])
        information = information + (abs(smallest) + 1.0) * np.eye(len(information))
        factor = scipy.linalg.cho_factor(information)
    inverse = scipy.linalg.cho_solve(factor, np.eye(len(information)))
    return scipy.linalg.cho_solve(factor, point.gradient), np.diag(inverse)
