"""The pages for those who carry on: what they name exists, and they can be read without anything else."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [CONTRIBUTING, ROOT / "docs" / "stability.md", *sorted((ROOT / "docs" / "recipes").glob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

pages = pytest.mark.parametrize("page", PAGES, ids=NAMES)


def without_code(text: str) -> str:
    return re.sub(r"(?ms)^```.*?^```$", "", text)


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", without_code(page.read_text(encoding="utf-8"))):
        target = (page.parent / link).resolve()
        assert link.startswith("https://") or target.exists(), link


@pages
def test_files_that_are_named_exist(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    for path in re.findall(r"`((?:survey|tests|analysis|data|docs)/[\w/.-]+\.\w+)`", text):
        assert (ROOT / path).exists(), path


@pages
def test_targets_that_are_named_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?m)(?:`|^    )make ([a-z-]+)", page.read_text(encoding="utf-8")):
        assert re.search(rf"(?m)^{target}:", makefile), target


@pages
def test_no_line_of_text_is_too_long_to_read(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    assert [line for line in text.splitlines() if len(line) > 120] == []


def test_every_marker_is_explained() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    markers = [marker.partition(":")[0] for marker in settings["markers"]]
    assert re.findall(r"(?m)^\| `(\w+)` \|", CONTRIBUTING.read_text(encoding="utf-8")) == markers


def test_hooks_before_a_commit_are_targets_that_need_no_network() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert repo["repo"] == "local"
    assert [hook["entry"] for hook in repo["hooks"]] == ["make lint", "make types"]
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in repo["hooks"])
