"""Nothing that a label holds steers a terminal, turns the order of letters, or is read as markup."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

import survey
from survey.errors import clipped, shown, visible
from survey.records import Codebook, Item, Level
from survey.tables import pandoc, table_html

EVIL = "<script>alert(1)</script>\x1b]0;x\x07\x1b[31m\u202e\x9b1m &lt; *b* [l](javascript:x) `c` _u_ a|b"
MARKED = re.sub("[\x07\x1b\x9b]", "", EVIL)  # a codebook has no control characters
STEERING = ("\x1b", "\x07", "\x9b", "\u202e")


def design() -> survey.Design:
    answers = pd.Categorical([EVIL, "other"] * 20, categories=[EVIL, "other"])
    return survey.Design(pd.DataFrame({"q": answers, "g": ["x", "y"] * 10 + ["y", "x"] * 10}))


def codebook() -> Codebook:
    levels = (Level(1, MARKED), Level(2, "other"))
    nets = {f"net {MARKED}": (MARKED,)}
    item = Item("q", f"Label {MARKED}", "nominal", levels=levels, wording=EVIL, note=EVIL, nets=nets)
    return Codebook("c", f"Title {EVIL}", "real", {"q": item}, note=EVIL)


def test_what_steers_is_shown_as_an_escape() -> None:
    assert visible("\x1b[2J\u202ea\u2069\tb\n\x00\x7f\x85") == "\\x1b[2J\\u202ea\\u2069\tb\n\\x00\\x7f\\x85"
    assert visible("\u05d0\u200f \u7537 \u0301") == "\u05d0\u200f \u7537 \u0301", "letters of every script stay"


@pytest.mark.parametrize(
    "text",
    [
        lambda: repr(survey.topline(design(), "q")),
        lambda: repr(survey.crosstab(design(), "q", "g")),
        lambda: repr(survey.proportion(design(), "q")),
        lambda: repr(codebook()),
        lambda: repr(codebook().items["q"]),
        lambda: codebook().to_markdown(),
        lambda: table_html(survey.topline(design(), "q").to_gt()),
        lambda: str(survey.SurveyError(EVIL)),
    ],
)
def test_labels_steer_nothing(text: object) -> None:
    assert callable(text)
    said = text()
    assert "\\u202e" in said
    assert [mark for mark in STEERING if mark in said] == []


def test_labels_are_no_markup_in_a_table() -> None:
    page = table_html(survey.topline(design(), "q").to_gt())
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_labels_are_no_markup_on_a_codebook_page(tmp_path: Path) -> None:
    page = pandoc(codebook().to_markdown(), "--from=commonmark_x", "--to=html", argument="page")
    for mark in ("<script", 'javascript:x"', "<strong>", "<em>b", "<u>", "<a "):
        assert mark not in page
    for text in ("&lt;script&gt;alert(1)&lt;/script&gt;", "[l](javascript:x)", "`c`", "&amp;lt;", "_u_"):
        assert text in page
    assert page.count("<tr>") >= 5, "a bar in a label ends no cell"


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 1_000] * 1_000, {"a": list(range(10**5))}, 10**3_000])
def test_messages_show_the_beginning_of_a_value(value: object) -> None:
    assert len(shown(value)) < 3_000
    assert clipped("abcdef", 3) == "abc..."


def test_a_codebook_has_no_control_characters() -> None:
    level = Level(1, "Yes\x1b[31m")
    item = Item("q", "Q\x00", "nominal", levels=(level, Level(2, "No")))
    with pytest.raises(survey.CodebookError, match="must have no control characters") as caught:
        Codebook("c", "t", "real", {"q": item})
    assert "labels of `levels` and `missing` must have no control" in str(caught.value)
    assert "`label` must have no control" in str(caught.value)


def test_a_draft_takes_control_characters_out_of_labels(tmp_path: Path) -> None:
    pyreadstat.write_sav(
        pd.DataFrame({"q": [1.0, 2.0]}),
        tmp_path / "r.sav",
        file_label="A\x01title",
        column_labels={"q": "A\x1b[31mlabel"},
        variable_value_labels={"q": {1: "Y\x07es", 2: "No"}},
    )
    codebook = Codebook.from_labelled(tmp_path / "r.sav")
    assert (codebook.title, codebook.items["q"].label, codebook.items["q"].labels) == (
        "A title",
        "A [31mlabel",
        ("Y es", "No"),
    )
    assert "control characters were taken out" in str(codebook.note)
    survey.read_respondents(tmp_path / "r.sav", codebook)
