"""Intervals of proportions against R, and the presentation rule against its golden values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import survey
from survey.errors import EstimationError
from survey.estimation.intervals import IntervalMethod, effective_size, proportion_interval
from survey.estimation.presentation_rule import judge, korn_graubard, presentation

# R's bounds carry the rounding error of its sums of 200 weights, and its logit that of an iteration.
R_TOLERANCE = 1e-8
# The golden bounds are printed to four decimals.
PRINTED = 5e-5

# svyciprop(~I(api00 > 700)) and (~I(api00 > 930)) on the api data: R 4.2.2, survey 4.5.
# design: n, degf, estimate, variance, {method: (low, high)}
R_SVYCIPROP: dict[str, tuple[int, int, float, float, dict[IntervalMethod, tuple[float, float]]]] = {
    "apisrs": (
        200,
        199,
        0.415,
        0.00118058272473118,
        {
            "logit": (0.349230896689453, 0.483944258711891),
            "beta": (0.346891133817909, 0.485596034204116),
            "wald": (0.347244344343873, 0.482755655656127),
            "wilson": (0.349434992200025, 0.483720014746694),
        },
    ),
    "apistrat": (
        200,
        197,
        0.404339681611039,
        0.00140440485941413,
        {
            "logit": (0.333085027525666, 0.479869454608788),
            "beta": (0.330206569554789, 0.481839344415398),
            "wald": (0.330435250610381, 0.478244112611697),
            "wilson": (0.333349704548523, 0.479572131030915),
        },
    ),
    "apiclus1": (
        183,
        14,
        0.33879781420765,
        0.00636900316824012,
        {
            "logit": (0.192671040333281, 0.523840562340373),
            "beta": (0.176578605011266, 0.534466618317344),
            "wald": (0.167630893452206, 0.509964734963094),
            "wilson": (0.195402025814454, 0.519482958788757),
        },
    ),
    "apiclus2": (
        126,
        39,
        0.401476014760148,
        0.0114214657831764,
        {
            "logit": (0.214347093312131, 0.622525330513023),
            "beta": (0.192983825775743, 0.639952824143232),
            "wald": (0.185308491622118, 0.617643537898177),
            "wilson": (0.219077040039874, 0.615955298764234),
        },
    ),
    "apisrs rare": (
        200,
        199,
        0.01,
        4.81423909992324e-05,
        {
            "logit": (0.00252956058158193, 0.0386770952397021),
            "beta": (0.00126689345948562, 0.0351155315191398),
            "wald": (-0.00368236488446134, 0.0236823648844613),
            "wilson": (0.00277113703533395, 0.0354165500692844),
        },
    ),
}
# The same with level=.90 on apiclus1.
R_LEVEL_90: dict[IntervalMethod, tuple[float, float]] = {
    "logit": (0.213754284418104, 0.49128335472393),
    "beta": (0.198633751005925, 0.503858086682429),
    "wald": (0.196820958478262, 0.480774669937038),
    "wilson": (0.215465940449691, 0.488745605652842),
}
VARIANCE_NOFPC = 0.00649775660156034
# df=Inf on apiclus1 without fpc; R's beta method takes no df, so it is not among them.
R_NORMAL: dict[IntervalMethod, tuple[float, float]] = {
    "logit": (0.201986382461622, 0.509152242432026),
    "wald": (0.180807737266763, 0.496787891148537),
    "wilson": (0.204228824661491, 0.505689329568261),
}


def simple(p: float, n: int) -> tuple[float, float, int, float]:
    """Proportion, SE, n and df of a simple random sample."""
    return p, float(np.sqrt(p * (1 - p) / n)), n, n - 1


def verdict(p: float, n: int) -> tuple[bool, str]:
    low, high, n_eff = korn_graubard(*simple(p, n))
    row = presentation(p, n, n_eff, low, high, n - 1).iloc[0]
    return bool(row["shown"]), str(row["flag"])


@pytest.mark.parametrize("design", R_SVYCIPROP)
def test_intervals_equal_r(design: str) -> None:
    n, df, estimate, variance, bounds = R_SVYCIPROP[design]
    for method, expected in bounds.items():
        interval = proportion_interval(estimate, variance**0.5, n, df, method=method)
        np.testing.assert_allclose(interval, expected, rtol=R_TOLERANCE, err_msg=method)


def test_intervals_equal_r_at_90_percent() -> None:
    n, df, estimate, _, _ = R_SVYCIPROP["apiclus1"]
    for method, expected in R_LEVEL_90.items():
        interval = proportion_interval(estimate, VARIANCE_NOFPC**0.5, n, df, 0.9, method)
        np.testing.assert_allclose(interval, expected, rtol=R_TOLERANCE, err_msg=method)


def test_infinite_df_gives_normal_quantiles() -> None:
    n, _, estimate, _, _ = R_SVYCIPROP["apiclus1"]
    for method, expected in R_NORMAL.items():
        interval = proportion_interval(estimate, VARIANCE_NOFPC**0.5, n, np.inf, method=method)
        np.testing.assert_allclose(interval, expected, rtol=R_TOLERANCE, err_msg=method)


def test_korn_graubard_is_beta_with_a_capped_size() -> None:
    n, df, estimate, variance, bounds = R_SVYCIPROP["apiclus1"]
    low, high, n_eff = korn_graubard(estimate, variance**0.5, n, df)
    np.testing.assert_allclose((low, high), bounds["beta"], rtol=R_TOLERANCE)
    assert n_eff < n
    # Half the variance of a simple random sample would be an effective size of twice n.
    p, se, n, df_srs = simple(0.4, 200)
    assert effective_size(p, se / np.sqrt(2), n, df_srs) == n
    capped = proportion_interval(p, se / np.sqrt(2), n, df_srs, method="korn-graubard")
    np.testing.assert_allclose(capped, proportion_interval(p, se, n, df_srs, method="beta"))


@pytest.mark.parametrize("method", ["logit", "wilson", "beta", "wald"])
def test_only_korn_graubard_has_an_interval_at_zero_and_one(method: IntervalMethod) -> None:
    low, high = proportion_interval([0.0, 1.0, 1 - 1e-15], 0.0, 40, 39, method=method)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    low, high = proportion_interval([0.0, 1.0], 0.0, 40, 39, method="korn-graubard")
    np.testing.assert_allclose(low, [0, 0.025 ** (1 / 40)])
    np.testing.assert_allclose(high, [1 - 0.025 ** (1 / 40), 1])


@pytest.mark.parametrize("method", ["logit", "wilson", "beta", "wald"])
def test_a_share_known_exactly_is_its_own_interval(method: IntervalMethod) -> None:
    np.testing.assert_allclose(proportion_interval(0.3, 0.0, 40, 39, method=method), (0.3, 0.3))


def test_the_public_function_gives_the_interval_of_a_proportion() -> None:
    answers = pd.DataFrame({"approves": ["yes"] * 23 + ["no"] * 17})
    shares = survey.proportion(survey.Design(answers, weight=None), "approves")
    low, high = survey.proportion_interval(shares.value, shares.std_error, n=40, df=39)
    np.testing.assert_array_equal(low, shares.conf_low)
    np.testing.assert_array_equal(high, shares.conf_high)


def test_an_empty_domain_stays_nan() -> None:
    low, high, n_eff = korn_graubard([np.nan, 0.5], [np.nan, 0.05], [0, 100], 99)
    np.testing.assert_array_equal(np.isnan([low, high, n_eff]), [[True, False]] * 3)


@pytest.mark.parametrize("method", ["logit", "wilson", "beta", "korn-graubard"])
@given(p=st.floats(0.001, 0.999), n=st.integers(2, 10_000), deff=st.floats(0.2, 5), df=st.integers(1, 500))
def test_bounds_hold_the_share_and_mirror_its_complement(
    method: IntervalMethod, p: float, n: int, deff: float, df: int
) -> None:
    se = np.sqrt(deff * p * (1 - p) / n)
    low, high = proportion_interval([p, 1 - p], se, n, df, method=method)
    assert (low <= [p, 1 - p]).all()
    assert (high >= [p, 1 - p]).all()
    assert low.min() >= 0
    assert high.max() <= 1
    # The smallest p is .001, the rounding error of 1 - p is 1e-16, and quantiles lose a few digits more.
    np.testing.assert_allclose(low[::-1], 1 - high, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(estimate=80), r"`estimate` must hold proportions between 0 and 1; 80 was found at position 0"),
        (dict(std_error=[0.1, -0.1]), r"`std_error` must not be negative; -0.1 was found at position 1"),
        (dict(n=-1), r"`n` must not be negative; -1 .* Pass unweighted counts"),
        (dict(df=-3), r"`df` must not be negative; -3"),
        (dict(level=95), r"`level` must lie between 0 and 1; 95 was given"),
        (dict(method="exact"), r"`interval` must be one of logit, .*; got 'exact'"),
        (dict(estimate=[0.1, 0.2, 0.3], n=[1, 2]), r"must be numbers whose shapes fit together"),
        (dict(estimate="many"), r"must be numbers whose shapes fit together"),
    ],
)
def test_bad_interval_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    good: dict[str, object] = dict(estimate=0.4, std_error=0.03, n=200, df=199)
    with pytest.raises(EstimationError, match=message):
        proportion_interval(**{**good, **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "n", "low", "high"),
    [(0.80, 2209, 0.7827, 0.8165), (0.02, 400, 0.0087, 0.0390), (0, 30, 0, 0.1157)],
)
def test_golden_intervals(p: float, n: int, low: float, high: float) -> None:
    got_low, got_high, n_eff = korn_graubard(*simple(p, n))
    np.testing.assert_allclose((got_low, got_high), (low, high), rtol=0, atol=PRINTED)
    np.testing.assert_allclose(n_eff, n, rtol=1e-12)


@pytest.mark.parametrize(
    ("p", "n", "shown", "flag"),
    [
        (0.80, 2209, True, ""),
        (0.02, 400, True, ""),
        (0.02, 166, False, "[u]"),
        (0.02, 167, True, ""),
        (0.01, 112, False, "[u]"),
        (0.01, 113, True, ""),
        (0.05, 204, False, "[u]"),
        (0.05, 205, True, ""),
        (0.5, 46, False, "[u]"),
        (0.5, 47, True, ""),
        (0.8, 31, False, "[u]"),
        (0.8, 32, True, "complement unreliable"),
        (0.0, 30, True, "review"),
        (1.0, 30, True, "review"),
        (0.98, 60, True, "complement unreliable"),
        (0.5, 29, False, "[u]"),
        (0.0, 29, False, "[u]"),
    ],
)
def test_golden_verdicts(p: float, n: int, shown: bool, flag: str) -> None:
    assert verdict(p, n) == (shown, flag)


def test_few_degrees_of_freedom_ask_for_review() -> None:
    rows = presentation([0.5, 0.5], 1000, 400, 0.45, 0.55, [7, 8])
    assert rows["flag"].tolist() == ["review", ""]


def test_the_effective_size_counts_as_well_as_the_base() -> None:
    assert not presentation(0.5, 1000, 29.9, 0.4, 0.6, 50)["shown"].item()


def test_judge_adds_both_columns_and_keeps_the_rest() -> None:
    tidy = pd.DataFrame(
        {
            "level": ["a", "b", "c"],
            "estimate": [0.8, 0.02, np.nan],
            "std_error": [0.01, 0.011, np.nan],
            "df": [500, 500, 500],
            "n": [1600, 166, 0],
        },
        index=[7, 8, 9],
    )
    before = tidy.copy()
    judged = judge(tidy)
    assert judged["shown"].tolist() == [True, False, False]
    assert judged["flag"].tolist() == ["", "[u]", "[u]"]
    pd.testing.assert_frame_equal(judged[list(before)], before)
    pd.testing.assert_frame_equal(tidy, before)
    pd.testing.assert_frame_equal(judge(judged), judged)


def test_judge_takes_an_empty_frame() -> None:
    empty = pd.DataFrame({name: pd.Series(dtype=float) for name in ("estimate", "std_error", "df", "n")})
    assert judge(empty)["shown"].tolist() == []


def test_judge_names_the_columns_it_lacks() -> None:
    with pytest.raises(EstimationError, match=r"must have the columns .*; std_error, df not found among"):
        judge(pd.DataFrame({"estimate": [0.5], "n": [100]}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([50], 100, 100, 0.4, 0.6, 99), "`proportion` must lie between 0 and 1; 50 was found at position 0"),
        (([0.5], 100, 100, 40, 0.6, 99), "`low` must lie between 0 and 1"),
        (([0.5], 100, 100, 0.6, 0.4, 99), "`low` must not exceed `high`; 0.6 and 0.4"),
        (([0.5] * 2, [1] * 3, 100, 0.6, 0.4, 99), "must be numbers of one length"),
    ],
)
def test_bad_presentation_arguments_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        presentation(*arguments)  # type: ignore[arg-type]
