"""The variance as a quadratic form in totals of units: PSUs, respondents where each is one, or what replicates drop.

`variance` computes it from influence; here it is taken apart, for those who ask how much it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design import Cells, ReplicateCells, multiples


class Form(Protocol):
    """A quadratic form Q in the totals of units; whatever has no respondents in the estimate has the total zero."""

    def times(self, totals: FloatArray) -> FloatArray:
        """(U, m) Q times (U, m) totals of the units."""

    def traces(self, diagonals: FloatArray) -> FloatArray:
        """(G,) tr(D Q) of (U, G) diagonals."""

    def traces_of_two(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """(G, H) tr(D Q E Q) of (U, G) and (U, H) diagonals."""


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Respondents by unit, and the form in the units' totals that the variance, or its part of a stage, is.

    Attributes
    ----------
    pattern, unit : (E,) pattern and unit of each entry.
    weight, squares : (E,) sums of the weights and of their squares.
    rows : (U,) units that are alike and counted once: respondents of an entry, where each is a unit; else 1.
    may_vary : (U,) whether another sample could hold another unit.
    form : the quadratic form.
    """

    pattern: IntArray
    unit: IntArray
    weight: FloatArray
    squares: FloatArray
    rows: FloatArray
    may_vary: BoolArray
    form: Form

    def sums(self, amount: FloatArray, values: FloatArray) -> FloatArray:
        """(U, m) sums of the patterns' (C, m) values, times the (E,) amounts, for one of the units that are alike."""
        picker = scipy.sparse.csr_array((amount, (self.unit, self.pattern)), shape=(self.rows.size, len(values)))
        summed: FloatArray = np.asarray(picker @ values) / self.rows[:, None]
        return summed


@dataclass(frozen=True, slots=True, eq=False)
class Stratified:
    """Sums of squares about the means of H strata, times a (H,) scale; strata with one PSU count for nothing.

    `tails` (U,): mean of the squares of the diagonal over units that are alike, relative to the square of its mean.
    """

    rows: FloatArray
    tails: FloatArray
    stratum: IntArray
    n_h: FloatArray
    scale: FloatArray

    def _sums(self, values: FloatArray) -> FloatArray:
        """(H, m) sums of (U, m) values by stratum."""
        amount = (self.rows, (self.stratum, np.arange(self.rows.size)))
        summed: FloatArray = np.asarray(scipy.sparse.csr_array(amount, shape=(self.n_h.size, self.rows.size)) @ values)
        return summed

    def times(self, totals: FloatArray) -> FloatArray:
        """Deviations from the mean of the stratum, times its scale."""
        mean = self._sums(totals) / self.n_h[:, None]
        return self.scale[self.stratum][:, None] * (totals - mean[self.stratum])

    def traces(self, diagonals: FloatArray) -> FloatArray:
        """tr(D Q)."""
        traces: FloatArray = (self.scale * (1.0 - 1.0 / self.n_h)) @ self._sums(diagonals)
        return traces

    def traces_of_two(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """tr(D Q E Q)."""
        squared = self.scale**2
        alike = self.rows * self.tails * (squared * (1.0 - 2.0 / self.n_h))[self.stratum]
        apart = (squared / self.n_h**2)[:, None] * self._sums(second)
        traces: FloatArray = (alike[:, None] * first).T @ second + self._sums(first).T @ apart
        return traces


@dataclass(frozen=True, slots=True, eq=False)
class Replicated:
    """Sums of squares of R replicates; `factors` (U, R), replicate weight over weight less 1, scaled and centred."""

    factors: FloatArray

    def times(self, totals: FloatArray) -> FloatArray:
        """Q times totals."""
        product: FloatArray = self.factors @ (self.factors.T @ totals)
        return product

    def traces(self, diagonals: FloatArray) -> FloatArray:
        """tr(D Q)."""
        traces: FloatArray = np.square(self.factors).sum(axis=1) @ diagonals
        return traces

    def traces_of_two(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """tr(D Q E Q)."""
        units, replicates = self.factors.shape
        traces: FloatArray
        if units <= replicates:
            traces = first.T @ np.square(self.factors @ self.factors.T) @ second
        else:  # by replicates, of which there are fewer: the form in many units would not fit in memory
            one, other = (
                np.stack([self.factors.T @ (column[:, None] * self.factors) for column in diagonals.T])
                for diagonals in (first, second)
            )
            traces = np.einsum("gqr,hqr->gh", one, other)
        return traces


def units_of(cells: Cells) -> list[Units]:
    """The forms that the variance is the sum of: one for each stage, or one of all replicates."""
    return _stages(cells) if cells.replicates is None else [_replicated(cells.replicates)]


def _stages(cells: Cells) -> list[Units]:
    """Linearization, from the last stage up."""
    entries = cells.entries
    factor = np.ones(cells.n.size)  # weight in use over base weight
    for step in cells.calibrations:
        factor = factor * step.factor
    weight = entries.weight * factor[entries.pattern]
    scatter = entries.scatter * factor[entries.pattern] ** 2
    squares = scatter + weight**2 / entries.n
    parts: list[Units] = []
    group = entries.cluster  # of each entry, at the stage: its cluster, or its stratum where each row is a cluster
    for stage in reversed(cells.stages):
        if stage.cluster is None:
            unit = np.arange(group.size)
            rows = entries.n
            # Fourth powers of the weights in an entry are not kept: they are taken to be those of a lognormal weight.
            spread = np.divide(squares * rows, weight**2, out=np.ones_like(weight), where=weight > 0)
            tails = np.minimum(spread**4, rows)
            stratum = group
        else:
            present, unit = np.unique(group, return_inverse=True)
            rows = np.ones(present.size)
            tails = rows
            stratum = (stage.stratum if stage.stratum_of is None else stage.stratum_of)[present]
        # (1 - f_h) n_h / (n_h - 1), times the fractions of the stages above
        times = np.divide(stage.n_h, stage.n_h - 1.0, out=np.zeros_like(stage.n_h), where=stage.n_h > 1)
        form = Stratified(rows, tails, stratum, stage.n_h, stage.carried * (1.0 - stage.fraction) * times)
        drawn = (stage.fraction < 1) & (stage.carried > 0) & ((stage.n_h > 1) | (cells.lonely_psu != "certainty"))
        parts.append(Units(entries.pattern, unit, weight, squares, rows, drawn[stratum], form))
        if stage.parent is not None:
            group = stage.parent[stratum[unit]]
    return parts


def _replicated(replicates: ReplicateCells) -> Units:
    """Replication: rows whose replicate weights are multiples of each other are one unit.

    The weight of a row is taken to be the mean of its replicates, which most kinds of replicates give back.
    """
    source = replicates.source
    weight_before = source.weights if source.before is None else source.before
    used = source.rscales > 0
    live = np.flatnonzero(source.weights[replicates.row][:, used].any(axis=1))
    row = replicates.row[live]
    weight = source.weights[row][:, used].mean(axis=1)
    before = weight_before[row][:, used]
    first, unit = multiples(before)
    centred = before[first] / before[first].mean(axis=1, keepdims=True) - 1.0
    if not source.mse:
        centred = centred - centred.mean(axis=1, keepdims=True)
    form = Replicated(centred * np.sqrt(source.scale * source.rscales[used]))
    ones = np.ones(first.size)
    return Units(replicates.row_pattern[live], unit, weight, weight**2, ones, ones > 0, form)


def inside_one_unit(cells: Cells, domains: BoolArray, df: FloatArray) -> BoolArray:
    """(G,) domains of respondents, (C, G), who are all in one unit of a stage: what was fitted to them leaves nothing.

    Their variance is unknown, for nobody sees what another unit would have answered, and a sum of squares about their
    own mean is zero. A unit of a stratum that was taken whole, or that the design takes to be so, does not vary.

    Parameters
    ----------
    df : (G,) design degrees of freedom of the domains; with replicates one unit has the rank 1, and so none.
    """
    if cells.replicates is not None:
        without: BoolArray = df == 0.0
        return without
    alone = np.zeros(domains.shape[1], dtype=bool)
    members = scipy.sparse.csr_array(domains.astype(np.float64))
    for part in _stages(cells):
        present = (np.ones(part.unit.size), (part.unit, part.pattern))
        held = scipy.sparse.csr_array(present, shape=(part.rows.size, domains.shape[0])) @ members
        held.data[:] = 1.0
        alone |= np.asarray((held.T @ part.rows == 1.0) & (held.T @ (part.rows * part.may_vary) == 1.0))
    return alone
