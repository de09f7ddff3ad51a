"""Rows of the validation page: reference values, ours, and their difference on the scale that the tests use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import survey
from tests.reference_data import (
    COEFFICIENT,
    COVARIANCE,
    ESTIMATE,
    INTERVAL,
    P_VALUE,
    RAO_SCOTT,
    STANDARD_ERROR,
    STATISTIC,
    WALD,
    WEIGHT,
    ZERO,
    formula_names,
    labels,
)

Kind = Literal["estimate", "coefficient", "SE", "bound", "test", "p"]
TOLERANCE: Mapping[Kind, float] = {
    "estimate": max(ESTIMATE, WEIGHT),
    "coefficient": COEFFICIENT,
    "SE": 2 * STANDARD_ERROR,  # a design effect is a ratio of variances
    "bound": INTERVAL,
    "test": STATISTIC,
    "p": P_VALUE,
}
HEADINGS: Mapping[Kind, str] = {
    "estimate": "estimates, of the value",
    "coefficient": "coefficients, of their SE",
    "SE": "standard errors, of the value",
    "bound": "bounds, of the SE",
    "test": "test statistics and df, of the value",
    "p": "p-values, of the value",
}


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
    """

    kind: Kind
    reference: float
    ours: float
    difference: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """What was estimated: a group of rows, a label, and named numbers; `reason` says why one may differ more."""

    group: str
    label: str
    numbers: Mapping[str, Number]
    reason: str = ""

    @property
    def unexplained(self) -> bool:
        """Whether a difference exceeds the tolerance of its kind, and nothing says why."""
        return not self.reason and any(n.difference > TOLERANCE[n.kind] for n in self.numbers.values())


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


RowsMaker = Callable[[], Iterator[Row]]
Pair = Callable[[], tuple[float, float]]


REGISTRY = Registry()
TESTS: Mapping[str, Any] = {**RAO_SCOTT, **WALD}


# Numbers ----------------------------------------------------------------------------------------------------


def number(kind: Kind, reference: float | None, ours: float, scale: float | None = None, zero: float = 0.0) -> Number:
    """Compare two values, relative to the reference or to `scale`; below `zero` both are rounding error, and equal."""
    theirs, made = np.nan if reference is None else float(reference), float(ours)
    if abs(theirs) <= zero and abs(made) <= zero:
        return Number(kind, 0.0, 0.0, 0.0)
    if np.isnan(theirs) and np.isnan(made):
        return Number(kind, theirs, made, 0.0)
    unit = abs(theirs) if scale is None else scale
    difference = abs(made - theirs) / unit if unit > 0 else float(made != theirs)
    return Number(kind, theirs, made, np.inf if np.isnan(difference) else difference)


def together(kind: Kind, reference: ArrayLike, ours: ArrayLike, scale: ArrayLike | None = None) -> Number:
    """Many numbers as one: the root of the sum of squares, and the largest difference."""
    theirs, made = np.asarray(reference, dtype=float), np.asarray(ours, dtype=float)
    unit = np.abs(theirs) if scale is None else np.broadcast_to(np.asarray(scale, dtype=float), theirs.shape)
    gap = np.abs(made - theirs)
    difference = np.divide(gap, unit, out=np.where(gap > 0, np.inf, 0.0), where=unit > 0)
    return Number(kind, float(np.linalg.norm(theirs)), float(np.linalg.norm(made)), float(difference.max()), made.size)


def covariance(
    group: str, reference: ArrayLike, ours: ArrayLike, zero: ArrayLike | None = None, label: str = "covariance"
) -> Iterator[Row]:
    """A covariance matrix, on the scale of the standard errors; those below `zero` are rounding error."""
    expected = np.asarray(reference, dtype=float)
    if expected.size < 2:
        return
    scale = np.sqrt(np.abs(np.diag(expected)))
    floor = np.zeros_like(scale) if zero is None else np.abs(np.asarray(zero, dtype=float))
    if (scale <= floor).all():
        return
    unit = (
        np.outer(scale, scale) + (np.outer(scale, floor) + np.outer(floor, scale) + np.outer(floor, floor)) / COVARIANCE
    )
    k = len(expected)
    yield Row(group, f"{label}, {k} × {k}", {"entries": together("SE", expected, ours, unit)})


# Rows -------------------------------------------------------------------------------------------------------


def estimates(
    group: str, made: survey.Estimate, reference: Mapping[str, Any], prefix: str = "", zero: float = ZERO
) -> Iterator[Row]:
    """Rows of `svymean`, `svytotal` and their like: estimate, standard error, df and bounds where R has them.

    Standard errors below `zero` of the estimate are rounding error, of R and of us.
    """
    frame = made.tidy()
    names = list(reference["est"])
    if labels(frame) != names:
        raise ValueError(f"{group}: {labels(frame)} beside {names}")
    ends = reference["ci95"]["values"] if "ci95" in reference else None
    for i, name in enumerate(names):
        row, value, error = frame.iloc[i], reference["est"][name], reference["se"][name]
        floor = zero * abs(value)
        numbers = {
            "estimate": number("estimate", value, row["estimate"]),
            "SE": number("SE", error, row["std_error"], zero=floor),
        }
        if reference.get("df") is not None:
            numbers["df"] = number("test", reference["df"], row["df"])
        if ends is not None:
            scale = max(error, floor / INTERVAL)
            numbers["lower"] = number("bound", ends[i][0], row["conf_low"], scale)
            numbers["upper"] = number("bound", ends[i][1], row["conf_high"], scale)
        yield Row(group, prefix + name, numbers)
    if "vcov" in reference:
        content = reference["vcov"]
        matrix = content["values"] if isinstance(content, Mapping) else content
        yield from covariance(group, matrix, made.vcov, zero * made.value, prefix + "covariance")


def simple(
    group: str, label: str, made: survey.Estimate, reference: Mapping[str, Any], scale: float | None = None
) -> Row:
    """One estimate with its standard error."""
    numbers = {
        "estimate": number("estimate", reference["est"], made.value[0], scale),
        "SE": number("SE", reference["se"], made.std_error[0]),
    }
    return Row(group, label, numbers)


def by_groups(group: str, made: survey.Estimate, by: str | Sequence[str], table: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of `svyby`."""
    groups = [by] if isinstance(by, str) else list(by)
    frame = made.tidy()
    names = [n for n in table if n not in groups and n not in {"se", "_row"} and not n.startswith("se.")]
    keys = list(zip(*(frame[name].astype(str) for name in groups), labels(frame), strict=True))
    where = {key: i for i, key in enumerate(keys)}
    for j, cell in enumerate(zip(*(map(str, table[name]) for name in groups), strict=True)):
        for name in names:
            row = frame.iloc[where[(*cell, name)]]
            error = table[f"se.{name}" if f"se.{name}" in table else "se"][j]
            numbers = {
                "estimate": number("estimate", table[name][j], row["estimate"]),
                "SE": number("SE", error, row["std_error"], zero=ZERO * abs(table[name][j])),
            }
            yield Row(group, f"{name} | {', '.join(cell)}".replace("|", "·"), numbers)


def interval(
    group: str, label: str, made: survey.Estimate, level: str, reference: Mapping[str, Any], reason: str = ""
) -> Row:
    """One answer's share with its interval, as `svyciprop`; R's bounds are not compared where it has no variance."""
    (row,) = (row for row in made.tidy().to_dict("records") if str(row["level"]) == level)
    error = float(reference["se"] if "se" in reference else np.sqrt(reference["var"]))
    numbers = {
        "estimate": number("estimate", reference["est"], row["estimate"]),
        "SE": number("SE", error, row["std_error"], zero=ZERO),
    }
    if error > ZERO:
        numbers["lower"] = number("bound", reference["ci"][0], row["conf_low"], error)
        numbers["upper"] = number("bound", reference["ci"][1], row["conf_high"], error)
    return Row(group, label, numbers, reason)


def independence(
    group: str, label: str, made: survey.TestResult, reference: Mapping[str, Any], answered: float = 1.0
) -> Row:
    """A test of independence; R's Pearson statistic is scaled to those who answered, as ours."""
    (statistic,), degrees = reference["statistic"].values(), list(reference["parameter"].values())
    expected = statistic * answered if "X-squared" in reference["statistic"] else statistic
    numbers = {
        "statistic": number("test", expected, made.statistic),
        "df": number("test", degrees[0], made.df1),
    }
    if len(degrees) > 1:
        numbers["denominator df"] = number("test", degrees[1], made.df2)
    numbers["p"] = number("p", reference["p.value"], made.p_value)
    return Row(group, label, numbers)


def fit(group: str, made: survey.OrdinalFit, reference: Mapping[str, Any], reason: str = "") -> Iterator[Row]:
    """An ordinal regression: slopes and thresholds with their standard errors, covariance, log-likelihood."""
    slopes, thresholds = reference["coef"], list(reference["zeta"].values())
    errors = reference["se"]
    error = np.array(list(errors.values() if isinstance(errors, Mapping) else errors), dtype=float)
    names, k = formula_names(str(name) for name in made.params.index), len(slopes)
    order = [names.index(name) for name in slopes] + list(range(k, k + len(thresholds)))
    expected = [*slopes.values(), *thresholds]
    shown = [*slopes, *(f"threshold {i + 1}" for i in range(len(thresholds)))]
    for i, (position, name) in enumerate(zip(order, shown, strict=True)):
        numbers = {
            "estimate": number("coefficient", expected[i], made.params.iloc[position], error[i]),
            "SE": number("SE", error[i], made.bse.iloc[position]),
        }
        yield Row(group, name, numbers, reason)
    if "vcov" in reference:
        content = reference["vcov"]
        matrix = content["values"] if isinstance(content, Mapping) else content
        yield from covariance(group, matrix, np.asarray(made.vcov)[np.ix_(order, order)])
    if "deviance" in reference:
        value = number("estimate", -reference["deviance"] / 2, made.log_likelihood)
        yield Row(group, "log-likelihood", {"estimate": value}, reason)


def quantiles(
    group: str, made: survey.Estimate, table: Sequence[Sequence[Any]], shares: Sequence[float]
) -> Iterator[Row]:
    """Quantiles with their bounds and standard errors; null in the reference is NaN."""
    frame = made.tidy()
    for i, p in enumerate(shares):
        row = frame.iloc[i]
        ours = [row["estimate"], row["conf_low"], row["conf_high"], row["std_error"]]
        theirs = [np.nan if entry is None else float(entry) for entry in table[i]]
        kinds: Sequence[Kind] = ("estimate", "bound", "bound", "SE")
        parts = zip(("estimate", "lower", "upper", "SE"), kinds, theirs, ours, strict=True)
        yield Row(group, f"{p}", {name: number(kind, r, o) for name, kind, r, o in parts})


def t_rows(group: str, label: str, made: survey.TestResult, reference: Mapping[str, Any], shift: float = 0.0) -> Row:
    """A t test; `shift` is what R subtracted from its estimate."""
    (statistic,), (df,), (value,) = (reference[part].values() for part in ("statistic", "parameter", "estimate"))
    ours = made.estimate.value[0] if made.estimate is not None else np.nan
    numbers = {
        "estimate": number("estimate", value + shift, ours),
        "statistic": number("test", statistic, made.statistic),
        "df": number("test", df, made.df1),
        "p": number("p", reference["p.value"], made.p_value),
    }
    return Row(group, label, numbers)


def rank_row(group: str, label: str, made: survey.TestResult, reference: Mapping[str, Any]) -> Row:
    """A rank test; of several groups R names the chi-square as parameter and its df as statistic."""
    if "estimate" in reference:
        return t_rows(group, label, made, reference)
    numbers = {
        "chi-square": number("test", reference["parameter"]["Chisq"], made.wald_chisq or np.nan),
        "df": number("test", reference["statistic"]["df"], made.df1),
        "p": number("p", reference["p.value"], made.p_value),
    }
    return Row(group, label, numbers)


def brant_row(label: str, made: survey.OrdinalFit, reference: Mapping[str, Any]) -> Row:
    """The design-based test of parallel lines."""
    result = made.parallel_lines_test(method="brant")
    numbers = {
        "Wald": number("test", reference["wald_chisq"], float(result.wald_chisq or 0)),
        "adjusted F": number("test", reference["F_adj"], result.statistic),
        "p": number("p", reference["p_F_adj"], result.p_value),
    }
    return Row("Brant's test", label, numbers)


def frame_of(table: Mapping[str, Any], index: str) -> pd.DataFrame:
    """An R table as a frame, by one of its columns."""
    return pd.DataFrame(dict(table)).set_index(index)
