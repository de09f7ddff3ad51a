"""Trimming of weights to a range, with the trimmed weight shared among the others, and what it does to results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray
from survey.design import Calibration, Design, check_design
from survey.errors import CalibrationError
from survey.weighting.auxiliaries import on_cells
from survey.weighting.feasibility import cell_limits, explain
from survey.weighting.margins import Margins, checked_margins
from survey.weighting.raking import rake
from survey.weighting.steps import REPLICATE_ITERATIONS, add_step
from survey.weighting.summaries import kish_deff, margin_table

Sharing = Literal["repeated", "once"]
CAP_TOLERANCE = 1e-6  # relative excess of a weight over its cap that counts as within it, after raking
NUMBERS = ("estimate", "movement", "std_error")


class Tidy(Protocol):
    """Anything with a tidy frame that has the columns `estimate` and `std_error`."""

    def tidy(self) -> pd.DataFrame:
        """One row per estimate."""


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
    check_choice(sharing, Sharing, "sharing", CalibrationError)
    if design.in_domain is not None:
        raise CalibrationError(
            "`design` must not be restricted to a domain: weights are trimmed on the whole sample. Trim first, then "
            "call `.domain()`."
        )
    weights = design.full_weights
    trimmed, sharers, rounds = _trimmed(weights, bounds, sharing)
    return design if rounds == 0 else add_step(design, _step(weights, trimmed, sharers, bounds, rounds))


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
    single = replace(design, replicates=None)
    raked = rake(single, margins, max_iterations=REPLICATE_ITERATIONS)
    factor = np.ones_like(base)
    step: Calibration | None = None
    for cycle in range(1, cycles + 1):
        if not _outside(raked.full_weights, bounds, CAP_TOLERANCE).any():
            break
        try:
            trimmed, sharers, _ = _trimmed(raked.full_weights, bounds, "repeated")
        except CalibrationError as error:
            raise CalibrationError(f"After {cycle - 1} cycles of trimming and raking: {error}") from error
        factor *= np.divide(trimmed, raked.full_weights, out=np.ones_like(base), where=base > 0)
        step = _step(base, base * factor * (base.sum() / (base @ factor)), sharers, bounds, cycle)
        raked = rake(add_step(single, step), margins, max_iterations=REPLICATE_ITERATIONS)
    outside = _outside(raked.full_weights, bounds, CAP_TOLERANCE)
    if outside.any():
        raise CalibrationError(_not_both(design, margins, raked.full_weights, bounds, cycles))
    if design.replicates is None:
        return raked
    return rake(design if step is None else add_step(design, step), margins, max_iterations=REPLICATE_ITERATIONS)


def _not_both(design: Design, margins: Margins, weights: FloatArray, bounds: tuple[float, float], cycles: int) -> str:
    """What to say of cycles that did not converge: how far outside weights are, and whether any could be inside."""
    outside = _outside(weights, bounds, CAP_TOLERANCE)
    made = on_cells(design.frame, checked_margins(design, margins), {}, design.full_weights)
    limits = cell_limits(made, design.full_weights, lower=bounds[0], upper=bounds[1])
    found = explain(made, design.full_weights, design.frame, limits)
    return (
        f"`lower` and `upper` could not be met together with `margins`: after {cycles} cycles {outside.sum()} weights "
        f"are outside {bounds[0]:g} to {bounds[1]:g}, which run from {weights[weights > 0].min():.6g} to "
        f"{weights.max():.6g}. "
        + (
            "Weights in the range can meet the margins: raise `cycles`, or widen the range."
            if found.verdict == "feasible"
            else str(found)
        )
    )


def trimming_table(
    design: Design,
    margins: Margins,
    caps: Sequence[float],
    *,
    estimates: Mapping[str, Callable[[Design], Tidy]] | None = None,
) -> pd.DataFrame:
    """What trimming at each of several caps costs and gains.

    Parameters
    ----------
    design : weighted design.
    margins : margins whose gaps are looked at, as for `rake`.
    caps : highest weights to try, each applied to the design's weights in use with `trim`.
    estimates : name -> function of a design that gives an estimate (anything with a tidy frame).

    Returns
    -------
    Rows cap by cap, the first cap infinite (no trimming), and within it estimate by estimate: cap, n_trimmed (weights
    above it), deff_kish, largest_gap (of the margins, as a share) and gap_at (the level that has it); then name,
    the labels, estimate, movement (estimate minus that without trimming) and std_error.

    Raises
    ------
    CalibrationError : as for `trim` and `rake`.
    """
    check_design(design)
    functions = _functions(estimates)
    highest = list(caps) if isinstance(caps, Iterable) else []
    if not isinstance(caps, Iterable) or not all(_is_number(cap) for cap in highest):
        raise CalibrationError(f"`caps` must be a list of highest weights, as [2, 3, 5]; got {caps!r}.")
    untrimmed: dict[str, pd.DataFrame] = {}
    parts = []
    for cap in (np.inf, *map(float, highest)):
        trimmed = design if np.isinf(cap) else trim(design, upper=cap)
        gaps = margin_table(trimmed, margins)
        worst = gaps.iloc[int(gaps["gap"].abs().to_numpy().argmax())]
        facts = {
            "cap": cap,
            "n_trimmed": int((design.full_weights > cap).sum()),
            "deff_kish": kish_deff(trimmed.full_weights),
            "largest_gap": abs(worst["gap"]),
            "gap_at": f"{worst['variable']}={worst['level']}",
        }
        for name, function in functions.items():
            tidy = _tidy(function(trimmed), name)
            labels = tidy.iloc[:, : list(tidy.columns).index("estimate")]
            before = untrimmed.setdefault(name, tidy)
            if not labels.equals(before.iloc[:, : labels.shape[1]]):
                raise CalibrationError(
                    f"`estimates[{name!r}]` must give the same rows at every cap; they differ at {cap:g}."
                )
            moved = tidy["estimate"] - before["estimate"]
            found = labels.assign(estimate=tidy["estimate"], movement=moved, std_error=tidy["std_error"])
            parts.append(pd.DataFrame({**facts, "name": name}, index=found.index).join(found))
        if not functions:
            parts.append(pd.DataFrame(facts, index=[0]))
    table = pd.concat(parts, ignore_index=True)
    return table[[name for name in table if name not in NUMBERS] + [name for name in NUMBERS if name in table]]


def _functions(estimates: object) -> dict[str, Callable[[Design], Tidy]]:
    """Functions of a design by name, checked."""
    functions = {} if estimates is None else estimates
    if not isinstance(functions, Mapping) or not all(callable(function) for function in functions.values()):
        raise CalibrationError(
            "`estimates` must map names to functions of a design, as {'approval': lambda d: survey.proportion(d, "
            f"'approval')}}; got {type(estimates).__name__}."
        )
    return dict(functions)


def _tidy(made: object, name: str) -> pd.DataFrame:
    """Tidy frame of what a function of a design gave."""
    frame = made.tidy() if hasattr(made, "tidy") else None
    if not isinstance(frame, pd.DataFrame) or not {"estimate", "std_error"} <= set(frame.columns):
        raise CalibrationError(
            f"`estimates[{name!r}]` must give an estimate, with a tidy frame that has estimate and std_error; it gave "
            f"{type(made).__name__}."
        )
    return frame


def _is_number(value: object) -> bool:
    """Whether a value is a number, and neither a switch nor NaN."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and not np.isnan(value)


def _range(lower: float | None, upper: float | None) -> tuple[float, float]:
    """Lowest and highest weight, checked."""
    given = [one for one in (lower, upper) if one is not None]
    low, high = (
        (0.0 if lower is None else float(lower), np.inf if upper is None else float(upper))
        if all(_is_number(one) for one in given)
        else (np.nan, np.nan)
    )
    if (lower is None and upper is None) or not 0 <= low < high:
        raise CalibrationError(
            "`lower` and `upper` must be a range of weights of at least zero, and one of them be given; got "
            f"lower={lower!r}, upper={upper!r}."
        )
    return low, high


def _outside(weights: FloatArray, bounds: tuple[float, float], tolerance: float = 0.0) -> BoolArray:
    """(n,) positive weights below or above the range."""
    low, high = bounds
    return (weights > 0) & ((weights < low * (1 - tolerance)) | (weights > high * (1 + tolerance)))


def _trimmed(weights: FloatArray, bounds: tuple[float, float], sharing: Sharing) -> tuple[FloatArray, BoolArray, int]:
    """(n,) trimmed weights, (n,) who shared, and rounds: 0, 1, or 2 where the first pushed others out of the range."""
    outside = _outside(weights, bounds)
    if not outside.any():
        return weights, weights > 0, 0
    low, high = bounds
    live = weights > 0
    total, size = weights.sum(), np.count_nonzero(live)
    if not size * low <= total <= size * high:
        raise CalibrationError(
            f"`lower` and `upper` must leave room for the sum of the weights: {size} respondents with weights from "
            f"{low:g} to {high:g} cannot add up to {total:.6g}, which is {total / size:.6g} each. Widen the range."
        )
    sharers = live & ~outside
    clipped = np.where(live, np.clip(weights, low, high), 0.0)
    if not sharers.any():
        raise CalibrationError(
            f"`lower` and `upper` must leave someone to share the trimmed weight: all {size} weights are outside "
            f"{low:g} to {high:g}. Widen the range."
        )
    shared = clipped + sharers * ((total - clipped.sum()) / np.count_nonzero(sharers))
    if sharing == "once":
        if (shared < 0).any():
            raise CalibrationError(
                f"`lower`={low:g} takes more weight than the others have: {(shared < 0).sum()} would be negative. "
                'Lower it, or use sharing="repeated".'
            )
        return shared, sharers, 1
    if not _outside(shared, bounds).any():
        return shared, sharers, 1
    room = (high - shared if (shared > high).any() else shared - low)[live]
    left = _levelled(room, size * high - total if (shared > high).any() else total - size * low)
    result = np.zeros_like(weights)
    result[live] = high - left if (shared > high).any() else low + left
    inside = live & (result > low) & (result < high)
    return result, inside if inside.any() else live, 2


def _levelled(room: FloatArray, left: float) -> FloatArray:
    """(n,) max(room - t, 0) with t such that they add up to `left`: what endless rounds of equal shares come to."""
    ordered = np.sort(room)[::-1]
    level = (np.cumsum(ordered) - left) / np.arange(1, room.size + 1)
    t = level[np.flatnonzero(ordered > level)[-1]] if left > 0 else ordered[0]
    result: FloatArray = np.maximum(room - t, 0.0)
    return result


def _step(
    before: FloatArray, after: FloatArray, sharers: BoolArray, bounds: tuple[float, float], rounds: int
) -> Calibration:
    """Record of a trimming."""
    excess = np.where(after > 0, np.maximum(after - bounds[1], bounds[0] - after), 0.0).max(initial=0.0)
    return Calibration(
        method="trim",
        margins=(),
        targets=(),
        before=before,
        after=after,
        again=partial(_trimmed_again, before=before, after=after, sharers=sharers),
        iterations=rounds,
        largest_gap=float(max(excess, 0.0) / after.sum()),
        tolerance=0.0,
        bounds=bounds,
        sharers=sharers,
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
    kept: FloatArray = weights * ratio
    trimmed: FloatArray = kept + times * ((weights.sum() - kept.sum()) / times.sum())
    return trimmed
