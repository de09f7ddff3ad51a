"""Contrasts of estimates: from what the user names them by to a matrix of coefficients."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from survey.arrays import FloatArray
from survey.errors import EstimationError, did_you_mean


def contrast_matrix(weights: Mapping[object, float] | ArrayLike, labels: pd.DataFrame) -> tuple[FloatArray, list[str]]:
    """(q, k) coefficients of contrasts, and q names for them.

    Parameters
    ----------
    weights : coefficient per label, or a (q, k) matrix with one row per contrast.
    labels : k rows; what each estimate is.

    Raises
    ------
    EstimationError : a label that no row or several rows have, a matrix of the wrong width, or no finite numbers.
    """
    if isinstance(weights, pd.Series):
        weights = weights.to_dict()
    if isinstance(weights, Mapping):
        return _by_label(weights, labels)
    matrix = _as_matrix(weights)
    k = len(labels)
    if matrix.ndim != 2 or matrix.shape[1] != k:
        raise EstimationError(
            f"`weights` must have one column per estimate; got {matrix.shape[1]} columns for {k} estimates."
        )
    return matrix, [f"contrast {i + 1}" for i in range(len(matrix))]


def _by_label(weights: Mapping[object, float], labels: pd.DataFrame) -> tuple[FloatArray, list[str]]:
    """(1, k) coefficients given label by label, and a name that says them."""
    if not weights:
        raise EstimationError("`weights` must name at least one estimate; it is empty.")
    matrix = np.zeros((1, len(labels)))
    for label, coefficient in weights.items():
        if not isinstance(coefficient, int | float | np.number) or not np.isfinite(coefficient):
            raise EstimationError(f"`weights` must be finite numbers; {label!r} has {coefficient!r}.")
        matrix[0, _position(label, labels)] += coefficient
    return matrix, [" ".join(f"{coefficient:+g} {label}" for label, coefficient in weights.items())]


def _position(label: object, labels: pd.DataFrame) -> int:
    """Row that a label means; a tuple of labels means the row that has them all."""
    rows = list(labels.itertuples(index=False, name=None))
    wanted = set(label) if isinstance(label, tuple) else {label}
    hits = [position for position, row in enumerate(rows) if wanted <= set(row)]
    if len(hits) == 1:
        return hits[0]
    what = "no estimate has it" if not hits else f"{len(hits)} estimates have it"
    known = [tuple(part for part in row if part != "") for row in rows]
    hint = "" if hits else did_you_mean(label, dict.fromkeys(part for row in known for part in row))
    raise EstimationError(
        f"`weights` must name estimates by a label that only one has; {label!r}: {what}. Labels are {known[:12]}.{hint}"
    )


def _as_matrix(weights: ArrayLike) -> FloatArray:
    """(q, k) finite coefficients of contrasts, given as numbers."""
    try:
        matrix = np.atleast_2d(np.asarray(weights, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise EstimationError(
            f"`weights` must be coefficients by label, as {{'High': 1, 'Low': -1}}, or a matrix of numbers; {error}."
        ) from error
    if not np.isfinite(matrix).all():
        raise EstimationError(f"`weights` must be finite numbers; got {matrix[~np.isfinite(matrix)][0]}.")
    return matrix
