"""Calibration by distances: what it meets, what it refuses, and its variance against a computation on rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import survey
from tests import brute_force as rows
from tests.marks import slow
from tests.test_properties import VANISHING, Sample, margin_indicators, samples

MET = 1e-9  # relative: ten times the tolerance of the iteration
RATIO = 1e-7  # relative: weights that meet the same totals to 1e-10, by Newton's method and by raking
STANDARD_ERROR = 1e-6  # relative: the same sums in another order
BOUNDS = (0.6, 1.6)  # contain the ratios 0.7 to 1.4 that the random targets are made with


def design(**columns: Any) -> survey.Design:
    data = pd.DataFrame(
        {
            "sex": pd.Categorical(["m", "m", "m", "f"] * 5, ["m", "f"]),
            "age": pd.Categorical(["young", "old", "old", "young"] * 5, ["young", "old"]),
            "x": np.arange(20.0),
            "one": 1.0,
            "w": 1.0,
        }
    ).assign(**columns)
    return survey.Design(data, weight="w")


SEX = {"sex": {"m": 0.5, "f": 0.5}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`margins` or `totals` must hold something to calibrate to; both are empty"),
        ({"totals": {"z": 1.0}}, "`totals` must name columns of the data; 'z' is not among"),
        ({"totals": {"sex": 1.0}}, r"`totals\['sex'\]` must be of a numeric column; its type is category"),
        ({"totals": {"x": "many"}}, r"`totals\['x'\]` must be a number; got 'many'"),
        ({"totals": {"x": np.inf}}, r"`totals\['x'\]` must be finite; got inf"),
        ({"margins": {"sex": {"m": 1.0}}}, r"must cover every level in the data; 'f' \(n=5\) has no target"),
        ({"margins": SEX, "distance": "greg"}, "`distance` must be one of linear, raking, logit; got 'greg'"),
        ({"margins": SEX, "distance": "logit"}, '`bounds` must be given for distance="logit"'),
        ({"margins": SEX, "distance": "logit", "bounds": (1.1, 2)}, "`bounds` must lie on both sides of 1"),
        ({"margins": SEX, "distance": "logit", "bounds": (0.1, np.inf)}, "`bounds` must lie on both sides of 1"),
        ({"margins": SEX, "bounds": (2, 1)}, "`bounds` must be two numbers, the first at least 0 and below the second"),
        ({"margins": SEX, "bounds": (-1, 2)}, "`bounds` must be two numbers, the first at least 0"),
        ({"margins": SEX, "tolerance": 0.0}, "`tolerance` must lie between 0 and 1"),
        ({"margins": SEX, "max_iterations": 0}, "`max_iterations` be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.calibrate(design(), **arguments)


def test_a_total_needs_values_of_everybody() -> None:
    x = np.where(np.arange(20) == 3, np.nan, 1.0)
    with pytest.raises(survey.CalibrationError, match=r"'x' is missing or infinite for 1, first in row 3. Impute it"):
        survey.calibrate(design(x=x), totals={"x": 30.0})
    ignored = survey.calibrate(design(x=x, w=(np.arange(20) != 3) * 1.0), totals={"x": 30.0})
    assert np.nansum(ignored.weights * x) == pytest.approx(30.0)
    assert np.isfinite(survey.mean(ignored, "sex").std_error).all()
    with pytest.raises(survey.CalibrationError, match="must be of a column that is not zero for everybody"):
        survey.calibrate(design(x=0.0), totals={"x": 30.0})


def test_a_domain_is_weighted_before_it_is_chosen() -> None:
    with pytest.raises(survey.CalibrationError, match="`design` must not be restricted to a domain"):
        survey.calibrate(design().domain("sex == 'm'"), totals={"x": 100.0})


def test_negative_weights_are_refused() -> None:
    """A regression estimator may have them; no other function here accepts them."""
    with pytest.raises(
        survey.CalibrationError,
        match=r'"linear" gives \d+ of 20 respondents a negative weight \(the lowest is .*Set `bounds`.*"raking"',
    ):
        survey.calibrate(design(), totals={"x": 20 * 15.0, "one": 20.0})
    raked = survey.calibrate(design(), totals={"x": 20 * 15.0, "one": 20.0}, distance="raking")
    assert (raked.weights > 0).all()
    np.testing.assert_allclose([raked.weights @ np.arange(20), raked.weights.sum()], [300, 20])


def test_targets_out_of_reach_are_explained() -> None:
    """No convergence is an error that says where the iteration stopped and why."""
    with pytest.raises(
        survey.CalibrationError,
        match=r"by raking calibration: after \d+ iterations the largest gap is 0.0\d+, at .* With "
        r"sex='m' and sex='f' at the target, with positive weights the total of 'x' can be no less than "
        r"30 and no more than 370, but its target is 380. The nearest targets that can be met: .*'x'",
    ):
        survey.calibrate(design(), margins=SEX, totals={"x": 380.0}, distance="raking")
    with pytest.raises(survey.CalibrationError, match=r"Within the bounds sex='m' can be .*no more than 0.825"):
        survey.calibrate(design(), margins={"sex": {"m": 0.9, "f": 0.1}}, distance="logit", bounds=(0.5, 1.1))
    with pytest.raises(survey.CalibrationError, match="Within their bounds the weights add up to at most 40, but"):
        survey.calibrate(design(), margins={"sex": {"m": 500, "f": 500}}, bounds=(0.5, 2))
    with pytest.raises(
        survey.CalibrationError, match=r"[Ww]ith any weights the total of 'one' can be no less than 20 and"
    ):
        survey.calibrate(design(), margins=SEX, totals={"one": 30.0})


def test_weights_on_their_way_to_zero_are_refused() -> None:
    """The mean is the largest value: raking meets it to any tolerance with weights that vanish."""
    with pytest.raises(survey.CalibrationError, match=r"leave no positive weight to some respondents.*1 with x=0.0"):
        survey.calibrate(design(), totals={"x": 20 * 19.0, "one": 20.0}, distance="raking")


def test_too_few_steps_are_an_error_not_a_result() -> None:
    with pytest.raises(survey.CalibrationError, match=r"after 1 iterations .* Raise `max_iterations`, or widen"):
        survey.calibrate(design(), margins=SEX, distance="raking", max_iterations=1)


def test_shares_go_with_the_weighted_size_and_counts_with_their_own() -> None:
    shares = survey.calibrate(design(), margins=SEX, totals={"x": 20 * 9.0}, distance="raking")
    counts = survey.calibrate(design(), margins={"sex": {"m": 500, "f": 500}}, totals={"x": 9000.0}, distance="raking")
    np.testing.assert_allclose(counts.weights, 50 * shares.weights, rtol=RATIO)
    assert shares.weights.sum() == pytest.approx(20)
    assert shares.weights @ np.arange(20) / 20 == pytest.approx(9)


def test_the_summary_tells_how_the_weights_were_made() -> None:
    base = design()
    assert survey.calibration_summary(base).empty
    made = survey.calibrate(survey.rake(base, SEX), margins=SEX, totals={"x": 180.0}, distance="logit", bounds=(0.5, 2))
    frame = survey.calibration_summary(made)
    assert frame["step"].tolist() == [1, 2]
    assert frame["method"].tolist() == ["rake", "calibrate (logit)"]
    assert frame["variables"].tolist() == ["sex", "sex, x"]
    assert (frame["largest_gap"] <= frame["tolerance"]).all()
    assert (frame["iterations"] > 0).all()
    assert (frame["n"] == 20).all()
    assert frame["g_min"][1] > 0.5
    assert frame["g_max"][1] < 2
    assert frame["deff_before"][0] == pytest.approx(1)
    assert frame["deff_after"][0] == frame["deff_before"][1]
    assert frame["deff_after"][1] == pytest.approx(survey.weight_summary(made)["deff_kish"][0])


def targets(sample: Sample, seed: int) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Counts of both margins and the total of z in a population that ratios from 0.7 to 1.4 make of the sample."""
    w = sample.frame["w"].to_numpy() * np.random.default_rng(seed).uniform(0.7, 1.4, len(sample.frame))
    counts = {
        name: {level: float(w[(sample.frame[name] == level).to_numpy()].sum()) for level in margin}
        for name, margin in sample.margins.items()
    }
    return counts, {"z": float(w @ sample.frame["z"].to_numpy())}


def auxiliaries(frame: pd.DataFrame) -> NDArray[np.float64]:
    return np.column_stack([margin_indicators(frame), frame["z"].to_numpy()])


@pytest.mark.parametrize("distance", ["linear", *slow("raking", "logit")])
@settings(max_examples=40)
@given(sample=samples(), seed=st.integers(0, 1000), in_domain=st.booleans())
def test_totals_are_met_and_variances_use_the_residuals(
    distance: Any, sample: Sample, seed: int, in_domain: bool
) -> None:
    frame, base = sample.frame, sample.design()
    margins, totals = targets(sample, seed)
    made = survey.calibrate(base, margins=margins, totals=totals, distance=distance, bounds=BOUNDS)
    w, weights = frame["w"].to_numpy(), made.weights
    wanted = np.array(
        [*(margins["g"][level] for level in "abc"), *(margins["m"][level] for level in "xy"), totals["z"]]
    )
    np.testing.assert_allclose(weights @ auxiliaries(frame), wanted, rtol=MET * weights.sum() / wanted.min())
    assert (weights[w == 0] == 0).all()
    ratio = weights[w > 0] / w[w > 0]
    assert ratio.min() >= BOUNDS[0] * (1 - RATIO)
    assert ratio.max() <= BOUNDS[1] * (1 + RATIO)
    known = survey.total(made, ["g", "m", "z"])
    assert (known.std_error <= VANISHING * np.abs(known.value)).all()
    (step,) = made.calibrations
    assert step.largest_gap <= step.tolerance
    again = survey.calibrate(made, margins=margins, totals=totals, distance=distance, bounds=BOUNDS)
    np.testing.assert_allclose(again.weights, weights, rtol=RATIO)
    inside = frame["in_domain"].to_numpy() if in_domain else np.ones(len(frame), dtype=bool)
    chosen = made.domain("in_domain") if in_domain else made
    y = frame["y"].to_numpy()
    for estimate, influence in (
        (survey.total(chosen, "y"), rows.total_influence(y, inside)),
        (survey.mean(chosen, "y"), rows.mean_influence(y, weights, inside)),
    ):
        z = rows.calibrated_values(influence, auxiliaries(frame), w, weights)
        expected = rows.standard_error(z, [sample.stage])
        np.testing.assert_allclose(
            estimate.std_error[0], expected, rtol=STANDARD_ERROR, atol=VANISHING * abs(estimate.value[0])
        )


@given(sample=samples())
def test_raking_distance_on_margins_is_raking(sample: Sample) -> None:
    base = sample.design()
    raked = survey.rake(base, sample.margins, tolerance=1e-13, max_iterations=20_000)
    made = survey.calibrate(base, margins=sample.margins, distance="raking")
    np.testing.assert_allclose(made.weights, raked.weights, rtol=RATIO)
    ours, theirs = survey.mean(made, "y"), survey.mean(raked, "y")
    np.testing.assert_allclose(ours.std_error, theirs.std_error, rtol=STANDARD_ERROR, atol=VANISHING)


@given(sample=samples(), seed=st.integers(0, 1000))
def test_linear_weights_are_those_of_regression(sample: Sample, seed: int) -> None:
    """The regression estimator in its textbook form: total of y plus b'(population totals - estimated totals)."""
    margins, totals = targets(sample, seed)
    try:
        made = survey.calibrate(sample.design(), margins=margins, totals=totals)
    except survey.CalibrationError as error:
        assert "a negative weight" in str(error)  # noqa: PT017
        return
    w, y, x = (sample.frame[name].to_numpy() for name in ("w", "y", "z"))
    x = np.column_stack([margin_indicators(sample.frame), x])
    root = np.sqrt(w)
    slopes = np.linalg.lstsq(root[:, None] * x, root * y, rcond=None)[0]
    wanted = np.array(
        [*(margins["g"][level] for level in "abc"), *(margins["m"][level] for level in "xy"), totals["z"]]
    )
    expected = w @ y + slopes @ (wanted - w @ x)
    np.testing.assert_allclose(survey.total(made, "y").value[0], expected, rtol=1e-9, atol=1e-9 * w.sum())


@pytest.mark.parametrize("factor", [1e-8, 1e8])
@pytest.mark.parametrize("distance", ["linear", "raking"])
def test_the_unit_of_a_total_does_not_matter(distance: Any, factor: float) -> None:
    rng = np.random.default_rng(5)
    columns = {"x": rng.uniform(1, 3, 20), "y": rng.normal(size=20)}
    one = survey.calibrate(design(**columns), margins=SEX, totals={"x": 41.0}, distance=distance)
    columns["x"] = columns["x"] * factor
    other = survey.calibrate(design(**columns), margins=SEX, totals={"x": 41.0 * factor}, distance=distance)
    np.testing.assert_allclose(other.weights, one.weights, rtol=RATIO)
    ours, theirs = survey.mean(other, "y"), survey.mean(one, "y")
    np.testing.assert_allclose(ours.std_error, theirs.std_error, rtol=STANDARD_ERROR)


def test_margins_that_repeat_each_other_do_no_harm() -> None:
    """A margin, its joint margin with another and a total that their sizes imply."""
    joint = {("m", "young"): 0.2, ("m", "old"): 0.3, ("f", "young"): 0.5}
    margins: dict[Any, Any] = {"sex": {"m": 0.5, "f": 0.5}, ("sex", "age"): joint, "age": {"young": 0.7, "old": 0.3}}
    made = survey.calibrate(design(), margins=margins, totals={"one": 20.0})
    post = survey.poststratify(design(), pd.Series(joint).rename_axis(["sex", "age"]))
    np.testing.assert_allclose(made.weights, post.weights, rtol=1e-12)
    np.testing.assert_allclose(survey.mean(made, "x").std_error, survey.mean(post, "x").std_error, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("distance", ["linear", "raking", "logit"])
@settings(max_examples=40)
@given(sample=samples(), seed=st.integers(0, 1000))
def test_replicates_are_calibrated_too(distance: Any, sample: Sample, seed: int) -> None:
    """Every replicate meets the totals (or the refusal names it), whether it was made before or after."""
    margins, totals = targets(sample, seed)
    arguments: dict[str, Any] = {"margins": margins, "totals": totals, "distance": distance, "bounds": (0.01, 50.0)}
    try:
        after = survey.replicate(survey.calibrate(sample.design(), **arguments), kind="JKn")
        before = survey.calibrate(survey.replicate(sample.design(), kind="JKn"), **arguments)
    except survey.CalibrationError as error:
        assert "cannot be calibrated as the sample was" in str(error)  # noqa: PT017
        return
    assert after.replicates is not None
    assert before.replicates is not None
    np.testing.assert_allclose(before.replicates.weights, after.replicates.weights, rtol=1e-12)
    reached = after.replicates.weights.T @ sample.frame["z"].to_numpy()
    np.testing.assert_allclose(reached, totals["z"], rtol=MET)
    known = survey.total(after, ["g", "m", "z"])
    assert (known.std_error <= VANISHING * np.abs(known.value)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"totals": ["x"]}, "`totals` must be a mapping, as .*; got list"),
        ({"margins": ["sex"]}, "`margins` must be a mapping, as .*; got list"),
        ({"totals": {"x": True}}, r"`totals\['x'\]` must be finite; got True"),
        ({"totals": {"x": 50.0}, "bounds": 3}, "`bounds` must be two numbers, .*; got 3"),
        ({"totals": {"x": 50.0}, "bounds": "ab"}, "`bounds` must be two numbers, .*; got 'ab'"),
        ({"totals": {"x": 50.0}, "bounds": (0.5, 2, 3)}, "`bounds` must be two numbers"),
    ],
)
def test_targets_of_another_form_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.calibrate(design(), **arguments)
    if "bounds" in arguments:
        with pytest.raises(survey.CalibrationError, match=message):
            survey.explain_infeasible(design(), **arguments)


def test_limits_of_weights_are_numbers() -> None:
    with pytest.raises(survey.CalibrationError, match="`upper` must be a weight, a number; got '3'"):
        survey.explain_infeasible(design(), totals={"x": 50.0}, upper="3")  # type: ignore[arg-type]
