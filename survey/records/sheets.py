"""Reading .xlsx workbooks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from survey.errors import RecordsError
from survey.records.record_file import RecordFile, first_of_each, unreadable


def read_xlsx(path: Path) -> RecordFile:
    """Read the first sheet; its first row is the header."""
    from zipfile import BadZipFile

    try:
        sheet = pd.read_excel(path, header=None, dtype=object, na_filter=False, engine="openpyxl")
    except BadZipFile as error:
        raise RecordsError(
            f"`path` must be what its ending says; {path.name} is not an Excel workbook (perhaps renamed). Open it in "
            "the program that made it, and save it as .xlsx."
        ) from error
    except (KeyError, ValueError) as error:
        raise unreadable(path, error) from error
    if sheet.empty:
        raise RecordsError(f"`path` must hold records; the first sheet of {path.name} is empty. Put them there.")
    names = [str(name) for name in sheet.iloc[0]]
    frame, failures = first_of_each(sheet.iloc[1:].reset_index(drop=True), names)
    return RecordFile(frame, failures=tuple(failures))
