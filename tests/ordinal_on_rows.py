"""Cumulative models on rows, from their definition alone, to check the fits that work on cells.

Nothing here imports `survey`. Derivatives come from steps in the complex plane, which lose no digits, and from
differences of these. Parameters are in the order slopes, thresholds, nominal effects column by column, effects on the
logarithm of the scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Floats = NDArray[np.float64]
Complex = NDArray[Any]

COMPLEX_STEP = 1e-20
STEP = 1e-4  # of differences of scores, in units of one over the root of the information's diagonal

DISTRIBUTIONS: Mapping[str, Any] = {
    "logit": lambda t: 1 / (1 + np.exp(-t)),
    "probit": lambda t: (1 + erf(t / np.sqrt(2))) / 2,
    "cloglog": lambda t: 1 - np.exp(-np.exp(t)),
    "loglog": lambda t: np.exp(-np.exp(-t)),
    "cauchit": lambda t: 0.5 + np.arctan(t) / np.pi,
}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A model's rows: `answer` (n,) from 0 to q; `x` (n, p), `z` (n, m), `s` (n, k) columns; `offset` (n,);
    `structure` (q, r) from parameters to thresholds; `link`.
    """

    answer: NDArray[np.intp]
    x: Floats
    z: Floats
    s: Floats
    offset: Floats
    structure: Floats
    link: str

    def limits(self, params: Complex) -> Complex:
        """(n, q) limits between the answers."""
        (_, r), p, m = self.structure.shape, self.x.shape[1], self.z.shape[1]
        own = params[p : p + r] + self.z @ params[p + r : p + r * (1 + m)].reshape(m, r)
        centre = self.x @ params[:p] + self.offset
        made: Complex = (own @ self.structure.T - centre[:, None]) / np.exp(self.s @ params[p + r * (1 + m) :])[:, None]
        return made

    def probabilities(self, params: Complex) -> Complex:
        """(n, q + 1) probabilities of the answers."""
        below = DISTRIBUTIONS[self.link](self.limits(params))
        ones = np.ones((len(below), 1))
        return np.diff(np.hstack([0 * ones, below, ones]), axis=1)

    def log_likelihood(self, params: Complex) -> Complex:
        """(n,) logarithms of the probabilities of the answers given."""
        made: Complex = np.log(self.probabilities(params)[np.arange(len(self.answer)), self.answer])
        return made

    def scores(self, params: Floats) -> Floats:
        """(n, P) derivatives of each row's log-likelihood."""
        steps = COMPLEX_STEP * 1j * np.eye(len(params))
        return np.column_stack([self.log_likelihood(params + step).imag / COMPLEX_STEP for step in steps])

    def information(self, params: Floats, weight: Floats) -> Floats:
        """(P, P) minus the second derivative of the weighted log-likelihood."""
        scores = self.scores(params)
        sizes = STEP / np.sqrt(weight @ scores**2)
        columns = []
        for i, size in enumerate(sizes):
            step = np.eye(len(params))[i] * size
            far = weight @ self.scores(params - 2 * step) - weight @ self.scores(params + 2 * step)
            near = weight @ self.scores(params + step) - weight @ self.scores(params - step)
            columns.append(-(far + 8 * near) / (12 * size))
        made = np.column_stack(columns)
        return np.asarray((made + made.T) / 2, dtype=np.float64)

    def influence(self, params: Floats, weight: Floats) -> Floats:
        """(n, P) inverse information times each row's score, weight not included."""
        solved = np.linalg.solve(self.information(params, weight), self.scores(params).T)
        return np.asarray(solved.T, dtype=np.float64)
