"""Reading records: codes and labels in five formats, and one error that lists every bad value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from survey import Design, mean
from survey.errors import CodebookError, RecordsError
from survey.records.checks import LISTED
from survey.records.codebook import Codebook, Item, Level
from survey.records.decoding import BLANK
from survey.records.respondents import read_respondents, write_respondents

AGREE = (Level(1, "Disagree"), Level(2, "Neither"), Level(3, "Agree"))
UNKNOWN = (Level(-1, "Don't know"), Level(-2, "Refused"))


def codebook_of(*items: Item, weight: str | None = None) -> Codebook:
    return Codebook("demo", "A small survey", "synthetic", {item.name: item for item in items}, weight=weight)


ID = Item("id", "Respondent", "id")
AGE = Item("age", "Age", "numeric", minimum=14, maximum=65, integer=True, unit="years")
AGE_GROUP = Item(
    "age_group",
    "Age group",
    "ordinal",
    levels=(Level(1, "14-29"), Level(2, "30-65")),
    derived_from="age",
    breaks=(14, 30, 66),
)
VIEW = Item("view", "View", "ordinal", levels=AGREE, missing=UNKNOWN)
GENDER = Item("gender", "Gender", "nominal", levels=(Level("F", "Female"), Level("M", "Male")))
USES = Item("uses", "Uses", "multiple", options={"uses_a": "A", "uses_b": "B"}, missing=(Level(-8, "Not asked"),))
INCOME = Item("income", "Income", "numeric", minimum=0, missing=(*UNKNOWN, Level(-9, "No answer")))
REMARK = Item("remark", "Remark", "text")
VIEW2 = Item("view2", "View, merged", "ordinal", derived_from="view", recode={"Not agree": (1, 2), "Agree": (3,)})
SCORE = Item("score", "Score", "numeric", derived_from="view", values={1: -1, 2: 0, 3: 1})

DEMO = codebook_of(ID, AGE, AGE_GROUP, VIEW, VIEW2, SCORE, GENDER, USES, INCOME, REMARK)
HEADER = "id,age,view,gender,uses_a,uses_b,income,remark"
ROWS = ("1,14,1,F,0,1,10.5,Fine", "2,29,-1,M,1,0,-2,", '3,65,3,F,-8,-8,,"a, b"')


def csv(tmp_path: Path, *rows: str, header: str = HEADER, name: str = "records.csv") -> Path:
    path = tmp_path / name
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8", newline="")
    return path


def column_file(tmp_path: Path, column: str, cells: Sequence[str]) -> Path:
    return csv(tmp_path, *cells, header=column)


def failures_of(path: Path, codebook: Codebook) -> tuple[tuple[object, str, object, str], ...]:
    with pytest.raises(RecordsError) as caught:
        read_respondents(path, codebook)
    return caught.value.failures


@pytest.fixture
def read(tmp_path: Path) -> pd.DataFrame:
    return read_respondents(csv(tmp_path, *ROWS), DEMO)


def test_items_come_as_categories_and_numbers_in_codebook_order(read: pd.DataFrame) -> None:
    assert read["view"].dtype == pd.CategoricalDtype(["Disagree", "Neither", "Agree"], ordered=True)
    assert read["gender"].dtype == pd.CategoricalDtype(["Female", "Male"], ordered=False)
    assert read["uses_a"].dtype == pd.CategoricalDtype(["No", "Yes"], ordered=False)
    assert read["view"].tolist() == ["Disagree", np.nan, "Agree"]
    assert read["gender"].tolist() == ["Female", "Male", "Female"]
    assert read["age"].dtype == read["id"].dtype == "int64"
    assert read["age"].tolist() == [14, 29, 65]
    assert read["id"].tolist() == [1, 2, 3]
    assert read["remark"].tolist()[::2] == ["Fine", "a, b"]
    assert pd.isna(read["remark"].iloc[1])


def test_reasons_for_missing_answers_are_kept_apart(read: pd.DataFrame) -> None:
    assert read["view_missing"].tolist() == [np.nan, "Don't know", np.nan]
    assert list(read["view_missing"].cat.categories) == ["Don't know", "Refused"]
    assert read["uses_a"].tolist() == ["No", "Yes", np.nan]
    assert read["uses_b_missing"].tolist() == [np.nan, np.nan, "Not asked"]
    assert read["income"].tolist()[0] == 10.5
    assert read["income"].isna().tolist() == [False, True, True]
    assert read["income_missing"].tolist() == [np.nan, "Refused", "No answer"]
    assert "age_missing" not in read.columns


def test_derived_items_are_computed_and_carry_the_reasons(read: pd.DataFrame) -> None:
    assert read["age_group"].tolist() == ["14-29", "14-29", "30-65"]
    assert read["view2"].tolist() == ["Not agree", np.nan, "Agree"]
    assert read["view2"].cat.ordered
    assert read["score"].tolist()[::2] == [-1.0, 1.0]
    assert read["view2_missing"].tolist() == read["score_missing"].tolist() == [np.nan, "Don't know", np.nan]


def test_columns_come_in_questionnaire_order_then_derived_then_others(tmp_path: Path) -> None:
    path = csv(tmp_path, *(f"north,{row},007" for row in ROWS), header=f"stratum,{HEADER},psu")
    read = read_respondents(path, DEMO)
    assert list(read.columns) == [
        *("id", "age", "view", "view_missing", "gender", "uses_a", "uses_a_missing", "uses_b", "uses_b_missing"),
        *("income", "income_missing", "remark", "age_group", "view2", "view2_missing", "score", "score_missing"),
        *("stratum", "psu"),
    ]
    assert read["psu"].tolist() == ["007"] * 3, "a leading zero is part of the name of a PSU"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5", ""], [1, 2.5, None]),
        (["1.50", "2.00", "-3"], [1.5, 2, -3]),
        (["01", "2", "3"], ["01", "2", "3"]),
        (["a", "", "1"], ["a", None, "1"]),
        (["1.1", "1.10", "2"], ["1.1", "1.10", "2"]),
        (["10", "10.0", "1e1"], ["10", "10.0", "1e1"]),
        (["0", "-0", "1"], ["0", "-0", "1"]),
        (["+1", "1", "2"], ["+1", "1", "2"]),
        (["1_0", "10", "2"], ["1_0", "10", "2"]),
        ([" 1", "1", "2"], [" 1", "1", "2"]),
        (["9007199254740992", "9007199254740993", ""], ["9007199254740992", "9007199254740993", None]),
        (["1.00000000000000000001", "1", "2"], ["1.00000000000000000001", "1", "2"]),
        (["1e999", "2", "3"], ["1e999", "2", "3"]),
        (["1234567890123456789", "1", "2"], ["1234567890123456789", "1", "2"]),
    ],
)
def test_other_columns_become_numbers_where_all_of_them_are(
    tmp_path: Path, cells: list[str], expected: list[Any]
) -> None:
    path = csv(tmp_path, *(f"{at},{cell}" for at, cell in enumerate(cells)), header="id,other")
    other = read_respondents(path, codebook_of(ID))["other"]
    assert [None if pd.isna(cell) else cell for cell in other] == expected


def test_psus_with_different_names_stay_different(tmp_path: Path) -> None:
    """As numbers "1.1" and "1.10" are one PSU: 36 were left of these 40, and a smaller df."""
    psus = [f"{region}.{place}" for region in range(1, 5) for place in range(1, 11)] * 2
    rows = [f"{at},{psu},{at % 7}" for at, psu in enumerate(psus)]
    read = read_respondents(csv(tmp_path, *rows, header="id,psu,y"), codebook_of(ID))
    design = Design(read, psu="psu")
    assert design.df == 39
    np.testing.assert_allclose(mean(design, "y").std_error, _clustered_error(read["y"], psus), rtol=1e-12)


def _clustered_error(y: pd.Series, psus: list[str]) -> float:
    """Standard error of a mean under equal weights, from the spread of the sums of PSUs of one stratum."""
    sums = (y - y.mean()).groupby(np.array(psus)).sum() / len(y)
    return float(np.sqrt(len(sums) * sums.var()))


def test_true_is_no_code_wherever_it_stands(tmp_path: Path) -> None:
    """Python takes True for 1, so that whichever came first gave both their meaning."""
    yes = Item("yes", "Yes", "nominal", levels=(Level(1, "Yes"), Level(2, "No")))
    rows: list[object] = [True, 1, 2]
    for order in (rows, rows[::-1]):
        frame = pd.DataFrame({"yes": order, "age": order, "name": order, "psu": order}, dtype=object)
        frame.to_excel(tmp_path / "r.xlsx", index=False)
        numeric = Item("age", "Age", "numeric")
        failures = failures_of(tmp_path / "r.xlsx", codebook_of(yes, numeric))
        row = [isinstance(value, bool) for value in order].index(True) + 1
        assert [(f[0], f[1], str(f[2])) for f in failures] == [(row, "yes", "True"), (row, "age", "True")]
        read = read_respondents(tmp_path / "r.xlsx", codebook_of(Item("name", "Name", "text")))
        assert read["name"].tolist() == read["psu"].tolist() == [str(value) for value in order]


def test_numbers_among_text_are_read_as_text(tmp_path: Path) -> None:
    """A code that Excel holds as a number in one row, and as text in the next, is one code."""
    frame = pd.DataFrame({"id": [1, 2, 3], "psu": [10, "10", "north"]}, dtype=object)
    frame.to_excel(tmp_path / "r.xlsx", index=False)
    assert read_respondents(tmp_path / "r.xlsx", codebook_of(ID))["psu"].tolist() == ["10", "10", "north"]


def test_long_ids_of_a_parquet_file_keep_their_digits(tmp_path: Path) -> None:
    ids = [2**63 + 1, 2**63 + 2]
    pd.DataFrame({"id": np.array(ids, dtype="uint64")}).to_parquet(tmp_path / "r.parquet")
    assert read_respondents(tmp_path / "r.parquet", codebook_of(ID))["id"].tolist() == ids


@pytest.mark.parametrize("cell", ["3", "3.0", " 3", "Agree"])
def test_codes_and_labels_are_one_and_the_same(tmp_path: Path, cell: str) -> None:
    path = column_file(tmp_path, "view", [cell, "-2", "Refused", "1"])
    read = read_respondents(path, codebook_of(VIEW))
    assert read["view"].tolist() == ["Agree", np.nan, np.nan, "Disagree"]
    assert read["view_missing"].tolist() == [np.nan, "Refused", "Refused", np.nan]


def test_ids_stay_text_where_one_of_them_is(tmp_path: Path) -> None:
    read = read_respondents(column_file(tmp_path, "id", ["007", "8", "A9"]), codebook_of(ID))
    assert read["id"].tolist() == ["007", "8", "A9"]


@pytest.mark.parametrize(
    ("item", "cells", "value", "rule"),
    [
        (
            VIEW,
            ["1", "7"],
            "7",
            "is no code or label of the item; it has 1 Disagree, 2 Neither, 3 Agree, -1 Don't know",
        ),
        (VIEW, ["1", "Agre"], "Agre", "is no label of the item; did you mean 'Agree'?"),
        (VIEW, ["1", "agree"], "agree", "is no label of the item; did you mean 'Agree'?"),
        (VIEW, ["1", "Agree "], "Agree ", "is no label of the item; did you mean 'Agree'?"),
        (VIEW, ["1", "purple"], "purple", "is no code or label of the item"),
        (VIEW, ["1", "1.5"], "1.5", "is no code or label of the item"),
        (VIEW, ["1", "inf"], "inf", "is no code or label of the item"),
        (VIEW, ["1", " "], " ", BLANK),
        (GENDER, ["F", "f"], "f", "is no code or label of the item; it has F Female, M Male"),
        (GENDER, ["F", "Femal"], "Femal", "did you mean 'Female'?"),
        (AGE, ["20", "13"], "13", "must be from 14 to 65 years"),
        (AGE, ["20", "66"], "66", "must be from 14 to 65 years"),
        (AGE, ["20", "20.5"], "20.5", "must be a whole number"),
        (AGE, ["20", "twenty"], "twenty", "must be a finite number"),
        (AGE, ["20", "inf"], "inf", "must be a finite number"),
        (AGE, ["20", "nan"], "nan", "must be a finite number"),
        (INCOME, ["20", "-3"], "-3", "must be at least 0"),
        (INCOME, ["20", "Refusd"], "Refusd", "must be a finite number; did you mean 'Refused'?"),
        (ID, ["1", "1"], "1", "is the id of more than one respondent"),
        (ID, ["1", " "], "", "is blank; every respondent needs an id"),
    ],
)
def test_a_bad_value_is_reported_with_row_item_value_and_rule(
    tmp_path: Path, item: Item, cells: list[str], value: str, rule: str
) -> None:
    found = failures_of(column_file(tmp_path, item.name, cells), codebook_of(item))
    row, column, shown, said = found[-1]
    assert (row, column, shown) == (2, item.name, value)
    assert rule in said
    assert len(found) == (2 if "more than one" in rule else 1)


def test_every_failure_is_listed_in_file_order(tmp_path: Path) -> None:
    rows = ("1,12,9,F,0,1,x,", "1,20,Agre,Femal,2,No,-3,", ",abc,3,M,1,1,5,", "4,30.5,,M,1,1,5,")
    found = failures_of(csv(tmp_path, *rows), DEMO)
    assert [(row, column, value) for row, column, value, _ in found] == [
        *((1, "id", "1"), (1, "age", "12"), (1, "view", "9"), (1, "income", "x")),
        *((2, "id", "1"), (2, "view", "Agre"), (2, "gender", "Femal"), (2, "uses_a", "2"), (2, "income", "-3")),
        *((3, "id", ""), (3, "age", "abc")),
        *((4, "age", "30.5"), (4, "view", "")),
    ]
    with pytest.raises(RecordsError, match=r"row 2 \(id 1, line 3\), view = 'Agre': is no label of the item"):
        read_respondents(csv(tmp_path, *rows), DEMO)


def test_a_long_list_is_cut_in_the_message_only(tmp_path: Path) -> None:
    path = column_file(tmp_path, "view", ["8"] * 500 + [f"label {at}" for at in range(200)])
    with pytest.raises(RecordsError, match=rf"\.\.\. and {700 - LISTED} more; `error.failures` has all") as caught:
        read_respondents(path, codebook_of(VIEW))
    assert len(caught.value.failures) == 700
    assert str(caught.value).count("\n") == LISTED + 1


def test_all_missing_columns_are_named_with_what_the_file_has_instead(tmp_path: Path) -> None:
    path = csv(tmp_path, "1,20,3", header="id,Age,veiw")
    found = failures_of(path, codebook_of(ID, AGE, AGE_GROUP, VIEW, VIEW2, GENDER, weight="w"))
    assert found == (
        (None, "age", "", "the column is missing; the file has 'Age'"),
        (None, "view", "", "the column is missing; the file has 'veiw'"),
        (None, "gender", "", "the column is missing"),
        (None, "w", "", "the column is missing"),
    )


def test_repeated_columns_are_refused(tmp_path: Path) -> None:
    path = csv(tmp_path, "1,20,21,22", header="id,age,age,age")
    rule = "the column occurs 3 times; names of columns must differ"
    assert failures_of(path, codebook_of(ID, AGE)) == ((None, "age", 3, rule),)


def test_a_row_of_the_wrong_length_does_not_shift_the_others(tmp_path: Path) -> None:
    path = csv(tmp_path, "1,20", "2", "3,30,31", "4,99", header="id,age")
    assert failures_of(path, codebook_of(ID, AGE, AGE_GROUP)) == (
        (2, "", "2", "the row has 1 fields, the header 2"),
        (3, "", "3,30,31", "the row has 3 fields, the header 2"),
        (4, "age", "99", "must be from 14 to 65 years"),
    )


def test_a_header_without_respondents_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="file: the file has a header but no respondents"):
        read_respondents(csv(tmp_path), DEMO)


@pytest.mark.parametrize("name", ["r.csv", "r.parquet", "r.sav", "r.dta", "r.xlsx"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(RecordsError, match=rf"`path` must hold records; {name} is empty \(0 bytes\)"):
        read_respondents(tmp_path / name, DEMO)


@pytest.mark.parametrize("name", ["r.parquet", "r.sav", "r.dta", "r.xlsx"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("id,age\n1,20\n" * 200)
    with pytest.raises(RecordsError, match=rf"{name} (could not be read: .*Export|is not an Excel workbook)"):
        read_respondents(tmp_path / name, DEMO)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("id,remark\n1,Größe\n".encode("latin-1"))
    with pytest.raises(RecordsError, match=r"latin.csv is not UTF-8 text. Save it as 'CSV UTF-8'"):
        read_respondents(tmp_path / "latin.csv", codebook_of(ID, REMARK))


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    pd.DataFrame().to_excel(tmp_path / "r.xlsx", index=False)
    with pytest.raises(RecordsError, match=r"the first sheet of r.xlsx is empty"):
        read_respondents(tmp_path / "r.xlsx", DEMO)


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"`path` must be an existing file; there is none at .*nowhere.csv"):
        read_respondents(tmp_path / "nowhere.csv", DEMO)
    with pytest.raises(
        RecordsError, match=r"`path` must end in .csv, .tsv, .parquet, .xlsx, .sav, .dta; found 'r.doc'"
    ):
        read_respondents(tmp_path / "r.doc", DEMO)


def test_semicolons_between_fields_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"`path` must be separated by commas; records.csv is separated by semi"):
        read_respondents(csv(tmp_path, "1;20", header="id;age"), codebook_of(ID, AGE))


def test_an_open_quotation_mark_does_not_swallow_the_rows_below_it(tmp_path: Path) -> None:
    one = csv(tmp_path, '1,"Fine', "2,x", "3,y", header="id,remark")
    with pytest.raises(RecordsError, match=r"must close every quotation mark; one in records.csv stays open"):
        read_respondents(one, codebook_of(ID, REMARK))
    far_apart = csv(tmp_path, '1,"Fine', *(f"{row},x" for row in range(2, 300_000)), '0,"', header="id,remark")
    with pytest.raises(
        RecordsError, match=r"one in records.csv is longer \(perhaps a quotation mark stays open in the row"
    ):
        read_respondents(far_apart, codebook_of(ID, REMARK))


def test_byte_order_mark_line_ends_of_windows_and_tabs_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "records.tsv"
    path.write_bytes(b'\xef\xbb\xbfid\tremark\r\n1\t"two\nlines"\r\n2\tNA\r\n')
    read = read_respondents(path, codebook_of(ID, REMARK))
    assert read["id"].tolist() == [1, 2]
    assert read["remark"].tolist() == ["two\nlines", "NA"]


def test_a_derived_column_in_the_file_must_agree(tmp_path: Path) -> None:
    codebook = codebook_of(ID, AGE, AGE_GROUP, VIEW, VIEW2, SCORE)
    header = "id,age,view,age_group,view2,score"
    sound = csv(tmp_path, "1,20,1,14-29,1,-1.0", "2,30,-1,2,-1,", header=header)
    assert read_respondents(sound, codebook)["score"].tolist()[0] == -1
    wrong = csv(tmp_path, "1,20,1,30-65,2,0", "2,99,3,2,Agre,1", "3,40,-2,2,-1,-2", header=header)
    found = failures_of(wrong, codebook)
    assert [(row, column, value) for row, column, value, _ in found] == [
        *((1, "age_group", "30-65"), (1, "view2", "2"), (1, "score", "0")),
        *((2, "age", "99"), (2, "view2", "Agre")),
        *((3, "view2", "-1"), (3, "score", "-2")),
    ]
    assert found[0][3] == "must be what the codebook derives from 'age': '14-29'"
    assert found[-1][3] == "must be what the codebook derives from 'view': 'Refused'"


def test_a_number_outside_open_breaks_is_refused(tmp_path: Path) -> None:
    size = Item("size", "Size", "numeric")
    bands = (Level(1, "Small"), Level(2, "Large"))
    group = Item("group", "Size group", "ordinal", levels=bands, derived_from="size", breaks=(0, 10, np.inf))
    found = failures_of(column_file(tmp_path, "size", ["0", "10", "-1"]), codebook_of(size, group))
    assert found == ((3, "size", -1, "lies outside the breaks of 'group'"),)


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        ("-1", "a weight must be a finite number, zero or more"),
        ("x", "must be a finite number"),
        ("inf", "must be a finite number"),
        ("", BLANK),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_a_weight_that_is_no_weight_is_refused(tmp_path: Path, cell: str, rule: str, listed: bool) -> None:
    items = (ID, Item("w", "Weight", "numeric")) if listed else (ID,)
    path = csv(tmp_path, "1,0", f"2,{cell}", header="id,w")
    assert failures_of(path, codebook_of(*items, weight="w")) == ((2, "w", cell, rule),)


def test_weights_are_read_as_numbers(tmp_path: Path) -> None:
    read = read_respondents(csv(tmp_path, "1,0", "2,1.25", header="id,w"), codebook_of(ID, weight="w"))
    assert read["w"].tolist() == [0.0, 1.25]


def test_a_column_of_reasons_fills_blanks(tmp_path: Path) -> None:
    path = csv(tmp_path, "Agree,", ",Refused", header="view,view_missing")
    read = read_respondents(path, codebook_of(VIEW))
    assert read["view_missing"].tolist() == [np.nan, "Refused"]


@pytest.mark.parametrize(
    ("row", "column"), [("Agree,Refused", "view_missing"), (",Agree", "view_missing"), (",", "view")]
)
def test_a_reason_that_does_not_fit_is_refused(tmp_path: Path, row: str, column: str) -> None:
    found = failures_of(csv(tmp_path, row, header="view,view_missing"), codebook_of(VIEW))
    assert column in {failure[1] for failure in found}


def test_a_frame_saved_by_pandas_is_read_back(tmp_path: Path, read: pd.DataFrame) -> None:
    read.to_csv(tmp_path / "again.csv", index=False)
    read.to_parquet(tmp_path / "again.parquet", index=False)
    pd.testing.assert_frame_equal(read_respondents(tmp_path / "again.csv", DEMO), read)
    pd.testing.assert_frame_equal(read_respondents(tmp_path / "again.parquet", DEMO), read)


def test_an_index_with_a_name_is_a_column(tmp_path: Path) -> None:
    pd.DataFrame({"age": [20, 30]}, index=pd.Index([5, 6], name="id")).to_parquet(tmp_path / "r.parquet")
    assert read_respondents(tmp_path / "r.parquet", codebook_of(ID, AGE))["id"].tolist() == [5, 6]


def test_true_and_false_are_codes_of_a_yes_no_item_only(tmp_path: Path) -> None:
    pd.DataFrame({"uses_a": [True, False], "uses_b": [1.0, 0.0]}).to_parquet(tmp_path / "uses.parquet")
    uses = Item("uses", "Uses", "multiple", options={"uses_a": "A", "uses_b": "B"})
    assert read_respondents(tmp_path / "uses.parquet", codebook_of(uses))["uses_a"].tolist() == ["Yes", "No"]
    for item in (VIEW, AGE):
        pd.DataFrame({item.name: [True, True]}).to_parquet(tmp_path / "r.parquet")
        assert len(failures_of(tmp_path / "r.parquet", codebook_of(item))) == 2


@pytest.mark.parametrize("item", [AGE, VIEW])
def test_a_date_is_no_number_and_no_code(tmp_path: Path, item: Item) -> None:
    dates = pd.to_datetime(pd.Series(["1970-01-01", None]))
    pd.DataFrame({item.name: dates}).to_parquet(tmp_path / "r.parquet")
    found = failures_of(tmp_path / "r.parquet", codebook_of(item))
    assert [failure[0] for failure in found] == [1, 2]
    assert "1970-01-01" in str(found[0][2])


def test_a_sheet_may_mix_codes_labels_and_blanks(tmp_path: Path) -> None:
    sheet = pd.DataFrame(
        {
            "id": ["A1", 2, 3],
            "view": [3, "Agree", "-1"],
            "income": [5, "Refused", None],
            "remark": [None, 4, "x"],
            "psu": [1, None, 2],
        }
    )
    sheet.to_excel(tmp_path / "r.xlsx", index=False)
    read = read_respondents(tmp_path / "r.xlsx", codebook_of(ID, VIEW, INCOME, REMARK))
    assert read["id"].tolist() == ["A1", "2", "3"]
    assert read["view"].tolist() == ["Agree", "Agree", np.nan]
    assert read["income_missing"].tolist() == [np.nan, "Refused", "No answer"]
    assert read["remark"].tolist()[1:] == ["4", "x"]
    assert read["psu"].tolist()[::2] == [1.0, 2.0]


def test_user_missing_codes_of_spss_are_reasons_not_blanks(tmp_path: Path) -> None:
    pyreadstat.write_sav(
        pd.DataFrame({"view": [1.0, -1.0, -2.0], "psu": [1.0, 2.0, 3.0]}),
        tmp_path / "r.sav",
        missing_ranges={"view": [{"lo": -2, "hi": -1}]},
    )
    read = read_respondents(tmp_path / "r.sav", codebook_of(VIEW))
    assert read["view_missing"].tolist() == [np.nan, "Don't know", "Refused"]
    assert read["psu"].dtype == "int64"


def test_system_missing_of_spss_is_blank(tmp_path: Path) -> None:
    pyreadstat.write_sav(pd.DataFrame({"view": [1.0, np.nan]}), tmp_path / "r.sav")
    assert failures_of(tmp_path / "r.sav", codebook_of(VIEW)) == ((2, "view", "", BLANK),)


def test_extended_missing_values_of_stata_are_reasons_by_label_or_letter(tmp_path: Path) -> None:
    cells = pd.DataFrame(
        {"view": pd.Series([3.0, "a", "b"], dtype=object), "age": pd.Series([20, "c", 30], dtype=object)}
    )
    pyreadstat.write_dta(
        cells,
        tmp_path / "r.dta",
        variable_value_labels={"view": {"a": "Refused", "b": "Don't know"}},
        missing_user_values={"view": ["a", "b"], "age": ["c"]},
    )
    age = Item("age", "Age", "nominal", levels=(Level(20, "Young"), Level(30, "Old")), missing=(Level(".c", "Lost"),))
    read = read_respondents(tmp_path / "r.dta", codebook_of(VIEW, age))
    assert read["view_missing"].tolist() == [np.nan, "Refused", "Don't know"]
    assert read["age_missing"].tolist() == [np.nan, "Lost", np.nan]
    rule = failures_of(tmp_path / "r.dta", codebook_of(VIEW, AGE))
    assert rule == ((2, "age", ".c", "must be a finite number"),)


def test_a_file_whose_labels_turn_the_scale_round_is_refused(tmp_path: Path) -> None:
    labels: dict[int | float, str] = {1: "AGREE", 2: "neither", 3: "Disagree", 9: "Other", -1: "Does not know"}
    pyreadstat.write_sav(pd.DataFrame({"view": [1.0, 3.0]}), tmp_path / "r.sav", variable_value_labels={"view": labels})
    assert failures_of(tmp_path / "r.sav", codebook_of(VIEW)) == (
        (None, "view", "1 = AGREE", "the codebook labels this code 'Disagree'"),
        (None, "view", "3 = Disagree", "the codebook labels this code 'Agree'"),
    )


def test_row_order_of_the_file_is_kept_and_does_not_matter(tmp_path: Path) -> None:
    one = read_respondents(csv(tmp_path, *ROWS), DEMO)
    other = read_respondents(csv(tmp_path, *reversed(ROWS)), DEMO)
    pd.testing.assert_frame_equal(other.iloc[::-1].reset_index(drop=True), one)


def test_text_in_utf_16_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("id,age\n1,20\n", encoding="utf-16")
    with pytest.raises(RecordsError, match=r"wide\.csv is not UTF-8 text\. Save it as 'CSV UTF-8'"):
        read_respondents(path, DEMO)


def test_a_repeated_id_has_one_line_with_its_rows_and_lines(tmp_path: Path) -> None:
    path = csv(tmp_path, "1,20,3,M,1,1,5,", "1,20,3,M,1,1,5,", "1,20,3,M,1,1,5,")
    with pytest.raises(RecordsError, match=r"- rows 1, 2, 3 \(lines 2, 3, 4\), id = '1': is the id of more") as caught:
        read_respondents(path, DEMO)
    assert len(caught.value.failures) == 3
    assert str(caught.value).count("is the id of more than one respondent") == 1


def test_many_missing_columns_look_like_another_questionnaire(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("id,colour\n1,red\n", encoding="utf-8")
    with pytest.raises(RecordsError, match=r"^This looks like another questionnaire\. `other\.csv` must keep"):
        read_respondents(path, DEMO)


def test_a_line_break_in_an_answer_counts_as_a_line(tmp_path: Path) -> None:
    path = csv(tmp_path, '1,20,3,M,1,1,5,"a\nb"', "2,12,3,M,1,1,5,")
    with pytest.raises(RecordsError, match=r"- row 2 \(id 2, line 4\), age = '12'"):
        read_respondents(path, DEMO)


def test_a_path_is_no_codebook_and_a_codebook_no_path(tmp_path: Path) -> None:
    path: Any = csv(tmp_path, *ROWS)
    wrong: Any = read_respondents
    with pytest.raises(
        CodebookError, match=r"`codebook` must be a survey.Codebook; got str. Read one with survey.Code"
    ):
        wrong(path, "codebook.yaml")
    with pytest.raises(CodebookError, match=r"`codebook` must be a survey.Codebook; got Codebook itself"):
        wrong(path, Codebook)
    with pytest.raises(RecordsError, match="`path` must be the name of a file; got Codebook"):
        wrong(DEMO, DEMO)
    with pytest.raises(RecordsError, match="`path` must be the name of a file; got NoneType"):
        wrong(None, DEMO)


def test_writing_takes_a_frame_a_codebook_and_a_known_choice(tmp_path: Path) -> None:
    frame, path = read_respondents(csv(tmp_path, *ROWS), DEMO), tmp_path / "written.csv"
    call: Any = write_respondents
    with pytest.raises(CodebookError, match=r"`codebook` must be a survey.Codebook; got str"):
        call(frame, path, "codebook.yaml")
    with pytest.raises(RecordsError, match=r"`frame` must be a pandas frame, .*; got str"):
        call("frame", path, DEMO)
    with pytest.raises(RecordsError, match="`derived` must be one of omit, write; got 'yes'"):
        call(frame, path, DEMO, derived="yes")
    with pytest.raises(RecordsError, match="`path` must be the name of a file; got int"):
        call(frame, 5, DEMO)
    assert not path.exists()


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """Blank lines, and line breaks within answers, are lines: an editor goes to what the message names."""
    text = 'id,view,remark\n\n1,1,"two\nlines"\n\n2,9,x\n3,1,"a\n4,8,b"\n'
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    with pytest.raises(RecordsError) as caught:
        read_respondents(tmp_path / "r.csv", codebook_of(ID, VIEW, REMARK))
    assert "row 2 (id 2, line 6), view = '9': is no code or label" in str(caught.value)
    assert "a quotation mark takes line 8 into this row" in str(caught.value)
    assert "row 3 (id 3, line 7) = '3,1,\"a\\n4,8,b\"':" in str(caught.value)


@pytest.mark.parametrize("cell", ["x" * 100_000, "9" * 5_000, "\t" * 2_000 + "x"])
def test_messages_show_the_beginning_of_long_cells(tmp_path: Path, cell: str) -> None:
    path = csv(tmp_path, *[f"{cell},{cell},{cell}"] * 30, header="id,view,age")
    with pytest.raises(RecordsError) as caught:
        read_respondents(path, codebook_of(ID, VIEW, AGE))
    assert len(str(caught.value)) < 20 * 700


def declared_file(tmp_path: Path) -> Path:
    """A file with user-missing codes, one of them a fraction: mean age 36 and mean grade 2.75."""
    ages = [25, 30, 998, 36, 53, 999.0]
    frame = pd.DataFrame({"id": range(1, 7), "age": ages, "gpa": [2.5, 3, 9.99, 2.75, 9.99, 2.75]})
    pyreadstat.write_sav(
        frame.assign(other=ages, text=["a", "NA", "b", "c", "d", "e"]),
        tmp_path / "r.sav",
        variable_value_labels={"age": {998: "Don't know", 999: "Refused"}, "gpa": {9.99: "No transcript"}},
        missing_ranges={
            **{key: [{"lo": 998, "hi": 999}] for key in ["age", "other"]},
            "gpa": [{"lo": 9.99, "hi": 9.99}],
            "text": ["NA"],
        },
    )
    return tmp_path / "r.sav"


def test_codes_that_a_file_declares_missing_are_never_numbers(tmp_path: Path) -> None:
    """The mean age was 397 where 36 is right."""
    path = declared_file(tmp_path)
    age, gpa = Item("age", "Age", "numeric"), Item("gpa", "Grades", "numeric")
    failures = failures_of(path, codebook_of(ID, age, gpa))
    rule = "the file declares these codes missing, the codebook does not; add to the item: missing: "
    assert failures == (
        (None, "age", "998 (n=1), 999 (n=1)", rule + "{998: Don't know, 999: Refused}"),
        (None, "gpa", "9.99 (n=2)", rule + "{'9.99': No transcript}"),
    )


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".sav", ".dta", ".parquet"])
def test_fractional_codes_are_drafted_read_and_written_back(tmp_path: Path, ending: str) -> None:
    drafted = Codebook.from_labelled(declared_file(tmp_path))
    drafted.to_yaml(tmp_path / "codebook.yaml")
    codebook = Codebook.from_yaml(tmp_path / "codebook.yaml")
    assert codebook.items["gpa"].missing == (Level("9.99", "No transcript"),)
    read = read_respondents(tmp_path / "r.sav", codebook)
    assert (read["age"].mean(), read["gpa"].mean()) == (36, 2.75)
    assert read["gpa_missing"].tolist().count("No transcript") == 2
    write_respondents(read, tmp_path / f"again{ending}", codebook)
    pd.testing.assert_frame_equal(read_respondents(tmp_path / f"again{ending}", codebook), read)


def test_what_a_file_declares_missing_is_missing_outside_the_codebook(tmp_path: Path) -> None:
    read = read_respondents(declared_file(tmp_path), codebook_of(ID, Item("text", "Text", "text")))
    assert read["other"].mean() == 36
    assert read["gpa"].mean() == 2.75
    assert read["text"].isna().tolist() == [False, True, False, False, False, False]


def test_a_codebook_writes_a_fractional_code_as_number_or_text(tmp_path: Path) -> None:
    page = "name: n\ntitle: t\ndata_kind: real\nitems:\n  x: {label: X, kind: numeric, missing: {CODE: Refused}}\n"
    for code in ("9.99", "'9.99'"):
        (tmp_path / "c.yaml").write_text(page.replace("CODE", code), encoding="utf-8")
        assert Codebook.from_yaml(tmp_path / "c.yaml").items["x"].missing == (Level("9.99", "Refused"),)
