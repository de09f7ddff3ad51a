"""Cross-tabulations by several variables, with totals, for multiple-response sets, and their tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import survey
from survey.design import collapse
from survey.inference.independence import multiple_response, multiple_response_test
from survey.records.items import Item, Level
from survey.tabulation.letters import column_letters
from tests.estimation.test_means import APPROVAL, BENEFITS, design, respondents
from tests.marks import slow
from tests.reference.test_anes2020 import respondents as anes
from tests.reference_data import (
    ESTIMATE,
    NHANES_DESIGN,
    STANDARD_ERROR,
    close,
    nhanes,
    read_csv,
    same_test,
    shared,
    shared_values,
    values,
)
from tests.test_properties import Sample, same, samples

loose: Any = survey  # without types: some calls are wrong on purpose
TEST_COLUMNS = ["statistic", "df1", "df2", "p_value", "method", "note"]
ROUNDING = 1e-6  # relative: a variance of 1e-10 of the largest is a difference of sums
VANISHING = 1e-8  # a standard error that is zero in exact arithmetic is a root of rounding error


# References -------------------------------------------------------------------------------------------------


def same_nested(table: survey.Table, level: str, reference: dict[str, Any], share: str) -> None:
    """Compare the row of one answer with a table of `svyby` over several variables, in whatever order."""
    by = list(table.by_columns)
    frame = table.tidy().astype({**dict.fromkeys(by, str), "level": str})
    row = frame[frame["level"] == level].set_index(by)
    groups = list(zip(*(map(str, reference[name]) for name in by), strict=True))
    close(row["estimate"].reindex(groups), reference[share], ESTIMATE, "estimate")
    close(row["std_error"].reindex(groups), reference["se"], STANDARD_ERROR, "std_error")
    assert len(row) == len(groups)


def test_trust_by_education_and_gender() -> None:
    reference = shared_values("anes2020/anes2020.json")["usual_by_edu_gender"]["table"]
    sample = survey.Design(anes(), weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    table = survey.crosstab(sample, "usual", ["Education", "Gender"])
    same_nested(table, "yes", reference, "TGusual")
    alone = survey.crosstab(sample, "usual", ["Gender", "Education"])
    same_nested(alone, "yes", reference, "TGusual")


def test_cholesterol_by_race_and_sex() -> None:
    reference = values("nhanes")["by_race_sex"]["table"]
    table = survey.crosstab(survey.Design(nhanes(), **NHANES_DESIGN), "chol", ["race", "sex"])
    same_nested(table, "yes", reference, "HI_CHOL")


def test_tests_within_a_level_are_those_of_the_domain() -> None:
    sample = survey.Design(nhanes(), **NHANES_DESIGN)
    within = survey.crosstab(sample, "chol", ["sex", "race"]).test_within()
    assert list(within.columns) == ["sex", "term", *TEST_COLUMNS]
    for row in within.to_dict("records"):
        alone = survey.crosstab(sample.domain(f"sex == '{row['sex']}'"), "chol", "race").test()
        close(
            [row["statistic"], row["df1"], row["df2"], row["p_value"]],
            [alone.statistic, alone.df1, alone.df2, alone.p_value],
            1e-9,  # the same sums; cells of the other sex add zeros
            row["sex"],
        )


def test_a_combined_variable_gives_the_test_of_nested_columns() -> None:
    frame = nhanes()
    frame["both"] = frame["race"].astype(str) + "/" + frame["sex"].astype(str)
    sample = survey.Design(frame, **NHANES_DESIGN)
    nested, plain = survey.crosstab(sample, "chol", ["race", "sex"]), survey.crosstab(sample, "chol", "both")
    for method in ("rao-scott-f", "rao-scott-chisq", "wald", "adjusted-wald"):
        close(nested.test(method).statistic, plain.test(method).statistic, 1e-9, method)
    close(nested.frame["estimate"], plain.frame["estimate"], 1e-12, "shares")
    close(nested.vcov, plain.vcov, 1e-9, "vcov")


def gss(year: int) -> survey.Design:
    frame = read_csv(shared("gss") / "gss.csv")
    frame = frame[(frame["year"] == year) & frame["wtssps"].notna() & frame["vpsu"].notna()].reset_index(drop=True)
    for name, levels in {"fefam": range(1, 5), "degree": range(5), "sex": (1, 2)}.items():
        labels = [str(level) for level in levels]
        frame[name] = pd.Categorical(frame[name].map(dict(zip(levels, labels, strict=True))), labels)
    return survey.Design(frame, weight="wtssps", strata="vstrat", psu="vpsu", nest=True)


@pytest.mark.parametrize("year", [2010, 2018])
def test_attitude_by_degree_with_a_net(year: int) -> None:
    """The net "disagree" is the reference's recoded variable."""
    reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]
    table = survey.crosstab(gss(year), "fefam", "degree", nets={"Disagree": ["3", "4"]}, total=True)
    frame = table.tidy().astype({"degree": str})
    net = frame[frame["level"] == "Disagree"].set_index("degree")
    expected = reference["by_degree"]["table"]
    close(net.loc[expected["degree"], "estimate"], expected["I(fefam >= 3)TRUE"], ESTIMATE, "share")
    close(net.loc[expected["degree"], "std_error"], expected["se.I(fefam >= 3)TRUE"], STANDARD_ERROR, "std_error")
    # the reference takes all who answered, known degree or not; nobody's degree is unknown in these years
    close(net["estimate"]["Total"], reference["disagree"]["est"]["I(fefam >= 3)TRUE"], ESTIMATE, "total")
    close(net["std_error"]["Total"], reference["disagree"]["se"]["I(fefam >= 3)TRUE"], STANDARD_ERROR, "total")
    same_test(table.test(df="design"), reference["chisq"]["F"])


# Properties -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=40)  # each makes five tables
@given(sample=samples())
def test_nested_columns_are_domains(sample: Sample) -> None:
    drawn = sample.design()
    table = survey.crosstab(drawn, "g", ["m", "in_domain"]).tidy()
    for (m, inside), column in table.groupby(["m", "in_domain"], observed=True, sort=False):
        alone = survey.topline(drawn.domain(f"m == '{m}' and in_domain == {inside}"), "g").tidy()
        same(column["estimate"], alone["estimate"])
        np.testing.assert_allclose(column["std_error"], alone["std_error"], rtol=ROUNDING, atol=VANISHING)
        np.testing.assert_array_equal(column["df"], alone["df"])
        np.testing.assert_array_equal(column["shown"], alone["shown"])


@pytest.mark.parametrize("share", ["row", *slow("column", "cell")])
@given(sample=samples())
def test_a_total_comes_first_and_changes_nothing_else(share: Any, sample: Sample) -> None:
    drawn = sample.design()
    plain, whole = (
        survey.crosstab(drawn, "g", "m", share=share),
        survey.crosstab(drawn, "g", "m", share=share, total=True),
    )
    frame = whole.tidy()
    assert frame["m"].tolist()[:3] == ["Total"] * 3
    assert list(frame["m"].cat.categories) == ["Total", "x", "y"]
    pd.testing.assert_frame_equal(
        frame.iloc[3:].drop(columns="m").reset_index(drop=True), plain.tidy().drop(columns="m"), rtol=1e-9, atol=1e-12
    )
    total = frame.iloc[:3]
    if share == "row":
        assert (total["estimate"] == 1).all()
        unknown = frame["std_error"].iloc[3:6].isna().to_numpy()  # answers that were given in one PSU alone
        np.testing.assert_array_equal(total["std_error"], np.where(unknown, np.nan, 0.0))
        return
    alone = survey.topline(drawn, "g").tidy()
    same(total["estimate"], alone["estimate"])
    np.testing.assert_allclose(total["std_error"], alone["std_error"], rtol=ROUNDING, atol=VANISHING)
    assert (total["letters"] == "").all()
    assert (total["column_letter"] == "").all()
    np.testing.assert_array_equal(total["row_base"], whole.count[:3])


@given(sample=samples())
def test_cells_add_up_to_rows_and_columns(sample: Sample) -> None:
    table = survey.crosstab(sample.design(), "g", "m")
    frame = table.tidy().assign(count=table.count)
    frame["weighted"] = frame["estimate"] * frame["column_base_weighted"]
    for name, base in (("m", "column_base"), ("level", "row_base")):
        sums = frame.groupby(name, observed=True)[["count", "weighted"]].sum()
        first = frame.groupby(name, observed=True)[[base, f"{base}_weighted"]].first()
        np.testing.assert_array_equal(sums["count"], first[base])
        same(sums["weighted"], first[f"{base}_weighted"])


# Letters ----------------------------------------------------------------------------------------------------


def groups(sizes: dict[tuple[str, str], tuple[int, float]]) -> survey.Design:
    """Respondents in two-way groups of given sizes and shares of "yes"."""
    return survey.Design(
        pd.concat(
            pd.DataFrame({"a": a, "b": b, "yes": ["yes"] * round(n * p) + ["no"] * (n - round(n * p))})
            for (a, b), (n, p) in sizes.items()
        )
    )


def test_letters_compare_within_the_same_outer_level() -> None:
    drawn = groups({("1", "x"): (200, 0.2), ("1", "y"): (200, 0.8), ("2", "x"): (200, 0.1), ("2", "y"): (200, 0.9)})
    table = survey.crosstab(drawn, "yes", ["a", "b"], total=True).tidy()
    yes = table[table["level"] == "yes"]
    assert yes["a"].tolist() == ["Total", "1", "1", "2", "2"]
    assert yes["column_letter"].tolist() == ["", "A", "B", "A", "B"]
    assert yes["letters"].tolist() == ["", "", "A", "", "A"]
    flat = survey.crosstab(drawn, "yes", "a").tidy()
    assert flat["column_letter"].tolist() == ["A", "A", "B", "B"]
    assert (survey.crosstab(drawn, "yes", "a", share="cell").tidy()["column_letter"] == "").all()


@given(seed=st.integers(0, 10_000))
def test_letters_of_a_block_are_those_of_its_part_of_the_covariance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = {(a, b): (int(rng.integers(40, 160)), float(rng.uniform(0.1, 0.9))) for a in "12" for b in "xyz"}
    table = survey.crosstab(groups(sizes), "yes", ["a", "b"])
    frame = table.tidy()
    for block in (slice(0, 6), slice(6, 12)):
        base = frame["column_base"].to_numpy(dtype=float)[block][::2]
        df = base[:, None] + base - 1  # of a pair: respondents of both columns less the one stratum
        value, vcov = frame["estimate"].to_numpy()[block], table.vcov[block, block]
        assert frame["letters"].tolist()[block] == column_letters(value, vcov, base=base, df=df)


# Multiple responses -----------------------------------------------------------------------------------------


def test_multiple_responses_are_tested_all_together() -> None:
    table = survey.crosstab(design(), BENEFITS, "region")
    cells = collapse(design(), ["loan", "visa", "region"])
    expected = multiple_response_test(cells, multiple_response(cells, BENEFITS.options, "region"), "rao-scott-f")
    assert table.test().tidy().equals(expected.tidy())
    nested = survey.crosstab(design(), BENEFITS, ["income", "region"]).test()
    joined = respondents()
    joined["both"] = joined["income"].astype(str) + joined["region"]
    flat = survey.crosstab(survey.Design(joined, weight="w"), BENEFITS, "both").test()
    assert nested.p_value == pytest.approx(flat.p_value, rel=1e-9)


def test_a_set_of_one_option_is_a_single_answer() -> None:
    one = survey.Item("set", "Set", "multiple", options={"loan": "A loan"})
    table, plain = survey.crosstab(design(), one, "income"), survey.crosstab(design(), "loan", "income")
    close(table.frame["estimate"], plain.frame["estimate"][1::2], 1e-12, "share")
    assert table.test().p_value == pytest.approx(plain.test().p_value, rel=1e-9)
    assert table.frame["letters"].tolist() == plain.frame["letters"].tolist()[1::2]


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.crosstab(d, "approval", []), "`by` must name a variable; it is empty. Use `topline`"),
        (lambda d: loose.crosstab(d, "approval", ["income", "income"]), "`by` must name each variable once"),
        (lambda d: loose.crosstab(d, "approval", ["income", "y"]), "`by` must be categorical; 'y' is numeric"),
        (
            lambda d: loose.crosstab(d, "approval", ["income", "approval"]),
            "another variable than the item; got 'approval'",
        ),
        (
            lambda d: loose.crosstab(d, "approval", "whole", total=True),
            "`total` adds a column called 'Total', but 'whole'",
        ),
        (lambda d: loose.crosstab(d, "approval", "income").test_within(), r"needs nested columns, .*; got by='income'"),
        (lambda d: loose.topline(d, "approval").test_within(), "`test_within` needs a two-way table"),
        (
            lambda d: loose.crosstab(d, "approval", ["income", "region"]).test_within("fisher"),
            "`method` must be one of",
        ),
        (
            lambda d: loose.crosstab(d, BENEFITS, "income", nets={"Any": ["A loan"]}),
            "'benefits' is a multiple-response set",
        ),
        (lambda d: loose.crosstab(d, BENEFITS, "income").test("wald"), "`method` for a multiple-response set must be"),
    ],
)
def test_bad_requests_are_refused(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(survey.Design(respondents().assign(whole="Total"), weight="w"))


def test_levels_without_anything_to_test_say_so() -> None:
    frame = respondents()
    frame.loc[frame["income"] == "Low", "region"] = "East"
    table = survey.crosstab(survey.Design(frame, weight="w"), "approval", ["income", "region"])
    within = table.test_within().set_index("income")
    assert np.isnan(within["p_value"]["Low"])
    assert "two rows and two columns" in within["note"]["Low"]
    assert 0 < within["p_value"]["High"] < 1
    assert "Combinations of income, region without respondents, left out: 2." in table.test().note


def test_nested_tables_draw_themselves() -> None:
    table = survey.crosstab(design(), APPROVAL, ["income", "region"], total=True)
    assert table.by == ("income", "region")
    assert (table.item, table.title) == ("approval", "Approval of the systems")
    assert table.plot() is not None
    assert "Low" in table.to_gt().as_raw_html()
    with pytest.raises(ValueError, match="read-only"):
        table.count[0] = 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.crosstab(d, "approval", "df"), "`by` must not have the name of a result column; 'df' is one"),
        (
            lambda d: loose.banner(d, ["approval"], ["df"]),
            "`by` must not have the name of a result column; 'df' is one",
        ),
        (
            lambda d: loose.topline(d, ["approval"]),
            "`item` must be one column name, or an item of a codebook; got list",
        ),
        (lambda d: loose.topline(d, None), "`item` must be one column name, .*; got NoneType"),
        (lambda d: loose.topline(d, "approval", nets=["Approve"]), "`nets` must map names to answers, as .*; got list"),
        (
            lambda d: loose.topline(d, "approval", nets={"Good": "Approve"}),
            r"`nets\['Good'\]` must be a list of the answers that it merges; got 'Approve'",
        ),
        (lambda d: loose.topline(d, "approval", nets={"Good": None}), r"`nets\['Good'\]` must be a list .*; got None"),
        (
            lambda d: loose.topline(d, "approval", nets={"Approve": ["Neither", "Approve"]}),
            "`nets` must have names of their own; 'Approve' is an answer of 'approval' as well. Rename it",
        ),
        (
            lambda d: loose.topline(d, "approval", missing="show", nets={"Refused": ["Neither", "Approve"]}),
            "`nets` must have names of their own; 'Refused' is an answer",
        ),
        (lambda d: loose.topline(d, "coded", missing="show"), "needs reasons in words; 'coded_missing' has type int64"),
        (
            lambda d: loose.topline(d, "aproval", missing="show"),
            "`item` must be a column of the data; 'aproval' is not",
        ),
        (lambda d: loose.banner(d, None, ["income"]), "`items` must be a list of column names .*; got NoneType"),
        (lambda d: loose.banner(d, ["approval"], {"income": 1}), "`by` must be a list of column names .*; got dict"),
        (
            lambda d: loose.banner(d, ["approval"], ["income"], nets=["A"]),
            "`nets` must map names of items to their nets",
        ),
    ],
)
def test_requests_of_another_form_are_refused(call: Any, message: str) -> None:
    data = respondents().assign(df=lambda f: f["income"], coded=lambda f: f["approval"], coded_missing=1)
    with pytest.raises(survey.EstimationError, match=message):
        call(survey.Design(data, weight="w"))


def test_more_columns_than_letters_are_refused() -> None:
    frame = pd.DataFrame({"a": np.tile(["u", "v"], 720), "g": [f"g{i:03}" for i in np.repeat(np.arange(720), 2)]})
    with pytest.raises(survey.EstimationError, match=r"`by` must make at most 702 columns; 'g' makes 720. Merge"):
        survey.crosstab(survey.Design(frame), "a", "g")


def test_a_column_of_one_psu_has_no_letters() -> None:
    frame = respondents().assign(psu=lambda f: f["income"] == "High")
    frame.loc[frame["income"] == "High", "approval"] = "Approve"
    found = survey.crosstab(survey.Design(frame, weight="w", psu="psu"), "approval", "income").tidy()
    assert (found["df"] == 0).all()
    assert (found["letters"] == "").all()


def test_reasons_that_nobody_gave_in_a_domain_have_no_row() -> None:
    frame = respondents()
    with_refusals = survey.topline(survey.Design(frame, weight="w"), APPROVAL, missing="show").tidy()
    assert with_refusals["level"].tolist()[-2:] == ["Don't know", "Refused"]
    inside = survey.Design(frame, weight="w").domain(frame.index < 15)
    assert survey.topline(inside, APPROVAL, missing="show").tidy()["level"].tolist()[-1] == "Don't know"
    answered = survey.Design(frame, weight="w").domain(frame["approval"].notna())
    assert set(survey.topline(answered, APPROVAL, missing="show").tidy()["kind"]) == {"level", "net"}


def test_reasons_may_be_text() -> None:
    frame = respondents()
    wanted = survey.topline(survey.Design(frame, weight="w"), APPROVAL, missing="show").tidy()
    for text in (frame["approval_missing"].astype(object), frame["approval_missing"].astype(object).fillna("")):
        found = survey.topline(survey.Design(frame.assign(approval_missing=text), weight="w"), APPROVAL, missing="show")
        pd.testing.assert_frame_equal(found.tidy(), wanted)


def test_who_chose_an_option_is_told_by_its_label_not_by_its_place() -> None:
    frame = respondents()
    wanted = survey.topline(survey.Design(frame, weight="w"), BENEFITS).tidy()
    reversed_type = pd.CategoricalDtype(["Yes", "No"])
    for loan in (frame["loan"] == "Yes", frame["loan"].astype(object), frame["loan"].astype(reversed_type)):
        design = survey.Design(frame.assign(loan=loan), weight="w")
        pd.testing.assert_frame_equal(survey.topline(design, BENEFITS).tidy(), wanted)
        tested = survey.crosstab(survey.Design(frame, weight="w"), BENEFITS, "income").test()
        assert survey.crosstab(design, BENEFITS, "income").test().p_value == pytest.approx(tested.p_value, rel=1e-12)
    nobody = survey.topline(survey.Design(frame.assign(loan=False), weight="w"), BENEFITS).tidy()
    assert nobody["estimate"][0] == 0  # the last level in use was taken for "chosen": 1
    said = Item(
        "said", "Said", "multiple", options={"loan": "A loan"}, levels=(Level(0, "Not chosen"), Level(1, "Chosen"))
    )
    worded = frame["loan"].astype(object).map({"No": "Not chosen", "Yes": "Chosen"})
    chosen = survey.topline(survey.Design(frame.assign(loan=worded), weight="w"), said).tidy()
    assert chosen["estimate"][0] == pytest.approx(wanted["estimate"][0], rel=1e-12)


@pytest.mark.parametrize(
    ("loan", "found"),
    [
        (lambda loan: loan.astype(object).map({"No": "Not chosen", "Yes": "Chosen"}), "'(Not chosen|Chosen)'"),
        (lambda loan: (loan == "Yes").astype(int), "[01]"),
        (lambda loan: loan.astype(object).where(loan == "No", "Loan"), "'Loan'"),
    ],
)
def test_options_that_do_not_say_who_chose_them_are_refused(loan: Any, found: str) -> None:
    frame = respondents()
    design = survey.Design(frame.assign(loan=loan(frame["loan"])), weight="w")
    message = rf"`item` must have options that hold True or False, or 'No' or 'Yes', .*; 'loan' holds {found}. State"
    with pytest.raises(survey.EstimationError, match=message):
        survey.topline(design, BENEFITS)


def test_an_answer_that_nobody_gave_has_no_row_share() -> None:
    frame = respondents().assign(asked=lambda f: f["approval"].cat.add_categories(["Undecided"]))
    design = survey.Design(frame, weight="w")
    nets = {"Rest": ["Undecided", "Neither"]}
    found = survey.crosstab(design, "asked", "income", share="row", nets=nets)
    wanted = survey.crosstab(design, "approval", "income", share="row").tidy()
    tidy = found.tidy()
    empty = (tidy["level"] == "Undecided").to_numpy()
    assert tidy.loc[empty, ["estimate", "std_error", "conf_low", "conf_high"]].isna().all(axis=None)
    assert tidy.loc[empty, ["n", "row_base"]].eq(0).all(axis=None)
    assert not tidy.loc[empty, "shown"].any()
    given = tidy[~empty & (tidy["kind"] == "level")].reset_index(drop=True)
    numbers = ["estimate", "std_error", "conf_low", "conf_high", "n"]
    pd.testing.assert_frame_equal(given[numbers], wanted[numbers])
    neither, rest = (tidy.loc[tidy["level"] == level, "estimate"].to_numpy() for level in ("Neither", "Rest"))
    np.testing.assert_allclose(rest, neither, rtol=1e-12)
    assert "Undecided" in found.to_gt().as_raw_html()
    assert 0 < found.test().p_value < 1
    assert survey.protect(found).tidy()["estimate"].isna().any()
    with pytest.raises(survey.EstimationError, match=r"one has row shares of an answer that nobody gave. Merge it"):
        survey.pool([found, found])


def test_workbooks_end_in_xlsx(tmp_path: Any) -> None:
    with pytest.raises(survey.EstimationError, match=r"`path` must end in .xlsx; got 'table.csv'. Rename it"):
        survey.topline(design(), APPROVAL).to_excel(tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()
