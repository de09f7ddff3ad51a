"""Trimming: what it keeps, what it refuses, its cycles with raking and its table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import survey
from tests import brute_force as rows
from tests.test_properties import VANISHING, Sample, margin_indicators, samples

ROUNDING = 1e-9  # relative
PASSES = 2000  # of the naive trimming: its shares shrink by a factor in each
STANDARD_ERROR = 1e-6  # relative: the same sums in another order
MOVED = 1e-3  # of a weight, for derivatives
WITHIN = 1e-6  # relative: what `trim_and_rake` counts as within the range


loose: Any = survey
GROUPS = {"a": 0.5, "b": 0.5}


def design(weights: Any = (1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 9.0)) -> survey.Design:
    n = len(weights)
    frame = pd.DataFrame({"w": weights, "y": np.arange(n) % 3, "sex": ["m", "f"] * (n // 2)})
    return survey.Design(frame, weight="w")


def test_what_is_cut_off_is_shared_equally() -> None:
    once = survey.trim(design(), upper=4.0, sharing="once")
    np.testing.assert_allclose(once.weights, [1 + 5 / 7] * 4 + [2 + 5 / 7] * 2 + [3 + 5 / 7, 4.0])
    low = survey.trim(design(), lower=2.0, sharing="once")  # the weights of 2 pay as well
    np.testing.assert_allclose(low.weights, [2.0] * 4 + [1.0, 1.0, 2.0, 8.0])
    again = survey.trim(design(), lower=2.0)  # until the 9 alone pays
    np.testing.assert_allclose(again.weights, [2.0] * 7 + [6.0])
    high = survey.trim(design(), upper=3.2)  # equal shares push the 3 over the cap
    np.testing.assert_allclose(high.weights, [1 + 5.6 / 6] * 4 + [2 + 5.6 / 6] * 2 + [3.2, 3.2])
    (step,) = high.calibrations
    assert (step.method, step.bounds, step.iterations) == ("trim", (0.0, 3.2), 2)


def test_weights_in_the_range_are_left_alone() -> None:
    base = design()
    assert survey.trim(base, lower=1.0, upper=9.0) is base


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`lower` and `upper` must be a range of weights of at least zero, and one of them be given"),
        ({"lower": 3, "upper": 2}, "got lower=3, upper=2"),
        ({"lower": -1}, "of at least zero"),
        ({"upper": 2, "sharing": "twice"}, "`sharing` must be one of repeated, once; got 'twice'"),
        (
            {"upper": 2},
            r"8 respondents with weights from 0 to 2 cannot add up to 20, which is 2.5 each. Widen the range",
        ),
        ({"lower": 3}, "must leave room for the sum of the weights"),
        ({"lower": 2.2, "upper": 2.9}, "must leave someone to share the trimmed weight: all 8 weights are outside"),
        ({"lower": 2.4, "sharing": "once"}, "`lower`=2.4 takes more weight than the others have: 1 would be negative"),
    ],
)
def test_impossible_ranges_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.trim(design(), **arguments)


def test_a_domain_is_trimmed_before_it_is_chosen() -> None:
    with pytest.raises(survey.CalibrationError, match="`design` must not be restricted to a domain"):
        survey.trim(design().domain("y > 0"), upper=4)


def naive(weights: np.ndarray, low: float, high: float) -> np.ndarray:
    """R's trimWeights(strict = TRUE), pass by pass."""
    for _ in range(PASSES):
        outside = (weights < low) | (weights > high)
        if not outside.any():
            break
        cut = np.clip(weights, low, high)
        cut[~outside] += (weights - cut).sum() / (~outside).sum()
        weights = cut
    return weights


@settings(max_examples=60)
@given(
    weights=st.lists(st.floats(0.1, 10.0), min_size=6, max_size=30),
    low=st.floats(0.0, 2.0),
    high=st.floats(2.0, 8.0),
)
def test_rounds_of_sharing_have_a_closed_form(weights: list[float], low: float, high: float) -> None:
    w = np.array(weights)
    assume(low * 1.02 <= w.mean() <= high * 0.98)  # near the ends of the range the naive rounds take for ever
    assume(((w >= low) & (w <= high)).any())
    made = survey.trim(survey.Design(pd.DataFrame({"w": [*w, 0.0]}), weight="w"), lower=low, upper=high)
    np.testing.assert_allclose(made.weights[:-1], naive(w, low, high), rtol=1e-7)
    assert made.weights[-1] == 0
    np.testing.assert_allclose(made.weights.sum(), w.sum())
    assert made.weights[:-1].min() >= low * (1 - ROUNDING)
    assert made.weights.max() <= high * (1 + ROUNDING)


def between(weights: np.ndarray) -> float:
    """A cap halfway between the mean and the largest weight."""
    return float((weights[weights > 0].mean() + weights.max()) / 2)


def kept_sum(influence: np.ndarray, ratio: np.ndarray, sharers: np.ndarray) -> np.ndarray:
    """Influence of everybody where the sum of the weights stays: what one loses the sharers get."""
    average = influence[sharers].mean()
    kept: np.ndarray = average + ratio * (influence - average)
    return kept


@pytest.mark.slow
@settings(max_examples=60)
@given(sample=samples(), in_domain=st.booleans(), first=st.booleans())
def test_variances_know_the_ratios_and_the_sum(sample: Sample, in_domain: bool, first: bool) -> None:
    """Raked and trimmed, or trimmed and raked, on rows."""
    base = sample.design()
    w, frame = base.weights, sample.frame
    x = margin_indicators(frame)
    if first:
        trimmed = survey.trim(base, upper=between(w))
        made = survey.rake(trimmed, sample.margins, tolerance=1e-13, max_iterations=20_000)
    else:
        raked = survey.rake(base, sample.margins, tolerance=1e-13, max_iterations=20_000)
        trimmed = made = survey.trim(raked, upper=between(raked.weights))
    step = trimmed.calibrations[-1]
    assert step.sharers is not None
    ratio = np.divide(step.after, step.before, out=np.zeros(len(w)), where=w > 0)
    inside = frame["in_domain"].to_numpy() if in_domain else np.ones(len(w), dtype=bool)
    chosen = made.domain("in_domain") if in_domain else made
    y = frame["y"].to_numpy()
    for estimate, influence in (
        (survey.total(chosen, "y"), rows.total_influence(y, inside)),
        (survey.mean(chosen, "y"), rows.mean_influence(y, made.weights, inside)),
    ):
        if first:
            raking = np.divide(made.weights, step.after, out=np.zeros(len(w)), where=w > 0)
            residual = raking * rows.calibration_residual(influence, x, step.after)
            residual += made.weights @ influence / step.after.sum()  # the margins are shares
            z = w * kept_sum(residual, ratio, step.sharers)
        else:
            kept = kept_sum(influence, ratio, step.sharers)
            z = rows.calibrated_values(kept, x, w, step.before) + rows.per_unit_of_weight(kept, w, step.before)
        expected = rows.standard_error(z, [sample.stage])
        np.testing.assert_allclose(
            estimate.std_error[0], expected, rtol=STANDARD_ERROR, atol=VANISHING * abs(estimate.value[0])
        )


def test_replicates_are_trimmed_by_the_same_ratios() -> None:
    base = survey.replicate(design(), kind="JK1")
    trimmed = survey.trim(base, upper=4.0)
    assert base.replicates is not None
    assert trimmed.replicates is not None
    before, after = base.replicates.weights, trimmed.replicates.weights
    np.testing.assert_allclose(after.sum(axis=0), before.sum(axis=0))
    np.testing.assert_allclose(after[7], before[7] * 4 / 9)  # the one that was trimmed
    ratio = trimmed.weights / base.weights
    added = (after - before * ratio[:, None])[:7] / before[:7].clip(1e-9) * base.weights[:7, None]
    spread = np.ptp(np.where(before[:7] > 0, added, np.nan)[:, 1:7], axis=0)
    assert np.isnan(spread).all()  # one of the seven is left out in each of these replicates
    other = survey.replicate(survey.trim(design(), upper=4.0), kind="JK1")
    assert other.replicates is not None
    np.testing.assert_allclose(other.replicates.weights, after)
    with pytest.raises(survey.CalibrationError, match="a replicate counts nobody whose weight is within the range"):
        survey.replicate(survey.trim(design([9.0, 9.0, 9.0, 1.0]), upper=8.0), kind="JK1")


@pytest.mark.slow
@settings(max_examples=40)
@given(sample=samples())
def test_linearization_is_the_derivative_of_the_replicates(sample: Sample) -> None:
    """A jackknife that drops a thousandth of a PSU instead of all of it."""
    base = sample.design()
    raked = survey.rake(base, sample.margins, max_iterations=20_000)
    made = survey.trim(raked, upper=between(raked.weights))
    step, w = made.calibrations[-1], made.calibrations[-1].before
    y, n = sample.frame["y"].to_numpy(), len(w)
    moved = np.tile(w[:, None], (1, n))
    moved[np.arange(n), np.arange(n)] *= 1 + MOVED
    totals = np.column_stack([step.again(column) for column in moved.T]).T @ y
    assert step.sharers is not None
    ratio = np.divide(step.after, w, out=np.zeros(n), where=w > 0)
    expected = w * kept_sum(y, ratio, step.sharers)
    np.testing.assert_allclose((totals - step.after @ y) / MOVED, expected, rtol=0.01, atol=0.01 * np.abs(w * y).max())


def test_a_known_population_size_stays_known() -> None:
    """Trimming keeps the sum of the weights; variances that take the ratios for given ones do not know that.

    Those of R do not: 18.0 schools for the number of all schools in `test_reference_calibration2`.
    """
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": rng.choice(list("ab"), 200), "y": rng.normal(size=200), "one": 1.0})
    frame["w"] = rng.lognormal(0, 1, 200)
    post = survey.poststratify(survey.Design(frame, weight="w"), pd.Series({"a": 500.0, "b": 700.0}).rename_axis("g"))
    trimmed = survey.trim(post, upper=12.0)
    for made in (
        trimmed,
        survey.replicate(trimmed, kind="JK1"),
        survey.trim(survey.replicate(post, kind="JK1"), upper=12.0),
    ):
        size = survey.total(made, "one")
        assert size.value[0] == pytest.approx(1200)
        assert size.std_error[0] < VANISHING * 1200


@pytest.mark.slow
@settings(max_examples=40)
@given(sample=samples(), share=st.floats(0.85, 0.97))
def test_margins_and_caps_hold_together(sample: Sample, share: float) -> None:
    base = sample.design()
    raked = survey.rake(base, sample.margins, max_iterations=20_000)
    upper = float(np.quantile(raked.weights[raked.weights > 0], share))
    try:
        made = survey.trim_and_rake(base, sample.margins, upper=upper)
    except survey.CalibrationError as error:
        assert "could not" in str(error) or "must leave" in str(error)  # noqa: PT017
        return
    assert made.weights.max() <= upper * (1 + WITHIN)
    assert (made.weights[sample.frame["w"] == 0] == 0).all()
    assert survey.margin_table(made, sample.margins)["gap"].abs().max() <= 1e-10
    assert (survey.mean(made, ["g", "m"]).std_error <= VANISHING).all()
    if len(made.calibrations) == 2:
        trimmed, last = made.calibrations
        assert (trimmed.method, last.method) == ("trim", "rake")
        assert trimmed.sharers is not None
        w, y = trimmed.before, sample.frame["y"].to_numpy()
        live = w > 0
        raking, ratio = (
            np.divide(after, before, out=np.zeros(len(w)), where=live)
            for after, before in ((last.after, last.before), (trimmed.after, w))
        )
        influence = rows.mean_influence(y, made.weights)
        residual = raking * rows.calibration_residual(influence, margin_indicators(sample.frame), last.before)
        expected = rows.standard_error(w * kept_sum(residual, ratio, trimmed.sharers), [sample.stage])
        np.testing.assert_allclose(survey.mean(made, "y").std_error[0], expected, rtol=STANDARD_ERROR, atol=VANISHING)


def population() -> survey.Design:
    rng = np.random.default_rng(11)
    n = 400
    frame = pd.DataFrame({"a": rng.choice(list("abc"), n, p=[0.6, 0.3, 0.1]), "b": rng.choice(list("xy"), n)})
    frame["psu"], frame["y"] = rng.integers(0, 40, n), rng.normal(size=n) + (frame["a"] == "c")
    frame["w"] = rng.uniform(1, 3, n)
    return survey.Design(frame, weight="w", psu="psu")


MARGINS = {"a": {"a": 0.4, "b": 0.3, "c": 0.3}, "b": {"x": 0.5, "y": 0.5}}


def test_one_cycle_is_a_trim_and_a_rake() -> None:
    """The two steps that are remembered give the weights of the cycles themselves."""
    base = population()
    by_hand = survey.rake(base, MARGINS, tolerance=1e-14)
    cycles = 0
    while by_hand.weights.max() > 9.0 * (1 + WITHIN):
        by_hand = survey.rake(survey.trim(by_hand, upper=9.0), MARGINS, tolerance=1e-14)
        cycles += 1
    made = survey.trim_and_rake(base, MARGINS, upper=9.0)
    assert cycles > 1
    assert made.calibrations[0].iterations == cycles
    np.testing.assert_allclose(made.weights, by_hand.weights, rtol=1e-7)
    with pytest.raises(survey.CalibrationError, match=r"after 1 cycles \d+ weights are outside .* raise `cycles`, or"):
        survey.trim_and_rake(base, MARGINS, upper=9.0, cycles=1)
    with pytest.raises(survey.CalibrationError, match="`cycles` must be at least 1; got 0"):
        survey.trim_and_rake(base, MARGINS, upper=9.0, cycles=0)
    untouched = survey.trim_and_rake(base, MARGINS, upper=1000.0)
    assert [step.method for step in untouched.calibrations] == ["rake"]


def test_replicates_take_both_steps() -> None:
    base = population()
    first = survey.trim_and_rake(survey.replicate(base, kind="JK1"), MARGINS, upper=9.0)
    after = survey.replicate(survey.trim_and_rake(base, MARGINS, upper=9.0), kind="JK1")
    assert first.replicates is not None
    assert after.replicates is not None
    np.testing.assert_allclose(first.replicates.weights, after.replicates.weights, rtol=1e-12)
    assert (survey.mean(after, ["a", "b"]).std_error <= VANISHING).all()
    linear = survey.mean(survey.trim_and_rake(base, MARGINS, upper=9.0), "y").std_error
    np.testing.assert_allclose(survey.mean(after, "y").std_error, linear, rtol=0.05)  # 40 PSUs


def test_a_cap_below_what_the_margins_need_is_explained() -> None:
    """The tenth of the sample in c must hold 0.3: its average weight is above 6."""
    base = population()
    with pytest.raises(
        survey.CalibrationError,
        match=r"`lower` and `upper` could not be met together with `margins`: after 100 cycles \d+ weights are outside "
        r"0 to 5, .* Within the bounds a='c' can be .*no more than 0\.\d+, but its target is 0.3\. The nearest targets",
    ):
        survey.trim_and_rake(base, MARGINS, upper=5.0)
    with pytest.raises(survey.CalibrationError, match=r"After 0 cycles of trimming and raking: .* must leave room"):
        survey.trim_and_rake(base, MARGINS, upper=1.5)


def test_the_table_shows_what_each_cap_costs() -> None:
    base = survey.rake(population(), MARGINS)
    frame = survey.trimming_table(
        base,
        MARGINS,
        [9.0, 7.0],
        estimates={"mean of y": lambda d: survey.mean(d, "y"), "by b": lambda d: survey.mean(d, "y", by="b")},
    )
    assert frame["cap"].tolist() == [np.inf] * 3 + [9.0] * 3 + [7.0] * 3
    assert frame["name"].tolist() == ["mean of y", "by b", "by b"] * 3
    assert list(frame.columns[:5]) == ["cap", "n_trimmed", "deff_kish", "largest_gap", "gap_at"]
    assert list(frame.columns[-3:]) == ["estimate", "movement", "std_error"]
    assert (frame["movement"][:3] == 0).all()
    per_cap = frame.drop_duplicates("cap").reset_index(drop=True)
    assert per_cap["deff_kish"].is_monotonic_decreasing
    assert per_cap["largest_gap"].is_monotonic_increasing
    assert per_cap["n_trimmed"].is_monotonic_increasing
    assert per_cap["gap_at"].tolist()[1:] == ["a=c", "a=c"]
    trimmed = survey.trim(base, upper=7.0)
    row = survey.mean(trimmed, "y").tidy().iloc[0]
    shown = frame.iloc[6]
    assert shown["n_trimmed"] == (base.weights > 7.0).sum()
    assert shown["deff_kish"] == survey.weight_summary(trimmed)["deff_kish"][0]
    assert (shown["estimate"], shown["std_error"]) == (row["estimate"], row["std_error"])
    assert shown["movement"] == row["estimate"] - frame["estimate"][0]
    assert shown["largest_gap"] == survey.margin_table(trimmed, MARGINS)["gap"].abs().max()
    alone = survey.trimming_table(base, MARGINS, [9.0])
    assert list(alone.columns) == ["cap", "n_trimmed", "deff_kish", "largest_gap", "gap_at"]
    assert len(alone) == 2
    with pytest.raises(survey.CalibrationError, match=r"`estimates\['odd'\]` must give the same rows at every cap"):
        survey.trimming_table(
            base,
            MARGINS,
            [7.0],
            estimates={"odd": lambda d: survey.mean(d, "y", by="b" if d.weights.max() > 7.1 else "a")},
        )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.trim(d, upper="3"), "`lower` and `upper` must be a range of weights .*; got .*upper='3'"),
        (lambda d: loose.trim(d, lower=True), "`lower` and `upper` must be a range of weights .*; got lower=True"),
        (lambda d: loose.trim_and_rake(d, {"g": GROUPS}, upper=3, cycles="many"), "`cycles` must be at least 1"),
        (
            lambda d: loose.trimming_table(d, {"g": GROUPS}, 2.0),
            r"`caps` must be a list of highest weights, .*; got 2.0",
        ),
        (lambda d: loose.trimming_table(d, {"g": GROUPS}, ["a"]), r"`caps` must be a list of .*; got \['a'\]"),
        (lambda d: loose.trimming_table(d, {"g": GROUPS}, [-1.0]), r"`caps` must be a list of .*; got \[-1.0\]"),
        (
            lambda d: loose.trimming_table(d, {"g": GROUPS}, [9.0, 1e-3]),
            "`caps` must be at least the mean weight, .*, for the weights to keep their sum; got 0.001",
        ),
        (
            lambda d: loose.trimming_table(d, {"g": GROUPS}, [2.0], estimates=[survey.mean]),
            "`estimates` must map names to functions of a design, as .*; got list",
        ),
        (
            lambda d: loose.trimming_table(d, {"g": GROUPS}, [2.0], estimates={"a": 5}),
            "`estimates` must map names to functions of a design",
        ),
        (
            lambda d: loose.trimming_table(d, {"g": GROUPS}, [2.0], estimates={"a": lambda _: 5}),
            r"`estimates\['a'\]` must give an estimate, .*; it gave int",
        ),
    ],
)
def test_arguments_of_another_form_are_refused(call: Any, message: str) -> None:
    weighted = survey.Design(pd.DataFrame({"g": ["a", "b"] * 5, "w": [1.0] * 8 + [3.0, 4.0]}), weight="w")
    with pytest.raises(survey.CalibrationError, match=message):
        call(weighted)


def test_slow_margins_do_not_ask_for_an_argument_that_is_not_there() -> None:
    """All of one cell but a trace must move: feasible, but far from reached in 2,000 passes."""
    frame = pd.DataFrame({"a": ["x", "x", "y", "y"], "b": ["u", "v", "u", "v"], "w": [1.0, 1.0, 1e-12, 1.0]})
    margins = {"a": {"x": 0.5, "y": 0.5}, "b": {"u": 0.5, "v": 0.5}}
    base = survey.Design(frame, weight="w")
    with pytest.raises(survey.CalibrationError, match="not the margins wrong: raise `max_iterations`"):
        survey.rake(base, margins)
    with pytest.raises(survey.CalibrationError, match="not the margins wrong: merge sparse levels"):
        survey.trim_and_rake(base, margins, upper=5)
