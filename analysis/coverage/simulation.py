"""Draw samples again and again, and count how often each interval holds the value of the population."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.coverage.designs import Sampling, samplings
from analysis.coverage.intervals import Bounds, Cell, intervals, truth
from analysis.coverage.populations import SEED, Population, schools, voters

EVERY = {"quantile": 4, "slope": 4}  # these take longest: every fourth sample
SLACK = 1e-9  # of a value: a bound that is the value itself, but for rounding, holds it


def simulate(population: Population, sampling: Sampling, seed: Sequence[int], replications: int) -> pd.DataFrame:
    """Draw samples and count.

    Parameters
    ----------
    population, sampling : what is drawn and how.
    seed : of this design's random stream.
    replications : samples; quantiles and slopes are estimated from a part of them.

    Returns
    -------
    One row per cell: population, design, family, quantity, interval, truth, samples, coverage, mc_error,
    too_low and too_high (intervals on one side of the truth), none (samples without an interval), width (mean).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn: dict[Cell, list[Bounds]] = {}
    for i in range(replications):
        families = {"few"} if sampling.few else {family for family, step in EVERY.items() if i % step == 0}
        for cell, bounds in intervals(sampling.draw(rng), population, families).items():
            drawn.setdefault(cell, []).append(bounds)
    values = truth(population, list(drawn))
    names = {"population": population.name, "design": sampling.name}
    return pd.DataFrame([names | counted(cell, ends, values[cell]) for cell, ends in drawn.items()])


def counted(cell: Cell, ends: Sequence[Bounds], value: float) -> dict[str, object]:
    """How the intervals of one cell lie to the value of the population."""
    low, high = np.array(ends, dtype=float).T
    none = np.isnan(low) | np.isnan(high)
    slack = SLACK * abs(value)
    share = float(((low <= value + slack) & (high >= value - slack)).mean())
    return {
        "family": cell.family,
        "quantity": cell.quantity,
        "interval": cell.interval,
        "truth": value,
        "samples": low.size,
        "coverage": share,
        "mc_error": float(np.sqrt(share * (1 - share) / low.size)),
        "too_low": float((high < value - slack)[~none].sum() / low.size),
        "too_high": float((low > value + slack)[~none].sum() / low.size),
        "none": float(none.mean()),
        "width": float(np.mean((high - low)[~none])) if not none.all() else np.nan,
    }


def study(replications: int) -> tuple[list[Population], pd.DataFrame]:
    """Simulate every design of both populations, with progress on stderr."""
    populations = [schools(), voters()]
    parts = []
    for i, population in enumerate(populations):
        for j, sampling in enumerate(samplings(population)):
            start = time.perf_counter()
            parts.append(simulate(population, sampling, (SEED, i, j), replications=replications))
            print(f"{population.name}, {sampling.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return populations, pd.concat(parts, ignore_index=True)
