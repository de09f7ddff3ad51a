"""Quantiles of the school samples and of ANES 2020 equal R's `survey`; what R does otherwise is shown to be that."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import survey
from survey.design.replicates import ReplicateKind
from tests.marks import slow
from tests.quantiles_on_rows import RULES, quantile
from tests.reference.extract import REPLICATED
from tests.reference.test_calibration import WAYS, calibrated
from tests.reference_data import (
    API_DESIGNS,
    ESTIMATE,
    STANDARD_ERROR,
    api,
    close,
    read_csv,
    shared,
    shared_values,
    values,
)

Q = (0.05, 0.25, 0.5, 0.75, 0.95)
QUARTILES = (0.25, 0.5, 0.75)
WOODRUFF: Mapping[str, Any] = {  # interval.type of svyquantile -> interval
    "mean": "woodruff",
    "beta": "woodruff-beta",
    "xlogit": "woodruff-logit",
    "asin": "woodruff-asin",
}
# 10 of 200 equal weights are a share of .05 exactly: R finds them to be less, by rounding error, with weights of 30.97,
# and to be .05 with weights of 1 (`unit_weights` in functions.json), which is what we find with either
TIED = ("srs", 0.05)
# the score statistic falls below -t at 538, rises above it at 542 and falls for good at 547: R's search meets the first
# crossing, our interval holds every value that is not rejected
CROSSED_TWICE = ("clus1_nofpc", 547)
EQUAL_WEIGHTS = ("srs", "clus1", "clus1_nofpc")
RECALIBRATED = {  # replicates of a calibrated design -> column of the full-sample weights
    "JK1_rake": "rake_tight",
    "JK1_poststrat": "poststratify_stype",
    "JK1_cal_linear": "cal_linear",
    "JK1_cal_raking": "cal_raking",
    "boot_rake": "rake_tight",
    "JKn_rake": "rake_tight",
}
REGRESSION: Mapping[str, tuple[Any, Any]] = {  # R entry -> distance, bounds
    "cal_linear": ("linear", None),
    "cal_raking": ("raking", None),
    "cal_logit": ("logit", (0.3, 2.5)),
    "cal_linear_bounded": ("linear", (0.5, 1.8)),
}
AGES = (0.1, 0.25, 0.5, 0.75, 0.9)
EVERY_KIND_OF_RULE = ("math", "school", "shahvaish", "hf3", "hf7")  # steps, ties, units, even places, interpolation
OTHER_RULES = [rule for rule in RULES if rule not in EVERY_KIND_OF_RULE]


@pytest.fixture(params=tuple(API_DESIGNS))
def name(request: pytest.FixtureRequest) -> str:
    """Name of a design."""
    return str(request.param)


def design_of(name: str) -> survey.Design:
    return survey.Design(api(name), **API_DESIGNS[name])


def numbers(rows: list[list[Any]]) -> NDArray[np.float64]:
    """Rows of estimate, bounds and standard error as R printed them; null is NaN."""
    return np.array([[np.nan if entry is None else float(entry) for entry in row] for row in rows])


def same_quantiles(made: survey.Estimate, expected: NDArray[np.float64], what: str) -> None:
    """Compare estimates and bounds, which are observed values, and standard errors."""
    frame = made.tidy()
    close(frame[["estimate", "conf_low", "conf_high"]].to_numpy(), expected[:, :3], ESTIMATE, what)
    close(frame["std_error"], expected[:, 3], STANDARD_ERROR, f"{what} std_error")


@pytest.mark.parametrize("kind", WOODRUFF)
def test_woodruff_intervals(name: str, kind: str) -> None:
    expected = numbers(values("api")[name]["quantile"][kind]["api00"]["values"])
    if name == TIED[0]:
        expected[0] = numbers(values("functions")["unit_weights"]["srs_intervals"][kind])[0]
    same_quantiles(survey.quantile(design_of(name), "api00", Q, interval=WOODRUFF[kind]), expected, f"{name} {kind}")


def test_groups(name: str) -> None:
    table = values("api")[name]["quantile_by"]
    frame = survey.quantile(design_of(name), "api00", QUARTILES, by="stype").tidy().set_index(["stype", "level"])
    for i, group in enumerate(table["stype"]):
        for q in QUARTILES:
            row = [table[f"{part}api00.{q}"][i] for part in ("", "ci_l.", "ci_u.")]
            actual = frame.loc[(group, q), ["estimate", "conf_low", "conf_high"]].to_numpy(dtype=float)
            close(actual, numbers([row])[0], ESTIMATE, f"{group} {q}")


@pytest.mark.parametrize("rule", [*EVERY_KIND_OF_RULE, *slow(*OTHER_RULES)])
def test_rules(name: str, rule: Any) -> None:
    """Ours are R's where no ties have unequal weights; where they have, R's are those of the rows in file order."""
    frame, design = api(name), design_of(name)
    ours = survey.quantile(design, "api00", Q, rule=rule).value
    theirs = np.array(values("api")[name]["quantile_qrule"][rule]["api00"]["values"][0], dtype=float)
    p = [Fraction(q).limit_denominator(100) for q in Q]
    by_row = [quantile(frame["api00"], design.weights, share, rule) for share in p]
    close(ours, by_row, ESTIMATE, "the definition, on rows")
    if rule == "shahvaish":
        theirs = np.array(values("functions")["unit_weights"]["shahvaish"][name.split("_")[0]], dtype=float)
    elif name in EQUAL_WEIGHTS:
        if name == TIED[0] and rule in values("functions")["unit_weights"]["srs"]:
            theirs = np.array(values("functions")["unit_weights"]["srs"][rule], dtype=float)
        close(ours, theirs, ESTIMATE, "R")
    else:
        in_file_order = [quantile(frame["api00"], design.weights, share, rule, share_ties=False) for share in p]
        close(theirs, in_file_order, ESTIMATE, "R takes ties in the order of the file")


def test_r_scales_a_rule_by_the_unit_of_the_weights(name: str) -> None:
    """`shahvaish` gives a median of 684 in R, where 94 of 183 schools are at or below 652, because weights are 34."""
    theirs = values("api")["clus1"]["quantile_qrule"]["shahvaish"]["api00"]["values"][0][2]
    design = design_of("clus1")
    assert theirs == 684
    assert survey.quantile(design, "api00", rule="shahvaish").value.tolist() == [652]
    assert values("functions")["unit_weights"]["shahvaish"]["clus1"][2] == 652


def test_score_intervals(name: str) -> None:
    """R's ends lie within one school of ours, once read at the unweighted share below them, as R does.

    Its search stops beside a step, on either side, and it then looks up the weighted quantile at the share of
    *respondents* below. With equal weights that costs one order statistic, with unequal ones it moves the interval.
    """
    frame, design = api(name), design_of(name)
    theirs = numbers(values("api")[name]["quantile"]["score"]["api00"]["values"])
    ours = survey.quantile(design, "api00", Q, interval="score").tidy()
    x = np.sort(frame["api00"].to_numpy())
    distinct = np.unique(x)
    for row, expected in zip(ours.to_dict("records"), theirs, strict=True):
        for end, r_end in ((row["conf_low"], expected[1]), (row["conf_high"], expected[2])):
            if (name, end) == CROSSED_TWICE:
                assert r_end == 536
                continue
            at = int(np.searchsorted(distinct, end))
            beside = distinct[max(at - 2, 0) : at + 1]
            shares = [float((x <= value).mean()) for value in beside]
            read = [survey.quantile(design, "api00", min(share, 1 - 1e-9)).value[0] for share in shares]
            near = np.searchsorted(distinct, read)
            allowed = range(near.min() - 1, near.max() + 2)
            assert int(np.searchsorted(distinct, r_end)) in allowed, (row["level"], end, r_end)
            if name in EQUAL_WEIGHTS:
                assert abs(int(np.searchsorted(distinct, r_end)) - at) <= 2  # distinct values; one school may tie


@pytest.mark.parametrize("way", WAYS)
def test_calibrated_weights(way: str) -> None:
    """The share below a quantile has calibration residuals, and so has its interval."""
    expected = numbers(values("api_calibration")["clus1"][way]["quantile"]["api00"]["values"])
    same_quantiles(survey.quantile(calibrated(way), "api00", QUARTILES), expected, way)


@pytest.mark.parametrize("way", REGRESSION)
def test_regression_weights(way: str) -> None:
    """Calibrated to school types and a numeric total at once, in each distance."""
    distance, bounds = REGRESSION[way]
    expected = numbers(shared_values("api/api_calib_rep.json")["clus1"][way]["quantile"]["api00"]["values"])
    design = survey.calibrate(
        design_of("clus1"),
        margins={"stype": {"E": 4421, "H": 755, "M": 1018}},
        totals={"api99": 3914069},
        distance=distance,
        bounds=bounds,
    )
    same_quantiles(survey.quantile(design, "api00", QUARTILES), expected, way)


def replicate_design(
    entry: Mapping[str, Any],
    file: str,
    data: str,
    weight: str,
    kind: ReplicateKind | None = None,
    extra: pd.Series | None = None,
) -> survey.Design:
    """Design with the replicate weights that R made; `kind` names them otherwise than R did, `extra` is a column."""
    kinds: dict[str, ReplicateKind] = {"JK1": "JK1", "JKn": "JKn"}
    frame = read_csv(shared("api") / f"{data}.csv")
    frame["full"] = read_csv(shared("api") / f"{data}_weights.csv")[weight]
    made = read_csv(shared("api") / f"repweights_{file}.csv")
    names = [f"replicate {i}" for i in range(made.shape[1])]
    made.columns = pd.Index(names)
    return survey.Design.from_replicates(
        pd.concat([frame, made] if extra is None else [frame, extra, made], axis=1),
        weight="full",
        replicates=names,
        kind=kind or kinds.get(entry["type"], "bootstrap"),
        scale=entry["scale"],
        rscales=entry["rscales_all"],
        mse=entry["mse"],
    )


@pytest.mark.parametrize("kind", ["mean", "quantile", *slow(*(kind for kind in WOODRUFF if kind != "mean"))])
@pytest.mark.parametrize("which", [*REPLICATED, *RECALIBRATED])
def test_replicate_weights(which: str, kind: str) -> None:
    """A jackknife is refused for `interval="replication"`; its weights named a bootstrap give R's numbers."""
    calibrated_ones = which in RECALIBRATED
    entry = shared_values("api/api_calib_rep.json")["rep_calibrated" if calibrated_ones else "rep"][which]
    sample = "strat" if which == "JKn_rake" else "clus1" if calibrated_ones else which.split("_")[0]
    interval = WOODRUFF.get(kind, "replication")
    named: ReplicateKind | None = "bootstrap" if kind == "quantile" else None
    design = replicate_design(entry, which, f"api{sample}", RECALIBRATED.get(which, "base"), named)
    expected = numbers(entry["quantile_types"][kind]["api00"]["values"])
    same = survey.quantile(design, "api00", QUARTILES, interval=interval)
    frame = same.tidy()
    close(frame["estimate"], expected[:, 0], ESTIMATE, "estimate")
    close(frame["std_error"], expected[:, 3], STANDARD_ERROR, "std_error")
    close(frame[["conf_low", "conf_high"]].to_numpy(), expected[:, 1:3], STANDARD_ERROR, "bounds")


def ages() -> survey.Design:
    frame = read_csv(shared("anes2020") / "anes_2020.csv")
    return survey.Design(frame, weight="Weight", strata="Stratum", psu="VarUnit", nest=True)


@pytest.mark.parametrize("kind", WOODRUFF)
def test_ages(kind: str) -> None:
    """Weighted opinion poll, 7,453 respondents, some of unknown age."""
    expected = numbers(shared_values("anes2020/anes2020.json")["quantile_age"][kind]["Age"]["values"])
    same_quantiles(survey.quantile(ages(), "Age", AGES, interval=WOODRUFF[kind]), expected, kind)


def test_r_score_intervals_miss_the_quantile_with_unequal_weights() -> None:
    """R reads the ends at unweighted shares: from 40 to 42 for a median age of 47."""
    low, high = shared_values("anes2020/anes2020.json")["quantile_age"]["score"]["Age"]["values"][2][1:3]
    assert (low, high) == (40, 42)
    (row,) = survey.quantile(ages(), "Age", interval="score").tidy().to_dict("records")
    assert (row["conf_low"], row["estimate"], row["conf_high"]) == (46, 47, 48)
