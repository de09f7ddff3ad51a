"""What unweighted analysis says, and the p values of the differences in the findings."""

from __future__ import annotations

import numpy as np
import pingouin
import pytest
from scipy import stats

from analysis.report.comparison import _rank_test
from analysis.report.focus import _contrasts, _groups
from analysis.study import FOCUS, Study, read_study
from survey import mean

SAME = 1e-12  # relative: two computations of one number


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study("social_credit")


def test_a_rank_test_of_two_groups_is_that_of_pingouin(study: Study) -> None:
    """Which compares all pairs of respondents, and so takes 56 GB for 200,000 of them."""
    known = study.design.frame[[study.settings.outcome, "gender"]].dropna()
    answers = known[study.settings.outcome].cat.codes
    first, second = (answers[known["gender"] == level] for level in known["gender"].cat.categories[:2])
    expected = pingouin.mwu(second, first).iloc[0]
    row = _rank_test(study, "gender")
    assert row["statistic"] == pytest.approx(expected["U_val"], rel=SAME)
    assert row["p_value"] == pytest.approx(expected["p_val"], rel=SAME)
    assert row["effect"] == pytest.approx(expected["RBC"], rel=1e-9)


def test_each_p_value_belongs_to_its_row(study: Study) -> None:
    """That of the difference beside the difference; that of all groups under a name of its own."""
    contrasts = _contrasts(study, _groups(study)).set_index("variable")
    for variable, row in contrasts.iterrows():
        means = mean(study.design, FOCUS, by=str(variable))
        last = [*[0.0] * (means.value.size - 2), 1.0]
        alone = means.test([[-1.0, *last]])
        assert row["p_value"] == pytest.approx(alone.p_value, rel=1e-9)
        t = row["estimate"] / row["std_error"]
        assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), row["df"]), rel=1e-9)
        against_first = np.column_stack([-np.ones(means.value.size - 1), np.eye(means.value.size - 1)])
        assert row["p_value_all_groups"] == means.test(against_first).p_value
