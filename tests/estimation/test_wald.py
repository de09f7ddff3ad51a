"""The joint test of estimates and contrasts: against computations on rows, R's `regTermTest`, and its refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from scipy import stats

import survey
from survey.estimation.wald import adjusted_wald, wald_chisq
from tests import brute_force as rows
from tests.reference_data import API_DESIGNS, STATISTIC, api
from tests.test_properties import Sample, samples

ROUNDING = 1e-7  # relative: weights of very different sizes
EXACT = 1e-10  # relative: the same formula, summed in another order
AGAINST_FIRST = [[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]

# survey 4.1.1, R 4.2.2, data(api), on the designs of API_DESIGNS:
#   g <- svyglm(api00 ~ stype, d); regTermTest(g, ~stype, df = degf(d))
# whose F is the Wald statistic over its hypotheses, and not adjusted for what these cost: p = .309 on `apiclus1`, where
# the adjusted test has .336.
REG_TERM_TEST: Mapping[tuple[str, str], tuple[float, int, int]] = {
    ("clus1", "stype"): (1.2782007425177757, 2, 14),
    ("strat", "stype"): (3.5979729975279526, 2, 197),
    ("clus1", "awards"): (2.0890464279248349, 1, 14),
    ("strat", "awards"): (5.3066066839342767, 1, 197),
}


def three_groups() -> survey.Estimate:
    """Mean scores by school type."""
    return survey.mean(survey.Design(api("clus1"), **API_DESIGNS["clus1"]), "api00", by="stype")


@pytest.mark.parametrize(("name", "by"), list(REG_TERM_TEST))
def test_equal_means_agree_with_r(name: str, by: str) -> None:
    f_value, q, d = REG_TERM_TEST[name, by]
    means = survey.mean(survey.Design(api(name), **API_DESIGNS[name]), "api00", by=by)
    result = means.test(np.column_stack([-np.ones(q), np.eye(q)]), df="design")
    assert result.wald_chisq == pytest.approx(q * f_value, rel=STATISTIC)
    assert result.statistic == pytest.approx((d - q + 1) / d * f_value, rel=STATISTIC)
    assert (result.df1, result.df2, result.method) == (q, d - q + 1, "Adjusted Wald test")
    assert result.p_value == pytest.approx(stats.f.sf(result.statistic, q, d - q + 1), rel=STATISTIC)


@given(sample=samples())
def test_two_means_and_a_null_agree_with_rows(sample: Sample) -> None:
    """W = (v - null)' V^-1 (v - null) with v and V computed row by row; d as the groups together have it."""
    y, w = (sample.frame[name].to_numpy() for name in ("y", "w"))
    groups = [(sample.frame["m"] == level).to_numpy() for level in ("x", "y")]
    influence = np.column_stack([rows.mean_influence(y, w, group) for group in groups])
    covariance = rows.variance_of_total(w[:, None] * influence, [sample.stage])
    null = float(y.mean()) + 1.0
    distance = np.array([rows.mean(y, w, group) for group in groups]) - null
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 0).all():
        return  # refused: see below
    correlation = covariance / np.outer(scale, scale)
    if abs(correlation[0, 1]) > 1 - 1e-6:
        return  # refused as well
    d = rows.degrees_of_freedom(sample.stage, w > 0)
    result = survey.mean(sample.design(), "y", by="m").test(null=null, df="design")
    if d < 2:
        assert np.isnan(result.p_value)
        assert "2 hypotheses need more than 1 design degrees of freedom" in result.note
        return
    expected = float(distance / scale @ np.linalg.solve(correlation, distance / scale))
    assert result.wald_chisq == pytest.approx(expected, rel=ROUNDING)
    assert (result.df1, result.df2) == (2, d - 1)


def test_what_the_report_made_by_hand_is_the_same_to_the_last_bit() -> None:
    means = three_groups()
    contrasts = means.contrast(AGAINST_FIRST)
    by_hand = adjusted_wald(wald_chisq(contrasts.value, contrasts.vcov), 2, contrasts.whole_df, "Adjusted Wald test")
    pd.testing.assert_frame_equal(means.test(AGAINST_FIRST, df="design").tidy(), by_hand.tidy(), check_exact=True)
    pd.testing.assert_frame_equal(contrasts.test(df="design").tidy(), by_hand.tidy(), check_exact=True)


def test_one_contrast_is_the_square_of_its_t() -> None:
    """On the df of the two groups' PSUs, which may be fewer than those of the call."""
    means = three_groups()
    result = means.test({"H": 1, "M": -1}, null=10.0)
    assert result.estimate is not None
    difference = means.contrast({"H": 1, "M": -1})
    assert difference.df[0] < means.whole_df
    t = (difference.value[0] - 10.0) / difference.std_error[0]
    assert result.statistic == pytest.approx(t**2, rel=EXACT)
    assert (result.df1, result.df2) == (1, difference.df[0])
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(t), difference.df[0]), rel=EXACT)
    assert result.tidy()["estimate"].tolist() == difference.value.tolist()


def test_the_contrasts_may_be_any_that_say_the_same() -> None:
    """A joint test does not depend on which differences stand for "all equal"."""
    again = three_groups().test([[0.0, 1.0, -1.0], [2.0, -1.0, -1.0]])
    assert again.statistic == pytest.approx(three_groups().test(AGAINST_FIRST).statistic, rel=EXACT)


def test_cr2_has_degrees_of_freedom_for_one_contrast() -> None:
    design = survey.Design(api("clus1"), weight="pw", psu="dnum")
    means = survey.mean(design, "api00", by="stype", variance="cr2")
    one = means.contrast({"H": 1, "E": -1})
    assert means.test({"H": 1, "E": -1}).df2 == one.df[0]
    with pytest.raises(survey.EstimationError, match=r'`weights` must be one contrast .* variance="cr2".*; got 2'):
        means.test(AGAINST_FIRST)


def test_more_hypotheses_than_degrees_of_freedom_have_no_p_value() -> None:
    """Not an error: the note says what is missing, as in the test of a table."""
    frame = pd.DataFrame({"g": list("abcabcabc"), "p": [1, 1, 1, 2, 2, 2, 3, 3, 3], "y": [1.0, 2, 5, 3, 3, 9, 4, 8, 2]})
    result = survey.mean(survey.Design(frame, weight=None, psu="p"), "y", by="g").test()
    assert np.isnan(result.statistic)
    assert np.isnan(result.p_value)
    assert result.note == "3 hypotheses need more than 2 degrees of freedom; the comparison has 2."


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda e: e.test(null="0"), "`null` must be a number, what the estimates are tested to equal; got '0'"),
        (lambda e: e.test(null=True), "`null` must be a number, what the estimates are tested to equal; got True"),
        (lambda e: e.test(null=float("nan")), "`null` must be a number, .*; got nan"),
        (lambda e: e.test([[1, -1]]), "`weights` must have one column per estimate; got 2 columns for 3 estimates"),
        (lambda e: e.test({"X": 1}), "`weights` must name estimates by a label that only one has; 'X'"),
        (lambda e: e.test([[1, -1, 0], [2, -2, 0]]), "`weights` has 2 parts, which is more than the design can tell"),
        (lambda e: e.test([[0, 0, 0]]), "`weights` must involve estimates that vary; 1 of 1 have a standard error of"),
    ],
)
def test_refusals_name_the_argument(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(three_groups())


def test_estimates_that_do_not_exist_are_refused() -> None:
    frame = pd.DataFrame({"g": list("aab"), "y": [1.0, 2.0, 4.0]})
    variances = survey.var(survey.Design(frame, weight=None), "y", by="g")
    with pytest.raises(
        survey.EstimationError, match="`weights` must involve estimates that exist; 1 of 2 to be tested"
    ):
        variances.test()
