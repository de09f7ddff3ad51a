"""The README's example runs as printed, and the files it points to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents import ROOT, python_blocks, run, working_copy

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_as_printed(tmp_path: Path) -> None:
    (example,) = python_blocks(README)
    assert len([line for line in example.code.splitlines() if line.strip()]) <= 15
    (printed,) = run([example], working_copy(tmp_path), "README.md").printed
    for expected in (
        "Strongly approve",
        "Ordinal regression",
        "education[T.Bachelor or more]",
        "151 of 2209 respondents",
        "Approve     0.800",  # the 80% of the report's first finding
    ):
        assert expected in printed
    assert "..." not in printed  # no column is left out


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?:\]\(|`)((?:data|docs|analysis|tests)/[^)`]*)[)`]", README)))
)
def test_files_that_the_readme_names_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert re.search(rf"(?m)^{target}:", makefile), target


def test_no_line_is_too_long_to_read() -> None:
    assert [line for line in README.splitlines() if len(line) > 120] == []


def test_it_says_how_to_get_and_run_the_package() -> None:
    for expected in ("git clone", "cd opinion-survey", ".venv/bin/python", "## Your own file", "margins.yaml"):
        assert expected in README
