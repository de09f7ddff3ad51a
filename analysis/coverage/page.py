"""The page `docs/coverage.md`: what the coverages say, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.coverage.designs import samplings
from analysis.coverage.populations import SEED, Population
from analysis.coverage.reading import reading
from analysis.coverage.simulation import EVERY

REPORTED = 0.935  # coverage below this is marked: three Monte Carlo errors of 2,000 samples below 95%
FAMILIES = {
    "mean": "Means",
    "total": "Totals",
    "quantile": "Quantiles",
    "slope": "Slopes of ordinal regression",
    "few": "Few clusters",
}


def page(populations: Sequence[Population], results: pd.DataFrame) -> str:
    """`docs/coverage.md`."""
    samples = {family: int(results.loc[results["family"] == family, "samples"].max()) for family in ("mean", *EVERY)}
    errors = {family: 100 * np.sqrt(0.95 * 0.05 / n) for family, n in samples.items()}
    out = [
        "# Coverage of 95% intervals\n",
        "Made by `make coverage` (`python -m analysis.coverage`); do not edit. Samples are drawn again and again "
        "from two populations in which every answer is known. A coverage is the percentage of samples whose interval "
        "holds the population's value: it should be 95. A sample without an interval counts as a miss. Designs have "
        "their fpc, but for the raked respondents and the weighted towns.\n",
        f"There are {samples['mean']:,} samples of each design; quantiles are estimated from {samples['quantile']:,} "
        f"and ordinal slopes from {samples['slope']:,} of them. The Monte Carlo error (one standard error) of a "
        f"coverage of 95 is then {errors['mean']:.1f}, for quantiles {errors['quantile']:.1f}, for slopes "
        f"{errors['slope']:.1f}; the last table of each population has it for each cell. Coverages below "
        f"{100 * REPORTED:.1f} are **bold**.\n",
        f"Seeds: `numpy.random.SeedSequence(({SEED}, population, design))`, both counted from 0 in the order below; "
        f"the synthetic population itself has seed {SEED}.\n",
        "## What it says\n",
        reading(results),
    ]
    for population in populations:
        mine = results[results["population"] == population.name]
        out += [f"## {population.name}\n", population.text + "\n"]
        out.append(markdown([{"design": s.name, "sample": s.text} for s in samplings(population)]))
        for family, title in FAMILIES.items():
            part = mine[mine["family"] == family]
            if part.empty:
                continue
            out += [f"### {title}: coverage\n", by_interval(part, "coverage", percent)]
        part = mine[mine["family"] == "share"]
        out += ["### Shares: coverage by kind of interval\n", by_interval(part, "coverage", percent)]
        out += ["### Shares: mean width in percentage points\n", by_interval(part, "width", lambda w: f"{100 * w:.2f}")]
        out += [
            "### All counts\n",
            "`too low`: the interval ends below the population's value. `none`: there is no interval. All in percent "
            "of the samples; widths are means over the samples that have an interval.\n",
            f"<details><summary>{len(mine)} cells</summary>\n",
            everything(mine),
            "</details>\n",
        ]
    return "\n".join(out)


def percent(share: float) -> str:
    """A coverage; bold where it is low."""
    text = f"{100 * share:.1f}"
    return f"**{text}**" if share < REPORTED else text


def number(value: float) -> str:
    """A population value or a width, with four digits."""
    if np.isnan(value):
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def markdown(lines: Sequence[Mapping[str, str]]) -> str:
    """A table in Markdown; every row has the columns of the first."""
    columns = list(lines[0])
    table = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    table += ["| " + " | ".join(line[column] for column in columns) + " |" for line in lines]
    return "\n".join(table) + "\n"


def by_interval(part: pd.DataFrame, column: str, shown: Callable[[float], str]) -> str:
    """A row per design and quantity, a column per kind of interval."""
    lines = []
    for (design, quantity), group in part.groupby(["design", "quantity"], sort=False):
        line = {"design": str(design), "quantity": str(quantity), "population value": number(group["truth"].iloc[0])}
        line |= {str(kind): shown(value) for kind, value in zip(group["interval"], group[column], strict=True)}
        lines.append(line)
    return markdown(lines)


def everything(part: pd.DataFrame) -> str:
    """Every cell with all that was counted."""
    return markdown(
        [
            {
                "design": row["design"],
                "quantity": row["quantity"],
                "interval": row["interval"],
                "population value": number(row["truth"]),
                "samples": f"{row['samples']:,}",
                "coverage": percent(row["coverage"]),
                "± error": f"{100 * row['mc_error']:.1f}",
                "too low": f"{100 * row['too_low']:.1f}",
                "too high": f"{100 * row['too_high']:.1f}",
                "none": f"{100 * row['none']:.1f}",
                "mean width": number(row["width"]),
            }
            for row in part.to_dict("records")
        ]
    )
