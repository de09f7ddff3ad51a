"""What a cumulative model is made of: the columns that move the limits between its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray

ThresholdName = Literal["flexible", "equidistant", "symmetric", "symmetric2"]


@dataclass(frozen=True, slots=True, eq=False)
class Predictors:
    """Columns on C patterns that make the limits of each answer.

    The limit above answer j is `(theta_j(z) - x b - o) / exp(s g)`, where `theta(z) = J (a_0 + a_1 z_1 + ...)`.

    Attributes
    ----------
    location : (C, p) columns x with one slope each.
    nominal : (C, m) columns z whose effect differs between thresholds.
    scale : (C, s) columns of the logarithm of the scale.
    offset : (C,) known part o of the linear predictor.
    structure : (q, r) matrix J from r free parameters to q thresholds; the identity where each is free.
    """

    location: FloatArray
    nominal: FloatArray
    scale: FloatArray
    offset: FloatArray
    structure: FloatArray

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of parameters of the thresholds (nominal effects included), of the location and of the scale."""
        thresholds = self.structure.shape[1] * (1 + self.nominal.shape[1])
        return thresholds, self.location.shape[1], self.scale.shape[1]

    @property
    def is_proportional(self) -> bool:
        """Whether the parameters are slopes and one free threshold per division, as in a proportional-odds model."""
        free = np.array_equal(self.structure, np.eye(len(self.structure)))
        return free and self.nominal.shape[1] == 0 and self.scale.shape[1] == 0

    @property
    def fit_order(self) -> IntArray:
        """(P,) where the parameters of a fit (slopes, thresholds, scale) are among those of a likelihood."""
        t, p, s = self.sizes
        order: IntArray = np.r_[t : t + p, :t, t + p : t + p + s]
        return order

    def rows(self, chosen: BoolArray | IntArray) -> Predictors:
        """The same of some patterns."""
        return replace(
            self,
            location=self.location[chosen],
            nominal=self.nominal[chosen],
            scale=self.scale[chosen],
            offset=self.offset[chosen],
        )

    def split(self, params: FloatArray) -> Parameters:
        """Parameters in the order of a likelihood (thresholds, slopes, scale) by what they belong to."""
        t, p, _ = self.sizes
        return Parameters(params[:t], params[t : t + p], params[t + p :])


class Parameters(NamedTuple):
    """Parameters of the thresholds, column of the nominal effects by column; slopes; effects on the log scale."""

    thresholds: FloatArray
    slopes: FloatArray
    scale: FloatArray


def proportional(covariates: FloatArray, q: int) -> Predictors:
    """Proportional odds: (C, p) covariates with one slope each and q free thresholds."""
    none = np.zeros((len(covariates), 0))
    return Predictors(
        location=covariates, nominal=none, scale=none, offset=np.zeros(len(covariates)), structure=np.eye(q)
    )


def threshold_structure(name: ThresholdName, q: int) -> tuple[FloatArray, tuple[str, ...]]:
    """Matrix J (q, r) of structured thresholds, and the names of their r parameters.

    "equidistant": a first threshold and the spacing. "symmetric": a central one (for even q the two central ones) and
    distances from it, equal on both sides. "symmetric2": the same about zero.

    References
    ----------
    R equivalent: ordinal::clm(threshold = ), whose parameters these are.
    """
    half = q // 2
    odd = q % 2
    if name == "equidistant":
        return np.column_stack([np.ones(q), np.arange(q, dtype=np.float64)]), ("threshold.1", "spacing")
    mirrored = np.vstack([-np.eye(half)[::-1], np.zeros((odd, half)), np.eye(half)])
    if name == "symmetric2":
        return mirrored, tuple(f"spacing.{i + 1}" for i in range(half))
    if name == "symmetric":
        if odd:
            matrix = np.column_stack([np.ones(q), mirrored])
            return matrix, ("central", *(f"spacing.{i + 1}" for i in range(half)))
        lower = (np.arange(q) < half).astype(np.float64)
        matrix = np.column_stack([lower, 1 - lower, mirrored[:, 1:]])
        return matrix, ("central.1", "central.2", *(f"spacing.{i + 1}" for i in range(half - 1)))
    return np.eye(q), ()


def constant_of(structure: FloatArray) -> FloatArray | None:
    """(r,) parameters that raise every threshold by 1, or None where the structure cannot (symmetry about zero)."""
    q = len(structure)
    constant = np.asarray(np.linalg.lstsq(structure, np.ones(q), rcond=None)[0], dtype=np.float64)
    return constant if np.allclose(structure @ constant, 1.0) else None


def thresholds(predictors: Predictors, params: FloatArray) -> FloatArray:
    """(C, q) thresholds of each pattern, before location and scale."""
    q, r = predictors.structure.shape
    table = predictors.structure @ params.reshape(-1, r).T  # (q, 1 + m)
    if table.shape[1] == 1:
        return np.broadcast_to(table[:, 0], (len(predictors.offset), q))
    moved: FloatArray = table[:, 0] + predictors.nominal @ table[:, 1:].T
    return moved


def spread(predictors: Predictors, effects: FloatArray) -> FloatArray:
    """(C,) scale of each pattern, exp(s g)."""
    scale: FloatArray = np.exp(predictors.scale @ effects)
    return scale


def limits(predictors: Predictors, params: Parameters) -> FloatArray:
    """(C, q) limits between the answers of each pattern."""
    centre = predictors.location @ params.slopes + predictors.offset
    scale = spread(predictors, params.scale)
    between: FloatArray = (thresholds(predictors, params.thresholds) - centre[:, None]) / scale[:, None]
    return between


def location_sums(
    predictors: Predictors, factor: FloatArray, *, constant: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Sums over patterns of (C, q) factors times the derivative of each threshold, and of each -x b: (q, t), (q, p).

    `constant` is the value of the thresholds' constant column: 0 for the derivatives of columns.
    """
    by_constant = constant * factor.sum(axis=0)[:, None]
    by_column = np.hstack([by_constant, factor.T @ predictors.nominal])  # (q, 1 + m)
    by_threshold = (by_column[:, :, None] * predictors.structure[:, None, :]).reshape(len(by_column), -1)
    return by_threshold, -factor.T @ predictors.location


def smallest_gap(predictors: Predictors, params: FloatArray) -> float:
    """Smallest distance between neighbouring thresholds among the patterns; infinite for a single threshold.

    `params` are in the order of a likelihood: thresholds, slopes, scale.
    """
    if len(predictors.structure) == 1:
        return np.inf
    by_pattern = thresholds(predictors, predictors.split(params).thresholds)
    return float(np.diff(by_pattern, axis=1).min())
