"""Raking and post-stratification: what they refuse, and what they report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from tests.brute_force import in_counts


def design(**columns: Any) -> survey.Design:
    data = pd.DataFrame(
        {
            "sex": pd.Categorical(["m", "m", "m", "f"] * 5, ["m", "f"]),
            "age": pd.Categorical(
                ["old"] * 12 + ["young", "young", "old", "young"] * 2, ["young", "old"], ordered=True
            ),
            "w": 1.0,
        }
    ).assign(**columns)
    return survey.Design(data, weight="w")


SEX = {"m": 0.5, "f": 0.5}


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({}, "`margins` must hold at least one margin"),
        ({"sex": {}}, r"`margins\['sex'\]` must have a target for each level; it is empty"),
        ({"gender": SEX}, "`margins` must name columns of the data; 'gender' is not among"),
        ({"sex": {"m": 1.0}}, r"must cover every level in the data; 'f' \(n=5\) has no target. Add a target or recode"),
        ({"sex": {"m": 0.5, "f": 0.4, "x": 0.1}}, "must have respondents for every target; nobody has 'x'"),
        ({"sex": {"m": 0.5, "f": 0.4}}, "must be shares that add to 1 or counts; the targets add to 0.9"),
        ({"sex": {"m": 1.5, "f": -0.5}}, "must be positive; 'f' has target -0.5"),
        ({"sex": {"m": np.nan, "f": 0.5}}, "must be positive; 'm' has target nan"),
        ({"sex": {"m": "half", "f": 0.5}}, r"`margins\['sex'\]` must hold numbers"),
        ({"sex": SEX, "age": {"young": 40, "old": 60}}, "`margins` must be all shares or all counts; sex adds to 1"),
        (
            {"sex": {"m": 50, "f": 50}, "age": {"young": 40, "old": 65}},
            "`margins` must add up to the same population; the sums are sex 100, age 105",
        ),
        ({("sex", "age"): {"m": 0.5, "f": 0.5}}, r"must be indexed by 2 levels; its index has 1|must be.*tuples"),
        (
            {"sex": pd.Series([0.5, 0.2, 0.3], index=["m", "m", "f"])},
            "must have one target per level; 'm' occurs twice",
        ),
    ],
)
def test_bad_margins_are_refused(margins: Any, message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.rake(design(), margins)


def test_missing_values_in_a_margin_are_refused() -> None:
    sex = pd.Categorical([None, "m", "f", "m"] * 5, ["m", "f"])
    with pytest.raises(survey.CalibrationError, match=r"sex is missing for 5, first in row 0. Impute it"):
        survey.rake(design(sex=sex), {"sex": SEX})
    ignored = survey.rake(design(sex=sex, w=np.tile([0.0, 1.0, 1.0, 1.0], 5)), {"sex": SEX})
    assert ignored.n == 15


def test_margins_that_contradict_each_other_are_refused_with_the_place() -> None:
    """Everybody young is male, so 40% women and 80% young cannot both be."""
    sex = pd.Categorical(["m"] * 10 + ["f"] * 10, ["m", "f"])
    age = pd.Categorical(["young"] * 10 + ["old"] * 10, ["young", "old"])
    with pytest.raises(
        survey.CalibrationError, match=r"could not be met together: after 200 iterations the largest gap is"
    ):
        survey.rake(design(sex=sex, age=age), {"sex": {"m": 0.6, "f": 0.4}, "age": {"young": 0.8, "old": 0.2}})


def test_too_few_iterations_are_an_error_not_a_result() -> None:
    margins = {"sex": {"m": 0.3, "f": 0.7}, "age": {"young": 0.6, "old": 0.4}}
    with pytest.raises(survey.CalibrationError, match=r"after 1 iterations the largest gap is .* at sex="):
        survey.rake(design(), margins, max_iterations=1)
    with pytest.raises(survey.CalibrationError, match="`tolerance` must lie between 0 and 1"):
        survey.rake(design(), margins, tolerance=0)


def test_a_domain_is_weighted_before_it_is_chosen() -> None:
    with pytest.raises(survey.CalibrationError, match="`design` must not be restricted to a domain"):
        survey.rake(design().domain("sex == 'm'"), {"sex": SEX})


def test_shares_keep_the_sum_of_the_weights_and_counts_set_it() -> None:
    margins = {"sex": {"m": 0.3, "f": 0.7}, "age": {"young": 0.6, "old": 0.4}}
    raked = survey.rake(design(), margins)
    assert raked.weights.sum() == pytest.approx(20)
    counted = survey.rake(design(), in_counts(margins, 5000))
    np.testing.assert_allclose(counted.weights, raked.weights * 250, rtol=1e-8)
    (step,) = raked.calibrations
    assert (step.method, step.largest_gap <= 1e-10, step.iterations > 1) == ("rake", True, True)
    np.testing.assert_array_equal(design().weights, 1.0)


def test_joint_margins_and_post_strata_say_the_same() -> None:
    joint = {("m", "young"): 0.3, ("m", "old"): 0.3, ("f", "young"): 0.1, ("f", "old"): 0.3}
    targets = pd.Series(joint).rename_axis(["sex", "age"])
    post, raked = survey.poststratify(design(), targets), survey.rake(design(), {("sex", "age"): joint})
    np.testing.assert_allclose(post.weights, raked.weights, rtol=1e-12)
    again = survey.rake(survey.rake(design(), {"sex": SEX}), {("sex", "age"): joint})
    assert len(again.calibrations) == 2
    np.testing.assert_allclose(again.weights, post.weights, rtol=1e-12)


def test_post_strata_need_a_named_index() -> None:
    with pytest.raises(
        survey.CalibrationError, match="index is named after the variables; got an index without a name"
    ):
        survey.poststratify(design(), pd.Series(SEX))
    with pytest.raises(survey.CalibrationError, match="got dict"):
        survey.poststratify(design(), SEX)  # type: ignore[arg-type]


def test_summaries_of_the_weights() -> None:
    raked = survey.rake(design(), {"sex": SEX})
    row = survey.weight_summary(raked).iloc[0]
    w = raked.weights
    assert row["n"] == 20
    assert row["deff_kish"] == pytest.approx(1 + w.var() / w.mean() ** 2)
    assert row["n_eff"] == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert row["cv"] == pytest.approx(w.std() / w.mean())
    table = survey.margin_table(raked, {"sex": SEX})
    assert table["level"].tolist() == ["m", "f"]
    np.testing.assert_allclose(table["unweighted"], [0.75, 0.25])
    np.testing.assert_allclose(table["weighted"], table["target"])
    np.testing.assert_allclose(table["gap"], 0, atol=1e-15)
    before = survey.margin_table(design(), {"sex": SEX})
    np.testing.assert_allclose(before["gap"], [0.25, -0.25])


def test_ignoring_the_calibration_is_the_usual_mistake() -> None:
    """The calibrated count of men is known, so its standard error is zero; weights alone do not know that."""
    raked = survey.rake(design(), {"sex": {"m": 480, "f": 520}})
    forgetful = survey.Design(raked.frame.assign(w=raked.weights), weight="w")
    assert survey.total(raked, "sex").std_error[0] < 1e-8 * 480
    assert survey.total(forgetful, "sex").std_error[0] > 50


LEVELS = {"m": 0.5, "f": 0.5}
JOINT = pd.Series({("m", "young"): 0.1, ("m", "old"): 0.5, ("f", "young"): 0.3, ("f", "old"): 0.1})


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({"sex": ["m", "f"]}, r"`margins\['sex'\]` must give the target of each level, by level, .*; got list"),
        ({"sex": "m"}, r"`margins\['sex'\]` must give the target of each level, .*; got str"),
        ({"sex": None}, r"`margins\['sex'\]` must give the target of each level, .*; got NoneType"),
        ({"sex": 0.5}, r"`margins\['sex'\]` must give the target of each level, .*; got float"),
        ({"sex": pd.DataFrame(LEVELS, index=[0])}, r"must give the target of each level, .*; got DataFrame"),
        (["sex"], r"`margins` must map variables to the targets of their levels, as .*; got list"),
        ("sex", r"`margins` must map variables to the targets of their levels, as .*; got str"),
        (pd.Series(LEVELS), r"`margins` must map variables to the targets of their levels, as .*; got Series"),
        (pd.DataFrame({"sex": [1]}), r"`margins` must map variables to the targets .*; got DataFrame"),
        ({5: LEVELS}, "`margins` must be named by a variable, or for a joint margin by a tuple of several; got 5"),
        ({("sex", "sex"): JOINT}, r"by a tuple of several; got \('sex', 'sex'\)"),
        ({"sex": {"m": True, "f": True}}, r"`margins\['sex'\]` must hold numbers; 'm' has True or False"),
        ({"sex": {"m": "52.6%", "f": "47.4%"}}, r"`margins\['sex'\]` must hold numbers; 'm' has the text '52.6%'"),
        ({"sex": {"m": None, "f": 0.5}}, "must be positive; 'm' has target nan"),
        (
            {"sex": pd.Series(LEVELS).rename_axis("age")},
            r"`margins\['sex'\]` must be targets of sex; its index is called age. Give them under that name",
        ),
        (
            {("sex", "age"): JOINT.rename_axis(["sex", "w"])},
            r"`margins\['sex/age'\]` must be targets of sex and age; its index is called sex, w.",
        ),
        ({("sex", "age"): {"m": 0.5, "f": 0.5}}, "its index has 1, as 'm'. Use tuples as keys"),
    ],
)
def test_margins_of_another_form_are_refused(margins: Any, message: str) -> None:
    with pytest.raises(survey.CalibrationError, match=message):
        survey.rake(design(), margins)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (
            pd.Series({"m": 0.5, "f": 0.4, "x": 0.1}).rename_axis("sex"),
            "^`targets` must have respondents for every tar",
        ),
        (pd.Series({"m": 1.0}).rename_axis("sex"), r"^`targets` must cover every level in the data; 'f' \(n=5\)"),
        (pd.Series(SEX).rename_axis("gender"), "^`targets` must name columns of the data; 'gender' is not among"),
        (pd.Series({"m": 0.5, "f": 0.4}).rename_axis("sex"), "^`targets` must be shares that add to 1 or counts"),
        (pd.Series({"m": 1.5, "f": -0.5}).rename_axis("sex"), "^`targets` must be positive; 'f' has target -0.5"),
    ],
)
def test_targets_are_called_targets(targets: pd.Series[float], message: str) -> None:
    """`poststratify` and `margin_table` have no argument `margins` that they could complain of."""
    with pytest.raises(survey.CalibrationError, match=message):
        survey.poststratify(design(), targets)
    name = str(targets.index.name)
    in_table = message.replace("`targets`", "`targets" + rf"(\['{name}'\])?`")
    with pytest.raises(survey.CalibrationError, match=in_table):
        survey.margin_table(design(), {name: targets})


@pytest.mark.parametrize("percent", [{"m": 52.6, "f": 47.4}, {"m": 52.5, "f": 47.4}, {"m": 100 / 3, "f": 200 / 3}])
def test_percentages_are_no_counts(percent: dict[str, float]) -> None:
    message = "must be shares that add to 1 or counts; these add to .* as percentages do, and the weights to 20. Divide"
    for call in (
        lambda: survey.rake(design(), {"sex": percent}),
        lambda: survey.poststratify(design(), pd.Series(percent).rename_axis("sex")),
        lambda: survey.calibrate(design(), margins={"sex": percent}),
        lambda: survey.margin_table(design(), {"sex": percent}),
    ):
        with pytest.raises(survey.CalibrationError, match=message):
            call()


def test_a_population_of_100_is_one_that_the_weights_add_to() -> None:
    hundred = survey.rake(design(w=5.0), {"sex": {"m": 60, "f": 40}})
    assert hundred.weights.sum() == pytest.approx(100)
    assert survey.rake(design(), {"sex": {"m": 60, "f": 45}}).weights.sum() == pytest.approx(105)


def test_a_joint_margin_is_matched_by_the_names_of_its_index() -> None:
    named = JOINT.rename_axis(["sex", "age"])
    wanted = survey.rake(design(), {("sex", "age"): named}).weights
    for key, margin in {("age", "sex"): named, ("sex", "age"): named.swaplevel()}.items():
        np.testing.assert_allclose(survey.rake(design(), {key: margin}).weights, wanted, rtol=1e-12)
    np.testing.assert_allclose(survey.poststratify(design(), named.swaplevel()).weights, wanted, rtol=1e-9)


@pytest.mark.parametrize(
    "options", [{"tolerance": "small"}, {"tolerance": float("nan")}, {"max_iterations": 1.5}, {"max_iterations": True}]
)
def test_an_iteration_is_told_when_to_stop(options: Any) -> None:
    for call in (survey.rake, lambda d, m, **o: survey.calibrate(d, margins=m, **o)):
        with pytest.raises(
            survey.CalibrationError, match="`tolerance` must lie between 0 and 1 and `max_iterations` be"
        ):
            call(design(), {"sex": LEVELS}, **options)
