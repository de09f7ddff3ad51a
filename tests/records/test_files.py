"""Files are read as they stand, and without the packages that only some of them need."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from survey import Codebook, read_respondents, write_respondents
from survey.errors import RecordsError
from survey.records import text_files
from survey.records.files import read_file

ROOT = Path(__file__).resolve().parents[2]
STUDY = ROOT / "data" / "anes96"


def read_csv(folder: Path, content: str, name: str = "r.csv") -> tuple[list[list[object]], list[tuple[object, ...]]]:
    """Cells and failures of a text."""
    path = folder / name
    path.write_bytes(content.encode())
    file = read_file(path)
    cells = file.frame.astype(object)
    return cells.where(cells.notna(), None).to_numpy().tolist(), list(file.failures)


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        ("id,a\n1,NA\n2,\n", [["1", "NA"], ["2", ""]]),
        ("id,a\r1, x \r\n2,y", [["1", " x "], ["2", "y"]]),
        ("\n\nid,a\n\n1,x\n\n", [["1", "x"]]),
        ('id\n1\n\n""\n', [["1"], [""]]),
        ('id,a\n1,"x ""q"", y\r\nz"\n2,""\n', [["1", 'x "q", y\r\nz'], ["2", ""]]),
        ('id,a\n1,x"y"z\n2,"x"y\n', [["1", 'x"y"z'], ["2", "xy"]]),
        ("id,a\n1,x\u2028y\x0bz\x85\n", [["1", "x\u2028y\x0bz\x85"]]),
        ('\ufeff"id",a\n1,x\n', [["1", "x"]]),
    ],
)
def test_text_is_read_as_it_stands(tmp_path: Path, content: str, cells: list[list[object]]) -> None:
    assert read_csv(tmp_path, content) == (cells, [])


def test_a_row_that_does_not_fit_the_header_is_empty_and_is_shown(tmp_path: Path) -> None:
    cells, failures = read_csv(tmp_path, 'id,a\n\n1\r\n2,y\n\n3,"z\nw",5\n4,u\n')
    assert cells == [[None, None], ["2", "y"], [None, None], ["4", "u"]]
    assert failures == [
        (1, "", "1", "the row has 1 fields, the header 2"),
        (3, "", '3,"z\nw",5', "the row has 3 fields, the header 2"),
    ]


def test_rows_keep_their_numbers_in_a_long_file(tmp_path: Path) -> None:
    lines = [f"{row},x" for row in range(1, 12_001)]
    lines[10_000] = "10001"
    cells, failures = read_csv(tmp_path, "\n".join(["id,a", *lines]))
    assert len(cells) == 12_000
    assert cells[-1] == ["12000", "x"]
    assert failures == [(10_001, "", "10001", "the row has 1 fields, the header 2")]


def test_a_file_of_blank_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"`path` must hold records; r.csv has only blank lines. Export it again."):
        read_csv(tmp_path, "\n\r\n\n")


def test_two_open_quotation_marks_far_apart_are_found(tmp_path: Path) -> None:
    rows = "".join(f"{row},x\n" for row in range(50_000))
    with pytest.raises(RecordsError, match=r"one in r.csv is longer \(perhaps a quotation mark stays open in the row"):
        read_csv(tmp_path, f'id,a\n1,"x\n{rows}2,x"\n')


def test_the_line_of_an_open_quotation_mark_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"one in r.csv stays open, in the row that begins in line 4 or before it"):
        read_csv(tmp_path, 'id,a\n\n1,x\n2,"y\n3,z\n')
    rows = "".join(f"{row},x\n" for row in range(50_000))
    with pytest.raises(RecordsError, match=r"is longer .*in the row that begins in line 4\)"):
        read_csv(tmp_path, f'id,a\n\n0,x\n1,"x\n{rows}2,x"\n')


@pytest.mark.parametrize(
    ("content", "taken"),
    [
        ('id,a,b\n1,x,"y\n2,x,z\n3,x,y"\n4,x,y\n', [(1, "lines 3 to 4")]),
        ('id,a,b\n\nA1,x,"y\nB22,x,z\nend"\n4,x,y\n', [(1, "line 4")]),
        ('id,a,b\n0,x,y\n1,x,"y\n2,x,de"f\n', [(2, "line 4")]),
        ('id,a,b\n1,x,"Two lines,\nof them, the other, this"\n2,x,"a\nb, c, d"\n', []),
        ('id,a\n1,"Dear all,\n2, 3"\n', []),
    ],
)
def test_a_row_that_takes_in_others_is_reported(tmp_path: Path, content: str, taken: list[tuple[int, str]]) -> None:
    """Two stray quotation marks in a column of remarks made several respondents one, without a word."""
    failures = [failure for failure in read_csv(tmp_path, content)[1] if "takes" in str(failure[3])]
    assert [(row, str(rule).split("takes ")[1].split(" into")[0]) for row, _, _, rule in failures] == taken


def test_a_file_of_very_many_columns_is_refused(tmp_path: Path) -> None:
    content = ",".join(f"c{at}" for at in range(20_001)) + "\n" + "," * 20_000 + "\n"
    with pytest.raises(RecordsError, match=r"`path` must have at most 20,000 columns; r.csv has 20,001"):
        read_csv(tmp_path, content)


CELLS = st.text(st.sampled_from('ab1",;\n\r é中'), max_size=4)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6),
    end=st.sampled_from([("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_whatever_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], end: tuple[str, Any], mark: str
) -> None:
    """With one reader for regular files and another for the rest, cells are what a writer of csv put in."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end[0], quoting=end[1]).writerows([["a", "b"], *rows])
    content = text.getvalue()
    cells, failures = read_csv(tmp_path_factory.mktemp("csv"), mark + content)
    assert (cells, failures) == (rows, [])


@settings(max_examples=300)
@given(text=st.text(st.sampled_from('a1", \n\r'), max_size=12))
def test_both_readers_read_the_same_from_any_text(text: str) -> None:
    assume(text.count('"') % 2 == 0)  # others are refused before
    content = f"x,y\n{text}\n".encode()
    if text_files._is_regular(content, delimiter=",", width=2):
        expected = list(text_files._csv_rows(content, delimiter=","))[1:]
        assert text_files._regular_cells(content, delimiter=",").to_numpy().tolist() == expected
        assert all(len(row) == 2 for row in expected)


def test_parquet_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codebook = Codebook.from_yaml(STUDY / "codebook.yaml")
    frame = read_respondents(STUDY / "respondents.csv", codebook)
    (tmp_path / "r.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    rule = r"pyarrow is not installed; got 'r.parquet'. Install it with: pip install \"opinion-survey\[parquet\]\"."
    with pytest.raises(RecordsError, match=rule):
        read_respondents(tmp_path / "r.parquet", codebook)
    with pytest.raises(RecordsError, match=rule):
        write_respondents(frame, tmp_path / "r.parquet", codebook)
    assert (tmp_path / "r.parquet").read_bytes() == b"PAR1"


WITHOUT_PYARROW = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pyarrow":
            raise ModuleNotFoundError("No module named 'pyarrow'", name=name)
if sys.argv[1] == "without":
    sys.meta_path.insert(0, Absent())
from pathlib import Path
import survey
study, folder = Path(sys.argv[2]), Path(sys.argv[3])
codebook = survey.Codebook.from_yaml(study / "codebook.yaml")
records = survey.read_respondents(study / "respondents.csv", codebook)
for ending in (".csv", ".xlsx", ".sav", ".dta"):
    path = folder / f"{sys.argv[1]}{ending}"
    survey.write_respondents(records, path, codebook)
    again = survey.read_respondents(path, codebook)
    assert [str(dtype) for dtype in again.dtypes] == [str(dtype) for dtype in records.dtypes], ending
    assert again.astype(str).equals(records.astype(str)), ending
design = survey.Design(records)
outcome = next(item.name for item in codebook.items.values() if item.kind == "ordinal")
group = next(item.name for item in codebook.items.values() if item.kind == "nominal")
table = survey.crosstab(design, outcome, group)
table.to_excel(folder / f"{sys.argv[1]}-table.xlsx")
print(table.tidy().to_csv())
print(survey.proportion(design, outcome, by=group).tidy().to_csv())
print(survey.topline(design, outcome).to_gt().as_raw_html())
print(survey.ordinal(f"{outcome} ~ {group}", design).tidy().to_csv())
assert sys.argv[1] == "with" or "pyarrow" not in sys.modules
"""


@pytest.mark.slow
def test_results_are_the_same_without_pyarrow(tmp_path: Path) -> None:
    """Text is another type where pandas has no Arrow: no file, table or number may depend on it."""
    said = {
        how: subprocess.run(
            [sys.executable, "-W", "error", "-c", WITHOUT_PYARROW, how, str(STUDY), str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        for how in ("with", "without")
    }
    assert [run.stderr for run in said.values()] == ["", ""]
    assert said["with"].stdout == said["without"].stdout
    for ending in (".csv", "-table.xlsx"):
        assert (tmp_path / f"with{ending}").read_bytes() == (tmp_path / f"without{ending}").read_bytes(), ending
