"""Publication tables: what is printed is what the models have, in HTML, LaTeX and Word."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.errors import EstimationError, SurveyError
from survey.printing import MINUS, number
from survey.tables.pandoc import pandoc, program
from survey.tabulation.publication import latex, publication_table
from survey.tidy import RESULT_COLUMNS, TEST_COLUMNS
from tests.models.test_ordinal import respondents


def design() -> survey.Design:
    return survey.Design(respondents(), weight="w", psu="psu")


@cache
def fit(formula: str = "approval ~ income", **options: Any) -> survey.OrdinalFit:
    return survey.ordinal(formula, design(), **options)


def two() -> dict[str, survey.OrdinalFit]:
    return {"Model 1": fit(), "Model 2": fit("approval ~ income + urban + age")}


def cell(table: survey.PublicationTable, block: str, label: str, model: str) -> str:
    layout = table.layout
    return str(layout.loc[(layout["block"] == block) & (layout["label"] == label), model].item())


# Layout -----------------------------------------------------------------------------------------------------


def test_models_with_different_terms_stand_side_by_side() -> None:
    table = publication_table(two(), labels={"income": "Household income"})
    assert table.models == ("Model 1", "Model 2")
    blocks = list(dict.fromkeys(table.layout["block"]))
    assert blocks == ["Household income (reference: low)", "urban (reference: rural)", "age", "Thresholds", "Model"]
    slope, error = two()["Model 2"].slopes["age"], two()["Model 2"].bse["age"]
    assert cell(table, "age", "per unit", "Model 2") == f"{slope:.3f}\n({error:.3f})"
    assert cell(table, "age", "per unit", "Model 1") == ""
    first = fit().params["disapprove|neither"]
    assert cell(table, "Thresholds", "disapprove|neither", "Model 1").startswith(f"{MINUS}{-first:.3f}\n(")
    assert cell(table, "Model", "Respondents (n)", "Model 1") == "600"
    assert cell(table, "Model", "Design df", "Model 1") == "29"
    assert cell(table, "Model", "Log pseudo-likelihood", "Model 1") == number(fit().log_likelihood, 3)
    assert "*" not in "".join(table.layout["Model 2"])
    assert table.notes[0] == "Cumulative logit models: a positive slope goes with higher answers of approval."
    assert table.notes[1].startswith("Standard errors in parentheses, from the design-based covariance")


def test_the_tidy_frame_keeps_full_precision() -> None:
    frame = publication_table(two(), digits=1).tidy()
    for name, own in two().items():
        theirs = frame[frame["model"] == name].drop(columns="model").reset_index(drop=True)
        pd.testing.assert_frame_equal(theirs, own.tidy())


def test_stars_are_asked_for_and_explained() -> None:
    table = publication_table(two(), stars=True)
    p_values = fit().pvalues
    for term, label in (("income[T.middle]", "middle"), ("income[T.high]", "high")):
        marks = "*" * sum(p_values[term] < limit for limit in (0.05, 0.01, 0.001))
        first = cell(table, "income (reference: low)", label, "Model 1").split("\n")[0]
        assert first == f"{fit().slopes[term]:.3f}{marks}"
    assert table.notes[-1] == "* p < 0.05, ** p < 0.01, *** p < 0.001."


def test_odds_ratios_have_intervals_and_no_thresholds() -> None:
    table = publication_table(two(), exponentiate=True, level=0.9, digits=2)
    assert "Thresholds" not in set(table.layout["block"])
    frame = fit().tidy(exponentiate=True, level=0.9).set_index("term")
    row = frame.loc["income[T.high]"]
    expected = f"{row['estimate']:.2f}\n[{row['conf_low']:.2f}, {row['conf_high']:.2f}]"
    assert cell(table, "income (reference: low)", "high", "Model 1") == expected
    assert any("90% confidence intervals in brackets" in note for note in table.notes)


def test_every_part_of_a_model_has_its_block() -> None:
    whole = fit("approval ~ income * urban", nominal="~ age", scale="~ urban")
    layout = publication_table({"Partial": whole}, labels={"income": "Income", "age": "Age"}).layout
    blocks = list(dict.fromkeys(layout["block"]))
    assert blocks == [
        "Income (reference: low)",
        "urban (reference: rural)",
        "Income × urban",
        "Age, by threshold",
        "urban (reference: rural), on the log scale",
        "Thresholds",
        "Model",
    ]
    assert list(layout["label"][layout["block"] == "Age, by threshold"]) == list(whole.thresholds.index)
    assert len(layout) == len(whole.params) + 3


def test_models_of_other_links_and_outcomes_say_so() -> None:
    frame = respondents()
    frame["support"] = pd.Categorical(
        np.where(frame["approval"].cat.codes > 1, "yes", "no"), ["no", "yes"], ordered=True
    )
    binary = survey.ordinal("support ~ income", survey.Design(frame, weight="w", psu="psu"), link="probit")
    table = publication_table({"A": fit(), "B": binary})
    assert cell(table, "Model", "Outcome", "B") == "support"
    assert cell(table, "Model", "Link", "A") == "logit"
    assert table.notes[0] == "Cumulative models: a positive slope goes with higher answers."
    assert cell(table, "Thresholds", "no|yes", "A") == ""


def test_average_effects_stand_side_by_side() -> None:
    models = {name: survey.average_effects(own, "income") for name, own in two().items()}
    table = publication_table(models, labels={"income": "Income"}, stars=True, beside="interval")
    effect = models["Model 1"].tidy().iloc[-1]
    text = cell(table, "Income: high - low", "strongly approve", "Model 1")
    assert text == f"{effect['estimate']:.3f}***\n[{effect['conf_low']:.3f}, {effect['conf_high']:.3f}]"
    assert "Log pseudo-likelihood" not in set(table.layout["label"])
    assert table.tidy()["model"].value_counts().to_dict() == {"Model 1": 8, "Model 2": 8}


def test_means_stand_side_by_side() -> None:
    table = publication_table({"All": survey.mean(design(), ["age", "w"]), "Age": survey.mean(design(), "age")})
    assert list(table.layout["label"][:2]) == ["age", "w"]
    grouped = publication_table({"By": survey.mean(design(), "age", by="urban")})
    assert list(grouped.layout["label"][:2]) == ["rural", "urban"]


def test_pooled_models_say_so() -> None:
    pooled = survey.pool([fit(), fit()])
    table = publication_table({"Complete": fit(), "Pooled": pooled})
    assert cell(table, "Model", "Imputations", "Pooled") == "2"
    assert cell(table, "Model", "Log pseudo-likelihood", "Pooled") == ""
    assert any(note.startswith("Pooled: Pooled over 2 imputations by Rubin's rules") for note in table.notes)
    effects = survey.pool([survey.average_effects(fit(), "income")] * 2)
    assert publication_table({"Pooled": effects}).layout["Pooled"].iloc[-1] == "2"


def test_columns_of_a_polynomial_have_rows() -> None:
    layout = publication_table({"A": fit("approval ~ poly(age, degree=2) + urban")}).layout
    assert len(layout[layout["block"] != "Model"]) == 2 + 1 + 3


# Formats ----------------------------------------------------------------------------------------------------


def test_great_tables() -> None:
    table = publication_table({"A & B": fit(), "C": fit("approval ~ age")}, stars=True)
    text = table.to_gt(title="Approval").as_raw_html()
    assert "A &amp; B" in text
    assert "<small>(0." in text
    assert "p &lt; 0.05" in text or "p < 0.05" in text
    assert text == table.to_gt(title="Approval").as_raw_html()


def test_latex_is_escaped_and_reads_back() -> None:
    frame = respondents().rename(columns={"income": "house_income"})
    frame["house_income"] = frame["house_income"].cat.rename_categories({"high": "50% & more", "low": "#1 {$}"})
    own = survey.ordinal("approval ~ house_income", survey.Design(frame, weight="w", psu="psu"))
    table = publication_table({"Model_1": own, "Two": fit("approval ~ age")}, stars=True)
    text = table.to_latex(title="Approval & more", label="tab:approval")
    assert r"\caption{Approval \& more}" in text
    assert r"\label{tab:approval}" in text
    assert r"Model\_1" in text
    assert r"50\% \& more" in text
    assert r"house\_income (reference: \#1 \{\$\})" in text
    assert "disapprove$|$neither" in text
    assert r"\textsuperscript{***}" in text
    assert MINUS not in text
    assert [text.count(rule) for rule in (r"\toprule", r"\bottomrule", r"\midrule")] == [1, 1, 4]
    assert r"\\ *" not in text  # a line break takes a following star for its own
    read = pandoc(text, "--from=latex", "--to=html", "--wrap=none", argument="text")
    assert "50% &amp; more" in read
    assert "#1 {$}" in read
    assert all(
        row.count("&") == 2 for row in re.findall(r"^(?:\\hspace|&).*\\\\$", text.replace(r"\&", ""), re.MULTILINE)
    )
    assert text == table.to_latex(title="Approval & more", label="tab:approval")


def test_every_special_character_of_latex() -> None:
    assert latex(r"\~^<>|&%$#_{}") == (
        r"\textbackslash{}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}$|$\&\%\$\#\_\{\}"
    )
    assert latex(f"{MINUS}1 × 2–3") == r"$-$1 $\times$ 2--3"


def test_word(tmp_path: Path) -> None:
    table = publication_table({"A <b>": fit(), "C": fit("approval ~ age")})
    one, other = tmp_path / "one.docx", tmp_path / "other.docx"
    table.to_docx(one, title="Approval <i>")
    table.to_docx(other, title="Approval <i>")
    assert one.read_bytes() == other.read_bytes()
    command = [str(program("to_docx")), "--from=docx", "--to=plain", "--columns=200", str(one)]
    text = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    for wanted in ("A <b>", "income (reference: low)", "Thresholds", "Approval <i>", "Standard errors in parentheses"):
        assert wanted in text
    assert f"{fit().slopes['income[T.high]']:.3f}" in text


# Every result -----------------------------------------------------------------------------------------------


def results() -> dict[str, Any]:
    own, whole = design(), fit("approval ~ income + urban + age")
    return {
        "Estimate": survey.mean(own, "age", by="urban"),
        "average_effects": survey.average_effects(whole, "income", by="urban"),
        "predicted_probabilities": survey.predicted_probabilities(whole, {"age": [20, 60]}),
        "contrast": survey.mean(own, "age", by="urban").contrast({"urban": 1, "rural": -1}),
        "topline": survey.topline(own, "approval"),
        "crosstab": survey.crosstab(own, "approval", "income"),
        "Banner": survey.banner(own, items=["approval"], by=["income", "urban"]),
        "TestResult": whole.term_test("income"),
        "parallel_lines_test": whole.parallel_lines_test(),
        "t_test": survey.t_test(own, "age", by="urban"),
        "OrdinalFit": whole,
        "PooledFit": survey.pool([whole, whole]),
        "PooledEstimate": survey.pool([survey.mean(own, "age")] * 2),
        "PublicationTable": publication_table({"A": whole}),
    }


@pytest.mark.parametrize("name", list(results()))
def test_every_result_has_a_tidy_frame_in_the_words_of_the_glossary(name: str) -> None:
    frame = results()[name].tidy()
    columns = [str(column) for column in frame.columns]
    assert len(frame) > 0
    assert isinstance(frame.index, pd.RangeIndex)
    own = columns[columns.index("term") :]  # columns of groups come before
    assert [column for column in own if column not in RESULT_COLUMNS and column not in TEST_COLUMNS] == []
    order = [*RESULT_COLUMNS]
    known = [column for column in own if column in RESULT_COLUMNS]
    assert known == sorted(known, key=order.index)


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"models": {}}, "`models` must be a mapping such as .* it has no model"),
        ({"models": [1]}, "`models` must be a mapping"),
        ({"models": {"label": fit()}}, "names apart from each other, and from 'block' and 'label'; got .'label'"),
        ({"models": {1: fit(), "1": fit()}}, "names apart from each other"),
        ({"models": {"A": 1}}, "must be fits of `ordinal` or estimates, also pooled ones; 'A' is a int"),
        ({"models": {"A": fit(), "B": survey.mean(design(), "age")}}, "all fits or all estimates.*A are fits"),
        (
            {"models": {"B": survey.mean(design(), "age")}, "exponentiate": True},
            "odds ratios of fits; `models` are est",
        ),
        ({"models": {"A": fit()}, "beside": "p"}, '`beside` must be "std_error" or "interval"'),
        ({"models": {"A": fit()}, "level": 95}, "`level` must lie between 0 and 1"),
        (
            {"models": {"B": survey.mean(design(), "age")}, "level": 0.9, "beside": "interval"},
            "`level` must be that of the estimates.*'B' has 0.95, not 0.9",
        ),
        ({"models": {"A": fit(link="probit")}, "exponentiate": True}, "`exponentiate` gives odds ratios, which only"),
    ],
)
def test_tables_that_cannot_be_made(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        publication_table(**arguments)


def test_estimates_with_one_name() -> None:
    twice = survey.mean(design(), "age", by="urban").contrast(np.array([[1.0, 0], [0, 1]]), names=["a", "a"])
    with pytest.raises(EstimationError, match="`models` must have each row once; Estimates / a occurs 2 times"):
        publication_table({"A": twice})


def test_word_needs_pandoc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypandoc", None)
    with pytest.raises(SurveyError, match=r"`to_docx` needs pandoc.*opinion-survey\[report\]"):
        publication_table({"A": fit()}).to_docx(tmp_path / "table.docx")


def test_what_pandoc_says_is_passed_on() -> None:
    with pytest.raises(SurveyError, match="`text` must become a document; pandoc said: Unknown input format"):
        pandoc("text", "--from=nothing", argument="text")


def test_pandoc_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pypandoc

    monkeypatch.setattr(pypandoc, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(pypandoc, "get_pandoc_path", lambda: "/opt/pandoc")
    assert program("text") == Path("/opt/pandoc")

    def none() -> str:
        raise OSError("No pandoc was found")

    monkeypatch.setattr(pypandoc, "get_pandoc_path", none)
    with pytest.raises(SurveyError, match="`text` needs pandoc, which was not found"):
        program("text")


def test_odds_ratios_say_so_in_the_notes_and_numbers_have_rows_of_their_own() -> None:
    table = publication_table(two(), exponentiate=True, labels={"age": "Age, in years", "approval": "approval of X"})
    assert table.notes[0] == "Cumulative logit models: an odds ratio above 1 goes with higher answers of approval of X."
    assert cell(table, "Per unit", "Age, in years", "Model 2").startswith(f"{np.exp(fit_two().slopes['age']):.3f}\n")
    assert set(table.tidy()["kind"]) == {"odds ratio"}


def fit_two() -> survey.OrdinalFit:
    return two()["Model 2"]


def test_notes_of_ones_own_stand_below_in_every_format(tmp_path: Path) -> None:
    table = publication_table(two()).with_notes("SYNTHETIC DATA.", "Source: a file.")
    assert table.notes[-2:] == ("SYNTHETIC DATA.", "Source: a file.")
    for text in (table.to_gt().as_raw_html(), table.to_latex(), table.to_html()):
        assert "SYNTHETIC DATA." in text


def test_word_documents_end_in_docx(tmp_path: Path) -> None:
    fit = survey.ordinal("approval ~ age", survey.Design(respondents(), weight="w"))
    with pytest.raises(EstimationError, match=r"`path` must end in .docx; got 'table.txt'. Rename it"):
        publication_table({"one": fit}).to_docx(tmp_path / "table.txt")
