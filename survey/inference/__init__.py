"""Tests: what a statistic is referred to, independence, given shares, ranks, comparisons of groups."""

from __future__ import annotations

from survey.inference.comparisons import compare, t_test
from survey.inference.goodness_of_fit import goodness_of_fit
from survey.inference.hypotheses import adjust_p_values
from survey.inference.independence import (
    RAO_SCOTT,
    WALD,
    RaoScott,
    TestMethod,
    TwoWay,
    independence_test,
    multiple_response,
    multiple_response_test,
    two_way,
)
from survey.inference.quadratic_forms import TailMethod, sum_of_chisq_sf
from survey.inference.rank_tests import rank_test

__all__ = [
    "RAO_SCOTT",
    "WALD",
    "RaoScott",
    "TailMethod",
    "TestMethod",
    "TwoWay",
    "adjust_p_values",
    "compare",
    "goodness_of_fit",
    "independence_test",
    "multiple_response",
    "multiple_response_test",
    "rank_test",
    "sum_of_chisq_sf",
    "t_test",
    "two_way",
]
