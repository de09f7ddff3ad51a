"""Sets of replicate weights: how replicate estimates add up to a variance, and how much they know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.errors import DesignError, shown

ReplicateKind = Literal["BRR", "Fay", "JK1", "JKn", "bootstrap", "SDR"]
REPLICATE_RATIO = 2.0  # replicate weights average to the full-sample weights; factors average to 1
RANK_TOLERANCE = 1e-5  # a column this close to the span of those before it adds nothing; R's degf has the same
CLEARLY_INDEPENDENT = 1e-2  # a distance far above what the squaring of columns loses
RANK_BLOCK = 64  # columns that are worked on together


@dataclass(frozen=True, slots=True, eq=False)
class Replicates:
    """Replicate weights, and how the replicate estimates add up to a variance.

    The variance is `scale * sum_r rscales_r (replicate_r - centre)^2`.

    Attributes
    ----------
    kind : how they were made.
    weights : (n_rows, R) replicate weights, sampling weights included.
    scale : factor of the sum.
    rscales : (R,) factor of each replicate.
    mse : whether the centre is the full-sample estimate rather than the mean of the replicates.
    before : (n_rows, R) weights before the steps of weighting that they were given here; None where there are none.
        Steps such as raking are not linear: they make columns that are independent of each other out of ones that are
        not, and add nothing to what the replicates know.
    columns : the columns of the data that they were read from; none where they were made here.
    """

    kind: ReplicateKind
    weights: FloatArray
    scale: float
    rscales: FloatArray
    mse: bool
    before: FloatArray | None = None
    columns: tuple[str, ...] = ()

    def df(self, rows: IntArray | BoolArray) -> float:
        """Degrees of freedom on some rows: the rank of the weights before any step of weighting, minus 1."""
        return rank((self.weights if self.before is None else self.before)[rows]) - 1.0


def scales_of(
    kind: ReplicateKind,
    size: int,
    *,
    rho: float | None,
    scale: float | None,
    rscales: Sequence[float] | None,
) -> tuple[float, FloatArray]:
    """Scale and (R,) rscales of a kind of replicates, where they are not given."""
    if (kind == "Fay") != (rho is not None):
        raise DesignError(
            f'`rho` is Fay\'s coefficient: give it for kind="Fay" and for no other; got {rho!r} for {kind!r}.'
        )
    if rho is not None and not 0 <= rho < 1:
        raise DesignError(f"`rho` must be at least 0 and below 1; got {rho!r}.")
    if kind == "JKn" and rscales is None:
        raise DesignError(
            '`rscales` must be given for kind="JKn": (n_h - 1) / n_h of the stratum that a replicate drops a PSU of. '
            "See the file's documentation."
        )
    usual = {
        "BRR": 1 / size,
        "Fay": 1 / (size * (1 - (rho or 0.0)) ** 2),
        "JK1": (size - 1) / size,
        "JKn": 1.0,
        "bootstrap": 1 / (size - 1),
        "SDR": 4 / size,
    }
    factors = np.ones(size) if rscales is None else np.array(rscales, dtype=np.float64)
    factor = usual[kind] if scale is None else float(scale)
    if factors.shape != (size,) or not np.isfinite(factors).all() or (factors < 0).any() or not factors.any():
        raise DesignError(
            f"`rscales` must be one finite number of at least zero per replicate, {size}, and not all zero; got "
            f"{factors.size}: {factors[:5].tolist()}."
        )
    if not np.isfinite(factor) or factor <= 0:
        raise DesignError(f"`scale` must be positive; got {scale!r}.")
    return factor, factors


def check_replicates(weights: FloatArray, full: FloatArray, index: pd.Index[Any]) -> None:
    """Raise unless (n_rows, R) replicate weights can go with full-sample weights.

    Parameters
    ----------
    index : names of the rows.
    """
    ratio = weights.mean() / full.mean()
    if not 1 / REPLICATE_RATIO <= ratio <= REPLICATE_RATIO:
        raise DesignError(
            f"`replicates` must hold weights; theirs are {ratio:.3g} times the full-sample weights on average, "
            f"{weights.mean():.4g} and {full.mean():.4g}. If they are factors, multiply them by the weight."
        )
    stray = (full == 0) & weights.any(axis=1)
    if stray.any():
        raise DesignError(
            f"`replicates` must be zero where `weight` is; {stray.sum()} rows with weight zero have replicate weights, "
            f"first row {shown(index[int(stray.argmax())])}. Give them a weight, or remove those rows."
        )


def rank(weights: FloatArray) -> int:
    """Rank of (n, R) replicate weights: columns that are not combinations of columns before them.

    Rows that are multiples of each other count once, which leaves the rank alone and saves most of the work.
    """
    live = weights[weights.any(axis=1)]
    size = live.max(axis=1)
    first, group = multiples(live)
    length = np.sqrt(np.bincount(group, weights=size**2)) / size[first]
    rows = live[first] * length[:, None]
    columns = rows / np.linalg.norm(rows, axis=0).clip(min=np.finfo(float).tiny)
    if columns.shape[0] >= columns.shape[1]:
        try:  # the pivots are the distances from the columns before; clear of rounding, they settle it
            if np.diag(np.linalg.cholesky(columns.T @ columns)).min() > CLEARLY_INDEPENDENT:
                return int(columns.shape[1])
        except np.linalg.LinAlgError:
            pass
    return _independent(columns)


def multiples(weights: FloatArray) -> tuple[IntArray, IntArray]:
    """Rows of (n, R) weights, none of them zero, that are multiples of each other: (U,) a row of each sort, (n,) sorts.

    Multiples have equal marks: the projection of the row, scaled to a maximum of 1, on a fixed random direction.
    """
    mark = (weights / weights.max(axis=1)[:, None]) @ np.random.default_rng(0).normal(size=weights.shape[1])
    _, first, group = np.unique(mark.round(9), return_index=True, return_inverse=True)
    return first, group


def _independent(columns: FloatArray) -> int:
    """Number of (m, R) columns of length 1 that are not combinations of columns before them: Gram-Schmidt."""
    basis = np.empty((columns.shape[0], min(columns.shape)), order="F")
    size = 0
    for start in range(0, columns.shape[1], RANK_BLOCK):
        block = columns[:, start : start + RANK_BLOCK]
        before = size
        for _ in range(2):  # twice, for what rounding left
            block = block - basis[:, :before] @ (basis[:, :before].T @ block)
        for rest in block.T:
            for _ in range(2):
                rest = rest - basis[:, before:size] @ (basis[:, before:size].T @ rest)
            if size < basis.shape[1] and np.linalg.norm(rest) > RANK_TOLERANCE:
                basis[:, size] = rest / np.linalg.norm(rest)
                size += 1
        if size == basis.shape[1]:
            break
    return size
