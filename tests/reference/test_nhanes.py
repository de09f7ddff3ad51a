"""Estimates on a stratified design with two PSUs per stratum (US health survey 2009-2010) equal R's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference_data import (
    ESTIMATE,
    NHANES_DESIGN,
    RAO_SCOTT,
    REFERENCE,
    STANDARD_ERROR,
    SVYCIPROP,
    WALD,
    close,
    close_within,
    nhanes,
    read_csv,
    same_by,
    same_estimate,
    same_interval,
    same_test,
    shared,
    values,
)

# svyglm stops at a relative deviance change of 1e-8, and takes its covariance from the iteration before the last
BINARY_COEFFICIENT = 1e-7  # of the standard error
BINARY_STANDARD_ERROR = 1e-5  # relative


@pytest.fixture(scope="module")
def design() -> survey.Design:
    """The health survey."""
    return survey.Design(nhanes(), **NHANES_DESIGN)


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """Its reference values."""
    return dict(values("nhanes"))


def test_exported_data_equal_the_shared_data() -> None:
    exported, given = read_csv(REFERENCE / "nhanes.csv"), read_csv(shared("nhanes") / "nhanes.csv")
    pd.testing.assert_frame_equal(exported, given, check_exact=True)


def test_design(design: survey.Design, reference: dict[str, Any]) -> None:
    assert design.df == reference["degf"]
    assert design.n == reference["w"]["n"]
    close(design.weights.sum(), reference["w"]["sum"], ESTIMATE, "sum of weights")


def test_weight_summary(design: survey.Design, reference: dict[str, Any]) -> None:
    (row,) = survey.weight_summary(design).to_dict("records")
    for column, entry in {
        "n": "n",
        "sum": "sum",
        "min": "min",
        "max": "max",
        "deff_kish": "kish_deff",
    }.items():
        close(row[column], reference["w"][entry], ESTIMATE, column)
    close(row["n_eff"], reference["w"]["n"] / reference["w"]["kish_deff"], ESTIMATE, "n_eff")


def test_mean_and_total_drop_missing_values(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, "HI_CHOL", missing="drop"), reference["mean"])
    same_estimate(survey.total(design, "HI_CHOL", missing="drop"), reference["total"])


def test_levels(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, "race"), reference["race"])


def test_numbered_psus_need_nest() -> None:
    keywords = {**NHANES_DESIGN, "nest": False}
    with pytest.raises(survey.DesignError, match="nest"):
        survey.Design(nhanes(), **keywords)


@pytest.mark.parametrize(("by", "entry"), [(["race", "sex"], "by_race_sex"), (["agecat"], "by_agecat")])
def test_mean_by(design: survey.Design, reference: dict[str, Any], by: list[str], entry: str) -> None:
    table = {key: part for key, part in reference[entry]["table"].items() if key not in {"ci_l", "ci_u", "cv", "var"}}
    same_by(survey.mean(design, "HI_CHOL", by=by, missing="drop"), by, table)


@pytest.mark.parametrize("interval", ["logit", "wald", "beta"])
def test_intervals_among_those_who_answered(design: survey.Design, interval: Any) -> None:
    expected = values("intervals")["nhanes"]
    same_interval(survey.proportion(design, "chol", interval=interval), "yes", expected["all"][interval])
    young = survey.proportion(design.domain("agecat == '(0,19]'"), "chol", interval=interval)
    same_interval(young, "yes", expected["(0,19]"][interval])
    for race, entry in expected["by_race"].items():  # race 4: answers from 14 PSUs more than strata, not 15
        domain = survey.proportion(design.domain(f"race == '{race}'"), "chol", interval=interval)
        same_interval(domain, "yes", entry[interval], f"race {race}")


@pytest.mark.parametrize("interval", ["logit", "wald", "wilson"])
def test_intervals(design: survey.Design, reference: dict[str, Any], interval: Any) -> None:
    expected = reference["ciprop"][SVYCIPROP[interval]]
    same_interval(survey.proportion(design, "chol", interval=interval), "yes", expected)


@pytest.mark.parametrize("statistic", [*RAO_SCOTT, *WALD])
@pytest.mark.parametrize(("table", "row", "column"), [("chol_race", "chol", "race"), ("agecat_race", "agecat", "race")])
def test_independence(
    design: survey.Design, reference: dict[str, Any], table: str, row: str, column: str, statistic: str
) -> None:
    method: Any = {**RAO_SCOTT, **WALD}[statistic]
    result = survey.crosstab(design, row, column).test(method=method, df="design")
    answered = float(design.frame[[row, column]].notna().all(axis=1).mean())
    same_test(result, reference["chisq"][table][statistic], f"{table} {statistic}", answered)


def test_crosstab_shares_by_column(design: survey.Design, reference: dict[str, Any]) -> None:
    """The "yes" row of a table of the answer by group holds the group means of its 0/1 variable."""
    frame = survey.crosstab(design, "chol", "agecat", share="column").tidy()
    frame = frame[frame["level"].astype(str) == "yes"].astype({"agecat": str}).set_index("agecat")
    table = reference["by_agecat"]["table"]
    close(frame.loc[table["agecat"], "estimate"], table["HI_CHOL"], ESTIMATE, "shares")
    close(frame.loc[table["agecat"], "std_error"], table["se"], STANDARD_ERROR, "std_error")


def test_binary_regression(design: survey.Design, reference: dict[str, Any]) -> None:
    expected = reference["glm"]
    fit = survey.ordinal("chol ~ race + C(agecat) + sex", design)
    slopes = [name for name in expected["coef"] if name != "(Intercept)"]
    errors = np.array([expected["se"][name] for name in slopes])
    k = len(slopes)
    allowed = BINARY_COEFFICIENT * errors
    close_within(fit.params.iloc[:k], [expected["coef"][name] for name in slopes], allowed, "slopes")
    close(fit.bse.iloc[:k], errors, BINARY_STANDARD_ERROR, "std_error")
    close_within(-fit.thresholds.iloc[0], expected["coef"]["(Intercept)"], allowed.max(), "intercept")
