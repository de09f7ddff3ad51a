"""What the face shows, and what the package says where another distribution lies in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import survey
from survey.errors import InstallationError
from survey.installation import VERSION, check_face

ROOT = Path(__file__).resolve().parents[2]
IMPORT = "import survey; print(survey.__version__)"
COMMAND = "import sys; from survey.cli import main; sys.exit(main(['codebook', 'nowhere.yaml']))"
REMEDY = "Run `pip uninstall survey opinion-survey`, then `pip install opinion-survey`."
SHARED = "the distribution 'survey' 5.4.2 (console prompts) is installed in"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages with ours in it."""
    folder = tmp_path / "site"
    shutil.copytree(ROOT / "survey", folder / "survey", ignore=shutil.ignore_patterns("__pycache__"))
    yield folder
    shutil.rmtree(folder)


def install_other(folder: Path) -> None:
    """Leave what pip leaves of the other distribution, apart from its files."""
    metadata = folder / "survey-5.4.2.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: survey\nVersion: 5.4.2\n")


def python(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of Python that sees the packages of some folders first."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folders[0], env=environment, capture_output=True, text=True, check=False
    )


def test_dir_shows_public_names_only() -> None:
    assert dir(survey) == sorted([*survey.__all__, "__version__"])


def test_the_version_is_written_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "survey.installation.VERSION"}
    assert survey.__version__ == VERSION
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_command_has_a_name_of_its_own_as_well() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts == {"survey": "survey.cli:main", "opinion-survey": "survey.cli:main"}


def test_alone_in_its_folder_it_is_imported_and_runs(site: Path) -> None:
    assert python(IMPORT, site).stdout == f"{VERSION}\n"
    assert "nowhere.yaml" in python(COMMAND, site).stderr


def test_another_distribution_in_the_same_folder_is_refused_on_import(site: Path) -> None:
    install_other(site)
    run = python(f"try:\n {IMPORT}\nexcept ImportError as error:\n print(type(error).__mro__[1].__name__, error)", site)
    assert run.stdout.startswith("SurveyError `survey` must have its folder to itself; ")
    assert SHARED in run.stdout
    assert REMEDY in run.stdout


@pytest.mark.slow
def test_another_distribution_elsewhere_overwrites_nothing(site: Path, tmp_path: Path) -> None:
    install_other(tmp_path / "elsewhere")
    assert python(IMPORT, site, tmp_path / "elsewhere").stdout == f"{VERSION}\n"


def test_a_face_that_was_overwritten_is_noticed_by_the_command(site: Path) -> None:
    install_other(site)
    (site / "survey" / "__init__.py").write_text("from . import _core\n")
    (site / "survey" / "_core.py").write_text("")
    run = python(COMMAND, site)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("survey: `survey` must have its folder to itself; ")
    assert SHARED in run.stderr
    assert "Traceback" not in run.stderr


def test_a_face_that_was_removed_with_the_other_is_noticed_by_the_command(site: Path) -> None:
    (site / "survey" / "__init__.py").unlink()
    run = python(COMMAND, site)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"survey: `survey` must be the package of opinion-survey {VERSION}; ")
    assert "is that of another distribution, or was removed with it" in run.stderr
    assert REMEDY in run.stderr


def test_a_name_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(InstallationError, match="must be the package of opinion-survey"):
        check_face(None)
    check_face(survey)
