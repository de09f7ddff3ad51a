"""Adjustment of the weights of those who answered for those who did not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Calibration, Design, check_design, sum_by_code
from survey.errors import CalibrationError, did_you_mean, shown, some
from survey.weighting.margins import Target, check_whole_sample
from survey.weighting.steps import add_step

MOST_LISTED = 8  # classes that a message lists


def adjust_nonresponse(design: Design, *, responded: str, cells: str | Sequence[str] = (), minimum: int = 10) -> Design:
    """Raise the weights of respondents to stand for the non-respondents of their weighting class.

    In each class c the weights of those who answered are multiplied by `sum of w over all / sum of w over those who
    answered`; those who did not answer get the weight zero and keep their row and PSU.

    Parameters
    ----------
    design : design of all sampled units; it is not changed.
    responded : Boolean (or 0/1) column that tells who answered.
    cells : variables, known for everybody, whose combinations are the weighting classes; none: one class.
    minimum : respondents that each class must have; the adjustment of smaller ones is too variable to trust.

    Returns
    -------
    Design with the adjusted weights, which remembers the classes. Variances count the respondents' classes' sizes as
    estimates from the sample: with u the influence and ubar its weighted mean over the respondents of the class,
    each sampled unit has `ubar + r f (u - ubar)`, r telling whether it answered and f the factor of its class.
    Replicate weights are adjusted again, each by its own factors. Rests on the assumption that, within a class, those
    who answered are like those who did not.

    Raises
    ------
    CalibrationError : unknown columns, missing values, a class with fewer respondents than `minimum`, or a design
        restricted to a domain.

    References
    ----------
    Oh and Scheuren (1983); Kalton and Flores-Cervantes (2003), J. Official Statistics 19:81; Lohr (2021), ch. 8.5;
    Fuller (2009), Sampling Statistics, ch. 5.1 (variance).
    """
    check_design(design)
    check_whole_sample(design, first="Adjust")
    if isinstance(minimum, bool) or not isinstance(minimum, int | np.integer) or minimum < 1:
        raise CalibrationError(f"`minimum` must be at least 1; got {minimum!r}.")
    answered = _answered(design, responded)
    names = _names(cells)
    weights = design.full_weights
    target = _classes(design, names, answered, minimum)
    adjusted = _adjusted(weights, target, answered)
    reached = sum_by_code(target.codes, adjusted, len(target.totals))
    gaps = np.abs(reached - target.totals) / weights.sum()
    step = Calibration(
        method="nonresponse",
        margins=(names,),
        targets=(target.totals,),
        before=weights,
        after=adjusted,
        again=partial(_adjusted, target=target, answered=answered),
        iterations=1,
        largest_gap=float(gaps.max()),
        tolerance=0.0,
        responded=responded,
    )
    return add_step(design, step)


def _names(cells: object) -> tuple[str, ...]:
    """Variables whose combinations are the weighting classes."""
    names = (cells,) if isinstance(cells, str) else cells
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise CalibrationError(f"`cells` must be a column name or a list of them; got {type(cells).__name__}.")
    return tuple(names)


def _answered(design: Design, responded: str) -> BoolArray:
    """(n_rows,) who answered, checked."""
    frame = design.frame
    if not isinstance(responded, str) or responded not in frame.columns:
        hint = did_you_mean(responded, frame.columns) if isinstance(responded, str) else " Put it into the data first."
        given = repr(responded) if isinstance(responded, str) else f"{type(responded).__name__}"
        raise CalibrationError(
            f"`responded` must name a column of the data; {given} is not among {some(frame.columns)}.{hint}"
        )
    column = frame[responded]
    counted = design.full_weights > 0
    missing = counted & column.isna().to_numpy()
    if missing.any():
        raise CalibrationError(
            f"`responded` must be known for everybody; {responded!r} is missing for {missing.sum()}, first in row "
            f"{shown(frame.index[int(missing.argmax())])}."
        )
    values = column[counted]
    wrong = [value for value in values.unique() if value not in (0, 1)]
    if wrong:
        raise CalibrationError(
            f"`responded` must be True or False, or 1 or 0; {responded!r} holds {shown(wrong[0])}. Make it a "
            "condition, as in frame['item'].notna()."
        )
    answered: BoolArray = np.zeros(len(frame), dtype=bool)
    answered[counted] = values.astype(bool).to_numpy()
    return answered


def _classes(design: Design, names: tuple[str, ...], answered: BoolArray, minimum: int) -> Target:
    """Weighting classes with their estimated sizes; each has enough respondents."""
    weights = design.full_weights
    counted = weights > 0
    codes: IntArray = np.zeros(len(design.frame), dtype=np.intp)
    index: pd.Index = pd.Index(["everybody"])
    if names:
        codes[counted], index = _numbered(design.frame, names, counted)
    size = len(index)
    respondents = np.bincount(codes[counted & answered], minlength=size)
    if (respondents < minimum).any():
        small = np.flatnonzero(respondents < minimum)
        listed = ", ".join(f"{shown(index[i])} ({respondents[i]})" for i in small[:MOST_LISTED])
        raise CalibrationError(
            f"`cells` must have at least {minimum} respondents each; {small.size} of {size} classes have fewer: "
            f"{listed}{', ...' if small.size > MOST_LISTED else ''}. Merge classes, or lower `minimum` (to 1 at least)."
        )
    totals = pd.Series(np.bincount(codes[counted], weights=weights[counted], minlength=size), index=index)
    return Target(variables=names, totals=totals, codes=codes, unit=1.0, of_shares=False)


def _numbered(frame: pd.DataFrame, names: tuple[str, ...], counted: BoolArray) -> tuple[IntArray, pd.Index]:
    """(m,) class of each of the m rows that count, and the classes."""
    columns = list(names)
    unknown = [name for name in names if name not in frame.columns]
    if unknown:
        raise CalibrationError(
            f"`cells` must name columns of the data; {unknown} not among {some(frame.columns)}."
            f"{did_you_mean(unknown[0], frame.columns)}"
        )
    absent = counted & frame[columns].isna().to_numpy().any(axis=1)
    if absent.any():
        raise CalibrationError(
            f"`cells` must be known for everybody, whether or not they answered; {'/'.join(names)} is missing for "
            f"{absent.sum()}, first in row {shown(frame.index[int(absent.argmax())])}."
        )
    keys = frame.loc[counted, columns].astype(object)
    levels = pd.Index(keys[names[0]]) if len(names) == 1 else pd.MultiIndex.from_frame(keys)
    return pd.factorize(levels, sort=True)


def _adjusted(weights: FloatArray, target: Target, answered: BoolArray) -> FloatArray:
    """(n_rows,) weights of those who answered, times the size of their class over that of its respondents."""
    size = len(target.totals)
    everybody = sum_by_code(target.codes, weights, size)
    reached = sum_by_code(target.codes, np.where(answered, weights, 0.0), size)
    empty = (reached == 0) & (everybody != 0)
    if empty.any():
        raise CalibrationError(
            f"`cells` must have respondents in every class; {shown(target.totals.index[int(empty.argmax())])} has none "
            "with a positive weight. Merge classes."
        )
    factor = np.divide(everybody, reached, out=np.zeros_like(reached), where=reached != 0)
    adjusted: FloatArray = np.where(answered, weights * factor[target.codes], 0.0)
    return adjusted
