"""Counted cells: the table of distinct answer patterns that every statistic is computed on.

Rows are grouped once by the variables that a request needs. What the variance needs besides - the sum of
weights of each pattern in each PSU, or, where each row is its own PSU, the number, sum and scatter of the
weights of each pattern in each stratum - is kept beside the patterns. Nothing is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design.codes import code_values, compress, margin_codes, mixed_radix, sum_by_code
from survey.design.design import Design, check_design
from survey.design.replicates import Replicates
from survey.design.stages import Stage
from survey.errors import EstimationError, did_you_mean, some

Missing = Literal["drop", "fail"]
NULLABLE = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}


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
class Cells:
    """Respondents counted by C distinct patterns of the variables asked for.

    Attributes
    ----------
    frame : C rows, one column per variable: the patterns. Patterns outside the domain are all missing; they
        are kept only where a calibration makes them matter.
    n : (C,) respondents with a positive weight; zero outside the domain.
    weight : (C,) sum of the weights in use; zero outside the domain.
    entry_pattern, entry_cluster : (E,) pattern and last-stage cluster (stratum, where each row is its own
        cluster) of each non-empty combination.
    entry_n, entry_weight, entry_scatter : (E,) respondents, sum of their base weights, and sum of squares of
        their base weights about the entry's mean.
    stages : stages of the design.
    lonely_psu, lonely_domain : rules of the design for single-PSU strata, and for those that a domain leaves so.
    calibrations : steps of calibration, first to last; none where there are replicates.
    replicates : replicate weights of the design, or None.
    replicate_weight : (C, R) sums of the replicate weights in use; zero outside the domain. R is 0 without.
    row, row_pattern : rows of the data that were counted, and the pattern of each; empty without replicates.
    left_out : respondents of the domain that are not counted, for a missing value in one of the variables.
    """

    frame: pd.DataFrame
    n: IntArray
    weight: FloatArray
    entry_pattern: IntArray
    entry_cluster: IntArray
    entry_n: FloatArray
    entry_weight: FloatArray
    entry_scatter: FloatArray
    stages: tuple[Stage, ...]
    lonely_psu: str
    lonely_domain: str
    calibrations: tuple[CalibrationCells, ...]
    replicates: Replicates | None
    replicate_weight: FloatArray
    row: IntArray
    row_pattern: IntArray
    left_out: int = 0

    @property
    def inside(self) -> BoolArray:
        """(C,) patterns within the domain."""
        return self.n > 0

    @property
    def squared_weight(self) -> FloatArray:
        """(C,) sum of squared base weights."""
        squares = self.entry_scatter + self.entry_weight**2 / self.entry_n
        return sum_by_code(self.entry_pattern, squares, self.n.size)


def collapse(design: Design, variables: Sequence[str], missing: Missing = "drop") -> Cells:
    """Group the respondents of a design by the variables that a request needs.

    Parameters
    ----------
    design : design whose domain and calibrations are respected.
    variables : columns of the data.
    missing : "drop" treats rows with a missing value in any of the variables as outside the domain;
        "fail" refuses them.

    Raises
    ------
    EstimationError : an unknown column, missing values under "fail", or nobody left.
    DesignError : something other than a design.
    """
    check_design(design)
    frame, base = design.frame, design.base_weights
    check_choice(missing, Missing, "missing")
    variables = list(dict.fromkeys(variables))
    unknown = [name for name in variables if name not in frame.columns]
    if unknown:
        raise EstimationError(
            f"`design` must hold every variable asked for; {unknown} not among its columns {some(frame.columns)}."
            f"{did_you_mean(unknown[0], frame.columns)}"
        )
    coded = [code_values(frame[name]) for name in variables]
    sizes = [len(values) for _, values in coded]
    inside = _inside(design, variables, [codes for codes, _ in coded], missing)
    key, size = mixed_radix([codes for codes, _ in coded], sizes, len(frame))
    kept = base > 0
    if design.calibrations and design.replicates is None:
        margin_key, margin_size = _calibration_key(design)
        key, size = mixed_radix([np.where(inside, key, size), margin_key], [size + 1, margin_size], len(frame))
    else:
        kept = inside
    rows: IntArray | slice = slice(None) if kept.all() else np.flatnonzero(kept)
    pattern, first = compress(key[rows], size)
    positions = np.arange(len(frame))[rows][first]
    live = inside[positions]
    n_patterns = positions.size
    last = design.stages[-1]
    cluster = (last.stratum if last.cluster is None else last.cluster)[rows]
    entry, entry_first = compress(cluster * n_patterns + pattern, (int(cluster.max()) + 1) * n_patterns)
    entry_pattern, entry_cluster = pattern[entry_first], cluster[entry_first]
    weights = base[rows]
    entry_n = np.bincount(entry).astype(np.float64)
    entry_weight = sum_by_code(entry, weights)
    entry_scatter = sum_by_code(entry, (weights - (entry_weight / entry_n)[entry]) ** 2)
    patterns = pd.DataFrame(
        {
            name: _decode(frame[name].dtype, values, np.where(live, codes[positions], -1))
            for name, (codes, values) in zip(variables, coded, strict=True)
        },
        index=range(n_patterns),
    )
    steps: tuple[CalibrationCells, ...] = ()
    replicate_weight, row, row_pattern = (
        np.zeros((n_patterns, 0)),
        np.zeros(0, dtype=np.intp),
        np.zeros(0, dtype=np.intp),
    )
    if design.replicates is not None:  # the replicates were calibrated themselves
        row, row_pattern = np.arange(len(frame))[rows], pattern
        picker = sparse.csr_array((np.ones(row.size), (pattern, np.arange(row.size))), shape=(n_patterns, row.size))
        replicate_weight = np.asarray(picker @ design.replicates.weights[rows])
    elif design.calibrations:
        steps = _calibration_cells(design, rows, pattern, frame.iloc[positions])
    total = sum_by_code(pattern, design.full_weights[rows], n_patterns)
    return Cells(
        frame=patterns,
        n=np.where(live, np.bincount(pattern, minlength=n_patterns), 0),
        weight=np.where(live, total, 0.0),
        entry_pattern=entry_pattern,
        entry_cluster=entry_cluster,
        entry_n=entry_n,
        entry_weight=entry_weight,
        entry_scatter=entry_scatter,
        stages=design.stages,
        lonely_psu=design.lonely_psu,
        lonely_domain=design.lonely_domain,
        calibrations=steps,
        replicates=design.replicates,
        replicate_weight=replicate_weight,
        row=row,
        row_pattern=row_pattern,
        left_out=design.n - int(inside.sum()),
    )


def _inside(design: Design, variables: Sequence[str], codes: Sequence[IntArray], missing: Missing) -> BoolArray:
    """(n_rows,) rows that count: positive weight, in the domain, every variable known."""
    inside = design.weights > 0
    absent = {name: int((inside & (code < 0)).sum()) for name, code in zip(variables, codes, strict=True)}
    absent = {name: count for name, count in absent.items() if count}
    if absent and missing == "fail":
        found = ", ".join(f"{name!r} in {count}" for name, count in absent.items())
        raise EstimationError(
            f'`missing` is "fail", but values are missing: {found} of {inside.sum()} respondents. '
            'Use missing="drop" or restrict the domain.'
        )
    for code in codes:
        if (code < 0).any():
            inside = inside & (code >= 0)
    if not inside.any():
        raise EstimationError(
            f"`{', '.join(variables)}` must be known for at least one respondent with a positive weight; "
            "nobody is left."
        )
    return inside


def _decode(dtype: object, values: pd.Index[Any], codes: IntArray) -> pd.Series[Any]:
    """Values of the patterns, in the type of the column they came from."""
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical.from_codes(codes, dtype=dtype))
    column = pd.Series(values)
    if (codes < 0).any() and column.dtype.kind in "iub":  # whole numbers stay whole beside missing ones
        column = column.astype(NULLABLE[column.dtype.kind])
    return column.reindex(codes).reset_index(drop=True)


def _calibration_key(design: Design) -> tuple[IntArray, int]:
    """One integer key per combination of what the steps of weighting rest on, and the size of the key space.

    Rows of equal key have equal auxiliaries and factors. A missing value is a level of its own: rows that an
    earlier step gave the weight zero may have one. A trimmed weight depends on the weight itself, so its
    factor is part of the key.
    """
    names = dict.fromkeys(name for step in design.calibrations for name in step.variables)
    coded = [code_values(design.frame[name]) for name in names]
    codes, sizes = [codes.astype(np.intp) + 1 for codes, _ in coded], [len(values) + 1 for _, values in coded]
    for step in design.calibrations:
        if step.method == "trim":
            factor, uniques = pd.factorize(_ratio(step.after, step.before))
            codes.append(factor)
            sizes.append(len(uniques))
    return mixed_radix(codes, sizes, len(design.frame))


def _ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    """Weights after over weights before a step; zero where there was none."""
    return np.divide(after, before, out=np.zeros_like(after), where=before > 0)


def _calibration_cells(
    design: Design, rows: IntArray | slice, pattern: IntArray, representatives: pd.DataFrame
) -> tuple[CalibrationCells, ...]:
    """Steps of weighting on patterns; all rows of a pattern share the auxiliaries, hence the factor."""
    steps = []
    for step in design.calibrations:
        columns = [np.zeros((len(representatives), 0))]
        for margin, targets in zip(step.margins, step.targets, strict=True):
            code = margin_codes(representatives, margin, targets)
            columns.append((code[:, None] == np.arange(len(targets))).astype(np.float64))
        for name in step.totals:  # missing only where the weight is zero
            values = np.nan_to_num(representatives[name].to_numpy(dtype=np.float64, na_value=np.nan))
            columns.append(values[:, None] / np.abs(values).max())  # whatever its unit
        before, after = sum_by_code(pattern, step.before[rows]), sum_by_code(pattern, step.after[rows])
        factor, weight = _ratio(after, before), before
        if step.method == "nonresponse":
            weight = np.where(factor > 0, before, 0.0)
        if step.sharers is not None:  # of what is trimmed each gets the same, whatever its weight
            columns.append(np.ones((len(representatives), 1)))
            weight = sum_by_code(pattern, step.sharers[rows].astype(np.float64))
        estimated = step.method in ("nonresponse", "trim")
        steps.append(CalibrationCells(np.hstack(columns), weight, factor, estimated, step.of_shares))
    return tuple(steps)
