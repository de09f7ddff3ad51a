"""Weighting to population margins: raking, post-stratification and what it did to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from survey.cells import compress, margin_codes, sum_by_code
from survey.design import Calibration, Design, FloatArray, IntArray
from survey.errors import CalibrationError, shown

Margin: TypeAlias = "Mapping[Any, float] | pd.Series[float]"
Margins: TypeAlias = "Mapping[Any, Margin]"  # a variable, or a tuple of variables, -> its targets

SHARE_SUM = 1e-6  # shares typed with six decimals or more add up to 1 within this
COUNT_SUM = 1e-6  # relative difference between the sums of two margins of counts


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """One margin, checked against the data: `codes` (n_rows,) level of each row, `totals` per level."""

    variables: tuple[str, ...]
    totals: pd.Series[float]
    codes: IntArray


def rake(design: Design, margins: Margins, *, tolerance: float = 1e-10, max_iterations: int = 200) -> Design:
    """Rake the weights to population margins by iterative proportional fitting.

    Parameters
    ----------
    design : design whose weights in use are raked; it is not changed.
    margins : per variable (or tuple of variables, for a joint margin) the target of each level. Targets are
        shares (adding to 1; the sum of the weights then stays as it is) or counts (the same sum in all margins).
    tolerance : largest distance from a target that counts as met, as a share of the total.
    max_iterations : passes over all margins before giving up.

    Returns
    -------
    Design with the raked weights, which remembers the margins: variances use the calibration residuals.

    Raises
    ------
    CalibrationError : a level without target or without data, margins that contradict each other, targets
        that are neither shares nor counts, no convergence, or a design restricted to a domain.

    References
    ----------
    Deming and Stephan (1940), Ann. Math. Stat. 11:427; Deville, Sarndal and Sautory (1993), JASA 88:1013.
    R equivalent: survey::calibrate(calfun = "raking"), whose variance this is.
    """
    if not 0 < tolerance < 1 or max_iterations < 1:
        raise CalibrationError(
            f"`tolerance` must lie between 0 and 1 and `max_iterations` be at least 1; got {tolerance!r} and "
            f"{max_iterations!r}."
        )
    targets = _targets(design, margins)
    weights = design.full_weights
    n = len(weights)
    key = np.zeros(n, dtype=np.int64)
    for target in targets:
        key = compress(key * len(target.totals) + target.codes, (int(key.max()) + 1) * len(target.totals))[0]
    cell, first = compress(key, int(key.max()) + 1)
    mass = sum_by_code(cell, weights)
    codes = [target.codes[first] for target in targets]
    raked, iterations, gap = _iterate(mass, codes, targets, tolerance, max_iterations)
    factor = np.divide(raked, mass, out=np.zeros_like(mass), where=mass > 0)
    return _calibrated(design, "rake", targets, weights * factor[cell], iterations, gap)


def _iterate(
    mass: FloatArray, codes: list[IntArray], targets: list[_Target], tolerance: float, max_iterations: int
) -> tuple[FloatArray, int, float]:
    """Raked (C,) cell weights, passes needed, and the largest remaining gap as a share of the total."""
    totals = [target.totals.to_numpy(dtype=np.float64) for target in targets]
    whole = totals[0].sum()
    gaps = [np.zeros(0)] * len(targets)
    for iteration in range(1, max_iterations + 1):
        for code, total in zip(codes, totals, strict=True):
            reached = sum_by_code(code, mass, total.size)
            mass = mass * np.divide(total, reached, out=np.zeros_like(total), where=reached > 0)[code]
        gaps = [
            np.abs(sum_by_code(code, mass, total.size) - total) / whole
            for code, total in zip(codes, totals, strict=True)
        ]
        largest = max(gap.max() for gap in gaps)
        if largest <= tolerance:
            return mass, iteration, float(largest)
    worst = int(np.argmax([gap.max() for gap in gaps]))
    level = targets[worst].totals.index[int(gaps[worst].argmax())]
    raise CalibrationError(
        f"`margins` could not be met together: after {max_iterations} iterations the largest gap is "
        f"{gaps[worst].max():.3g} of the total, at {'/'.join(targets[worst].variables)}={shown(level)} (tolerance "
        f"{tolerance:g}). Margins contradict each other where combinations of levels have no respondents: "
        "collapse sparse levels, or raise `max_iterations` if the gap is still shrinking."
    )


def poststratify(design: Design, targets: pd.Series[float]) -> Design:
    """Post-stratify the weights to the known sizes of population cells.

    Parameters
    ----------
    design : design whose weights in use are adjusted; it is not changed.
    targets : shares or counts, indexed by level; the index name (or names) are the variables.

    Returns
    -------
    Design with the adjusted weights, which remembers the post-strata.

    Raises
    ------
    CalibrationError : as for `rake`, or an index without names.

    References
    ----------
    Holt and Smith (1979), JRSS A 142:33. R equivalent: survey::postStratify.
    """
    if not isinstance(targets, pd.Series) or any(name is None for name in targets.index.names):
        raise CalibrationError(
            "`targets` must be a pandas Series whose index is named after the variables; got "
            f"{'an index without a name' if isinstance(targets, pd.Series) else type(targets).__name__}. "
            "Use targets.rename_axis('variable')."
        )
    names = tuple(str(name) for name in targets.index.names)
    (target,) = _targets(design, {names: targets})
    weights = design.full_weights
    reached = sum_by_code(target.codes, weights, len(target.totals))
    adjusted = weights * (target.totals.to_numpy() / reached)[target.codes]
    gap = np.abs(sum_by_code(target.codes, adjusted) - target.totals) / target.totals.sum()
    return _calibrated(design, "poststratify", [target], adjusted, 1, float(gap.max()))


def _calibrated(
    design: Design, method: str, targets: list[_Target], weights: FloatArray, iterations: int, gap: float
) -> Design:
    """The design with new weights and the record of how they came about."""
    weights.flags.writeable = False
    step = Calibration(
        method=method,
        margins=tuple(target.variables for target in targets),
        targets=tuple(target.totals for target in targets),
        before=design.full_weights,
        after=weights,
        iterations=iterations,
        largest_gap=gap,
    )
    return replace(design, calibrations=(*design.calibrations, step))


def _targets(design: Design, margins: Margins) -> list[_Target]:
    """Margins as totals, checked against the data and against each other."""
    if design.in_domain is not None:
        raise CalibrationError(
            "`design` must not be restricted to a domain: weights are made on the whole sample. Weight first, "
            "then call `.domain()`."
        )
    if not margins:
        raise CalibrationError("`margins` must hold at least one margin; got none.")
    whole = float(design.full_weights.sum())
    listed = []
    for key, margin in margins.items():
        variables = (key,) if isinstance(key, str) else tuple(key)
        listed.append((variables, *_shares_or_counts(variables, margin)))
    kinds = {is_share for _, _, is_share in listed}
    if len(kinds) > 1:
        shares = ["/".join(v) for v, _, is_share in listed if is_share]
        raise CalibrationError(
            f"`margins` must be all shares or all counts; {', '.join(shares)} adds to 1, the others do not. "
            "Convert them to one kind."
        )
    if not kinds.pop():
        sums = {"/".join(variables): float(total.sum()) for variables, total, _ in listed}
        whole = next(iter(sums.values()))
        if any(abs(value - whole) > COUNT_SUM * whole for value in sums.values()):
            found = ", ".join(f"{name} {value:.10g}" for name, value in sums.items())
            raise CalibrationError(
                f"`margins` must add up to the same population; the sums are {found}. Correct them or give shares."
            )
    return [_checked(design, variables, total / total.sum() * whole) for variables, total, _ in listed]


def _shares_or_counts(variables: tuple[str, ...], margin: Margin) -> tuple[pd.Series[float], bool]:
    """A margin as a Series of positive numbers, and whether it holds shares."""
    name = "/".join(variables)
    if len(margin) == 0:
        raise CalibrationError(f"`margins[{name!r}]` must have a target for each level; it is empty.")
    if isinstance(margin, pd.Series):
        total = margin.copy()
    else:
        levels = list(margin)
        index = pd.MultiIndex.from_tuples(levels) if len(variables) > 1 else pd.Index(levels)
        total = pd.Series([margin[level] for level in levels], index=index)
    try:
        total = total.astype(float)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"`margins[{name!r}]` must hold numbers; {error}.") from error
    if total.index.has_duplicates:
        twice = total.index[int(total.index.duplicated().argmax())]
        raise CalibrationError(f"`margins[{name!r}]` must have one target per level; {shown(twice)} occurs twice.")
    wrong = ~(np.isfinite(total.to_numpy()) & (total.to_numpy() > 0))
    if wrong.any():
        level = total.index[int(wrong.argmax())]
        raise CalibrationError(
            f"`margins[{name!r}]` must be positive; {shown(level)} has target {total.iloc[int(wrong.argmax())]:g}. "
            "Give respondents outside the population the weight zero and leave their level out."
        )
    if abs(total.sum() - 1) <= SHARE_SUM:
        return total, True
    if total.max() < 1:
        raise CalibrationError(
            f"`margins[{name!r}]` must be shares that add to 1 or counts; the targets add to {total.sum():.6g}. "
            "Rescale them."
        )
    return total, False


def _checked(design: Design, variables: tuple[str, ...], totals: pd.Series[float]) -> _Target:
    """A margin with the (n_rows,) level of each row; every level has data and every row a level."""
    frame, name = design.frame, "/".join(variables)
    for variable in variables:
        if variable not in frame.columns:
            raise CalibrationError(
                f"`margins` must name columns of the data; {variable!r} is not among {list(frame.columns)[:20]}."
            )
    if len(variables) > 1 and totals.index.nlevels != len(variables):
        raise CalibrationError(
            f"`margins[{name!r}]` must be indexed by {len(variables)} levels; its index has {totals.index.nlevels}."
        )
    codes = margin_codes(frame, variables, totals)
    counted = design.full_weights > 0
    absent = counted & frame[list(variables)].isna().to_numpy().any(axis=1)
    if absent.any():
        raise CalibrationError(
            f"`margins[{name!r}]` must be known for every respondent; {name} is missing for {absent.sum()}, first in "
            f"row {shown(frame.index[int(absent.argmax())])}. Impute it, or make missing a level of its own."
        )
    unmatched = counted & (codes < 0)
    if unmatched.any():
        found = frame.loc[unmatched, list(variables)].astype(object).value_counts()
        level = found.index[0] if len(variables) > 1 else found.index[0][0]
        raise CalibrationError(
            f"`margins[{name!r}]` must cover every level in the data; {shown(level)} (n={found.iloc[0]}) has no target"
            f"{'' if len(found) == 1 else f', nor have {len(found) - 1} more'}. Add a target or recode it "
            "before weighting."
        )
    counts = np.bincount(codes[counted], minlength=len(totals))
    if (counts == 0).any():
        level = totals.index[int((counts == 0).argmax())]
        raise CalibrationError(
            f"`margins[{name!r}]` must have respondents for every target; nobody has {shown(level)}. Merge it with a "
            "neighbouring level."
        )
    return _Target(variables, totals, np.where(codes < 0, 0, codes))  # only rows of weight zero have none


def weight_summary(design: Design) -> pd.DataFrame:
    """What the weights in use cost.

    Returns
    -------
    One row: n, sum, min, max and coefficient of variation of the positive weights, Kish's design effect
    `deff_kish` = n sum(w^2) / sum(w)^2, and `n_eff` = n / deff_kish.

    References
    ----------
    Kish (1992), J. Official Statistics 8:183.
    """
    weights = design.weights[design.weights > 0]
    deff = weights.size * np.square(weights).sum() / weights.sum() ** 2
    return pd.DataFrame(
        {
            "n": [weights.size],
            "sum": [weights.sum()],
            "min": [weights.min()],
            "max": [weights.max()],
            "cv": [weights.std() / weights.mean()],
            "deff_kish": [deff],
            "n_eff": [weights.size / deff],
        }
    )


def margin_table(design: Design, targets: Margins) -> pd.DataFrame:
    """Margins before weighting, as weighted and as targeted.

    Parameters
    ----------
    targets : margins as for `rake`; the design need not have been weighted to them.

    Returns
    -------
    One row per level: variable, level, n, and the shares unweighted, weighted, target and gap (weighted
    minus target).

    Raises
    ------
    CalibrationError : as for `rake`.
    """
    parts = []
    for target in _targets(replace(design, in_domain=None), targets):
        counted = design.weights > 0
        size = len(target.totals)
        n = np.bincount(target.codes[counted], minlength=size)
        weighted = sum_by_code(target.codes, design.weights, size)
        shares = (target.totals / target.totals.sum()).to_numpy()
        parts.append(
            pd.DataFrame(
                {
                    "variable": "/".join(target.variables),
                    "level": [
                        str(level) if not isinstance(level, tuple) else "/".join(map(str, level))
                        for level in target.totals.index
                    ],
                    "n": n,
                    "unweighted": n / n.sum(),
                    "weighted": weighted / weighted.sum(),
                    "target": shares,
                    "gap": weighted / weighted.sum() - shares,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
