"""Estimates in sentences: what the prose of a report prints, and how.

Every function takes an estimate with its interval, as the tidy frames have it, and prints "[u]" for one that
the suppression rule hides. They are the filters of the report's template.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from survey import printing
from survey.errors import SurveyError
from survey.tidy import UNRELIABLE

if TYPE_CHECKING:
    from markupsafe import Markup

NBSP = "\N{NO-BREAK SPACE}"
EN_DASH = "\N{EN DASH}"
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)

Direction = Literal["higher", "lower", "no detectable difference"]
Reported = Mapping[str, object]  # one estimate: `estimate`, `conf_low`, `conf_high`, `n`, `shown`, ...

# What Markdown or HTML give a meaning, as entities, which both print as the mark itself.
_ENTITIES = str.maketrans({mark: f"&#{ord(mark)};" for mark in "&<>\\`*_[]{}~^$|#@"})


_DATE = re.compile(r"\b((?:19|20)\d\d)-(0[1-9]|1[0-2])(?:-(\d\d))?\b")
_DATE_OR_DASH = re.compile(_DATE.pattern + r"|(?<=\d)-(?=\d)")


def direction_words(estimate: float, conf_low: float, conf_high: float) -> Direction:
    """Say which way a difference goes, if its interval excludes zero.

    Parameters
    ----------
    estimate, conf_low, conf_high : a difference and the bounds of its interval.
    """
    if math.isfinite(conf_low) and math.isfinite(conf_high) and not conf_low <= 0 <= conf_high:
        return "higher" if estimate > 0 else "lower"
    return "no detectable difference"


def direction(record: Reported) -> Direction:
    """`direction_words` of an estimated difference."""
    return direction_words(*(_number(record, key) for key in ("estimate", "conf_low", "conf_high")))


def is_shown(record: Reported) -> bool:
    """Whether the suppression rule lets the estimate be printed; estimates that it does not judge are."""
    return bool(record.get("shown", True))


def percent(value: float | Reported, digits: int = 0) -> str:
    """A share: "80%", "<0.5%", or "[u]" where it may not be shown."""
    return _printed(value, lambda share: printing.percent(share, digits))


def points(value: float | Reported, digits: int = 0) -> str:
    """A difference of shares without its sign: "12 points", "1 point", "less than 0.5 points"."""
    return _printed(value, lambda difference: _size(difference, digits))


def signed_points(value: float | Reported, digits: int = 1) -> str:
    """A difference of shares for a table: "+12.3", "−0.4"."""
    return _printed(value, lambda difference: printing.number(100 * difference, digits, sign=True))


def odds_ratio(value: float | Reported) -> str:
    """An odds ratio to three meaningful digits: "0.74", "1.32", "12.5", "148"."""
    return _printed(value, lambda ratio: printing.number(ratio, 0 if ratio >= 100 else 1 if ratio >= 10 else 2))


def decimal(value: float | Reported, digits: int = 2, sign: bool = False) -> str:
    """A number with a fixed count of decimals."""
    return _printed(value, lambda number: printing.number(number, digits, sign))


def count(value: float | Reported) -> str:
    """A count: "2,209"; of an estimate, its base."""
    return printing.number(_number(value, "n") if isinstance(value, Mapping) else float(value))


def large(value: float) -> str:
    """A count in a sentence: "160 million", "7.7 million", "240,000"."""
    if value < 1e6:
        return printing.number(value)
    millions = printing.round_half_up(value / 1e6, 1)
    return f"{printing.number(millions, 0 if millions == int(millions) else 1)} million"


def p_value(value: float | Reported) -> str:
    """A p value with its sign: "p = 0.031", "p < 0.001"."""
    text = printing.p_value(_number(value, "p_value") if isinstance(value, Mapping) else float(value))
    sign, number = ("<", text[1:]) if text.startswith("<") else ("=", text)
    return f"p{NBSP}{sign}{NBSP}{number}"


def interval(
    record: Reported,
    form: Literal["percent", "points", "odds_ratio", "decimal"] = "percent",
    digits: int = 0,
) -> str:
    """The interval of an estimate: "78–82%", "5 to 12 points", "1.10–1.52".

    A bound that is not zero, or of an odds ratio not one, is never printed as such: both bounds then have as many
    decimals as it takes.
    """
    if not is_shown(record):
        return UNRELIABLE
    bounds = [_number(record, key) for key in ("conf_low", "conf_high")]
    if form == "points":
        shown = printing.telling_digits([100 * bound for bound in bounds], 0.0, digits)
        return "{} to {} points".format(*(printing.number(100 * bound, shown) for bound in bounds))
    if form == "odds_ratio":
        shown = printing.telling_digits(bounds, 1.0, 2)
        texts = [printing.number(bound, shown) if shown > 2 else odds_ratio(bound) for bound in bounds]
        return printing.interval(*texts)
    printed = {"percent": percent, "decimal": decimal}
    return printing.interval(*(printed[form](bound, digits) for bound in bounds))


def base(record: Reported, form: Literal["percent", "points"] = "percent") -> str:
    """What stands behind an estimate, in brackets: "(78–82%; n = 2,209)"."""
    number = f"n{NBSP}={NBSP}{count(record)}"
    return f"({interval(record, form)}; {number})" if is_shown(record) else f"({number})"


def dates(text: str) -> str:
    """Dates in words: "2018-02 to 2018-04" is "February 2018 to April 2018"."""
    return _DATE.sub(
        lambda date: (f"{int(date[3])} " if date[3] else "") + f"{MONTHS[int(date[2]) - 1]} {date[1]}", text
    )


def dashes(text: str) -> str:
    """Ranges with the dash that belongs there: "aged 14-65" is "aged 14–65"; dates stay."""
    return _DATE_OR_DASH.sub(lambda found: found[0] if found[1] else EN_DASH, text)


def lower_first(text: str) -> str:
    """A label inside a sentence: "Urban" is "urban"; "Sesame Credit" and "BA" keep their capitals."""
    first, *others = text.split(" ")
    if first[1:] != first[1:].lower() or any(word[:1].isupper() for word in others):
        return text
    return " ".join((first.lower(), *others))


def upper_first(text: str) -> str:
    """A label at the start of a sentence."""
    return text[:1].upper() + text[1:]


def listing(items: Iterable[object], word: str = "and") -> str:
    """Several names as a phrase: "age, gender and region"."""
    names = [str(item) for item in items]
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def as_text(value: object) -> Markup:
    """A value as text that neither Markdown nor HTML reads as markup; unrounded numbers are refused."""
    from markupsafe import Markup

    if isinstance(value, Markup):
        return value
    if value is None or isinstance(value, float | Mapping):
        raise SurveyError(
            f"`results` must be printed by a filter that rounds; found {value!r} printed as it is. "
            "Use percent, points, count, decimal, p_value, odds_ratio or interval."
        )
    return Markup(str(value).translate(_ENTITIES))


def code(text: str) -> Markup:
    """A formula, file or function as it is written."""
    from markupsafe import Markup

    return Markup(f"<code>{as_text(text)}</code>")


FILTERS: Mapping[str, Callable[..., object]] = {
    function.__name__: function
    for function in (
        *(percent, points, signed_points, odds_ratio, decimal, count, large, p_value, interval, base),
        *(direction, lower_first, upper_first, listing, dates, dashes, code),
    )
}


def _number(record: Reported, key: str) -> float:
    """One number of an estimate."""
    value = record.get(key)
    if isinstance(value, str) or not hasattr(value, "__float__"):
        raise SurveyError(
            f"`results` must give every printed estimate its `{key}`; found {value!r} in the one with the "
            f"keys {', '.join(sorted(record))}. Pass it on from the tidy frame."
        )
    return float(value)


def _printed(value: float | Reported, form: Callable[[float], str]) -> str:
    """A bare number, or the estimate of a record if it may be shown."""
    if not isinstance(value, Mapping):
        return form(float(value))
    return form(_number(value, "estimate")) if is_shown(value) else UNRELIABLE


def _size(difference: float, digits: int) -> str:
    """A size in percentage points, in words that fit a sentence."""
    if printing.round_half_up(100 * difference, digits) == 0:
        half = printing.number(0.5 * 10.0**-digits, digits + 1)
        return f"less than {half} points"
    text = printing.number(abs(100 * difference), digits)
    return f"{text} point" if text == "1" else f"{text} points"
