"""Calibrated and trimmed weights of the school samples equal R's `calibrate` and `trimWeights`, and so do estimates."""

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
    close_within,
    read_csv,
    same_by,
    same_estimate,
    same_interval,
    same_test,
    shared,
    values,
    yes_no,
)

TYPES = {"stype": {"E": 4421, "H": 755, "M": 1018}}
BOTH = {**TYPES, "sch.wide": {"No": 1072, "Yes": 5122}}
SCORES = {"api99": 3914069}
WAYS: dict[tuple[str, str], dict[str, Any]] = {  # R entry -> arguments of `calibrate`
    ("clus1", "cal_linear_stype"): {"margins": TYPES},
    ("clus1", "cal_linear"): {"margins": TYPES, "totals": SCORES},
    ("clus1", "cal_raking"): {"margins": TYPES, "totals": SCORES, "distance": "raking"},
    ("clus1", "cal_raking_margins"): {"margins": BOTH, "distance": "raking"},
    ("clus1", "cal_logit"): {"margins": TYPES, "totals": SCORES, "distance": "logit", "bounds": (0.3, 2.5)},
    ("clus1", "cal_logit_margins"): {"margins": BOTH, "distance": "logit", "bounds": (0.4, 3)},
    ("clus1", "cal_linear_bounded"): {"margins": TYPES, "totals": SCORES, "bounds": (0.5, 1.8)},
    ("clus1", "cal_linear_lambda_enroll"): {"totals": SCORES},  # R's `~ api99 - 1`: the population's size is free
    ("strat", "cal_linear"): {"margins": TYPES, "totals": SCORES},
    ("strat", "cal_logit"): {"margins": TYPES, "totals": SCORES, "distance": "logit", "bounds": (0.5, 2)},
    ("clus2", "cal_linear"): {"margins": TYPES, "totals": SCORES},
}
IGNORED_CALIBRATION = 2.3  # ratio of standard errors of total enrolment: calibrated weights taken for given ones
TRIMMED = 1e-5  # relative: the standard error of a total that was known before trimming is a small difference, and R's
# rake, which stops at a change of 1e-9 of the total, is that far from its margins
TRIMMED_MEANS = 0.01  # relative: where the sum of the weights hardly matters, R is near


def base(name: str) -> survey.Design:
    frame = api(name)
    frame["api00_gt_700"] = yes_no(frame["api00"] > 700)
    return survey.Design(frame, **API_DESIGNS[name])


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[survey.Design, dict[str, Any]]:
    """A calibrated design, and R's results for it."""
    name, way = request.param
    return survey.calibrate(base(name), **WAYS[name, way]), values("api_calibration")[name][way]


def test_weights(case: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = case
    close(design.weights, reference["weights"], WEIGHT, "weights")
    assert design.df == reference["degf"]
    (step,) = design.calibrations
    assert step.largest_gap <= step.tolerance


def test_estimates(case: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = case
    mean, total = reference["mean"], reference["total"]
    if design.frame["enroll"].isna().any():  # R was given the df of all PSUs, ours are of those that answered
        mean, total = ({part: entry[part] for part in ("est", "se", "vcov")} for entry in (mean, total))
    same_estimate(survey.mean(design, ["api00", "enroll", "stype"]), mean, "mean")
    same_estimate(survey.total(design, ["enroll", "stype"]), total, "total")
    for by, entry in (("stype", "by"), ("sch.wide", "by_sw")):
        same_by(survey.mean(design, "api00", by=by), by, reference[entry]["table"], entry)
    same_estimate(survey.mean(design.domain('`comp.imp` == "Yes"'), "api00"), reference["domain"], "domain")
    expected = {**reference["ciprop"], "df": reference["degf"]}
    same_interval(survey.proportion(design, "api00_gt_700"), "yes", expected)
    same_test(survey.crosstab(design, "comp.imp", "awards").test(df="design"), reference["chisq"])


@pytest.mark.parametrize(("name", "way"), WAYS, ids="-".join)
def test_copied_weights_equal_the_shared_ones(name: str, way: str) -> None:
    columns = read_csv(shared("api") / f"api{name}_weights.csv")
    assert list(columns[way]) == values("api_calibration")[name][way]["weights"]


def test_shares_and_a_mean_say_the_same() -> None:
    """Margins as shares, the total as the population's mean times the sum of the weights."""
    design = base("clus1")
    shares = {"stype": {level: n / 6194 for level, n in TYPES["stype"].items()}}
    total = SCORES["api99"] / 6194 * design.weights.sum()
    made = survey.calibrate(design, margins=shares, totals={"api99": total}, distance="raking")
    reference = values("api_calibration")["clus1"]["cal_raking"]
    same_by(survey.mean(made, "api00", by="stype"), "stype", reference["by"]["table"])


def test_ignoring_the_calibration_is_wrong() -> None:
    made = survey.calibrate(base("clus1"), margins=TYPES, totals=SCORES)
    forgetful = survey.Design(made.frame.assign(given=made.weights), weight="given", psu="dnum", fpc="fpc")
    ratio = survey.total(forgetful, "enroll").std_error[0] / survey.total(made, "enroll").std_error[0]
    assert ratio > IGNORED_CALIBRATION


@pytest.mark.parametrize(("sharing", "way"), [("once", "rake_trim_10_50"), ("repeated", "rake_trim_10_50_strict")])
def test_trimmed_weights(sharing: Any, way: str) -> None:
    raked = survey.rake(base("clus1"), BOTH, tolerance=1e-14)
    trimmed = survey.trim(raked, lower=10, upper=50, sharing=sharing)
    close(trimmed.weights, values("api_calibration")["clus1"][way]["weights"], WEIGHT, way)
    close(trimmed.weights.sum(), raked.weights.sum(), WEIGHT, "sum")


def test_estimates_after_trimming() -> None:
    """Estimates are R's; its standard errors do not know that trimming keeps the sum of the weights.

    That sum is the number of schools, known since the raking; with the ratios as given, as R takes them, its standard
    error is 18.0. On rows: the influence becomes ubar + f (u - ubar), ubar the mean over the schools not trimmed.
    """
    reference = values("api_calibration")["clus1"]["rake_trim_10_50"]
    raked = survey.rake(base("clus1"), BOTH, tolerance=1e-14)
    design = survey.trim(raked, lower=10, upper=50, sharing="once")
    frame, w = design.frame, raked.weights
    sample = [bf.single_stage(len(frame), psu=frame["dnum"], size=frame["fpc"])]
    x = np.column_stack([bf.indicators(frame[item].astype(str).to_numpy()) for item in BOTH])
    ratio = design.weights / w
    kept = (w >= 10) & (w <= 50)
    columns = {"enroll": frame["enroll"], **{f"stype{level}": frame["stype"] == level for level in "EHM"}}
    made = survey.total(design, ["enroll", "stype"]).tidy()
    close(made["estimate"], list(reference["total"]["est"].values()), ESTIMATE, "totals")
    for position, (name, column) in enumerate(columns.items()):
        u = column.to_numpy(dtype=float)
        as_given = bf.standard_error(bf.calibrated_values(ratio * u, x, raked.base_weights, w), sample)
        close(as_given, reference["total"]["se"][name], TRIMMED, f"{name}: R takes the ratios as given")
        ubar = u[kept].mean()
        right = bf.standard_error(bf.calibrated_values(ubar + ratio * (u - ubar), x, raked.base_weights, w), sample)
        close(made["std_error"][position], right, STANDARD_ERROR, f"{name}: the sum is kept")
    close(
        survey.mean(design, ["api00", "enroll"]).value, list(reference["mean"]["est"].values())[:2], ESTIMATE, "means"
    )
    means = survey.mean(design, "api00", by="stype")
    close(means.value, reference["by"]["table"]["api00"], ESTIMATE, "by")
    close(means.std_error, reference["by"]["table"]["se"], TRIMMED_MEANS, "by std_error, near R's")


@pytest.mark.parametrize("distance", ["linear", "raking"])
@pytest.mark.parametrize("order", ["replicate first", "calibrate first"])
def test_calibrated_replicates(distance: Any, order: str) -> None:
    reference = values("api_calibration")["replicates"][f"JK1_cal_{distance}"]
    design, arguments = base("clus1"), {"margins": TYPES, "totals": SCORES, "distance": distance}
    if order == "replicate first":
        made = survey.calibrate(survey.replicate(design, kind="JK1"), **arguments)
    else:
        made = survey.replicate(survey.calibrate(design, **arguments), kind="JK1")
    same_estimate(survey.mean(made, ["api00", "enroll", "stype"]), reference["mean"], "mean")
    same_estimate(survey.total(made, ["enroll", "stype"]), reference["total"], "total")
    for by, entry in (("stype", "by"), ("sch.wide", "by_sw")):
        same_by(survey.mean(made, "api00", by=by), by, reference[entry]["table"], entry)
    same_estimate(survey.mean(made.domain('`comp.imp` == "Yes"'), "api00"), reference["domain"], "domain")
    ratio = survey.ratio(made, "api00", "api99").tidy()
    close(ratio["estimate"], reference["ratio"]["est"], ESTIMATE, "ratio")
    close(ratio["std_error"], reference["ratio"]["se"], STANDARD_ERROR, "ratio std_error")


@pytest.mark.parametrize("distance", ["linear", "raking"])
def test_calibrated_replicate_weights(distance: Any) -> None:
    """Every one of the 15 x 183 weights."""
    expected = read_csv(shared("api") / f"repweights_JK1_cal_{distance}.csv").to_numpy(dtype=float)
    design = survey.replicate(base("clus1"), kind="JK1")
    made = survey.calibrate(design, margins=TYPES, totals=SCORES, distance=distance)
    assert made.replicates is not None
    psu = pd.factorize(made.frame["dnum"])[0]
    ours = made.replicates.weights
    order = [int(np.flatnonzero((ours == 0)[:, r])[0]) for r in range(15)]  # the PSU that each replicate leaves out
    theirs = [int(np.flatnonzero((expected == 0)[:, r])[0]) for r in range(15)]
    matched = [theirs.index(row) for row in order]
    assert len(set(psu[order])) == 15
    close_within(ours, expected[:, matched], WEIGHT * expected.max(), "replicate weights")
