"""Rows of a table: the answers to a question, its nets and the reasons for a missing answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from survey import statistics
from survey.cells import Cells
from survey.design import BoolArray, Design
from survey.errors import EstimationError
from survey.items import Item
from survey.statistics import Terms

Nets = Mapping[str, Sequence[object]]


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is tabulated.

    Attributes
    ----------
    name : column of the data, or name of the set of multiple responses.
    title : label of the item, where it came from a codebook; otherwise its name.
    columns : columns of the data that hold the answers: one, or one per option of a set.
    nets : net -> the answers that it merges.
    options : of a set of multiple responses, column -> label of the option; empty otherwise.
    reasons : reasons for a missing answer that are counted as answers.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    nets: Nets = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    @property
    def multiple(self) -> bool:
        """Whether a respondent may give several answers, so that answers overlap."""
        return bool(self.options)


def question(item: str | Item, nets: Nets | None) -> Question:
    """What an item stands for: a column of answers, or a set of multiple responses."""
    if not isinstance(item, Item):
        return Question(item, item, (item,), nets or {})
    if item.kind == "multiple":
        if nets:
            raise EstimationError(
                f"`nets` merges answers of which each respondent gives one; {item.name!r} is a multiple-response set. "
                "Make a column that says whether any of them was chosen."
            )
        return Question(item.name, item.label, item.columns, options=item.options)
    return Question(item.name, item.label, item.columns, item.nets if nets is None else nets)


def with_reasons(design: Design, asked: Question) -> tuple[Design, Question]:
    """Design and question with the reasons for a missing answer among the answers."""
    if asked.multiple:
        raise EstimationError(f'`missing`="show" is for single answers; {asked.name!r} is a multiple-response set.')
    name, reasons = asked.name, f"{asked.name}_missing"
    frame = design.frame
    if name not in frame.columns or reasons not in frame.columns:
        raise EstimationError(
            f'`missing`="show" needs the column {reasons!r} with the reasons, as `read_respondents` makes it; the '
            'data do not have it. Use missing="drop".'
        )
    answers, why = frame[name], frame[reasons].cat.remove_unused_categories()
    if not isinstance(answers.dtype, pd.CategoricalDtype):
        raise EstimationError(f"`item` must be categorical to be tabulated; {name!r} has type {answers.dtype}.")
    labels = [label for label in why.cat.categories if label not in answers.cat.categories]
    combined = pd.Categorical(
        answers.astype(object).where(answers.notna(), why.astype(object)),
        categories=[*answers.cat.categories, *labels],
        ordered=answers.cat.ordered,
    )
    return replace(design, data=frame.assign(**{name: combined})), replace(asked, reasons=tuple(labels))


def answers(cells: Cells, asked: Question) -> tuple[Terms, list[str]]:
    """Indicators of the answers, nets and reasons to tabulate, and the kind of each.

    Raises
    ------
    EstimationError : a numeric variable, or nets of unknown answers.
    """
    for column in asked.columns:
        if statistics.is_numeric(cells.frame[column]):
            raise EstimationError(
                f"`item` must be categorical to be tabulated; {column!r} is numeric. Cut it into groups, or use `mean`."
            )
    if asked.multiple:
        chosen = [statistics.level_indicators(cells, column)[1][-1] for column in asked.columns]
        return _terms(asked, list(asked.options.values()), chosen), ["level"] * len(chosen)
    levels, values = statistics.level_indicators(cells, asked.columns[0])
    kinds = ["missing" if level in asked.reasons else "level" for level in levels]
    first_reason = kinds.index("missing") if "missing" in kinds else len(kinds)
    merged = []
    for net, members in asked.nets.items():
        unknown = [member for member in members if member not in levels]
        if unknown or not members:
            raise EstimationError(
                f"`nets[{net!r}]` must merge answers of {asked.name!r}; {unknown} not among {levels}."
            )
        merged.append(np.any([values[levels.index(member)] for member in members], axis=0))
    levels[first_reason:first_reason] = list(asked.nets)
    values[first_reason:first_reason] = merged
    kinds[first_reason:first_reason] = ["net"] * len(merged)
    return _terms(asked, levels, values), kinds


def _terms(asked: Question, levels: Sequence[object], values: Sequence[BoolArray]) -> Terms:
    """Indicators with their labels."""
    labels = pd.DataFrame({"term": asked.name, "level": pd.Series(list(levels), dtype=object)})
    return Terms(labels, np.column_stack(values).astype(np.float64))
