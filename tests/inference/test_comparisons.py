"""T tests and comparisons of all pairs against textbook formulas, statsmodels and computations on rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import survey
from survey.estimation.wald import adjusted_wald, wald_chisq
from survey.inference.hypotheses import Correction, adjust_p_values
from tests import brute_force as rows
from tests.test_properties import Sample, samples

EXACT = 1e-10  # relative: the same formula, summed in another order
ROUNDING = 1e-7  # relative: weights of very different sizes


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Forty people with a group, two numeric answers and two options of a multiple-response set."""
    rng = np.random.default_rng(7)
    n = 40
    frame = pd.DataFrame({"y": rng.normal(5, 2, n), "w": rng.uniform(0.5, 3, n)})
    frame["x"] = frame["y"] + rng.normal(0.5, 1, n)
    frame["g"] = pd.Categorical(rng.choice(["a", "b", "c"], n))
    frame["two"] = pd.Categorical(np.where(frame["g"] == "c", "v", "u"))
    for option, share in (("bus", 0.5), ("bike", 0.3)):
        frame[option] = pd.Categorical(np.where(rng.random(n) < share, "Yes", "No"), categories=["No", "Yes"])
    return frame


# T tests ----------------------------------------------------------------------------------------------------


def test_one_mean_is_the_textbook_test(people: pd.DataFrame) -> None:
    """Equal weights and no clusters: Student's test on n - 1 degrees of freedom; R's svyttest has n - 2."""
    result = survey.t_test(survey.Design(people), "y", value=4.5)
    expected = stats.ttest_1samp(people["y"], 4.5)
    assert (result.statistic, result.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=EXACT)
    assert (result.df1, result.method) == (len(people) - 1, "t test of one mean")
    assert result.estimate is not None
    interval = expected.confidence_interval(0.95)
    assert result.estimate.conf_low[0] == pytest.approx(interval.low, rel=EXACT)
    assert result.estimate.conf_high[0] == pytest.approx(interval.high, rel=EXACT)


def test_paired_answers_are_the_textbook_test(people: pd.DataFrame) -> None:
    result = survey.t_test(survey.Design(people), "y", paired="x")
    expected = stats.ttest_rel(people["y"], people["x"])
    assert (result.statistic, result.p_value) == pytest.approx((expected.statistic, expected.pvalue), rel=EXACT)
    assert (result.df1, result.method) == (len(people) - 1, "paired t test")
    assert result.tidy().loc[0, "term"] == "y - x"


def test_one_mean_agrees_with_its_interval(people: pd.DataFrame) -> None:
    """A value on the edge of the 95% interval of `survey.mean` has p = .05."""
    design = survey.Design(people, weight="w", psu="g")
    edge = float(survey.mean(design, "y").conf_low[0])
    assert survey.t_test(design, "y", value=edge).p_value == pytest.approx(0.05, rel=EXACT)


@given(sample=samples(), scale=st.sampled_from([1e-6, 3.0, 1e8]))
def test_two_groups(sample: Sample, scale: float) -> None:
    """T squared is the Wald F of the contrast; the scale of weights and row order do not matter; the error is that on
    rows.
    """
    design = sample.design()
    result = survey.t_test(design, "y", by="m", df="design")
    means = survey.mean(design, "y", by="m")
    contrast = means.contrast([[-1, 1]], df="design")
    wald = wald_chisq(contrast.value, contrast.vcov)
    assert result.statistic**2 == pytest.approx(wald, rel=ROUNDING)
    if result.df1 >= 1:
        assert result.p_value == pytest.approx(adjusted_wald(wald, 1, result.df1, "").p_value, rel=ROUNDING)
    assert result.df1 == means.whole_df - 1
    frame = sample.frame.assign(w=sample.frame["w"] * scale).sample(frac=1.0, random_state=1)
    again = survey.t_test(sample.design(frame), "y", by="m", df="design")
    assert (again.statistic, again.p_value) == pytest.approx(
        (result.statistic, result.p_value), rel=ROUNDING, nan_ok=True
    )
    y, w = sample.frame["y"].to_numpy(), sample.frame["w"].to_numpy()
    second, first = ((sample.frame["m"] == level).to_numpy() for level in ("y", "x"))
    influence = rows.mean_influence(y, w, second) - rows.mean_influence(y, w, first)
    assert result.estimate is not None
    expected = rows.standard_error(w * influence, [sample.stage])
    assert float(result.estimate.std_error[0]) == pytest.approx(expected, rel=ROUNDING)
    assert float(result.estimate.value[0]) == pytest.approx(rows.mean(y, w, second) - rows.mean(y, w, first), rel=1e-6)


def test_t_test_is_laid_out(people: pd.DataFrame) -> None:
    result = survey.t_test(survey.Design(people, weight="w"), "y", by="two", df="design")
    (row,) = result.tidy().to_dict("records")
    assert list(row) == [
        "term",
        "estimate",
        "std_error",
        "conf_low",
        "conf_high",
        "statistic",
        "df1",
        "df2",
        "p_value",
        "method",
    ]
    assert row["term"] == "y: v - u"
    assert row["df1"] == len(people) - 2
    assert np.isnan(row["df2"])
    assert row["statistic"] == pytest.approx(row["estimate"] / row["std_error"], rel=EXACT)
    half = stats.t.ppf(0.975, row["df1"]) * row["std_error"]
    assert row["conf_high"] - row["estimate"] == pytest.approx(half, rel=EXACT)
    wide = survey.t_test(survey.Design(people, weight="w"), "y", by="two", level=0.99, df="design").tidy()
    assert wide.loc[0, "conf_high"] > row["conf_high"]


def test_too_few_psus_leave_no_test(people: pd.DataFrame) -> None:
    data = people.assign(psu=np.where(people["g"] == "a", 1, 2))
    design = survey.Design(data, weight="w", strata="psu", psu="psu", lonely_psu="adjust")
    result = survey.t_test(design, "y")
    assert np.isnan(result.p_value)
    assert result.note == "The design leaves 0 degrees of freedom, too few for a test."


def test_a_group_inside_one_psu_is_not_tested(people: pd.DataFrame) -> None:
    """Its variance is unknown: with the degrees of freedom of everybody, 65 to 80% of true hypotheses are rejected."""
    psu = np.where(people["two"] == "v", 0, np.arange(len(people)) % 8)
    design = survey.Design(people.assign(psu=psu), weight="w", psu="psu")
    refusal = (
        r"`by` must make groups of at least two PSUs .*; 15 respondent\(s\) of 'v' are all in one, and nobody knows"
    )
    with pytest.raises(survey.EstimationError, match=refusal):
        survey.t_test(design, "y", by="two")
    with pytest.raises(survey.EstimationError, match=refusal):
        survey.rank_test(design, "y", "two")
    with pytest.raises(survey.EstimationError, match=r"`table` must have columns .*; the 15 of 'v' are all in one"):
        survey.crosstab(design, "bus", "two").test()
    means = survey.mean(design, "y", by="two")
    alone = means.tidy().set_index("two")
    assert np.isnan(alone.loc["v", ["std_error", "n_eff", "deff", "conf_low", "conf_high"]].astype(float)).all()
    assert alone.loc["v", "estimate"] == pytest.approx(
        np.average(people.loc[people["two"] == "v", "y"], weights=people.loc[people["two"] == "v", "w"])
    )
    assert np.isfinite(alone.drop("v")["std_error"]).all()
    assert survey.compare(means)[["std_error", "statistic", "p_value", "conf_low"]].isna().all(axis=None)
    assert np.isnan(means.contrast([[1, -1]]).std_error[0])


def test_a_single_respondent_is_no_group_to_compare(people: pd.DataFrame) -> None:
    one = people.assign(alone=np.where(np.arange(len(people)) == 3, "x", "others"))
    with pytest.raises(survey.EstimationError, match=r"1 respondent\(s\) of 'x' are all in one"):
        survey.t_test(survey.Design(one, weight="w"), "y", by="alone")


def test_refusals_of_t_tests(people: pd.DataFrame) -> None:
    design = survey.Design(people.assign(one=1.0), weight="w")
    with pytest.raises(survey.EstimationError, match="`by` and `paired` exclude each other; got 'two' and 'x'"):
        survey.t_test(design, "y", by="two", paired="x")
    with pytest.raises(survey.EstimationError, match="`by` must have two groups with respondents; 'g' has 3"):
        survey.t_test(design, "y", by="g")
    with pytest.raises(survey.EstimationError, match="`y` of a t test must be numeric; 'g' has type category"):
        survey.t_test(design, "g")
    with pytest.raises(survey.EstimationError, match="`paired` of a t test must be numeric; 'g' has type category"):
        survey.t_test(design, "y", paired="g")
    with pytest.raises(survey.EstimationError, match="`y` must be another variable than the one it is compared by"):
        survey.t_test(design, "y", paired="y")
    with pytest.raises(survey.EstimationError, match="`y` must vary to be tested; 'one' has a standard error of zero"):
        survey.t_test(design, "one")
    with pytest.raises(survey.EstimationError, match="`level` must lie between 0 and 1"):
        survey.t_test(design, "y", level=95)


# All pairs --------------------------------------------------------------------------------------------------


def test_pairs_of_groups(people: pd.DataFrame) -> None:
    """Each pair is the contrast of its two estimates; p-values are adjusted together."""
    means = survey.mean(survey.Design(people, weight="w"), "y", by="g")
    frame = survey.compare(means)
    assert list(frame.columns) == [
        "term",
        "level",
        "first",
        "second",
        "estimate",
        "std_error",
        "df",
        "conf_low",
        "conf_high",
        "statistic",
        "p_value",
        "p_adjusted",
    ]
    assert list(zip(frame["first"], frame["second"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    for row in frame.to_dict("records"):
        contrast = means.contrast({row["first"]: 1, row["second"]: -1}).tidy().iloc[0]
        for column in ("estimate", "std_error", "df", "conf_low", "conf_high"):
            assert row[column] == pytest.approx(contrast[column], rel=EXACT), column
        t = row["estimate"] / row["std_error"]
        assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), row["df"]), rel=EXACT)
    np.testing.assert_allclose(frame["p_adjusted"], adjust_p_values(frame["p_value"].to_numpy(), "holm"))


def test_blocks_of_pairs(people: pd.DataFrame) -> None:
    """Groups are compared answer by answer, or answers within each group; a block is a family of its own."""
    shares = survey.proportion(survey.Design(people, weight="w"), "bus", by="g")
    by_answer = survey.compare(shares)
    assert by_answer[["term", "level"]].drop_duplicates().to_numpy().tolist() == [["bus", "No"], ["bus", "Yes"]]
    assert len(by_answer) == 6
    yes = by_answer[by_answer["level"] == "Yes"]
    np.testing.assert_allclose(yes["p_adjusted"], adjust_p_values(yes["p_value"].to_numpy(), "holm"))
    within = survey.compare(shares, by="g", correction="none")
    assert within[["g", "first", "second"]].to_numpy().tolist() == [[g, "bus, No", "bus, Yes"] for g in "abc"]
    assert len(survey.compare(shares, by=[], correction="benjamini-hochberg")) == 15


def test_options_of_a_multiple_response_set(people: pd.DataFrame) -> None:
    """Two options chosen by the same people: the paired t test of their indicators."""
    design = survey.Design(
        people.assign(**{f"{o}1": (people[o] == "Yes").astype(float) for o in ("bus", "bike")}), weight="w"
    )
    pairs = survey.compare(survey.mean(design, ["bus", "bike"]), by="level", df="design").set_index("level")
    paired = survey.t_test(design, "bus1", paired="bike1")
    assert pairs.loc["Yes", "statistic"] == pytest.approx(paired.statistic, rel=EXACT)
    assert pairs.loc["Yes", "p_value"] == pytest.approx(paired.p_value, rel=EXACT)
    alone = survey.mean(design, "bus1").std_error[0] ** 2 + survey.mean(design, "bike1").std_error[0] ** 2
    assert pairs.loc["Yes", "std_error"] != pytest.approx(np.sqrt(alone), rel=0.01)  # what ignoring the overlap gives


def test_difference_that_does_not_vary(people: pd.DataFrame) -> None:
    """Raked weights fix the shares of the groups: they differ by what the targets say, without error."""
    design = survey.rake(survey.Design(people, weight="w"), {"g": {"a": 0.5, "b": 0.3, "c": 0.2}})
    frame = survey.compare(survey.mean(design, ["g", "y"]), by="term")
    assert frame["estimate"].to_numpy() == pytest.approx([0.2, 0.3, 0.1])
    assert frame["statistic"].isna().all()
    assert frame["p_adjusted"].isna().all()


def test_pairs_with_bias_reduced_variance(people: pd.DataFrame) -> None:
    """With variance="cr2" each pair has the degrees of freedom of its own contrast."""
    data = people.assign(psu=np.arange(len(people)) % 7)
    means = survey.mean(survey.Design(data, weight="w", psu="psu"), "y", by="g", variance="cr2")
    frame = survey.compare(means)
    for row in frame.to_dict("records"):
        contrast = means.contrast({row["first"]: 1, row["second"]: -1}).tidy().iloc[0]
        assert (row["df"], row["std_error"]) == pytest.approx((contrast["df"], contrast["std_error"]), rel=EXACT)
    assert frame["df"].nunique() == 3


def test_refusals_of_comparisons(people: pd.DataFrame) -> None:
    means = survey.mean(survey.Design(people, weight="w"), "y", by="g")
    with pytest.raises(survey.EstimationError, match=r"`by` must name columns of labels; \['h'\] not among"):
        survey.compare(means, by="h")
    with pytest.raises(survey.EstimationError, match="`by` must leave two estimates to compare"):
        survey.compare(means, by=["g", "term", "level"])
    with pytest.raises(survey.EstimationError, match="`correction` must be one of holm, benjamini-hochberg, none"):
        survey.compare(means, correction="bonferroni")  # type: ignore[arg-type]


def test_without_degrees_of_freedom_there_is_no_p_value(people: pd.DataFrame) -> None:
    means = replace(survey.mean(survey.Design(people, weight="w"), "y", by="g"), whole_df=0.0, spans=None)
    assert survey.compare(means)[["p_value", "p_adjusted", "conf_low"]].isna().all(axis=None)


# Corrections ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("correction", "name"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
@settings(max_examples=25)  # statsmodels collects garbage in each
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_corrections_are_those_of_statsmodels(correction: Correction, name: str, p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    ours = adjust_p_values(p_values, correction)
    rejected, adjusted, _, _ = multipletests(p_values, alpha=0.05, method=name)
    np.testing.assert_allclose(ours, adjusted, rtol=1e-12, atol=1e-300)
    clear = np.abs(adjusted - 0.05) > 1e-12
    assert ((ours <= 0.05) == rejected)[clear].all()
    with_missing: NDArray[np.float64] = adjust_p_values([np.nan, *p_values, np.nan], correction)
    np.testing.assert_array_equal(with_missing[1:-1], ours)
    assert np.isnan(with_missing[[0, -1]]).all()


def test_no_correction() -> None:
    np.testing.assert_array_equal(adjust_p_values([0.04, 0.01], "none"), [0.04, 0.01])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.t_test(d, ["y"]), r"`y` must be one column name; got \['y'\]"),
        (lambda d: loose.t_test(d, "y", by=["g"]), r"`by` must be one column name; got \['g'\]"),
        (lambda d: loose.t_test(d, "y", paired=5), "`paired` must be one column name; got 5"),
        (lambda d: loose.t_test(d, "y", value="50"), "`value` must be a number, .*; got '50'"),
        (lambda d: loose.t_test(d, "y", value=np.nan), "`value` must be a number, .*; got nan"),
        (lambda d: loose.rank_test(d, "y", ["g"]), r"`by` must be one column name; got \['g'\]"),
        (
            lambda d: loose.goodness_of_fit(d, "g", [0.5, 0.5]),
            "`shares` must give the share of each level, .*; got list",
        ),
        (lambda d: loose.goodness_of_fit(d, "g", {"a": "0.5", "b": 0.5}), "`shares` must be positive"),
        (lambda d: loose.goodness_of_fit(d, "g", {"a": None, "b": 0.5}), "`shares` must be positive"),
    ],
)
def test_arguments_of_another_form_are_refused(call: Any, message: str) -> None:
    data = pd.DataFrame({"y": np.arange(20.0), "g": ["a", "b"] * 10})
    with pytest.raises(survey.EstimationError, match=message):
        call(survey.Design(data))


loose: Any = survey
