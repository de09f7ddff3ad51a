"""Ways to draw a sample of a population, and the designs that are tried on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import survey
from analysis.coverage.populations import TOWNS, Population

FEW_TOWNS = (6, 12, 24)
GIANTS = ("15 districts", "40 districts")  # a few giant clusters are drawn or, mostly, not
CURE = "51 districts by size"  # the giants are in a stratum of their own, all taken

Draw = Callable[[np.random.Generator], survey.Design]


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


def two_stages(frame: pd.DataFrame, cluster: str, sizes: Mapping[Any, tuple[int, int]], *, strata: str) -> Draw:
    """Draw clusters at random in each stratum, and members of each: `sizes` has both numbers (at most) by stratum."""
    members = {
        name: [part.index.to_numpy()[inside] for inside in part.groupby(cluster).indices.values()]
        for name, part in frame.groupby(strata)
    }

    def draw(rng: np.random.Generator) -> survey.Design:
        chosen: list[NDArray[np.int64]] = []
        clusters: list[int] = []
        size: list[int] = []
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
    plain = simple(frame, n)
    targets = {name: counts(frame, name) for name in margins}

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
    designs = of_schools if population.name == "Schools" else of_voters
    return designs(population.frame)


def of_schools(frame: pd.DataFrame) -> list[Sampling]:
    """Samples of schools, some of them by districts."""
    strata = {"E": 100, "H": 50, "M": 50}
    by_size = {"1-5": (20, 5), "6-49": (20, 5), "50+": (11, 10)}
    return [
        Sampling("SRS", "200 schools at random.", simple(frame, 200)),
        Sampling("stratified", "100 elementary, 50 high, 50 middle schools.", stratified(frame, "stype", strata)),
        Sampling("15 districts", "All schools of 15 districts at random.", whole_clusters(frame, "dnum", 15)),
        Sampling(
            "40 districts",
            "40 districts at random, at most 5 schools of each.",
            two_stages(frame, "dnum", {"all": (40, 5)}, strata="all"),
        ),
        Sampling(
            CURE,
            "20 of the districts with 1-5 schools, 20 of those with 6-49, at most 5 schools of each; all 11 "
            "districts with 50 or more, 10 schools of each.",
            two_stages(frame, "dnum", by_size, strata="district_size"),
        ),
        Sampling(
            "SRS, raked",
            "200 schools at random, raked to type of school and `sch.wide`.",
            raked_sample(frame, 200, ("stype", "sch.wide")),
        ),
    ]


def of_voters(frame: pd.DataFrame) -> list[Sampling]:
    """Samples of adults, some of them by towns; those of a few towns are there to compare variances."""
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
            two_stages(frame, "town", dict.fromkeys(TOWNS, (6, 20)), strata="region"),
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
