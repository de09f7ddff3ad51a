"""Trimming of weights to a range, with the trimmed weight shared among the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray
from survey.design import Calibration, Design, check_design, with_state
from survey.errors import CalibrationError
from survey.weighting.auxiliaries import on_cells
from survey.weighting.feasibility import Bounds, cell_limits, explain
from survey.weighting.margins import Margins, check_whole_sample, checked_margins
from survey.weighting.raking import raked_to
from survey.weighting.steps import REPLICATE_ITERATIONS, add_step

Sharing = Literal["repeated", "once"]
CAP_TOLERANCE = 1e-6  # relative excess of a weight over its cap that counts as within it, after raking


def trim(
    design: Design, *, lower: float | None = None, upper: float | None = None, sharing: Sharing = "repeated"
) -> Design:
    """Trim the weights to a range; what is cut off is shared equally among the others, so that their sum stays.

    Parameters
    ----------
    design : design whose weights in use are trimmed; it is not changed. Weights of zero stay zero.
    lower, upper : lowest and highest weight; either may be left out.
    sharing : "repeated" trims and shares until every weight is within the range; "once" leaves weights that the
        shared weight pushes over it.

    Returns
    -------
    Design with the trimmed weights; the design itself where none is outside the range. Margins that held before need
    not hold after: see `trim_and_rake` and `trimming_table`. Variances keep the residuals of the calibrations before
    and take as given each respondent's ratio f of the weight after to the weight before and that the sum of the
    weights stays: with u the influence and ubar its mean over those who share, it becomes `ubar + f (u - ubar)`.
    Replicate weights are multiplied by f as well, and what that changes their sum by is shared in the same way.

    Raises
    ------
    CalibrationError : a range that the sum of the weights does not fit in, or a design restricted to a domain.

    References
    ----------
    Potter (1990), Proc. ASA Survey Research Methods Section, 225; Valliant, Dever and Kreuter (2018), ch. 14.
    R equivalent: survey::trimWeights, strict = TRUE for "repeated"; its variances do not know that the sum stays.
    """
    check_design(design)
    bounds = _range(lower, upper)
    check_choice(sharing, Sharing, "sharing", error=CalibrationError)
    check_whole_sample(design, done="trimmed", first="Trim")
    trimmed = _trimmed(design.full_weights, bounds, sharing)
    return design if trimmed.rounds == 0 else add_step(design, _step(design.full_weights, trimmed, bounds))


def trim_and_rake(
    design: Design,
    margins: Margins,
    *,
    lower: float | None = None,
    upper: float | None = None,
    cycles: int = 100,
) -> Design:
    """Rake, then trim and rake again in turns until the margins hold and every weight is within the range.

    Parameters
    ----------
    design : design whose weights in use are raked and trimmed; it is not changed.
    margins : as for `rake`.
    lower, upper : lowest and highest weight; a weight within a millionth of them counts as in the range.
    cycles : rounds of trimming and raking before giving up.

    Returns
    -------
    Design that remembers two steps: the product of all trimmings, and the raking to the margins that, applied to
    it, gives the same weights as the cycles do. Variances and replicates rest on these.

    Raises
    ------
    CalibrationError : no convergence, with the weights still outside and whether any weights in the range can meet the
        margins; otherwise as for `rake` and `trim`.

    References
    ----------
    Battaglia, Izrael, Hoaglin and Frankel (2009), Survey Practice 2(5) (raking with trimmed weights).
    """
    check_design(design)
    bounds = _range(lower, upper)
    if isinstance(cycles, bool) or not isinstance(cycles, int | np.integer) or cycles < 1:
        raise CalibrationError(f"`cycles` must be at least 1; got {cycles!r}.")
    base = design.full_weights
    single = with_state(design, replicates=None)  # replicates take the two steps once, at the end
    raked = _raked(single, margins)
    factor = np.ones_like(base)
    step: Calibration | None = None
    for cycle in range(1, cycles + 1):
        weights = raked.full_weights
        if not _outside(weights, bounds, CAP_TOLERANCE).any():
            break
        try:
            trimmed = _trimmed(weights, bounds, "repeated")
        except CalibrationError as error:
            raise CalibrationError(f"After {cycle - 1} cycles of trimming and raking: {error}") from error
        # Raking the base weights times all factors of trimming so far gives the weights of the cycles themselves:
        # the factors of raking between them are functions of the margins, which the last raking can supply.
        factor *= np.divide(trimmed.weights, weights, out=np.ones_like(base), where=base > 0)
        product = base * factor * (base.sum() / (base @ factor))
        step = _step(base, replace(trimmed, weights=product, rounds=cycle), bounds)
        raked = _raked(add_step(single, step), margins)
    if _outside(raked.full_weights, bounds, CAP_TOLERANCE).any():
        raise CalibrationError(_not_both(design, margins, raked.full_weights, bounds, cycles=cycles))
    if design.replicates is None:
        return raked
    return _raked(design if step is None else add_step(design, step), margins)


def _raked(design: Design, margins: Margins) -> Design:
    """The design raked with as many passes as a replicate may take."""
    return raked_to(design, margins, max_iterations=REPLICATE_ITERATIONS, slow="merge sparse levels")


def _not_both(design: Design, margins: Margins, weights: FloatArray, bounds: Bounds, *, cycles: int) -> str:
    """What to say of cycles that did not converge: how far outside weights are, and whether any could be inside."""
    outside = _outside(weights, bounds, CAP_TOLERANCE)
    auxiliary = on_cells(design, checked_margins(design, margins))
    why = explain(design, auxiliary, cell_limits(design, auxiliary, lower=bounds[0], upper=bounds[1]))
    slow = "Weights in the range can meet the margins: raise `cycles`, or widen the range."
    return (
        f"`lower` and `upper` could not be met together with `margins`: after {cycles} cycles {outside.sum()} weights "
        f"are outside {bounds[0]:g} to {bounds[1]:g}, which run from {weights[weights > 0].min():.6g} to "
        f"{weights.max():.6g}. {slow if why.verdict == 'feasible' else why}"
    )


def is_number(value: object) -> bool:
    """Whether a value is a number, and neither a switch nor NaN."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not np.isnan(value)


def _range(lower: float | None, upper: float | None) -> Bounds:
    """Lowest and highest weight, checked."""
    low = 0.0 if lower is None else _number(lower)
    high = np.inf if upper is None else _number(upper)
    if (lower is None and upper is None) or not 0 <= low < high:
        raise CalibrationError(
            "`lower` and `upper` must be a range of weights of at least zero, and one of them be given; got "
            f"lower={lower!r}, upper={upper!r}."
        )
    return low, high


def _number(value: object) -> float:
    """A number as it is; NaN for anything else."""
    return float(value) if is_number(value) else np.nan  # type: ignore[arg-type]  # a number


def _outside(weights: FloatArray, bounds: Bounds, tolerance: float = 0.0) -> BoolArray:
    """(n,) positive weights below or above the range."""
    low, high = bounds
    return (weights > 0) & ((weights < low * (1 - tolerance)) | (weights > high * (1 + tolerance)))


@dataclass(frozen=True, slots=True, eq=False)
class _Trimmed:
    """What trimming came to.

    Attributes
    ----------
    weights : (n,) weights.
    sharers : (n,) rows that the trimmed weight was shared among.
    rounds : 0 where none was outside, 1, or 2 where the first round pushed others out of the range.
    """

    weights: FloatArray
    sharers: BoolArray
    rounds: int


def _trimmed(weights: FloatArray, bounds: Bounds, sharing: Sharing) -> _Trimmed:
    """Trim (n,) weights to a range and share what was cut off, or added, among the others."""
    low, high = bounds
    live = weights > 0
    outside = _outside(weights, bounds)
    if not outside.any():
        return _Trimmed(weights, live, rounds=0)
    sharers = live & ~outside
    _check_room(weights, sharers, bounds)
    total = weights.sum()
    clipped = np.where(live, np.clip(weights, low, high), 0.0)
    shared = clipped + sharers * ((total - clipped.sum()) / np.count_nonzero(sharers))
    if sharing == "once":
        if (shared < 0).any():
            raise CalibrationError(
                f"`lower`={low:g} takes more weight than the others have: {(shared < 0).sum()} would be negative. "
                'Lower it, or use sharing="repeated".'
            )
        return _Trimmed(shared, sharers, rounds=1)
    if not _outside(shared, bounds).any():
        return _Trimmed(shared, sharers, rounds=1)
    levelled = np.zeros_like(weights)
    levelled[live] = _within(shared[live], total, bounds)
    inside = live & (levelled > low) & (levelled < high)
    return _Trimmed(levelled, inside if inside.any() else live, rounds=2)


def _check_room(weights: FloatArray, sharers: BoolArray, bounds: Bounds) -> None:
    """Raise unless weights in the range can add up to what they do now, and someone can share what is cut off."""
    low, high = bounds
    total = weights.sum()
    size = np.count_nonzero(weights > 0)
    if not size * low <= total <= size * high:
        raise CalibrationError(
            f"`lower` and `upper` must leave room for the sum of the weights: {size} respondents with weights from "
            f"{low:g} to {high:g} cannot add up to {total:.6g}, which is {total / size:.6g} each. Widen the range."
        )
    if not sharers.any():
        raise CalibrationError(
            f"`lower` and `upper` must leave someone to share the trimmed weight: all {size} weights are outside "
            f"{low:g} to {high:g}. Widen the range."
        )


def _within(shared: FloatArray, total: float, bounds: Bounds) -> FloatArray:
    """(m,) weights in the range that add up to the total, some of which sharing had pushed out of it.

    Sharing moves all weights the same way, up or down, so only one end of the range is passed: the room that is left
    below the upper end, or above the lower one, is what endless rounds level.
    """
    low, high = bounds
    if (shared > high).any():
        return high - _levelled(high - shared, shared.size * high - total)
    return low + _levelled(shared - low, total - shared.size * low)


def _levelled(room: FloatArray, left: float) -> FloatArray:
    """(n,) max(room - t, 0) with t such that they add up to `left`: what endless rounds of equal shares come to."""
    ordered = np.sort(room)[::-1]
    level = (np.cumsum(ordered) - left) / np.arange(1, room.size + 1)
    t = level[np.flatnonzero(ordered > level)[-1]] if left > 0 else ordered[0]
    result: FloatArray = np.maximum(room - t, 0.0)
    return result


def _step(before: FloatArray, trimmed: _Trimmed, bounds: Bounds) -> Calibration:
    """Record of a trimming."""
    after = trimmed.weights
    excess = np.where(after > 0, np.maximum(after - bounds[1], bounds[0] - after), 0.0).max(initial=0.0)
    return Calibration(
        method="trim",
        margins=(),
        targets=(),
        before=before,
        after=after,
        again=partial(_trimmed_again, before=before, after=after, sharers=trimmed.sharers),
        iterations=trimmed.rounds,
        largest_gap=float(max(excess, 0.0) / after.sum()),
        tolerance=0.0,
        bounds=bounds,
        sharers=trimmed.sharers,
    )


def _trimmed_again(weights: FloatArray, before: FloatArray, after: FloatArray, sharers: BoolArray) -> FloatArray:
    """(n,) weights of a replicate times the ratio of trimming; those who shared make up for the change of the sum.

    Each of them as many times as the replicate counts it: weight of the replicate over weight of the sample.
    """
    live = before > 0
    ratio = np.divide(after, before, out=np.zeros_like(after), where=live)
    times = np.divide(weights, before, out=np.zeros_like(after), where=live & sharers)
    if not times.any():
        raise CalibrationError(
            "`lower` and `upper` must leave someone to share the trimmed weight; a replicate counts nobody whose "
            "weight is within the range. Widen it."
        )
    scaled: FloatArray = weights * ratio
    trimmed: FloatArray = scaled + times * ((weights.sum() - scaled.sum()) / times.sum())
    return trimmed
