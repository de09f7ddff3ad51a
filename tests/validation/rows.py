"""Rows of the validation page: reference values, ours, and their difference on the scale that the tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tests.reference_data import (
    COEFFICIENT,
    COVARIANCE,
    ESTIMATE,
    INTERVAL,
    P_VALUE,
    STANDARD_ERROR,
    STATISTIC,
    WEIGHT,
)
from tests.sources import sources

Kind = Literal["estimate", "coefficient", "SE", "deff", "bound", "test", "p"]
TOLERANCE: Mapping[Kind, float] = {
    "estimate": max(ESTIMATE, WEIGHT),
    "coefficient": COEFFICIENT,
    "SE": STANDARD_ERROR,
    "deff": 2 * STANDARD_ERROR,  # a variance is a square
    "bound": INTERVAL,
    "test": STATISTIC,
    "p": P_VALUE,
}
HEADINGS: Mapping[Kind, str] = {
    "estimate": "estimates, of the value",
    "coefficient": "coefficients, of their SE",
    "SE": "standard errors, of the value",
    "deff": "variances and design effects, of the value",
    "bound": "bounds, of the SE",
    "test": "test statistics and df, of the value",
    "p": "p-values, of the value",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why R and we differ more than the tolerance, and how much at most, on the scale of the kind of the number.

    `p_limit` is that of p-values, which go with the exponential of a statistic.
    """

    text: str
    limit: float
    p_limit: float = 0.0

    def allows(self, kind: Kind) -> float:
        """Largest difference of a number of a kind."""
        return max(self.limit, self.p_limit) if kind == "p" else self.limit


@dataclass(frozen=True, slots=True)
class Number:
    """One reference value beside ours.

    Attributes
    ----------
    kind : decides the tolerance and the column of the summary.
    reference, ours : the two values.
    difference : relative, on the scale of the kind.
    count : how many numbers it stands for; then both values are the root of their sum of squares, and the difference
        is the largest of theirs.
    sources : entries of the shared results that the reference value is.
    """

    kind: Kind
    reference: float
    ours: float
    difference: float
    count: int = 1
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Row:
    """What was estimated: a group of rows, a label, and named numbers.

    `reason` says why a number may differ more than the tolerance of its kind; `tight` holds all to a smaller one.
    """

    group: str
    label: str
    numbers: Mapping[str, Number]
    reason: Reason | None = None
    tight: float = np.inf

    @property
    def unexplained(self) -> bool:
        """Whether a difference exceeds what is allowed."""
        return any(n.difference > self.allowed(n.kind) for n in self.numbers.values())

    def over(self, number: Number) -> bool:
        """Whether a number differs more than it should, reason or not."""
        return number.difference > min(TOLERANCE[number.kind], self.tight)

    def allowed(self, kind: Kind) -> float:
        """Largest difference of a number of a kind."""
        return max(min(TOLERANCE[kind], self.tight), self.reason.allows(kind) if self.reason else 0.0)


@dataclass(frozen=True, slots=True)
class Section:
    """A data set under a design, or several.

    Attributes
    ----------
    title, text : heading and description.
    rows : makes the rows.
    needs : folder of shared results that must be there; None if everything is in the repository.
    """

    title: str
    text: str
    rows: Callable[[], Iterator[Row]]
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something that R does and we deliberately do not.

    Attributes
    ----------
    title, text : what R does, and what we do and why.
    example : what is estimated.
    numbers : makes R's value and ours.
    needs : folder of shared results that must be there.
    """

    title: str
    text: str
    example: str
    numbers: Callable[[], tuple[float, float]]
    needs: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """Sections and deviations in the order of the page."""

    sections: list[Section] = field(default_factory=list)
    deviations: list[Deviation] = field(default_factory=list)

    def section(self, title: str, text: str, needs: str | None = None) -> Callable[[RowsMaker], RowsMaker]:
        """Register the function that makes the rows of a section."""

        def register(rows: RowsMaker) -> RowsMaker:
            self.sections.append(Section(title, text, rows, needs))
            return rows

        return register

    def deviation(self, title: str, text: str, example: str, needs: str | None = None) -> Callable[[Pair], Pair]:
        """Register the function that gives R's value and ours."""

        def register(numbers: Pair) -> Pair:
            self.deviations.append(Deviation(title, text, example, numbers, needs))
            return numbers

        return register


@cache
def made_rows(section: Section) -> tuple[Row, ...]:
    """Rows of a section, made once."""
    return tuple(section.rows())


RowsMaker = Callable[[], Iterator[Row]]
Pair = Callable[[], tuple[float, float]]


REGISTRY = Registry()


# Numbers ----------------------------------------------------------------------------------------------------


def number(kind: Kind, reference: float | None, ours: float, scale: float | None = None, zero: float = 0.0) -> Number:
    """Compare two values, relative to the reference or to `scale`; below `zero` both are rounding error, and equal."""
    theirs, made, whence = np.nan if reference is None else float(reference), float(ours), sources(reference)
    if abs(theirs) <= zero and abs(made) <= zero:
        return Number(kind, 0.0, 0.0, 0.0, sources=whence)
    if np.isnan(theirs) and np.isnan(made):
        return Number(kind, theirs, made, 0.0, sources=whence)
    unit = abs(theirs) if scale is None else scale
    difference = abs(made - theirs) / unit if unit > 0 else float(made != theirs)
    return Number(kind, theirs, made, np.inf if np.isnan(difference) else difference, sources=whence)


def together(kind: Kind, reference: ArrayLike, ours: ArrayLike, scale: ArrayLike | None = None) -> Number:
    """Many numbers as one: the root of the sum of squares, and the largest difference."""
    theirs, made = np.asarray(reference, dtype=float), np.asarray(ours, dtype=float)
    unit = np.abs(theirs) if scale is None else np.broadcast_to(np.asarray(scale, dtype=float), theirs.shape)
    gap = np.abs(made - theirs)
    difference = np.divide(gap, unit, out=np.where(gap > 0, np.inf, 0.0), where=unit > 0)
    norms = float(np.linalg.norm(theirs)), float(np.linalg.norm(made))
    return Number(kind, *norms, float(difference.max()), made.size, sources(reference))


def joined(numbers: Sequence[Number]) -> Number:
    """Several numbers of a kind as one, as `together` makes."""
    norms = (float(np.linalg.norm([n.reference for n in numbers])), float(np.linalg.norm([n.ours for n in numbers])))
    whence = frozenset[str]().union(*(n.sources for n in numbers))
    return Number(numbers[0].kind, *norms, max(n.difference for n in numbers), sum(n.count for n in numbers), whence)


def because(rows: Iterable[Row], reason: Reason | None) -> Iterator[Row]:
    """The same rows, with a reason."""
    for row in rows:
        yield replace(row, reason=reason)


def held_to(rows: Iterable[Row], tight: float) -> Iterator[Row]:
    """The same rows, with a smaller tolerance."""
    for row in rows:
        yield replace(row, tight=tight)


def covariance(
    group: str, reference: ArrayLike, ours: ArrayLike, zero: ArrayLike | None = None, label: str = "covariance"
) -> Iterator[Row]:
    """A covariance matrix, on the scale of the standard errors; those below `zero` are rounding error."""
    expected = np.atleast_2d(np.asarray(reference, dtype=float))
    scale = np.sqrt(np.abs(np.diag(expected)))
    floor = np.zeros_like(scale) if zero is None else np.abs(np.asarray(zero, dtype=float))
    if (scale <= floor).all():
        return
    unit = (
        np.outer(scale, scale) + (np.outer(scale, floor) + np.outer(floor, scale) + np.outer(floor, floor)) / COVARIANCE
    )
    k = len(expected)
    yield Row(group, f"{label}, {k} × {k}", {"entries": together("deff", reference, ours, unit)})
