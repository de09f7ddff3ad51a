"""Calibration to margins and totals by a distance: linear (GREG), raking or logit, with bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from survey.arguments import check_choice
from survey.arrays import FloatArray
from survey.design import Calibration, Design
from survey.errors import CalibrationError
from survey.weighting.auxiliaries import Auxiliaries, Totals, auxiliaries
from survey.weighting.feasibility import Bounds, cell_limits, checked_bounds, explain
from survey.weighting.margins import Margins, check_iterations
from survey.weighting.steps import add_step

Distance = Literal["linear", "raking", "logit"]

DEPENDENT = 1e-13  # a combination of auxiliaries of this relative square is none: margins repeat each other
FLATTEST = 1e-12  # smallest curvature a Newton step divides by, relative to the largest
ROUNDING = 1e-15  # relative misfit that no further step can lower
SUFFICIENT = 1e-4  # share of the descent that the slope promises with which a Newton step is content
HALVINGS = 60  # of a Newton step before the iteration has come to its end
VANISHING = 1e-5  # ratio of weights below which a program asks whether it is on its way to zero


@dataclass(frozen=True, slots=True, eq=False)
class _Distance:
    """Ratio g = F(u) of the weights after and before, as a function of the linear predictor u.

    Attributes
    ----------
    ratio : F.
    slope : its derivative.
    integral : its antiderivative, whose sum is what the iteration minimizes.
    """

    ratio: Callable[[FloatArray], FloatArray]
    slope: Callable[[FloatArray], FloatArray]
    integral: Callable[[FloatArray], FloatArray]


def calibrate(
    design: Design,
    *,
    margins: Margins | None = None,
    totals: Totals | None = None,
    distance: Distance = "linear",
    bounds: Bounds | None = None,
    tolerance: float = 1e-10,
    max_iterations: int = 200,
) -> Design:
    """Calibrate the weights to population margins and to totals of numeric columns.

    Of all weights that meet the targets, those nearest to the weights in use: w g with g = F(x'b), where x are the
    indicators of the margins' levels and the numeric columns.

    Parameters
    ----------
    design : design whose weights in use are calibrated; it is not changed.
    margins : as for `rake`: shares or counts per variable, or tuple of variables.
    totals : numeric column -> its population total. Beside margins of counts it is that of their population; beside
        margins of shares, or without margins, it goes with the sum of the weights in use (for a mean m of a
        population known by shares, m times that sum). Without margins nothing fixes the size of the population
        but a total of a column of ones.
    distance : "linear", g = 1 + x'b (the generalized regression estimator); "raking", g = exp(x'b), the weights of
        `rake` where there are margins alone; "logit", between the bounds by a logistic curve.
    bounds : lowest and highest g, the ratio of a weight to the weight in use; linear and raking g are cut off
        there. "logit" needs them, with the first below 1 and the second above.
    tolerance : largest distance from a target that counts as met, as a share of the population or, of a numeric
        column, of the sum of its absolute values.
    max_iterations : Newton steps before giving up.

    Returns
    -------
    Design with the calibrated weights, which remembers the auxiliaries: variances use the residuals of a regression
    on them with the weights before; replicate weights are calibrated to the same targets by the same distance and
    bounds (and may be negative under a linear one without bounds).

    Raises
    ------
    CalibrationError : targets that do not fit the data, as for `rake`; no convergence, with what the largest gap is
        and why the targets cannot be met; negative weights of a linear distance without bounds.

    References
    ----------
    Deville and Sarndal (1992), JASA 87:376; Deville, Sarndal and Sautory (1993), JASA 88:1013.
    R equivalent: survey::calibrate.
    """
    check_iterations(tolerance, max_iterations)
    curve = _curve(distance, bounds)
    auxiliary = auxiliaries(design, margins, totals)
    limit = _Limit(tolerance, max_iterations)
    weights = design.full_weights
    ratio, iterations = _ratios(auxiliary, weights, curve, limit)
    calibrated = weights * ratio[auxiliary.cell]
    gaps = auxiliary.gaps(auxiliary.mass(calibrated))
    met = bool(gaps.max() <= tolerance)
    vanishing = distance == "raking" and bounds is None and ratio[auxiliary.mass(weights) > 0].min() < VANISHING
    if not met or vanishing:
        low, high = cell_limits(design, auxiliary, bounds=bounds)
        if distance == "linear" and bounds is None:
            low = np.full_like(low, -np.inf)
        why = explain(design, auxiliary, (low, high))
        if not met:
            slow = " Raise `max_iterations`, or widen the bounds." * (why.verdict == "feasible")
            raise CalibrationError(
                f"{_unmet(auxiliary, gaps, distance=distance, steps=iterations, tolerance=tolerance)} {why}{slow}"
            )
        if why.verdict != "feasible":
            raise CalibrationError(f"`margins` and `totals` leave no positive weight to some respondents. {why}")
    if (calibrated < 0).any():
        raise CalibrationError(_negative(design, auxiliary, calibrated, lowest=float(ratio.min())))
    step = Calibration(
        method="calibrate",
        margins=tuple(margin.variables for margin in auxiliary.margins),
        targets=tuple(margin.totals for margin in auxiliary.margins),
        before=weights,
        after=calibrated,
        again=partial(_calibrated, auxiliary=auxiliary, distance=distance, bounds=bounds, limit=limit),
        iterations=iterations,
        largest_gap=float(gaps.max()),
        tolerance=tolerance,
        totals=auxiliary.totals,
        distance=distance,
        bounds=bounds,
        of_shares=bool(auxiliary.margins) and auxiliary.margins[0].of_shares,
    )
    return add_step(design, step)


@dataclass(frozen=True, slots=True, eq=False)
class _Limit:
    """When the iteration stops: at a gap from the targets, or after so many Newton steps."""

    tolerance: float
    max_iterations: int


def _calibrated(
    weights: FloatArray, auxiliary: Auxiliaries, distance: Distance, bounds: Bounds | None, limit: _Limit
) -> FloatArray:
    """(n_rows,) calibrated weights of a replicate."""
    ratio, iterations = _ratios(auxiliary, weights, _curve(distance, bounds), limit)
    calibrated = weights * ratio[auxiliary.cell]
    gaps = auxiliary.gaps(auxiliary.mass(calibrated))
    if not gaps.max() <= limit.tolerance:
        unmet = _unmet(auxiliary, gaps, distance=distance, steps=iterations, tolerance=limit.tolerance)
        raise CalibrationError(f"{unmet} Widen the bounds or collapse sparse levels.")
    return calibrated


def _unmet(auxiliary: Auxiliaries, gaps: FloatArray, *, distance: Distance, steps: int, tolerance: float) -> str:
    """Where the iteration stopped, and how far away, in words."""
    return (
        f"`margins` and `totals` could not be met by {distance} calibration: after {steps} iterations the "
        f"largest gap is {gaps.max():.3g}, at {auxiliary.name(int(gaps.argmax()))} (tolerance {tolerance:g})."
    )


def _negative(design: Design, auxiliary: Auxiliaries, calibrated: FloatArray, *, lowest: float) -> str:
    """What to say of negative weights, the lowest of which is so many times the weight before."""
    why = explain(design, auxiliary)
    advice = 'Set `bounds`, such as (0.3, 3), or use distance="raking".' if why.verdict == "feasible" else why
    return (
        f'`distance`="linear" gives {(calibrated < 0).sum()} of {np.count_nonzero(design.full_weights)} respondents a '
        f"negative weight (the lowest is {calibrated.min():.4g}, {lowest:.4g} times the weight before). {advice}"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Dual:
    """The convex function of b that calibration minimizes: sum of m G(z'b) - b't, with G the integral of F.

    Attributes
    ----------
    curve : distance.
    z : (C, q) auxiliaries made orthonormal under m: their scales, and margins that repeat each other, do not matter.
    m : (C,) weights of the cells before.
    t : (q,) totals of z to be met.
    """

    curve: _Distance
    z: FloatArray
    m: FloatArray
    t: FloatArray

    def level(self, b: FloatArray) -> float:
        """Value of the function."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.m @ self.curve.integral(self.z @ b) - b @ self.t)

    def misfit(self, b: FloatArray) -> FloatArray:
        """(q,) targets minus totals reached: the gradient with its sign changed."""
        with np.errstate(over="ignore", invalid="ignore"):
            short: FloatArray = self.t - self.z.T @ (self.m * self.curve.ratio(self.z @ b))
        return short

    def direction(self, b: FloatArray) -> FloatArray:
        """(q,) Newton's direction."""
        with np.errstate(over="ignore", invalid="ignore"):
            curvature = (self.z * (self.m * self.curve.slope(self.z @ b))[:, None]).T @ self.z
            if not np.isfinite(curvature).all():
                return np.full_like(b, np.nan)
            values, vectors = np.linalg.eigh(curvature)
            values = np.maximum(values, max(FLATTEST * values[-1], np.finfo(float).tiny))
            towards: FloatArray = vectors @ ((vectors.T @ self.misfit(b)) / values)
        return towards


def _ratios(auxiliary: Auxiliaries, weights: FloatArray, curve: _Distance, limit: _Limit) -> tuple[FloatArray, int]:
    """(C,) ratios g of the cells, and the Newton steps taken; where they did not converge, the nearest reached."""
    mass = auxiliary.mass(weights)
    live = mass != 0  # replicates of a linear calibration may be negative
    m = mass[live]
    x = auxiliary.values[live] / auxiliary.scale  # a gap of 1 is all of the population
    t = auxiliary.targets / auxiliary.scale
    to_z = _orthonormal(x, np.abs(m))
    dual = _Dual(curve=curve, z=x @ to_z, m=m, t=t @ to_z)
    nearest = np.ones(mass.size)
    smallest_gap = np.inf
    b = np.zeros(dual.t.size)
    steps = 0
    while True:
        ratio = curve.ratio(dual.z @ b)
        gap = float(np.abs((m * ratio) @ x - t).max())
        if gap >= smallest_gap and gap <= limit.tolerance:
            break  # rounding is all that is left
        if gap < smallest_gap:
            smallest_gap = gap
            nearest[live] = ratio
        if np.abs(dual.misfit(b)).max() <= ROUNDING * np.abs(dual.t).max():
            break  # what gap there is no weights can close
        step = _step(dual, b) if steps < limit.max_iterations else None
        if step is None:
            break
        b = b + step
        steps += 1
    return nearest, steps


def _orthonormal(x: FloatArray, m: FloatArray) -> FloatArray:
    """(q, r) matrix that makes auxiliaries orthonormal under the weights m; those that repeat others fall away.

    Done twice, as the first time loses digits where auxiliaries are nearly dependent.
    """
    to_z = np.eye(x.shape[1])
    for _ in range(2):
        z = np.sqrt(m)[:, None] * (x @ to_z)
        values, vectors = np.linalg.eigh(z.T @ z)
        apart = values > DEPENDENT * values[-1]
        to_z = to_z @ (vectors[:, apart] / np.sqrt(values[apart]))
    return to_z


def _step(dual: _Dual, b: FloatArray) -> FloatArray | None:
    """Newton step, halved until it lowers the function, or the misfit where rounding hides that; None if none does."""
    direction = dual.direction(b)
    if not np.isfinite(direction).all():
        return None  # the ratios run away: the targets cannot be met
    misfit = dual.misfit(b)
    level = dual.level(b)
    descent = float(misfit @ direction)  # slope along the direction, its sign changed
    length = 1.0
    for _ in range(HALVINGS):
        trial = b + length * direction
        trial_level = dual.level(trial)
        trial_misfit = np.abs(dual.misfit(trial)).max()
        enough = trial_level <= level - SUFFICIENT * length * descent  # Armijo's rule
        nearer = trial_misfit <= 0.5 * np.abs(misfit).max()
        if np.isfinite(trial_misfit) and np.isfinite(trial_level) and (enough or nearer):
            return length * direction
        length /= 2
    return None


def _curve(distance: Distance, bounds: Bounds | None) -> _Distance:
    """F, its derivative and its integral for a distance and bounds."""
    check_choice(distance, Distance, "distance", error=CalibrationError)
    if bounds is None and distance == "logit":
        raise CalibrationError('`bounds` must be given for distance="logit", such as (0.3, 3).')
    low, high = (-np.inf, np.inf) if bounds is None else checked_bounds(bounds)
    if distance == "logit":
        if not low < 1 < high < np.inf:
            raise CalibrationError(
                f'`bounds` must lie on both sides of 1 for distance="logit", which leaves weights alone at 1; got '
                f"{bounds!r}. A change of the population's size needs bounds of its own: rescale the weights first."
            )
        return _logit(low, high)
    if distance == "linear":
        linear = _Distance(ratio=lambda u: 1 + u, slope=np.ones_like, integral=lambda u: u + u**2 / 2)
        return _cut(linear, low=low, high=high, start=low - 1, end=high - 1)
    raking = _Distance(ratio=np.exp, slope=np.exp, integral=np.exp)
    with np.errstate(divide="ignore"):
        return _cut(raking, low=low, high=high, start=np.log(max(low, 0.0)), end=np.log(high))


def _cut(curve: _Distance, *, low: float, high: float, start: float, end: float) -> _Distance:
    """A distance cut off at the bounds, which F reaches at `start` and `end`."""
    if np.isinf(start) and np.isinf(end):
        return curve

    def clipped(u: FloatArray) -> FloatArray:
        return np.clip(u, start, end)

    def integral(u: FloatArray) -> FloatArray:
        inside = clipped(u)
        total: FloatArray = curve.integral(inside)
        # Beyond an end F is constant, so its integral goes on as a straight line.
        below = low * np.minimum(u - inside, 0.0) if np.isfinite(start) else 0.0
        above = high * np.maximum(u - inside, 0.0) if np.isfinite(end) else 0.0
        total = total + (below + above)
        return total

    return _Distance(
        ratio=lambda u: np.clip(curve.ratio(clipped(u)), low, high),
        slope=lambda u: np.where((u > start) & (u < end), curve.slope(clipped(u)), 0.0),
        integral=integral,
    )


def _logit(low: float, high: float) -> _Distance:
    """F = (L (U-1) + U (1-L) e) / ((U-1) + (1-L) e) with e = exp(A u), A = (U-L) / ((1-L) (U-1))."""
    scale = (high - low) / ((1 - low) * (high - 1))
    shift = np.log1p(-low) - np.log(high - 1)  # F = L + (U - L) expit(A u + shift)

    def ratio(u: FloatArray) -> FloatArray:
        from scipy.special import expit

        ratios: FloatArray = low + (high - low) * expit(scale * u + shift)
        return ratios

    def slope(u: FloatArray) -> FloatArray:
        from scipy.special import expit

        share = expit(scale * u + shift)
        slopes: FloatArray = (high - low) * scale * share * (1 - share)
        return slopes

    def integral(u: FloatArray) -> FloatArray:
        total: FloatArray = low * u + (high - low) / scale * np.logaddexp(0.0, scale * u + shift)
        return total

    return _Distance(ratio, slope, integral)
