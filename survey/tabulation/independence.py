"""Tests that the answers of a table are independent of its groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd

from survey.arguments import check_choice
from survey.arrays import BoolArray
from survey.design import Cells
from survey.errors import EstimationError
from survey.estimation import DfRule, TestResult, domains_of
from survey.inference import (
    RaoScott,
    TestMethod,
    TwoWay,
    independence_test,
    multiple_response,
    multiple_response_test,
    two_way,
)
from survey.tabulation.answers import Question

NUMBERS = ("statistic", "df1", "df2", "p_value", "method", "note")


def independence(
    cells: Cells, asked: Question, by: Sequence[str], method: TestMethod, *, df: DfRule = "satterthwaite"
) -> TestResult:
    """Test that the answers are independent of the groups that the by-variables make."""
    groups = domains_of(cells, by)
    n_groups = len(groups.labels)
    group = groups.indicator.argmax(axis=1)
    nested = len(by) > 1
    names = [", ".join(map(str, row)) for row in groups.labels.itertuples(index=False)]
    empty = int(np.prod([groups.labels[name].nunique() for name in by])) - n_groups
    note = f"Combinations of {', '.join(by)} without respondents, left out: {empty}." if empty else ""

    if asked.multiple:
        options = multiple_response(cells, asked.options, by[-1], labels=asked.labels)
        if nested:
            options = replace(options, group=group, groups=n_groups, note=f"{options.note} {note}".strip())
        return multiple_response_test(cells, options, cast("RaoScott", method), df=df, names=names)

    table = two_way(cells, asked.name, by[-1])
    if nested:
        shape = (table.shape[0], n_groups)
        table = TwoWay(table.row, group, shape=shape, note=f"{table.note} {note}".strip())
    return independence_test(cells, table, method, df=df, names=names)


def independence_row(
    cells: Cells, asked: Question, by: Sequence[str], method: TestMethod, *, df: DfRule = "satterthwaite"
) -> pd.DataFrame:
    """The test of one table as one row: term, statistic, df1, df2, p_value, method, note.

    Where the table has nothing to test, numbers are NaN and the note says why.
    """
    check_choice(method, TestMethod, "method")
    try:
        result = independence(cells, asked, by, method, df=df)
    except EstimationError as error:
        result = TestResult(np.nan, df1=np.nan, df2=np.nan, p_value=np.nan, method=method, note=str(error))
    row = [asked.name, *(getattr(result, name) for name in NUMBERS)]
    return pd.DataFrame([row], columns=["term", *NUMBERS])


def within(cells: Cells, inside: BoolArray) -> Cells:
    """The same cells restricted to a domain of patterns: the others count for nothing but stay in the design."""
    keep = cells.inside & inside
    return replace(
        cells,
        n=np.where(keep, cells.n, 0),
        weight=np.where(keep, cells.weight, 0.0),
        replicates=None if cells.replicates is None else cells.replicates.within(keep),
    )
