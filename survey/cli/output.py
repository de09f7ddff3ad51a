"""What a command prints or writes; on synthetic data it says so."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from survey.errors import SurveyError
from survey.records import Codebook
from survey.replacing import write_text
from survey.tabulation import Table

FORMATS = (".xlsx", ".html")
SYNTHETIC = "SYNTHETIC data: no person gave these answers."


def stated(codebook: Codebook, *parts: str) -> str:
    """Parts of an answer below each other, after what the data are where nobody gave them."""
    return "\n\n".join([SYNTHETIC, *parts] if codebook.data_kind == "synthetic" else parts)


def written(codebook: Codebook, table: Table, path: str) -> str:
    """Write a table to a file, which says so where the data are synthetic."""
    from survey.tables import table_html, write_excel

    ending = Path(path).suffix.lower()
    synthetic = codebook.data_kind == "synthetic"
    if ending == ".xlsx":
        write_excel({f"{table.title}{' (synthetic data)' if synthetic else ''}": table.tidy()}, path)
    elif ending == ".html":
        laid_out = table.to_gt()
        if synthetic:
            laid_out = laid_out.tab_source_note(SYNTHETIC)
        write_text(path, table_html(laid_out), argument="--output")
    else:
        raise SurveyError(f"`--output` must end in {' or '.join(FORMATS)}; got {path!r}. Rename it.")
    return f"{path}: {table.title or table.item}"


def table_text(frame: pd.DataFrame) -> str:
    """A frame as text."""
    text: str = frame.to_string(index=False, float_format="{:.4g}".format)
    return text
