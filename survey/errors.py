"""The exception tree: everything the package refuses to do is a `SurveyError`.

A message has three parts: the argument in backticks and the rule it broke; what was found, and where;
what to do about it.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable
from typing import TypeVar

Named = TypeVar("Named")
MOST_NAMED = 20  # names that a message lists
MOST_SHOWN = 100  # characters of a value that a message shows
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = MOST_SHOWN
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = _BRIEF.maxset = 6
_BRIEF.maxlevel = 3


class SurveyError(ValueError):
    """Anything the package refuses to compute; the base of all its errors."""

    def __str__(self) -> str:
        """Message, in which nothing that came from a file steers the terminal."""
        return visible(super().__str__())


class CodebookError(SurveyError):
    """A codebook contradicts itself, or does not describe the item asked for."""


class RecordsError(SurveyError):
    """Respondent records break their codebook; the message lists every failure.

    Attributes
    ----------
    failures : tuple of (row, item, value, rule), one per bad value, in file order.
    """

    def __init__(self, message: str, failures: tuple[tuple[object, str, object, str], ...] = ()) -> None:
        super().__init__(message)
        self.failures = failures


class DesignError(SurveyError):
    """Weights, strata, PSUs or population sizes that no design can have."""


class LonelyPSUError(DesignError):
    """A stratum has a single PSU, so that its variance cannot be estimated."""


class CalibrationError(SurveyError):
    """Margins that cannot be met, or that do not fit the data."""


class EstimationError(SurveyError):
    """A statistic or model that the data cannot support."""


class SeparationError(EstimationError):
    """A predictor separates the answers, so that its coefficient is infinite."""


class ConvergenceError(EstimationError):
    """An iteration stopped before it met its tolerance."""


class DisclosureError(SurveyError):
    """A result that would show too few respondents."""


class InstallationError(SurveyError, ImportError):
    """Files of another distribution lie among those of the package."""


def visible(text: str) -> str:
    """Text in which nothing steers a terminal or turns the order of letters: such characters are shown as escapes.

    Lines and tabs stay; U+001B begins the colours and commands of a terminal, U+202E shows what follows backwards.
    """
    return _STEERING.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def clipped(text: str, longest: int = MOST_SHOWN) -> str:
    """Text of which a message shows the beginning, where it is long."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def brief_value(value: object) -> str:
    """`repr` of anything, of which long or deep values show their beginning only."""
    return _BRIEF.repr(value)


def shown(value: object) -> str:
    """A value as a message prints it: `repr`, without the wrapping of numpy scalars, alone or in a tuple or list."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        parts = [shown(part) for part in value[:MOST_NAMED]] + ["..."] * (len(value) > MOST_NAMED)
        return f"[{', '.join(parts)}]" if isinstance(value, list) else f"({', '.join(parts)}{',' * (len(parts) == 1)})"
    item = getattr(value, "item", None)
    return brief_value(item() if callable(item) and not isinstance(value, str) else value)


def some(names: Iterable[object]) -> str:
    """The first twenty names of a list, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - MOST_NAMED} more" if len(listed) > MOST_NAMED else ""
    return f"[{', '.join(map(brief_value, listed[:MOST_NAMED]))}]{more}"


def nearest(word: object, candidates: Iterable[Named]) -> Named | None:
    """Find the candidate that a mistyped word most likely stands for."""
    by_fold = {str(name).strip().casefold(): name for name in reversed(list(candidates))}
    near = difflib.get_close_matches(str(word).strip().casefold(), list(by_fold), n=1, cutoff=0.6)
    return by_fold[near[0]] if near else None


def did_you_mean(word: object, candidates: Iterable[object]) -> str:
    """Return " Did you mean 'x'?" for the candidate nearest to a word, or nothing."""
    near = nearest(word, candidates)
    return "" if near is None else f" Did you mean {shown(near)}?"
