"""From answers back to the cells of a file: categories and reasons become codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from survey.records.items import Item, code_number
from survey.records.schema import all_whole, companion


@dataclass(frozen=True, slots=True, eq=False)
class CodedFrame:
    """Cells to be written, with the labels that the format may carry.

    frame : codes, numbers and text.
    column_labels : column -> label.
    value_labels : column -> code -> label, missing codes included.
    missing_codes : column -> codes that are no answer.
    measures : column -> "nominal", "ordinal" or "scale".
    """

    frame: pd.DataFrame
    column_labels: Mapping[str, str]
    value_labels: Mapping[str, Mapping[int | float | str, str]]
    missing_codes: Mapping[str, tuple[int | float | str, ...]]
    measures: Mapping[str, str]


def encode(frame: pd.DataFrame, items: Iterable[Item]) -> CodedFrame:
    """Turn answers back into codes, missing codes included.

    Parameters
    ----------
    frame : records as `read_respondents` returns them.
    items : the items to write; columns of others are left out.

    Returns
    -------
    Codes and labels, one column per column of answers.
    """
    columns: dict[str, pd.Series] = {}
    labels: dict[str, str] = {}
    value_labels: dict[str, dict[int | float | str, str]] = {}
    missing: dict[str, tuple[int | float | str, ...]] = {}
    measures: dict[str, str] = {}
    for item in items:
        for column in item.columns:
            columns[column] = _codes(frame, column, item)
            labels[column] = item.options.get(column, item.label)
            if item.levels or item.stored_missing:
                answers = (*item.levels, *item.stored_missing)
                value_labels[column] = {_stored(level.code, item): level.label for level in answers}
            if item.stored_missing:
                missing[column] = tuple(_stored(level.code, item) for level in item.stored_missing)
            if item.kind not in ("id", "text"):
                measures[column] = {"numeric": "scale", "ordinal": "ordinal"}.get(item.kind, "nominal")
    return CodedFrame(
        pd.DataFrame(columns),
        column_labels=labels,
        value_labels=value_labels,
        missing_codes=missing,
        measures=measures,
    )


def _stored(code: int | str, item: Item) -> int | float | str:
    """Code as a column of the item holds it: among numbers, "9.99" is one."""
    number = code_number(code) if item.kind == "numeric" else None
    return code if number is None or isinstance(code, int) else number


def _codes(frame: pd.DataFrame, column: str, item: Item) -> pd.Series:
    """Codes of one column: whole numbers, numbers or text."""
    values = frame[column]
    if item.kind in ("id", "text"):
        return values
    if item.kind == "numeric":
        coded = values.astype("float64")
        if item.stored_missing:
            codes = np.array([*(float(level.code) for level in item.stored_missing), np.nan])
            coded = coded.fillna(pd.Series(codes[frame[companion(column)].cat.codes], index=frame.index))
        return (
            coded.astype("Int64") if item.integer and all_whole(np.asarray(coded.dropna(), dtype=np.float64)) else coded
        )
    answers = (*item.levels, *item.stored_missing)
    places = values.cat.codes.to_numpy(dtype=np.int64)
    if item.stored_missing:
        reasons = frame[companion(column)].cat.codes.to_numpy(dtype=np.int64)
        places = np.where(places >= 0, places, reasons + len(item.levels))
    coded = pd.Series(np.array([level.code for level in answers], dtype=object)[places], index=frame.index)
    return coded.astype("Int64") if all(isinstance(level.code, int) for level in answers) else coded.map(str)
