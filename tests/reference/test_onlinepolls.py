"""Estimates on weighted polls equal R's: CCES 2018, 538's non-voters, professional respondents, and GSS.

`cces18` is the closest real relative of the study: an opt-in online panel, four answers from disapproval to
approval, with age, education, income and a city-to-rural scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests import brute_force as bf
from tests.reference_data import (
    ESTIMATE,
    RAO_SCOTT,
    STANDARD_ERROR,
    SVYCIPROP,
    WALD,
    WEIGHT,
    close,
    cut,
    factor,
    ordered,
    read_csv,
    same_by,
    same_covariance,
    same_estimate,
    same_fit,
    same_interval,
    same_intervals_by,
    same_standard_errors,
    same_test,
    shared,
    shared_values,
    yes_no,
)

TESTS: Mapping[str, Any] = {**RAO_SCOTT, **WALD}
TRUST = ["Not at all", "Not much", "Some", "A lot"]
POLLS = {  # poll -> outcome, top answer, groups, model
    "cces18": (
        "approve",
        "Strongly approve",
        ("agegrp", "edu3", "inc4", "urban", "gender"),
        "approve ~ agegrp + edu3 + inc4 + urban + gender",
    ),
    "trust_presidency": (
        "trust_presidency",
        "A lot",
        ("agegrp", "educ", "income_cat", "race", "gender", "voter_category"),
        "trust_presidency ~ agegrp + educ + income_cat + race + gender",
    ),
    "trust_police": (
        "trust_police",
        "A lot",
        ("agegrp", "educ", "income_cat", "race", "gender", "voter_category"),
        "trust_police ~ agegrp + educ + income_cat + race + gender",
    ),
}
# the reference stopped raking when no cell moved by more than 1e-4 of the population: 4e-7 of a weight
RAKED_LOOSELY = 1e-6
DEFF = 2 * STANDARD_ERROR  # a design effect is a ratio of variances
GSS_YEARS = ("2010", "2018")


def cces18() -> pd.DataFrame:
    frame = read_csv(shared("onlinepolls") / "cces18_sample.csv")
    frame["approve"] = ordered(
        frame["CC18_308a"],
        [4, 3, 2, 1],
        ["Strongly disapprove", "Somewhat disapprove", "Somewhat approve", "Strongly approve"],
    )
    frame["agegrp"] = cut(2018 - frame["birthyr"], [0, 29, 44, 59, 120], ["18-29", "30-44", "45-59", "60+"])
    frame["edu3"] = cut(frame["educ"], [0, 2, 4, 6], ["HS or less", "Some college/2-yr", "BA+"])
    frame["inc4"] = cut(frame["faminc_new"], [0, 3, 6, 9, 16], ["<30k", "30-60k", "60-100k", "100k+"])
    frame["urban"] = factor(frame["urbancity"], [1, 2, 3, 4], ["City", "Suburb", "Town", "Rural"])
    frame["gender"] = factor(frame["gender"], [1, 2], ["Male", "Female"])
    return frame


def nonvoters() -> pd.DataFrame:
    frame = read_csv(shared("onlinepolls") / "nonvoters.csv")
    frame["trust_presidency"] = ordered(frame["Q8_1"], [4, 3, 2, 1], TRUST)
    frame["trust_police"] = ordered(frame["Q8_8"], [4, 3, 2, 1], TRUST)
    frame["agegrp"] = cut(frame["ppage"], [0, 34, 49, 64, 200], ["18-34", "35-49", "50-64", "65+"])
    for column, levels in {
        "educ": ["High school or less", "Some college", "College"],
        "income_cat": ["Less than $40k", "$40-75k", "$75-125k", "$125k or more"],
        "race": ["White", "Black", "Hispanic", "Other/Mixed"],
        "gender": ["Male", "Female"],
        "voter_category": ["rarely/never", "sporadic", "always"],
    }.items():
        frame[column] = factor(frame[column], levels)
    return frame


@pytest.fixture(scope="module", params=POLLS)
def poll(request: pytest.FixtureRequest) -> str:
    """Name of a poll and question."""
    return str(request.param)


@pytest.fixture(scope="module")
def design(poll: str) -> survey.Design:
    """The poll, with an item that holds the top answer."""
    outcome, top, _, _ = POLLS[poll]
    frame = cces18() if poll == "cces18" else nonvoters()
    frame["top"] = yes_no(frame[outcome] == top, frame[outcome].notna())
    return survey.Design(frame, weight="commonweight" if poll == "cces18" else "weight")


@pytest.fixture(scope="module")
def reference(poll: str) -> dict[str, Any]:
    """Its reference values."""
    content = shared_values("onlinepolls/onlinepolls.json")
    entry: dict[str, Any] = content["cces18"] if poll == "cces18" else content["nonvoters"][poll]
    return entry


def test_shares_and_design_effects(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    estimate = survey.mean(design, POLLS[poll][0])
    same_estimate(estimate, reference["props"])
    close(estimate.tidy()["deff"], list(reference["props"]["deff"].values()), DEFF, "deff")
    close(estimate.tidy()["n"], reference["n"], ESTIMATE, "n")


def test_weight_summary(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    (row,) = survey.weight_summary(design.domain(design.frame[POLLS[poll][0]].notna())).to_dict("records")
    close(row["deff_kish"], reference["w"]["kish_deff"], ESTIMATE, "Kish design effect")


def test_shares_by_group(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    outcome, _, groups, _ = POLLS[poll]
    for group in groups:
        same_by(survey.mean(design, outcome, by=group), group, reference["by"][group]["table"], group)


@pytest.mark.parametrize("interval", SVYCIPROP)
def test_interval_of_the_top_answer(design: survey.Design, reference: dict[str, Any], interval: Any) -> None:
    expected = reference["top"][SVYCIPROP[interval]]
    same_interval(survey.proportion(design, "top", interval=interval), "yes", expected, interval)


def test_intervals_by_group(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    for group in POLLS[poll][2]:
        estimate = survey.proportion(design, "top", by=group, interval="logit")
        same_intervals_by(estimate, group, "yes", reference["top_by"][group], group)


def test_independence(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    outcome, _, groups, _ = POLLS[poll]
    for group in groups:
        table = survey.crosstab(design, outcome, group)
        for statistic, method in TESTS.items():
            same_test(
                table.test(method=method, df="design"), reference["chisq"][group][statistic], f"{group} {statistic}"
            )


def test_ordinal_regression(poll: str, design: survey.Design, reference: dict[str, Any]) -> None:
    same_fit(survey.ordinal(POLLS[poll][3], design), reference["olr_tight"])


def test_raked_poll() -> None:
    """The non-voters as an unweighted poll, raked to four margins."""
    reference = shared_values("onlinepolls/onlinepolls.json")["nonvoters_rake"]
    frame = nonvoters()
    targets = {
        item: dict(zip(frame[item].cat.categories, np.array(shares) * len(frame), strict=True))
        for item, shares in reference["targets"].items()
    }
    design = survey.rake(survey.Design(frame, weight=None), targets)
    weights = read_csv(shared("onlinepolls") / "nonvoters_raked.csv")
    close(design.weights, weights["raked"], WEIGHT, "weights")
    estimate = survey.mean(design, "trust_presidency")
    expected = {part: reference["trust"][part] for part in ("est", "se", "vcov")}
    same_estimate(estimate, expected)
    close(estimate.tidy()["deff"], list(reference["trust"]["deff"].values()), DEFF, "deff")
    same_fit(survey.ordinal("trust_presidency ~ agegrp + educ + income_cat", design), reference["olr"])
    # the wrong way: weights taken as given, standard errors 0.6 to 2.7% too large
    ignored = survey.mean(survey.Design(frame.assign(raked=design.weights), weight="raked"), "trust_presidency")
    same_estimate(ignored, reference["trust_ignoring_calibration"])


def panel_design(way: str) -> survey.Design:
    """Professional respondents, weighted to the adult population in one of three ways."""
    folder = shared("onlinepolls")
    frame = read_csv(folder / "profresp.csv")
    population = read_csv(folder / "profrespacs.csv")
    frame["age3cat"] = frame["age4cat"].map({1: 1.0, 2: 2.0, 3: 2.0, 4: 3.0})
    margins = ["gender", "age3cat", "edu3cat"]
    frame = frame[frame[margins].notna().all(axis=1)].reset_index(drop=True)
    for item in margins:
        frame[item] = factor(frame[item].astype(int))
        population[item] = population[item].astype(int).astype(str)
    frame["prof"] = ordered(frame["prof_cat"], [1, 2, 3])
    frame["motive"] = factor(frame["motive"])
    frame["weight"] = population["count"].sum() / len(frame)
    base = survey.Design(frame, weight="weight")
    if way == "raked":
        targets: dict[Any, Any] = {item: population.groupby(item)["count"].sum().to_dict() for item in margins}
        return survey.rake(base, targets)
    if way == "poststratified":
        return survey.poststratify(base, population.set_index(margins)["count"])
    return base


@pytest.fixture(scope="module", params=["unweighted", "raked", "poststratified"])
def panel(request: pytest.FixtureRequest) -> tuple[str, survey.Design]:
    """Professional respondents, weighted to the adult population in three ways."""
    return request.param, panel_design(request.param)


def test_panel(panel: tuple[str, survey.Design]) -> None:
    """Weights, and a question with missing answers (R has NA for shares of `prof_cat` itself)."""
    way, design = panel
    reference = shared_values("onlinepolls/onlinepolls.json")["profresp"][way]
    tolerance = RAKED_LOOSELY if way == "raked" else ESTIMATE
    if way != "unweighted":
        column = {"raked": "raked", "poststratified": "poststrat"}[way]
        weights = read_csv(shared("onlinepolls") / "profresp_weights.csv")[column]
        close(design.weights, weights, tolerance, "weights")
    expected = reference["motive"]
    estimate = survey.mean(design, "motive")
    frame = estimate.tidy()
    close(frame["estimate"], list(expected["est"].values()), tolerance, "motive")
    errors = list(expected["se"].values())
    same_standard_errors(frame["std_error"], errors, list(expected["est"].values()), "motive")
    same_covariance(estimate.vcov, expected["vcov"]["values"], list(expected["est"].values()), "motive")


def test_panel_ordinal_regression(panel: tuple[str, survey.Design]) -> None:
    way, design = panel
    reference = shared_values("onlinepolls/onlinepolls.json")["profresp"][way]["olr"]
    same_fit(survey.ordinal("prof ~ gender + age3cat + edu3cat", design), reference)


@pytest.mark.parametrize("panel", ["raked"], indirect=True)
def test_raked_panel_is_fully_converged(panel: tuple[str, survey.Design]) -> None:
    """Brute force that rakes to rounding error agrees more closely than the reference does."""
    _, design = panel
    calibration = design.calibrations[0]
    margins: list[tuple[Any, dict[Any, float]]] = [
        (design.frame[item].astype(str).to_numpy(), {str(level): n for level, n in targets.items()})
        for (item,), targets in zip(calibration.margins, calibration.targets, strict=True)
    ]
    close(design.weights, bf.raked_weights(design.base_weights, margins), WEIGHT, "weights")


@pytest.fixture(scope="module", params=GSS_YEARS)
def gss(request: pytest.FixtureRequest) -> tuple[str, survey.Design]:
    """One year of the General Social Survey: strata, PSUs, and one attitude on a four-point scale."""
    frame = read_csv(shared("gss") / "gss.csv")
    chosen = (frame["year"] == int(request.param)) & frame["wtssps"].notna() & frame["vpsu"].notna()
    frame = frame[chosen].reset_index(drop=True)
    frame["fef"] = ordered(frame["fefam"], [1, 2, 3, 4], ["SA", "A", "D", "SD"])
    frame["disagree"] = yes_no(frame["fefam"] >= 3, frame["fefam"].notna())
    frame["female"] = (frame["sex"] == 2).astype(float).where(frame["sex"].notna())
    for column, item in {"degree": "degree", "racef": "race", "sex": "sex"}.items():
        known = frame[item].dropna().astype(int)
        frame[column] = factor(known.astype(str).reindex(frame.index))
    design = survey.Design(frame, weight="wtssps", strata="vstrat", psu="vpsu", nest=True)
    return request.param, design


def test_general_social_survey(gss: tuple[str, survey.Design]) -> None:
    year, design = gss
    reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]
    assert reference["lonely"] == 0  # no stratum has a single PSU: the rule for them does not matter
    assert (design.n, design.df) == (reference["n"], reference["degf"])
    same_estimate(survey.mean(design, "fef"), reference["props"])
    same_estimate(survey.mean(design, "age"), {part: reference["age"][part] for part in ("est", "se", "vcov")})
    estimate = survey.mean(design, "disagree").tidy()
    close(estimate["estimate"], list(reference["disagree"]["est"].values()), ESTIMATE, "disagree")
    close(estimate["std_error"], list(reference["disagree"]["se"].values()), STANDARD_ERROR, "disagree")
    close(estimate["deff"], list(reference["disagree"]["deff"].values()), DEFF, "deff")
    same_by(survey.mean(design, "fef", by="sex"), "sex", reference["by_sex"]["table"])
    interval: Any
    for interval, method in SVYCIPROP.items():
        shares = survey.proportion(design, "disagree", interval=interval)
        same_interval(shares, "yes", reference["ciprop"][method], interval)


@pytest.mark.parametrize("statistic", TESTS)
def test_general_social_survey_independence(gss: tuple[str, survey.Design], statistic: str) -> None:
    year, design = gss
    reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]["chisq"][statistic]
    same_test(survey.crosstab(design, "fef", "degree").test(method=TESTS[statistic], df="design"), reference, statistic)


def test_general_social_survey_ordinal_regression(gss: tuple[str, survey.Design]) -> None:
    year, design = gss
    reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]["olr"]
    same_fit(survey.ordinal("fef ~ age + female + degree + racef", design), reference)
