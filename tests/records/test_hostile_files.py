"""Damaged and hostile files end in a refusal, within bounds of time and memory."""

from __future__ import annotations

import io
import os
import signal
import time
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from survey import read_respondents, write_respondents
from survey.errors import RecordsError
from survey.records import Item, rehearsal
from survey.records.rehearsal import rehearse
from tests.records.test_respondents import ID, codebook_of

CODEBOOK = codebook_of(ID)
SCORE = Item("last", "Last column", "numeric")
FRAME = pd.DataFrame({"id": range(1, 31), "text": ["a long text", "b", "\u7537"] * 10, "psu": list(range(10)) * 3})
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def workbook_with(folder: Path, **parts: bytes) -> Path:
    """A workbook some parts of which are replaced; "sheet" is the first sheet, "strings" the shared strings."""
    names = {"sheet": "xl/worksheets/sheet1.xml", "strings": "xl/sharedStrings.xml"}
    replaced = {names[part]: content for part, content in parts.items()}
    write_respondents(FRAME, folder / "sound.xlsx", CODEBOOK)
    with (
        zipfile.ZipFile(folder / "sound.xlsx") as sound,
        zipfile.ZipFile(folder / "r.xlsx", "w", zipfile.ZIP_DEFLATED) as hostile,
    ):
        for name in sound.namelist():
            hostile.writestr(name, replaced.get(name, sound.read(name)))
    return folder / "r.xlsx"


def sheet_of(rows: str) -> bytes:
    head = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    return f"{head}<sheetData>{rows}</sheetData></worksheet>".encode()


def refused(path: Path, message: str) -> None:
    start = time.process_time()
    with pytest.raises(RecordsError, match=message) as caught:
        read_respondents(path, CODEBOOK)
    assert time.process_time() - start < 20
    assert len(str(caught.value)) < 1_000


def test_a_stray_cell_is_named(tmp_path: Path) -> None:
    """A sheet of 5 kB took 9 GB: every row was as wide as the stray cell, and as many as lie above it."""
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in (["id"], [1], [2]):
        book.active.append(row)
    book.active["XFD1048576"] = "x"
    book.save(tmp_path / "r.xlsx")
    refused(
        tmp_path / "r.xlsx", r"the first sheet of r.xlsx reaches to row 1,048,576 and column 16,384, perhaps by a stray"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            '<row r="1"><c r="A1"><v>1</v></c></row><row r="99999999999"><c r="A99999999999"/></row>',
            "more rows and col",
        ),
        (
            "".join(f'<row r="{r}"><c r="XFD{r}"/></row>' for r in range(1, 1_300)),
            "more rows and columns than its size",
        ),
        ('<row r="x"><c r="A1"/></row>', "r.xlsx could not be read"),
        ('<row r="1"><c r="ZZZZZ1"><v>1</v></c></row>', "r.xlsx could not be read"),
        ('<row r="1"><c r="A1" t="s"><v>999999</v></c></row>', "r.xlsx could not be read"),
        ('<row r="1"><c r="A1"><v>1</v>', "r.xlsx could not be read"),
    ],
)
def test_a_damaged_sheet_is_refused(tmp_path: Path, rows: str, message: str) -> None:
    refused(workbook_with(tmp_path, sheet=sheet_of(rows)), message)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = workbook_with(tmp_path, strings=b" " * 300_000_000)
    assert path.stat().st_size < 500_000
    refused(path, r"r.xlsx unpacks to 300,\d+,\d+ bytes in \d+ parts. Save its first sheet as .csv")


def test_an_error_of_a_sheet_is_no_blank(tmp_path: Path) -> None:
    """#DIV/0! was read as a blank, so as "No answer" where the codebook has that."""
    name = '<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>'
    cells = name + '<row r="2"><c r="A2" t="e"><v>#DIV/0!</v></c></row>'
    refused(
        workbook_with(tmp_path, sheet=sheet_of(cells)),
        r"row 1 .*id = '#DIV/0!': is an error of the sheet, not an answer",
    )


def test_a_parquet_file_that_stands_for_too_much_is_refused(tmp_path: Path) -> None:
    column = pa.array([1], pa.int8()).take(pa.array([0] * 1_000_000))
    table = pa.table({f"c{at}": column for at in range(30)})
    pq.write_table(table, tmp_path / "r.parquet")
    assert (tmp_path / "r.parquet").stat().st_size < 200_000
    refused(tmp_path / "r.parquet", "r.parquet stands for 30,000,000 cells")


@pytest.mark.parametrize("name", ["r.parquet", "r.sav", "r.dta", "r.xlsx"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    write_respondents(FRAME.assign(last=1.0), tmp_path / name, codebook_of(ID, SCORE))
    whole = (tmp_path / name).read_bytes()
    for share in (0.01, 0.2, 0.5, 0.8, 0.97):
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))] or b"x")
        with pytest.raises(RecordsError, match=r"`(?:path|r\.csv)` must"):
            read_respondents(tmp_path / name, codebook_of(ID, SCORE))


@needs_fork
def test_a_reader_that_crashes_leaves_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two damaged files ended the whole process inside the library."""
    write_respondents(FRAME, tmp_path / "r.sav", CODEBOOK)
    here = os.getpid()

    def crash(*_: object, **__: object) -> None:
        assert os.getpid() != here, "it must crash in a copy only"
        os.kill(os.getpid(), signal.SIGSEGV)

    monkeypatch.setattr(pyreadstat, "read_sav", crash)
    refused(tmp_path / "r.sav", r"r.sav could not be read: it crashes the library that reads it \(signal 11\)")


@needs_fork
def test_a_reader_is_bounded_in_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rehearse(lambda: None, 1_000) == ""
    assert "takes more than 1 GB of memory" in rehearse(lambda: bytearray(3_000_000_000), 1_000)
    monkeypatch.setattr(rehearsal, "SECONDS", 0.2)
    start = time.monotonic()
    assert rehearse(lambda: time.sleep(60), 1_000) == "reading it takes longer than 0 seconds"
    assert time.monotonic() - start < 5


@needs_fork
def test_a_refusal_of_the_library_is_that_of_the_copy(tmp_path: Path) -> None:
    (tmp_path / "r.dta").write_bytes(b"no Stata file at all")
    refused(tmp_path / "r.dta", "r.dta could not be read: .*. Export it again.")


def test_without_fork_files_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    write_respondents(FRAME, tmp_path / "r.sav", CODEBOOK)
    assert len(read_respondents(tmp_path / "r.sav", CODEBOOK)) == 30
    (tmp_path / "r.dta").write_bytes(io.BytesIO(b"no Stata file at all").getvalue())
    refused(tmp_path / "r.dta", "r.dta could not be read")


@needs_fork
@pytest.mark.parametrize("value", [128, 255])
def test_a_damaged_header_does_not_end_the_process(tmp_path: Path, value: int) -> None:
    """One byte of the record of the first variable, which crashed the library in two of 650 damaged files."""
    write_respondents(FRAME, tmp_path / "r.sav", CODEBOOK)
    content = bytearray((tmp_path / "r.sav").read_bytes())
    content[220] = value
    (tmp_path / "r.sav").write_bytes(content)
    refused(tmp_path / "r.sav", "r.sav could not be read|`r.sav` must keep to codebook")
