"""The report of both studies: what is in it, that its numbers are right, and that it comes out the same twice."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.files import writing
from analysis.report.__main__ import TEMPLATES, main
from analysis.report.answers import item_banner, item_topline, rows_of
from analysis.report.figures import colours_of, finding_title
from analysis.report.frames import column_page, suppressed
from analysis.report.model_results import agree
from analysis.report.numbers import Numbers, compute
from analysis.report.sensitivity import break_even, remaining
from analysis.study import Study, read_study
from survey import Codebook, Design, SurveyError, crosstab, ordinal
from survey.figures.layout import page
from survey.figures.style import DIVERGING
from survey.printing import percent
from survey.report import lint_template
from tests.analysis.test_verdicts import own_file

SAME_FIT = 1e-5  # two optimizers of one likelihood: both stop within this of the maximum


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study("social_credit")


@pytest.fixture(scope="module")
def captions() -> list[str]:
    return []


@pytest.fixture(scope="module")
def computed() -> list[Numbers]:
    return []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, captions: list[str], computed: list[Numbers]) -> Path:
    """Build the report once, noting its numbers and the caption of every figure that is placed on its page."""
    folder = tmp_path_factory.mktemp("one") / "report"

    def noted(*arguments: Any, **options: Any) -> Any:
        captions.append(str(options["caption"]))
        return page(*arguments, **options)

    def counted(*arguments: Any) -> Numbers:
        computed.append(compute(*arguments))
        return computed[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("analysis.report.numbers.compute", counted)
        for name in ("bars", "counts", "dots", "models", "weighting"):
            patch.setattr(import_module(f"survey.figures.{name}"), "page", noted)
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


@pytest.mark.slow
def test_the_first_lines_say_synthetic(words: str) -> None:
    start = words.index("2,209 synthetic respondents")
    assert "Synthetic data: no person gave these answers." in words[start : start + 200]
    assert start < words.index("Findings All of this")


@pytest.mark.slow
def test_every_figure_of_synthetic_data_says_so(built: Path, captions: list[str]) -> None:
    drawn = {path.stem for path in (built / "figures").glob("*.svg")}
    assert drawn == {path.stem for path in (built / "figures").glob("*.png")}
    assert len(captions) == len(drawn) >= 9
    assert all("SYNTHETIC DATA" in caption for caption in captions)


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_files_are_all_there(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {"report.html", "codebook.md", "figures", "tables"}
    tables = {path.stem for path in (built / "tables").iterdir()}
    assert {"topline", "detailed", "groups", "coefficients", "effects", "margins", "published"} <= tables
    page = (built / "report.html").read_text(encoding="utf-8")
    for name in re.findall(r"<code>((?:tables|figures)/[^<]+)</code>", page):
        assert (built / html.unescape(name)).is_file()
    assert 'src="http' not in page


@pytest.mark.slow
def test_tables_keep_full_precision_and_no_suppressed_share(built: Path) -> None:
    detailed = pd.read_csv(built / "tables" / "detailed.csv")
    hidden = detailed[~detailed["shown"]]
    assert len(hidden) > 0
    assert hidden[["estimate", "std_error", "conf_low", "conf_high", "row_base"]].isna().all(axis=None)
    assert (detailed.loc[detailed["shown"], "estimate"].astype(str).str.len() > 8).mean() > 0.9


@pytest.mark.slow
def test_suppressed_shares_are_marked_in_the_page(built: Path) -> None:
    page = (built / "report.html").read_text(encoding="utf-8")
    detailed = pd.read_csv(built / "tables" / "detailed.csv")
    marks = len(re.findall(r'<td headers="detailed-[^>]*>\[u\]</td>', page))
    assert marks == int((~detailed["shown"]).sum())


@pytest.mark.slow
def test_anes96_is_real_and_unweighted(tmp_path: Path) -> None:
    assert main(["--study", "anes96", "--output", str(tmp_path / "out")]) == 0
    page = text_of(tmp_path / "out")
    assert "Real respondents. American National Election Studies" in page
    assert "ynthetic" not in page
    assert "The ordinal regression gives 5 of the 6 values that a textbook prints" in page
    assert "The respondents are not weighted" in page
    assert not (tmp_path / "out" / "figures" / "weights.svg").exists()
    population = "respondents of the 1996 study who answered every item and expected to vote for Clinton or Dole"
    assert page.count(population) >= 3  # facts, first-page notice, Limits
    assert "mericans of voting age" not in page
    assert "treat the respondents as a simple random sample, which the study was not" in page
    assert "Sample generation and recruitment Not stated in the source." in page
    # The interval of a difference that can be told from zero is not printed as if it began there.
    assert not re.search(r"(difference|interval) 0\.0 to ", page)


@pytest.mark.slow
def test_a_second_build_in_another_folder_has_the_same_bytes(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "somewhere else"
    assert main(["--study", "social_credit", "--output", str(other)]) == 0
    files = sorted(path.relative_to(built) for path in built.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert [str(name) for name in files if (built / name).read_bytes() != (other / name).read_bytes()] == []


@pytest.mark.parametrize("only", ["figures", "tables"])
@pytest.mark.slow
def test_figures_or_tables_alone(only: str, tmp_path: Path) -> None:
    assert main(["--study", "anes96", "--output", str(tmp_path / "out"), "--only", only]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {only}


@pytest.mark.slow
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
    assert "row 5 (respondent r4, line 6), approval = '9'" in said
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
    other = Path(__file__).resolve().parents[2] / "data" / "anes96"
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
    assert tests["by"].tolist() == list(study.settings.tables.banner)
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


@pytest.mark.slow
def test_the_unweighted_model_is_at_its_maximum(study: Study, built: Path, computed: list[Numbers]) -> None:
    (numbers,) = computed
    assert numbers.comparison.model is not None
    theirs = numbers.comparison.model.set_index("term")["estimate_unweighted"]
    ours = ordinal(study.settings.formula, Design(study.design.frame, weight=None)).slopes
    assert len(theirs) == len(ours)
    np.testing.assert_allclose(theirs.to_numpy(), ours[theirs.index].to_numpy(), atol=SAME_FIT)


def test_a_suppressed_row_is_blank_in_every_number_that_would_give_it_away() -> None:
    frame = pd.DataFrame({"level": ["a", "b"], "estimate": [0.1, 0.9], "count": [1, 99], "n": [100, 100]})
    found = suppressed(frame.assign(shown=[False, True]))
    assert pd.isna(found["estimate"]).tolist() == [True, False]
    assert pd.isna(found["count"]).tolist() == [True, False]
    assert found["n"].tolist() == [100, 100]


@pytest.mark.slow
def test_nothing_is_claimed_about_recruitment(words: str, tmp_path: Path) -> None:
    assert "volunteer" not in words
    assert "how people were recruited is not stated" in words


@pytest.mark.slow
def test_the_title_and_the_findings_say_synthetic(built: Path, words: str) -> None:
    page = (built / "report.html").read_text(encoding="utf-8")
    assert re.search(r"<title>[^<]*\(synthetic data\)</title>", page)
    assert re.search(r"<h1>[^<]*\(synthetic data\)</h1>", page)
    assert "Findings All of this holds for the synthetic records only." in words
    captions = re.findall(r"<b>Figure \d+\.</b> ([^<]*)</figcaption>", page)
    assert all(c.startswith("Synthetic data.") or c.startswith("Followers on Weibo") for c in captions)
    assert len(captions) >= 9


@pytest.mark.slow
def test_every_table_says_what_the_data_are_and_what_its_columns_hold(built: Path) -> None:
    page = (built / "tables" / "README.md").read_text(encoding="utf-8")
    for path in (built / "tables").glob("*.csv"):
        frame = pd.read_csv(path)
        assert frame.columns[0] == "data"
        assert set(frame["data"]) == {"synthetic"}
        assert all(f"| `{name}` | " in page for name in frame.columns), path.name


def test_a_column_that_nothing_describes_is_refused() -> None:
    with pytest.raises(SurveyError, match=r"it has no 'odd' of mine\. Add it"):
        column_page({"mine": pd.DataFrame({"odd": [1]})})


@pytest.mark.slow
def test_weak_sources_stand_apart_and_remarks_are_shown(words: str) -> None:
    panel = words.index("From a weak source, reported only")
    assert words.index("paraphrased copy of a Chinese news report") > panel
    assert "MERICS says half" in words[:panel]
    assert "MERICS says more than 80, which is not met here" in words[:panel]


def own_codebook(folder: Path, **changes: Any) -> Path:
    book = Codebook.from_yaml(Path(__file__).resolve().parents[2] / "data" / "social_credit" / "codebook.yaml")
    path = folder / "codebook.yaml"
    replace(book, **({"data_kind": "real"} | changes)).to_yaml(path)
    return path


@pytest.mark.parametrize("name", ["w", "weight", "wt", "WGT_final", "weights", "ponderacion", "pond", "poids"])
def test_weights_that_nothing_uses_are_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own_file(tmp_path)
    pd.read_csv(path, dtype=str).assign(**{name: "1.5"}).to_csv(path, index=False)
    assert main(["--data", str(path), "--output", str(tmp_path / "out"), "--only", "tables"]) == 2
    said = capsys.readouterr().err
    assert f"its column '{name}' looks like weights" in said
    assert "under `weight:` in a codebook and pass CODEBOOK=, or remove the column" in said


def test_weights_that_the_codebook_names_are_used(tmp_path: Path) -> None:
    path = own_file(tmp_path)
    pd.read_csv(path, dtype=str).assign(w="1.5").to_csv(path, index=False)
    found = read_study("social_credit", path, own_codebook(tmp_path, weight="w"))
    assert found.design.weights.tolist() == [1.5] * found.design.n
    assert found.unused == ()


@pytest.mark.slow
def test_other_columns_are_named_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = own_file(tmp_path)
    pd.read_csv(path, dtype=str).assign(interviewer="a", town="b").to_csv(path, index=False)
    assert read_study("social_credit", path).unused == ("interviewer", "town")
    assert main(["--data", str(path), "--output", str(tmp_path / "out")]) == 0
    assert "Not used, because the codebook does not know them: interviewer, town." in capsys.readouterr().err
    page = text_of(tmp_path / "out")
    assert "Columns not used , because the codebook does not know them: interviewer" in page
    assert "If they are not those of your population, copy data/social_credit/margins.yaml" in page
    assert "Approval of social credit systems: wave2.csv" in page
    assert "population not stated" in page
    assert "Background" not in page
    assert page.count("Not stated; for you to fill in.") == 11
    assert "If your sample is not a random sample" in page
    assert "recruited is not stated" not in page


@pytest.mark.slow
def test_margins_and_disclosure_beside_the_codebook_take_the_place_of_the_studys(tmp_path: Path) -> None:
    path, book = own_file(tmp_path), own_codebook(tmp_path, population="readers of a magazine")
    (tmp_path / "margins.yaml").write_text("gender: {Male: 0.5, Female: 0.5}", encoding="utf-8")
    (tmp_path / "disclosure.yaml").write_text("items: [{title: Mode and language, value: By post.}]", encoding="utf-8")
    assert main(["--data", str(path), "--codebook", str(book), "--output", str(tmp_path / "out")]) == 0
    page = text_of(tmp_path / "out")
    assert "Targets: margins.yaml beside the codebook." in page
    assert "readers of a magazine" in page
    assert "By post." in page
    (tmp_path / "disclosure.yaml").write_text("items: 3", encoding="utf-8")
    assert main(["--data", str(path), "--codebook", str(book), "--output", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize(
    ("column", "kept", "message"),
    [
        ("approval", ["5"], "(Approval of social credit systems) must have at least two different answers"),
        ("region", ["1", "2", "3"], "must fit the weighting targets of data/social_credit/margins.yaml"),
    ],
)
def test_a_file_without_some_answers_is_refused_with_the_way_out(
    column: str, kept: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = own_file(tmp_path)
    frame = pd.read_csv(path, dtype=str)
    frame[frame[column].isin(kept)].to_csv(path, index=False)
    assert main(["--data", str(path), "--output", str(tmp_path / "out"), "--only", "tables"]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_one_group_has_no_difference_and_no_rank_test(tmp_path: Path) -> None:
    path = own_file(tmp_path)
    frame = pd.read_csv(path, dtype=str)
    frame[frame["income"] == "3"].to_csv(path, index=False)
    assert main(["--data", str(path), "--output", str(tmp_path / "out"), "--only", "tables"]) == 0
    contrasts = pd.read_csv(tmp_path / "out" / "tables" / "contrasts.csv").set_index("variable")
    assert contrasts["estimate"].isna()["income"]
    assert not contrasts.loc["income", "shown"]
    tests = pd.read_csv(tmp_path / "out" / "tables" / "rank_tests.csv").set_index("variable")
    assert tests.loc["income", "test"] == "[z]"


def contrast(**changes: Any) -> pd.DataFrame:
    row = {"variable": "income", "estimate": 0.2, "conf_low": 0.1, "conf_high": 0.3, "p_value_all_groups": 0.001}
    return pd.DataFrame([row | {"steps": "rising", "shown": True} | changes])


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({}, "Approval rises with income"),
        ({"estimate": -0.2, "conf_low": -0.3, "conf_high": -0.1, "steps": "falling"}, "Approval falls with income"),
        ({"steps": "mixed"}, "Approval is higher at the top of income"),
        ({"p_value_all_groups": 0.2}, "Approval is higher at the top of income"),
        ({"conf_low": -0.1}, "Approval differs by income"),
        ({"conf_low": -0.1, "p_value_all_groups": 0.2}, "Approval: no group differs detectably"),
    ],
)
def test_a_title_says_rises_only_of_every_step(study: Study, changes: dict[str, Any], title: str) -> None:
    assert finding_title(study, contrast(**changes)) == title


def test_a_direction_needs_the_interval_and_the_test_of_the_term() -> None:
    assert agree(0.1, 0.3, 0.01)
    assert agree(-0.1, 0.3, 0.2)
    assert not agree(0.0001, 0.196, 0.051)


def test_an_answer_has_one_colour_in_every_figure(study: Study) -> None:
    nets = dict(zip(rows_of(study.outcome), colours_of(study, rows_of(study.outcome)), strict=True))
    answers = dict(zip(study.outcome.labels, colours_of(study, study.outcome.labels), strict=True))
    neither = "Neither approve nor disapprove"
    assert nets[neither] == answers[neither] == DIVERGING[2]
    assert nets["Disapprove"] == answers["Somewhat disapprove"]
    assert nets["Approve"] == answers["Somewhat approve"]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.slow
def test_a_small_file_of_ones_own_has_a_report(tmp_path: Path, seed: int) -> None:
    """Where answers are too few for a test the report goes on: 500 of the respondents leave cells empty."""
    people = pd.read_csv(read_study("social_credit").folder / "respondents.csv", dtype=str, keep_default_na=False)
    path = tmp_path / "few.csv"
    people.sample(500, random_state=seed).to_csv(path, index=False)
    out = tmp_path / "out"
    assert main(["--study", "social_credit", "--data", str(path), "--output", str(out)]) == 0
    text = text_of(out)
    assert "What the differences go along with" in text or "could not be fitted" in text
    assert ">banner<" not in (out / "report.html").read_text(encoding="utf-8")
