"""Estimates on the American National Election Study 2020 equal R's: trust by age, education, income, race."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference_data import (
    ESTIMATE,
    INTERVAL,
    RAO_SCOTT,
    STANDARD_ERROR,
    SVYCIPROP,
    WALD,
    WEIGHT,
    close,
    close_within,
    factor,
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

POPULATION = 231_592_693  # weights are scaled to the voting-age citizens, as in the reference
ITEMS = (
    "TrustGovernment",
    "TrustPeople",
    "Education",
    "AgeGroup",
    "Income7",
    "Gender",
    "RaceEth",
    "VotedPres2020_selection",
)
GROUPS = ("AgeGroup", "Education", "Income7", "Gender", "RaceEth", "PartyID")
CROSSTABS = {
    "tg_tp": ("TrustGovernment", "TrustPeople"),
    "age_vote": ("AgeGroup", "VotedPres2020_selection"),
    "edu_tg": ("Education", "TrustGovernment"),
    "gender_tg": ("Gender", "TrustGovernment"),
}
# svyciprop(method="beta") corrects the effective sample size with n of all respondents, 7453, not of the 7424
# who answered: t quantiles that differ by 1e-6
BETA_WITH_MISSING = 2e-6  # of the standard error
BRANT = 1e-8  # relative: the reference converges to 1e-14


def respondents() -> pd.DataFrame:
    folder = shared("anes2020")
    frame = read_csv(folder / "anes_2020.csv")
    for column, levels in json.loads((folder / "anes_2020_levels.json").read_text()).items():
        frame[column] = factor(frame[column], levels)
    frame["TrustGovernment"] = frame["TrustGovernment"].cat.as_ordered()
    frame["weight"] = frame["Weight"] / frame["Weight"].sum() * POPULATION
    trust = frame["TrustGovernment"]
    usual = trust.isin(["Always", "Most of the time"])
    frame["usual"] = yes_no(usual, trust.notna())
    frame["TGusual"] = usual.astype(float).where(trust.notna())
    for column, item in {"tg": "TrustGovernment", "tp": "TrustPeople"}.items():
        codes = frame[item].cat.codes
        frame[column] = (codes + 1.0).where(codes >= 0)
    return frame


@pytest.fixture(scope="module")
def design() -> survey.Design:
    """The election study: 50 strata, 101 PSUs."""
    return survey.Design(respondents(), weight="weight", strata="Stratum", psu="VarUnit", nest=True)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Its reference values."""
    return dict(shared_values("anes2020/anes2020.json"))


@pytest.fixture(scope="module")
def web() -> survey.Design:
    """Respondents who answered online, as if they were an unweighted online poll, raked to three margins."""
    frame = respondents()
    frame = frame[(frame["InterviewMode"] == "Web") & frame[["AgeGroup", "Education", "Gender"]].notna().all(axis=1)]
    frame = frame.reset_index(drop=True)
    frame["usual_by_code"] = yes_no(frame["tg"] <= 2, frame["tg"].notna())
    shares = shared_values("anes2020/anes2020.json")["rake_web"]["targets"]
    targets: dict[str | tuple[str, ...], Any] = {
        item: dict(zip(frame[item].cat.categories, np.array(shares[item]) * len(frame), strict=True))
        for item in ("AgeGroup", "Education", "Gender")
    }
    return survey.rake(survey.Design(frame, weight=None), targets)


def test_design(design: survey.Design, reference: dict[str, Any]) -> None:
    assert design.df == reference["degf"]
    assert design.n == reference["w"]["n"]
    close(design.weights.sum(), POPULATION, ESTIMATE, "sum of weights")


@pytest.mark.parametrize("item", ITEMS)
def test_shares(design: survey.Design, reference: dict[str, Any], item: str) -> None:
    same_estimate(survey.mean(design, item), reference["props"][item])
    frame = survey.proportion(design, item).tidy()
    close(frame["estimate"], list(reference["props"][item]["est"].values()), ESTIMATE, "shares")
    close(frame["std_error"], list(reference["props"][item]["se"].values()), STANDARD_ERROR, "std_error")


@pytest.mark.parametrize("item", ITEMS)
def test_totals(design: survey.Design, reference: dict[str, Any], item: str) -> None:
    same_estimate(survey.total(design, item), reference["totals"][item])


@pytest.mark.parametrize("item", ["TrustGovernment", "TrustPeople"])
def test_topline(design: survey.Design, reference: dict[str, Any], item: str) -> None:
    frame = survey.topline(design, item).tidy()
    frame = frame[frame["kind"] == "level"]
    expected = reference["props"][item]
    assert [f"{item}{level}" for level in frame["level"]] == list(expected["est"])
    close(frame["estimate"], list(expected["est"].values()), ESTIMATE, "shares")
    close(frame["std_error"], list(expected["se"].values()), STANDARD_ERROR, "std_error")
    assert list(frame["n"].unique()) == [sum(reference["props_n"][item].values())]


def test_numbers(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, "Age"), reference["mean_age"])


def test_several_items_are_estimated_on_those_who_answered_all(
    design: survey.Design, reference: dict[str, Any]
) -> None:
    same_estimate(survey.mean(design, ["tg", "tp"], missing="drop"), reference["mean_tg"])


@pytest.mark.parametrize("group", GROUPS)
def test_shares_by_group(design: survey.Design, reference: dict[str, Any], group: str) -> None:
    table = reference["trust_by"][group]["table"]
    same_by(survey.mean(design, "TrustGovernment", by=group), group, table)
    same_by(survey.mean(design, "TGusual", by=group), group, reference["usual_by"][group]["table"])


@pytest.mark.parametrize("group", GROUPS)
def test_crosstab_holds_the_shares_by_group(design: survey.Design, reference: dict[str, Any], group: str) -> None:
    table = reference["trust_by"][group]["table"]
    frame = survey.crosstab(design, "TrustGovernment", group, share="column").tidy()
    if "kind" in frame:
        frame = frame[frame["kind"] == "level"]
    frame = frame.astype({group: str, "level": str}).set_index([group, "level"])
    for level in design.frame["TrustGovernment"].cat.categories:
        rows = frame.reindex(pd.MultiIndex.from_tuples([(name, level) for name in table[group]]))
        close(rows["estimate"], table[f"TrustGovernment{level}"], ESTIMATE, f"{level} shares")
        errors = table[f"se.TrustGovernment{level}"]
        close(rows["std_error"], errors, STANDARD_ERROR, f"{level} std_error")


@pytest.mark.parametrize("group", GROUPS)
def test_intervals_by_group(design: survey.Design, reference: dict[str, Any], group: str) -> None:
    """Each group's interval uses its own degrees of freedom, PSUs minus strata that have the group."""
    estimate = survey.proportion(design, "usual", by=group, interval="logit")
    same_intervals_by(estimate, group, "yes", reference["usual_by_ci"][group])


def test_shares_by_two(design: survey.Design, reference: dict[str, Any]) -> None:
    by = ["Education", "Gender"]
    same_by(survey.mean(design, "TGusual", by=by), by, reference["usual_by_edu_gender"]["table"])


@pytest.mark.parametrize("interval", SVYCIPROP)
def test_proportion_interval(design: survey.Design, reference: dict[str, Any], interval: Any) -> None:
    expected = reference["ciprop"]["TGusual"][SVYCIPROP[interval]]
    ends = BETA_WITH_MISSING if interval == "beta" else INTERVAL
    same_interval(survey.proportion(design, "usual", interval=interval), "yes", expected, interval, ends)


@pytest.mark.parametrize("interval", ["logit", "beta"])
def test_interval_of_each_answer(design: survey.Design, reference: dict[str, Any], interval: Any) -> None:
    entries = reference["ciprop"][f"TrustGovernment_{interval}"]
    estimate = survey.proportion(design, "TrustGovernment", interval=interval)
    shares = reference["props"]["TrustGovernment"]["est"]  # the reference found those of "logit" by iteration
    for level, entry in entries.items():
        expected = {**entry, "est": shares[f"TrustGovernment{level}"]}
        same_interval(estimate, level, expected, f"{level} {interval}")


@pytest.mark.parametrize("statistic", [*RAO_SCOTT, *WALD])
@pytest.mark.parametrize("table", CROSSTABS)
def test_independence(design: survey.Design, reference: dict[str, Any], table: str, statistic: str) -> None:
    row, column = CROSSTABS[table]
    method: Any = {**RAO_SCOTT, **WALD}[statistic]
    result = survey.crosstab(design, row, column).test(method=method, df="design")
    known = design.frame[[row, column]].notna().all(axis=1).mean()
    answered = 1.0 if table == "age_vote" else float(known)  # there the reference took those who answered
    same_test(result, reference["chisq"][table][statistic], f"{table} {statistic}", answered)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog"])
def test_ordinal_regression(design: survey.Design, reference: dict[str, Any], link: Any) -> None:
    fit = survey.ordinal("TrustGovernment ~ Age + Gender + Education + Income7", design, link=link)
    same_fit(fit, reference["olr_tight" if link == "logit" else f"olr_tight_{link}"])


def test_parallel_lines(design: survey.Design, reference: dict[str, Any]) -> None:
    result = survey.ordinal("TrustGovernment ~ Age + Gender", design).parallel_lines_test(method="brant")
    close(float(result.wald_chisq or 0), reference["brant"]["wald_chisq"], BRANT, "Wald")
    close(result.statistic, reference["brant"]["F_adj"], BRANT, "adjusted F")
    close(result.p_value, reference["brant"]["p_F_adj"], BRANT, "p_value")


def test_raked_weights(web: survey.Design, reference: dict[str, Any]) -> None:
    weights = read_csv(shared("anes2020") / "anes_web_raked.csv")
    assert list(web.frame["CaseID"]) == list(weights["CaseID"])
    close(web.weights, weights["raked"], WEIGHT, "weights")
    (row,) = survey.weight_summary(web).to_dict("records")
    close(row["deff_kish"], reference["rake_web"]["w"]["kish_deff"], ESTIMATE, "Kish design effect")


def test_raked_estimates(web: survey.Design, reference: dict[str, Any]) -> None:
    expected = dict(reference["rake_web"]["tg"])
    df, low_high = expected.pop("df"), expected.pop("ci95")
    estimate = survey.mean(web, "TrustGovernment")
    same_estimate(estimate, expected)
    errors = list(expected["se"].values())
    same_standard_errors(errors, reference["rake_web"]["tg_calibrate_se"], errors, "rake and calibrate in R agree")
    # R's df counts those who gave no answer, as the whole design; ours those who answered
    assert df == web.df
    assert set(estimate.tidy()["df"]) <= {web.df, float(web.frame["tg"].notna().sum() - 1)}
    allowed = INTERVAL * np.array(errors)
    close_within(estimate.tidy()["conf_low"], np.array(low_high["values"])[:, 0], allowed, "conf_low")


def test_raked_shares_by_group(web: survey.Design, reference: dict[str, Any]) -> None:
    given = reference["rake_web"]["by"]["table"]
    name = "I(as.integer(TrustGovernment) <= 2)"
    table = {
        "Education": given["Education"],
        "usual_by_codeno": given[f"{name}FALSE"],
        "usual_by_codeyes": given[f"{name}TRUE"],
        "se.usual_by_codeno": given[f"se.{name}FALSE"],
        "se.usual_by_codeyes": given[f"se.{name}TRUE"],
    }
    same_by(survey.mean(web, "usual_by_code", by="Education"), "Education", table)


def test_raked_ordinal_regression(web: survey.Design, reference: dict[str, Any]) -> None:
    fit = survey.ordinal("TrustGovernment ~ AgeGroup + Education + Gender", web)
    same_fit(fit, reference["rake_web"]["olr"])


def test_difference_between_groups(design: survey.Design) -> None:
    """A contrast of two groups equals one built by hand from the joint covariance."""
    estimate = survey.mean(design, "TGusual", by="Gender")
    (row,) = estimate.contrast({"Female": 1, "Male": -1}, df="design").tidy().to_dict("records")
    male, female = estimate.tidy()["estimate"]
    close(row["estimate"], female - male, ESTIMATE, "difference")
    a, b, c = estimate.vcov[0, 0], estimate.vcov[1, 1], estimate.vcov[0, 1]
    close(row["std_error"], np.sqrt(a + b - 2 * c), STANDARD_ERROR, "std_error")
    same_covariance(estimate.vcov, estimate.vcov.T, estimate.tidy()["estimate"], "symmetry")
