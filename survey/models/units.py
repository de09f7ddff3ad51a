"""Units of columns: the likelihood is maximized over columns with mean 0 and spread 1, and told in their own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.arrays import FloatArray
from survey.models.predictors import Predictors, constant_of


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Centres and spreads of the columns, and what they mean for the parameters.

    Parameters of centred and scaled columns become natural ones by `linear` (t + p, t + p), times exp(shift g), and
    division of the effects on the scale by `spread` (s,). `shift` (s,) is the centre of the columns of the scale.
    """

    linear: FloatArray
    shift: FloatArray
    spread: FloatArray

    def natural(self, params: FloatArray) -> FloatArray:
        """Natural parameters of scaled ones, (P,) or one per column (P, R)."""
        k = len(self.linear)
        effects = (params[k:].T / self.spread).T
        return np.concatenate([np.exp(self.shift @ effects) * (self.linear @ params[:k]), effects])

    def scaled(self, params: FloatArray) -> FloatArray:
        """Scaled parameters of natural ones (P,)."""
        k = len(self.linear)
        effects = params[k:]
        return np.concatenate(
            [np.linalg.solve(self.linear, params[:k]) * np.exp(-self.shift @ effects), effects * self.spread]
        )

    def jacobian(self, params: FloatArray) -> FloatArray:
        """(P, P) derivative of the natural parameters by the scaled ones (P,)."""
        k = len(self.linear)
        factor = np.exp(self.shift @ (params[k:] / self.spread))
        jacobian = np.zeros((params.size, params.size))
        jacobian[:k, :k] = factor * self.linear
        jacobian[:k, k:] = factor * np.outer(self.linear @ params[:k], self.shift / self.spread)
        jacobian[k:, k:] = np.diag(1 / self.spread)
        return jacobian


def in_units(predictors: Predictors, weight: FloatArray) -> tuple[Predictors, Units]:
    """Columns with mean 0 and standard deviation 1, and how their parameters become natural ones.

    The mean of the location is taken up by the thresholds, if these have a free constant, that of the scale by all
    other parameters, if no offset stands beside them.
    """
    structure = predictors.structure
    constant = constant_of(structure)
    centre, deviation = _moments(predictors.location, weight, centred=constant is not None)
    nominal_centre, nominal_deviation = _moments(predictors.nominal, weight, centred=True)
    shift, spread = _moments(predictors.scale, weight, centred=not predictors.offset.any())

    r = structure.shape[1]
    t, p, _ = predictors.sizes
    linear = np.eye(t + p)
    for i, (mean, one) in enumerate(zip(nominal_centre, nominal_deviation, strict=True), start=1):
        effects = slice(i * r, (i + 1) * r)
        linear[effects, effects] = np.eye(r) / one
        linear[:r, effects] = -np.eye(r) * (mean / one)
    if constant is not None:
        linear[:r, t:] = np.outer(constant, centre / deviation)
    linear[t:, t:] = np.diag(1 / deviation)  # x b = ((x - centre) / deviation) (deviation b) + centre b

    scaled = Predictors(
        location=(predictors.location - centre) / deviation,
        nominal=(predictors.nominal - nominal_centre) / nominal_deviation,
        scale=(predictors.scale - shift) / spread,
        offset=predictors.offset,
        structure=structure,
    )
    return scaled, Units(linear, shift, spread)


def _moments(columns: FloatArray, weight: FloatArray, *, centred: bool) -> tuple[FloatArray, FloatArray]:
    """(p,) means of columns, zeros unless they are centred, and standard deviations about the means."""
    size = weight.sum()
    mean = weight @ columns / size
    deviation = np.sqrt(weight @ (columns - mean) ** 2 / size)
    return mean if centred else np.zeros_like(mean), deviation
