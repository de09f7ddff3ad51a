"""Drafts of codebooks from labelled files: they read the file they come from, and say what they guessed."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import survey

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "data" / "social_credit"
NO = {"lo": -9, "hi": -7}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SPSS file with what labelled files have in them: gaps, repeated labels, scales labelled at their ends."""
    path = tmp_path_factory.mktemp("odd") / "My Poll 2024.sav"
    frame = pd.DataFrame(
        {
            "caseid": [11, 12, 13, 14],
            "trust": [3.0, 1.0, np.nan, -8.0],
            "ladder": [0.0, 7.0, 10.0, -9.0],
            "hours": [1.5, np.nan, 40.0, -7.0],
            "party": ["L", "R", "L", "X"],
            "said": ["yes", "", "no, but", "yes"],
            "when": [date(2024, 5, 1)] * 4,
            "empty": [np.nan] * 4,
            "twice": [1.0, 2.0, 3.0, 1.0],
        }
    )
    labels: dict[str, dict[Any, str]] = {
        "trust": {5: "a lot", 1: "none", 3: " some  what ", -8: "Don't know", -9: "Refused"},
        "ladder": {0: "worst", 10: "best", -9: "Refused"},
        "party": {"L": "Left", "R": "Right", "X": "Not asked"},
        "twice": {1: "same", 2: "same", 3: "1"},
    }
    pyreadstat.write_sav(
        frame,
        path,
        file_label="A poll",
        column_labels={"trust": "Trust in  others", "ladder": "Life ladder"},
        variable_value_labels=labels,
        missing_ranges={"trust": [NO], "ladder": [NO], "hours": [NO], "party": ["X"]},
        variable_measure={"trust": "ordinal", "ladder": "scale", "party": "nominal"},
    )
    return path


def test_a_draft_of_an_spss_file(odd: Path) -> None:
    draft = survey.Codebook.from_labelled(odd)
    assert (draft.name, draft.title, draft.data_kind) == ("my_poll_2024", "A poll", "real")
    kinds = {name: item.kind for name, item in draft.items.items()}
    assert kinds == {
        **{"caseid": "id", "trust": "ordinal", "ladder": "numeric", "hours": "numeric", "party": "nominal"},
        **{"said": "text", "when": "text", "empty": "numeric", "twice": "nominal"},
    }
    trust = draft.items["trust"]
    assert trust.label == "Trust in others"
    assert [(level.code, level.label) for level in trust.levels] == [(1, "none"), (3, "some what"), (5, "a lot")]
    assert [(level.code, level.label) for level in trust.missing] == [
        *((-8, "Don't know"), (-9, "Refused"), (-10, "No answer"))
    ]
    assert [level.label for level in draft.items["hours"].missing] == ["Missing (-7)", "No answer"]
    assert draft.items["ladder"].integer
    assert not draft.items["hours"].integer
    assert draft.items["party"].labels == ("Left", "Right")
    assert [(level.code, level.label) for level in draft.items["party"].missing] == [("X", "Not asked")]
    assert draft.items["twice"].labels == ("same (1)", "same (2)", "1 (3)")
    assert draft.note == (
        "drafted from the labels of My Poll 2024.sav: read it through; ladder holds values without a label and is "
        "taken for a number, though 0 = worst, 10 = best; empty has no answer at all; nominal until you say "
        "that the answers have an order (kind: ordinal): twice"
    )


def test_the_file_can_be_read_with_its_draft(odd: Path, tmp_path: Path) -> None:
    draft = survey.Codebook.from_labelled(odd)
    people = survey.read_respondents(odd, draft)
    assert people["trust"].astype(object).where(people["trust"].notna(), None).tolist() == [
        *("some what", "none", None, None)
    ]
    assert people["trust_missing"].astype(object)[2:].tolist() == ["No answer", "Don't know"]
    assert people["ladder"].tolist()[:3] == [0, 7, 10]
    assert people["hours_missing"].astype(object)[[1, 3]].tolist() == ["No answer", "Missing (-7)"]
    assert people["when"].iloc[0] == "2024-05-01"
    draft.to_yaml(tmp_path / "draft.yaml")
    assert survey.Codebook.from_yaml(tmp_path / "draft.yaml") == draft


@pytest.mark.parametrize("ending", [".sav", ".dta"])
def test_a_written_file_comes_back_with_its_own_labels(tmp_path: Path, ending: str) -> None:
    codebook = survey.Codebook.from_yaml(STUDY / "codebook.yaml")
    people = survey.read_respondents(STUDY / "respondents.csv", codebook)
    path = tmp_path / f"people{ending}"
    survey.write_respondents(people, path, codebook)
    draft = survey.Codebook.from_labelled(path)
    again = survey.read_respondents(path, draft)
    for name, item in codebook.items.items():
        if item.kind not in ("nominal", "ordinal") or item.is_derived or name == "month":
            continue
        assert draft.items[name].labels == item.labels
        assert draft.items[name].missing_labels == item.missing_labels
        assert again[name].astype(object).equals(people[name].astype(object)), name
        assert draft.items[name].kind == (item.kind if ending == ".sav" else "nominal")
    if ending == ".dta":
        assert draft.note is not None
        assert "approval" in draft.note.split("kind: ordinal): ")[1]


def test_letters_of_stata_become_negative_codes(tmp_path: Path) -> None:
    path = tmp_path / "letters.dta"
    frame = pd.DataFrame({"x": pd.Series([1, 2, "b", -3], dtype=object), "z": pd.Series([5, "a", 7, 8], dtype=object)})
    pyreadstat.write_dta(
        frame,
        path,
        variable_value_labels={"x": {1: "no", 2: "yes", -3: "never", "a": "Refused", "b": "Don't know"}},
        missing_user_values={"x": ["a", "b"], "z": ["a"]},
    )
    draft = survey.Codebook.from_labelled(path)
    assert [(level.code, level.label) for level in draft.items["x"].missing] == [(-4, "Refused"), (-5, "Don't know")]
    assert [(level.code, level.label) for level in draft.items["z"].missing] == [(-1, ".a")]
    people = survey.read_respondents(path, draft)
    assert people["x_missing"].astype(object)[2] == "Don't know"
    assert people["z_missing"].astype(object)[1] == ".a"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(survey.CodebookError, match=r"`path` must be a file with labels, .sav or .dta; found 'x.csv'"):
        survey.Codebook.from_labelled(tmp_path / "x.csv")
    with pytest.raises(survey.RecordsError, match=r"`path` must be an existing file"):
        survey.Codebook.from_labelled(tmp_path / "x.sav")
