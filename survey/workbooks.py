"""How every workbook is written: text stays text, and equal contents are equal files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

CREATED = datetime(2000, 1, 1)
"""The same in every workbook, so that equal contents are equal files."""

LONGEST = 32_767
"""Characters of a cell."""

OPTIONS: Mapping[str, bool] = MappingProxyType(
    {
        "in_memory": True,  # a workbook on its way through the disk has the local time in its zip entries
        "strings_to_formulas": False,  # a label that begins with "=" is no formula
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
)
"""Options of xlsxwriter."""
