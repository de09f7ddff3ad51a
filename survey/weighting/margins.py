"""Population margins: what the weights of a sample are tied to, checked against the data and each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from survey.arrays import BoolArray, IntArray
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


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """One margin as it was given, with numbers that are right in themselves.

    Attributes
    ----------
    called : how messages call it, such as `margins['educ']`.
    variables : what the margin is made of.
    numbers : share or count of each level.
    is_share : whether they are shares, which add to 1.
    """

    called: str
    variables: tuple[str, ...]
    numbers: pd.Series[float]
    is_share: bool

    @property
    def joined(self) -> str:
        """The variables in one word."""
        return "/".join(self.variables)


def check_whole_sample(design: Design, *, done: str = "made", first: str = "Weight") -> None:
    """Raise where a design is restricted to a domain: weights are for everybody.

    Parameters
    ----------
    done, first : what is done to the weights, and what is to be done first, in words.
    """
    if design.in_domain is not None:
        raise CalibrationError(
            f"`design` must not be restricted to a domain: weights are {done} on the whole sample. {first} first, "
            "then call `.domain()`."
        )


def checked_margins(design: Design, margins: Margins, argument: str = "margins") -> list[Target]:
    """Margins as totals, checked against the data and against each other.

    Parameters
    ----------
    argument : what the caller's function calls the margins.

    Raises
    ------
    CalibrationError : see `survey.rake`.
    """
    check_design(design)
    check_whole_sample(design)
    if not isinstance(margins, Mapping | None):
        raise CalibrationError(
            f"`{argument}` must map variables to the targets of their levels, as {EXAMPLE}; got "
            f"{type(margins).__name__}."
        )
    if not margins:
        raise CalibrationError(f"`{argument}` must hold at least one margin; got none.")
    given = []
    for key, margin in margins.items():
        variables = _variables(key, argument)
        called = f"`{argument}[{'/'.join(variables)!r}]`"
        given.append(_given(variables, margin, list(design.frame.columns), called=called))
    return _targets(design, given, argument)


def checked_target(design: Design, margin: pd.Series[float], argument: str) -> Target:
    """One margin whose index is named after its variables, as totals, checked against the data.

    Raises
    ------
    CalibrationError : see `survey.poststratify`.
    """
    check_design(design)
    check_whole_sample(design)
    variables = _variables(tuple(str(name) for name in margin.index.names), argument)
    given = _given(variables, margin, list(design.frame.columns), called=f"`{argument}`")
    return _targets(design, [given], argument)[0]


def _targets(design: Design, given: Sequence[_Given], argument: str) -> list[Target]:
    """Margins as totals of one population, checked against the data."""
    of_shares = _all_of_shares(given, argument)
    whole = float(design.full_weights.sum())
    if not of_shares:
        whole = _population(given, whole, argument)
    return [_checked(design, margin, whole, argument) for margin in given]


def _all_of_shares(given: Sequence[_Given], argument: str) -> bool:
    """Whether the margins are shares, as all of them are or none."""
    shares = [margin.joined for margin in given if margin.is_share]
    if shares and len(shares) < len(given):
        raise CalibrationError(
            f"`{argument}` must be all shares or all counts; {', '.join(shares)} adds to 1, the others do not. "
            "Convert them to one kind."
        )
    return bool(shares)


def _population(given: Sequence[_Given], weighted: float, argument: str) -> float:
    """Size of the population that margins of counts add up to; `weighted` is the sum of the weights."""
    sums = {margin.joined: float(margin.numbers.sum()) for margin in given}
    size = next(iter(sums.values()))
    if all(_are_percentages(margin.numbers) for margin in given) and abs(weighted - 100) > PERCENT_SUM:
        raise CalibrationError(
            f"`{argument}` must be shares that add to 1 or counts; these add to {size:.6g}, as "
            f"percentages do, and the weights to {weighted:.6g}. Divide percentages by 100. If the population is 100 "
            "units, make the weights add to 100 first."
        )
    if any(abs(other - size) > COUNT_SUM * size for other in sums.values()):
        listed = ", ".join(f"{name} {value:.10g}" for name, value in sums.items())
        raise CalibrationError(
            f"`{argument}` must add up to the same population; the sums are {listed}. Correct them or give shares."
        )
    return size


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


def _variables(key: object, argument: str) -> tuple[str, ...]:
    """Variables that a margin is made of."""
    variables: tuple[object, ...] = key if isinstance(key, tuple) else (key,)
    if not variables or not all(isinstance(name, str) for name in variables) or len(set(variables)) < len(variables):
        raise CalibrationError(
            f"`{argument}` must be named by a variable, or for a joint margin by a tuple of several; got {key!r}."
        )
    return tuple(str(name) for name in variables)


def _given(variables: tuple[str, ...], margin: Margin, columns: list[Any], *, called: str) -> _Given:
    """A margin with positive numbers, one for each level; `columns` are those of the data."""
    if not isinstance(margin, Mapping | pd.Series):
        raise CalibrationError(
            f"{called} must give the target of each level, by level, as {EXAMPLE} does; got {type(margin).__name__}."
        )
    if len(margin) == 0:
        raise CalibrationError(f"{called} must have a target for each level; it is empty.")
    if isinstance(margin, pd.Series):
        by_level = _ordered(variables, margin, columns, called=called)
    else:
        by_level = _series(variables, margin, called)
    numbers = _positive(by_level, called)
    is_share = bool(abs(numbers.sum() - 1) <= SHARE_SUM)
    if not is_share and numbers.max() < 1:
        raise CalibrationError(
            f"{called} must be shares that add to 1 or counts; the targets add to {numbers.sum():.6g}. Rescale them."
        )
    return _Given(called=called, variables=variables, numbers=numbers, is_share=is_share)


def _ordered(
    variables: tuple[str, ...], margin: pd.Series[float], columns: list[Any], *, called: str
) -> pd.Series[float]:
    """A margin whose index levels are in the order of the variables, where the index names them."""
    names = list(margin.index.names)
    if len(variables) > 1 and set(names) == set(variables):
        ordered: pd.Series[float] = margin.reorder_levels([names.index(name) for name in variables])
        return ordered
    pairs = zip(names, variables, strict=False)
    if any(name in columns and name != variable for name, variable in pairs):
        raise CalibrationError(
            f"{called} must be targets of {' and '.join(variables)}; its index is called "
            f"{', '.join(map(str, names))}. Give them under that name, or rename the index (rename_axis)."
        )
    return margin


def _series(variables: tuple[str, ...], margin: Mapping[Any, float], called: str) -> pd.Series[Any]:
    """A mapping as a Series by level; by combination of levels, in a joint margin."""
    levels = list(margin)
    numbers = [margin[level] for level in levels]
    if len(variables) == 1:
        return pd.Series(numbers, index=pd.Index(levels))
    if not all(isinstance(level, tuple) and len(level) == len(variables) for level in levels):
        raise CalibrationError(
            f"{called} must be indexed by {len(variables)} levels; its index has "
            f"{len(levels[0]) if isinstance(levels[0], tuple) else 1}, as {levels[0]!r}. Use tuples as keys."
        )
    return pd.Series(numbers, index=pd.MultiIndex.from_tuples(levels))


def _positive(by_level: pd.Series[Any], called: str) -> pd.Series[float]:
    """Positive numbers, one for each level."""
    switches = [level for level, target in by_level.items() if isinstance(target, bool | np.bool_)]
    if switches:
        raise CalibrationError(f"{called} must hold numbers; {shown(switches[0])} has True or False.")
    texts = [(level, target) for level, target in by_level.items() if isinstance(target, str)]
    if texts:
        level, target = texts[0]
        raise CalibrationError(f"{called} must hold numbers; {shown(level)} has the text {shown(target)}.")
    try:
        numbers = by_level.astype(float)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"{called} must hold numbers; {error}.") from error
    if numbers.index.has_duplicates:
        twice = numbers.index[int(numbers.index.duplicated().argmax())]
        raise CalibrationError(f"{called} must have one target per level; {shown(twice)} occurs twice.")
    wrong = ~(np.isfinite(numbers.to_numpy()) & (numbers.to_numpy() > 0))
    if wrong.any():
        at = int(wrong.argmax())
        raise CalibrationError(
            f"{called} must be positive; {shown(numbers.index[at])} has target {numbers.iloc[at]:g}. "
            "Give respondents outside the population the weight zero and leave their level out."
        )
    return numbers


def _checked(design: Design, given: _Given, whole: float, argument: str) -> Target:
    """A margin with the (n_rows,) level of each row; every level has data and every row a level."""
    frame = design.frame
    for variable in given.variables:
        if variable not in frame.columns:
            raise CalibrationError(
                f"`{argument}` must name columns of the data; {variable!r} is not among {some(frame.columns)}."
                f"{did_you_mean(variable, frame.columns)}"
            )
    if len(given.variables) > 1 and given.numbers.index.nlevels != len(given.variables):
        raise CalibrationError(
            f"{given.called} must be indexed by {len(given.variables)} levels; its index has "
            f"{given.numbers.index.nlevels}."
        )
    totals = given.numbers / given.numbers.sum() * whole
    codes = margin_codes(frame, given.variables, totals)
    counted = design.full_weights > 0
    _check_every_row(frame, given, codes=codes, counted=counted)
    _check_every_level(given, codes[counted])
    return Target(
        variables=given.variables,
        totals=totals,
        codes=np.where(codes < 0, 0, codes),  # only rows of weight zero have none
        unit=whole / float(given.numbers.sum()),
        of_shares=given.is_share,
    )


def _check_every_row(frame: pd.DataFrame, given: _Given, *, codes: IntArray, counted: BoolArray) -> None:
    """Raise unless every row that counts has a level, and the level a target."""
    variables = list(given.variables)
    absent = counted & frame[variables].isna().to_numpy().any(axis=1)
    if absent.any():
        raise CalibrationError(
            f"{given.called} must be known for every respondent; {given.joined} is missing for {absent.sum()}, first "
            f"in row {shown(frame.index[int(absent.argmax())])}. Impute it, or make missing a level of its own."
        )
    unmatched = counted & (codes < 0)
    if unmatched.any():
        stray = frame.loc[unmatched, variables].astype(object).value_counts()
        level = stray.index[0] if len(variables) > 1 else stray.index[0][0]
        targets = enumerate(given.numbers.index)
        near = nearest(level, [target for i, target in targets if not (counted & (codes == i)).any()])
        hint = "" if near is None else f" Nobody has {shown(near)}, which has a target: is it the same level?"
        raise CalibrationError(
            f"{given.called} must cover every level in the data; {shown(level)} (n={stray.iloc[0]}) has no target"
            f"{'' if len(stray) == 1 else f', nor have {len(stray) - 1} more'}. Add a target or recode it "
            f"before weighting.{hint}"
        )


def _check_every_level(given: _Given, codes: IntArray) -> None:
    """Raise unless every target has respondents, whose (m,) levels are given."""
    levels = given.numbers.index
    counts = np.bincount(codes, minlength=len(levels))
    if (counts == 0).any():
        raise CalibrationError(
            f"{given.called} must have respondents for every target; nobody has "
            f"{shown(levels[int((counts == 0).argmax())])}. Merge it with a neighbouring level."
        )
