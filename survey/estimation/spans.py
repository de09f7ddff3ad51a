"""Whom estimates are about, and the degrees of freedom of combinations of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells
from survey.estimation.degrees_of_freedom import degrees_of_freedom
from survey.estimation.satterthwaite import Components, components
from survey.estimation.units import units_of

DfRule = Literal["satterthwaite", "design"]


@dataclass(frozen=True, eq=False)
class Spans:
    """Whom k estimates are about, so that a combination of some can be given its degrees of freedom.

    Attributes
    ----------
    cells : counted cells.
    domains : (C, G) patterns of each domain.
    domain, outcome : (K,) domain of each of the estimates that were made first, and which of the variables it is of.
    scale : (K,) standard deviation of that variable.
    centred : whether they are means or the like, not totals.
    combination : (k, K) the estimates as combinations of those made first.
    """

    cells: Cells
    domains: BoolArray
    domain: IntArray
    outcome: IntArray
    scale: FloatArray
    centred: bool
    combination: FloatArray

    @cached_property
    def components(self) -> Components:
        """What the variance of each domain is made of."""
        return components(self.cells, units_of(self.cells), self.domains, centred=self.centred)

    def combined(self, slopes: FloatArray) -> Spans:
        """Whom (m, k) combinations of the estimates are about."""
        combined = replace(self, combination=slopes @ self.combination)
        if "components" in self.__dict__:  # the domains are the same: what is known of them is not computed again
            combined.__dict__["components"] = self.components
        return combined

    def n(self) -> FloatArray:
        """(k,) respondents of the domains that each estimate depends on."""
        return np.array([float(self.cells.n[people].sum()) for people in self._people()])

    def df(self, rule: DfRule) -> FloatArray:
        """(k,) degrees of freedom of each estimate.

        "design": PSUs minus strata of the domains that it depends on, together. "satterthwaite": those that its
        variance has where all respondents vary alike, and never more.
        """
        if not len(self.combination):
            return np.zeros(0)
        design = degrees_of_freedom(self.cells, np.column_stack(self._people()))
        if rule == "design":
            return design
        known: dict[bytes, float] = {}
        for row in self.combination:
            if row.tobytes() not in known:
                known[row.tobytes()] = self.components.df(self._coefficients(row))
        return np.fmin(design, [known[row.tobytes()] for row in self.combination])

    def joint_df(self, rule: DfRule) -> float:
        """Degrees of freedom of the covariance of the estimates, for a test of all of them together."""
        people = np.any(self._people(), axis=0)
        design = float(degrees_of_freedom(self.cells, people[:, None])[0])
        if rule == "design":
            return design
        return float(
            np.fmin(design, self.components.joint_df(np.stack(list(map(self._coefficients, self.combination)))))
        )

    def _people(self) -> list[BoolArray]:
        """(C,) patterns of the domains that each estimate depends on; of all domains, where it depends on none."""
        people: list[BoolArray] = []
        known: dict[bytes, BoolArray] = {}
        for row in self.combination:
            used = row != 0 if row.any() else np.ones(row.size, dtype=bool)
            domains = np.unique(self.domain[used])
            # patterns of any of the domains: who is in two of them counts once
            together: BoolArray = np.asarray(self.domains[:, domains].any(axis=1))
            people.append(known.setdefault(domains.tobytes(), together))
        return people

    def _coefficients(self, row: FloatArray) -> FloatArray:
        """(G, variables) coefficients of a (K,) combination by domain and variable, in standard deviations of these."""
        coefficients = np.zeros((self.domains.shape[1], int(self.outcome.max()) + 1))
        coefficients[self.domain, self.outcome] = row * self.scale
        return coefficients
