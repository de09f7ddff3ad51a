"""Writing records: what is written reads back the same, codes and labels included, or nothing is written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import RecordsError
from survey.records.codebook import Codebook, Item, Level
from survey.records.respondents import read_respondents, write_respondents
from survey.records.schema import category_dtype, companion, missing_dtype
from survey.replacing import replacing
from tests.marks import slow
from tests.records.test_respondents import (
    AGE,
    AGE_GROUP,
    DEMO,
    GENDER,
    ID,
    REMARK,
    ROWS,
    SCORE,
    USES,
    VIEW,
    VIEW2,
    codebook_of,
    csv,
)

ENDINGS = [".csv", ".tsv", ".parquet", ".xlsx", ".sav", ".dta"]


@pytest.fixture
def respondents(tmp_path: Path) -> pd.DataFrame:
    return read_respondents(csv(tmp_path, *ROWS), DEMO).assign(psu=[1, 1, 2], region=["North", "South", "North"])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("derived", ["omit", "write"])
def test_every_format_gives_back_the_same_records(
    tmp_path: Path, respondents: pd.DataFrame, ending: str, derived: Any
) -> None:
    path = tmp_path / f"again{ending}"
    write_respondents(respondents, path, DEMO, derived=derived)
    pd.testing.assert_frame_equal(read_respondents(path, DEMO), respondents)


def test_csv_holds_codes_in_questionnaire_order(tmp_path: Path, respondents: pd.DataFrame) -> None:
    write_respondents(respondents, tmp_path / "r.csv", DEMO)
    assert (tmp_path / "r.csv").read_text().splitlines() == [
        "id,age,view,gender,uses_a,uses_b,income,remark,psu,region",
        "1,14,1,F,0,1,10.5,Fine,1,North",
        "2,29,-1,M,1,0,-2.0,,1,South",
        '3,65,3,F,-8,-8,-9.0,"a, b",2,North',
    ]


def test_spss_gets_labels_missing_codes_and_measures(tmp_path: Path, respondents: pd.DataFrame) -> None:
    write_respondents(respondents, tmp_path / "r.sav", DEMO, derived="write")
    _, meta = pyreadstat.read_sav(tmp_path / "r.sav", user_missing=True)
    labels = {1: "Disagree", 2: "Neither", 3: "Agree", -1: "Don't know", -2: "Refused"}
    assert meta.variable_value_labels["view"] == labels
    assert meta.variable_value_labels["gender"] == {"F": "Female", "M": "Male"}
    assert meta.missing_ranges["view"] == [{"lo": -1, "hi": -1}, {"lo": -2, "hi": -2}]
    assert meta.column_names_to_labels["uses_a"] == "A"
    assert meta.column_names_to_labels["view"] == "View"
    assert meta.variable_measure["view"] == "ordinal"
    assert meta.variable_measure["age"] == "scale"
    assert "score" not in meta.missing_ranges, "a score of -1 is no missing code"


def test_stata_leaves_missing_codes_out_of_every_estimate(tmp_path: Path, respondents: pd.DataFrame) -> None:
    write_respondents(respondents, tmp_path / "r.dta", DEMO)
    cells, _ = pyreadstat.read_dta(tmp_path / "r.dta")
    assert cells["view"].isna().tolist() == [False, True, False]
    _, meta = pyreadstat.read_dta(tmp_path / "r.dta", user_missing=True)
    labels = {1: "Disagree", 2: "Neither", 3: "Agree", "a": "Don't know", "b": "Refused"}
    assert meta.variable_value_labels["view"] == labels


LABELS = st.text("abcXYZ éß中:.,'\"|&", min_size=1, max_size=20).filter(lambda label: label == label.strip())


@st.composite
def coded_items(draw: st.DrawFn, name: str) -> Item:
    labels = draw(st.lists(LABELS, min_size=3, max_size=8, unique=True))
    codes = draw(st.lists(st.integers(-999, 9999), min_size=len(labels), max_size=len(labels), unique=True))
    answers = [Level(code, label) for code, label in zip(codes, labels, strict=True)]
    reasons = draw(st.integers(0, min(3, len(answers) - 2)))
    split = len(answers) - reasons
    return Item(
        name,
        draw(LABELS),
        draw(st.sampled_from(("nominal", "ordinal"))),
        levels=tuple(answers[:split]),
        missing=tuple(answers[split:]),
    )


@st.composite
def surveys(draw: st.DrawFn) -> tuple[Codebook, pd.DataFrame]:
    rows = draw(st.integers(1, 6))
    items = [draw(coded_items(name)) for name in ("q1", "q2")]
    columns: dict[str, Any] = {"id": pd.Series(range(1, rows + 1), dtype="int64")}
    for item in items:
        answers = (*item.levels, *item.missing)
        places = draw(st.lists(st.integers(0, len(answers) - 1), min_size=rows, max_size=rows))
        split = len(item.levels)
        columns[item.name] = pd.Categorical.from_codes(
            [place if place < split else -1 for place in places], dtype=category_dtype(item)
        )
        if item.missing:
            columns[companion(item.name)] = pd.Categorical.from_codes(
                [max(place - split, -1) for place in places], dtype=missing_dtype(item)
            )
    # SPSS and Stata keep the largest floats for missing values.
    numbers = st.floats(-1e300, 1e300, allow_nan=False)
    columns["number"] = draw(st.lists(numbers, min_size=rows, max_size=rows))
    number = Item("number", "Number", "numeric")
    return codebook_of(ID, *items, number), pd.DataFrame(columns)


@pytest.mark.parametrize("ending", [".csv", *slow(".parquet", ".sav")])
@given(survey=surveys())
@settings(max_examples=40)
def test_codes_labels_and_numbers_of_any_survey_round_trip_exactly(
    tmp_path_factory: pytest.TempPathFactory, ending: str, survey: tuple[Codebook, pd.DataFrame]
) -> None:
    codebook, frame = survey
    path = tmp_path_factory.mktemp("any") / f"r{ending}"
    write_respondents(frame, path, codebook)
    pd.testing.assert_frame_equal(read_respondents(path, codebook), frame)
    if ending == ".sav":
        cells, meta = pyreadstat.read_sav(path, user_missing=True)
        for item in (codebook.items["q1"], codebook.items["q2"]):
            answers = {level.code: level.label for level in (*item.levels, *item.missing)}
            assert meta.variable_value_labels[item.name] == answers
            shown = frame[item.name].astype(object)
            shown = shown.where(shown.notna(), frame[companion(item.name)] if item.missing else None)
            assert cells[item.name].map(answers).tolist() == shown.tolist()


@pytest.mark.slow
@given(survey=surveys())
@settings(max_examples=25)
def test_records_of_any_survey_round_trip_through_stata(
    tmp_path_factory: pytest.TempPathFactory, survey: tuple[Codebook, pd.DataFrame]
) -> None:
    codebook, frame = survey
    path = tmp_path_factory.mktemp("any") / "r.dta"
    write_respondents(frame, path, codebook)
    pd.testing.assert_frame_equal(read_respondents(path, codebook), frame)


def test_a_number_that_spss_takes_for_missing_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"number": [np.finfo(float).max]})
    with pytest.raises(RecordsError, match=r"`frame` must survive in a .sav file unchanged; 'number' would not"):
        write_respondents(frame, tmp_path / "r.sav", codebook_of(Item("number", "Number", "numeric")))


def test_the_same_records_give_the_same_bytes(tmp_path: Path, respondents: pd.DataFrame) -> None:
    for ending in (".csv", ".parquet"):
        for name in ("one", "two"):
            write_respondents(respondents, tmp_path / f"{name}{ending}", DEMO)
        assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"two{ending}").read_bytes()


def test_the_index_of_the_frame_does_not_matter(tmp_path: Path, respondents: pd.DataFrame) -> None:
    write_respondents(respondents.iloc[[2, 0]], tmp_path / "r.csv", DEMO)
    assert read_respondents(tmp_path / "r.csv", DEMO)["id"].tolist() == [3, 1]


def test_a_frame_may_lack_derived_items(tmp_path: Path, respondents: pd.DataFrame) -> None:
    asked = respondents.drop(columns=["age_group", "view2", "view2_missing", "score", "score_missing"])
    write_respondents(asked, tmp_path / "r.csv", DEMO, derived="write")
    pd.testing.assert_frame_equal(read_respondents(tmp_path / "r.csv", DEMO), respondents)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age": [14, 29, 99]}, r"row 3 \(id 3\), age = 99: must be from 14 to 65 years"),
        ({"id": [1, 2, 2]}, r"rows 2, 3, id = 2: is the id of more than one respondent"),
        (
            {"gender": pd.Categorical(["Female", None, "Male"], ["Female", "Male"])},
            r"row 2 .*gender: must not be blank",
        ),
        (
            {"gender": ["F", "M", "F"]},
            r"file, gender: the column must be categorical, not ordered, with: Female",
        ),
        (
            {"view": pd.Categorical(["Agree", None, "Agree"], ["Agree", "Neither", "Disagree"], ordered=True)},
            r"the column must be categorical, ordered, with: Disagree, Neither, Agree",
        ),
        ({"age": ["14", "29", "65"]}, r"file, age: the column must be of type int64"),
        (
            {"view": pd.Categorical(["Agree", None, None], ["Disagree", "Neither", "Agree"], ordered=True)},
            r"row 3 \(id 3\), view: lacks a reason in 'view_missing'",
        ),
        (
            {"view_missing": pd.Categorical(["Refused", "Refused", None], ["Don't know", "Refused"])},
            r"row 1 \(id 1\), view = 'Disagree': has both an answer and a reason for none in 'view_missing'",
        ),
    ],
)
def test_a_frame_that_breaks_the_codebook_is_not_written(
    tmp_path: Path, respondents: pd.DataFrame, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordsError, match=message):
        write_respondents(respondents.assign(**changes), tmp_path / "r.csv", DEMO)
    assert not (tmp_path / "r.csv").exists()


def test_a_frame_without_a_column_is_not_written(tmp_path: Path, respondents: pd.DataFrame) -> None:
    for column, said in (
        ("gender", "gender: the column is missing"),
        ("view_missing", "the column of reasons is missing"),
    ):
        with pytest.raises(RecordsError, match=said):
            write_respondents(respondents.drop(columns=column), tmp_path / "r.csv", DEMO)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as draft:
            draft.write_text("half of it")
            raise RuntimeError("the power failed")

    with pytest.raises(RuntimeError, match="the power failed"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_a_format_would_change_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "remark": ["blank at the end ", "x"]})
    with pytest.raises(RecordsError, match=r"`frame` must survive in a .sav file unchanged; 'remark' would not"):
        write_respondents(frame, tmp_path / "r.sav", codebook_of(ID, REMARK))
    assert list(tmp_path.iterdir()) == []
    write_respondents(frame, tmp_path / "r.csv", codebook_of(ID, REMARK))


@pytest.mark.parametrize("ending", [".sav", ".dta"])
def test_a_column_name_that_a_format_cannot_hold_is_refused(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"id": [1, 2], "a name": [1, 2]})
    with pytest.raises(RecordsError, match=rf"`frame` must fit a {ending} file; writing r{ending} failed: .*rename"):
        write_respondents(frame, tmp_path / f"r{ending}", codebook_of(ID))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_or_folder_is_refused(tmp_path: Path, respondents: pd.DataFrame) -> None:
    with pytest.raises(RecordsError, match=r"`path` must end in .csv, .*; found 'r.doc'"):
        write_respondents(respondents, tmp_path / "r.doc", DEMO)
    with pytest.raises(RecordsError, match=r"`path` must be in an existing folder; there is none at .*nowhere"):
        write_respondents(respondents, tmp_path / "nowhere" / "r.csv", DEMO)


def many_reasons(*codes: int | str) -> tuple[Codebook, pd.DataFrame]:
    levels = (Level(1, "Yes"), Level(2, "No"))
    item = Item("q", "Q", "nominal", levels=levels, missing=tuple(Level(code, f"Why {code}") for code in codes))
    frame = pd.DataFrame(
        {
            "q": pd.Categorical(["Yes", *[None] * len(codes)], categories=["Yes", "No"]),
            "q_missing": pd.Categorical([None, *item.missing_labels], categories=list(item.missing_labels)),
        }
    )
    return codebook_of(item), frame


def test_more_than_three_missing_codes_become_a_range_for_spss(tmp_path: Path) -> None:
    codebook, frame = many_reasons(-1, -2, -8, -9)
    write_respondents(frame, tmp_path / "r.sav", codebook)
    _, meta = pyreadstat.read_sav(tmp_path / "r.sav", user_missing=True)
    assert meta.missing_ranges["q"] == [{"lo": -9, "hi": -1}]
    pd.testing.assert_frame_equal(read_respondents(tmp_path / "r.sav", codebook), frame)


def test_missing_codes_that_spss_cannot_declare_are_refused(tmp_path: Path) -> None:
    codebook, frame = many_reasons(-1, -2, 8, 9)
    with pytest.raises(
        RecordsError, match=r"`missing` of 'q' must be three codes, or a range without answers, for .sav"
    ):
        write_respondents(frame, tmp_path / "r.sav", codebook)
    codebook, frame = many_reasons("a", "b", "c", "d")
    with pytest.raises(RecordsError, match=r"`missing` of 'q' must be three codes at most for .sav, as they are text"):
        write_respondents(frame, tmp_path / "r.sav", codebook)


def test_text_codes_with_missing_codes_round_trip(tmp_path: Path) -> None:
    codebook, frame = many_reasons("a", "b")
    for ending in ENDINGS:
        write_respondents(frame, tmp_path / f"r{ending}", codebook)
        pd.testing.assert_frame_equal(read_respondents(tmp_path / f"r{ending}", codebook), frame)


def test_the_demo_has_an_item_of_every_kind() -> None:
    assert {item.name for item in (ID, AGE, AGE_GROUP, VIEW, VIEW2, SCORE, GENDER, USES, REMARK)} < set(DEMO.items)


OTHERS: dict[str, Any] = {
    "formula": ["=1+1", "@SUM(A1)", "+3"],
    "error": ["#N/A", "NA", "#DIV/0!"],
    "link": ["http://example.org", "mailto:x", "_x0041_"],
    "long": ["1234567890123456789", "2", "3"],
    "name": ["007", "1.1", "1.10"],
    "blank": ["a", None, "\u7537"],
    "third": [1 / 3, 0.1 + 0.2, 2e-17],
    "single": np.array([0.1, 0.2, 0.3], dtype="float32"),
    "day": pd.date_range("2018-02-28", periods=3),
    "moment": pd.date_range("2018-02-28 10:11:12", periods=3),
    "date": [datetime.date(2018, 2, 28)] * 3,
    "true": [True, False, True],
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", OTHERS)
def test_columns_outside_the_codebook_are_kept(tmp_path: Path, ending: str, name: str) -> None:
    column = f"{name}_"  # Stata reserves "long"
    frame = pd.DataFrame({"id": [1, 2, 3], column: OTHERS[name]})
    write_respondents(frame, tmp_path / f"r{ending}", codebook_of(ID))
    again = read_respondents(tmp_path / f"r{ending}", codebook_of(ID))[column]
    if name in ("third", "single"):
        np.testing.assert_allclose(again, frame[column].astype("float64"), rtol=1e-15 if ending == ".xlsx" else 0)
    elif name in ("day", "moment", "date"):
        assert [pd.Timestamp(cell) for cell in again] == [pd.Timestamp(cell) for cell in frame[column]]
    elif name == "true":
        assert [str(cell) in ("True", "1") for cell in again] == frame[column].tolist()
    else:
        assert [None if pd.isna(cell) else cell for cell in again] == OTHERS[name]


@pytest.mark.parametrize(
    ("endings", "cells"),
    [
        ((".xlsx", ".sav", ".dta"), [1234567890123456789, 2, 3]),
        ((".xlsx", ".sav", ".dta"), pd.array([2**60 + 1, None, 3], dtype="Int64")),
        ((".csv", ".xlsx", ".sav", ".dta"), ["a\0b", "c", "d"]),
        ((".xlsx", ".sav", ".dta"), pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin")),
        ((".xlsx", ".sav", ".dta"), pd.date_range("2020-01-01 10:11:12.123456789", periods=3)),
        ((".sav",), ["a ", "b", "c"]),
        ((".xlsx",), ["a\r\nb", "c", "d"]),
        ((".xlsx",), ["\x01a", "c", "d"]),
        ((".xlsx",), ["x" * 40_000, "c", "d"]),
        ((".dta",), [np.inf, 1.0, 2.0]),
        (tuple(ENDINGS), [[1], [2], [3]]),
        (tuple(ENDINGS), ["\ud800", "a", "b"]),
    ],
)
def test_what_a_format_cannot_keep_is_refused_and_the_old_file_stays(
    tmp_path: Path, endings: tuple[str, ...], cells: Any
) -> None:
    """Ids lost their last digits, times their zone and texts what followed NUL, without a word."""
    frame = pd.DataFrame({"id": [1, 2, 3], "other": pd.Series(cells, dtype=getattr(cells, "dtype", object))})
    for ending in endings:
        path = tmp_path / f"r{ending}"
        path.write_bytes(b"old")
        with pytest.raises(RecordsError, match=r"`frame` must"):
            write_respondents(frame, path, codebook_of(ID))
        assert path.read_bytes() == b"old"
        assert sorted(tmp_path.iterdir()) == [path]
        path.unlink()


def test_the_refusal_says_what_became_of_the_cell(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "psu": [2, 1234567890123456789]})
    rule = r"'psu' would not: 1234567890123456789 came back as 1234567890123456768 in row 2."
    with pytest.raises(RecordsError, match=rule):
        write_respondents(frame, tmp_path / "r.sav", codebook_of(ID))


def test_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["id", 5, "5"])
    with pytest.raises(RecordsError, match="`frame` must have columns of different names; '5' occurs 2 times"):
        write_respondents(frame, tmp_path / "r.csv", codebook_of(ID))


def test_equal_records_are_equal_workbooks(tmp_path: Path, respondents: pd.DataFrame) -> None:
    for name in ("a.xlsx", "b.xlsx"):
        write_respondents(respondents, tmp_path / name, DEMO)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()
