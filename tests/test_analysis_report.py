"""The report of both studies: what is in it, that its numbers are right, and that it comes out the same twice."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.report.__main__ import TEMPLATES, main, writing
from analysis.report.comparison import unweighted_model
from analysis.report.numbers import item_banner, item_topline, rows_of
from analysis.report.sensitivity import break_even, remaining
from analysis.report.tables import suppressed
from analysis.study import Study, read_study
from survey import (
    Design,
    SurveyError,
    crosstab,
    figure_bars,
    figure_layout,
    figure_models,
    figure_weighting,
    figures,
    ordinal,
)
from survey.figure_layout import page
from survey.printing import percent
from survey.report import lint_template
from tests.test_analysis_verdicts import own_file

SAME_FIT = 1e-5  # two optimizers of one likelihood: both stop within this of the maximum


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study("social_credit")


@pytest.fixture(scope="module")
def captions() -> list[str]:
    return []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, captions: list[str]) -> Path:
    """Build the report once, noting the caption of every figure that is placed on its page."""
    folder = tmp_path_factory.mktemp("one") / "report"

    def noted(*arguments: Any, **options: Any) -> Any:
        captions.append(str(options["caption"]))
        return page(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module in (figure_layout, figure_bars, figure_models, figure_weighting, figures):
            patch.setattr(module, "page", noted)
        assert main(["--study", "social_credit", "--output", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def words(built: Path) -> str:
    return text_of(built)


def text_of(folder: Path) -> str:
    """Text of a report without markup."""
    text = (folder / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"<style.*?</style>|src=\"[^\"]*\"", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def test_the_first_lines_say_synthetic(words: str) -> None:
    start = words.index("2,209 synthetic respondents")
    assert "Synthetic data: no person gave these answers." in words[start : start + 200]
    assert start < words.index("Findings Brackets")


def test_every_figure_of_synthetic_data_says_so(built: Path, captions: list[str]) -> None:
    drawn = {path.stem for path in (built / "figures").glob("*.svg")}
    assert drawn == {path.stem for path in (built / "figures").glob("*.png")}
    assert len(captions) == len(drawn) >= 9
    assert all("SYNTHETIC DATA" in caption for caption in captions)


def test_findings_are_those_of_an_independent_count(study: Study, words: str) -> None:
    frame = study.design.frame.assign(w=study.design.weights)
    approve = frame["approval"].isin(["Somewhat approve", "Strongly approve"])
    total = frame.loc[approve, "w"].sum() / frame["w"].sum()
    assert f"{percent(total)} approve of social credit systems" in words
    shares = frame.assign(hit=approve * frame["w"]).groupby("income", observed=True)[["hit", "w"]].sum()
    first, last = (shares["hit"] / shares["w"]).iloc[[0, -1]]
    n = frame["income"].value_counts()
    sentence = words[words.index("Approval is higher among people in households") :][:400]
    assert f"{percent(last)} (" in sentence
    assert f"against {percent(first)} (" in sentence
    assert f"n = {n['20,000 yuan or more']})" in sentence
    assert f"a difference of {100 * (last - first):.0f} points" in sentence


def test_the_files_are_all_there(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {"report.html", "codebook.md", "figures", "tables"}
    tables = {path.stem for path in (built / "tables").iterdir()}
    assert {"topline", "detailed", "groups", "coefficients", "effects", "margins", "published"} <= tables
    page = (built / "report.html").read_text(encoding="utf-8")
    for name in re.findall(r"<code>((?:tables|figures)/[^<]+)</code>", page):
        assert (built / html.unescape(name)).is_file()
    assert 'src="http' not in page


def test_tables_keep_full_precision_and_no_suppressed_share(built: Path) -> None:
    detailed = pd.read_csv(built / "tables" / "detailed.csv")
    hidden = detailed[~detailed["shown"]]
    assert len(hidden) > 0
    assert hidden[["estimate", "std_error", "conf_low", "conf_high", "row_base"]].isna().all(axis=None)
    assert (detailed.loc[detailed["shown"], "estimate"].astype(str).str.len() > 8).mean() > 0.9


def test_suppressed_shares_are_marked_in_the_page(built: Path) -> None:
    page = (built / "report.html").read_text(encoding="utf-8")
    detailed = pd.read_csv(built / "tables" / "detailed.csv")
    marks = len(re.findall(r'<td headers="detailed-[^>]*>\[u\]</td>', page))
    assert marks == int((~detailed["shown"]).sum())


def test_anes96_is_real_and_unweighted(tmp_path: Path) -> None:
    assert main(["--study", "anes96", "--output", str(tmp_path / "out")]) == 0
    page = text_of(tmp_path / "out")
    assert "Real respondents. American National Election Studies" in page
    assert "ynthetic" not in page
    assert "The ordinal regression gives 5 of the 6 values that a textbook prints" in page
    assert "The respondents are not weighted" in page
    assert not (tmp_path / "out" / "figures" / "weights.svg").exists()


def test_a_second_build_in_another_folder_has_the_same_bytes(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "somewhere else"
    assert main(["--study", "social_credit", "--output", str(other)]) == 0
    files = sorted(path.relative_to(built) for path in built.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert [str(name) for name in files if (built / name).read_bytes() != (other / name).read_bytes()] == []


@pytest.mark.parametrize("only", ["figures", "tables"])
def test_figures_or_tables_alone(only: str, tmp_path: Path) -> None:
    assert main(["--study", "anes96", "--output", str(tmp_path / "out"), "--only", only]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {only}


def test_a_small_file_of_ones_own_still_makes_a_report(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["--data", str(own_file(tmp_path, rows=150)), "--output", str(out)]) == 0
    page = text_of(out)
    assert "Your own file. This report was made from wave2.csv" in page
    assert "ynthetic" not in page
    assert "rests on too few respondents to be compared" in page
    published = pd.read_csv(out / "tables" / "published.csv")
    assert "met by construction" not in set(published["verdict"])


def test_a_broken_file_is_refused_in_plain_words_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_file(tmp_path)
    frame = pd.read_csv(path, dtype=str)
    frame.loc[4, "approval"] = "9"
    frame.to_csv(path, index=False)
    assert main(["--data", str(path), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "row 5 (respondent r4), approval = '9'" in said
    assert "Traceback" not in said
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["wave2.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "nobody"], "`study` must be one of anes96, social_credit"),
        (["--data", "nowhere.csv"], "must be an existing file"),
        (["--codebook", "nowhere.yaml"], "must be a readable file"),
    ],
)
def test_wrong_arguments_are_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_codebook_of_another_questionnaire_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path(__file__).resolve().parents[1] / "data" / "anes96"
    arguments = ["--data", str(other / "respondents.csv"), "--codebook", str(other / "codebook.yaml")]
    assert main([*arguments, "--output", str(tmp_path / "out")]) == 2
    assert "must have the items of the same questionnaire; codebook.yaml lacks approval" in capsys.readouterr().err


def test_a_build_that_fails_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "report.html").write_text("old")

    def fail() -> None:
        with writing(target) as draft:
            (draft / "report.html").write_text("half")
            raise SurveyError("no")

    with pytest.raises(SurveyError, match="no"):
        fail()
    assert (target / "report.html").read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_files_of_others_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with writing(tmp_path) as draft:
        (draft / "tables").mkdir()
        (draft / "tables" / "a.csv").write_text("a")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "tables" / "a.csv").read_text() == "a"


def test_no_template_holds_a_typed_number() -> None:
    templates = sorted(TEMPLATES.glob("*.j2"))
    assert len(templates) == 3
    for template in templates:
        lint_template(template.read_text(encoding="utf-8"), name=template.name)


def test_sensitivity_is_plain_arithmetic_on_the_weighted_answers(study: Study) -> None:
    hit = study.design.frame["in_focus"].to_numpy()
    weights = study.design.weights
    share = float((weights * hit).sum() / weights.sum())
    row = pd.Series({"estimate": share, "conf_low": share - 0.02, "conf_high": share + 0.02, "n": hit.size})
    for left in remaining(row).to_dict("records"):
        # By brute force: every approving respondent counts only as far as they are believed.
        believed = hit * (1 - left["falsified"])
        assert left["estimate"] == pytest.approx((weights * believed).sum() / weights.sum(), rel=1e-12)
    f = float(break_even(pd.DataFrame([row]))["estimate"].iloc[0])
    assert (weights * hit * (1 - f)).sum() / weights.sum() == pytest.approx(0.5, rel=1e-12)


def test_there_is_no_majority_to_lose_below_one_half() -> None:
    shares = pd.DataFrame({"estimate": [0.4, 0.5, 0.8], "conf_low": [0.3, 0.45, 0.7], "conf_high": [0.6, 0.55, 0.9]})
    found = break_even(shares)
    assert found["estimate"].tolist() == pytest.approx([0.0, 0.0, 0.375])
    assert found["conf_high"].tolist() == pytest.approx([1 / 6, 1 / 11, 4 / 9])
    assert (found["conf_low"] <= found["estimate"]).all()


def test_nets_stand_in_the_order_of_the_scale(study: Study) -> None:
    assert rows_of(study.codebook.item("approval")) == ["Disapprove", "Neither approve nor disapprove", "Approve"]
    banner, tests = item_banner(study, study.codebook.item("approval"))
    assert tests["by"].tolist() == list(study.settings.banner)
    assert banner["level"].head(3).tolist() == rows_of(study.codebook.item("approval"))
    assert banner["banner"].unique().tolist()[0] == "Total"
    by_hand = crosstab(study.design, study.outcome, "income").tidy()
    ours = banner[(banner["variable"] == "income") & (banner["level"] == "Approve")]
    assert ours["estimate"].tolist() == by_hand.loc[by_hand["level"] == "Approve", "estimate"].tolist()
    assert ours["letter"].tolist() == ["A", "B", "C", "D", "E"]


def test_a_topline_leaves_out_who_was_not_asked_and_shows_who_did_not_know(study: Study) -> None:
    harmed = item_topline(study, study.codebook.item("harmed"))
    users = int((study.design.frame["commercial_use"] == "Yes").sum())
    assert harmed["n"].unique().tolist() == [users]
    assert harmed["level"].tolist() == ["No", "Yes"]
    fairness = item_topline(study, study.codebook.item("fairness"))
    assert fairness["level"].tolist()[-1] == "Don't know"
    levels = fairness[fairness["kind"] != "net"]
    assert levels["count"].sum() == study.design.n
    assert levels["estimate"].sum() == pytest.approx(1.0)


def test_the_unweighted_model_is_at_its_maximum(study: Study) -> None:
    predictors = list(study.settings.predictors)
    theirs = unweighted_model(study.design.frame, "approval", predictors).set_index("term")["estimate"]
    ours = ordinal(study.settings.formula, Design(study.design.frame, weight=None)).slopes
    np.testing.assert_allclose(theirs.to_numpy(), ours[theirs.index].to_numpy(), atol=SAME_FIT)


def test_a_suppressed_row_is_blank_in_every_number_that_would_give_it_away() -> None:
    frame = pd.DataFrame({"level": ["a", "b"], "estimate": [0.1, 0.9], "count": [1, 99], "n": [100, 100]})
    found = suppressed(frame.assign(shown=[False, True]))
    assert pd.isna(found["estimate"]).tolist() == [True, False]
    assert pd.isna(found["count"]).tolist() == [True, False]
    assert found["n"].tolist() == [100, 100]
