"""What printing a result shows: the result, not its arrays, and nothing that may not be shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import survey
from tests.models.test_ordinal import respondents


@pytest.fixture(scope="module")
def design() -> survey.Design:
    return survey.Design(respondents(), weight="w", psu="psu")


def test_a_design_says_who_was_sampled_and_how(design: survey.Design) -> None:
    start, weights = "Design of 600 respondents\n30 PSUs, 29 degrees of freedom\n", "weights 0.3 to 2.99, sum 966.2"
    assert repr(design) == start + weights
    raked = survey.rake(design, {"urban": {"rural": 0.4, "urban": 0.6}}).domain("urban == 'rural'")
    first, _, _, steps = repr(raked).splitlines()
    assert first == f"Design of {raked.n} respondents of 600, a domain"
    assert steps == "steps of weighting: rake (urban)"
    assert "30 JK1 replicates" in repr(survey.replicate(design, kind="JK1"))
    strata = survey.Design(respondents().assign(h=lambda f: f["psu"] % 3), weight="w", strata="h", psu="psu")
    assert "30 PSUs in 3 strata, 27 degrees of freedom" in repr(strata)
    assert "600 PSUs (each row its own)" in repr(survey.Design(respondents()))


def test_estimates_and_tests_print_what_they_found(design: survey.Design) -> None:
    found = survey.mean(design, "age", by="income")
    lines = repr(found).splitlines()
    assert lines[0] == "3 estimates, 95% intervals"
    assert lines[1].split() == ["income", "term", "estimate", "std_error", "df", "conf_low", "conf_high", "n"]
    assert f"{found.value[0]:.4g}" in lines[2]
    test = survey.crosstab(design, "approval", "income").test(df="design")
    assert f"= {test.statistic:.4g}, p = {test.p_value:.3g}\nDesign df 29" in repr(test)
    student = survey.t_test(design, "age", by="urban")
    assert f": {student.statistic:.4g} on 28 df, p = {student.p_value:.3g}" in repr(student)


def test_models_print_their_parameters_and_the_degrees_of_freedom(design: survey.Design) -> None:
    fit = survey.ordinal("approval ~ income", design)
    text = repr(fit)
    assert text.startswith("approval ~ income (logit link), 600 respondents\n")
    assert "income[T.high]" in text
    assert text.endswith(fit.note)
    parts = repr(fit.parallel_lines_test())
    assert "term statistic df1 df2 p_value" in " ".join(parts.split())
    models = {"one": "approval ~ income", "two": "approval ~ income + age"}
    both = repr(survey.compare_models(design, models, "income"))
    assert both.startswith("one: approval ~ income\ntwo: approval ~ income + age\n")
    pooled = survey.pool([fit, survey.ordinal("approval ~ income", design)])
    assert repr(pooled).startswith("Pooled over 2 imputations, logit link\n")


def test_a_share_that_may_not_be_shown_is_not_printed() -> None:
    frame = pd.DataFrame({"x": pd.Categorical(["a"] * 17 + ["b"] * 60 + ["c"] * 80), "g": ["p"] * 20 + ["q"] * 137})
    table = survey.crosstab(survey.Design(frame), "x", "g")
    hidden = table.tidy()
    hidden = hidden[~hidden["shown"]]
    assert len(hidden) > 0
    lines = repr(table).splitlines()
    for row in hidden.to_dict("records"):
        (line,) = [text for text in lines if text.split()[:3] == [row["g"], row["column_letter"], row["level"]]]
        assert line.split()[3:7] == ["[u]"] * 4
        assert f"{row['estimate']:.4g}" not in line.split()


def test_long_results_are_cut_and_say_so(design: survey.Design) -> None:
    frame = design.frame.assign(county=np.arange(600) % 40)
    found = survey.mean(survey.Design(frame), "age", by="county")
    lines = repr(found).splitlines()
    assert len(lines) == 33
    assert lines[-1] == "... and 10 rows more; tidy() has all of them, and more columns"
    banner = survey.banner(design, items=["approval"], by=["income", "urban"])
    assert repr(banner).startswith(f"Banner of {len(banner)} tables\n")
