"""Rank tests against textbook ranks, and a computation on rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.inference.rank_tests import NAMES, RankMethod
from tests import brute_force as rows
from tests.test_properties import Sample, samples

ROUNDING = 1e-6  # relative: weights of very different sizes
METHODS: tuple[RankMethod, ...] = tuple(NAMES)


@given(sample=samples(), method=st.sampled_from(METHODS), scale=st.sampled_from([1e-6, 1e8]))
def test_two_groups_on_rows(sample: Sample, method: RankMethod, scale: float) -> None:
    """Mid-ranks counted row by row, scores compared as means are; scale, order and units do not matter."""
    frame = sample.frame
    y, w = frame["y"].to_numpy(), frame["w"].to_numpy()
    rank = np.array([w[y < value].sum() + w[y == value].sum() / 2 for value in y]) / w.sum()
    near = np.abs(rank - 0.5) < 1e-9
    if method == "median" and near.any():  # above or at one half is a matter of rounding
        return
    normal = stats.norm.ppf(np.where(w > 0, rank, 0.5))  # the rank of the lowest is 0 where its weight is
    scores = {"van-der-waerden": normal, "median": (rank > 0.5).astype(float)}.get(method, rank)
    second, first = ((frame["m"] == level).to_numpy() for level in ("y", "x"))
    influence = rows.mean_influence(scores, w, second) - rows.mean_influence(scores, w, first)
    error = rows.standard_error(w * influence, [sample.stage])
    difference = rows.mean(scores, w, second) - rows.mean(scores, w, first)
    if error < 1e-9:
        return
    result = survey.rank_test(sample.design(), "y", "m", method=method, df="design")
    assert result.statistic == pytest.approx(difference / error, rel=ROUNDING, abs=1e-9)
    assert result.estimate is not None
    assert float(result.estimate.value[0]) == pytest.approx(difference, rel=ROUNDING, abs=1e-12)
    changed = frame.assign(w=w * scale, y=y * 1e6).sample(frac=1.0, random_state=1)
    again = survey.rank_test(sample.design(changed), "y", "m", method=method, df="design")
    assert again.statistic == pytest.approx(result.statistic, rel=ROUNDING, abs=1e-9)
    assert again.df1 == result.df1


def test_ranks_are_the_textbook_ones() -> None:
    """Equal weights: (mid-rank - 1/2) / n, and the difference in mean rank that Wilcoxon's statistic is made of."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"y": rng.integers(1, 6, 50).astype(float), "g": rng.choice(["a", "b"], 50)})
    scores = (stats.rankdata(frame["y"]) - 0.5) / 50
    means = pd.Series(scores).groupby(frame["g"]).mean()
    result = survey.rank_test(survey.Design(frame), "y", "g", method="wilcoxon", df="design")
    assert result.estimate is not None
    assert float(result.estimate.value[0]) == pytest.approx(means["b"] - means["a"], rel=1e-12)
    assert result.df1 == 50 - 2
    assert np.isnan(result.estimate.conf_low[0])
    assert result.method == "Design-based Wilcoxon rank-sum test"
    second, first = (frame.loc[frame["g"] == g, "y"].to_numpy() for g in "ba")
    assert result.p_value == pytest.approx(stats.mannwhitneyu(second, first, use_continuity=False).pvalue, abs=0.02)


def test_several_groups() -> None:
    """With three groups, F is the Wald statistic over its df; the order of the groups does not matter."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"g": rng.choice(list("abc"), 300), "w": rng.uniform(0.5, 2, 300)})
    levels = ["low", "middle", "high"]
    frame["y"] = pd.Categorical(rng.choice(levels, 300), levels, ordered=True)
    result = survey.rank_test(survey.Design(frame, weight="w"), "y", "g", df="design")
    assert (result.df1, result.df2) == (2, 299 - 2)
    assert result.wald_chisq == pytest.approx(2 * result.statistic)
    assert result.p_value == pytest.approx(stats.f.sf(result.statistic, 2, 297))
    turned = frame.assign(g=frame["g"].map({"a": "z", "b": "y", "c": "x"}), y=frame["y"].cat.codes * 10.0)
    again = survey.rank_test(survey.Design(turned, weight="w"), "y", "g", df="design")
    assert again.statistic == pytest.approx(result.statistic, rel=1e-9)
    scores = survey.rank_test(survey.Design(frame, weight="w"), "y", "g", method="median")
    assert scores.statistic != pytest.approx(result.statistic, rel=0.01)


def test_two_groups_are_the_wald_test_of_two_groups() -> None:
    """T squared equals the F that the general formula would give."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": rng.choice(list("ab"), 80), "y": rng.normal(size=80), "w": rng.uniform(0.5, 2, 80)})
    two = survey.rank_test(survey.Design(frame, weight="w"), "y", "g")
    assert two.p_value == pytest.approx(stats.f.sf(two.statistic**2, 1, two.df1), rel=1e-9)


def test_more_groups_than_the_design_can_tell_apart() -> None:
    """Five PSUs and five groups: a covariance of full rank, but no degrees of freedom left for the denominator."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"g": rng.choice(list("abcde"), 200), "y": rng.normal(size=200), "p": rng.integers(0, 5, 200)})
    result = survey.rank_test(survey.Design(frame, psu="p"), "y", "g", df="design")
    assert np.isnan(result.p_value)
    assert result.note == "5 groups need more than 4 design degrees of freedom; the design has 4."


def test_refusals() -> None:
    frame = pd.DataFrame(
        {"y": [1.0, 2, 3, 4, 5, 6], "g": list("aabbcc"), "one": "x", "c": pd.Categorical(list("pqpqpq"))}
    )
    design = survey.Design(frame)
    with pytest.raises(survey.EstimationError, match="`method` must be one of wilcoxon, kruskal-wallis"):
        survey.rank_test(design, "y", "g", method="savage")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`y` must be numeric or an ordered categorical; 'c' has type"):
        survey.rank_test(design, "c", "g")
    with pytest.raises(survey.EstimationError, match="`by` must have two groups for method=\"wilcoxon\"; 'g' has 3"):
        survey.rank_test(design, "y", "g", method="wilcoxon")
    with pytest.raises(survey.EstimationError, match="`by` must have two groups or more for method"):
        survey.rank_test(design, "y", "one")
    with pytest.raises(survey.EstimationError, match="`by` must be another variable than the answer; got 'y' twice"):
        survey.rank_test(design, "y", "y")
