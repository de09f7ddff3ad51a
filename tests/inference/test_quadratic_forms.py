"""Weighted sums of chi-squares against closed forms, published values and R's `survey`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.inference.quadratic_forms import TailMethod, sum_of_chisq_sf

INVERSION = 1e-9  # relative, for p from 1 to 1e-250
# pFsum and pchisqsum of survey 4.1.1 (R 4.2.2), method = "saddlepoint", weights .6 .3 .1:
# for(x in c(.01, 10, 100)) c(pFsum(x, rep(1,3), c(.6,.3,.1), ddf=5, lower.tail=FALSE, method="saddlepoint"),
#                             pchisqsum(x, rep(1,3), c(.6,.3,.1), lower.tail=FALSE, method="saddlepoint"))
SADDLEPOINT_OF_R = {10.0: (1.67360580160105e-02, 7.70090733085764e-05), 100.0: (8.98237266841709e-05, None)}
UNIROOT = 1e-6  # relative: R stops at 1e-8 of the saddlepoint


@pytest.mark.parametrize("k", [1, 2, 5, 30])
@pytest.mark.parametrize("x", [0.001, 0.1, 1.0, 5.0, 50.0, 500.0, 1200.0])
def test_equal_weights_give_chi_square_and_f(k: int, x: float) -> None:
    methods: tuple[TailMethod, ...] = ("exact", "satterthwaite")
    for method in methods:
        found = sum_of_chisq_sf(3.0 * x, np.full(k, 3.0), method=method)
        np.testing.assert_allclose(found, stats.chi2.sf(x, k), rtol=INVERSION)
        for df2 in (1, 2.5, 14, 20.9, 500, 50_000):
            found = sum_of_chisq_sf(x, np.ones(k), df2, method=method)
            np.testing.assert_allclose(found, stats.f.sf(x / k, k, df2), rtol=INVERSION)


def test_values_of_imhof() -> None:
    """Imhof (1961), table 1: .6 X + .3 Y + .1 Z with 1, 2, and 6, 4, 2 degrees of freedom, to four digits."""
    q1, q2, q3 = [0.6, 0.3, 0.1], [0.6, 0.3, 0.1] * 2, [0.6] * 6 + [0.3] * 4 + [0.1] * 2
    for weights, x, expected in (
        (q1, 0.1, 0.9458),
        (q1, 0.7, 0.5064),
        (q1, 2.0, 0.1240),
        (q2, 0.2, 0.9936),
        (q2, 2.0, 0.3998),
        (q2, 6.0, 0.0161),
        (q3, 1.0, 0.9973),
        (q3, 5.0, 0.4353),
        (q3, 12.0, 0.0088),
    ):
        assert sum_of_chisq_sf(x, weights, method="exact") == pytest.approx(expected, abs=1e-4)


def test_exponentials_have_a_closed_form() -> None:
    """With pairs of equal weights a, b the sum is hypoexponential: (a exp(-x/2a) - b exp(-x/2b)) / (a - b)."""
    a, b = 2.0, 0.5
    for x in (0.01, 1.0, 10.0, 100.0, 1000.0):
        expected = (a * np.exp(-x / (2 * a)) - b * np.exp(-x / (2 * b))) / (a - b)
        np.testing.assert_allclose(sum_of_chisq_sf(x, [a, a, b, b], method="exact"), expected, rtol=INVERSION)


@pytest.mark.parametrize("x", SADDLEPOINT_OF_R)
def test_saddlepoint_is_that_of_r(x: float) -> None:
    with_denominator, without = SADDLEPOINT_OF_R[x]
    weights = [0.6, 0.3, 0.1]
    np.testing.assert_allclose(sum_of_chisq_sf(x, weights, 5, method="saddlepoint"), with_denominator, rtol=UNIROOT)
    if without is not None:
        np.testing.assert_allclose(sum_of_chisq_sf(x, weights, method="saddlepoint"), without, rtol=UNIROOT)


def test_saddlepoint_is_continuous_at_the_mean() -> None:
    """R returns Satterthwaite's value there; the formula has a limit."""
    weights = np.array([0.6, 0.3, 0.1])
    for df2 in (None, 5.0):
        found = [
            sum_of_chisq_sf(1.0 + shift, weights, df2, method="saddlepoint")
            for shift in (-1e-3, -1e-6, -1e-12, 0.0, 1e-12, 1e-6, 1e-3)
        ]
        assert (np.diff(found) <= 0).all()
        assert found[0] - found[-1] < 2e-3


weights_of = st.lists(st.floats(0.05, 20.0), min_size=1, max_size=8)


@given(weights=weights_of, x=st.floats(0.1, 100.0), df2=st.none() | st.floats(2.0, 200.0), scale=st.floats(1e-6, 1e6))
def test_properties(weights: list[float], x: float, df2: float | None, scale: float) -> None:
    methods: tuple[TailMethod, ...] = ("satterthwaite", "saddlepoint", "exact")
    for method in methods:
        p = sum_of_chisq_sf(x, weights, df2, method=method)
        assert 0 <= p <= 1
        shuffled = [0.0, *sorted(weights)]
        again = sum_of_chisq_sf(x * scale, np.multiply(shuffled, scale), df2, method=method)
        np.testing.assert_allclose(again, p, rtol=1e-7, err_msg=method)  # a saddlepoint moves with rounding
        assert sum_of_chisq_sf(1.1 * x, weights, df2, method=method) <= p
    exact = sum_of_chisq_sf(x, weights, df2, method="exact")
    assert sum_of_chisq_sf(x, weights, df2, method="saddlepoint") == pytest.approx(exact, rel=0.12, abs=1e-12)


def test_large_denominator_is_none() -> None:
    weights = [3.0, 1.0, 0.2]
    np.testing.assert_allclose(
        sum_of_chisq_sf(9.0, weights, 1e12, method="exact"), sum_of_chisq_sf(9.0, weights, method="exact"), rtol=1e-8
    )


def test_ends() -> None:
    assert sum_of_chisq_sf(0.0, [1.0, 2.0], method="exact") == 1.0
    assert np.isnan(sum_of_chisq_sf(np.nan, [1.0, 2.0]))


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -0.5], [np.nan, 1.0], [np.inf]])
def test_weights_are_checked(weights: list[float]) -> None:
    with pytest.raises(survey.EstimationError, match="`weights` must be finite, none negative and one positive"):
        sum_of_chisq_sf(1.0, weights)


def test_arguments_are_checked() -> None:
    with pytest.raises(survey.EstimationError, match="`method` must be one of satterthwaite, saddlepoint, exact"):
        sum_of_chisq_sf(1.0, [1.0], method="davies")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`df2` must be positive; got 0"):
        sum_of_chisq_sf(1.0, [1.0], 0)
