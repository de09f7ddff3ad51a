"""Integer codes: values numbered, combinations of codes as one key, keys made dense, sums by code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from survey.arrays import FloatArray, IntArray
from survey.errors import EstimationError, shown

DENSE_KEYS = 1 << 20  # a key space up to this size is counted in one array instead of being hashed
LARGEST_KEY = 1 << 60  # keys beyond it would leave 64 bits


def sum_by_code(codes: IntArray, values: FloatArray, size: int = 0) -> FloatArray:
    """Sums of (n,) values by code; at least `size` of them."""
    sums: FloatArray = np.bincount(codes, weights=values, minlength=size).astype(np.float64, copy=False)
    return sums


def code_values(column: pd.Series[Any]) -> tuple[IntArray, pd.Index[Any]]:
    """(n,) code of each value, -1 where missing, and the values in order (categories keep theirs)."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories  # type: ignore[return-value]  # small integers
    try:
        codes, values = pd.factorize(column, sort=True)
    except TypeError as error:  # what cannot be hashed
        first = column.dropna().iloc[0]
        raise EstimationError(
            f"`{column.name}` must hold numbers or text; it holds {type(first).__name__}s, such as {shown(first)}. "
            "Make a column of each part, such as one for each option of a question with several answers."
        ) from error
    return codes, pd.Index(values)


def mixed_radix(codes: Sequence[IntArray], sizes: Sequence[int], n: int) -> tuple[IntArray, int]:
    """One integer key per combination of codes, and the size of the key space.

    Missing codes (-1) give keys without meaning; the caller leaves those rows out.
    """
    key: IntArray = np.zeros(n, dtype=np.int64)
    size = 1
    for code, levels in zip(codes, sizes, strict=True):
        radix = max(levels, 1)
        if size * radix >= LARGEST_KEY:  # number the combinations so far anew: there are n at most
            key, uniques = pd.factorize(key)
            size = len(uniques)
        key = key * radix + code
        size *= radix
    return key, size


def compress(key: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Dense (n,) codes of keys below `size`, in key order, and the position of the first row of each."""
    if size <= max(DENSE_KEYS, 4 * key.size):
        first = np.full(size, -1, dtype=np.intp)
        first[key[::-1]] = np.arange(key.size - 1, -1, -1)
        present = np.flatnonzero(first >= 0)
        dense = np.empty(size, dtype=np.intp)
        dense[present] = np.arange(present.size)
        return dense[key], first[present]
    codes, uniques = pd.factorize(key, sort=True)
    first = np.empty(len(uniques), dtype=np.intp)
    first[codes[::-1]] = np.arange(key.size - 1, -1, -1)
    return codes, first


def joint_codes(codes: Sequence[IntArray], sizes: Sequence[int]) -> tuple[IntArray, IntArray]:
    """Dense (n,) codes of the combinations that rows have of codes without -1, and the first row of each."""
    key = np.zeros(codes[0].size, dtype=np.int64)
    for code, size in zip(codes, sizes, strict=True):
        key = compress(key * size + code, (int(key.max()) + 1) * size)[0]
    return compress(key, int(key.max()) + 1)


def margin_codes(frame: pd.DataFrame, margin: Sequence[str], targets: pd.Series[float]) -> IntArray:
    """(n,) position of each row's level, or combination of levels, in the targets; -1 where it has none."""
    if not margin:
        return np.zeros(len(frame), dtype=np.intp)
    if len(margin) == 1:
        column = frame[margin[0]]
        if isinstance(column.dtype, pd.CategoricalDtype):
            position = targets.index.get_indexer(column.cat.categories)
            return np.append(position, -1)[column.cat.codes.to_numpy()]
        return targets.index.get_indexer(pd.Index(column))
    coded = [code_values(frame[name]) for name in margin]
    sizes = [len(values) for _, values in coded]
    key, size = mixed_radix([codes for codes, _ in coded], sizes, len(frame))
    known = np.all([codes >= 0 for codes, _ in coded], axis=0)
    dense, first = compress(np.where(known, key, size), size + 1)
    combinations = pd.MultiIndex.from_arrays([np.asarray(values)[codes[first]] for codes, values in coded])
    return np.where(known, targets.index.get_indexer(combinations)[dense], -1)
