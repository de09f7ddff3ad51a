"""Estimates on seven designs of the California school samples equal R's `survey`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference_data import (
    API_DESIGNS,
    DEGREES_OF_FREEDOM,
    ESTIMATE,
    INTERVAL,
    RAO_SCOTT,
    REFERENCE,
    STANDARD_ERROR,
    SVYCIPROP,
    WALD,
    api,
    close,
    close_within,
    read_csv,
    same_by,
    same_covariance,
    same_estimate,
    same_interval,
    same_test,
    shared,
    values,
    yes_no,
)

NAMES = tuple(API_DESIGNS)
PROPORTIONS: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = {  # entry -> condition on the schools
    "api00_gt_700": lambda frame: frame["api00"] > 700,
    "stypeH": lambda frame: frame["stype"] == "H",
    "ell0": lambda frame: frame["ell"] == 0,
    "rare_api00_gt_930": lambda frame: frame["api00"] > 930,
}
CROSSTABS = ("sch.wide_stype", "sch.wide_comp.imp", "stype_awards")
DROPPED_ROWS_SE = 39.45  # see test_dropping_rows_instead_of_a_domain_is_wrong
# svyglm stops at a relative deviance change of 1e-8 and takes its covariance from the iteration before the
# last: with epsilon = 1e-15 its standard errors equal ours to 1e-9
BINARY_COEFFICIENT = 1e-7  # of the standard error
BINARY_STANDARD_ERROR = 1e-4  # relative


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Name of a design."""
    return str(request.param)


@pytest.fixture
def design(name: str) -> survey.Design:
    """Make the design of that name."""
    return make(name)


@pytest.fixture
def reference(name: str) -> dict[str, Any]:
    """Reference values of that design."""
    content: dict[str, Any] = values("api")[name]
    return content


def make(name: str) -> survey.Design:
    frame = api(name)
    for item, condition in PROPORTIONS.items():
        frame[item] = yes_no(condition(frame))
    return survey.Design(frame, **API_DESIGNS[name])


@pytest.mark.parametrize("sample", ["apisrs", "apistrat", "apiclus1", "apiclus2"])
def test_exported_data_equal_the_shared_data(sample: str) -> None:
    pd.testing.assert_frame_equal(
        read_csv(REFERENCE / f"{sample}.csv"), read_csv(shared("api") / f"{sample}.csv"), check_exact=True
    )


def test_design(design: survey.Design, reference: dict[str, Any]) -> None:
    assert design.n == reference["n"]
    assert design.df == reference["degf"]
    close(design.weights.sum(), reference["sum_weights"], ESTIMATE, "sum of weights")


def test_mean_of_numbers_and_levels(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, ["api00", "api99", "stype"]), reference["mean"])


def test_mean_drops_missing_values(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, "enroll", missing="drop"), reference["mean_enroll_narm"])


def test_design_effect(design: survey.Design, reference: dict[str, Any]) -> None:
    estimate = survey.mean(design, "api00")
    expected = list(reference["mean_deff_replace"]["deff"].values())
    close(estimate.tidy()["deff"], expected, 2 * STANDARD_ERROR, "deff, a ratio of variances")


def test_total(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.total(design, ["api.stu", "stype", "sch.wide"]), reference["total"])


def test_ratio(design: survey.Design, reference: dict[str, Any]) -> None:
    (row,) = survey.ratio(design, "api00", "api99").tidy().to_dict("records")
    close(row["estimate"], reference["ratio"]["est"], ESTIMATE, "ratio")
    close(row["std_error"], reference["ratio"]["se"], STANDARD_ERROR, "std_error of a ratio")


def test_mean_by(design: survey.Design, reference: dict[str, Any]) -> None:
    same_by(survey.mean(design, ["api00", "api99"], by="stype"), "stype", reference["by_stype"]["table"])


def test_total_by(design: survey.Design, reference: dict[str, Any]) -> None:
    table = dict(reference["by_stype_total"]["table"])
    same_by(survey.total(design, "api.stu", by="stype"), "stype", table)


def test_mean_by_two(design: survey.Design, reference: dict[str, Any]) -> None:
    by = ["stype", "sch.wide"]
    same_by(survey.mean(design, "api00", by=by), by, reference["by_two"]["table"])


def test_domain(design: survey.Design, reference: dict[str, Any]) -> None:
    domain = design.domain('`comp.imp` == "Yes"')
    same_estimate(survey.mean(domain, "api00"), reference["domain_subset"])


def test_domain_equals_its_row_of_a_by_table(design: survey.Design, reference: dict[str, Any]) -> None:
    frame = survey.mean(design, "api00", by="comp.imp").tidy().set_index("comp.imp")
    row, expected = frame.loc["Yes"], reference["domain_subset"]
    close(row["estimate"], expected["est"]["api00"], ESTIMATE, "estimate")
    close(row["std_error"], expected["se"]["api00"], STANDARD_ERROR, "std_error")
    close(row["df"], expected["df"], DEGREES_OF_FREEDOM, "df of the PSUs that have the group")
    ends = expected["ci95"]["values"][0]
    allowed = INTERVAL * expected["se"]["api00"]
    close_within([row["conf_low"], row["conf_high"]], ends, allowed, "interval with the domain's df")


def test_domain_degrees_of_freedom(design: survey.Design, reference: dict[str, Any]) -> None:
    (row,) = survey.mean(design.domain("stype == 'E'"), "api00").tidy().to_dict("records")
    assert row["df"] == reference["domain_degf"]


def test_covariance_between_groups(design: survey.Design, reference: dict[str, Any]) -> None:
    estimate = survey.mean(design, "api00", by="stype")
    frame = estimate.tidy()
    order = [list(frame["stype"]).index(level) for level in reference["by_covmat"]["rows"]]
    expected = reference["by_covmat"]["values"]
    same_covariance(estimate.vcov[np.ix_(order, order)], expected, np.zeros(3), "vcov")


def test_contrast(design: survey.Design, reference: dict[str, Any]) -> None:
    estimate = survey.mean(design, "api00", by="stype")
    expected = reference["contrast_E_minus_H"]
    for contrast in (
        estimate.contrast({"E": 1, "H": -1}, df="design"),
        estimate.contrast(np.array([[1.0, -1.0, 0.0]]), df="design"),
    ):
        (row,) = contrast.tidy().to_dict("records")
        allowed = ESTIMATE * estimate.tidy()["estimate"].max()  # digits are lost where means are close
        close_within(row["estimate"], expected["est"], allowed, "difference")
        close(row["std_error"], expected["se"], STANDARD_ERROR, "std_error of a difference")


@pytest.mark.parametrize(("item", "level"), [*((item, 0.95) for item in PROPORTIONS), ("api00_gt_700", 0.90)])
@pytest.mark.parametrize("interval", SVYCIPROP)
def test_proportion_interval(
    design: survey.Design, reference: dict[str, Any], item: str, interval: Any, level: float
) -> None:
    expected = reference["ciprop" if level == 0.95 else "ciprop_level90"][item][SVYCIPROP[interval]]
    same_interval(survey.proportion(design, item, interval=interval, level=level), "yes", expected, interval)


def test_korn_graubard_is_beta_with_at_most_n_respondents(design: survey.Design) -> None:
    item = "api00_gt_700"
    beta = survey.proportion(design, item, interval="beta").tidy()
    capped = survey.proportion(design, item, interval="korn-graubard").tidy()
    columns = ["estimate", "std_error", "conf_low", "conf_high"]
    width = beta["conf_high"] - beta["conf_low"]
    capped_width = capped["conf_high"] - capped["conf_low"]
    assert (capped_width >= width * (1 - ESTIMATE)).all()
    if (capped["deff"] > 1.5).all():  # far from the cap: the same interval
        pd.testing.assert_frame_equal(capped[columns], beta[columns], rtol=ESTIMATE)


@pytest.mark.parametrize("statistic", [*RAO_SCOTT, *WALD])
@pytest.mark.parametrize("table", CROSSTABS)
def test_independence(design: survey.Design, reference: dict[str, Any], table: str, statistic: str) -> None:
    row, column = table.split("_")
    method: Any = {**RAO_SCOTT, **WALD}[statistic]
    result = survey.crosstab(design, row, column).test(method=method, df="design")
    same_test(result, reference["chisq"][table][statistic], f"{table} {statistic}")


def test_crosstab_shares(design: survey.Design, reference: dict[str, Any]) -> None:
    counts = np.array(reference["table"]["values"], dtype=float)
    table = pd.DataFrame(counts, index=reference["table"]["rows"], columns=reference["table"]["cols"])
    share: Any
    for share, total in (("cell", counts.sum()), ("column", table.sum(axis=0)), ("row", None)):
        expected = table.div(table.sum(axis=1), axis=0) if total is None else table / total
        frame = survey.crosstab(design, "sch.wide", "stype", share=share).tidy()
        if "kind" in frame:
            frame = frame[frame["kind"] == "level"]
        frame = frame[frame["stype"].isin(table.columns)]
        actual = frame.pivot(index="level", columns="stype", values="estimate").loc[table.index, table.columns]
        close(actual.to_numpy(dtype=float), expected.to_numpy(), ESTIMATE, f"{share} shares")


def test_crosstab_agrees_with_proportions_by_group(design: survey.Design) -> None:
    table = survey.crosstab(design, "sch.wide", "stype").tidy()
    table = table[table["stype"].isin(["E", "H", "M"]) & table["level"].isin(["No", "Yes"])]
    columns = ["estimate", "std_error", "df"]
    table = table.astype({"stype": str, "level": str}).set_index(["stype", "level"])[columns].sort_index()
    by = survey.proportion(design, "sch.wide", by="stype").tidy()
    by = by.astype({"stype": str, "level": str}).set_index(["stype", "level"])[columns].sort_index()
    pd.testing.assert_frame_equal(table, by, rtol=ESTIMATE)


def test_two_level_outcome_is_binary_regression(name: str) -> None:
    frame = api(name).rename(columns=lambda column: column.replace(".", "_"))
    fit = survey.ordinal("sch_wide ~ ell + meals + mobility", survey.Design(frame, **API_DESIGNS[name]))
    reference = values("api")[name]["glm_logit"]
    slopes = ["ell", "meals", "mobility"]
    errors = np.array([reference["se"][term] for term in slopes])
    close_within(
        fit.params.loc[slopes],
        [reference["coef"][term] for term in slopes],
        BINARY_COEFFICIENT * errors,
        "slopes",
    )
    close(fit.bse.loc[slopes], errors, BINARY_STANDARD_ERROR, "std_error")
    close_within(
        -fit.thresholds.iloc[0],
        reference["coef"]["(Intercept)"],
        BINARY_COEFFICIENT * reference["se"]["(Intercept)"],
        "the threshold is minus the intercept",
    )


def test_dropping_rows_instead_of_a_domain_is_wrong() -> None:
    """Sub-setting the data changes the number of PSUs: 39.45 where 38.02 is right."""
    frame = api("clus1")
    keywords = API_DESIGNS["clus1"]
    right = survey.mean(survey.Design(frame, **keywords).domain("stype == 'H'"), "api00").tidy()
    dropped = survey.mean(survey.Design(frame[frame["stype"] == "H"], **keywords), "api00").tidy()
    expected = values("api")["clus1"]["by_stype"]["table"]
    close(right["std_error"], [expected["se.api00"][expected["stype"].index("H")]], STANDARD_ERROR, "domain")
    assert round(float(dropped["std_error"].iloc[0]), 2) == DROPPED_ROWS_SE


def test_first_stage_only_is_wrong_for_two_stages() -> None:
    """Leaving out the second stage understates the variance wherever schools were sub-sampled."""
    frame = api("clus2")
    frame["weight"] = survey.Design(frame, **API_DESIGNS["clus2"]).weights
    single = survey.Design(frame, weight="weight", psu="dnum", fpc="fpc1")
    two = survey.Design(frame, **API_DESIGNS["clus2"])
    understated = survey.total(single, "stype").tidy()["std_error"]
    assert (understated < survey.total(two, "stype").tidy()["std_error"]).all()
