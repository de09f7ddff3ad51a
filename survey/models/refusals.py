"""Models that are refused: collinear columns, predictors that separate the answers, thresholds that cross."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from survey.arrays import BoolArray, FloatArray
from survey.errors import MOST_NAMED, EstimationError, shown
from survey.models.fitted import ModelData
from survey.models.likelihood import CumulativeFit
from survey.models.predictors import thresholds

CONSTANT = 1e-10  # spread of a column, relative to its largest value, that is rounding error
COLLINEAR = 1e-12  # share of a column's variance not explained by the others that is rounding error
MOVED = 1e-6  # slope of a separating direction, scaled to at most 1, that is rounding error


def check_rank(data: ModelData) -> None:
    """Raise unless the columns of the location and thresholds, and those of the scale, are independent."""
    inside = data.cells.inside
    parts = data.parts
    predictors = data.predictors.rows(inside)
    weight = data.cells.weight[inside]
    columns = np.hstack([predictors.location, predictors.nominal])
    _check_independent([*parts.location.columns, *parts.nominal.columns], columns, weight=weight, argument="formula")
    _check_independent(parts.scale.columns, predictors.scale, weight=weight, argument="scale")


def _check_independent(names: Sequence[str], columns: FloatArray, weight: FloatArray, argument: str) -> None:
    """Raise where a column is a combination of a constant and the columns before it."""
    size = weight.sum()
    centred = columns - weight @ columns / size
    moments = centred.T @ (weight[:, None] * centred) / size
    spread = np.sqrt(np.diag(moments))
    largest = np.abs(columns).max(axis=0)
    spread = np.where(spread > CONSTANT * largest, spread, np.inf)
    correlation = moments / np.outer(spread, spread)
    if np.linalg.eigvalsh(correlation).min(initial=1.0) > COLLINEAR:
        return
    # the diagonal of R holds what is left of each column after those before it, as shares of standard deviations
    shares = np.sqrt(weight / size)[:, None] * centred / spread
    shortage = np.zeros((max(len(names) - len(shares), 0), len(names)))  # fewer patterns than columns: R stays square
    triangle = np.linalg.qr(np.vstack([shares, shortage]), mode="r")
    redundant = np.abs(np.diag(triangle)) < np.sqrt(COLLINEAR)
    if redundant.any():
        named = [name for name, bad in zip(names, redundant, strict=True) if bad]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        which = ", ".join(named[:MOST_NAMED]) + more
        raise EstimationError(
            f"`{argument}`: the terms must not be collinear; {which} follow exactly from the constant and the other "
            "terms. Leave them out."
        )


def check_thresholds(data: ModelData, maximum: CumulativeFit) -> None:
    """Raise where nominal effects make the thresholds of some respondents cross."""
    if maximum.convergence.smallest_gap > 0:
        return
    cells = data.cells
    by_pattern = thresholds(data.predictors, data.predictors.split(maximum.params).thresholds)
    gap = np.where(cells.inside[:, None], np.diff(by_pattern, axis=1), np.inf)
    worst, j = np.unravel_index(int(gap.argmin()), gap.shape)
    crossed = int(cells.n[(gap <= 0).any(axis=1)].sum())
    pattern = cells.frame.iloc[int(worst)]
    used = [name for name in cells.frame.columns[1:] if data.parts.nominal.uses(str(name))]
    where = ", ".join(f"{name} = {shown(pattern[name])}" for name in used) or "everybody"
    raise EstimationError(
        f"`nominal`: thresholds must increase for every respondent; for {crossed} they do not, most of all for "
        f"{where}, where {data.levels[int(j) + 1]!r} would have a negative probability (gap {gap.min():.3g}). Leave "
        "the term out of `nominal`, merge answers, or code the covariate more coarsely."
    )


def separation_message(data: ModelData, direction: FloatArray) -> str:
    """Which terms separate which answers.

    Parameters
    ----------
    direction : (p + m,) slopes, of the location and the nominal effects, that separate them.
    """
    names = [*data.parts.location.columns, *data.parts.nominal.columns]
    moved = [i for i, slope in enumerate(direction) if abs(slope) > MOVED]
    where = f"; {', '.join(names[i] for i in moved)} together predict {data.outcome!r} without error"
    if len(moved) == 1:
        where = f"; {_separated_by(data, moved[0], names[moved[0]])}"
    return (
        f"`formula`: no predictor may separate the answers, as its coefficient is then infinite{where}. Merge the "
        "level with a neighbour or leave the term out."
    )


def _separated_by(data: ModelData, position: int, name: str) -> str:
    """What one column, at a position among those of the location and the nominal effects, does to the answers."""
    inside = data.cells.inside
    predictors = data.predictors.rows(inside)
    column = np.hstack([predictors.location, predictors.nominal])[:, position]
    if np.unique(column).size > 2:
        return f"{name} divides the answers of {data.outcome!r} without overlap"
    highest: BoolArray = column == column.max()
    codes = sorted(set(data.codes[inside][highest]))
    answers = ", ".join(repr(str(data.levels[i])) for i in codes)
    return f"the {data.cells.n[inside][highest].sum()} respondents with {name} all answer {answers}"
