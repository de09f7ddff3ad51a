"""From rows to counted cells: one group-by of the rows by the variables that a request needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from survey.arguments import check_choice
from survey.arrays import BoolArray, FloatArray, IntArray
from survey.design.calibrations import Calibration
from survey.design.cells import CalibrationCells, Cells, Entries, ReplicateCells
from survey.design.codes import code_values, compress, margin_codes, mixed_radix, sum_by_code
from survey.design.design import Design, check_design
from survey.errors import EstimationError, did_you_mean, some

Missing = Literal["drop", "fail"]
Coded: TypeAlias = "Mapping[str, tuple[IntArray, pd.Index[Any]]]"  # variable -> (n_rows,) codes, and their values

NULLABLE = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}


@dataclass(frozen=True, slots=True, eq=False)
class _Grouping:
    """The rows that are counted, by pattern.

    Attributes
    ----------
    rows : which rows of the data are counted, m of them; a slice where it is all, so that nothing is copied.
    pattern : (m,) pattern of each.
    example : (C,) a row of the data that has the pattern.
    """

    rows: IntArray | slice
    pattern: IntArray
    example: IntArray


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
    check_choice(missing, Missing, "missing")
    coded = _coded(design.frame, variables)
    inside = _inside(design, coded, missing)
    grouping = _grouped(design, coded, inside)
    live = inside[grouping.example]
    n = np.bincount(grouping.pattern, minlength=live.size)
    weight = sum_by_code(grouping.pattern, design.full_weights[grouping.rows], live.size)
    return Cells(
        frame=_patterns(design.frame, coded, grouping.example, live),
        n=np.where(live, n, 0),
        weight=np.where(live, weight, 0.0),
        entries=_entries(design, grouping),
        stages=design.stages,
        lonely_psu=design.lonely_psu,
        lonely_domain=design.lonely_domain,
        calibrations=_calibrations(design, grouping),
        replicates=_replicates(design, grouping),
        left_out=design.n - int(inside.sum()),
    )


def _coded(frame: pd.DataFrame, variables: Sequence[str]) -> Coded:
    """Each variable as integer codes, once."""
    variables = list(dict.fromkeys(variables))
    unknown = [name for name in variables if name not in frame.columns]
    if unknown:
        raise EstimationError(
            f"`design` must hold every variable asked for; {unknown} not among its columns {some(frame.columns)}."
            f"{did_you_mean(unknown[0], frame.columns)}"
        )
    return {name: code_values(frame[name]) for name in variables}


def _inside(design: Design, coded: Coded, missing: Missing) -> BoolArray:
    """(n_rows,) rows that count: positive weight, in the domain, every variable known."""
    inside = design.weights > 0
    absent = {name: int((inside & (codes < 0)).sum()) for name, (codes, _) in coded.items()}
    absent = {name: count for name, count in absent.items() if count}
    if absent and missing == "fail":
        listed = ", ".join(f"{name!r} in {count}" for name, count in absent.items())
        raise EstimationError(
            f'`missing` is "fail", but values are missing: {listed} of {inside.sum()} respondents. '
            'Use missing="drop" or restrict the domain.'
        )
    for codes, _ in coded.values():
        if (codes < 0).any():
            inside = inside & (codes >= 0)
    if not inside.any():
        raise EstimationError(
            f"`{', '.join(coded)}` must be known for at least one respondent with a positive weight; nobody is left."
        )
    return inside


def _grouped(design: Design, coded: Coded, inside: BoolArray) -> _Grouping:
    """Rows that are counted, by pattern.

    Rows outside the domain keep their PSU although they are not counted here: n_h and the number of PSUs are those
    of the design's stages, which were made of all rows, and a PSU without an entry has the total zero.
    """
    n_rows = len(design.frame)
    sizes = [len(values) for _, values in coded.values()]
    key, size = mixed_radix([codes for codes, _ in coded.values()], sizes, n_rows)
    counted = inside
    if design.calibrations and design.replicates is None:
        # A calibrated row outside the domain has the influence 0 - x B, which is not zero: such rows stay, as a level
        # of their own beside the patterns, and all rows are told apart by what the steps of weighting rest on.
        margin_key, margin_size = _calibration_key(design)
        key, size = mixed_radix([np.where(inside, key, size), margin_key], [size + 1, margin_size], n_rows)
        counted = design.base_weights > 0
    rows: IntArray | slice = slice(None) if counted.all() else np.flatnonzero(counted)
    pattern, first = compress(key[rows], size)
    return _Grouping(rows, pattern, np.arange(n_rows)[rows][first])


def _patterns(frame: pd.DataFrame, coded: Coded, example: IntArray, live: BoolArray) -> pd.DataFrame:
    """The values of each pattern, all of them missing where it is not live."""
    columns = {
        name: _decode(frame[name].dtype, values, np.where(live, codes[example], -1))
        for name, (codes, values) in coded.items()
    }
    return pd.DataFrame(columns, index=range(example.size))


def _decode(dtype: object, values: pd.Index[Any], codes: IntArray) -> ExtensionArray | NDArray[Any]:
    """Values of the patterns, in the type of the column they came from."""
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Categorical.from_codes(codes, dtype=dtype)
    if (codes < 0).any() and values.dtype.kind in "iub":  # whole numbers stay whole beside missing ones
        values = values.astype(NULLABLE[values.dtype.kind])
    return pd.api.extensions.take(values.array, codes, allow_fill=True)


def _entries(design: Design, grouping: _Grouping) -> Entries:
    """Base weights by pattern and cluster."""
    last = design.stages[-1]  # the deepest cluster that adds to the variance: the design has no stage below it
    cluster = (last.stratum if last.cluster is None else last.cluster)[grouping.rows]
    size = grouping.example.size
    entry, first = compress(cluster * size + grouping.pattern, (int(cluster.max()) + 1) * size)
    base = design.base_weights[grouping.rows]
    n = np.bincount(entry).astype(np.float64)
    weight = sum_by_code(entry, base)
    # About the mean: sum w^2 - (sum w)^2 / n would lose all digits where weights are nearly equal.
    scatter = sum_by_code(entry, (base - (weight / n)[entry]) ** 2)
    return Entries(
        pattern=grouping.pattern[first],
        cluster=cluster[first],
        n=n,
        weight=weight,
        scatter=scatter,
    )


def _replicates(design: Design, grouping: _Grouping) -> ReplicateCells | None:
    """Replicate weights summed by pattern."""
    if design.replicates is None:
        return None
    row = np.arange(len(design.frame))[grouping.rows]
    ones = np.ones(row.size)
    picker = scipy.sparse.csr_array(
        (ones, (grouping.pattern, np.arange(row.size))), shape=(grouping.example.size, row.size)
    )
    weight = np.asarray(picker @ design.replicates.weights[grouping.rows])
    return ReplicateCells(design.replicates, weight, row, grouping.pattern)


def _calibration_key(design: Design) -> tuple[IntArray, int]:
    """One integer key per combination of what the steps of weighting rest on, and the size of the key space.

    Rows of equal key have equal auxiliaries and factors. A missing value is a level of its own: rows that an
    earlier step gave the weight zero may have one. A trimmed weight depends on the weight itself, so its
    factor is part of the key.
    """
    names = dict.fromkeys(name for step in design.calibrations for name in step.variables)
    coded = [code_values(design.frame[name]) for name in names]
    codes = [code.astype(np.intp) + 1 for code, _ in coded]
    sizes = [len(values) + 1 for _, values in coded]
    for step in design.calibrations:
        if step.method == "trim":
            factor, uniques = pd.factorize(_ratio(step.after, step.before))
            codes.append(factor)
            sizes.append(len(uniques))
    return mixed_radix(codes, sizes, len(design.frame))


def _ratio(after: FloatArray, before: FloatArray) -> FloatArray:
    """Weights after over weights before a step; zero where there was none."""
    return np.divide(after, before, out=np.zeros_like(after), where=before > 0)


def _calibrations(design: Design, grouping: _Grouping) -> tuple[CalibrationCells, ...]:
    """Steps of weighting on patterns; none where there are replicates, which were calibrated themselves."""
    if not design.calibrations or design.replicates is not None:
        return ()
    examples = design.frame.iloc[grouping.example]
    return tuple(_calibration_cells(step, grouping, examples) for step in design.calibrations)


def _calibration_cells(step: Calibration, grouping: _Grouping, examples: pd.DataFrame) -> CalibrationCells:
    """One step on patterns; all rows of a pattern share the auxiliaries, hence the factor."""
    before = sum_by_code(grouping.pattern, step.before[grouping.rows])
    after = sum_by_code(grouping.pattern, step.after[grouping.rows])
    factor = _ratio(after, before)
    weight = before
    if step.method == "nonresponse":
        weight = np.where(factor > 0, before, 0.0)
    elif step.sharers is not None:  # of what is trimmed each gets the same, whatever its weight
        weight = sum_by_code(grouping.pattern, step.sharers[grouping.rows].astype(np.float64))
    return CalibrationCells(
        auxiliaries=_auxiliaries(step, examples),
        weight=weight,
        factor=factor,
        estimated=step.method in ("nonresponse", "trim"),
        of_shares=step.of_shares,
    )


def _auxiliaries(step: Calibration, examples: pd.DataFrame) -> FloatArray:
    """(C, q) what a step of weighting tied the weights to: levels of margins, numeric columns, the sum itself."""
    columns = [np.zeros((len(examples), 0))]
    for margin, targets in zip(step.margins, step.targets, strict=True):
        code = margin_codes(examples, margin, targets)
        columns.append((code[:, None] == np.arange(len(targets))).astype(np.float64))
    for name in step.totals:  # missing only where the weight is zero
        values = np.nan_to_num(examples[name].to_numpy(dtype=np.float64, na_value=np.nan))
        columns.append(values[:, None] / np.abs(values).max())  # whatever its unit
    if step.sharers is not None:  # trimming keeps the sum of the weights
        columns.append(np.ones((len(examples), 1)))
    return np.hstack(columns)
