"""When a proportion may be shown: the presentation standard of the US National Center for Health Statistics.

One function decides for tables, charts, prose, workbook and explorer alike. It judges how precise an
estimate is, with the Korn-Graubard 95% interval whatever interval is printed; whether a count is so small
that it would give somebody away is another question, which is not asked here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from survey.errors import EstimationError
from survey.estimation.intervals import EDGE, effective_size, proportion_interval
from survey.tidy import UNRELIABLE as UNRELIABLE
from survey.tidy import with_columns

COMPLEMENT = "complement unreliable"
REVIEW = "review"

MINIMUM_SIZE = 30  # respondents, and effective respondents
NARROW = 0.05  # an interval this narrow is always shown
WIDE = 0.30  # an interval this wide is never shown
RELATIVE = 1.30  # largest width of an interval, as a multiple of its proportion
MINIMUM_DF = 8  # below it a shown proportion is marked for review

_Floats: TypeAlias = NDArray[np.float64]


def korn_graubard(
    proportion: ArrayLike, std_error: ArrayLike, n: ArrayLike, df: ArrayLike, level: float = 0.95
) -> tuple[_Floats, _Floats, _Floats]:
    """Korn-Graubard interval of proportions, with the effective sample size it rests on.

    Parameters
    ----------
    proportion : proportions, 0 to 1.
    std_error : their standard errors.
    n : unweighted numbers of respondents.
    df : degrees of freedom of the design; infinity is allowed.
    level : confidence level.

    Returns
    -------
    (low, high, n_eff) : arrays of the common shape. n_eff is at most n, and n at a proportion of 0 or 1.

    Raises
    ------
    EstimationError : a proportion outside 0-1, or a negative standard error, base or `df`.

    References
    ----------
    Korn and Graubard (1998), Survey Methodology 24, 193-201.
    """
    low, high = proportion_interval(proportion, std_error, n, df, level=level, method="korn-graubard")
    return low, high, effective_size(proportion, std_error, n, df, level)


def presentation(
    proportion: ArrayLike, n: ArrayLike, n_eff: ArrayLike, low: ArrayLike, high: ArrayLike, df: ArrayLike
) -> pd.DataFrame:
    """Whether proportions may be shown, and with which marks.

    In this order: fewer than 30 respondents or effective respondents, not shown; interval at most .05
    wide, shown; at least .30 wide, not shown; wider than 1.3 times the proportion, not shown; otherwise
    shown. A shown proportion is marked "complement unreliable" where the interval is wider than .05 and
    than 1.3 times the complement, and "review" where `df` is below 8 or the proportion is 0 or 1.
    No width is measured against a proportion or complement of 0. A proportion that is NaN is not shown.

    Parameters
    ----------
    proportion : proportions, 0 to 1.
    n, n_eff : unweighted and effective numbers of respondents.
    low, high : Korn-Graubard 95% bounds.
    df : degrees of freedom of the design.

    Returns
    -------
    Frame with a row per proportion: `shown` (bool) and `flag` ("[u]" where not shown; marks joined by "; ").

    Raises
    ------
    EstimationError : a proportion or bound outside 0-1, bounds the wrong way round, or unfitting lengths.

    References
    ----------
    Parker and others (2017), National Center for Health Statistics, Vital and Health Statistics 2(175).
    """
    shown, flags = _verdict(proportion, n, n_eff, low, high, df)
    return pd.DataFrame({"shown": shown, "flag": pd.Series(flags, dtype=object)})


def _verdict(
    proportion: ArrayLike, n: ArrayLike, n_eff: ArrayLike, low: ArrayLike, high: ArrayLike, df: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.object_]]:
    """Whether each proportion may be shown, and its marks; see `presentation`."""
    p, base, effective, lower, upper, freedom = _columns(proportion, n, n_eff, low, high, df)
    width = upper - lower
    enough = (base >= MINIMUM_SIZE) & (effective >= MINIMUM_SIZE)
    # NaN compares as False, so that a proportion or interval that could not be estimated is not shown.
    none = p <= EDGE
    all_ = p >= 1 - EDGE
    precise = (width <= NARROW) | ((width < WIDE) & (none | (width <= RELATIVE * p)))
    shown = enough & precise & ~np.isnan(p)
    complement = shown & (width > NARROW) & ~all_ & (width > RELATIVE * (1 - p))
    review = shown & ((freedom < MINIMUM_DF) | none | all_)
    flags = [
        UNRELIABLE if not visible else "; ".join(mark for mark, set_ in ((COMPLEMENT, rest), (REVIEW, look)) if set_)
        for visible, rest, look in zip(shown, complement, review, strict=True)
    ]
    return shown, np.array(flags, dtype=object)


def judge(tidy: pd.DataFrame) -> pd.DataFrame:
    """A tidy frame of proportions with `shown` and `flag` set by the presentation standard.

    The standard's own 95% Korn-Graubard interval decides, not the `conf_low` and `conf_high` of the frame.

    Parameters
    ----------
    tidy : frame with the columns `estimate`, `std_error`, `df` and `n`, one row per proportion.

    Returns
    -------
    Copy of the frame with the columns `shown` and `flag`, replaced where they stood.

    Raises
    ------
    EstimationError : a column is missing, or a value is one that no proportion has.
    """
    missing = [name for name in ("estimate", "std_error", "df", "n") if name not in tidy.columns]
    if missing:
        raise EstimationError(
            f"`tidy` must have the columns estimate, std_error, df and n; {', '.join(missing)} "
            f"not found among {', '.join(map(str, tidy.columns))}. Pass the `.tidy()` frame of proportions."
        )
    p, se, df, n = (tidy[name].to_numpy(dtype=np.float64) for name in ("estimate", "std_error", "df", "n"))
    return with_columns(tidy, **judged(p, se, n, df))


def judged(proportion: ArrayLike, std_error: ArrayLike, n: ArrayLike, df: ArrayLike) -> dict[str, NDArray[Any]]:
    """The columns `shown` and `flag` of proportions, by their own 95% Korn-Graubard interval."""
    low, high, n_eff = korn_graubard(proportion, std_error, n, df)
    shown, flags = _verdict(proportion, n, n_eff, low, high, df)
    return {"shown": shown, "flag": flags}


def _columns(*values: ArrayLike) -> tuple[_Floats, ...]:
    """Proportion, n, n_eff, low, high and df as arrays of one length, checked."""
    try:
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in values))
    except (TypeError, ValueError) as error:
        raise EstimationError(
            f"`proportion`, `n`, `n_eff`, `low`, `high` and `df` must be numbers of one length; {error}. "
            "Pass arrays of one length, or single numbers."
        ) from error
    p, _, _, low, high, _ = arrays
    for name, array in (("proportion", p), ("low", low), ("high", high)):
        bad = (array < -EDGE) | (array > 1 + EDGE)
        if bad.any():
            place = int(np.flatnonzero(bad)[0])
            raise EstimationError(
                f"`{name}` must lie between 0 and 1; {array[place]:g} was found at position {place}. "
                "Divide percentages by 100."
            )
    if (low > high).any():
        place = int(np.flatnonzero(low > high)[0])
        raise EstimationError(
            f"`low` must not exceed `high`; {low[place]:g} and {high[place]:g} were found at position "
            f"{place}. Pass the bounds in this order."
        )
    return tuple(arrays)
