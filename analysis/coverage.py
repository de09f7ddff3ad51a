"""Simulate how often 95% intervals cover what they estimate: `make coverage` writes `docs/coverage.md`.

Samples are drawn again and again from two populations in which every answer is known, and analysed by the public
functions of `survey`. A number in the page is the share of the samples whose interval holds the population's value.

Run as `python -m analysis.coverage [--output PATH] [--replications N]`. The seed is fixed; each design has a random
stream of its own, so that a design can be added without changing the others.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import survey
from survey.estimation import INTERVAL_METHODS, IntervalMethod, QuantileInterval, VarianceMethod, proportion_interval

ROOT = Path(__file__).resolve().parents[1]
SCHOOLS = ROOT / "tests" / "reference" / "apipop.csv"
SEED = 20180223
REPLICATIONS = 2000
EVERY = {"quantile": 4, "slope": 4}  # these take longest: every fourth sample
QUANTILES = (0.1, 0.5, 0.9)
QUANTILE_INTERVALS: tuple[QuantileInterval, ...] = ("woodruff", "woodruff-logit", "woodruff-beta", "score")
REPORTED = 0.935  # coverage below this is marked: three Monte Carlo errors of 2,000 samples below 95%
FEW_TOWNS = (6, 12, 24)
GIANTS = ("15 districts", "40 districts")
RARE = 0.05  # shares below this are called rare
TOWNS = {"North": 160, "East": 120, "South": 80, "West": 40}
AGES, EDUCATION = ("18-29", "30-44", "45-59", "60+"), ("basic", "middle", "high")

Floats = NDArray[np.float64]
Bounds = tuple[float, float]
Draw = Callable[[np.random.Generator], survey.Design]


@dataclass(frozen=True, slots=True)
class Cell:
    """What an interval is for: a family of estimates, the quantity, and the kind of interval."""

    family: str
    quantity: str
    interval: str


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Everybody, with the questions that are asked of a sample.

    Attributes
    ----------
    name, text : title and description.
    frame : one row per member.
    means, totals : numeric columns.
    shares : columns of 0 and 1.
    quantiles_of : numeric column.
    formula : ordinal model; its population value is the fit to everybody.
    slopes : its slopes, named as the fit names them.
    """

    name: str
    text: str
    frame: pd.DataFrame
    means: tuple[str, ...]
    totals: tuple[str, ...]
    shares: tuple[str, ...]
    quantiles_of: str
    formula: str
    slopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """A way to draw and analyse a sample.

    Attributes
    ----------
    name, text : title and description.
    draw : makes the design of one sample.
    few : whether it is there to compare variances with few clusters, and nothing else.
    """

    name: str
    text: str
    draw: Draw
    few: bool = False


# Populations ------------------------------------------------------------------------------------------------


def schools() -> Population:
    """California schools with known enrolment."""
    frame = pd.read_csv(SCHOOLS).dropna(subset="enroll").reset_index(drop=True)
    for column in ("stype", "sch.wide"):
        frame[column] = frame[column].astype("category")
    for name, above in {"api00 > 761": 761, "api00 > 850": 850, "api00 > 900": 900, "api00 > 915": 915}.items():
        frame[name] = (frame["api00"] > above).astype(float)
    groups = pd.cut(frame["meals"], [-1, 25, 50, 75, 100], labels=["0-25", "26-50", "51-75", "76-100"], ordered=True)
    frame["meals_group"] = groups
    size = frame["dnum"].map(frame["dnum"].value_counts())
    frame["district_size"] = pd.cut(size, [0, 5, 49, 10_000], labels=["1-5", "6-49", "50+"]).astype(str)
    frame["all"] = "all"
    return Population(
        "Schools",
        f"{len(frame):,} California schools of {frame['dnum'].nunique()} districts, Academic Performance Index 2000 "
        "(`apipop` of R's package `survey`, without the 37 schools of unknown enrolment). `api00` is near normal, "
        "`enroll` is skewed; districts differ in size from 1 to 552 schools. The ordinal model is the share of pupils "
        "with subsidized meals in four groups, by English learners (`ell`), `api99` and type of school.",
        frame,
        ("api00", "enroll"),
        ("enroll",),
        ("api00 > 761", "api00 > 850", "api00 > 900", "api00 > 915"),
        "api00",
        "meals_group ~ ell + api99 + stype",
        ("ell", "api99", "stype[T.H]", "stype[T.M]"),
    )


def voters() -> Population:
    """Synthetic adults in 400 towns, with an approval item that follows an ordered logit."""
    rng = np.random.default_rng(SEED)
    region_of_town = np.repeat(list(TOWNS), list(TOWNS.values()))
    size = np.clip(np.round(rng.lognormal(4.2, 0.6, region_of_town.size)), 30, 600).astype(int)
    urban = rng.random(size.size) < np.where(size > np.median(size), 0.7, 0.2)
    mood, rare = rng.normal(0, 0.45, size.size), rng.normal(0, 0.5, size.size)
    town = np.repeat(np.arange(size.size), size)
    n = town.size
    age = rng.choice(len(AGES), n, p=(0.22, 0.27, 0.26, 0.25))
    education = np.clip(rng.choice(3, n, p=(0.35, 0.42, 0.23)) + (rng.random(n) < 0.2 * urban[town]), 0, 2)
    predictor = 0.25 * age - 0.35 * education - 0.3 * urban[town] + mood[town]
    answers = ("strongly disapprove", "disapprove", "neither", "approve", "strongly approve")
    latent = predictor + rng.logistic(size=n)
    log_income = 7.6 + 0.25 * education + 0.1 * urban[town] + 0.2 * mood[town] + rng.normal(0, 0.55, n)
    frame = pd.DataFrame(
        {
            "town": town,
            "region": pd.Categorical(region_of_town[town], categories=list(TOWNS)),
            "urban": urban[town].astype(float),
            "age": pd.Categorical.from_codes(age, dtype=pd.CategoricalDtype(list(AGES))),
            "age_code": age.astype(float),
            "education": pd.Categorical.from_codes(education, dtype=pd.CategoricalDtype(list(EDUCATION))),
            "rating": np.clip(np.round(50 + 12 * predictor + rng.normal(0, 20, n)), 0, 100),
            "income": np.round(np.exp(log_income), -2),
            "approval": pd.Categorical.from_codes(
                np.searchsorted([-1.6, -0.6, 0.3, 1.6], latent), dtype=pd.CategoricalDtype(list(answers), ordered=True)
            ),
        }
    )
    frame["approves"] = frame["approval"].isin(answers[3:]).astype(float)
    for name, base in {"in 10%": -2.35, "in 2%": -4.15, "in 1%": -4.9}.items():
        chance = 1 / (1 + np.exp(-(base + rare[town] + 0.4 * (age == 0))))
        frame[name] = (rng.random(n) < chance).astype(float)
    return Population(
        "Voters",
        f"{n:,} **synthetic** adults in {size.size} towns of four regions, made by `analysis/coverage.py` (seed "
        f"{SEED}). `rating` is a 0-100 thermometer, `income` is skewed and rounded to 100, `approval` follows an "
        "ordered logit with a random effect of the town (standard deviation .45), and three traits that some towns "
        "have more of than others are held by about 10%, 2% and 1%. The ordinal model is approval by age group "
        "(0-3), education and urbanity.",
        frame,
        ("rating", "income"),
        ("income",),
        ("approves", "in 10%", "in 2%", "in 1%"),
        "income",
        "approval ~ age_code + education + urban",
        ("age_code", "education[T.middle]", "education[T.high]", "urban"),
    )


# Estimates of one sample ------------------------------------------------------------------------------------


def intervals(design: survey.Design, population: Population, families: Collection[str]) -> dict[Cell, Bounds]:
    """Bounds of every kind of interval of the families asked for."""
    bounds: dict[Cell, Bounds] = {}
    if "few" in families:
        return few_clusters(design, population)
    whole = survey.mean(design, [*population.means, *population.shares])
    k = len(population.means)
    add(bounds, "mean", population.means, "t", (whole.conf_low[:k], whole.conf_high[:k]))
    total = survey.total(design, list(population.totals))
    add(bounds, "total", population.totals, "t", (total.conf_low, total.conf_high))
    method: IntervalMethod
    for method in INTERVAL_METHODS:  # type: ignore[assignment]  # the names of that type
        low, high = share_bounds(whole, method)
        add(bounds, "share", population.shares, method, (low[k:], high[k:]))
    if "quantile" in families:
        names = [f"{population.quantiles_of}, {q}" for q in QUANTILES]
        for interval in QUANTILE_INTERVALS:
            made = survey.quantile(design, population.quantiles_of, QUANTILES, interval=interval)
            add(bounds, "quantile", names, interval, (made.conf_low, made.conf_high))
    if "slope" in families:
        add(bounds, "slope", population.slopes, "t", slope_bounds(design, population))
    return bounds


def add(
    bounds: dict[Cell, Bounds], family: str, quantities: Sequence[str], interval: str, ends: tuple[Floats, Floats]
) -> None:
    """Put the bounds of several quantities into `bounds`."""
    for name, low, high in zip(quantities, *ends, strict=True):
        bounds[Cell(family, name, interval)] = (low, high)


def share_bounds(shares: survey.Estimate, method: IntervalMethod) -> tuple[Floats, Floats]:
    """The intervals that `survey.proportion` gives the means of columns of 0 and 1."""
    value = np.clip(shares.value, 0, 1)  # the means of other columns, whose bounds are not used
    return proportion_interval(value, shares.std_error, shares.n, shares.df, shares.level, method)


def slope_bounds(design: survey.Design, population: Population) -> tuple[Floats, Floats]:
    """Bounds of the slopes; NaN where the sample separates the answers, so that there is no fit."""
    try:
        ends = survey.ordinal(population.formula, design).conf_int().loc[list(population.slopes)].to_numpy(dtype=float)
    except (survey.SeparationError, survey.ConvergenceError):
        ends = np.full((len(population.slopes), 2), np.nan)
    return ends[:, 0], ends[:, 1]


def few_clusters(design: survey.Design, population: Population) -> dict[Cell, Bounds]:
    """T intervals of means and frequent shares by linearization and by CR2."""
    names, bounds = [*population.means, population.shares[0], "urban"], dict[Cell, Bounds]()
    kind: VarianceMethod
    for kind in ("linearization", "cr2"):
        made = survey.mean(design, names, variance=kind)
        add(bounds, "few", names, kind, (made.conf_low, made.conf_high))
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
            q = float(cell.quantity.split(", ")[1])
            values[cell] = float(ordered[int(np.ceil(len(frame) * q - 1e-9)) - 1])
        elif cell.family == "slope":
            values[cell] = float(slopes[cell.quantity])
        else:
            values[cell] = float(frame[cell.quantity].mean())
    return values


# Designs ----------------------------------------------------------------------------------------------------


def some(n: int, of: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of a simple random sample without replacement, ascending."""
    return np.sort(rng.choice(of, n, replace=False))


def rows(frame: pd.DataFrame, positions: NDArray[np.int64], **columns: Any) -> pd.DataFrame:
    """Those rows of the population, with columns that the design needs."""
    return frame.iloc[positions].reset_index(drop=True).assign(**columns)


def simple(frame: pd.DataFrame, n: int) -> Draw:
    """Sample n at random."""

    def draw(rng: np.random.Generator) -> survey.Design:
        return survey.Design(rows(frame, some(n, len(frame), rng), size=len(frame)), weight=None, fpc="size")

    return draw


def stratified(frame: pd.DataFrame, strata: str, sizes: Mapping[str, int]) -> Draw:
    """Sample given numbers in each stratum."""
    members = frame.groupby(strata).indices

    def draw(rng: np.random.Generator) -> survey.Design:
        chosen = np.concatenate([members[name][some(n, len(members[name]), rng)] for name, n in sizes.items()])
        size = np.repeat([len(members[name]) for name in sizes], list(sizes.values()))
        return survey.Design(rows(frame, chosen, size=size), weight=None, strata=strata, fpc="size")

    return draw


def whole_clusters(frame: pd.DataFrame, cluster: str, n: int) -> Draw:
    """Draw n clusters at random, with all of their members."""
    members = list(frame.groupby(cluster).indices.values())

    def draw(rng: np.random.Generator) -> survey.Design:
        chosen = np.concatenate([members[i] for i in some(n, len(members), rng)])
        return survey.Design(rows(frame, chosen, clusters=len(members)), weight=None, psu=cluster, fpc="clusters")

    return draw


def two_stages(frame: pd.DataFrame, cluster: str, sizes: Mapping[Any, tuple[int, int]], strata: str) -> Draw:
    """Draw clusters at random in each stratum, and members of each: `sizes` has both numbers (at most) by stratum."""
    members = {
        name: [part.index.to_numpy()[inside] for inside in part.groupby(cluster).indices.values()]
        for name, part in frame.groupby(strata)
    }

    def draw(rng: np.random.Generator) -> survey.Design:
        chosen, clusters, size = [], [], []
        for name, (n, within) in sizes.items():
            for i in some(n, len(members[name]), rng):
                everyone = members[name][i]
                chosen.append(everyone[some(min(within, len(everyone)), len(everyone), rng)])
                clusters += [len(members[name])] * len(chosen[-1])
                size += [len(everyone)] * len(chosen[-1])
        sample = rows(frame, np.concatenate(chosen), clusters=clusters, members=size, person=np.arange(len(size)))
        return survey.Design(
            sample, weight=None, strata=[strata, strata], psu=cluster, ssu="person", fpc=["clusters", "members"]
        )

    return draw


def raked_sample(frame: pd.DataFrame, n: int, margins: Sequence[str]) -> Draw:
    """Sample n at random and rake them to the population."""
    plain, targets = simple(frame, n), {name: counts(frame, name) for name in margins}

    def draw(rng: np.random.Generator) -> survey.Design:
        return survey.rake(plain(rng), targets)

    return draw


def raked_respondents(frame: pd.DataFrame, invited: int, margins: Sequence[str]) -> Draw:
    """Invite some at random; the old and the educated answer more often; rake those who answer."""
    chance = np.minimum(0.16 * 1.45 ** frame["age_code"].to_numpy() * 1.4 ** frame["education"].cat.codes.to_numpy(), 1)
    targets = {name: counts(frame, name) for name in margins}

    def draw(rng: np.random.Generator) -> survey.Design:
        chosen = some(invited, len(frame), rng)
        answered = chosen[rng.random(invited) < chance[chosen]]
        return survey.rake(survey.Design(rows(frame, answered), weight=None), targets)

    return draw


def few_towns(frame: pd.DataFrame, n: int, within: int) -> Draw:
    """Draw towns at random and adults of each, weighted by the size of the town; as if with replacement."""
    members = list(frame.groupby("town").indices.values())

    def draw(rng: np.random.Generator) -> survey.Design:
        towns = [members[i] for i in some(n, len(members), rng)]
        chosen = np.concatenate([town[some(within, len(town), rng)] for town in towns])
        weight = np.repeat([len(members) / n * len(town) / within for town in towns], within)
        return survey.Design(rows(frame, chosen, weight=weight), weight="weight", psu="town")

    return draw


def counts(frame: pd.DataFrame, name: str) -> dict[Any, float]:
    """Members of the population at each level."""
    return {str(level): float(n) for level, n in frame[name].value_counts(sort=False).items()}


def samplings(population: Population) -> list[Sampling]:
    """The designs that are tried on a population."""
    frame = population.frame
    if population.name == "Schools":
        strata = {"E": 100, "H": 50, "M": 50}
        by_size = {"1-5": (20, 5), "6-49": (20, 5), "50+": (11, 10)}
        return [
            Sampling("SRS", "200 schools at random.", simple(frame, 200)),
            Sampling("stratified", "100 elementary, 50 high, 50 middle schools.", stratified(frame, "stype", strata)),
            Sampling("15 districts", "All schools of 15 districts at random.", whole_clusters(frame, "dnum", 15)),
            Sampling(
                "40 districts",
                "40 districts at random, at most 5 schools of each.",
                two_stages(frame, "dnum", {"all": (40, 5)}, "all"),
            ),
            Sampling(
                "51 districts by size",
                "20 of the districts with 1-5 schools, 20 of those with 6-49, at most 5 schools of each; all 11 "
                "districts with 50 or more, 10 schools of each.",
                two_stages(frame, "dnum", by_size, "district_size"),
            ),
            Sampling(
                "SRS, raked",
                "200 schools at random, raked to type of school and `sch.wide`.",
                raked_sample(frame, 200, ("stype", "sch.wide")),
            ),
        ]
    return [
        Sampling("SRS", "500 adults at random.", simple(frame, 500)),
        Sampling(
            "stratified",
            "125 adults of each region, whatever its size (Kish design effect about 1.3).",
            stratified(frame, "region", dict.fromkeys(TOWNS, 125)),
        ),
        Sampling(
            "24 towns, stratified",
            "6 towns of each region, 20 adults of each town.",
            two_stages(frame, "town", dict.fromkeys(TOWNS, (6, 20)), "region"),
        ),
        Sampling(
            "non-response, raked",
            "1,500 invited at random; a good third answers, the old and educated more often; raked to age, education "
            "and region.",
            raked_respondents(frame, 1500, ("age", "education", "region")),
        ),
        *(
            Sampling(
                f"{n} towns, weighted",
                f"{n} towns at random, 25 adults of each, weighted by the size of the town.",
                few_towns(frame, n, 25),
                few=True,
            )
            for n in FEW_TOWNS
        ),
    ]


# Simulation -------------------------------------------------------------------------------------------------


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
    found: dict[Cell, list[Bounds]] = {}
    for i in range(replications):
        families = {"few"} if sampling.few else {family for family, step in EVERY.items() if i % step == 0}
        for cell, bounds in intervals(sampling.draw(rng), population, families).items():
            found.setdefault(cell, []).append(bounds)
    values = truth(population, list(found))
    counted = []
    for cell, ends in found.items():
        low, high = np.array(ends, dtype=float).T
        value, none = values[cell], np.isnan(low) | np.isnan(high)
        slack = 1e-9 * abs(value)  # a bound that is the value itself, but for rounding
        covered = (low <= value + slack) & (high >= value - slack)
        share = float(covered.mean())
        counted.append(
            {
                "population": population.name,
                "design": sampling.name,
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
        )
    return pd.DataFrame(counted)


def study(replications: int) -> tuple[list[Population], pd.DataFrame]:
    """Simulate every design of both populations, with progress on stderr."""
    populations, parts = [schools(), voters()], []
    for i, population in enumerate(populations):
        for j, sampling in enumerate(samplings(population)):
            start = time.perf_counter()
            parts.append(simulate(population, sampling, (SEED, i, j), replications))
            print(f"{population.name}, {sampling.name}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return populations, pd.concat(parts, ignore_index=True)


# Page -------------------------------------------------------------------------------------------------------


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


def spread(part: pd.DataFrame) -> str:
    """Lowest and highest coverage of some cells."""
    return f"{100 * part['coverage'].min():.1f}-{100 * part['coverage'].max():.1f}%"


def reading(results: pd.DataFrame) -> str:
    """What the numbers say, in words; the numbers in it are those of the tables."""
    giants = results["design"].isin(GIANTS)  # designs in which a few giant clusters are drawn or, mostly, not
    cure = results["design"] == "51 districts by size"
    usual, rare = ~giants & ~cure, results["truth"] < RARE
    family, kind = results["family"], results["interval"]
    numbers, shares, tails = family.isin(["mean", "total"]), family == "share", results["quantity"].str.endswith("0.1")
    quantiles, slopes, few = family == "quantile", family == "slope", family == "few"
    heaped = quantiles & tails & (results["population"] == "Voters")

    def of(rows: pd.Series[bool], interval: str | None = None) -> str:
        return spread(results[rows if interval is None else rows & (kind == interval)])

    def each(rows: pd.Series[bool]) -> str:
        names = dict.fromkeys(kind[rows])
        return ", ".join(f"{name} {of(rows, str(name))}" for name in names)

    six, most = (few & results["design"].eq(f"{n} towns, weighted") for n in (FEW_TOWNS[0], FEW_TOWNS[-1]))
    lines = [
        "**Means, totals and slopes** are right, or nearly so, where clusters are of similar size or there are none: "
        f"means and totals {of(numbers & usual)}, slopes of ordinal regression {of(slopes & usual)}, the lower ends "
        "with 24 towns. Raking after non-response that depends on the margins does no harm.",
        "**A few giant clusters** (districts of 1 to 552 schools, all equally likely): means and totals "
        f"{of(numbers & giants)}, slopes {of(slopes & giants)}. Most samples miss the giants, and then the estimate "
        "and its standard error are both off: no formula on the sample can know, and no other interval helps. What "
        "helps is the design: with the giants in a stratum of their own, all taken, means and totals have "
        f"{of(numbers & cure)} and slopes {of(slopes & cure)}. Drawing with probability proportional to size, or "
        "calibrating to known totals, serves the same end.",
        f"**Shares above {100 * RARE:.0f}%**, usual designs: {each(shares & ~rare & usual)}. All are fine, "
        "the default of `survey.proportion`, logit, and that of tables, Korn-Graubard, among them.",
        f"**Shares of 1-2%**, usual designs: {each(shares & rare & usual)}. A sample in which nobody has the trait "
        "has an interval by Korn and Graubard only, and counts as a miss for the others (`none` in the long tables). "
        "Below about 5% "
        'use `interval="korn-graubard"`, as tables do; never `"wald"`, nor `survey.mean`, whose interval of a share is '
        "the same. With giant clusters Korn-Graubard has "
        f"{of(shares & rare & giants, 'korn-graubard')}, logit {of(shares & rare & giants, 'logit')}.",
        f"**Quantiles**, usual designs, but for heaped values (next): {each(quantiles & usual & ~heaped)}. With few "
        "clusters the bounds of the share leave 0 to 1 and the default has no interval: in the giants' designs it "
        f"covers {of(quantiles & giants, 'woodruff')}.",
        "**Quantiles of heaped values** (income rounded to 100, with 2% of the people on each value): at .1, "
        f"{each(heaped)}. Woodruff's interval, as R has it, goes out from the share at or below the estimated "
        "quantile; where a value is shared by many that is more than .1, and the whole interval moves up: all "
        "misses lie above. The "
        'score interval goes out from .1 itself. Use `interval="score"` for rounded or few-valued numbers, or report '
        "shares.",
        f"**Few clusters**: with {FEW_TOWNS[0]} towns linearization has {of(six, 'linearization')}, CR2 "
        f'(`variance="cr2"`) {of(six, "cr2")}; with {FEW_TOWNS[-1]} towns {of(most, "linearization")} and '
        f"{of(most, 'cr2')}. "
        "Below about 20 clusters use CR2, where there are neither strata nor calibration, for which it is not defined; "
        "it errs on the safe side.",
    ]
    return "".join(f"* {text}\n" for text in lines)


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and write the page."""
    parser = argparse.ArgumentParser(description="Simulate the coverage of intervals.")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "coverage.md", help="page to write")
    parser.add_argument("--replications", type=int, default=REPLICATIONS, help="samples of each design")
    options = parser.parse_args(arguments)
    populations, results = study(options.replications)
    options.output.write_text(page(populations, results), encoding="utf-8")
    print(f"Coverage of {len(results)} cells: {options.output}")


if __name__ == "__main__":
    main()
