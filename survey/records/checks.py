"""Checking respondents against a codebook: all failures, and the one error that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd

from survey.errors import RecordsError, brief_value, clipped, nearest
from survey.records.codebook import Codebook
from survey.records.decoding import shown
from survey.records.items import Item
from survey.records.record_file import Failure
from survey.records.schema import companion

LISTED = 20
"""Failures that the message of the error shows; all of them are in `error.failures`."""

NULL_RULE = "must not be blank"
MISSING_RULE = "the column is missing"
LONGEST_RULE = 500
"""Characters of a rule that the message shows: it may quote labels."""

SEVERAL = 6
"""Rows with one id that the message shows."""

DUPLICATE_RULE = "is the id of more than one respondent"


def items_in_column_order(codebook: Codebook) -> list[Item]:
    """Items in the order of the columns: those asked, those derived, the weight."""
    items = list(codebook.items.values())
    weight = codebook.weight
    extra = [] if weight is None or weight in codebook.items else [Item(weight, "Weight", "numeric")]
    return [i for i in items if not i.is_derived] + [i for i in items if i.is_derived] + extra


def column_failures(columns: Iterable[str], codebook: Codebook) -> Iterator[Failure]:
    """Report the columns that the codebook needs and the file has not."""
    present = list(columns)
    asked = [item for item in items_in_column_order(codebook) if not item.is_derived]
    wanted = [column for item in asked for column in item.columns]
    spare = [name for name in present if name not in wanted]
    for column in wanted:
        if column not in present:
            near = nearest(column, spare)
            yield None, column, "", MISSING_RULE + (f"; the file has {near!r}" if near else "")


def schema_failures(
    frame: pd.DataFrame, cells: pd.DataFrame, codebook: Codebook, *, known: list[Failure]
) -> list[Failure]:
    """Validate with pandera, all rules at once, and report what is not known yet."""
    from pandera.errors import SchemaErrors

    schema = codebook.schema()
    rules = {name: _type_rule(column.dtype) for name, column in schema.columns.items()}
    schema = schema.remove_columns([name for name in schema.columns if name not in frame.columns])
    # Blanks and fractions among whole numbers, which are failures of their own, turn a column into float64.
    floats = [name for name in schema.columns if frame[name].dtype == "float64"]
    schema = schema.update_columns({name: {"dtype": "float64"} for name in floats})
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases[["index", "column", "check", "failure_case"]]
    else:
        return []
    rules_of_cells = {"field_uniqueness": DUPLICATE_RULE, "not_nullable": NULL_RULE}
    failed = {(failure[0], failure[1]) for failure in known}
    failures: list[Failure] = []
    for index, column, check, value in cases.itertuples(index=False, name=None):
        if index is None or pd.isna(index) or str(check).startswith("dtype("):
            failures.append((None, column, "", rules[column]))
        elif (int(index) + 1, column) not in failed:
            cell = cells[column].iloc[int(index)] if column in cells.columns else value
            failures.append((int(index) + 1, column, shown(cell), rules_of_cells.get(check, check)))
    return list(dict.fromkeys(failures))


def _type_rule(dtype: object) -> str:
    """Say which type a whole column must have."""
    kind = getattr(dtype, "type", dtype)
    if isinstance(kind, pd.CategoricalDtype):
        order = "ordered" if kind.ordered else "not ordered"
        return f"the column must be categorical, {order}, with: {', '.join(map(str, kind.categories))}"
    return f"the column must be of type {kind}"


def reason_failures(frame: pd.DataFrame, codebook: Codebook) -> Iterator[Failure]:
    """Report blank answers without a reason, and reasons beside an answer."""
    for item in codebook.items.values():
        for column in item.columns:
            if not item.missing or column not in frame.columns:
                continue
            if companion(column) not in frame.columns:
                yield None, companion(column), "", "the column of reasons is missing"
                continue
            answered = frame[column].notna()
            has_reason = frame[companion(column)].notna()
            for row in np.flatnonzero(answered == has_reason):
                rule = "has both an answer and a reason for none" if answered.iloc[row] else "lacks a reason"
                yield int(row) + 1, column, shown(frame[column].iloc[row]), f"{rule} in {companion(column)!r}"


def records_error(
    name: str, codebook: Codebook, cells: pd.DataFrame, *, failures: list[Failure], lines_of: Sequence[int] = ()
) -> RecordsError:
    """Put all failures into one error: those of the whole file first, then in file order.

    Where several respondents have one id, the message has one line for all of them; where columns are missing, it says
    first that the file may not be of this questionnaire. Rows of text files come with their line, `lines_of` each row.
    """
    place = {str(column): at for at, column in enumerate(cells.columns)}
    ordered = sorted(failures, key=lambda f: (0 if f[0] is None else int(str(f[0])), place.get(f[1], -1)))
    ids = [item.name for item in codebook.items.values() if item.kind == "id" and item.name in cells.columns]
    lines: list[str] = []
    for (row, column, value, rule), rows in _alike(ordered):
        respondent = shown(cells[ids[0]].iloc[int(str(row)) - 1]) if row is not None and ids and len(rows) == 1 else ""
        who = clipped(f"{ids[0]} {respondent}") if respondent != "" else ""
        cell = f", {clipped(column)}" if column else ""
        lines.append(f"  - {_where(rows, who, lines_of)}{cell}{_equals(value)}: {clipped(rule, LONGEST_RULE)}")
    if len(lines) > LISTED:
        lines[LISTED:] = [f"  ... and {len(lines) - LISTED} more; `error.failures` has all of them"]
    count = "one failure" if len(ordered) == 1 else f"{len(ordered)} failures"
    counted = (
        "rows count respondents from 1; lines are those of the file" if lines_of else "rows count respondents from 1"
    )
    other = "This looks like another questionnaire. " if sum(f[3].startswith(MISSING_RULE) for f in ordered) > 2 else ""
    message = (
        f"{other}`{name}` must keep to codebook {codebook.name!r}; found {count}. Correct the records, or the "
        f"codebook where it is wrong ({counted}):\n" + "\n".join(lines)
    )
    return RecordsError(message, tuple(ordered))


def _alike(failures: list[Failure]) -> list[tuple[Failure, list[object]]]:
    """Failures with their rows; the rows of one repeated id come together, at the first of them."""
    alike: dict[object, tuple[Failure, list[object]]] = {}
    for place, failure in enumerate(failures):
        key = failure[1:] if failure[3] == DUPLICATE_RULE else place
        alike.setdefault(key, (failure, []))[1].append(failure[0])
    return list(alike.values())


def _where(rows: list[object], who: str, lines_of: Sequence[int]) -> str:
    """Rows of a failure, the respondent, and in a text file their lines."""
    if rows == [None]:
        return "file"
    numbers = [int(str(row)) for row in rows]
    plural = "s" if len(rows) > 1 else ""
    more = " ..." if len(rows) > SEVERAL else ""
    named = f"row{plural} {', '.join(map(str, numbers[:SEVERAL]))}{more}"
    several = ", ".join(str(lines_of[row - 1]) for row in numbers[:SEVERAL]) if lines_of else ""
    lines = f"line{plural} {several}{more}" if several else ""
    known = ", ".join(filter(None, (who, lines)))
    return f"{named} ({known})" if known else named


def _equals(value: object) -> str:
    """Write the value of a failure; a blank needs none."""
    return "" if isinstance(value, str) and value == "" else f" = {brief_value(value)}"
