"""Auxiliaries of a calibration on cells: indicators of margins' levels and numeric columns, with their totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType

import numpy as np
import pandas as pd

from survey.arrays import FloatArray, IntArray
from survey.design import Design, check_design, joint_codes, sum_by_code
from survey.errors import CalibrationError, did_you_mean, shown, some
from survey.weighting.margins import EXAMPLE, Margins, Target, check_whole_sample, checked_margins

Totals = Mapping[str, float]
NO_TOTALS: Totals = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Auxiliaries:
    """q auxiliaries on C cells of rows that share their values.

    Attributes
    ----------
    margins : checked margins, whose levels are the first auxiliaries.
    totals : numeric columns and their population totals: the last auxiliaries.
    cell : (n_rows,) cell of each row.
    first : (C,) first row of each cell.
    values : (C, q) values.
    targets : (q,) population totals.
    scale : (q,) what a gap is measured against: the size of the population, for a numeric column the sum of
        its absolute values.
    whole : size of the population; without margins, the sum of the weights.
    """

    margins: tuple[Target, ...]
    totals: Totals
    cell: IntArray
    first: IntArray
    values: FloatArray
    targets: FloatArray
    scale: FloatArray
    whole: float

    def name(self, position: int) -> str:
        """How messages call an auxiliary."""
        for margin, end in zip(self.margins, accumulate(len(margin.totals) for margin in self.margins), strict=True):
            if position < end:
                return margin.name(position - end + len(margin.totals))
        levels = self.targets.size - len(self.totals)
        return f"the total of {list(self.totals)[position - levels]!r}"

    @property
    def unit(self) -> FloatArray:
        """(q,) what one unit of each target as it was given is in weights."""
        units = [np.full(len(margin.totals), margin.unit) for margin in self.margins]
        return np.concatenate([*units, np.ones(len(self.totals))])

    def mass(self, weights: FloatArray) -> FloatArray:
        """(C,) sums of (n_rows,) weights by cell."""
        return sum_by_code(self.cell, weights, self.first.size)

    def gaps(self, mass: FloatArray) -> FloatArray:
        """(q,) distances of cell weights from the targets, as shares of `scale`."""
        gaps: FloatArray = np.abs(mass @ self.values - self.targets) / self.scale
        return gaps


def auxiliaries(design: Design, margins: Margins | None, totals: Totals | None) -> Auxiliaries:
    """Margins and totals of a design, checked, on cells.

    Raises
    ------
    CalibrationError : see `survey.calibrate`.
    """
    check_design(design)
    for argument, given in (("margins", margins), ("totals", totals)):
        if not isinstance(given, Mapping | None):
            example = EXAMPLE if argument == "margins" else "{'income': 1_250_000}"
            raise CalibrationError(f"`{argument}` must be a mapping, as {example}; got {type(given).__name__}.")
    if not margins and not totals:
        raise CalibrationError("`margins` or `totals` must hold something to calibrate to; both are empty.")
    check_whole_sample(design)
    targets = checked_margins(design, margins) if margins else []
    wanted = {name: _checked_total(design, name, total) for name, total in (totals or {}).items()}
    return on_cells(design, targets, wanted)


def on_cells(design: Design, margins: Sequence[Target], totals: Totals = NO_TOTALS) -> Auxiliaries:
    """Auxiliaries of checked margins and totals on the cells of the rows."""
    weights = design.full_weights
    numbers = [np.nan_to_num(_numbers(design.frame, name)) for name in totals]  # missing only where the weight is zero
    cell, first = _cells(margins, numbers)
    indicators = [(margin.codes[first][:, None] == np.arange(len(margin.totals))).astype(float) for margin in margins]
    of_levels = [margin.totals.to_numpy(dtype=np.float64) for margin in margins]
    of_numbers = np.array([*totals.values()], dtype=np.float64)
    whole = float(margins[0].totals.sum()) if margins else float(weights.sum())
    # A gap of a numeric column is measured against the sum of its absolute values, which a total near zero is not.
    spread = np.array([weights @ np.abs(column) / weights.sum() * whole for column in numbers], dtype=np.float64)
    levels = sum(map(len, of_levels))
    return Auxiliaries(
        margins=tuple(margins),
        totals=dict(totals),
        cell=cell,
        first=first,
        values=np.hstack([*indicators, *(column[first][:, None] for column in numbers)]),
        targets=np.concatenate([*of_levels, of_numbers]),
        scale=np.concatenate([np.full(levels, whole), np.maximum(spread, np.abs(of_numbers))]),
        whole=whole,
    )


def _cells(margins: Sequence[Target], numbers: Sequence[FloatArray]) -> tuple[IntArray, IntArray]:
    """(n_rows,) cell of each row, whose rows share levels and numbers, and (C,) first row of each cell."""
    codes = [margin.codes for margin in margins]
    sizes = [len(margin.totals) for margin in margins]
    for column in numbers:
        code, values = pd.factorize(column)
        codes.append(code)
        sizes.append(len(values))
    return joint_codes(codes, sizes)


def _numbers(frame: pd.DataFrame, name: str) -> FloatArray:
    """Values of a numeric column, NaN where missing."""
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _checked_total(design: Design, name: str, total: float) -> float:
    """A population total of a numeric column that every respondent has."""
    frame = design.frame
    if name not in frame.columns:
        raise CalibrationError(
            f"`totals` must name columns of the data; {name!r} is not among {some(frame.columns)}."
            f"{did_you_mean(name, frame.columns)}"
        )
    column = frame[name]
    if not pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        raise CalibrationError(
            f"`totals[{name!r}]` must be of a numeric column; its type is {column.dtype}. Give the sizes of categories "
            "as `margins`."
        )
    try:
        wanted = np.nan if isinstance(total, bool | np.bool_) else float(total)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"`totals[{name!r}]` must be a number; got {total!r}.") from error
    if not np.isfinite(wanted):
        raise CalibrationError(f"`totals[{name!r}]` must be finite; got {total!r}.")
    values = _numbers(frame, name)
    counted = design.full_weights > 0
    unknown = counted & ~np.isfinite(values)
    if unknown.any():
        raise CalibrationError(
            f"`totals[{name!r}]` must be of a column known for every respondent; {name!r} is missing or infinite for "
            f"{unknown.sum()}, first in row {shown(frame.index[int(unknown.argmax())])}. Impute it."
        )
    if not values[counted].any():
        raise CalibrationError(
            f"`totals[{name!r}]` must be of a column that is not zero for everybody; no weight can change its total."
        )
    return wanted
