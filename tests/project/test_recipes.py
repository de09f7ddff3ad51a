"""Each recipe's diff fits the code as it is now, and its tests pass on a copy that it was applied to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks_in

RECIPES = ROOT / "docs" / "recipes"
PAGES = sorted(path for path in RECIPES.glob("*.md") if path.stem != "README")
COPIED = ("survey", "analysis", "data", "tests")  # what the tests of recipes read

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")
recipes = pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])


def run(*command: str, tree: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a copy of the project, which is no repository and not the package that is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GIT"))}
    environment = kept | {"PYTHONPATH": str(tree), "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def patched(page: Path, folder: Path) -> tuple[Path, list[str]]:
    """A copy of the project with the diff of a page, and the Python files that the diff touches."""
    tree = folder / "tree"
    for name in COPIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    diff = "\n".join(blocks_in(page.read_text(encoding="utf-8"), "diff"))
    (folder / "recipe.diff").write_text(diff, encoding="utf-8", newline="\n")
    applied = run("git", "apply", str(folder / "recipe.diff"), tree=tree)
    assert applied.returncode == 0, applied.stderr
    return tree, re.findall(r"(?m)^\+\+\+ b/(\S+\.py)$", diff)


@pytest.mark.slow
@needs_git
@recipes
def test_its_own_tests_pass_where_it_is_applied(page: Path, tmp_path: Path) -> None:
    tree, files = patched(page, tmp_path)
    added = [name for name in files if Path(name).name.startswith("test_")]
    assert added, "a recipe has a test of its own"
    tests = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *added, tree=tree)
    assert tests.returncode == 0, tests.stdout
    for asked in re.findall(r"(?m)^ {4}\.venv/bin/python -m pytest (.+)$", page.read_text(encoding="utf-8")):
        others = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *asked.split(), tree=tree)
        assert others.returncode == 0, others.stdout
    style = run(sys.executable, "-m", "ruff", "check", "--no-cache", *files, tree=tree)
    assert style.returncode == 0, style.stdout
    layout = run(sys.executable, "-m", "ruff", "format", "--no-cache", "--diff", *files, tree=tree)
    assert layout.returncode == 0, layout.stdout


@recipes
def test_what_it_adds_is_not_there_yet(page: Path) -> None:
    diff = "\n".join(blocks_in(page.read_text(encoding="utf-8"), "diff"))
    for path in re.findall(r"(?m)^--- /dev/null\n\+\+\+ b/(\S+)$", diff):
        assert not (ROOT / path).exists(), f"{path} is there: choose another example"


def test_every_recipe_is_listed() -> None:
    listed = re.findall(r"\]\((\w+\.md)\)", (RECIPES / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == [page.name for page in PAGES]
