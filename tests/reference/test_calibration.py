"""Post-stratified and raked estimates of the school samples equal R's, or brute force where R errs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests import brute_force as bf
from tests.reference_data import (
    API_DESIGNS,
    ESTIMATE,
    STANDARD_ERROR,
    WEIGHT,
    api,
    close,
    read_csv,
    same_by,
    same_estimate,
    same_interval,
    same_test,
    shared,
    values,
    yes_no,
)

# R entry -> design. `cal_raking_margins` is calibrate(calfun="raking") to the same margins as `rake_tight`.
WAYS = {
    "poststratify_stype": "clus1",
    "poststratify_stype_sw_partial": "clus1",
    "rake_tight": "clus1",
    "cal_raking_margins": "clus1",
    "rake_nofpc_tight": "clus1_nofpc",
}
IGNORED_CALIBRATION_SE = 1_000_326  # total enrolment, raked weights taken as if they were given
MARGINS = ("stype", "sch.wide")


def margins(as_shares: bool = False) -> dict[Any, dict[Any, float]]:
    population = values("api_calibration")["population"]
    counts = {item: dict(zip(population[item][item], population[item]["Freq"], strict=True)) for item in MARGINS}
    if not as_shares:
        return counts
    return {item: {level: n / sum(levels.values()) for level, n in levels.items()} for item, levels in counts.items()}


def cells() -> pd.Series:
    table = values("api_calibration")["population"]["stype_by_sch.wide"]
    frame = pd.DataFrame(table["values"], index=table["rows"], columns=table["cols"])
    pairs = {(row, column): frame.loc[row, column] for row in frame.index for column in frame.columns}
    index = pd.MultiIndex.from_tuples(list(pairs), names=list(MARGINS))
    return pd.Series(list(pairs.values()), index=index, dtype=float)


def calibrated(way: str, design: str | None = None) -> survey.Design:
    name = design or WAYS[way]
    frame = api(name)
    frame["api00_gt_700"] = yes_no(frame["api00"] > 700)
    base = survey.Design(frame, **API_DESIGNS[name])
    if way == "poststratify_stype":
        return survey.poststratify(base, pd.Series(margins()["stype"], name="stype").rename_axis("stype"))
    if way == "poststratify_stype_sw_partial":
        return survey.poststratify(base, cells())
    return survey.rake(base, margins())


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """Name of a way to calibrate."""
    return str(request.param)


@pytest.fixture
def design(way: str) -> survey.Design:
    """Design calibrated that way."""
    return calibrated(way)


@pytest.fixture
def reference(way: str) -> dict[str, Any]:
    """Reference values of that design."""
    content: dict[str, Any] = values("api_calibration")["clus1"][way]
    return content


def test_weights(design: survey.Design, reference: dict[str, Any]) -> None:
    close(design.weights, reference["weights"], WEIGHT, "weights")
    assert design.df == reference["degf"]


def test_copied_weights_equal_the_shared_ones(way: str, reference: dict[str, Any]) -> None:
    columns = read_csv(shared("api") / "apiclus1_weights.csv")
    assert list(columns[way]) == reference["weights"]


def test_mean(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design, ["api00", "enroll", "stype"], missing="drop"), reference["mean"])


def test_total(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.total(design, ["enroll", "stype"], missing="drop"), reference["total"])


@pytest.mark.parametrize(("by", "entry"), [("stype", "by"), ("sch.wide", "by_sw")])
def test_mean_by(design: survey.Design, reference: dict[str, Any], by: str, entry: str) -> None:
    same_by(survey.mean(design, "api00", by=by), by, reference[entry]["table"])


def test_domain(design: survey.Design, reference: dict[str, Any]) -> None:
    same_estimate(survey.mean(design.domain('`comp.imp` == "Yes"'), "api00"), reference["domain"])


def test_proportion(design: survey.Design, reference: dict[str, Any]) -> None:
    expected = {**reference["ciprop"], "df": reference["degf"]}
    same_interval(survey.proportion(design, "api00_gt_700"), "yes", expected)


def test_independence(design: survey.Design, reference: dict[str, Any]) -> None:
    same_test(survey.crosstab(design, "comp.imp", "awards").test(df="design"), reference["chisq"])


def test_shares_instead_of_counts_leave_means_alone() -> None:
    """Shares keep the sum of the weights: means and their standard errors stay what they were."""
    base = survey.Design(api("clus1"), **API_DESIGNS["clus1"])
    shares = survey.rake(base, margins(as_shares=True))
    reference = values("api_calibration")["clus1"]["rake_tight"]
    close(shares.weights.sum(), base.weights.sum(), WEIGHT, "sum of weights")
    by = survey.mean(shares, "api00", by="sch.wide")
    same_by(by, "sch.wide", reference["by_sw"]["table"])


def test_known_margins_have_no_standard_error() -> None:
    design = calibrated("rake_tight")
    frame = survey.total(design, "sch.wide").tidy()
    close(frame["estimate"], [1072, 5122], ESTIMATE, "counts of the margin")
    assert (frame["std_error"] < ESTIMATE * frame["estimate"]).all()


def test_ignoring_the_calibration_is_wrong() -> None:
    """1,000,326 where 400,603 is right: weights that were raked are not weights that were given."""
    design = calibrated("rake_tight")
    frame = api("clus1").assign(raked=design.weights)
    ignored = survey.Design(frame, weight="raked", psu="dnum", fpc="fpc")
    right = survey.total(design, "enroll").tidy()
    reference = values("api_calibration")["clus1"]["rake_tight"]["total"]
    close(right["std_error"], [reference["se"]["enroll"]], STANDARD_ERROR, "raked")
    wrong = survey.total(ignored, "enroll").tidy()
    close(wrong["estimate"], right["estimate"], ESTIMATE, "the estimate is the same")
    assert round(float(wrong["std_error"].iloc[0])) == IGNORED_CALIBRATION_SE


@pytest.mark.parametrize("name", ["strat", "clus2"])
def test_unequal_base_weights(name: str) -> None:
    """Weights and estimates equal R's rake(); standard errors equal brute force.


    R's `rake` sweeps the influence with unweighted margin means, its `calibrate` and `postStratify` with the
    weights before calibration (Deville & Särndal 1992), as here.
    """
    design, reference = calibrated("rake_tight", name), values("api_calibration")[name]["rake_tight"]
    close(design.weights, reference["weights"], WEIGHT, "weights")
    frame = api(name)
    estimate = survey.total(design, "enroll", missing="drop").tidy()
    close(estimate["estimate"], [reference["total"]["est"]["enroll"]], ESTIMATE, "total")
    base, n = survey.Design(frame, **API_DESIGNS[name]).weights, len(frame)
    if name == "strat":
        sample = [bf.single_stage(n, strata=frame["stype"].astype(str), size=frame["fpc"])]
    else:
        sample = [
            bf.single_stage(n, psu=frame["dnum"], size=frame["fpc1"]),
            bf.single_stage(n, strata=frame["dnum"], psu=frame["snum"], size=frame["fpc2"]),
        ]
    known = frame["enroll"].notna().to_numpy()
    x = np.column_stack([bf.indicators(frame[item].astype(str).to_numpy()) for item in MARGINS])
    y = frame["enroll"].fillna(0).to_numpy(dtype=float)
    z = bf.calibrated_values(bf.total_influence(y, known), x, base, design.weights)
    close(estimate["std_error"], [bf.standard_error(z, sample)], STANDARD_ERROR, "total std_error")
    y = frame["api00"].to_numpy(dtype=float)
    for school_wide, row in survey.mean(design, "api00", by="sch.wide").tidy().set_index("sch.wide").iterrows():
        inside = (frame["sch.wide"] == school_wide).to_numpy()
        close(row["estimate"], bf.mean(y, design.weights, inside), ESTIMATE, "mean")
        z = bf.calibrated_values(bf.mean_influence(y, design.weights, inside), x, base, design.weights)
        close(row["std_error"], bf.standard_error(z, sample), STANDARD_ERROR, "mean std_error")
