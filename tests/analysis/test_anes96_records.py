"""The real study: the file can be made again to the byte, and its derived items are those of the printed results."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pandas as pd
import pytest

from analysis.anes96_records import STUDY, anes96_codes, main
from survey.records.codebook import Codebook
from survey.records.respondents import read_respondents

MIDPOINTS = (
    *(1.5, 4, 6, 8, 9.5, 10.5, 11.5, 12.5, 13.5, 14.5, 16, 18.5, 21, 23.5, 27.5, 32.5, 37.5, 42.5, 47.5, 55),
    *(67.5, 82.5, 97.5, 115),
)


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return Codebook.from_yaml(STUDY / "codebook.yaml")


@pytest.fixture(scope="module")
def respondents(codebook: Codebook) -> pd.DataFrame:
    return read_respondents(STUDY / "respondents.csv", codebook)


def test_the_script_makes_the_file_again_to_the_byte(tmp_path: Path) -> None:
    main(["--output", str(tmp_path / "respondents.csv")])
    assert (tmp_path / "respondents.csv").read_bytes() == (STUDY / "respondents.csv").read_bytes()


def test_no_answer_of_the_source_is_lost_or_changed(codebook: Codebook) -> None:
    from statsmodels.datasets import anes96

    source = anes96.load_pandas().data
    codes = anes96_codes(codebook)
    for name in ("PID", "vote", "selfLR", "ClinLR", "DoleLR", "TVnews", "popul", "age", "income"):
        assert (codes[name] == source[name]).all()
    assert (codes["education"] == source["educ"]).all()


def test_everyone_is_read_with_an_answer_to_every_item(respondents: pd.DataFrame) -> None:
    assert len(respondents) == 944
    assert not respondents.isna().any(axis=None)


def test_party_groups_are_those_of_the_printed_results(respondents: pd.DataFrame) -> None:
    counts = respondents["party3"].value_counts(sort=False)
    assert counts.to_dict() == {"Democrat": 380, "Independent": 239, "Republican": 325}
    assert list(respondents["party3"].cat.categories) == ["Democrat", "Independent", "Republican"]
    assert respondents["party3"].cat.ordered


def test_income_midpoints_are_those_of_the_printed_results(respondents: pd.DataFrame) -> None:
    pairs = dict(zip(respondents["income"].cat.codes, respondents["income_midpoint"], strict=True))
    assert pairs == dict(enumerate(MIDPOINTS))


@pytest.mark.parametrize(
    ("derived", "counts"),
    [
        ("urbanity", [228, 139, 324, 253]),
        ("age_group", [124, 245, 210, 195, 170]),
        ("education_group", [65, 248, 277, 354]),
        ("income_group", [151, 123, 200, 199, 271]),
    ],
)
def test_groups_leave_nobody_out(respondents: pd.DataFrame, derived: str, counts: list[int]) -> None:
    assert respondents[derived].value_counts(sort=False).tolist() == counts


def test_the_readme_states_the_checksum_of_every_file() -> None:
    stated = dict(re.findall(r"\| `([\w.]+)` \|.*\| `([0-9a-f]{64})` \|", (STUDY / "README.md").read_text("utf-8")))
    files = [path for path in STUDY.iterdir() if path.name != "README.md"]
    assert stated == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
