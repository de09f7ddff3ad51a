"""Two populations in which every answer is known: California schools, and synthetic voters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

SCHOOLS = Path(__file__).resolve().parents[2] / "tests" / "reference" / "apipop.csv"
SEED = 20180223
TOWNS = {"North": 160, "East": 120, "South": 80, "West": 40}
AGES = ("18-29", "30-44", "45-59", "60+")
EDUCATION = ("basic", "middle", "high")


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
        name="Schools",
        text=f"{len(frame):,} California schools of {frame['dnum'].nunique()} districts, Academic Performance Index "
        "2000 (`apipop` of R's package `survey`, without the 37 schools of unknown enrolment). `api00` is near normal, "
        "`enroll` is skewed; districts differ in size from 1 to 552 schools. The ordinal model is the share of pupils "
        "with subsidized meals in four groups, by English learners (`ell`), `api99` and type of school.",
        frame=frame,
        means=("api00", "enroll"),
        totals=("enroll",),
        shares=("api00 > 761", "api00 > 850", "api00 > 900", "api00 > 915"),
        quantiles_of="api00",
        formula="meals_group ~ ell + api99 + stype",
        slopes=("ell", "api99", "stype[T.H]", "stype[T.M]"),
    )


def voters() -> Population:
    """Synthetic adults in 400 towns, with an approval item that follows an ordered logit."""
    rng = np.random.default_rng(SEED)
    region_of_town = np.repeat(list(TOWNS), list(TOWNS.values()))
    size = np.clip(np.round(rng.lognormal(4.2, 0.6, region_of_town.size)), 30, 600).astype(int)
    urban = rng.random(size.size) < np.where(size > np.median(size), 0.7, 0.2)
    mood = rng.normal(0, 0.45, size.size)
    rare = rng.normal(0, 0.5, size.size)
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
        name="Voters",
        text=f"{n:,} **synthetic** adults in {size.size} towns of four regions, made by `analysis/coverage` (seed "
        f"{SEED}). `rating` is a 0-100 thermometer, `income` is skewed and rounded to 100, `approval` follows an "
        "ordered logit with a random effect of the town (standard deviation .45), and three traits that some towns "
        "have more of than others are held by about 10%, 2% and 1%. The ordinal model is approval by age group "
        "(0-3), education and urbanity.",
        frame=frame,
        means=("rating", "income"),
        totals=("income",),
        shares=("approves", "in 10%", "in 2%", "in 1%"),
        quantiles_of="income",
        formula="approval ~ age_code + education + urban",
        slopes=("age_code", "education[T.middle]", "education[T.high]", "urban"),
    )
