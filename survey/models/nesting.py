"""Nested ordinal models: what of the larger one is zero in the smaller, and the generalized design effects of that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy

from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.models.fitted import Fitted
from survey.models.predictors import Predictors

SAME = 1e-9  # share of a column's variation that the larger model leaves unexplained: rounding


@dataclass(frozen=True, slots=True, eq=False)
class Nesting:
    """How a smaller model lies within a larger one with k parameters.

    Attributes
    ----------
    value : (r,) combinations of the larger model's parameters that are zero in the smaller.
    vcov : (r, r) their covariance under the design.
    effects : (r,) generalized design effects, largest first: eigenvalues of that covariance against the one of a simple
        random sample.
    """

    value: FloatArray
    vcov: FloatArray
    effects: FloatArray


def nesting(smaller: Fitted | None, larger: Fitted, *, arguments: tuple[str, str] = ("smaller", "larger")) -> Nesting:
    """What the larger model adds.

    Parameters
    ----------
    smaller : None for the model with the larger one's thresholds and offset alone.
    arguments : what the caller's arguments for the two are called.

    Raises
    ------
    EstimationError : fits of other answers, respondents or links, models that are not nested, or the same model.
    """
    zero: FloatArray | None
    if smaller is None:
        p = larger.predictors.sizes[1]
        r = larger.parts.structure.shape[1]
        zero = np.delete(np.eye(len(larger.params)), np.arange(p, p + r), axis=0)
        return _added(zero, larger)
    inner_name, outer_name = (f"`{argument}`" for argument in arguments)
    _check_same(smaller, larger, f"{inner_name} and {outer_name}")
    cells = larger.cells
    inside = larger.cells.inside
    lacking = [name for name in smaller.cells.frame.columns if name not in cells.frame.columns]
    if lacking:
        raise EstimationError(
            f"{inner_name} must be nested in {outer_name}; {', '.join(map(repr, lacking))} is in the smaller model "
            "alone. Fit a larger model that has both."
        )
    inner = smaller.parts.predictors(cells.frame, inside).rows(inside)
    outer = larger.predictors.rows(inside)
    if not np.array_equal(inner.offset, outer.offset):
        raise EstimationError(
            f"{inner_name} and {outer_name} must have the same offset; got {smaller.parts.offset!r} and "
            f"{larger.parts.offset!r}."
        )
    share = cells.weight[inside] / cells.weight.sum()
    if inner.is_proportional and outer.is_proportional:
        zero = _other_slopes(inner.location, outer.location, share=share, k=len(larger.params))
    else:
        zero = _other_parameters(inner, outer, share)
    if zero is None:
        raise EstimationError(
            f"{inner_name} must be nested in {outer_name}; {smaller.formula!r} has columns that cannot be made of "
            f"those of {larger.formula!r}, or effects that it lacks. Fit a larger model that has both."
        )
    if len(zero) == 0:
        raise EstimationError(
            f"{outer_name} must have parameters that {inner_name} lacks; the two models are the same."
        )
    return _added(zero, larger)


def same_respondents(one: Cells, other: Cells) -> bool:
    """Whether two sets of patterns count respondents with the same number and sum of weights."""
    sizes = one.weight.sum(), other.weight.sum()
    return int(one.n.sum()) == int(other.n.sum()) and abs(sizes[0] - sizes[1]) <= SAME * sizes[1]


def independent_columns(given: FloatArray, columns: FloatArray) -> IntArray:
    """Positions of the columns that follow neither from the given ones nor from columns before them."""
    independent: list[int] = []
    basis = np.linalg.qr(given)[0]
    for i, column in enumerate(columns.T):
        left = column - basis @ (basis.T @ column)
        left = left - basis @ (basis.T @ left)
        if left @ left > SAME * (column @ column):
            independent.append(i)
            basis = np.column_stack([basis, left / np.sqrt(left @ left)])
    return np.array(independent, dtype=np.intp)


def _check_same(smaller: Fitted, larger: Fitted, both: str) -> None:
    """Raise unless two fits, called `both`, are of the same answers, respondents and link."""
    if smaller.outcome != larger.outcome or smaller.levels != larger.levels:
        raise EstimationError(
            f"{both} must have the same outcome and answers; got {smaller.outcome!r} "
            f"{list(smaller.levels)} and {larger.outcome!r} {list(larger.levels)}."
        )
    if smaller.link != larger.link:
        raise EstimationError(f"{both} must have the same link; got {smaller.link!r} and {larger.link!r}.")
    if not same_respondents(smaller.cells, larger.cells):
        raise EstimationError(
            f"{both} must be fits of the same respondents; they have {smaller.n} and {larger.n}, with "
            f"weights that sum to {smaller.cells.weight.sum():g} and {larger.cells.weight.sum():g}. Where a variable "
            "of the larger model has missing values, restrict the design to those who know it (design.domain) and fit "
            "both."
        )


def _added(zero: FloatArray, larger: Fitted) -> Nesting:
    """Value, covariance and design effects of (r, k) combinations of parameters."""
    scale = np.sqrt(np.diag(larger.model_vcov))
    # parameters in units of their standard errors, so that covariances of columns in any units can be inverted
    combine = zero * scale
    simple = combine @ (larger.model_vcov / np.outer(scale, scale)) @ combine.T
    vcov = combine @ (larger.vcov / np.outer(scale, scale)) @ combine.T
    effects = np.maximum(scipy.linalg.eigh(vcov, simple, eigvals_only=True)[::-1], 0.0)
    return Nesting(zero @ larger.params.to_numpy(), vcov, effects)


def _other_slopes(inner: FloatArray, outer: FloatArray, share: FloatArray, k: int) -> FloatArray | None:
    """(r, k) combinations of the slopes of one set of columns that are zero in another; None where it is not nested.

    Columns are centred, which free thresholds make up for, so that a large offset of a covariate costs no digits.
    """
    root = np.sqrt(share)[:, None]

    def scaled(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns with mean 0 and standard deviation 1, times the root of the share, and the deviations."""
        centred = columns - share @ columns
        deviation = np.sqrt(share @ centred**2)
        return root * centred / deviation, deviation

    wanted, _ = scaled(inner)
    given, deviation = scaled(outer)
    combine = np.linalg.lstsq(given, wanted, rcond=None)[0]
    if (((wanted - given @ combine) ** 2).sum(axis=0) > SAME).any():
        return None
    # smaller = larger with slopes C g: what vanishes then are the combinations orthogonal to the columns of C
    zero = scipy.linalg.null_space(combine.T).T
    return np.hstack([zero * deviation, np.zeros((len(zero), k - len(deviation)))])


def _other_parameters(inner: Predictors, outer: Predictors, share: FloatArray) -> FloatArray | None:
    """The same for models with nominal or scale effects, or structured thresholds, from how parameters move limits."""
    t, p, s = outer.sizes
    s0 = inner.sizes[2]
    gram = np.zeros((t + p, t + p))
    crossed = np.zeros((t + p, sum(inner.sizes[:2])))
    variation = np.zeros(1)
    for j in range(len(outer.structure)):
        of_outer = _moved(outer, j)
        of_inner = _moved(inner, j)
        gram = gram + of_outer.T @ (share[:, None] * of_outer)
        crossed = crossed + of_outer.T @ (share[:, None] * of_inner)
        variation = variation + share @ of_inner**2
    scale = np.sqrt(np.diag(gram))
    combine = np.linalg.lstsq(gram / np.outer(scale, scale), crossed / scale[:, None], rcond=None)[0]
    explained = np.einsum("ij,ij->j", combine, crossed / scale[:, None])
    spread = np.linalg.lstsq(outer.scale, inner.scale, rcond=None)[0]
    left = inner.scale - outer.scale @ spread
    if (variation - explained > SAME * variation).any() or (share @ left**2 > SAME * (share @ inner.scale**2)).any():
        return None
    zero = scipy.linalg.null_space(scipy.linalg.block_diag(combine / scale[:, None], spread.reshape(s, s0)).T).T
    return zero[:, outer.fit_order]


def _moved(predictors: Predictors, j: int) -> FloatArray:
    """(C, t + p) derivatives of limit j, before the scale, by threshold parameters and slopes."""
    row = predictors.structure[j]
    nominal = (predictors.nominal[:, :, None] * row).reshape(len(predictors.offset), -1)
    thresholds = np.broadcast_to(row, (len(predictors.offset), row.size))
    return np.hstack([thresholds, nominal, -predictors.location])
