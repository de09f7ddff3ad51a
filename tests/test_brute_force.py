"""The brute-force computation on rows equals R, so that the engine can be tested against it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests import brute_force as bf
from tests.reference_data import (
    API_DESIGNS,
    ESTIMATE,
    REFERENCE,
    STANDARD_ERROR,
    WEIGHT,
    api,
    close,
    read_csv,
    same_covariance,
    same_standard_errors,
    values,
)

DROPPED_ROWS_SE = 39.45  # apiclus1, mean api00 of high schools, other rows dropped: the wrong way
IGNORED_CALIBRATION_SE = 1_000_326  # apiclus1 raked, total enrolment, weights taken as given: the wrong way
RAKE_OF_R = 1e-4  # R's rake() and its calibrate() differ by more than this where base weights are unequal


def weights(name: str, frame: pd.DataFrame) -> bf.Floats:
    if name == "clus2":  # schools drawn at random within districts drawn at random
        districts = frame["dnum"].nunique()
        schools = frame.groupby("dnum")["snum"].transform("nunique")
        return (frame["fpc1"] / districts * frame["fpc2"] / schools).to_numpy(dtype=float)
    return frame["pw"].to_numpy(dtype=float)


def stages(name: str, frame: pd.DataFrame) -> list[bf.Stage]:
    keywords, n = API_DESIGNS[name], len(frame)
    strata = None if keywords.get("strata") is None else frame[keywords["strata"]].astype(str).to_numpy()
    psu = None if keywords.get("psu") is None else frame[keywords["psu"]].to_numpy()
    if name == "clus2":
        return [
            bf.single_stage(n, psu=psu, size=frame["fpc1"]),
            bf.single_stage(n, strata=psu, psu=frame["snum"], size=frame["fpc2"]),
        ]
    size = None if keywords.get("fpc") is None else frame[keywords["fpc"]]
    return [bf.single_stage(n, strata, psu, size)]


@pytest.mark.parametrize("name", API_DESIGNS)
def test_totals_means_ratios_and_domains(name: str) -> None:
    frame, reference = api(name), values("api")[name]
    w, sample = weights(name, frame), stages(name, frame)
    assert bf.degrees_of_freedom(sample[0]) == reference["degf"]
    # means of numbers and level indicators, with their covariance
    columns = [frame["api00"], frame["api99"], *(frame["stype"] == level for level in "EHM")]
    ys = [column.to_numpy(dtype=float) for column in columns]
    expected = np.array(list(reference["mean"]["est"].values()))
    close([bf.mean(y, w) for y in ys], expected, ESTIMATE, "means")
    influence = np.column_stack([bf.mean_influence(y, w) for y in ys])
    covariance = bf.variance_of_total(w[:, None] * influence, sample)
    errors = list(reference["mean"]["se"].values())
    same_standard_errors(np.sqrt(np.diag(covariance)), errors, expected, "means")
    same_covariance(covariance, reference["mean"]["vcov"]["values"], expected, "means")
    # totals
    y = frame["api.stu"].to_numpy(dtype=float)
    close(bf.total(y, w), reference["total"]["est"]["api.stu"], ESTIMATE, "total")
    error = bf.standard_error(w * bf.total_influence(y), sample)
    close(error, reference["total"]["se"]["api.stu"], STANDARD_ERROR, "total std_error")
    # ratio
    y, x = frame["api00"].to_numpy(dtype=float), frame["api99"].to_numpy(dtype=float)
    close(bf.ratio(y, x, w), reference["ratio"]["est"], ESTIMATE, "ratio")
    error = bf.standard_error(w * bf.ratio_influence(y, x, w), sample)
    close(error, reference["ratio"]["se"], STANDARD_ERROR, "ratio std_error")
    # domain
    inside = (frame["comp.imp"] == "Yes").to_numpy()
    close(bf.mean(y, w, inside), reference["domain_subset"]["est"]["api00"], ESTIMATE, "domain")
    error = bf.standard_error(w * bf.mean_influence(y, w, inside), sample)
    close(error, reference["domain_subset"]["se"]["api00"], STANDARD_ERROR, "domain std_error")
    assert bf.degrees_of_freedom(sample[0], inside) == reference["domain_subset"]["df"]


@pytest.mark.parametrize("way", ["poststratify_stype", "rake_tight", "cal_raking_margins", "rake_nofpc_tight"])
def test_calibration(way: str) -> None:
    frame, reference = api("clus1"), values("api_calibration")["clus1"][way]
    w, sample = weights("clus1", frame), stages("clus1_nofpc" if "nofpc" in way else "clus1", frame)
    calibrated, x = calibrate(w, frame, way)
    close(calibrated, reference["weights"], WEIGHT, "weights")
    y = frame["enroll"].to_numpy(dtype=float)
    close(bf.total(y, calibrated), reference["total"]["est"]["enroll"], ESTIMATE, "total")
    z = bf.calibrated_values(bf.total_influence(y), x, w, calibrated)
    close(bf.standard_error(z, sample), reference["total"]["se"]["enroll"], STANDARD_ERROR, "total std_error")
    y = frame["api00"].to_numpy(dtype=float)
    inside = (frame["comp.imp"] == "Yes").to_numpy()
    z = bf.calibrated_values(bf.mean_influence(y, calibrated, inside), x, w, calibrated)
    close(bf.standard_error(z, sample), reference["domain"]["se"]["api00"], STANDARD_ERROR, "domain std_error")


def calibrate(w: bf.Floats, frame: pd.DataFrame, way: str) -> tuple[bf.Floats, bf.Floats]:
    """Calibrated weights and the indicators of the margins they were calibrated to."""
    population: dict[str, Any] = values("api_calibration")["population"]
    margins: list[tuple[Any, dict[Any, float]]] = []
    for item in ("stype",) if way.startswith("poststratify") else ("stype", "sch.wide"):
        targets = dict(zip(population[item][item], population[item]["Freq"], strict=True))
        margins.append((frame[item].astype(str).to_numpy(), targets))
    x = np.column_stack([bf.indicators(labels) for labels, _ in margins])
    return bf.raked_weights(w, margins), x


def test_margins_of_a_calibrated_design_are_known() -> None:
    frame = api("clus1")
    w, sample = weights("clus1", frame), stages("clus1", frame)
    calibrated, x = calibrate(w, frame, "rake_tight")
    z = bf.calibrated_values((frame["stype"] == "H").to_numpy(dtype=float), x, w, calibrated)
    assert bf.standard_error(z, sample) < ESTIMATE


def test_unequal_base_weights_show_what_rake_of_r_does() -> None:
    """R's rake() sweeps with unweighted margin means; we use the base weights, as its calibrate() does."""
    frame, reference = api("strat"), values("api_calibration")["strat"]["rake_tight"]
    w, sample = weights("strat", frame), stages("strat", frame)
    calibrated, x = calibrate(w, frame, "rake_tight")
    close(calibrated, reference["weights"], WEIGHT, "weights")
    kept = frame["enroll"].notna().to_numpy()
    y = frame["enroll"].fillna(0).to_numpy(dtype=float)
    z = bf.calibrated_values(bf.total_influence(y, kept), x, w, calibrated)
    by_base_weights = bf.standard_error(z, sample)
    assert abs(by_base_weights / reference["total"]["se"]["enroll"] - 1) > RAKE_OF_R


def test_dropping_rows_outside_the_domain_is_wrong() -> None:
    """39.45 where 38.02 is right: districts without a high school are part of the sample."""
    frame = api("clus1")
    w, y = weights("clus1", frame), frame["api00"].to_numpy(dtype=float)
    inside = (frame["stype"] == "H").to_numpy()
    right = bf.standard_error(w * bf.mean_influence(y, w, inside), stages("clus1", frame))
    table = values("api")["clus1"]["by_stype"]["table"]
    close(right, table["se.api00"][table["stype"].index("H")], STANDARD_ERROR, "domain")
    dropped = bf.standard_error((w * bf.mean_influence(y, w, inside))[inside], stages("clus1", frame[inside]))
    assert round(dropped, 2) == DROPPED_ROWS_SE


def test_ignoring_the_calibration_is_wrong() -> None:
    """1,000,326 where 400,603 is right: most of the variance of a total is the sample's size."""
    frame, reference = api("clus1"), values("api_calibration")["clus1"]["rake_tight"]["total"]
    w, sample, y = weights("clus1", frame), stages("clus1", frame), frame["enroll"].to_numpy(dtype=float)
    calibrated, x = calibrate(w, frame, "rake_tight")
    right = bf.standard_error(bf.calibrated_values(bf.total_influence(y), x, w, calibrated), sample)
    close(right, reference["se"]["enroll"], STANDARD_ERROR, "raked total")
    assert round(bf.standard_error(calibrated * bf.total_influence(y), sample)) == IGNORED_CALIBRATION_SE


def test_several_strata_and_psus() -> None:
    frame, reference = read_csv(REFERENCE / "nhanes.csv"), values("nhanes")
    sample = [bf.single_stage(len(frame), frame["SDMVSTRA"], frame["SDMVPSU"])]
    assert bf.degrees_of_freedom(sample[0]) == reference["degf"]
    w = frame["WTMEC2YR"].to_numpy(dtype=float)
    known = frame["HI_CHOL"].notna().to_numpy()
    y = frame["HI_CHOL"].fillna(0).to_numpy(dtype=float)
    close(bf.mean(y, w, known), reference["mean"]["est"]["HI_CHOL"], ESTIMATE, "proportion")
    error = bf.standard_error(w * bf.mean_influence(y, w, known), sample)
    close(error, reference["mean"]["se"]["HI_CHOL"], STANDARD_ERROR, "proportion std_error")


def test_two_stages_with_known_sizes() -> None:
    """Särndal, Swensson & Wretman's municipalities: 5 of 50 clusters, 3 municipalities of each."""
    frame, reference = read_csv(REFERENCE / "mu284.csv"), values("designs")["mu284"]
    first = bf.single_stage(len(frame), psu=frame["id1"], size=frame["n1"])
    second = bf.single_stage(len(frame), strata=frame["id1"], psu=frame["id2"], size=frame["n2"])
    w = (frame["n1"] / 5 * frame["n2"] / 3).to_numpy(dtype=float)
    y = frame["y1"].to_numpy(dtype=float)
    for sample, entry in (([first, second], "two_stage"), ([first], "one_stage_only")):
        close(bf.total(y, w), reference[entry]["total"]["est"]["y1"], ESTIMATE, entry)
        error = bf.standard_error(w * y, sample)
        close(error, reference[entry]["total"]["se"]["y1"], STANDARD_ERROR, entry)


def test_a_stratum_with_one_psu_is_refused() -> None:
    sample = [bf.single_stage(3, strata=[1, 1, 2])]
    with pytest.raises(ValueError, match="stratum 2 has one PSU"):
        bf.variance_of_total(np.ones(3), sample)
