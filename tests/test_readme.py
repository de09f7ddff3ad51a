"""The README's example runs as printed, and the files it points to exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_as_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    for expected in (
        "Strongly approve",
        "Ordinal regression",
        "education[T.Bachelor or more]",
        "151 of 2209 respondents",
    ):
        assert expected in printed


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"(?:\]\(|`)((?:data|docs|analysis|tests)/[^)`]*)[)`]", README)))
)
def test_files_that_the_readme_names_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`?make ([a-z-]+)", README)):
        assert re.search(rf"(?m)^{target}:", makefile), target
