"""Drafts of items from the labels that SPSS and Stata files carry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from survey.records.items import CONTROL, NO_ANSWER, Item, Kind, Level, as_code, code_number
from survey.records.record_file import RecordFile
from survey.records.schema import all_whole

IDENTIFIER = re.compile(r"(?i)(?:^|_)(?:id|case_?id|caseid|resp(?:ondent)?(?:_?id)?|serial|idno|uuid)$")
"""Names that columns of identifiers have: id, resp_id, respondent, caseid, serial, ..."""


def draft_items(file: RecordFile) -> tuple[dict[str, Item], list[str]]:
    """Guess an item for each column of a labelled file.

    A column whose every answer has a label is a closed question: ordinal where the file says so, else nominal. Other
    numbers are numeric, other text is text; a column of distinct values with the name of an identifier is one. Declared
    missing codes stay missing codes; blanks get a code of their own, "No answer".

    Parameters
    ----------
    file : cells, labels and declared missing codes of the file.

    Returns
    -------
    Items by column, and what the reader of the draft should look at, as sentences.
    """
    notes: list[str] = []
    items = {str(name): _draft(str(name), file, notes) for name in file.frame.columns}
    texts = {*file.column_labels.values(), *(text for labels in file.value_labels.values() for text in labels.values())}
    if any(CONTROL.search(text) for text in texts):
        notes.append("control characters were taken out of the labels")
    plain = [name for name, item in items.items() if item.kind == "nominal" and len(item.levels) > 2]
    if plain:
        notes.append("nominal until you say that the answers have an order (kind: ordinal): " + ", ".join(plain))
    return items, notes


def _draft(name: str, file: RecordFile, notes: list[str]) -> Item:
    """Item of one column."""
    cells = file.frame[name]
    missing = file.missing.get(name, {})
    marks = {*missing, *missing.values(), *(code_number(code) for code in missing)} - {None}
    answered = cells[cells.notna() & ~cells.isin(list(marks))]
    present = {as_code(value) for value in answered.unique()} if len(answered) else set()
    labels = {as_code(code): label for code, label in file.value_labels.get(name, {}).items() if code not in missing}
    numbers = pd.to_numeric(answered, errors="coerce").to_numpy(dtype=np.float64)
    numeric = len(answered) > 0 and bool(np.isfinite(numbers).all()) and not all(isinstance(v, str) for v in answered)
    label = _tidied(file.column_labels.get(name, "")) or name
    if len(labels) >= 2 and present <= labels.keys():
        kind: Kind = "ordinal" if file.measures.get(name) == "ordinal" else "nominal"
        order = sorted(labels, key=lambda code: (isinstance(code, str), code))
        levels = tuple(Level(code, labels[code]) for code in order)
        levels, reasons = _named(levels, _reasons(missing, labels, cells))
        return Item(name, label, kind, levels=levels, missing=reasons)
    if IDENTIFIER.search(name) and cells.notna().all() and cells.is_unique and not missing:
        return Item(name, label, "id")
    if not numeric and len(answered):
        return Item(name, label, "text")
    if labels:
        some = ", ".join(f"{code} = {text}" for code, text in list(labels.items())[:6])
        notes.append(f"{name} holds values without a label and is taken for a number, though {some}")
    if not len(answered):
        notes.append(f"{name} has no answer at all")
    whole = bool(len(numbers)) and all_whole(numbers)
    _, reasons = _named((), _reasons(missing, dict.fromkeys(present, ""), cells))
    return Item(name, label, "numeric", integer=whole, missing=reasons)


def _reasons(missing: Mapping[int | str, str], used: Mapping[int | str, str], cells: pd.Series) -> tuple[Level, ...]:
    """Missing codes of a column: those of the file; Stata's letters and blanks get negative codes that are free."""
    taken = [code for code in (*used, *missing) if isinstance(code, int)]
    of_text = any(isinstance(code, str) for code in used)
    free = min([0, *taken]) - 1
    reasons = []
    for code, label in missing.items():
        if isinstance(code, str) and not of_text and code_number(code) is None:
            code = free
            free -= 1
        reasons.append(Level(code, label))
    if cells.isna().any() and NO_ANSWER not in missing.values():
        reasons.append(Level(free, NO_ANSWER))
    return tuple(reasons)


def _tidied(text: str) -> str:
    """Text on one line without control characters."""
    return " ".join(CONTROL.sub(" ", text).split())


def _named(levels: tuple[Level, ...], missing: tuple[Level, ...]) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Levels and missing codes with labels that differ, say something, and cannot be read as another's code."""
    tidied = {level.code: _tidied(level.label) or str(level.code) for level in (*levels, *missing)}
    counts = Counter(tidied.values())
    codes = {as_code(code) for code in tidied}
    for code, label in tidied.items():
        if counts[label] > 1 or (as_code(label) in codes and as_code(label) != as_code(code)):
            tidied[code] = f"{label} ({code})"
    return (
        tuple(Level(level.code, tidied[level.code]) for level in levels),
        tuple(Level(level.code, tidied[level.code]) for level in missing),
    )
