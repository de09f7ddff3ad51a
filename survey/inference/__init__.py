"""Tests: what a statistic is referred to, independence, given shares, ranks, comparisons of groups."""

from __future__ import annotations

from survey.inference.comparisons import compare, t_test
from survey.inference.goodness_of_fit import goodness_of_fit
from survey.inference.hypotheses import TestResult, adjust_p_values, adjusted_wald, wald_chisq
from survey.inference.independence import (
    RAO_SCOTT,
    WALD,
    RaoScott,
    TestMethod,
    TwoWay,
    multiple_response,
    test_independence,
    test_multiple_response,
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
    "TestResult",
    "TwoWay",
    "adjust_p_values",
    "adjusted_wald",
    "compare",
    "goodness_of_fit",
    "multiple_response",
    "rank_test",
    "sum_of_chisq_sf",
    "t_test",
    "test_independence",
    "test_multiple_response",
    "two_way",
    "wald_chisq",
]
