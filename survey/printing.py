"""Numbers and names as they are printed.

Rounding is half up, from the decimal digits that a reader would see. A computed share carries rounding
error in its last bits, so that one half may be stored as 0.49999999999999994: values are therefore read to
twelve significant digits first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from survey.tidy import NOT_AVAILABLE

MORE = 3  # decimals that are added at most
SIGNIFICANT = 12  # digits kept before rounding; the ones behind are rounding error of sums of weights
MINUS = "\N{MINUS SIGN}"
PER_UNIT = "per unit"  # stands for the level of a number


def round_half_up(value: float, digits: int = 0) -> float:
    """The value rounded to `digits` decimals, halves away from zero.

    Parameters
    ----------
    value : number to round; NaN and infinities come back as they are.
    digits : decimals to keep; negative ones round to tens, hundreds, ...

    Returns
    -------
    Nearest float to the rounded decimal number; never a negative zero.
    """
    if not math.isfinite(value):
        return float(value)
    return float(_rounded(value, digits)) + 0.0


def percent(share: float, digits: int = 0, sign: bool = False) -> str:
    """A share as a percentage: 0.125 is "13%".

    A share above 0 that would print as 0 is "<0.5%", and one below 1 that would print as 100 is ">99.5%",
    so that "0%" means nobody and "100%" means everybody. NaN is "[x]", not available.

    Parameters
    ----------
    share : proportion, or difference of proportions.
    digits : decimals of the percentage.
    sign : print "+" before a positive value, as differences have it; "<0.5%" is then not used.
    """
    if math.isnan(share):
        return NOT_AVAILABLE
    half = Decimal(5).scaleb(-digits - 1)
    exact = _digits(share) * 100
    if not sign:
        if 0 < exact < half and share > 1e-12:
            return f"<{half}%"
        if 100 - half < exact < 100:
            return f">{100 - half}%"
    return f"{_plain(exact, digits, sign)}%"


def number(value: float, digits: int = 0, sign: bool = False) -> str:
    """A number with thousands separated by commas: 2209.0 is "2,209"; NaN is "[x]"."""
    if math.isnan(value):
        return NOT_AVAILABLE
    if math.isinf(value):
        return "\N{INFINITY}" if value > 0 else f"{MINUS}\N{INFINITY}"
    return _plain(_digits(value), digits, sign)


def telling_digits(bounds: Iterable[float], none: float, digits: int) -> int:
    """Decimals with which no bound that differs from the value of no effect is printed like it; a few more at most."""
    values = [bound for bound in bounds if math.isfinite(bound) and bound != none]
    enough = (more for more in range(digits, digits + MORE) if all(round_half_up(v, more) != none for v in values))
    return next(enough, digits + MORE)


def p_value(value: float) -> str:
    """A p value to three decimals, "<0.001" below."""
    if math.isnan(value):
        return NOT_AVAILABLE
    return "<0.001" if value < 0.001 else number(value, 3)


def interval(low: str, high: str) -> str:
    """Two printed bounds: "12% to 15%" is "12–15%", unless a sign makes a dash ambiguous."""
    if low == high == NOT_AVAILABLE:
        return NOT_AVAILABLE
    if any(mark in low + high for mark in (MINUS, "+", "<", ">")):
        return f"{low} to {high}"
    return f"{low.removesuffix('%')}\N{EN DASH}{high}" if high.endswith("%") else f"{low}\N{EN DASH}{high}"


def term_and_level(term: str) -> tuple[str, str]:
    """Variable and level in the name of a coefficient: "income[T.High]" is ("income", "High").

    An interaction gives both of each, joined by "×"; a number's own name comes with "per unit".
    """
    times = " \N{MULTIPLICATION SIGN} "
    names: list[str] = []
    levels: list[str] = []
    for part in re.split(r":(?![^\[]*\])", term):  # no colon within a level's brackets
        match = re.fullmatch(r"(.+?)\[(?:[A-Z]\.)?(.+)\]", part)
        name = match[1] if match else part
        coded = re.fullmatch(r"C\((\w+)\b.*\)", name)
        names.append(coded[1] if coded else name)
        levels += [match[2]] if match else []
    return times.join(names), times.join(levels) or PER_UNIT


def _digits(value: float) -> Decimal:
    """The value as a decimal number of twelve significant digits."""
    return Decimal(format(value, f".{SIGNIFICANT}g"))


def _rounded(value: float | Decimal, digits: int) -> Decimal:
    """The value at `digits` decimals, half away from zero."""
    exact = value if isinstance(value, Decimal) else _digits(value)
    if exact.is_zero() or exact.adjusted() > SIGNIFICANT:
        return exact  # no decimals left to round
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _plain(exact: Decimal, digits: int, sign: bool) -> str:
    """Digits with thousands separators and a typographic minus."""
    rounded = _rounded(exact, digits)
    text = f"{abs(rounded):,.{max(digits, 0)}f}"
    if rounded.is_zero():
        return text
    if rounded < 0:
        return MINUS + text
    return f"+{text}" if sign else text
