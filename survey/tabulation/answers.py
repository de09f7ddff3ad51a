"""Rows of a table: the answers to a question, its nets and the reasons for a missing answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from survey.arrays import BoolArray
from survey.design import Cells, Design, check_design, with_state
from survey.errors import EstimationError, did_you_mean, shown
from survey.estimation import Terms, is_chosen, is_numeric, level_indicators
from survey.records import Item

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
    labels : of a set, the two levels of its columns; the second means that the option was chosen.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    nets: Nets = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    labels: tuple[str, ...] = ("No", "Yes")

    @property
    def multiple(self) -> bool:
        """Whether a respondent may give several answers, so that answers overlap."""
        return bool(self.options)


def question(item: str | Item, nets: Nets | None) -> Question:
    """What an item stands for: a column of answers, or a set of multiple responses.

    Raises
    ------
    EstimationError : something that is no item, or nets that are no mapping of lists of answers.
    """
    if not isinstance(item, str | Item):
        raise EstimationError(
            f"`item` must be one column name, or an item of a codebook; got {type(item).__name__}. Use `banner` for "
            "several."
        )
    if not isinstance(nets, Mapping | None):
        raise EstimationError(
            f"`nets` must map names to answers, as {{'Approve': ['Somewhat approve', 'Strongly approve']}}; got "
            f"{type(nets).__name__}."
        )
    for net, members in (nets or {}).items():
        if isinstance(members, str) or not isinstance(members, Collection):
            raise EstimationError(f"`nets[{net!r}]` must be a list of the answers that it merges; got {members!r}.")
    if not isinstance(item, Item):
        return Question(item, title=item, columns=(item,), nets=nets or {})
    if item.kind == "multiple":
        if nets:
            raise EstimationError(
                f"`nets` merges answers of which each respondent gives one; {item.name!r} is a multiple-response set. "
                "Make a column that says whether any of them was chosen."
            )
        return Question(item.name, title=item.label, columns=item.columns, options=item.options, labels=item.labels)
    return Question(item.name, title=item.label, columns=item.columns, nets=item.nets if nets is None else nets)


def with_reasons(design: Design, asked: Question) -> tuple[Design, Question]:
    """Design and question with the reasons for a missing answer among the answers.

    Raises
    ------
    EstimationError : a set of multiple responses, a variable that is not categorical, or no column of reasons.
    """
    check_design(design)
    if asked.multiple:
        raise EstimationError(f'`missing`="show" is for single answers; {asked.name!r} is a multiple-response set.')
    name = asked.name
    reasons = f"{name}_missing"
    frame = design.frame
    if name not in frame.columns:
        hint = did_you_mean(name, frame.columns)
        raise EstimationError(f"`item` must be a column of the data; {name!r} is not among them.{hint}")
    if reasons not in frame.columns:
        raise EstimationError(
            f'`missing`="show" needs the column {reasons!r} with the reasons, as `read_respondents` makes it; the '
            'data do not have it. Use missing="drop".'
        )
    answers = frame[name]
    why = frame[reasons]
    if not isinstance(answers.dtype, pd.CategoricalDtype):
        raise EstimationError(f"`item` must be categorical to be tabulated; {name!r} has type {answers.dtype}.")
    if is_numeric(why):
        raise EstimationError(
            f'`missing`="show" needs reasons in words; {reasons!r} has type {why.dtype}. Give its codes their labels, '
            "as `read_respondents` does."
        )
    if not isinstance(why.dtype, pd.CategoricalDtype):
        why = why.mask(why == "").astype("category")
    counted = (design.weights > 0) & (answers.isna() & why.notna()).to_numpy()
    used = why.cat.categories[np.unique(why.cat.codes.to_numpy()[counted])]
    labels = [label for label in used if label not in answers.cat.categories]
    combined = pd.Categorical(
        answers.astype(object).where(answers.notna(), why.where(why.isin(used)).astype(object)),
        categories=[*answers.cat.categories, *labels],
        ordered=answers.cat.ordered,
    )
    return with_state(design, data=frame.assign(**{name: combined})), replace(asked, reasons=tuple(labels))


def answers(cells: Cells, asked: Question) -> tuple[Terms, list[str]]:
    """Indicators of the answers, nets and reasons to tabulate, and the kind of each.

    Raises
    ------
    EstimationError : a numeric variable, options that do not say who chose them, nets of unknown answers, or nets
        with the name of an answer.
    """
    for column in asked.columns[: 0 if asked.multiple else 1]:
        if is_numeric(cells.frame[column]):
            raise EstimationError(
                f"`item` must be categorical to be tabulated; {column!r} is numeric. Cut it into groups, or use `mean`."
            )
    if asked.multiple:
        chosen = [is_chosen(cells, column, asked.labels) for column in asked.columns]
        return _terms(asked, list(asked.options.values()), chosen), ["level"] * len(chosen)
    levels, values = level_indicators(cells, asked.columns[0], argument="item")
    kinds = ["missing" if level in asked.reasons else "level" for level in levels]
    first_reason = kinds.index("missing") if "missing" in kinds else len(kinds)
    merged = []
    for net, members in asked.nets.items():
        unknown = [member for member in members if member not in levels]
        if unknown or not members:
            hint = did_you_mean(unknown[0], levels) if unknown else ""
            raise EstimationError(
                f"`nets[{net!r}]` must merge answers of {asked.name!r}; {unknown} not among {levels}.{hint}"
            )
        if net in levels:
            raise EstimationError(
                f"`nets` must have names of their own; {shown(net)} is an answer of {asked.name!r} as well. Rename it."
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
