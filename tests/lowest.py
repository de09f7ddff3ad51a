"""The oldest packages that pyproject.toml allows, as requirements for pip: `python -m tests.lowest`.

The bounds are promises, and `make test-lowest` keeps them: it runs the fast tests with exactly these. The tools
that run the tests keep the versions of constraints.txt.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ("pytest", "pytest-xdist", "hypothesis")
APART = ("dev", "interfaces")  # extras that no user of the package needs to run it
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=(?P<version>[0-9][0-9.]*)")


def lowest(project: Mapping[str, object], pinned: str) -> list[str]:
    """Requirements that name the lowest allowed version of each package, and the pinned one of each tool.

    Parameters
    ----------
    project : table [project] of pyproject.toml.
    pinned : text of constraints.txt.
    """
    extras = project["optional-dependencies"]
    asked = project["dependencies"]
    assert isinstance(asked, list)
    assert isinstance(extras, dict)
    for extra, requirements in extras.items():
        asked = asked if extra in APART else [*asked, *requirements]
    bounds = {requirement: BOUND.match(requirement) for requirement in asked}
    without = [
        requirement for requirement, bound in bounds.items() if bound is None and "opinion-survey" not in requirement
    ]
    if without:
        raise SystemExit(f"pyproject.toml must say from which version on it allows a package; {without} do not.")
    oldest = {f"{bound['name']}=={bound['version']}" for bound in bounds.values() if bound is not None}
    tools = [line for line in pinned.splitlines() if line.partition("==")[0] in TOOLS]
    return [*sorted(oldest), *tools]


def main() -> None:
    """Write them to standard output."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    sys.stdout.write("\n".join(lowest(project, pinned)) + "\n")


if __name__ == "__main__":
    main()
