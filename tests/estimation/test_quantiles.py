"""Quantiles: definitions on rows, intervals by brute force, what must not matter, refusals."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.estimation.quantile_rules import QuantileRule, weighted_quantiles
from tests import brute_force as rows
from tests import quantiles_on_rows
from tests.test_properties import Sample, margin_indicators, same, samples

loose: Any = survey

INTERVALS: tuple[Any, ...] = ("woodruff", "woodruff-beta", "woodruff-logit", "woodruff-asin", "score")
FEW = 40  # examples of each property and rule: there are twelve rules, and designs take long to draw
SIXTEENTHS = st.integers(1, 15).map(lambda i: Fraction(i, 16))  # exact in binary: ties with the weights are ties


@st.composite
def weighted_values(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Values with ties, and weights that are sums of powers of two, some zero."""
    size = draw(st.integers(1, 12))
    values = draw(st.lists(st.integers(-3, 4).map(float), min_size=size, max_size=size))
    weights = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 8.0]), min_size=size, max_size=size))
    weights[0] = 1.0
    return values, weights


def on_cells(values: list[float], weights: list[float], p: list[Fraction], rule: QuantileRule) -> Any:
    """Quantiles by distinct values."""
    weight = np.array(weights)
    distinct, place, count = np.unique(np.array(values)[weight > 0], return_inverse=True, return_counts=True)
    return weighted_quantiles(
        distinct,
        np.bincount(place, weights=weight[weight > 0]).astype(np.float64),
        count.astype(float),
        np.array([float(share) for share in p]),
        rule,
    )


@pytest.mark.parametrize("rule", quantiles_on_rows.RULES)
@settings(max_examples=FEW)
@given(data=weighted_values(), p=st.lists(SIXTEENTHS, min_size=1, max_size=3))
def test_quantiles_of_distinct_values_are_those_of_rows(
    rule: QuantileRule, data: tuple[list[float], list[float]], p: list[Fraction]
) -> None:
    values, weights = data
    expected = [quantiles_on_rows.quantile(values, weights, share, rule) for share in p]
    np.testing.assert_allclose(on_cells(values, weights, p, rule), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("rule", quantiles_on_rows.RULES)
@settings(max_examples=FEW)
@given(data=weighted_values(), c=st.sampled_from([1e-6, 3.7, 1e9]), slope=st.floats(0.01, 100), shift=st.floats(-9, 9))
def test_units_and_order_do_not_matter(
    rule: QuantileRule, data: tuple[list[float], list[float]], c: float, slope: float, shift: float
) -> None:
    """Monotone in p; weights times c and the order of rows change nothing; a + b x has the quantile a + b q."""
    values, weights = data
    p = [Fraction(i, 16) for i in range(1, 16)]
    made = on_cells(values, weights, p, rule)
    assert (np.diff(made) >= 0).all()
    np.testing.assert_allclose(on_cells(values, [c * w for w in weights], p, rule), made, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(on_cells(values[::-1], weights[::-1], p, rule), made)
    moved = on_cells([shift + slope * x for x in values], weights, p, rule)
    np.testing.assert_allclose(moved, shift + slope * made, rtol=1e-9, atol=1e-9 * slope)


def test_equal_weights_give_the_sample_quantiles() -> None:
    """hf4 to hf9 are numpy's methods of the same numbers (Hyndman and Fan 1996)."""
    x = np.random.default_rng(3).normal(size=37)
    frame = pd.DataFrame({"x": x, "w": 2.5})
    names: dict[Any, Any] = {
        "hf1": "inverted_cdf",
        "hf2": "averaged_inverted_cdf",
        "hf4": "interpolated_inverted_cdf",
        "hf5": "hazen",
        "hf6": "weibull",
        "hf7": "linear",
        "hf8": "median_unbiased",
        "hf9": "normal_unbiased",
    }
    for rule, method in names.items():
        made = loose.quantile(survey.Design(frame, weight="w"), "x", [0.1, 0.33, 0.5, 0.9], rule=rule).value
        np.testing.assert_allclose(made, np.quantile(x, [0.1, 0.33, 0.5, 0.9], method=method), rtol=1e-12)


def share_and_error(sample: Sample, weight: Any, below: Any, inside: Any, raked: bool) -> tuple[float, float]:
    """Share at or below a value in a domain, and its standard error, on rows."""
    base = sample.frame["w"].to_numpy()
    indicator = below.astype(float)
    influence = rows.mean_influence(indicator, weight, inside)
    if raked:
        values = rows.calibrated_values(influence[:, None], margin_indicators(sample.frame), base, weight)[:, 0]
    else:
        values = influence * weight
    return rows.mean(indicator, weight, inside), rows.standard_error(values, [sample.stage])


def usable(sample: Sample, inside: Any) -> bool:
    """Whether a domain has degrees of freedom."""
    return rows.degrees_of_freedom(sample.stage, inside & (sample.frame["w"].to_numpy() > 0)) > 0


@settings(max_examples=FEW)
@given(sample=samples(), raked=st.booleans(), p=st.sampled_from([0.25, 0.5, 0.8]))
def test_woodruff_and_score_intervals_by_brute_force(sample: Sample, raked: bool, p: float) -> None:
    """In a domain, with unequal and perhaps raked weights: bounds of the share, read at the weighted quantiles."""
    inside = sample.frame["in_domain"].to_numpy()
    if not usable(sample, inside):
        return
    design = sample.design()
    design = survey.rake(design, sample.margins) if raked else design
    domain, weight, x = design.domain("in_domain"), design.weights, sample.frame["z"].to_numpy()
    df = rows.degrees_of_freedom(sample.stage, inside & (sample.frame["w"].to_numpy() > 0))
    t = stats.t.ppf(0.975, df)
    live = inside & (weight > 0)

    def quantile(share: float) -> float:
        """Smallest value with this share at or below it."""
        values = np.unique(x[live])
        shares = np.array([weight[live & (x <= v)].sum() for v in values]) / weight[live].sum()
        return float(values[np.argmax(shares >= share - 1e-12)])

    centre = quantile(p)
    share, error = share_and_error(sample, weight, x <= centre, inside, raked)
    (row,) = survey.quantile(domain, "z", p).tidy().to_dict("records")
    assert row["estimate"] == centre
    ends = [share - t * error, share + t * error]
    if share > 1 - 1e-12:
        assert np.isnan([row["conf_low"], row["conf_high"], row["std_error"]]).all()
    elif min(abs(end - edge) for end in ends for edge in (0, 1)) > 1e-9:
        expected = [quantile(end) if 0 <= end <= 1 else np.nan for end in ends]
        steps = np.array([weight[live & (x <= v)].sum() for v in np.unique(x[live])]) / weight[live].sum()
        if min(abs(steps - end).min() for end in ends) > 1e-9:  # not on a step, where rounding decides
            np.testing.assert_array_equal([row["conf_low"], row["conf_high"]], expected)
            same(row["std_error"], (expected[1] - expected[0]) / (2 * t))
    values = np.unique(x[live])
    tested = [share_and_error(sample, weight, x <= v, inside, raked) for v in values]
    distance = np.array([p - made for made, _ in tested])
    reach = np.array([t * spread for _, spread in tested])
    if (np.abs(np.abs(distance) - reach) > 1e-9).all():
        kept = distance >= -reach
        expected = [values[np.argmax(distance <= reach)], values[np.flatnonzero(kept).max(initial=-1) + 1]]
        (row,) = survey.quantile(domain, "z", p, interval="score").tidy().to_dict("records")
        np.testing.assert_array_equal([row["conf_low"], row["conf_high"]], expected)


@pytest.mark.slow
@settings(max_examples=FEW)
@given(sample=samples(), interval=st.sampled_from(INTERVALS), c=st.sampled_from([1e-3, 50.0]), raked=st.booleans())
def test_what_does_not_matter(sample: Sample, interval: Any, c: float, raked: bool) -> None:
    """Row order, the unit of the weights and of the variable, and whether a group is a domain."""
    design = sample.design()
    design = survey.rake(design, sample.margins) if raked else design
    made = survey.quantile(design, "y", [0.2, 0.5], by="g", interval=interval)
    columns = ["estimate", "std_error", "conf_low", "conf_high", "df", "deff"]
    shuffled = sample.frame.sample(frac=1.0, random_state=1).reset_index(drop=True)
    scaled = sample.frame.assign(w=c * sample.frame["w"], y=100 + 10 * sample.frame["y"])
    for frame, slope, shift in ((shuffled, 1, 0), (scaled, 10, 100)):
        other = sample.design(frame)
        targets = {item: dict(levels) for item, levels in sample.margins.items()}
        other = survey.rake(other, targets) if raked else other
        again = survey.quantile(other, "y", [0.2, 0.5], by="g", interval=interval)
        if np.isclose(made.df, 0).any():
            continue
        same(again.value, shift + slope * made.value, np.abs(made.value).max() * slope)
        if interval != "score" or not raked:  # raking to 1e-10 can turn a test that is all but undecided
            same(again.vcov, slope**2 * made.vcov, slope**2)
        same(again.deff, made.deff)
    for group in "abc":
        row = made.tidy().query("g == @group")[columns].reset_index(drop=True)
        alone = survey.quantile(design.domain(f"g == '{group}'"), "y", [0.2, 0.5], interval=interval).tidy()[columns]
        pd.testing.assert_frame_equal(row, alone, rtol=1e-9)


def respondents(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(10, 3, n), "z": rng.exponential(size=n), "w": rng.uniform(0.5, 2, n)})
    frame["g"] = rng.choice(["a", "b"], n)
    frame["h"] = rng.integers(0, 12, n)
    frame["answer"] = pd.Categorical(rng.choice(["no", "yes"], n))
    frame.loc[:9, "z"] = np.nan
    return frame


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w", psu="h")


def test_layout() -> None:
    made = survey.quantile(design(), ["x", "z"], [0.25, 0.5], by="g")
    frame = made.tidy()
    assert list(frame.columns[:3]) == ["g", "term", "level"]
    assert frame["g"].tolist() == ["a"] * 4 + ["b"] * 4
    assert frame["term"].tolist() == ["x", "x", "z", "z"] * 2
    assert frame["level"].tolist() == [0.25, 0.5] * 4
    assert made.left_out == 10  # the rows of both variables are those that know them all
    assert survey.quantile(design(), "x").tidy()["level"].tolist() == [0.5]


def test_joint_covariance_is_that_of_the_linearized_quantiles() -> None:
    """-(1{x <= q} - F) / f, with the density f that gives each quantile the standard error of its interval."""
    frame, made = respondents(), survey.quantile(design(), "x", [0.25, 0.5, 0.75])
    weight, x = frame["w"].to_numpy(), frame["x"].to_numpy()
    stage = rows.single_stage(len(frame), psu=frame["h"])
    z = np.column_stack([rows.mean_influence(x <= q, weight) * weight for q in made.value])
    shares = rows.variance_of_total(z, [stage])
    stretch = made.std_error / np.sqrt(np.diag(shares))
    np.testing.assert_allclose(made.vcov, shares * np.outer(stretch, stretch), rtol=1e-9)
    t = stats.t.ppf(0.975, 11)
    np.testing.assert_allclose(made.std_error, (made.conf_high - made.conf_low) / (2 * t), rtol=1e-12)
    spread = made.contrast({0.75: 1, 0.25: -1})  # interquartile range
    variance = made.vcov[0, 0] + made.vcov[2, 2] - 2 * made.vcov[0, 2]
    np.testing.assert_allclose(spread.std_error, np.sqrt(variance), rtol=1e-12)
    below = survey.mean(survey.Design(frame.assign(b=(x <= made.value[1]) * 1.0), weight="w", psu="h"), "b")
    np.testing.assert_allclose(made.deff[1], below.deff[0], rtol=1e-9)  # that of the share below the median


def test_quantiles_whose_interval_is_open_have_no_standard_error() -> None:
    """R gives the maximum as its own interval, with standard error 0, where nobody is above the quantile."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 2.0, 2.0], "g": ["a", "b", "b", "b"]})
    made = survey.quantile(survey.Design(frame), "x", [0.3, 0.9])
    assert made.value.tolist() == [2.0, 2.0]
    assert np.isnan(made.std_error).all()
    assert np.isnan(made.conf_low).all()
    wide = survey.quantile(design(), "x", [0.005, 0.5])
    assert np.isnan(wide.conf_low[0])
    assert wide.conf_high[0] > wide.value[0]
    assert np.isnan(wide.vcov[0]).all()
    assert wide.std_error[1] > 0
    only_the_known = wide.contrast(np.array([[0.0, 2.0], [1.0, 1.0]]))  # NaN stays where it belongs
    np.testing.assert_allclose(only_the_known.std_error, [2 * wide.std_error[1], np.nan])
    alone = survey.quantile(survey.Design(frame).domain("g == 'a'"), "x", interval="score")
    assert alone.value.tolist() == [1.0]
    assert np.isnan([alone.conf_low[0], alone.conf_high[0], alone.std_error[0]]).all()  # no degrees of freedom


def test_the_interval_of_a_coarse_variable_ends_at_neighbouring_answers() -> None:
    """75% give a 2 or less; the bounds of that share, .72 and .78, are read at the answers 2 and 3."""
    frame = pd.DataFrame({"x": np.repeat([1, 2, 3], [200, 550, 250])})
    (row,) = survey.quantile(survey.Design(frame), "x").tidy().to_dict("records")
    assert (row["conf_low"], row["estimate"], row["conf_high"]) == (2, 2, 3)


def test_bootstrap_and_linearization_agree() -> None:
    """The two variances estimate the same thing: within a third of each other here, with 12 PSUs."""
    replicated = survey.replicate(design(), replicates=400, rng=np.random.default_rng(1))
    by_replicates = survey.quantile(replicated, "x", [0.25, 0.5, 0.75], interval="replication")
    linearized = survey.quantile(design(), "x", [0.25, 0.5, 0.75])
    np.testing.assert_allclose(by_replicates.std_error, linearized.std_error, rtol=1 / 3)
    np.testing.assert_allclose(by_replicates.value, linearized.value)
    half = by_replicates.std_error * stats.t.ppf(0.975, by_replicates.df)
    np.testing.assert_allclose(by_replicates.conf_high, by_replicates.value + half)
    assert replicated.replicates is not None
    weights = replicated.replicates.weights[:, :20]
    names = [f"r{i}" for i in range(20)]
    frame = pd.concat([respondents(), pd.DataFrame(weights, columns=names)], axis=1)
    few = survey.Design.from_replicates(frame, weight="w", replicates=names, kind="bootstrap")
    values = np.array([quantiles_on_rows.quantile(frame["x"], w, Fraction(1, 2), "math") for w in weights.T])
    median = survey.quantile(few, "x", interval="replication")
    np.testing.assert_allclose(median.std_error**2, values.var(ddof=1), rtol=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.quantile(d, "answer"), "`x` must be numeric to have quantiles; 'answer' has type category"),
        (lambda d: loose.quantile(d, []), "`x` must name at least one variable"),
        (lambda d: loose.quantile(d, "x", 50), "`q` must be shares between 0 and 1, each once; got 50"),
        (lambda d: loose.quantile(d, "x", [0.5, 0.5]), "`q` must be shares between 0 and 1, each once"),
        (lambda d: loose.quantile(d, "x", []), "`q` must be shares between 0 and 1"),
        (lambda d: loose.quantile(d, "x", [float("nan")]), "`q` must be shares between 0 and 1"),
        (lambda d: loose.quantile(d, "x", "median"), "`q` must be a share or a list of shares, as .5"),
        (lambda d: loose.quantile(d, "x", interval="mean"), "`interval` must be one of woodruff, woodruff-beta"),
        (lambda d: loose.quantile(d, "x", rule="hf10"), "`rule` must be one of math, school, shahvaish, hf1"),
        (lambda d: loose.quantile(d, "x", level=95), "`level` must lie between 0 and 1, as 0.95 does; got 95"),
        (lambda d: loose.quantile(d, "z", missing="fail"), "`missing` is \"fail\", but values are missing: 'z' in 10"),
        (lambda d: loose.quantile(d, "q"), r"`design` must hold every variable asked for; \['q'\]"),
        (
            lambda d: loose.quantile(d, "x", interval="replication"),
            '`interval`="replication" needs replicate weights, which `design` has not',
        ),
        (
            lambda d: loose.quantile(survey.replicate(d, kind="JK1"), "x", interval="replication"),
            r'`interval`="replication" cannot use a jackknife \(JK1\)',
        ),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(design())
