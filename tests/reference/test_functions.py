"""Design effects, ratios, variances, correlations and smooth functions equal those of R's `survey`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.reference.test_calibration import calibrated
from tests.reference_data import (
    API_DESIGNS,
    ESTIMATE,
    INTERVAL,
    NHANES_DESIGN,
    STANDARD_ERROR,
    api,
    close,
    close_within,
    nhanes,
    read_csv,
    same_by,
    same_covariance,
    same_standard_errors,
    shared,
    shared_values,
    values,
)

DESIGN_EFFECT = 2 * STANDARD_ERROR  # relative: a ratio of variances
ROUNDING_OVER_ROUNDING = 1e20  # what R makes of a constant: the quotient of two variances that should be zero
NAMES = ("srs", "strat", "clus1", "clus2", "clus1_raked")
FUNCTIONS: Mapping[str, tuple[Callable[[survey.Design], survey.Estimate], Mapping[str, Callable[..., Any]]]] = {
    "log_ratio": (
        lambda design: survey.mean(design, ["api00", "api99"]),
        {"log_ratio": lambda e: np.log(e[0] / e[1]), "product": lambda e: e[0] * e[1]},
    ),
    "total_function": (
        lambda design: survey.total(design, ["api.stu", "stype"]),
        {"share": lambda e: e[1] / (e[1] + e[2] + e[3]), "cube": lambda e: (e[0] / 1000) ** 3},
    ),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """Name of a design."""
    return str(request.param)


@pytest.fixture
def design(name: str) -> survey.Design:
    """Make the design of that name."""
    if name == "clus1_raked":
        return calibrated("rake_tight")
    return survey.Design(api(name), **API_DESIGNS[name])


@pytest.fixture
def reference(name: str) -> dict[str, Any]:
    """Reference values of that design."""
    content: dict[str, Any] = values("functions")[name]
    return content


def same_design_effects(made: survey.Estimate, reference: Mapping[str, Any], what: str) -> None:
    """Compare by label; where R has no number, neither have we, but for calibrated totals, which have no variance."""
    expected = np.array([np.nan if part is None else float(part) for part in reference.values()])
    expected[expected > ROUNDING_OVER_ROUNDING] = np.nan
    close(np.where(expected < 1e-9, 0, made.deff), np.where(expected < 1e-9, 0, expected), DESIGN_EFFECT, what)
    assert (made.deff[expected < 1e-9] < 1e-9).all()


def test_design_effects(design: survey.Design, reference: dict[str, Any]) -> None:
    """Against as many respondents drawn with replacement, as `deff="replace"`; NaN where nothing varies."""
    same_design_effects(survey.total(design, ["api.stu", "stype"]), reference["deff_total"], "totals")
    same_design_effects(survey.mean(design, ["api00", "stype"]), reference["deff_mean"], "means")
    domain = design.domain('`comp.imp` == "Yes"')
    same_design_effects(survey.mean(domain, ["api00", "sch.wide"]), reference["deff_mean_domain"], "domain")
    ratio = survey.ratio(design, "api.stu", "enroll")
    close(ratio.deff, [reference["deff_ratio"]], DESIGN_EFFECT, "ratio")


def test_design_effects_of_groups(design: survey.Design, reference: dict[str, Any]) -> None:
    for entry, estimator, item in (("mean", survey.mean, "api00"), ("total", survey.total, "api.stu")):
        table = reference[f"deff_{entry}_by"]
        frame = estimator(design, item, by="stype").tidy().set_index("stype").loc[table["stype"]]
        close(frame["deff"], table[f"DEff.{item}"], DESIGN_EFFECT, entry)


def test_ratios_by_groups(design: survey.Design, reference: dict[str, Any]) -> None:
    for by, entry in (("stype", "ratio_by"), (["stype", "sch.wide"], "ratio_by_two")):
        same_by(survey.ratio(design, "api00", "api99", by=by), by, reference[entry], entry)


def test_several_ratios(design: survey.Design, reference: dict[str, Any]) -> None:
    made, expected = survey.ratio(design, ["api00", "api.stu"], "api99"), reference["ratio_several"]
    assert made.tidy()["term"].tolist() == list(expected["est"])
    close(made.value, list(expected["est"].values()), ESTIMATE, "ratios")
    close(made.std_error, list(expected["se"].values()), STANDARD_ERROR, "std_error")
    same_covariance(made.vcov, expected["vcov"], np.zeros(2), "vcov")


def test_variances_by_groups(design: survey.Design, reference: dict[str, Any]) -> None:
    same_by(survey.var(design, "api00", by="stype"), "stype", reference["var_by"])


def test_correlation(design: survey.Design, reference: dict[str, Any]) -> None:
    expected = reference["correlation"]
    (row,) = survey.corr(design, "api00", "api99", interval="wald").tidy().to_dict("records")
    close(row["estimate"], expected["est"]["r"], ESTIMATE, "correlation")
    close(row["std_error"], expected["se"]["r"], STANDARD_ERROR, "std_error")
    assert row["df"] == reference["degf"]


@pytest.mark.parametrize("which", FUNCTIONS)
def test_smooth_functions(design: survey.Design, reference: dict[str, Any], which: str) -> None:
    estimator, parts = FUNCTIONS[which]
    made = estimator(design).transform(lambda e: [part(e) for part in parts.values()], names=list(parts), df="design")
    expected = reference[which]
    assert made.tidy()["term"].tolist() == list(expected["est"])
    close(made.value, list(expected["est"].values()), ESTIMATE, "values")
    same_standard_errors(made.std_error, list(expected["se"].values()), made.value, "std_error")
    same_covariance(made.vcov, expected["vcov"], made.value, "vcov")
    assert (made.df == reference["degf"]).all()


@pytest.mark.parametrize("design_name", API_DESIGNS)
def test_variances_and_covariance(design_name: str) -> None:
    design, expected = survey.Design(api(design_name), **API_DESIGNS[design_name]), values("api")[design_name]["var"]
    estimates, errors = np.array(expected["est"]["values"]), np.array(expected["se"]["values"])
    variances, covariance = survey.var(design, ["api00", "api99"]), survey.cov(design, "api00", "api99")
    close([*variances.value, *covariance.value], [*np.diag(estimates), estimates[0, 1]], ESTIMATE, "moments")
    close([*variances.std_error, *covariance.std_error], [*np.diag(errors), errors[0, 1]], STANDARD_ERROR, "errors")


@pytest.mark.parametrize("which", ["clus1_JK1", "clus1_JK1_mse", "strat_JKn", "clus1_bootstrap", "clus2_mrbbootstrap"])
def test_variance_under_replicates(which: str) -> None:
    entry = shared_values("api/api_calib_rep.json")["rep"][which]
    sample = which.split("_")[0]
    frame = read_csv(shared("api") / f"api{sample}.csv")
    frame["full"] = read_csv(shared("api") / f"api{sample}_weights.csv")["base"]
    made = read_csv(shared("api") / f"repweights_{which}.csv")
    names = [f"replicate {i}" for i in range(made.shape[1])]
    made.columns = pd.Index(names)
    design = survey.Design.from_replicates(
        pd.concat([frame, made], axis=1),
        weight="full",
        replicates=names,
        kind="bootstrap",
        scale=entry["scale"],
        rscales=entry["rscales_all"],
        mse=entry["mse"],
    )
    variance = survey.var(design, "api00")
    close(variance.value, [entry["var"]["est"]], ESTIMATE, "variance")
    close(variance.std_error, [entry["var"]["se"]], STANDARD_ERROR, "std_error")


def test_variance_of_age() -> None:
    frame = read_csv(shared("anes2020") / "anes_2020.csv")
    expected = shared_values("anes2020/anes2020.json")["var_age"]
    made = survey.var(survey.Design(frame, weight="Weight", strata="Stratum", psu="VarUnit", nest=True), "Age")
    close(made.value, [expected["est"]], ESTIMATE, "variance")
    close(made.std_error, [expected["se"]], STANDARD_ERROR, "std_error")
    assert made.left_out == int(frame["Age"].isna().sum())


def test_odds_ratio_of_two_groups() -> None:
    """Men and women lie in the same PSUs: their covariance enters."""
    frame, reference = nhanes(), values("functions")["nhanes"]
    shares = survey.mean(survey.Design(frame, **NHANES_DESIGN), "HI_CHOL", by="sex")
    made = shares.transform(lambda e: e[1] / (1 - e[1]) / (e[0] / (1 - e[0])), names="odds ratio", df="design")
    expected = reference["odds_ratio"]
    close(made.value, [expected["est"]["odds_ratio"]], ESTIMATE, "odds ratio")
    close(made.std_error, [expected["se"]["odds_ratio"]], STANDARD_ERROR, "std_error")
    table = reference["deff_mean_by"]
    groups = survey.mean(survey.Design(frame, **NHANES_DESIGN), "HI_CHOL", by="race")
    close(groups.deff, table["DEff.HI_CHOL"], DESIGN_EFFECT, "deff by race")
    margin = INTERVAL * made.std_error
    again = shares.transform(lambda e: np.log(e / (1 - e)), df="design").contrast(np.array([[-1.0, 1.0]]), df="design")
    close_within(np.exp(again.value), made.value, margin, "through the log odds")
