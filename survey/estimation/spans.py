"""Whom estimates are about, and the degrees of freedom of combinations of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells
from survey.estimation.degrees_of_freedom import DfRule, degrees_of_freedom
from survey.estimation.satterthwaite import Components, components
from survey.estimation.units import units_of


@dataclass(frozen=True, eq=False)
class Basis:
    """K estimates that were made together, and what combinations of them need to know.

    Attributes
    ----------
    cells : counted cells.
    domains : (C, G) patterns of each domain.
    domain : (K,) domain of each estimate; the first of each domain are of one variable, the second of another, ...
    deviation : (K,) standard deviation of the variable in the domain.
    centred : whether they are means or the like, not totals.
    """

    cells: Cells
    domains: BoolArray
    domain: IntArray
    deviation: FloatArray
    centred: bool

    @cached_property
    def outcome(self) -> IntArray:
        """(K,) which of the variables each estimate is of."""
        outcome: IntArray = np.asarray(pd.Series(self.domain).groupby(self.domain).cumcount(), dtype=np.intp)
        return outcome

    @cached_property
    def scale(self) -> FloatArray:
        """(K,) standard deviation of the variable, pooled over the domains."""
        squares = pd.Series(np.nan_to_num(self.deviation) ** 2)
        pooled = np.sqrt(squares.groupby(self.outcome).transform("mean").to_numpy())
        return np.where(pooled > 0, pooled, 1.0)

    @cached_property
    def components(self) -> Components:
        """What the variance of each domain is made of."""
        return components(self.cells, units_of(self.cells), self.domains, centred=self.centred)


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Whom k estimates are about, so that a combination of some can be given its degrees of freedom.

    `combination` (k, K): the estimates as combinations of those of the basis; None for these themselves.
    """

    basis: Basis
    combination: FloatArray | None = None

    def combined(self, slopes: FloatArray) -> Spans:
        """Whom (m, k) combinations of the estimates are about."""
        return Spans(self.basis, slopes if self.combination is None else slopes @ self.combination)

    @property
    def _rows(self) -> FloatArray:
        """(k, K) the estimates as combinations."""
        return np.eye(self.basis.domain.size) if self.combination is None else self.combination

    def n(self) -> FloatArray:
        """(k,) respondents of the domains that each estimate depends on."""
        return self._by_people(lambda people: float(self.basis.cells.n[people].sum()))

    def df(self, rule: DfRule) -> FloatArray:
        """(k,) degrees of freedom of each estimate.

        "design": PSUs minus strata of the domains that it depends on, together. "satterthwaite": those that its
        variance has where all respondents vary alike, and never more.
        """
        design = self._by_people(lambda people: degrees_of_freedom(self.basis.cells, people[:, None])[0])
        if rule == "design":
            return design
        known: dict[bytes, float] = {}
        for row in self._rows:
            if row.tobytes() not in known:
                known[row.tobytes()] = self.basis.components.df(self._coefficients(row))
        return np.fmin(design, [known[row.tobytes()] for row in self._rows])

    def joint_df(self, rule: DfRule) -> float:
        """Degrees of freedom of the covariance of the estimates, for a test of all of them together."""
        together = Spans(self.basis, np.abs(self._rows).sum(axis=0)[None, :])
        design = float(together.df("design")[0])
        if rule == "design":
            return design
        coefficients = np.stack([self._coefficients(row) for row in self._rows])
        return float(np.fmin(design, self.basis.components.joint_df(coefficients)))

    def _by_people(self, number: Callable[[BoolArray], float]) -> FloatArray:
        """(k,) numbers, each of the (C,) patterns of the domains that an estimate depends on.

        Of all domains, where it depends on none. Who is in two of them counts once.
        """
        known: dict[bytes, float] = {}
        numbers = np.empty(len(self._rows))
        for i, row in enumerate(self._rows):
            used = row != 0 if row.any() else np.ones(row.size, dtype=bool)
            domains = np.unique(self.basis.domain[used])
            if domains.tobytes() not in known:
                together: BoolArray = np.asarray(self.basis.domains[:, domains].any(axis=1))
                known[domains.tobytes()] = number(together)
            numbers[i] = known[domains.tobytes()]
        return numbers

    def _coefficients(self, row: FloatArray) -> FloatArray:
        """(G, variables) coefficients of a (K,) combination by domain and variable, in standard deviations of these."""
        coefficients = np.zeros((self.basis.domains.shape[1], int(self.basis.outcome.max()) + 1))
        coefficients[self.basis.domain, self.basis.outcome] = row * self.basis.scale
        return coefficients
