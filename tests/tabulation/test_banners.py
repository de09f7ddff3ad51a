"""Banners: each cell is that of its crosstab and of its domain, in one frame, one page and one workbook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings

import survey
from survey import tables
from tests.estimation.test_means import APPROVAL, BENEFITS, design, respondents
from tests.reference.test_anes2020 import GROUPS
from tests.reference.test_anes2020 import respondents as anes
from tests.reference.test_onlinepolls import POLLS, cces18, nonvoters
from tests.reference_data import (
    ESTIMATE,
    P_VALUE,
    STANDARD_ERROR,
    STATISTIC,
    close,
    shared_values,
)
from tests.tables.test_tables import cells
from tests.tabulation.test_crosstabs import gss
from tests.test_properties import Sample, same, samples

loose: Any = survey  # without types: some calls are wrong on purpose
HEADS = ["banner", "column"]
ESTIMATES = ["term", "level", "estimate", "std_error", "df", "conf_low", "conf_high", "n", "n_eff", "deff"]
BASES = ["row_base", "column_base", "row_base_weighted", "column_base_weighted"]
MARKS = ["kind", "shown", "flag", "letters", "column_letter"]
ROUNDING = 1e-6  # relative: a standard error next to zero is a difference of sums
VANISHING = 1e-8
WRITTEN = 1e-15  # relative: a workbook holds 16 digits


def approval_banner(**options: Any) -> survey.Banner:
    return survey.banner(design(), [APPROVAL, BENEFITS], ["income", "region"], **options)


# References -------------------------------------------------------------------------------------------------


def same_cells(banner: survey.Banner, item: str, by: str, table: dict[str, Any]) -> None:
    """Compare one item by one variable with the table of `svyby`."""
    frame = banner.tidy()
    part = frame[(frame["term"] == item) & (frame["banner"] == by) & (frame["kind"] == "level")]
    for level, rows in part.groupby("level", sort=False):
        rows = rows.set_index("column").loc[list(map(str, table[by]))]
        close(rows["estimate"], table[f"{item}{level}"], ESTIMATE, f"{item} {level} by {by}")
        close(rows["std_error"], table[f"se.{item}{level}"], STANDARD_ERROR, f"{item} {level} by {by}")


def test_trust_in_government_by_six_variables() -> None:
    reference = shared_values("anes2020/anes2020.json")
    sample = survey.Design(anes(), weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    banner = survey.banner(sample, ["TrustGovernment", "TrustPeople"], list(GROUPS))
    for group in GROUPS:
        same_cells(banner, "TrustGovernment", group, reference["trust_by"][group]["table"])
    frame = banner.tidy()
    for item in ("TrustGovernment", "TrustPeople"):
        total = frame[(frame["term"] == item) & (frame["banner"] == "Total")]
        expected = reference["props"][item]
        close(total["estimate"], list(expected["est"].values()), ESTIMATE, item)
        close(total["std_error"], list(expected["se"].values()), STANDARD_ERROR, item)
    tests = banner.test(df="design")
    for group, entry in (("Education", "edu_tg"), ("Gender", "gender_tg")):
        expected = reference["chisq"][entry]["F"]
        row = tests[(tests["term"] == "TrustGovernment") & (tests["banner"] == group)]
        close(row["statistic"], list(expected["statistic"].values()), STATISTIC, group)
        close(row["p_value"], [expected["p.value"]], P_VALUE, group)


@pytest.mark.parametrize("poll", POLLS)
def test_polls_by_all_their_groups(poll: str) -> None:
    reference = shared_values("onlinepolls/onlinepolls.json")
    entry = reference["cces18"] if poll == "cces18" else reference["nonvoters"][poll]
    item, _, groups, _ = POLLS[poll]
    frame, weight = (cces18(), "commonweight") if poll == "cces18" else (nonvoters(), "weight")
    banner = survey.banner(survey.Design(frame, weight=weight), [item], groups)
    for group in groups:
        same_cells(banner, item, group, entry["by"][group]["table"])
    p_values = banner.test(df="design").set_index("banner")["p_value"]
    close(p_values[list(groups)], [entry["chisq"][group]["F"]["p.value"] for group in groups], P_VALUE, poll)


def test_general_social_survey() -> None:
    table = dict(shared_values("gss/gss.json")["y2018"]["adjust"]["by_sex"]["table"])
    names = dict(zip(("SA", "A", "D", "SD"), "1234", strict=True))
    table = {
        key.replace(f"fef{old}", f"fefam{new}"): v
        for old, new in names.items()
        for key, v in table.items()
        if key.endswith(f"fef{old}")
    } | {"sex": table["sex"]}
    same_cells(survey.banner(gss(2018), ["fefam"], ["sex", "degree"]), "fefam", "sex", table)


# Properties -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("share", ["column", "row", "cell"])
@settings(max_examples=25)  # each makes a dozen tables
@given(sample=samples())
def test_cells_are_those_of_crosstabs_and_domains(share: Any, sample: Sample) -> None:
    drawn = sample.design()
    banner = survey.banner(drawn, ["g"], ["m", "in_domain"], share=share)
    frame = banner.tidy()
    for by in ("m", "in_domain"):
        mine = frame[frame["banner"] == by].drop(columns=HEADS).reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, survey.crosstab(drawn, "g", by, share=share).tidy().drop(columns=by))
        if share == "column":
            for level, column in frame[frame["banner"] == by].groupby("column", sort=False):
                condition = f"m == '{level}'" if by == "m" else f"in_domain == {level}"
                alone = survey.topline(drawn.domain(condition), "g").tidy()
                same(column["estimate"], alone["estimate"])
                np.testing.assert_allclose(column["std_error"], alone["std_error"], rtol=ROUNDING, atol=VANISHING)
    total = frame[frame["banner"] == "Total"]
    assert (share == "row") == total.empty
    if share != "row":
        alone = survey.topline(drawn, "g").tidy()
        pd.testing.assert_frame_equal(total[alone.columns].reset_index(drop=True), alone)
        if share == "cell":  # a total is the sum of the cells under each heading
            for by in ("m", "in_domain"):
                sums = frame[frame["banner"] == by].groupby("level")["estimate"].sum()
                same(sums.loc[total["level"]], total["estimate"])


# Layout -----------------------------------------------------------------------------------------------------


def test_one_frame_in_the_order_of_items_and_banner() -> None:
    banner = approval_banner(nets={"approval": {"Good": ["Approve"]}})
    frame = banner.tidy()
    assert list(frame.columns) == [*HEADS, *ESTIMATES, *BASES, *MARKS]
    assert list(dict.fromkeys(frame["term"])) == ["approval", "benefits"]
    columns = ["Total", "Low", "High", "East", "North", "West"]
    for term in ("approval", "benefits"):
        part = frame[frame["term"] == term]
        assert list(dict.fromkeys(zip(part["banner"], part["column"], strict=True))) == list(
            zip(["Total", "income", "income", "region", "region", "region"], columns, strict=True)
        )
    assert [table.by for table in banner] == [None, "income", "region"] * 2
    assert len(banner) == len(banner.tables) == 6
    letters = frame.drop_duplicates(HEADS)["column_letter"].tolist()
    assert letters == ["", "A", "B", "A", "B", "C"]
    assert frame.loc[frame["kind"] == "net", "level"].unique().tolist() == ["Good"]
    assert "Total" not in survey.banner(design(), ["approval"], ["income"], total=False).tidy()["banner"].tolist()


def test_each_table_has_the_bases_of_those_who_answered_both() -> None:
    frame = respondents()
    frame.loc[frame.index[100:140], "region"] = None
    banner = survey.banner(survey.Design(frame, weight="w"), ["approval", "loan"], ["income", "region"]).tidy()
    for term, by, known in (
        ("approval", "Total", frame["approval"].notna()),
        ("approval", "region", frame["approval"].notna() & frame["region"].notna()),
        ("loan", "income", frame["loan"].notna()),
    ):
        part = banner[(banner["term"] == term) & (banner["banner"] == by)].drop_duplicates("column")
        assert part["column_base"].sum() == known.sum()
        assert part["column_base_weighted"].sum() == pytest.approx(frame.loc[known, "w"].sum())
    answers = banner[(banner["term"] == "approval") & (banner["banner"] == "Total")]
    assert answers["row_base"].tolist() == frame["approval"].value_counts(sort=False).tolist()


def test_a_frame_of_all_tests() -> None:
    tests = approval_banner().test()
    assert list(tests.columns) == ["banner", "term", "statistic", "df1", "df2", "p_value", "method", "note"]
    assert tests[["term", "banner"]].to_numpy().tolist() == [
        ["approval", "income"],
        ["approval", "region"],
        ["benefits", "income"],
        ["benefits", "region"],
    ]
    assert tests.loc[1, "p_value"] == survey.crosstab(design(), APPROVAL, "region").test().p_value
    wald = approval_banner().test("adjusted-wald")
    assert wald["p_value"].notna().tolist() == [True, True, False, False]
    assert wald["note"].str.contains("for a multiple-response set must be one of").tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_items_with_labels_head_their_columns() -> None:
    income = survey.Item(
        "income", "Household income", "ordinal", levels=(survey.Level(1, "Low"), survey.Level(2, "High"))
    )
    banner = survey.banner(design(), [APPROVAL, BENEFITS], [income, "region"])
    assert banner.tidy()["banner"].unique().tolist() == ["Total", "income", "region"]
    text = tables.table_html(banner.to_gt())
    rows = cells(text)
    assert rows[:2] == [
        ["Answer", "Total", "Household income", "region"],
        ["Low (A)", "High (B)", "East (A)", "North (B)", "West (C)"],
    ]
    assert [row[0] for row in rows if len(row) == 1][:2] == ["Approval of the systems", "Benefits received"]
    assert tables.NOTE_MULTIPLE in text
    assert "alpha 0.05" in text
    assert "Answers by Household income, region" in text
    bases = [row for row in rows if row and row[0] == "Respondents (n)"]
    assert [row[1] for row in bases] == ["380", "400"]
    heads = [tag for tag in text.split("<") if tag.startswith("th ")]
    assert all("scope=" in tag for tag in heads)
    assert text == tables.table_html(survey.banner(design(), [APPROVAL, BENEFITS], [income, "region"]).to_gt())


def test_row_shares_keep_the_bases_of_each_heading() -> None:
    frame = respondents()
    frame.loc[frame.index[100:140], "region"] = None
    banner = survey.banner(survey.Design(frame, weight="w"), ["approval"], ["income", "region"], share="row")
    rows = cells(tables.table_html(banner.to_gt()))
    assert rows[1] == [
        "Low",
        "High",
        "Respondents (n)",
        "Weighted n",
        "East",
        "North",
        "West",
        "Respondents (n)",
        "Weighted n",
    ]
    approve = next(row for row in rows if row[0] == "Approve")
    known = frame["approval"] == "Approve"
    assert approve[3] == str(known.sum())
    assert approve[8] == str((known & frame["region"].notna()).sum())
    same_bases = cells(tables.table_html(approval_banner(share="row").to_gt()))
    assert same_bases[0] == ["Answer", "income", "region", "Respondents (n)", "Weighted n"]


def test_a_workbook_has_an_index_and_a_sheet_per_question(tmp_path: Path) -> None:
    banner = approval_banner()
    banner.to_excel(tmp_path / "one.xlsx")
    approval_banner().to_excel(tmp_path / "two.xlsx")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    book = openpyxl.load_workbook(tmp_path / "one.xlsx")
    assert book.sheetnames == ["Index", "Approval of the systems", "Benefits received"]
    assert [cell.value for cell in book["Index"][2]] == ["Approval of the systems", "Approval of the systems", 380]
    sheet = book["Approval of the systems"]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][0] == "Approval of the systems"
    assert rows[1] == (None, None, "Total", "income", "income", "region", "region", "region")
    assert rows[2] == (None, None, "Total", "Low", "High", "East", "North", "West")
    assert rows[3] == ("Answer", "Measure", None, "(A)", "(B)", "(A)", "(B)", "(C)")
    values = {(row[0], row[1]): row[2:] for row in rows[4:]}
    frame = banner.tidy()
    part = frame[(frame["term"] == "approval") & (frame["level"] == "Not approve")]
    assert values["Not approve", "share"] == pytest.approx(tuple(part["estimate"]), rel=WRITTEN)
    assert values["Not approve", "upper bound"] == pytest.approx(tuple(part["conf_high"]), rel=WRITTEN)
    assert values["Respondents (n)", "base"] == tuple(part["column_base"])
    assert sheet.freeze_panes == "C5"
    assert sheet.auto_filter.ref == f"A4:H{len(rows)}"
    with pytest.raises(
        survey.EstimationError, match=r"`frames` must hold at least one frame; it is empty\. Pass \{title"
    ):
        tables.write_banner({}, tmp_path / "none.xlsx")


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: loose.banner(d, "approval", ["income"]), "`items` must be a list of column names or codebook items"),
        (lambda d: loose.banner(d, [], ["income"]), "`items` must name one variable or more, each once"),
        (
            lambda d: loose.banner(d, ["approval"], ["income", "income"]),
            "`by` must name one variable or more, each once",
        ),
        (lambda d: loose.banner(d, ["approval"], [1]), "`by` must be a list of column names"),
        (lambda d: loose.banner(d, ["approval"], ["Total"]), "`by` must not hold a variable called 'Total'"),
        (
            lambda d: loose.banner(d, ["approval"], [BENEFITS]),
            "one level per respondent; 'benefits' is a multiple-resp",
        ),
        (lambda d: loose.banner(d, ["approval"], ["approval"]), "`by` must be another variable than the item"),
        (
            lambda d: loose.banner(d, ["approval"], ["income"], nets={"trust": {}}),
            r"`nets` must have names of `items` as its keys; \['trust'\] not among \['approval'\]",
        ),
        (
            lambda d: loose.banner(d, ["approval"], ["income"], missing="fail"),
            "`missing` is \"fail\", but values are missing: 'approval' in 20",
        ),
        (lambda d: loose.banner(d, ["approval"], ["income"]).test("fisher"), "`method` must be one of"),
    ],
)
def test_bad_requests_are_refused(call: Any, message: str) -> None:
    with pytest.raises(survey.EstimationError, match=message):
        call(design())
