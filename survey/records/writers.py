"""Writing files of respondents: csv, parquet, xlsx, SPSS .sav and Stata .dta, with labels where they go."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from survey.errors import RecordsError
from survey.records.encoding import CodedFrame
from survey.records.files import check_parquet
from survey.workbooks import CREATED, LONGEST, OPTIONS


def write_file(path: Path, coded: CodedFrame) -> None:
    """Write cells and labels to a file.

    Parameters
    ----------
    path : the file; its ending says what it is.
    coded : what to write.

    Raises
    ------
    RecordsError : the ending is unknown, or the format cannot hold a name, a label or a missing code.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        endings = ", ".join(_WRITERS)
        raise RecordsError(f"`path` must end in {endings}; found {path.name!r}. Choose one of these.")
    try:
        writer(path, coded)
    except RecordsError:
        raise
    except _refusals() as error:
        raise RecordsError(
            f"`frame` must fit a {path.suffix} file; writing {path.name} failed: {error}. "
            "Use .csv, or rename the columns."
        ) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Errors by which the packages that write refuse names and values."""
    import pyreadstat
    from xlsxwriter.exceptions import XlsxWriterException

    return (
        ValueError,
        TypeError,
        OverflowError,
        pyreadstat.PyreadstatError,
        pyreadstat.ReadstatError,
        XlsxWriterException,
    )


def _write_csv(path: Path, coded: CodedFrame) -> None:
    """Write codes as text, lines ended by a newline on every system."""
    coded.frame.to_csv(path, index=False, lineterminator="\n", sep="\t" if path.suffix.lower() == ".tsv" else ",")


def _write_parquet(path: Path, coded: CodedFrame) -> None:
    """Write codes with their types."""
    check_parquet(path)
    coded.frame.to_parquet(path, index=False)


def _write_xlsx(path: Path, coded: CodedFrame) -> None:
    """Write codes to the first sheet; text is text, also where it begins with "=" or reads "#N/A"."""
    long = next((name for name, cells in coded.frame.items() if _longest(cells) > LONGEST), None)
    if long is not None:
        raise RecordsError(
            f"`frame` must have cells of at most {LONGEST:,} characters for .xlsx; one of {long!r} is longer. Use .csv."
        )
    buffer = io.BytesIO()
    with pd.ExcelWriter(buffer, engine="xlsxwriter", engine_kwargs={"options": dict(OPTIONS)}) as workbook:
        coded.frame.to_excel(workbook, index=False)
        workbook.book.set_properties({"created": CREATED})
    path.write_bytes(buffer.getvalue())


def _longest(cells: pd.Series) -> int:
    """Length of the longest text of a column."""
    return max((len(cell) for cell in cells.unique() if isinstance(cell, str)), default=0)


def _write_sav(path: Path, coded: CodedFrame) -> None:
    """Write codes with labels and missing codes declared."""
    import pyreadstat

    pyreadstat.write_sav(
        _plain(coded.frame),
        path,
        column_labels=dict(coded.column_labels),
        variable_value_labels={column: dict(labels) for column, labels in coded.value_labels.items()},
        missing_ranges={column: _declare(column, coded) for column in coded.missing_codes},
        variable_measure=dict(coded.measures),
    )


def _declare(column: str, coded: CodedFrame) -> list[Any]:
    """Declare missing codes to SPSS, which takes three codes, or a range that holds no answer."""
    codes = coded.missing_codes[column]
    if len(codes) <= 3:
        return [code if isinstance(code, str) else {"lo": code, "hi": code} for code in codes]
    numbers = [code for code in codes if not isinstance(code, str)]
    if len(numbers) < len(codes):
        listed = ", ".join(map(str, codes))
        raise RecordsError(
            f"`missing` of {column!r} must be three codes at most for .sav, as they are text; found {listed}. Use .csv."
        )
    low = min(numbers)
    high = max(numbers)
    answers = coded.frame[column].dropna()
    given_inside = answers[(answers >= low) & (answers <= high) & ~answers.isin(codes)]
    levels = [code for code in coded.value_labels[column] if not isinstance(code, str) and code not in codes]
    if len(given_inside) or any(low <= code <= high for code in levels):
        raise RecordsError(
            f"`missing` of {column!r} must be three codes, or a range without answers, for .sav; "
            f"{low} to {high} holds answers. Use other codes, or .csv."
        )
    return [{"lo": low, "hi": high}]


def _write_dta(path: Path, coded: CodedFrame) -> None:
    """Write codes with labels; missing codes become .a, .b, ..., which Stata leaves out of every estimate."""
    import pyreadstat

    frame = _plain(coded.frame)
    labels: dict[str, dict[int | float | str, str]] = {}
    letters: dict[str, list[str]] = {}
    for column, named in coded.value_labels.items():
        if any(isinstance(code, str) for code in named):
            continue  # Stata labels numbers only
        letter_of: dict[int | float | str, int | float | str] = {
            code: chr(ord("a") + at) for at, code in enumerate(coded.missing_codes.get(column, ()))
        }
        labels[column] = {letter_of.get(code, code): label for code, label in named.items()}
        if letter_of:
            letters[column] = list(map(str, letter_of.values()))
            marked = frame[column].map(letter_of)
            frame[column] = frame[column].astype(object).where(marked.isna(), marked)
    pyreadstat.write_dta(
        frame,
        path,
        column_labels=dict(coded.column_labels),
        variable_value_labels=labels,
        missing_user_values=letters,
    )


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn the nullable integers of pandas into floats, which statistical packages store."""
    nullable = [name for name, dtype in frame.dtypes.items() if dtype == "Int64"]
    return frame.astype(dict.fromkeys(nullable, "float64"))


_WRITERS: Mapping[str, Callable[[Path, CodedFrame], None]] = {
    ".csv": _write_csv,
    ".tsv": _write_csv,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
    ".sav": _write_sav,
    ".dta": _write_dta,
}
