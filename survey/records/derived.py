"""Derived items: levels from bands of a number, levels from other levels, numbers from levels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.records.items import Item, as_code
from survey.records.schema import all_whole, category_dtype, number_dtype


def derive(item: Item, source: Item, answers: pd.Series) -> pd.Series:
    """Compute a derived item.

    Parameters
    ----------
    item : the derived item, with `breaks`, `recode` or `values`.
    source : the item it is derived from.
    answers : (n,) answers to the source, as `read_respondents` returns them.

    Returns
    -------
    (n,) categorical or number, missing where the source is missing or lies outside the breaks.
    """
    if item.breaks:
        bands = positions_in_breaks(item.breaks, answers.to_numpy(dtype=np.float64))
        return _categorical(item, bands, answers.index)
    at = answers.cat.codes.to_numpy()
    if item.values:
        by_code = {as_code(code): value for code, value in item.values.items()}
        numbers = np.array([*(by_code[as_code(level.code)] for level in source.levels), np.nan])
        # Position -1, a missing answer, picks the NaN at the end.
        derived = numbers[at]
        whole = number_dtype(item) == "int64" and all_whole(derived)
        return pd.Series(derived.astype(np.int64) if whole else derived, index=answers.index, name=item.name)
    target = {as_code(code): item.labels.index(label) for label, codes in item.recode.items() for code in codes}
    positions = np.array([*(target[as_code(level.code)] for level in source.levels), -1])
    return _categorical(item, positions[at], answers.index)


def positions_in_breaks(breaks: tuple[float, ...], numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Find the band of each number: -1 for those outside, a band contains its lower bound only."""
    bands = np.searchsorted(np.asarray(breaks, dtype=np.float64), numbers, side="right") - 1
    bands[(bands == len(breaks) - 1) | np.isnan(numbers)] = -1
    return bands.astype(np.int64)


def _categorical(item: Item, positions: npt.NDArray[np.int64], index: pd.Index) -> pd.Series:
    """Make the column of a derived item from the positions of its levels."""
    values = pd.Categorical.from_codes(positions, dtype=category_dtype(item))
    return pd.Series(values, index=index, name=item.name)
