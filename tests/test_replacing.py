"""Files are put in place whole, or the old ones stay: full disks, links, protected files, whatever is written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import matplotlib.axes
import pandas as pd
import pytest
from matplotlib.figure import Figure

import survey
from survey.errors import SurveyError
from survey.figures import save_figure
from survey.replacing import replacing, write_text
from tests.records.test_respondents import ID, codebook_of

FRAME = pd.DataFrame({"id": [1, 2], "psu": [1, 2]})


def axes() -> matplotlib.axes.Axes:
    return Figure().subplots()


WRITERS: dict[str, Callable[[Path], object]] = {
    "r.csv": lambda path: survey.write_respondents(FRAME, path, codebook_of(ID)),
    "r.xlsx": lambda path: survey.write_respondents(FRAME, path, codebook_of(ID)),
    "codebook.yaml": lambda path: codebook_of(ID).to_yaml(path),
    "table.xlsx": lambda path: survey.tables.to_excel(FRAME, path),
    "figure.svg": lambda path: save_figure(axes(), path.with_suffix(""), "A figure"),
    "figure.png": lambda path: save_figure(axes(), path.with_suffix(""), "A figure"),
    "text.md": lambda path: write_text(path, "text"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The codebook, the table and the figure that were there were empty afterwards."""
    (tmp_path / name).write_bytes(b"old")

    def full(source: object, target: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SurveyError, match=r"gave: No space left on device. It is as it was before."):
        WRITERS[name](tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"old")
    (tmp_path / name).chmod(0o640)
    WRITERS[name](tmp_path / name)
    assert (tmp_path / name).read_bytes() != b"old"
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_is_no_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SurveyError, match=r"must be a file that may be replaced; .* is a folder"):
        WRITERS[name](tmp_path / name)


def test_what_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("old")

    def stop(draft: Path) -> None:
        draft.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "r.csv") as draft:
        stop(draft)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "link.md").symlink_to("old.md")
    write_text(tmp_path / "link.md", "new")
    assert (tmp_path / "link.md").is_symlink()
    assert (tmp_path / "old.md").read_text() == "new"
    (tmp_path / "circle.md").symlink_to("circle.md")
    with pytest.raises(SurveyError, match=r"`path` must"):
        write_text(tmp_path / "circle.md", "new")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none/at/all.md", "`path` must be in an existing folder; there is none at none"),
        (5, "must be the name of a file"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, message: str) -> None:
    with pytest.raises(SurveyError, match=message):
        write_text(path, "text")


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="is no letter"):
        write_text(tmp_path / "a.md", "\ud800")
    assert list(tmp_path.iterdir()) == []
