"""Population margins: what the weights of a sample are tied to, checked against the data and each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from survey.arrays import IntArray
from survey.design import Design, check_design, margin_codes
from survey.errors import CalibrationError, did_you_mean, nearest, shown, some

Margin: TypeAlias = "Mapping[Any, float] | pd.Series[float]"
Margins: TypeAlias = "Mapping[Any, Margin]"  # a variable, or a tuple of variables, -> its targets

SHARE_SUM = 1e-6  # shares typed with six decimals or more add up to 1 within this
COUNT_SUM = 1e-6  # relative difference between the sums of two margins of counts
PERCENT_SUM = 0.5  # distance from 100 within which the sum of percentages may lie that were typed with few decimals
EXAMPLE = "{'gender': {'Male': 0.49, 'Female': 0.51}}"


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One margin, checked against the data.

    Attributes
    ----------
    variables : what the margin is made of.
    totals : target of each level, as a sum of weights.
    codes : (n_rows,) level of each row.
    unit : what the targets were given in: one unit of them is this many weights.
    of_shares : whether they were given as shares.
    """

    variables: tuple[str, ...]
    totals: pd.Series[float]
    codes: IntArray
    unit: float
    of_shares: bool

    def name(self, position: int) -> str:
        """How messages call a level: variable='level'."""
        return f"{'/'.join(self.variables)}={shown(self.totals.index[position])}"


def checked_margins(design: Design, margins: Margins) -> list[Target]:
    """Margins as totals, checked against the data and against each other.

    Raises
    ------
    CalibrationError : see `survey.rake`.
    """
    check_design(design)
    if design.in_domain is not None:
        raise CalibrationError(
            "`design` must not be restricted to a domain: weights are made on the whole sample. Weight first, "
            "then call `.domain()`."
        )
    if not isinstance(margins, Mapping | None):
        raise CalibrationError(
            f"`margins` must map variables to the targets of their levels, as {EXAMPLE}; got {type(margins).__name__}."
        )
    if not margins:
        raise CalibrationError("`margins` must hold at least one margin; got none.")
    whole = float(design.full_weights.sum())
    listed = []
    for key, margin in margins.items():
        variables = _variables(key)
        listed.append((variables, *_shares_or_counts(variables, margin, list(design.frame.columns))))
    kinds = {is_share for _, _, is_share in listed}
    if len(kinds) > 1:
        shares = ["/".join(v) for v, _, is_share in listed if is_share]
        raise CalibrationError(
            f"`margins` must be all shares or all counts; {', '.join(shares)} adds to 1, the others do not. "
            "Convert them to one kind."
        )
    of_shares = kinds.pop()
    if not of_shares:
        sums = {"/".join(variables): float(total.sum()) for variables, total, _ in listed}
        if all(_are_percentages(total) for _, total, _ in listed) and abs(whole - 100) > PERCENT_SUM:
            raise CalibrationError(
                f"`margins` must be shares that add to 1 or counts; these add to {next(iter(sums.values())):.6g}, as "
                f"percentages do, and the weights to {whole:.6g}. Divide percentages by 100. If the population is 100 "
                "units, make the weights add to 100 first."
            )
        whole = next(iter(sums.values()))
        if any(abs(value - whole) > COUNT_SUM * whole for value in sums.values()):
            found = ", ".join(f"{name} {value:.10g}" for name, value in sums.items())
            raise CalibrationError(
                f"`margins` must add up to the same population; the sums are {found}. Correct them or give shares."
            )
    return [_checked(design, variables, total, whole, of_shares) for variables, total, of_shares in listed]


def check_iterations(tolerance: object, max_iterations: object) -> None:
    """Raise unless an iteration is told when to stop.

    Raises
    ------
    CalibrationError : a tolerance that is not between 0 and 1, or a number of iterations below 1.
    """
    number = isinstance(tolerance, float | np.floating) and 0 < tolerance < 1
    whole = isinstance(max_iterations, int | np.integer) and max_iterations >= 1
    if not number or not whole or isinstance(max_iterations, bool):
        raise CalibrationError(
            f"`tolerance` must lie between 0 and 1 and `max_iterations` be at least 1; got {tolerance!r} and "
            f"{max_iterations!r}."
        )


def _are_percentages(total: pd.Series[float]) -> bool:
    """Whether targets add to 100, or nearly and have two decimals at most, as rounded percentages do."""
    typed = np.abs(total - total.round(2)).max() <= COUNT_SUM
    return bool(abs(total.sum() - 100) <= (PERCENT_SUM if typed else 100 * SHARE_SUM))


def _variables(key: object) -> tuple[str, ...]:
    """Variables that a margin is made of."""
    variables: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
    if not variables or not all(isinstance(name, str) for name in variables) or len(set(variables)) < len(variables):
        raise CalibrationError(
            f"`margins` must be named by a variable, or for a joint margin by a tuple of several; got {key!r}."
        )
    return tuple(str(name) for name in variables)


def _ordered(variables: tuple[str, ...], margin: pd.Series[float], columns: list[Any]) -> pd.Series[float]:
    """A margin whose index levels are in the order of the variables, where the index names them."""
    names = list(margin.index.names)
    if len(variables) > 1 and set(names) == set(variables):
        ordered: pd.Series[float] = margin.reorder_levels([names.index(name) for name in variables])
        return ordered
    stray = [name for name, own in zip(names, variables, strict=False) if name in columns and name != own]
    if stray:
        raise CalibrationError(
            f"`margins[{'/'.join(variables)!r}]` must be targets of {' and '.join(variables)}; its index is called "
            f"{', '.join(map(str, names))}. Give them under that name, or rename the index (rename_axis)."
        )
    return margin


def _shares_or_counts(variables: tuple[str, ...], margin: Margin, columns: list[Any]) -> tuple[pd.Series[float], bool]:
    """A margin as a Series of positive numbers, and whether it holds shares; `columns` are those of the data."""
    name = "/".join(variables)
    if not isinstance(margin, Mapping | pd.Series):
        raise CalibrationError(
            f"`margins[{name!r}]` must give the target of each level, by level, as {EXAMPLE} does; got "
            f"{type(margin).__name__}."
        )
    if len(margin) == 0:
        raise CalibrationError(f"`margins[{name!r}]` must have a target for each level; it is empty.")
    if isinstance(margin, pd.Series):
        total = _ordered(variables, margin, columns)
    else:
        levels = list(margin)
        if len(variables) > 1 and not all(isinstance(at, tuple) and len(at) == len(variables) for at in levels):
            raise CalibrationError(
                f"`margins[{name!r}]` must be indexed by {len(variables)} levels; its index has "
                f"{len(levels[0]) if isinstance(levels[0], tuple) else 1}, as {levels[0]!r}. Use tuples as keys."
            )
        index = pd.MultiIndex.from_tuples(levels) if len(variables) > 1 else pd.Index(levels)
        total = pd.Series([margin[level] for level in levels], index=index)
    switches = [level for level, target in total.items() if isinstance(target, bool | np.bool_)]
    if switches:
        raise CalibrationError(f"`margins[{name!r}]` must hold numbers; {shown(switches[0])} has True or False.")
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


def _checked(
    design: Design, variables: tuple[str, ...], given: pd.Series[float], whole: float, of_shares: bool
) -> Target:
    """A margin with the (n_rows,) level of each row; every level has data and every row a level."""
    frame, name = design.frame, "/".join(variables)
    totals = given / given.sum() * whole
    for variable in variables:
        if variable not in frame.columns:
            raise CalibrationError(
                f"`margins` must name columns of the data; {variable!r} is not among {some(frame.columns)}."
                f"{did_you_mean(variable, frame.columns)}"
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
        near = nearest(level, [at for i, at in enumerate(totals.index) if not (counted & (codes == i)).any()])
        hint = "" if near is None else f" Nobody has {shown(near)}, which has a target: is it the same level?"
        raise CalibrationError(
            f"`margins[{name!r}]` must cover every level in the data; {shown(level)} (n={found.iloc[0]}) has no target"
            f"{'' if len(found) == 1 else f', nor have {len(found) - 1} more'}. Add a target or recode it "
            f"before weighting.{hint}"
        )
    counts = np.bincount(codes[counted], minlength=len(totals))
    if (counts == 0).any():
        level = totals.index[int((counts == 0).argmax())]
        raise CalibrationError(
            f"`margins[{name!r}]` must have respondents for every target; nobody has {shown(level)}. Merge it with a "
            "neighbouring level."
        )
    codes = np.where(codes < 0, 0, codes)  # only rows of weight zero have none
    return Target(variables, totals, codes, whole / float(given.sum()), of_shares)
