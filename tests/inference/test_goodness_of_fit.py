"""Tests of given shares against the textbook test, and properties of their corrections for the design."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import survey
from survey.inference.goodness_of_fit import FitMethod
from tests.test_properties import Sample, samples

SHARES = {"a": 0.3, "b": 0.3, "c": 0.4}
METHODS: tuple[FitMethod, ...] = (
    "rao-scott-f",
    "rao-scott-chisq",
    "rao-scott-saddlepoint",
    "rao-scott-exact",
    "satterthwaite",
)
ROUNDING = 1e-6  # relative: weights of very different sizes


def people(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"g": pd.Categorical(rng.choice(list("abc"), n, p=[0.35, 0.3, 0.35]))})
    return frame.assign(w=rng.uniform(0.5, 3, n), psu=rng.integers(0, 20, n))


def test_simple_random_sample_is_the_textbook_test() -> None:
    """Pearson's X^2 and p-values that differ by the variance being estimated: about 1/sqrt(n) of themselves."""
    frame = people(4000)
    frame.loc[:250, "g"] = "c"  # close to the given shares
    expected = stats.chisquare(frame["g"].value_counts()[list(SHARES)], 4000 * np.array(list(SHARES.values())))
    for method in METHODS[1:]:
        result = survey.goodness_of_fit(survey.Design(frame), "g", SHARES, method=method)
        assert result.statistic == pytest.approx(expected.statistic, rel=1e-10), method
        assert np.log(result.p_value) == pytest.approx(np.log(expected.pvalue), rel=0.05), method
    assert survey.goodness_of_fit(survey.Design(frame), "g", SHARES).df1 == pytest.approx(2, rel=0.01)


def test_clusters_widen() -> None:
    frame = people().sort_values("g").reset_index(drop=True)
    frame["psu"] = frame.index // 40
    simple = survey.goodness_of_fit(survey.Design(frame, weight="w"), "g", SHARES)
    clustered = survey.goodness_of_fit(survey.Design(frame, weight="w", psu="psu"), "g", SHARES)
    assert clustered.p_value > simple.p_value
    assert clustered.note == "For given shares. Design df 9."


def test_two_levels_are_a_t_test() -> None:
    """With two levels the corrected X^2 is (t se / se)^2 with the shares under the hypothesis in the denominator."""
    frame = people()
    frame["g"] = pd.Categorical(np.where(frame["g"] == "a", "a", "b"))
    frame["is_a"] = (frame["g"] == "a").astype(float)
    design = survey.Design(frame, weight="w", psu="psu")
    result = survey.goodness_of_fit(design, "g", {"a": 0.4, "b": 0.6})
    expected = survey.t_test(design, "is_a", value=0.4)
    assert (result.df1, result.df2) == pytest.approx((1, expected.df1))
    assert result.statistic == pytest.approx(expected.statistic**2, rel=1e-9)
    assert result.p_value == pytest.approx(expected.p_value, rel=1e-9)
    exact = survey.goodness_of_fit(design, "g", {"a": 0.4, "b": 0.6}, method="rao-scott-exact")
    assert exact.p_value == pytest.approx(expected.p_value, rel=1e-8)


@given(sample=samples(), method=st.sampled_from(METHODS), scale=st.sampled_from([1e-6, 1e8]))
def test_scale_order_and_labels_do_not_matter(sample: Sample, method: FitMethod, scale: float) -> None:
    result = survey.goodness_of_fit(sample.design(), "g", SHARES, method=method)
    frame = sample.frame.assign(w=sample.frame["w"] * scale).sample(frac=1.0, random_state=1)
    names = {"a": "z", "b": "A", "c": "m"}  # R's result depends on their alphabetical order
    frame["g"] = frame["g"].cat.rename_categories(names).cat.reorder_categories(["m", "z", "A"])
    shares = {names[level]: share for level, share in reversed(SHARES.items())}
    again = survey.goodness_of_fit(sample.design(frame), "g", shares, method=method)
    assert again.statistic == pytest.approx(result.statistic, rel=ROUNDING)
    assert again.p_value == pytest.approx(result.p_value, rel=1e-5, abs=1e-12)


def test_level_without_respondents_counts() -> None:
    """Nobody gave "d", which should have a tenth."""
    frame = people()
    frame["g"] = frame["g"].cat.add_categories("d")
    shares = {"a": 0.3, "b": 0.3, "c": 0.3, "d": 0.1}
    result = survey.goodness_of_fit(survey.Design(frame), "g", pd.Series(shares), method="rao-scott-chisq")
    counts = frame["g"].value_counts()[list(shares)]
    expected = stats.chisquare(counts, 400 * np.array(list(shares.values()))).statistic
    assert result.statistic == pytest.approx(expected, rel=1e-10)
    assert result.p_value < 1e-6


def test_refusals() -> None:
    frame = people().assign(number=1.0)
    design = survey.Design(frame, weight="w")
    refused = pytest.raises
    with refused(survey.EstimationError, match=r"`method` must be one of rao-scott-f, .*satterthwaite; got 'wald'"):
        survey.goodness_of_fit(design, "g", SHARES, method="wald")  # type: ignore[arg-type]
    with refused(survey.EstimationError, match="`x` must be categorical; 'number' is numeric"):
        survey.goodness_of_fit(design, "number", SHARES)
    with refused(survey.EstimationError, match=r"`shares` must name levels of 'g'; \['d'\] not among"):
        survey.goodness_of_fit(design, "g", {**SHARES, "d": 0.1})
    with refused(survey.EstimationError, match="`shares` must cover every level with respondents; 'c' of 'g' has none"):
        survey.goodness_of_fit(design, "g", {"a": 0.5, "b": 0.5})
    with refused(survey.EstimationError, match="`shares` must add to 1; they add to 0.9"):
        survey.goodness_of_fit(design, "g", {"a": 0.3, "b": 0.3, "c": 0.3})
    with refused(survey.EstimationError, match="`shares` must be positive, of two levels or more"):
        survey.goodness_of_fit(design, "g", {"a": 0.6, "b": 0.4, "c": 0.0})
    raked = survey.rake(design, {"g": {"a": 0.5, "b": 0.3, "c": 0.2}})
    for method in METHODS:
        with refused(survey.EstimationError, match="`x` must have shares that vary from sample to sample"):
            survey.goodness_of_fit(raked, "g", SHARES, method=method)
