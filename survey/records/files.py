"""Reading files of respondents, before a codebook gives them a meaning: csv, parquet, xlsx, .sav and .dta."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from survey.errors import RecordsError
from survey.records.labelled_files import read_dta, read_sav
from survey.records.record_file import DAMAGE, RecordFile, check_columns, most_cells, unreadable
from survey.records.sheets import read_xlsx
from survey.records.text_files import read_csv

LARGEST = 500_000_000
"""Bytes that a small file may stand for."""


def read_file(path: Path) -> RecordFile:
    """Read the cells of a file.

    Parameters
    ----------
    path : the file; its ending says what it is.

    Returns
    -------
    The cells, value labels and what is wrong with the file itself.

    Raises
    ------
    RecordsError : the file is absent or empty, its ending is unknown, or it cannot be read.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        endings = ", ".join(_READERS)
        raise RecordsError(f"`path` must end in {endings}; found {path.name!r}. Save the records as one of these.")
    if not path.is_file():
        raise RecordsError(f"`path` must be an existing file; there is none at {path}. Check the name and the folder.")
    if path.stat().st_size == 0:
        raise RecordsError(f"`path` must hold records; {path.name} is empty (0 bytes). Export it again.")
    try:
        return reader(path)
    except OSError as error:
        raise unreadable(path, error) from error


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file where the package that reads and writes it is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RecordsError(
            f"`path` must not be a .parquet file where pyarrow is not installed; got {path.name!r}. "
            'Install it with: pip install "opinion-survey[parquet]".'
        ) from error


def _read_parquet(path: Path) -> RecordFile:
    """Read a Parquet file; labelled columns come as categoricals."""
    check_parquet(path)
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        _check_extent(parquet.ParquetFile(path).metadata, path)
        frame = pd.read_parquet(path)
    except RecordsError:
        raise
    except (*DAMAGE, arrow.ArrowException) as error:
        raise unreadable(path, error) from error
    # An index with a name is a column that pandas set aside, such as the number of the respondent.
    frame = frame.reset_index(drop=all(name is None for name in frame.index.names))
    frame.columns = frame.columns.map(str)
    return RecordFile(frame)


def _check_extent(metadata: Any, path: Path) -> None:
    """Refuse a file that says it holds far more than its size allows: a few bytes can stand for any number of rows."""
    check_columns(metadata.num_columns, path)
    cells = metadata.num_rows * metadata.num_columns
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    size = sum(group.column(at).total_uncompressed_size for group in groups for at in range(group.num_columns))
    if cells > most_cells(path) or size > max(LARGEST, 100 * path.stat().st_size):
        raise RecordsError(
            f"`path` must hold no more than its size allows; {path.name} stands for {cells:,} cells and {size:,} "
            "bytes. Is it damaged? Export it again."
        )


_READERS: Mapping[str, Callable[[Path], RecordFile]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": _read_parquet,
    ".xlsx": read_xlsx,
    ".sav": read_sav,
    ".dta": read_dta,
}
