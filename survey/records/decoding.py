"""From the cells of a file to answers: codes and labels become categories, missing codes become reasons.

"Don't know" becomes a missing answer in `decode`: `_read_levels` and `_read_numbers` find the place of each cell among
the levels and, behind them, the missing codes; `_reasons` keeps why an answer is missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from survey.errors import nearest
from survey.records.items import NO_ANSWER, Item, as_code, code_number
from survey.records.record_file import Failure
from survey.records.schema import EXACT, all_whole, category_dtype, companion, missing_dtype, number_dtype

PLAIN_NUMBER = r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?"
"""Text that is a number and nothing else: 007, +1 and 1_000 are not, nor is a name of more than 15 digits."""

HINTS = 50
"""Different wrong labels for which the nearest right one is looked up: a search costs time."""

BLANK = f"is blank; give a code, or add a level {NO_ANSWER!r} to `missing` in the codebook for blank cells"


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """One column of answers.

    values : (n,) categories or numbers; missing where there is no valid answer.
    reasons : (n,) why an answer is missing; None where the item has no missing codes.
    failures : cells that the codebook does not allow.
    """

    values: pd.Series
    reasons: pd.Series | None
    failures: list[Failure]


def decode(cells: pd.Series, item: Item, reasons: pd.Series | None = None) -> Answers:
    """Read the cells of one column as answers to an item.

    A cell with a missing code, or with its label, is a missing answer, and its label the reason.

    Parameters
    ----------
    cells : (n,) codes or labels, as numbers or text.
    item : the item; not of kind "id" or "text".
    reasons : (n,) cells of a column of reasons, which fill the blanks of `cells`.

    Returns
    -------
    The answers.
    """
    cells = _comparable(cells)
    failures: list[Failure] = []
    if reasons is not None:
        cells, failures = _with_reasons(cells, _comparable(reasons), item)
    if item.kind == "numeric":
        numbers, places, wrong_cells = _read_numbers(cells, item)
        whole = number_dtype(item) == "int64" and all_whole(numbers)
        values = pd.Series(numbers.astype(np.int64) if whole else numbers, index=cells.index, name=cells.name)
    else:
        places, wrong_cells = _read_levels(cells, item)
        levels = np.where(places < len(item.levels), places, -1)
        categories = pd.Categorical.from_codes(levels, dtype=category_dtype(item))
        values = pd.Series(categories, index=cells.index, name=cells.name)
    return Answers(values, _reasons(places, cells, item) if item.missing else None, failures + wrong_cells)


def _reasons(places: npt.NDArray[np.int64], cells: pd.Series, item: Item) -> pd.Series:
    """Why answers are missing, by the places of the cells: those behind the levels are missing codes."""
    codes = np.where(places >= len(item.levels), places - len(item.levels), -1)
    reasons = pd.Categorical.from_codes(codes, dtype=missing_dtype(item))
    return pd.Series(reasons, index=cells.index, name=companion(str(cells.name)))


def identifiers(cells: pd.Series) -> pd.Series:
    """Read identifiers: whole numbers where all of them are, else text as it stands; blanks are missing."""
    if pd.api.types.is_integer_dtype(cells.dtype) and not cells.hasnans:
        return cells if cells.max() > np.iinfo(np.int64).max else cells.astype("int64")
    texts = as_text(cells)
    texts = texts.mask(texts.isna() | (texts.str.strip() == ""))
    present = texts.dropna()
    if len(present) == len(texts) and bool(present.str.fullmatch(r"0|-?[1-9][0-9]{0,17}").all()):
        return texts.astype("int64")
    return texts


def as_text(cells: pd.Series) -> pd.Series:
    """Write cells as text: 1.0 as "1", true as "True", blanks as missing."""
    cells = _comparable(cells)
    codes, uniques = _numbered(cells)
    # A missing cell has the code -1 and picks the last one.
    chosen = np.array([*(_text(value) or None for value in uniques), None], dtype=object)[codes]
    return pd.Series(chosen, index=cells.index, name=cells.name)


def plain_numbers(cells: pd.Series) -> pd.Series:
    """Turn text into numbers where no two texts become one number, and blanks into missing.

    The text of all cells must be plain numbers ("007" is none), and different texts must be different numbers: "1.1"
    and "1.10" may be two PSUs, and so may "10", "10.0" and "1e1". Such columns stay text. Numbers and truth values
    among text become text, as they would be in a file of text.
    """
    if not (pd.api.types.is_string_dtype(cells.dtype) or cells.dtype == object):
        return cells
    filled = cells.astype(object).where(cells.notna() & (cells.astype(object) != ""), None)
    _, present = _numbered(filled)
    if _are_distinct_numbers(present):
        return pd.to_numeric(filled)
    kinds = {"number" if type(value) in (int, float) else type(value).__name__ for value in present}
    if len(kinds) > 1 and kinds <= {"str", "number", "bool"}:
        filled = as_text(filled)
    return pd.Series(filled.to_numpy(), index=cells.index, name=cells.name)


def _are_distinct_numbers(values: list[Any]) -> bool:
    """Whether different cells, text or numbers, are as many different numbers, all of them exact."""
    texts = {_text(value) for value in values}
    written = all(re.fullmatch(PLAIN_NUMBER, value) for value in values if isinstance(value, str))
    if not texts or not written or not {type(value) for value in values} <= {str, int, float}:
        return False
    if any(isinstance(value, int) and abs(value) > EXACT for value in values):
        return False
    numbers = {float(text) for text in texts}
    return len(numbers) == len(texts) and all(map(math.isfinite, numbers))


def _text(value: object) -> str:
    """Text of one cell that is not blank."""
    return str(value if isinstance(value, str | bool | np.bool_) else as_code(value))


def _numbered(cells: pd.Series) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Number the different cells, -1 for a missing one; true is not 1, though Python takes them for equal."""
    codes, uniques = pd.factorize(cells)
    values = list(uniques)
    truths = _truths(cells)
    if truths.any() and not truths.all():
        codes, plain = pd.factorize(cells.mask(truths))
        of_truths, found = pd.factorize(cells[truths])
        codes[truths] = of_truths + len(plain)
        values = [*plain, *found]
    return codes.astype(np.int64), values


def _truths(cells: pd.Series) -> npt.NDArray[np.bool_]:
    """Which cells are true or false."""
    if cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) not in ("string", "integer", "floating"):
        return np.array([isinstance(cell, bool | np.bool_) for cell in cells], dtype=bool)
    return np.full(len(cells), pd.api.types.is_bool_dtype(cells.dtype) and cells.dtype != object)


def shown(cell: object) -> object:
    """Show a cell as a person would write it: blanks as "", whole floats as integers."""
    if cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    cell = cell.item() if isinstance(cell, np.generic) else cell
    return as_code(cell) if isinstance(cell, float) and cell.is_integer() else cell


def label_failures(column: str, item: Item, labels: Mapping[int | str, str]) -> list[Failure]:
    """Report value labels of a file that give a code the meaning which the codebook gives another."""
    answers = (*item.levels, *item.missing)
    label_of = {as_code(level.code): level.label for level in answers}
    folded = {level.label.casefold() for level in answers}
    return [
        (None, column, f"{as_code(code)} = {label}", f"the codebook labels this code {label_of[as_code(code)]!r}")
        for code, label in labels.items()
        if as_code(code) in label_of
        and label.casefold() in folded
        and label.casefold() != label_of[as_code(code)].casefold()
    ]


def _comparable(cells: pd.Series) -> pd.Series:
    """Undo types that hide what a cell says: categories, dates, and true and false among numbers."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return cells.astype(object)
    if cells.dtype.kind in "mM":
        return cells.astype(object).map(str, na_action="ignore")
    return cells


def _with_reasons(cells: pd.Series, reasons: pd.Series, item: Item) -> tuple[pd.Series, list[Failure]]:
    """Put the reasons where the cells are blank; a reason beside an answer is a failure."""
    blank = cells.isna() | (cells.astype(object) == "")
    given = reasons.notna() & (reasons.astype(object) != "")
    known = {level.label for level in item.missing}
    wrong = given & (~blank | ~reasons.astype(object).isin(known))
    rule = f"must be the reason of a blank answer, one of {', '.join(map(repr, item.missing_labels))}"
    rows = np.flatnonzero(wrong)
    failures = _failures(reasons, rows, rules={0: rule}, rule_of=np.zeros_like(rows))
    return cells.astype(object).where(~(blank & given), reasons.astype(object)), failures


def _lookup(item: Item) -> tuple[dict[str, int], dict[int | str, int]]:
    """Places of labels and of codes: the levels come first, the missing codes after them."""
    answers = (*item.levels, *item.missing)
    labels = {level.label: at for at, level in enumerate(answers)}
    return labels, {as_code(level.code): at for at, level in enumerate(answers)}


def _read_levels(cells: pd.Series, item: Item) -> tuple[npt.NDArray[np.int64], list[Failure]]:
    """Find the place of each cell among levels and missing codes, looking at each different cell once."""
    labels, codes = _lookup(item)
    # True and false are codes of a Yes/No item only; elsewhere 1 is an answer like any other.
    yes_no = {as_code(level.code) for level in item.levels} == {0, 1}
    seen, uniques = _numbered(cells)
    blank = labels.get(NO_ANSWER, -1) if item.missing else -1
    # A missing cell has the code -1, so that what is said of blanks stands at the end.
    place_of = np.full(len(uniques) + 1, blank, dtype=np.int64)
    rules: dict[int, str] = {}
    for unique, value in enumerate(uniques):
        if isinstance(value, str) and not value.strip():
            continue
        place = None if isinstance(value, bool | np.bool_) and not yes_no else _place(value, labels, codes)
        if place is None:
            rules[unique] = _rule(value, item, hint=len(rules) < HINTS)
        place_of[unique] = -1 if place is None else place
    places = place_of[seen]
    wrong = np.flatnonzero(places < 0)
    return places, _failures(cells, wrong, rules=rules, rule_of=seen[wrong])


def _place(value: object, labels: Mapping[str, int], codes: Mapping[int | str, int]) -> int | None:
    """Find the place of one cell among the answers: first by label, then by code."""
    if isinstance(value, str):
        return labels.get(value, codes.get(as_code(value.strip())))
    return codes.get(as_code(value))


def _rule(value: object, item: Item, *, hint: bool) -> str:
    """Say what is wrong with a cell that is no answer."""
    answers = (*item.levels, *item.missing)
    if isinstance(value, str) and isinstance(as_code(value.strip()), str):
        near = _hint(value, [level.label for level in answers]) if hint else ""
        if near:
            return f"is no label of the item{near}"
    known = ", ".join(f"{level.code} {level.label}" for level in answers[:8])
    more = f" and {len(answers) - 8} more" if len(answers) > 8 else ""
    return f"is no code or label of the item; it has {known}{more}"


def _hint(value: object, labels: Iterable[str]) -> str:
    """Name the label that a mistyped one most likely stands for."""
    near = nearest(value, labels)
    return f"; did you mean {near!r}?" if near else ""


def _read_numbers(cells: pd.Series, item: Item) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], list[Failure]]:
    """Read numbers, and find the place of each cell among the missing codes, -1 for a number."""
    truths = _truths(cells)
    if truths.any():  # they would count as 1 and 0
        cells = cells.astype(object).mask(truths, as_text(cells))
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    places = np.full(len(cells), -1, dtype=np.int64)
    labels, codes = _lookup(item)
    for code, place in codes.items():
        number = code_number(code)
        if number is not None:
            places[numbers == number] = place

    # What is no number is blank, the label of a missing code, or wrong.
    others = np.flatnonzero(~np.isfinite(numbers))
    seen, uniques = pd.factorize(cells.iloc[others].astype(object))
    place_of = np.full(len(uniques) + 1, labels.get(NO_ANSWER, -1), dtype=np.int64)
    rules: dict[int, str] = {}
    for unique, value in enumerate(uniques):
        if str(value).strip():
            place_of[unique] = labels.get(str(value), -1)
            near = _hint(value, labels) if len(rules) < HINTS and place_of[unique] < 0 else ""
            rules[unique] = f"must be a finite number{near}"
    places[others] = place_of[seen]
    wrong = place_of[seen] < 0
    failures = _failures(cells, others[wrong], rules=rules, rule_of=seen[wrong])
    numbers[(places >= 0) | ~np.isfinite(numbers)] = np.nan
    return numbers, places, failures


def _failures(
    cells: pd.Series, rows: npt.NDArray[np.intp], *, rules: Mapping[int, str], rule_of: npt.NDArray[np.intp]
) -> list[Failure]:
    """List one failure per row; `rule_of` gives the key of its rule in `rules`, which has none for a blank."""
    values = cells.iloc[rows].tolist()
    column = str(cells.name)
    return [
        (row + 1, column, shown(value), rules.get(key, BLANK))
        for row, value, key in zip(rows.tolist(), values, rule_of.tolist(), strict=True)
    ]
