"""The Makefile and the files it installs from: what can be checked without installing anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.lowest import lowest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = [
    "help",
    "setup",
    "data",
    "report",
    "figures",
    "tables",
    "verify",
    "test",
    "test-fast",
    "test-lowest",
    "lint",
    "types",
    "interfaces",
    "bench",
    "validation",
    "coverage",
    "architecture",
    "clean",
    "repro-check",
]

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make without the settings of a make that may be running these tests."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    for name in ("STUDY", "DATA", "CODEBOOK", "OUTPUT", "PYTHON"):
        environment.pop(name, None)
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonical(line.partition("==")[0]): line for line in lines}


@needs_make
def test_help_lists_every_target() -> None:
    listed = re.findall(r"^  ([a-z-]+)  ", make("help").stdout, flags=re.MULTILINE)
    assert listed == TARGETS


@needs_make
def test_make_alone_prints_the_help() -> None:
    assert make().stdout == make("help").stdout


@needs_make
@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ((), "build/social_credit"),
        (("STUDY=anes96",), "build/anes96"),
        (("DATA=mine/wave 2.csv",), "build/social_credit-wave 2"),
    ],
)
def test_every_report_has_a_folder_of_its_own(arguments: tuple[str, ...], folder: str) -> None:
    planned = make("-n", "report", *arguments).stdout
    assert f"--output '{folder}'" in planned


@needs_make
def test_the_researchers_file_and_codebook_are_passed_on() -> None:
    planned = make("-n", "report", "DATA=mine.sav", "CODEBOOK=mine.yaml").stdout
    assert "--data 'mine.sav' --codebook 'mine.yaml'" in " ".join(planned.split())


@needs_make
def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    run = make("setup", "PYTHON=python-that-is-not-there", folder=tmp_path)
    assert run.returncode != 0
    assert "no 'python-that-is-not-there' here. Install Python 3.11 or newer" in run.stderr


@needs_make
def test_an_interpreter_that_is_too_old_is_named(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\n[ "$1" = --version ]\n')
    old.chmod(0o755)
    run = make("setup", f"PYTHON={old}", folder=tmp_path)
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stderr
    assert "Python 3.9.2" in run.stderr


def test_constraints_are_exact_versions_and_name_no_index() -> None:
    for line in pinned().values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+]+", line), line


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    names = {canonical(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in wanted}
    assert names - {"opinion-survey"} <= set(pinned())


def test_the_oldest_allowed_versions_are_those_of_the_bounds() -> None:
    project: dict[str, object] = {
        "dependencies": ["numpy>=2.0", "great_tables>=1.1"],
        "optional-dependencies": {"report": ["jinja2>=3.1"], "dev": ["mypy>=1.14", "opinion-survey[report]"]},
    }
    written = lowest(project, "# pinned\npytest==9.2.0\nmypy==2.4.1\n")
    assert written == ["great_tables==1.1", "jinja2==3.1", "numpy==2.0", "pytest==9.2.0"]
    with pytest.raises(SystemExit, match=r"from which version on it allows a package; \['rich'\] do not"):
        lowest(project | {"dependencies": ["rich"]}, "")


def test_every_package_of_the_project_has_a_lowest_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    written = lowest(project, (ROOT / "constraints.txt").read_text())
    assert len(written) >= len(project["dependencies"]) + 3


def test_ci_runs_what_the_readme_names_and_is_executable() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    steps = re.findall(r"^step (make .*)$", script.read_text(), flags=re.MULTILINE)
    assert steps[0].startswith("make interfaces || ")
    assert steps[1:4] == ["make test", "make report", "make verify"]
    assert "set -euo pipefail" in script.read_text()
