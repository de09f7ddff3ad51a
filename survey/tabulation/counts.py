"""Answers by groups, counted once: everything that a table asks of its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.design import Cells
from survey.estimation import Share, Statistic, Terms, by_domain, mean_statistic, ratio_of_totals
from survey.tabulation.answers import Question, answers
from survey.tabulation.columns import Columns

BASES = ("row_base", "column_base", "row_base_weighted", "column_base_weighted")


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """R answers in G columns, on C patterns.

    Attributes
    ----------
    cells : patterns of the variables of the table.
    asked : the question in the rows.
    answers : (C, R) indicators of its answers, nets and reasons for a missing answer, and what they are called.
    kinds : R words: "level", "net" or "missing".
    columns : the columns.
    count : (G, R) respondents who gave each answer in each column.
    row_base, row_weight : (R,) respondents who gave each answer, and the sum of their weights.
    column_base, column_weight : (G,) respondents in each column, and the sum of their weights.
    """

    cells: Cells
    asked: Question
    answers: Terms
    kinds: list[str]
    columns: Columns
    count: FloatArray
    row_base: IntArray
    row_weight: FloatArray
    column_base: IntArray
    column_weight: FloatArray

    def bases(self) -> dict[str, FloatArray | IntArray]:
        """Unweighted and weighted bases of each cell's row and column, column by column."""
        columns, rows = self.count.shape
        bases = (
            np.tile(self.row_base, columns),
            np.repeat(self.column_base, rows),
            np.tile(self.row_weight, columns),
            np.repeat(self.column_weight, rows),
        )
        return dict(zip(BASES, bases, strict=True))


def count_answers(cells: Cells, asked: Question, columns: Columns) -> Counts:
    """Count who gave which answer in which column.

    Raises
    ------
    EstimationError : as `answers`.
    """
    terms, kinds = answers(cells, asked)
    inside = columns.groups.indicator
    in_column = (cells.n[:, None] * inside).T
    return Counts(
        cells=cells,
        asked=asked,
        answers=terms,
        kinds=kinds,
        columns=columns,
        count=(in_column @ terms.values).round(),
        row_base=(cells.n @ terms.values).round().astype(np.int64),
        row_weight=cells.weight @ terms.values,
        column_base=cells.n @ inside,
        column_weight=cells.weight @ inside,
    )


def shares_of(counts: Counts, share: Share) -> Statistic:
    """Column, row or cell shares, column by column: each a ratio of two totals."""
    cells = counts.cells
    groups = counts.columns.groups
    if share == "column":
        return mean_statistic(cells, counts.answers, groups)
    values = counts.answers.values
    joint = (groups.indicator[:, :, None] * values[:, None, :]).reshape(len(values), -1)
    labels, _ = by_domain(groups, counts.answers.labels)
    if share == "row":
        # Of an answer that nobody gave, everybody stands in for the time being: its share becomes NaN below.
        given = np.where(counts.row_weight > 0, values, cells.inside[:, None])
        base = np.tile(given, len(groups.labels))
    else:
        base = np.broadcast_to(cells.inside[:, None], joint.shape).astype(np.float64)
    return ratio_of_totals(cells, labels, above=joint, below=base, membership=base > 0)
