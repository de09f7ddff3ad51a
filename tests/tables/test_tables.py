"""Tables and workbooks: the numbers, their rounding and order, and equal bytes for equal frames."""

from __future__ import annotations

import html
import re
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from survey import tables
from survey.errors import EstimationError
from survey.printing import interval, number, p_value, percent, round_half_up, term_and_level

LEVELS = ["Strongly disapprove", "Neither approve nor disapprove", "Strongly approve"]


def topline() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "term": "approval",
            "level": [*LEVELS, "Approve & so on", "Don't know"],
            "estimate": [0.004, 0.195, 0.801, 0.801, 0.01],
            "std_error": [0.001, 0.01, 0.01, 0.01, 0.01],
            "df": 2000.0,
            "conf_low": [0.002, 0.175, 0.781, 0.781, 0.002],
            "conf_high": [0.008, 0.215, 0.821, 0.821, 0.04],
            "n": [2209, 2209, 2209, 2209, 60],
            "kind": ["level", "level", "level", "net", "missing"],
            "shown": [True, True, True, True, False],
            "flag": ["", "", "", "", "[u]"],
        }
    )


def crosstab() -> pd.DataFrame:
    parts = []
    for place, group in enumerate(["Low <2,000", "High"]):
        part = (
            topline()
            .head(4)
            .assign(
                income=group,
                column_base=1000 + place,
                column_base_weighted=1000.5 + place,
                row_base=[10, 400, 1800, 1800],
                letters=["", "", "", "A" if place else ""],
            )
        )
        part["estimate"] -= 0.001 * place
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[4, "shown"] = False
    return frame[["income", *[name for name in frame.columns if name != "income"]]]


def slopes() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "term": ["income[T.High]", "age", "Strongly disapprove"],
            "level": "",
            "estimate": [np.log(1.5), 0.01, -4.0],
            "conf_low": [np.log(1.25), -0.005, -4.5],
            "conf_high": [np.log(1.805), 0.025, -3.5],
            "p_value": [0.0002, 0.1995, 0.0],
            "kind": ["slope", "slope", "threshold"],
        }
    )


def effects() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "contrast": ["High - Low"] * 3,
            "term": "income",
            "level": LEVELS,
            "estimate": [-0.0125, 0.0, 0.0125],
            "conf_low": [-0.02, -0.01, 0.005],
            "conf_high": [-0.005, 0.01, 0.02],
        }
    )


def cells(text: str) -> list[list[str]]:
    """Rows of a table as texts; a line break in a cell becomes a bar."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, re.DOTALL)
    return [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell.replace("<br>", "|"))).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in rows
    ]


@given(st.integers(-(10**9), 10**9), st.integers(0, 4), st.integers(0, 4))
def test_rounding_is_half_up_on_the_decimal_digits(units: int, places: int, digits: int) -> None:
    value = units / 10**places
    # Integer arithmetic on the digits that were written down.
    scale = 10 ** max(places - digits, 0)
    whole, rest = divmod(abs(units), scale)
    whole += 2 * rest >= scale and scale > 1
    expected = float(Decimal(whole if units >= 0 else -whole).scaleb(-min(places, digits)))
    assert round_half_up(value, digits) == expected


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_rounding_moves_a_value_by_at_most_half_a_unit(value: float, digits: int) -> None:
    rounded = round_half_up(value, digits)
    # Twelve digits are read, so that the half may be missed by a unit of the twelfth.
    assert abs(rounded - value) <= 0.5 * 10.0**-digits + abs(value) * 1e-11
    assert round_half_up(rounded, digits) == rounded
    assert round_half_up(-value, digits) == -rounded


def test_rounding_sees_through_rounding_error() -> None:
    assert round_half_up(0.49999999999999994) == 1
    assert round_half_up(2.675, 2) == 2.68
    assert [round_half_up(x) for x in (0.5, 1.5, 2.5, -0.5)] == [1, 2, 3, -1]
    assert round_half_up(1250, -2) == 1300
    assert str(round_half_up(-0.2)) == "0.0"
    assert np.isnan(round_half_up(float("nan")))
    assert round_half_up(float("inf")) == float("inf")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1e-17, "0%"),
        (0.004, "<0.5%"),
        (0.005, "1%"),
        (0.125, "13%"),
        (0.285, "29%"),
        (0.994, "99%"),
        (0.996, ">99.5%"),
        (1.0, "100%"),
        (1 - 1e-16, "100%"),
        (-0.032, "−3%"),
        (float("nan"), "[x]"),
    ],
)
def test_percentages(share: float, text: str) -> None:
    assert percent(share) == text


def test_other_printed_numbers() -> None:
    assert percent(0.0004, 1) == "<0.05%"
    assert percent(0.0321, 1, sign=True) == "+3.2%"
    assert percent(0.001, 0, sign=True) == "0%"
    assert number(2209.0) == "2,209"
    assert number(float("nan")) == "[x]"
    assert (number(float("inf")), number(float("-inf"))) == ("∞", "−∞")
    assert number(1e15) == "1,000,000,000,000,000"
    assert [p_value(p) for p in (0.0004, 0.0495, float("nan"))] == ["<0.001", "0.050", "[x]"]
    assert interval("12%", "15%") == "12–15%"
    assert interval("<0.5%", "2%") == "<0.5% to 2%"
    assert interval("−0.1", "+0.3") == "−0.1 to +0.3"
    assert interval("[x]", "[x]") == "[x]"


def test_names_of_coefficients() -> None:
    assert term_and_level("income[T.High]") == ("income", "High")
    assert term_and_level("C(income, Treatment)[T.High]") == ("income", "High")
    assert term_and_level("age") == ("age", "per unit")
    assert term_and_level("income[T.High]:gender[T.Male: all]") == ("income × gender", "High × Male: all")


def test_topline_prints_every_answer_in_order() -> None:
    table = tables.topline_gt(topline(), title="Approval <all>", note="Weighted %.", id="t1")
    text = tables.table_html(table)
    assert cells(text) == [
        ["Answer", "Weighted %", "Interval", "Base (n)"],
        ["Strongly disapprove", "<0.5%", "<0.5% to 1%", "2,209"],
        ["Neither approve nor disapprove", "20%", "18–22%", "2,209"],
        ["Strongly approve", "80%", "78–82%", "2,209"],
        ["Approve & so on", "80%", "78–82%", "2,209"],
        ["Don't know", "[u]", "", "60"],
        ["Weighted %."],
        [tables.NOTE_UNRELIABLE],
    ]
    assert re.findall(r'font-weight: bold;" scope="row"[^>]*>([^<]*)<', text) == ["Approve &amp; so on"]


def test_questions_below_each_other_become_blocks() -> None:
    both = pd.concat([topline(), topline().assign(term="trust")])
    text = tables.table_html(tables.to_gt(both))
    assert re.findall(r'class="gt_group_heading"[^>]*>([^<]*)<', text) == ["approval", "trust"]


def test_crosstab_prints_shares_intervals_letters_and_bases() -> None:
    text = tables.table_html(tables.to_gt(crosstab(), title="By income"))
    assert cells(text)[:7] == [
        ["Answer", "income"],
        ["Low <2,000", "High"],
        ["Strongly disapprove", "<0.5%|<0.5% to 1%", "[u]"],
        ["Neither approve nor disapprove", "20%|18–22%", "19%|18–22%"],
        ["Strongly approve", "80%|78–82%", "80%|78–82%"],
        ["Approve & so on", "80%|78–82%", "80% A|78–82%"],
        ["Respondents (n)", "1,000", "1,001"],
    ]
    assert cells(text)[7] == ["Weighted n", "1,001", "1,002"]
    assert [tables.NOTE_UNRELIABLE] in cells(text)


def test_row_shares_have_their_bases_at_the_end_of_rows() -> None:
    text = tables.table_html(tables.crosstab_gt(crosstab(), share="row", heading="Household income"))
    assert cells(text)[0] == ["Answer", "Household income", "Respondents (n)"]
    assert cells(text)[2] == ["Strongly disapprove", "<0.5%|<0.5% to 1%", "[u]", "10"]
    assert not any(row and row[0] == "Respondents (n)" for row in cells(text))


def test_a_banner_has_a_heading_per_variable() -> None:
    banner = pd.concat([crosstab(), crosstab().replace({"income": {"Low <2,000": "Urban", "High": "Rural"}})])
    banner = banner.rename(columns={"income": "group"}).reset_index(drop=True)
    banner.insert(0, "variable", np.repeat(["Income", "Urbanity"], 8))
    text = tables.table_html(tables.crosstab_gt(banner))
    assert cells(text)[0] == ["Answer", "Income", "Urbanity"]
    assert cells(text)[1] == ["Low <2,000", "High", "Urban", "Rural"]


def test_odds_ratios_are_printed_without_thresholds() -> None:
    text = tables.table_html(tables.odds_ratio_table(slopes(), labels={"income": "Household income"}))
    assert cells(text) == [
        ["Level", "Odds ratio", "Interval", "p"],
        ["Household income"],
        ["High", "1.50", "1.25–1.81", "<0.001"],
        ["age"],
        ["per unit", "1.01", "0.995–1.025", "0.200"],
    ]


def test_effects_are_printed_in_percentage_points() -> None:
    text = tables.table_html(tables.effects_table(effects(), labels={"income": "Household income"}))
    assert cells(text) == [
        ["Contrast", *LEVELS],
        ["Household income"],
        ["High - Low", "−1.3|−2.0 to −0.5", "0.0|−1.0 to +1.0", "+1.3|+0.5 to +2.0"],
    ]


def test_html_can_be_read_out_and_is_the_same_each_time() -> None:
    first, second = (tables.table_html(tables.to_gt(crosstab(), title="By <income>")) for _ in range(2))
    assert first == second
    assert '<div id="table-by-income"' in first
    assert re.search(r"<table[^>]*>\s*<caption[^>]*><span id=[^>]*>By &lt;income&gt;</span></caption>", first)
    heads = re.findall(r"<th\b[^>]*>", first)
    assert heads
    assert all("scope=" in head for head in heads)
    assert 'class="gt_heading"' not in first.replace("gt_heading gt_title", "")
    untitled = tables.table_html(tables.to_gt(crosstab()))
    assert "<caption" not in untitled


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tables.topline_gt(topline().drop(columns="n")), r"must have the columns .*; n not found"),
        (lambda: tables.topline_gt(topline().head(0)), "must have at least one row"),
        (lambda: tables.crosstab_gt(topline()), "columns of groups before 'term'; none were found"),
        (
            lambda: tables.crosstab_gt(pd.concat([crosstab(), crosstab()])),
            "each cell once; Low <2,000 / approval / Strongly disapprove occurs more than once",
        ),
        (lambda: tables.effects_table(slopes()), "contrast not found among"),
        (lambda: tables.crosstab_gt(crosstab(), share="colum"), r"`share` must be .*'colum'"),  # type: ignore[arg-type]
        (lambda: tables.write_excel({}, "never-written.xlsx"), "`frames` must hold at least one frame"),
    ],
)
def test_bad_frames_are_refused(call: object, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        call()  # type: ignore[operator]


def test_workbook_holds_full_precision_and_marks(tmp_path: Path) -> None:
    path = tables.to_excel(topline(), tmp_path / "deep" / "topline.xlsx", sheet="Approval: all [answers]?")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Index", "Approval  all  answers"]
    assert [cell.value for cell in book["Index"][2]] == [
        "Approval  all  answers",
        "Approval: all [answers]?",
        5,
    ]
    sheet = book.worksheets[1]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == tuple(topline().columns)
    assert rows[1][2] == 0.004
    assert sheet["C2"].number_format == "0.0%"
    assert sheet["H2"].number_format == "#,##0"
    assert rows[5][2:4] == ("[u]", "[u]")
    assert rows[5][5:8] == ("[u]", "[u]", 60)
    assert sheet.freeze_panes == "A2"


def test_workbooks_of_equal_frames_are_equal_bytes(tmp_path: Path) -> None:
    frames = {"Topline": topline(), "By income": crosstab(), "Fit": slopes()}
    first, second = (tables.write_excel(frames, tmp_path / f"{run}.xlsx") for run in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_workbooks_take_awkward_values(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "term": ["=1+1", "bell\x07"],
            "estimate": [np.inf, np.nan],
            "when": pd.Categorical(["a", None]),
            "yes": [True, False],
        }
    )
    long = "A question whose text is much longer than a name may be"
    path = tables.write_excel({long: frame, long + "!": frame, "index": frame}, tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(path)
    assert len({name.lower() for name in book.sheetnames}) == 4
    assert max(map(len, book.sheetnames)) <= 31
    sheet = book.worksheets[1]
    assert sheet["A2"].value == "=1+1"
    assert sheet["A2"].data_type == "s"
    assert [sheet.cell(3, column).value for column in range(1, 5)] == ["bell", None, None, False]
    assert sheet["B2"].value == "inf"


def test_workbooks_cut_what_no_cell_can_hold_and_link_nothing_but_the_index(tmp_path: Path) -> None:
    frame = pd.DataFrame({"term": ["x" * 40_000, "https://example.org", "007", ""], "estimate": [1 / 3, 2.0, 3.0, 4.0]})
    sheet = openpyxl.load_workbook(tables.to_excel(frame, tmp_path / "x.xlsx"))["Table"]
    assert [len(str(sheet.cell(row, 1).value)) for row in (2, 3)] == [32_767, 19]
    assert sheet["A3"].hyperlink is None
    assert (sheet["A4"].value, sheet["A4"].data_type) == ("007", "s")
    assert sheet["A5"].value is None
    assert sheet["B2"].value == pytest.approx(1 / 3, rel=1e-15)  # a workbook holds 16 digits
    index = openpyxl.load_workbook(tmp_path / "x.xlsx")["Index"]
    assert index["A2"].hyperlink.location == "'Table'!A1"


def test_workbooks_do_not_depend_on_the_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for zone in ("UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        written.append(tables.to_excel(topline(), tmp_path / "x.xlsx").read_bytes())
    monkeypatch.undo()
    time.tzset()
    assert written[0] == written[1]
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    assert (book.properties.created, book.properties.modified) == (datetime(2000, 1, 1), datetime(2000, 1, 1))


def test_a_frame_too_long_for_a_sheet_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"term": "a"}, index=range(1_048_576))
    with pytest.raises(EstimationError, match=r"`path` must .*: a sheet has 1,048,576, .* and 1,048,577 are needed"):
        tables.to_excel(frame, tmp_path / "x.xlsx")
    assert not (tmp_path / "x.xlsx").exists()


def lettered() -> pd.DataFrame:
    frame = crosstab().assign(column_letter=np.repeat(["A", "B"], 4))
    total = frame.head(4).assign(income="Total", column_letter="", letters="", shown=True)
    return pd.concat([total, frame], ignore_index=True)


def test_letters_stand_in_the_heads_and_a_total_has_neither_letter_nor_heading() -> None:
    text = tables.table_html(tables.to_gt(lettered(), title="By income"))
    assert cells(text)[:2] == [["Answer", "Total", "income"], ["Low <2,000 (A)", "High (B)"]]
    assert [tables.NOTE_LETTERS] in cells(text)
    assert "alpha 0.05" in tables.NOTE_LETTERS
    assert "Holm" in tables.NOTE_LETTERS
    assert [tables.NOTE_LETTERS] not in cells(tables.table_html(tables.to_gt(crosstab())))


def test_small_bases_are_marked() -> None:
    frame = lettered()
    frame["column_base"] = np.repeat([99, 50, 49], 4)
    base = next(row for row in cells(tables.table_html(tables.to_gt(frame))) if row[0] == "Respondents (n)")
    assert base == ["Respondents (n)", "99", "50", "49 [low base]"]


def test_confidential_cells_have_a_mark_of_their_own() -> None:
    frame = lettered()
    frame["flag"] = np.where(frame["shown"], "", "[u]")
    frame.loc[5, "shown"] = False
    frame.loc[5, "flag"] = "[c]"
    frame["column_base"] = frame["column_base"].astype(float)
    frame.loc[frame["income"] == "High", "column_base"] = np.nan
    rows = cells(tables.table_html(tables.to_gt(frame)))
    neither = next(row for row in rows if row[0] == LEVELS[1])
    assert neither[2] == "[c]"
    assert next(row for row in rows if row[0] == "Respondents (n)")[-1] == "[c]"
    assert rows[-2:] == [[tables.NOTE_UNRELIABLE], [tables.NOTE_CONFIDENTIAL]]
    topline_rows = cells(tables.table_html(tables.to_gt(topline().assign(shown=False, flag="[c]"))))
    assert {row[1] for row in topline_rows[1:6]} == {"[c]"}


def test_three_variables_across_share_a_heading() -> None:
    frame = crosstab()
    frame.insert(0, "gender", "Female")
    frame.insert(1, "region", "East")
    text = tables.table_html(tables.crosstab_gt(frame))
    assert cells(text)[:2] == [["Answer", "Female / East"], ["Low <2,000", "High"]]


def test_parameters_that_are_no_slopes_are_no_odds_ratios() -> None:
    """exp() of a nominal effect or of an effect on the scale is not the odds ratio of anything."""
    kinds = ["slope", "nominal", "scale", "threshold"]
    frame = pd.DataFrame(
        {
            "term": ["age", "a|b:age", "scale:age", "a|b"],
            "estimate": 0.5,
            "conf_low": 0.1,
            "conf_high": 0.9,
            "p_value": 0.01,
        }
    )
    shown = tables.odds_ratio_table(frame.assign(kind=kinds)).as_raw_html()
    assert shown.count("1.65") == 1
    assert "scale" not in shown.split("<body")[-1].split("</style>")[-1]
