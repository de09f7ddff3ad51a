"""Population margins: what the weights of a sample are tied to, checked against the data and each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from survey.cells import margin_codes
from survey.design import Design, IntArray
from survey.errors import CalibrationError, shown

Margin: TypeAlias = "Mapping[Any, float] | pd.Series[float]"
Margins: TypeAlias = "Mapping[Any, Margin]"  # a variable, or a tuple of variables, -> its targets

SHARE_SUM = 1e-6  # shares typed with six decimals or more add up to 1 within this
COUNT_SUM = 1e-6  # relative difference between the sums of two margins of counts


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One margin, checked against the data.

    Attributes
    ----------
    variables : what the margin is made of.
    totals : target of each level, as a sum of weights.
    codes : (n_rows,) level of each row.
    unit : what the targets were given in: one unit of them is this many weights.
    """

    variables: tuple[str, ...]
    totals: pd.Series[float]
    codes: IntArray
    unit: float

    def name(self, position: int) -> str:
        """How messages call a level: variable='level'."""
        return f"{'/'.join(self.variables)}={shown(self.totals.index[position])}"


def checked_margins(design: Design, margins: Margins) -> list[Target]:
    """Margins as totals, checked against the data and against each other.

    Raises
    ------
    CalibrationError : see `survey.rake`.
    """
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
    return [_checked(design, variables, total, whole) for variables, total, _ in listed]


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


def _checked(design: Design, variables: tuple[str, ...], given: pd.Series[float], whole: float) -> Target:
    """A margin with the (n_rows,) level of each row; every level has data and every row a level."""
    frame, name = design.frame, "/".join(variables)
    totals = given / given.sum() * whole
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
    codes = np.where(codes < 0, 0, codes)  # only rows of weight zero have none
    return Target(variables, totals, codes, whole / float(given.sum()))
