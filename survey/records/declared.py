"""Codes that a file declares missing, and its codebook does not know: never numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
import yaml

from survey.records.items import Item, as_code, code_number
from survey.records.record_file import Failure


def unknown_codes(cells: pd.Series, item: Item, declared: Mapping[int | str, str]) -> Iterator[Failure]:
    """Report the codes of a numeric item that the file declares missing, and that its codebook would read as numbers.

    Parameters
    ----------
    cells : (n,) cells of the column, as they are stored.
    item : a numeric item.
    declared : code -> label of what the file declares missing.
    """
    known = {as_code(level.code) for level in item.missing}
    numbers = {code: code_number(code) for code in declared if as_code(code) not in known}
    given = {code: declared[code] for code, number in numbers.items() if number is not None and (cells == number).any()}
    if given:
        missing = yaml.safe_dump(given, default_flow_style=True, allow_unicode=True, width=10_000).strip()
        counts = ", ".join(f"{code} (n={int((cells == numbers[code]).sum())})" for code in given)
        rule = f"the file declares these codes missing, the codebook does not; add to the item: missing: {missing}"
        yield None, item.name, counts, rule


def without_declared(cells: pd.Series, declared: Mapping[int | str, str]) -> pd.Series:
    """Blank what the file declares missing, in a column whose codebook has no place for reasons."""
    numbers = [number for code in declared if (number := code_number(code)) is not None]
    return cells.mask(cells.isin([*declared, *declared.values(), *numbers])) if declared else cells
