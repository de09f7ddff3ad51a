"""No import goes round in a circle, and no class or file grows beyond what can be read; exceptions have a reason."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path for room in ("survey", "analysis") for path in (ROOT / room).rglob("*.py"))
ARCHITECTURE = ROOT / "docs" / "architecture.md"

MOST_LINES = 400
MOST_METHODS = 15  # properties count: a reader meets them in the same list

# Each stands with its reason in the table under "Exceptions" of docs/architecture.md.
LARGE_FILES: set[str] = set()
LARGE_CLASSES = {"OrdinalFit", "Fitted"}


def module_of(path: Path) -> str:
    """Name by which a file is imported; that of its folder for an `__init__.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def types_only(tree: ast.Module) -> set[int]:
    """Nodes that only a type checker reads."""
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {id(inner) for check in checks for inner in ast.walk(check)}


def imported(source: str, modules: set[str]) -> set[str]:
    """Modules among these that a source imports, be it at once or when a function is called."""
    tree = ast.parse(source)
    unread = types_only(tree)
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names} & modules
            if any(f"{node.module}.{alias.name}" not in modules for alias in node.names):
                names.add(str(node.module))
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names & modules


def circle(sources: dict[str, str]) -> list[str]:
    """A circle of imports among modules, named from one of them back to itself; empty where there is none."""
    graph = {name: imported(source, set(sources)) - {name} for name, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_import_goes_round_in_a_circle() -> None:
    assert circle({module_of(path): path.read_text(encoding="utf-8") for path in FILES}) == []


@pytest.mark.parametrize(
    "late",
    [
        "def f():\n    from p.a import x",
        "def f():\n    import p.a",
        "from p import a",
    ],
)
def test_a_circle_is_found_also_where_a_function_closes_it(late: str) -> None:
    assert set(circle({"p.a": "from p.b import y", "p.b": "from p.c import z", "p.c": late})) == {"p.a", "p.b", "p.c"}
    assert circle({"p.a": "from p.b import y", "p.b": f"if TYPE_CHECKING:\n    {late.splitlines()[-1].strip()}"}) == []


def public_methods(path: Path) -> dict[str, int]:
    """How many public methods and properties each class of a file has."""
    classes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    return {
        node.name: sum(isinstance(part, ast.FunctionDef) and not part.name.startswith("_") for part in node.body)
        for node in classes
    }


def test_no_class_has_too_many_methods() -> None:
    counts = {name: number for path in FILES for name, number in public_methods(path).items()}
    assert {name for name, number in counts.items() if number > MOST_METHODS} == LARGE_CLASSES


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name for name, lines in lengths.items() if lines > MOST_LINES} == LARGE_FILES


@pytest.mark.skipif(not ARCHITECTURE.exists(), reason="docs/architecture.md is not written yet")
def test_every_exception_has_a_reason() -> None:
    """A row of the table: the class or file in backticks, and in the last column why."""
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("## Exceptions")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in section.splitlines() if row.startswith("| `")]
    reasons = {name: row[-1] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    assert {name for name, reason in reasons.items() if reason} >= LARGE_FILES | LARGE_CLASSES
