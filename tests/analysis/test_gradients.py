"""The report's models with more predictors: what is fitted, what is said, and what happens where it cannot be."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

import survey
from analysis.report.gradients import Gradients, gradients, split
from analysis.report.model_results import with_more_predictors
from analysis.study import Study, read_study

USE = {"item": "use", "answer": "Yes", "by": "gain", "levels": {"No": "none", "Yes, No": "idle", "Yes, Yes": "gain"}}


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study("social_credit")


@pytest.fixture(scope="module")
def found(study: Study) -> Gradients:
    made, reason = gradients(study)
    assert made is not None
    assert reason is None
    return made


def test_an_answer_is_divided_by_a_further_question() -> None:
    frame = pd.DataFrame({"use": ["No", "Yes", "Yes", "Yes", None], "gain": [None, "No", "Yes", None, "Yes"]})
    made = split(survey.Design(frame), "both", USE).frame["both"]
    assert made.astype(object).where(made.notna(), None).tolist() == ["none", "idle", "gain", None, None]
    assert made.cat.categories.tolist() == ["none", "idle", "gain"]


def test_models_add_what_the_settings_name(study: Study, found: Gradients) -> None:
    steps = study.settings.gradients["steps"]
    assert found.comparison.names == tuple(steps)
    added: list[str] = []
    for fit, names in zip(found.comparison.fits, steps.values(), strict=True):
        added += names
        assert fit.formula == " + ".join([study.settings.formula, *added])
    assert added[0] == "use_and_benefits"
    assert set(added[2:]) == set(study.settings.battery["items"])


def test_changes_are_differences_of_effects_with_their_own_standard_error(found: Gradients) -> None:
    effects, changes = found.last_groups(found.effects), found.last_groups(found.changes)
    assert len(effects) == 16
    assert len(changes) == 12
    wide = effects.pivot_table(index="term", columns="model", values=["estimate", "std_error"])
    last = found.comparison.names[-1]
    for row in changes[changes["model"] == last].itertuples():
        first, then = (wide["estimate"][name][row.term] for name in (found.comparison.names[0], last))
        assert row.estimate == pytest.approx(then - first, abs=1e-12)
        apart = [wide["std_error"][name][row.term] for name in (found.comparison.names[0], last)]
        assert row.std_error < 0.5 * (apart[0] ** 2 + apart[1] ** 2) ** 0.5


def test_what_the_page_says_of_a_change(study: Study, found: Gradients) -> None:
    numbers = cast(
        Any, SimpleNamespace(models=SimpleNamespace(gradients=found))
    )  # the rest of the report has no part in it
    made = with_more_predictors(study, numbers)
    assert made is not None
    assert made["n"] + made["dropped"] == study.design.n
    by_label = {row["label"]: row for row in made["predictors"]}
    urban = by_label["Residence"]
    assert urban["shrinks"]
    assert urban["change"]["estimate"] == pytest.approx(urban["after"]["estimate"] - urban["before"]["estimate"])
    assert urban["agree"] == ((urban["change"]["conf_high"] < 0) == (urban["test"]["p_value"] < 0.05))
    assert len(made["table"]["rows"]) == 16
    assert len({row[0] for row in made["table"]["rows"]}) == 4


def test_a_model_that_cannot_be_fitted_has_a_reason(study: Study) -> None:
    frame = study.design.frame
    lone = frame["fairness"].where(frame["approval"] != "Strongly disapprove", "Strongly disagree")
    alone = lone.where((frame["approval"] == "Strongly disapprove") | (lone != "Strongly disagree"))
    separated = replace(study, design=study.design.with_columns(fairness=alone))
    made, reason = gradients(separated)
    assert made is None
    assert reason is not None
    assert "separate" in reason
    assert "`" not in reason


def test_other_studies_have_none() -> None:
    assert gradients(read_study("anes96")) == (None, None)
