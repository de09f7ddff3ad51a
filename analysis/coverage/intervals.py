"""Every kind of interval for one sample, and the values of the population that they should hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

import survey
from analysis.coverage.populations import Population

QUANTILES = (0.1, 0.5, 0.9)
ShareInterval = Literal["logit", "korn-graubard", "wilson", "beta", "asin", "wald"]
QuantileInterval = Literal["woodruff", "woodruff-logit", "woodruff-beta", "score"]
VarianceMethod = Literal["linearization", "cr2"]

Floats = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Cell:
    """What an interval is for: a family of estimates, the quantity, and the kind of interval."""

    family: str
    quantity: str
    interval: str


def intervals(design: survey.Design, population: Population, families: Collection[str]) -> dict[Cell, Bounds]:
    """Bounds of every kind of interval of the families asked for."""
    if "few" in families:
        return few_clusters(design, population)
    bounds: dict[Cell, Bounds] = {}
    whole = survey.mean(design, [*population.means, *population.shares])
    k = len(population.means)
    add(bounds, "mean", population.means, interval="t", ends=(whole.conf_low[:k], whole.conf_high[:k]))
    total = survey.total(design, list(population.totals))
    add(bounds, "total", population.totals, interval="t", ends=(total.conf_low, total.conf_high))
    for method in get_args(ShareInterval):
        low, high = share_bounds(whole, method)
        add(bounds, "share", population.shares, interval=method, ends=(low[k:], high[k:]))
    if "quantile" in families:
        names = [f"{population.quantiles_of}, {q}" for q in QUANTILES]
        for interval in get_args(QuantileInterval):
            quantiles = survey.quantile(design, population.quantiles_of, QUANTILES, interval=interval)
            add(bounds, "quantile", names, interval=interval, ends=(quantiles.conf_low, quantiles.conf_high))
    if "slope" in families:
        add(bounds, "slope", population.slopes, interval="t", ends=slope_bounds(design, population))
    return bounds


def add(
    bounds: dict[Cell, Bounds], family: str, quantities: Sequence[str], *, interval: str, ends: tuple[Floats, Floats]
) -> None:
    """Put the bounds of several quantities into `bounds`."""
    for name, low, high in zip(quantities, *ends, strict=True):
        bounds[Cell(family, name, interval)] = (low, high)


def share_bounds(shares: survey.Estimate, method: ShareInterval) -> tuple[Floats, Floats]:
    """The intervals that `survey.proportion` gives the means of columns of 0 and 1."""
    value = np.clip(shares.value, 0, 1)  # the means of other columns, whose bounds are not used
    return survey.proportion_interval(
        value, shares.std_error, n=shares.n, df=shares.df, level=shares.level, method=method
    )


def slope_bounds(design: survey.Design, population: Population) -> tuple[Floats, Floats]:
    """Bounds of the slopes; NaN where the sample separates the answers, so that there is no fit."""
    try:
        ends = survey.ordinal(population.formula, design).conf_int().loc[list(population.slopes)].to_numpy(dtype=float)
    except (survey.SeparationError, survey.ConvergenceError):
        ends = np.full((len(population.slopes), 2), np.nan)
    return ends[:, 0], ends[:, 1]


def few_clusters(design: survey.Design, population: Population) -> dict[Cell, Bounds]:
    """T intervals of means and frequent shares by linearization and by CR2."""
    names = [*population.means, population.shares[0], "urban"]
    bounds: dict[Cell, Bounds] = {}
    for kind in get_args(VarianceMethod):
        means = survey.mean(design, names, variance=kind)
        add(bounds, "few", names, interval=kind, ends=(means.conf_low, means.conf_high))
    return bounds


def truth(population: Population, cells: Sequence[Cell]) -> dict[Cell, float]:
    """Population values."""
    frame = population.frame
    ordered = np.sort(frame[population.quantiles_of].to_numpy(dtype=float))
    slopes: Mapping[Any, float] = {}
    if any(cell.family == "slope" for cell in cells):
        census = survey.ordinal(population.formula, survey.Design(frame, weight=None))
        slopes = dict(census.params.items())
    values: dict[Cell, float] = {}
    for cell in cells:
        if cell.family == "total":
            values[cell] = float(frame[cell.quantity].sum())
        elif cell.family == "quantile":
            # The smallest value that at least a share q of the population does not exceed.
            q = float(cell.quantity.split(", ")[1])
            values[cell] = float(ordered[int(np.ceil(len(frame) * q - 1e-9)) - 1])
        elif cell.family == "slope":
            values[cell] = float(slopes[cell.quantity])
        else:
            values[cell] = float(frame[cell.quantity].mean())
    return values
