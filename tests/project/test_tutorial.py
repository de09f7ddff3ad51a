"""The tutorial prints what its page shows, writes what it promises, and agrees with R."""

from __future__ import annotations

import re
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.tabulation.publication import latex_number
from tests.documents import ROOT, Run, blocks_in, python_blocks, rewritten, run, working_copy

TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = python_blocks(TUTORIAL)
WRITTEN = Path("build") / "tutorial"

EXACT = 1e-8  # R computes these in closed form, or by Newton to a zero score
RAKED = 1e-8  # both rake until no margin is off by more than 1e-10 of the total
BINARY_STOPS = 1e-6  # svyglm stops at a relative change of the deviance of 1e-8
SVYOLR_STOPS = 1e-3  # svyolr and polr stop at a relative change of the deviance of 1e-8, before the score is zero
SVYOLR_ERRORS = 1e-4  # and take the Hessian by finite differences


@dataclass(frozen=True, slots=True)
class Executed:
    """The tutorial after its run, and the folder that it ran in."""

    run: Run
    folder: Path

    def __getitem__(self, name: str) -> Any:
        """What the tutorial calls by a name."""
        return self.run.names[name]

    @property
    def written(self) -> Path:
        """Folder of the files that the tutorial writes."""
        return self.folder / WRITTEN


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    folder = working_copy(tmp_path_factory.mktemp("tutorial"))
    return Executed(run(BLOCKS, folder, "tutorial.md"), folder)


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=[f"line {block.line}" for block in BLOCKS])
def test_each_block_prints_what_the_page_shows(tutorial: Executed, number: int) -> None:
    assert tutorial.run.printed[number] == BLOCKS[number].printed


def test_rewriting_the_page_changes_nothing(tutorial: Executed) -> None:
    assert rewritten(TUTORIAL, tutorial.run.printed) == TUTORIAL


def test_rewriting_puts_what_was_printed_in_place_of_what_stood_there() -> None:
    page = "```python\nprint(1)\n```\n\n```text\n2\n```\n\nText.\n\n```python\nx = 1\n```\n"
    assert rewritten(page, ["1\n", ""]) == page.replace("\n2\n", "\n1\n")
    without = page.replace("\n```text\n2\n```\n", "")
    assert rewritten(without, ["1\n", ""]) == page.replace("\n2\n", "\n1\n")


def test_the_page_has_all_three_languages_in_every_step() -> None:
    steps = re.split(r"(?m)^## (?=\d+\. )", TUTORIAL)[1:]
    assert len(steps) == 10
    for step in steps:
        for language in ("python", "r", "stata"):
            assert blocks_in(step, language), (language, step.splitlines()[0])


def test_the_page_says_what_is_synthetic_and_what_was_not_executed() -> None:
    introduction = TUTORIAL.partition("## 1.")[0]
    assert "The respondents of steps 1 to 9 are synthetic." in introduction
    assert "**was not executed**" in introduction
    assert survey.Codebook.from_yaml(ROOT / "data/social_credit/codebook.yaml").data_kind == "synthetic"


def test_no_line_of_text_or_code_is_too_long_to_read() -> None:
    without_output = re.sub(r"(?ms)^```text\n.*?^```$", "", TUTORIAL)
    assert [line for line in without_output.splitlines() if len(line) > 120] == []


def test_five_answers_have_too_few_people_below_the_first_division(tutorial: Executed) -> None:
    fit = survey.ordinal("approval ~ education + urbanity + age10 + income", tutorial["stated"])
    assert re.search(r"Only \d+ respondents lie on one side of Strongly", survey.parallel_lines_test(fit).note)


def odds_ratios(tutorial: Executed) -> list[str]:
    """Odds ratios of the larger model as the table prints them."""
    return [f"{ratio:.2f}" for ratio in np.exp(tutorial["model2"].slopes)]


def test_the_html_table_has_the_odds_ratios_and_says_synthetic(tutorial: Executed) -> None:
    page = (tutorial.written / "odds.html").read_text(encoding="utf-8")
    assert "SYNTHETIC respondents" in page
    for ratio in odds_ratios(tutorial):
        assert f">{ratio}<br>" in page


def test_the_latex_table_has_the_odds_ratios_and_says_synthetic(tutorial: Executed) -> None:
    source = (tutorial.written / "odds.tex").read_text(encoding="utf-8")
    assert r"\caption{" in source
    assert "SYNTHETIC respondents" in source
    for ratio in odds_ratios(tutorial):
        assert f"& {latex_number(ratio)} \\\\" in source


def test_the_word_table_has_the_odds_ratios_and_says_synthetic(tutorial: Executed) -> None:
    with zipfile.ZipFile(tutorial.written / "odds.docx") as document:
        text = re.sub(r"<[^>]+>", " ", document.read("word/document.xml").decode("utf-8"))
    assert "SYNTHETIC respondents" in re.sub(r"\s+", " ", text)
    for ratio in odds_ratios(tutorial):
        assert ratio in text


def test_the_workbook_has_the_crosstab(tutorial: Executed) -> None:
    sheets = pd.read_excel(tutorial.written / "approval_by_education.xlsx", sheet_name=None, header=None)
    cells = {str(cell) for sheet in sheets.values() for cell in sheet.to_numpy().ravel()}
    assert {"Bachelor or more", "Strongly approve"} <= cells


def test_the_figure_exists_twice_and_its_caption_says_synthetic(tutorial: Executed) -> None:
    from matplotlib.text import Text

    texts = [text.get_text() for text in tutorial["axes"].figure.findobj(Text)]
    assert any("SYNTHETIC DATA" in text for text in texts)
    assert tutorial["alt"].startswith("Synthetic data. ")
    for effect in tutorial["approve"]["estimate"]:
        assert any(text.startswith(f"{100 * effect:+.1f} (") for text in texts), effect
    svg = (tutorial.written / "effects.svg").read_text(encoding="utf-8")
    assert tutorial["alt"] in svg
    assert (tutorial.written / "effects.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (tutorial.written / "effects.png").stat().st_size > 10_000


# What R made of the page's code, in the names that the page gives it.
R_RESULTS = """
found <- list()
put <- function(step, row, estimate, std_error = NA)
  found[[length(found) + 1]] <<- data.frame(step, row, estimate = as.vector(estimate), std_error = as.vector(std_error))
put_fit <- function(step, fit) put(step, names(coef(fit)), coef(fit), sqrt(diag(vcov(fit))))
put_test <- function(step, F, df1, df2) put(step, c("F", "df1", "df2"), c(F, df1, df2))
put("weights", c("min", "max", "kish"), c(range(w), kish))
put("topline", levels(people$approval), coef(topline), SE(topline))
interval <- attr(svyciprop(~approve, raked, method = "beta"), "ci")
put("interval", c("low", "high"), interval)
put("crosstab", levels(people$education), coef(by_education), SE(by_education))
put_test("rao-scott", rao_scott$statistic, rao_scott$parameter[1], rao_scott$parameter[2])
put_fit("model1", model1)
put_fit("model2", model2)
put("odds", rownames(odds(model2)), odds(model2)[, "OR"])
put("odds low", rownames(odds(model2)), odds(model2)[, "low"])
for (term in c("education", "income")) {
  test <- regTermTest(model2, term, df = degf(stated))
  put_test(term, test$Ftest, test$df, test$ddf)
}
for (i in 1:2) put("parallel slopes", i, coef(above[[i]])["income10"], SE(above[[i]])["income10"])
put_fit("partial", partial)
put("effect", 1, effect["estimate"], effect["std_error"])
put("profile", 1, profile["estimate"], profile["std_error"])
put("effects drawn", colnames(drawn), drawn["estimate", ], drawn["std_error", ])
put("gvif", 1, gvif)
put("linearized", as.character(linearized$agecat), coef(linearized), SE(linearized))
put("replicated", as.character(replicated$agecat), coef(replicated), SE(replicated))
put("group", 1, coef(group), SE(group))
found <- do.call(rbind, found)
for (name in c("estimate", "std_error")) found[[name]] <- sprintf("%.17g", found[[name]])
write.csv(found, "found.csv", row.names = FALSE)
"""


Found = dict[str, tuple[np.ndarray, np.ndarray]]


@pytest.fixture(scope="module")
def in_r(tutorial: Executed) -> Found:
    """Estimates and standard errors by step, from the page's R blocks run in order in the folder of the tutorial."""
    script = tutorial.folder / "tutorial.R"
    script.write_text("\n".join([*blocks_in(TUTORIAL, "r"), R_RESULTS]), encoding="utf-8")
    made = subprocess.run(
        ["Rscript", "--vanilla", script.name], cwd=tutorial.folder, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    table = pd.read_csv(tutorial.folder / "found.csv", na_values=["NA", "NaN"])
    return {
        str(step): (rows["estimate"].to_numpy(float), rows["std_error"].to_numpy(float))
        for step, rows in table.groupby("step", sort=False)
    }


@pytest.mark.slow
@pytest.mark.needs_r
def test_r_rakes_to_the_same_weights(tutorial: Executed, in_r: Found) -> None:
    weights = survey.weight_summary(tutorial["raked"])
    np.testing.assert_allclose(weights[["min", "max", "deff_kish"]].to_numpy()[0], in_r["weights"][0], rtol=RAKED)


@pytest.mark.needs_r
def test_r_has_the_same_topline_crosstab_and_test(tutorial: Executed, in_r: Found) -> None:
    topline = tutorial["topline"].tidy().set_index("level")
    answers = topline[topline["kind"] == "level"]
    np.testing.assert_allclose(answers["estimate"], in_r["topline"][0], rtol=RAKED)
    np.testing.assert_allclose(answers["std_error"], in_r["topline"][1], rtol=RAKED)
    approve = topline.loc["Approve", ["conf_low", "conf_high"]].astype(float)
    np.testing.assert_allclose(approve, in_r["interval"][0], rtol=RAKED)
    table = tutorial["by_education"]
    crosstab = table.tidy().query("level == 'Approve'")
    np.testing.assert_allclose(crosstab["estimate"], in_r["crosstab"][0], rtol=RAKED)
    np.testing.assert_allclose(crosstab["std_error"], in_r["crosstab"][1], rtol=RAKED)
    test = table.test(df="design")
    np.testing.assert_allclose([test.statistic, test.df1, test.df2], in_r["rao-scott"][0], rtol=RAKED)


@pytest.mark.needs_r
@pytest.mark.parametrize("name", ["model1", "model2"])
def test_svyolr_has_the_same_models(tutorial: Executed, in_r: Found, name: str) -> None:
    model = tutorial[name]
    np.testing.assert_allclose(model.params, in_r[name][0], rtol=SVYOLR_STOPS)
    np.testing.assert_allclose(model.bse, in_r[name][1], rtol=SVYOLR_ERRORS)


@pytest.mark.needs_r
def test_r_has_the_same_odds_ratios(tutorial: Executed, in_r: Found) -> None:
    ours = tutorial["model2"].tidy(exponentiate=True)
    np.testing.assert_allclose(ours["estimate"], in_r["odds"][0], rtol=SVYOLR_STOPS)
    np.testing.assert_allclose(ours["conf_low"], in_r["odds low"][0], rtol=SVYOLR_STOPS)


@pytest.mark.needs_r
@pytest.mark.parametrize("term", ["education", "income"])
def test_r_has_the_same_wald_test_before_the_adjustment(tutorial: Executed, in_r: Found, term: str) -> None:
    ours = tutorial["model2"].term_test(term)
    statistic, df1, df2 = in_r[term][0]
    assert ours.wald_chisq is not None
    assert (ours.df1, ours.df2) == (df1, df2 - df1 + 1)
    np.testing.assert_allclose(ours.wald_chisq / df1, statistic, rtol=SVYOLR_STOPS)


@pytest.mark.needs_r
def test_svyglm_has_the_same_slope_at_each_division(tutorial: Executed, in_r: Found) -> None:
    ours = survey.parallel_slopes(tutorial["party"]).tidy().query("term == 'income10'")
    np.testing.assert_allclose(ours["estimate"], in_r["parallel slopes"][0], rtol=BINARY_STOPS)
    np.testing.assert_allclose(ours["std_error"], in_r["parallel slopes"][1], rtol=BINARY_STOPS)


@pytest.mark.needs_r
def test_clm_has_the_same_partial_proportional_odds(tutorial: Executed, in_r: Found) -> None:
    model = tutorial["partial"]
    p, t = len(model.slopes), len(model.thresholds)
    order = [*range(p, p + t), *range(p + t, len(model.params)), *range(p)]  # clm: thresholds, their effects, slopes
    np.testing.assert_allclose(model.params.to_numpy()[order], in_r["partial"][0], rtol=EXACT)
    errors = np.sqrt(np.diag(model.model_vcov))[order]
    np.testing.assert_allclose(errors, in_r["partial"][1], rtol=EXACT)


@pytest.mark.needs_r
def test_the_delta_method_in_r_has_the_same_effects(tutorial: Executed, in_r: Found) -> None:
    effects = tutorial["approve"].query("term == 'education'")
    profile = tutorial["predicted"].tail(1)
    for ours, step in ((effects, "effects drawn"), (effects.tail(1), "effect"), (profile, "profile")):
        np.testing.assert_allclose(ours["estimate"], in_r[step][0], rtol=SVYOLR_STOPS)
        np.testing.assert_allclose(ours["std_error"], in_r[step][1], rtol=SVYOLR_ERRORS)


@pytest.mark.needs_r
def test_r_has_the_same_inflation_factor(tutorial: Executed, in_r: Found) -> None:
    ours = survey.vif(tutorial["model2"]).query("term == 'education'")
    np.testing.assert_allclose(ours["gvif"], in_r["gvif"][0], rtol=SVYOLR_ERRORS)


@pytest.mark.needs_r
def test_r_has_the_same_linearized_and_jackknife_errors(tutorial: Executed, in_r: Found) -> None:
    ours = tutorial["both"]
    for step, column in (("linearized", "std_error"), ("replicated", "jackknife")):
        np.testing.assert_allclose(ours["estimate"], in_r[step][0], rtol=EXACT)
        np.testing.assert_allclose(ours[column], in_r[step][1], rtol=EXACT)


@pytest.mark.needs_r
def test_r_has_the_same_domain(tutorial: Executed, in_r: Found) -> None:
    ours = tutorial["group"].tidy()
    np.testing.assert_allclose(ours["estimate"], in_r["group"][0], rtol=EXACT)
    np.testing.assert_allclose(ours["std_error"], in_r["group"][1], rtol=EXACT)
