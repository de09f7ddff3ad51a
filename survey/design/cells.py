"""Counted cells: the table of distinct answer patterns that every statistic is computed on.

Beside the patterns stands what the variance needs: the sum of weights of each pattern in each PSU, or, where each row
is its own PSU, the number, sum and scatter of the weights of each pattern in each stratum. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design.codes import sum_by_code
from survey.design.replicates import Replicates
from survey.design.stages import Stage


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The E combinations of a pattern and a cluster that have respondents, with the moments of their base weights.

    Attributes
    ----------
    pattern : (E,) pattern.
    cluster : (E,) cluster of the last stage; stratum, where each row is its own cluster.
    n : (E,) respondents.
    weight : (E,) sum of their base weights.
    scatter : (E,) sum of squares of their base weights about the entry's mean.
    """

    pattern: IntArray
    cluster: IntArray
    n: FloatArray
    weight: FloatArray
    scatter: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationCells:
    """One step of weighting on C patterns: what linearization needs of it.

    Attributes
    ----------
    auxiliaries : (C, q) indicators of the margins' levels, and numeric auxiliaries.
    weight : (C,) weights that the regression on the auxiliaries is fitted with: the sum of those before the
        step, of respondents alone in an adjustment for non-response; in trimming, the number of rows that share.
    factor : (C,) weight after the step over weight before it.
    estimated : whether the totals of the auxiliaries were estimated from the sample itself.
    of_shares : whether the targets were shares, which go with the sum of the weights before the step.
    """

    auxiliaries: FloatArray
    weight: FloatArray
    factor: FloatArray
    estimated: bool
    of_shares: bool


@dataclass(frozen=True, slots=True, eq=False)
class ReplicateCells:
    """Replicate weights on C patterns, and the m rows that they were summed over.

    Attributes
    ----------
    source : replicate weights of the design, row by row.
    weight : (C, R) sums of the replicate weights in use; zero outside the domain.
    row : (m,) rows of the data that were counted.
    row_pattern : (m,) pattern of each of them.
    """

    source: Replicates
    weight: FloatArray
    row: IntArray
    row_pattern: IntArray

    def df(self, patterns: BoolArray) -> float:
        """Degrees of freedom on the rows of some patterns, (C,)."""
        return self.source.df(self.row[patterns[self.row_pattern]])

    def within(self, patterns: BoolArray) -> ReplicateCells:
        """The same weights, zero outside of some patterns, (C,)."""
        return replace(self, weight=np.where(patterns[:, None], self.weight, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Respondents counted by C distinct patterns of the variables asked for.

    Attributes
    ----------
    frame : C rows, one column per variable: the patterns. Patterns outside the domain are all missing; they
        are kept only where a calibration makes them matter.
    n : (C,) respondents with a positive weight; zero outside the domain.
    weight : (C,) sum of the weights in use; zero outside the domain.
    entries : the patterns by cluster, with base weights.
    stages : stages of the design.
    lonely_psu, lonely_domain : rules of the design for single-PSU strata, and for those that a domain leaves so.
    calibrations : steps of calibration, first to last; none where there are replicates.
    replicates : replicate weights, or None.
    left_out : respondents of the domain that are not counted, for a missing value in one of the variables.
    """

    frame: pd.DataFrame
    n: IntArray
    weight: FloatArray
    entries: Entries
    stages: tuple[Stage, ...]
    lonely_psu: str
    lonely_domain: str
    calibrations: tuple[CalibrationCells, ...] = ()
    replicates: ReplicateCells | None = None
    left_out: int = 0

    @property
    def inside(self) -> BoolArray:
        """(C,) patterns within the domain."""
        return self.n > 0

    @property
    def squared_weight(self) -> FloatArray:
        """(C,) sum of squared base weights."""
        squares = self.entries.scatter + self.entries.weight**2 / self.entries.n
        return sum_by_code(self.entries.pattern, squares, self.n.size)
