"""Estimates and tables: layout, intervals, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.records.items import Item, Level

loose: Any = survey

COLUMNS = ["term", "level", "estimate", "std_error", "df", "conf_low", "conf_high", "n", "n_eff", "deff"]


def respondents(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    answers = ["Disapprove", "Neither", "Approve"]
    frame = pd.DataFrame(
        {
            "approval": pd.Categorical(rng.choice(answers, n, p=[0.1, 0.3, 0.6]), answers, ordered=True),
            "income": pd.Categorical(rng.choice(["Low", "High"], n), ["Low", "High"], ordered=True),
            "region": rng.choice(["East", "West", "North"], n),
            "y": rng.normal(10, 2, n),
            "x": rng.uniform(1, 2, n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    frame["approval_missing"] = pd.Categorical([None] * n, ["Don't know", "Refused"])
    frame.loc[:19, "approval"] = None
    frame.loc[:14, "approval_missing"] = "Don't know"
    frame.loc[15:19, "approval_missing"] = "Refused"
    for option in ("loan", "visa"):
        frame[option] = pd.Categorical(rng.choice(["No", "Yes"], n, p=[0.7, 0.3]), ["No", "Yes"])
    return frame


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w")


APPROVAL = Item(
    "approval",
    "Approval of the systems",
    "ordinal",
    levels=(Level(1, "Disapprove"), Level(2, "Neither"), Level(3, "Approve")),
    missing=(Level(-1, "Don't know"), Level(-2, "Refused")),
    nets={"Not approve": ("Disapprove", "Neither")},
)
BENEFITS = Item("benefits", "Benefits received", "multiple", options={"loan": "A loan", "visa": "A faster visa"})


def test_tidy_results_have_the_promised_columns() -> None:
    assert list(survey.mean(design(), "y").tidy().columns) == COLUMNS
    assert list(survey.proportion(design(), "approval", by=["income", "region"]).tidy().columns) == [
        "income",
        "region",
        *COLUMNS,
    ]
    bases = ["row_base", "column_base", "row_base_weighted", "column_base_weighted"]
    marks = ["kind", "shown", "flag", "letters"]
    assert list(survey.crosstab(design(), "approval", "income").tidy().columns) == [
        "income",
        *COLUMNS,
        *bases,
        *marks,
        "column_letter",
    ]
    assert list(survey.topline(design(), "approval").tidy().columns) == [*COLUMNS, *marks]


def test_groups_come_in_the_order_of_their_levels() -> None:
    tidy = survey.proportion(design(), "approval", by="income").tidy()
    assert tidy["income"].tolist() == ["Low"] * 3 + ["High"] * 3
    assert tidy["level"].tolist() == ["Disapprove", "Neither", "Approve"] * 2
    assert survey.mean(design(), "y", by="region").tidy()["region"].tolist() == ["East", "North", "West"]


def test_several_items_are_estimated_on_those_who_answered_all() -> None:
    both = survey.mean(design(), ["y", "approval"]).tidy()
    assert both["term"].tolist() == ["y", "approval", "approval", "approval"]
    assert (both["n"] == 380).all()
    assert survey.mean(design(), "y").tidy()["n"].item() == 400
    with pytest.raises(
        survey.EstimationError, match="`missing` is \"fail\", but values are missing: 'approval' in 20 of 400"
    ):
        survey.mean(design(), "approval", missing="fail")


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_wider_levels_give_wider_intervals(level: float) -> None:
    made = survey.mean(design(), "y", level=level).tidy().iloc[0]
    from scipy.stats import t

    half = t.ppf(0.5 + level / 2, made["df"]) * made["std_error"]
    np.testing.assert_allclose(
        [made["conf_low"], made["conf_high"]], [made["estimate"] - half, made["estimate"] + half]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [  # `loose` is the package without types: these calls are wrong on purpose
        (lambda d: loose.mean(d, "z"), r"`design` must hold every variable asked for; \['z'\]"),
        (lambda d: loose.mean(d, "y", by="z"), r"`design` must hold every variable asked for; \['z'\]"),
        (lambda d: loose.mean(d, ["y", "y"]), "`x` must name each variable once"),
        (lambda d: loose.mean(d, [1]), "`x` must be a column name or a list of them"),
        (lambda d: loose.mean(d, "y", level=95), "`level` must lie between 0 and 1, as 0.95 does; got 95"),
        (lambda d: loose.mean(d, "y", missing="ignore"), "`missing` must be one of drop, fail; got 'ignore'"),
        (lambda d: loose.proportion(d, "y"), "`x` must be categorical; 'y' is numeric"),
        (lambda d: loose.proportion(d, "approval", interval="exact"), "`interval` must be one of logit, korn-graubard"),
        (lambda d: loose.ratio(d, "y", "income"), "`x` must be numeric; 'income' has type category"),
        (
            lambda d: loose.ratio(d, "y", "zero"),
            "`x` must have a total other than zero; 'zero' sums to zero over",
        ),
        (lambda d: loose.mean(d, "big"), "`x` must be finite; 'big' holds an infinite value"),
        (lambda d: loose.mean(d, "none"), "`none` must be known for at least one respondent"),
        (lambda d: loose.topline(d, "y"), "`item` must be categorical to be tabulated; 'y' is numeric"),
        (
            lambda d: loose.topline(d, "approval", nets={"Good": ["Fine"]}),
            r"must merge answers of 'approval'; \['Fine'\]",
        ),
        (lambda d: loose.topline(d, "income", missing="show"), "needs the column 'income_missing' with the reasons"),
        (lambda d: loose.topline(d, BENEFITS, missing="show"), "is for single answers"),
        (
            lambda d: loose.topline(d, "approval").test(),
            "`test` needs a two-way table of one answer each; .* is a topline",
        ),
        (lambda d: loose.crosstab(d, "approval", "approval"), "`by` must be another variable than the item"),
        (lambda d: loose.crosstab(d, "approval", "y"), "`by` must be categorical; 'y' is numeric"),
        (lambda d: loose.crosstab(d, "approval", "income", share="total"), "`share` must be one of column, row, cell"),
        (
            lambda d: loose.crosstab(d, "approval", "income").test(method="fisher"),
            "`method` must be one of rao-scott-f",
        ),
        (lambda d: loose.crosstab(d, "approval", "one").test(), "must have two rows and two columns with respondents"),
        (lambda d: loose.mean(d, "y").contrast({"High": 1}), "'High': no estimate has it"),
        (lambda d: loose.proportion(d, "approval", by="income").contrast({"High": 1}), "'High': 3 estimates have it"),
        (lambda d: loose.mean(d, "y").contrast([[1, 2]]), "must have one column per estimate; got 2 columns for 1"),
        (lambda d: loose.mean(d, "y").contrast([[1]], names=["a", "b"]), "`names` must name each of the 1 contrasts"),
    ],
)
def test_bad_requests_are_refused(call: Any, message: str) -> None:
    data = respondents().assign(zero=0.0, big=np.inf, none=np.nan, one="same")
    with pytest.raises(survey.EstimationError, match=message):
        call(survey.Design(data, weight="w"))


def test_contrasts_find_rows_by_several_labels() -> None:
    shares = survey.proportion(design(), "approval", by="income")
    gap = shares.contrast({("High", "Approve"): 1, ("Low", "Approve"): -1}).tidy()
    values = shares.tidy().set_index(["income", "level"])["estimate"]
    assert gap["estimate"].item() == pytest.approx(values["High", "Approve"] - values["Low", "Approve"])
    assert gap["n"].item() == 380


def test_topline_of_a_codebook_item_has_nets_and_reasons_for_missing() -> None:
    shown = survey.topline(design(), APPROVAL, missing="show").tidy()
    assert shown["level"].tolist() == ["Disapprove", "Neither", "Approve", "Not approve", "Don't know", "Refused"]
    assert shown["kind"].tolist() == ["level"] * 3 + ["net"] + ["missing"] * 2
    by_level = shown.set_index("level")["estimate"]
    assert by_level[["Disapprove", "Neither", "Approve", "Don't know", "Refused"]].sum() == pytest.approx(1)
    weights = respondents()["w"]
    assert by_level["Refused"] == pytest.approx(weights[15:20].sum() / weights.sum())
    assert (shown["n"] == 400).all()
    dropped = survey.topline(design(), APPROVAL).tidy().set_index("level")["estimate"]
    assert dropped["Not approve"] == pytest.approx(dropped["Disapprove"] + dropped["Neither"])
    assert dropped[["Disapprove", "Neither", "Approve"]].sum() == pytest.approx(1)


def test_multiple_responses_share_a_base_and_need_not_add_up() -> None:
    shares = survey.topline(design(), BENEFITS).tidy().set_index("level")
    frame = respondents()
    for column, label in BENEFITS.options.items():
        expected = frame["w"][frame[column] == "Yes"].sum() / frame["w"].sum()
        assert shares.loc[label, "estimate"] == pytest.approx(expected)
    table = survey.crosstab(design(), BENEFITS, "income").tidy()
    assert table["level"].tolist() == ["A loan", "A faster visa"] * 2


def test_bases_count_rows_and_columns() -> None:
    table = survey.crosstab(design(), "approval", "income").tidy()
    data = respondents().dropna(subset="approval")
    for row in table.to_dict("records"):
        column, answer = data["income"] == row["income"], data["approval"] == row["level"]
        assert (row["row_base"], row["column_base"]) == (answer.sum(), column.sum())
        assert row["row_base_weighted"] == pytest.approx(data.loc[answer, "w"].sum())
        assert row["column_base_weighted"] == pytest.approx(data.loc[column, "w"].sum())
        assert row["estimate"] == pytest.approx(data.loc[answer & column, "w"].sum() / row["column_base_weighted"])


def test_few_respondents_are_marked_not_shown() -> None:
    small = survey.crosstab(design().domain("region == 'East'"), "approval", "income").tidy()
    assert ((small["flag"] == "[u]") == ~small["shown"]).all()
    assert not small["shown"].all()
    assert (small["n_eff"] <= small["n"]).all()


def test_letters_say_which_columns_are_exceeded() -> None:
    """Three columns with shares .2, .5 and .9 of 200 each: every pair differs; a column of 40 is not compared."""
    sizes = {"A": (200, 0.2), "B": (200, 0.5), "C": (200, 0.9), "D": (40, 0.05)}
    data = pd.concat(
        [
            pd.DataFrame({"g": name, "yes": ["yes"] * round(n * p) + ["no"] * (n - round(n * p))})
            for name, (n, p) in sizes.items()
        ]
    )
    table = survey.crosstab(survey.Design(data), "yes", "g").tidy()
    letters = table[table["level"] == "yes"].set_index("g")["letters"].to_dict()
    assert letters == {"A": "", "B": "A", "C": "A B", "D": ""}
    opposite = table[table["level"] == "no"].set_index("g")["letters"].to_dict()
    assert opposite == {"A": "B C", "B": "C", "C": "", "D": ""}
    assert (survey.crosstab(survey.Design(data), "yes", "g", share="row").tidy()["letters"] == "").all()


def test_letters_use_holm() -> None:
    """Shares .50, .58, .60 of 300 each: the largest difference has p = .014, which Holm's .05/3 accepts alone."""
    data = pd.concat(
        pd.DataFrame({"g": g, "yes": ["yes"] * round(300 * p) + ["no"] * (300 - round(300 * p))})
        for g, p in {"A": 0.5, "B": 0.58, "C": 0.6}.items()
    )
    table = survey.crosstab(survey.Design(data), "yes", "g").tidy()
    assert table[table["level"] == "yes"]["letters"].tolist() == ["", "", "A"]


def test_levels_nobody_has_are_left_out_of_the_test() -> None:
    data = respondents()
    data["income"] = data["income"].cat.add_categories("Middle")
    made = survey.crosstab(survey.Design(data, weight="w"), "approval", "income").test(df="design")
    plain = survey.crosstab(design(), "approval", "income").test(df="design")
    assert made.p_value == pytest.approx(plain.p_value, rel=1e-12)
    assert "income=Middle" in made.note


def test_test_results_are_tidy() -> None:
    result = survey.crosstab(design(), "approval", "income").test(df="design")
    row = result.tidy().iloc[0]
    assert (row["statistic"], row["p_value"]) == (result.statistic, result.p_value)
    assert result.df2 == pytest.approx(result.df1 * 379)
    assert 0 < result.p_value < 1


def test_tables_draw_themselves_and_go_into_files(tmp_path: Any) -> None:
    table = survey.crosstab(design(), APPROVAL, "income")
    assert "Approval of the systems" in table.to_gt().as_raw_html()
    assert table.plot() is not None
    assert survey.topline(design(), APPROVAL).plot() is not None
    table.to_excel(tmp_path / "table.xlsx")
    back = pd.read_excel(tmp_path / "table.xlsx", sheet_name=None)
    assert any("Approve" in str(sheet.to_numpy()) for sheet in back.values())


def test_results_are_read_only() -> None:
    made = survey.mean(design(), "y")
    with pytest.raises(ValueError, match="read-only"):
        made.vcov[0, 0] = 1.0


@pytest.mark.parametrize("name", ["term", "n", "deff", "flag", "estimate"])
def test_by_variables_named_like_result_columns_are_refused(name: str) -> None:
    data = respondents().rename(columns={"income": name})
    with pytest.raises(
        survey.EstimationError, match=f"`by` must not have the name of a result column; '{name}' is one"
    ):
        survey.proportion(survey.Design(data, weight="w"), "approval", by=name)


def test_contrasts_take_a_series_by_its_labels() -> None:
    shares = survey.proportion(design(), "approval")
    by_label = shares.contrast(pd.Series({"Approve": 1, "Disapprove": -1, "Neither": 0}))
    assert by_label.value[0] == pytest.approx(shares.value[2] - shares.value[0])
    with pytest.raises(survey.EstimationError, match="`weights` must be finite numbers; 'Approve' has nan"):
        shares.contrast({"Approve": np.nan})


def test_many_variables_under_calibration_keep_their_patterns_apart() -> None:
    """29 items of four levels: the key of a pattern needs more than 64 bits."""
    rng = np.random.default_rng(0)
    items = [f"q{i:02d}" for i in range(29)]
    data = pd.DataFrame({name: pd.Categorical(np.zeros(400, dtype=int), range(4)) for name in items})
    data["q00"] = pd.Categorical(rng.integers(0, 4, 400), range(4))
    data["a"], data["b"] = pd.Categorical(np.arange(400) % 16), pd.Categorical(np.arange(400) % 3)
    margins = {"a": {i: 1 / 16 for i in range(16)}, "b": {0: 0.5, 1: 0.25, 2: 0.25}}
    raked = survey.rake(survey.Design(data), margins)
    np.testing.assert_allclose(survey.mean(raked, items).value[:4], survey.mean(raked, "q00").value, rtol=1e-12)


def test_a_combination_that_cannot_vary_has_a_standard_error_of_zero() -> None:
    frame = pd.DataFrame({"x": pd.Categorical(list("abcabcacca")), "w": np.arange(1.0, 11.0) / 7})
    shares = survey.mean(survey.Design(frame, weight="w"), "x")
    for weights in ([1.0, 1.0, 1.0], [0.1, 0.1, 0.1]):
        added = shares.contrast(np.array([weights]))
        assert added.std_error[0] == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.mean(d, "y", by="y"), "`by` must be other variables than those that are estimated; got 'y'"),
        (lambda d: loose.total(d, "income", by=["region", "income"]), "that are estimated; got 'income' twice"),
        (lambda d: loose.proportion(d, "income", by="income"), "that are estimated; got 'income' twice"),
        (lambda d: loose.ratio(d, "y", "x", by="x"), "that are estimated; got 'x' twice"),
        (lambda d: loose.quantile(d, "y", by="y"), "that are estimated; got 'y' twice"),
        (lambda d: loose.var(d, "y", by="y"), "that are estimated; got 'y' twice"),
        (lambda d: loose.mean(d, "y", by="x"), "`by` must sort respondents into groups; 'x' has 400 values for 400"),
        (lambda d: loose.proportion(d, "id"), "`x` must sort respondents into groups; 'id' has 400 values for 400"),
        (
            lambda d: loose.mean(d, "text"),
            "`x` must be numeric or categorical; 'text' holds numbers, such as 0, as str",
        ),
        (lambda d: loose.total(d, "objects"), "'objects' holds numbers, such as 0, as object. Make it numeric"),
        (lambda d: loose.mean(d, "lists"), r"`lists` must hold numbers or text; it holds lists, such as \['a'\]"),
        (lambda d: loose.mean(d, d.frame["y"]), "`x` must be a column name or a list of them; got Series"),
        (lambda d: loose.crosstab(d, "approval", APPROVAL), "`by` must be a column name or a list of them; got Item"),
        (lambda d: loose.goodness_of_fit(d, ["income"], {"Low": 1}), r"`x` must be one column name; got \['income'\]"),
    ],
)
def test_variables_that_cannot_play_their_part_are_refused(call: Any, message: str) -> None:
    n = 400
    data = respondents(n).assign(
        id=[f"r{i}" for i in range(n)],
        text=[str(i % 7) for i in range(n)],
        objects=pd.Series([i % 7 for i in range(n)], dtype=object),
        lists=pd.Series([["a"]] * n, dtype=object),
    )
    with pytest.raises(survey.EstimationError, match=message):
        call(survey.Design(data, weight="w"))


def test_numbers_stored_as_text_may_be_counted_where_that_is_asked() -> None:
    data = respondents().assign(code=[str(i % 3) for i in range(400)])
    design = survey.Design(data.assign(level=data["code"].astype("category")), weight="w")
    counted = survey.proportion(design, "code").value
    np.testing.assert_array_equal(survey.mean(design, "level").value, counted)


def test_groups_by_the_thousand_that_would_fill_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survey.estimation.influence.MOST_NUMBERS", 1000)
    with pytest.raises(survey.EstimationError, match=r"`by` must make fewer groups; 'income', 'region' makes 6 of 400"):
        survey.mean(design(), "y", by=["income", "region"])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "`weights` must name at least one estimate; it is empty"),
        ([np.nan, 1.0], "`weights` must be finite numbers; got nan"),
        (["High", "Low"], "`weights` must be coefficients by label, as .* or a matrix of numbers"),
        ("High - Low", "`weights` must be coefficients by label"),
    ],
)
def test_contrasts_of_nothing_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        survey.mean(design(), "y", by="income").contrast(weights)


def test_one_contrast_may_have_one_name() -> None:
    made = survey.mean(design(), "y", by="income").contrast([1, -1], names="difference")
    assert made.tidy()["term"].tolist() == ["difference"]
    with pytest.raises(survey.EstimationError, match=r"`function` must be a function of the estimates, .*; got 'log'"):
        loose.mean(design(), "y").transform("log")


def by_region() -> survey.Estimate:
    """Means of eight regions that are strata of three PSUs each."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"psu": np.repeat(np.arange(24), 6)}).assign(
        region=lambda f: "r" + (f["psu"] // 3).astype(str)
    )
    frame["y"] = rng.normal(0, 1, len(frame)) + rng.normal(0, 0.5, 24)[frame["psu"]]
    return survey.mean(survey.Design(frame, strata="region", psu="psu"), "y", by="region")


def test_a_combination_has_the_degrees_of_freedom_of_what_it_is_made_of() -> None:
    """With the 16 df of the whole design, comparing all pairs of eight regions was wrong in 27% of samples."""
    found = by_region()
    assert (found.df == 2).all()
    assert found.whole_df == 16
    itself = found.contrast({"r0": 1}, df="design")
    assert (itself.df[0], itself.n[0]) == (2, 18)
    assert itself.conf_low[0] == pytest.approx(found.conf_low[0])
    assert found.contrast({"r0": 1, "r1": -1}, df="design").df[0] == 4
    assert found.contrast(np.full((1, 8), 1 / 8), df="design").df[0] == 16
    same = found.transform(lambda values: values, df="design")
    np.testing.assert_array_equal(same.df, found.df)
    assert found.transform(lambda values: values[0] / values[5], df="design").df[0] == 4
    against_first = found.contrast([[1, -1, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, -1, 0, 0, 0]])
    assert against_first.contrast([[1, -1]], df="design").df[0] == 4  # the first group cancels
    assert (survey.compare(found, df="design")["df"] == 4).all()
    crossed = survey.Design(respondents().assign(psu=np.arange(400) % 20), weight="w", psu="psu")
    means = survey.mean(crossed, "y", by="income")
    assert means.contrast({"High": 1, "Low": -1}, df="design").df[0] == means.whole_df == 19
