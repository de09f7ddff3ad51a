"""The page on architecture says what is: its rooms, its picture, and where things are found."""

from __future__ import annotations

import ast
import re

import pytest

from tests.documents import ROOT
from tests.project.picture import PICTURE, drawn
from tests.project.test_rooms import ROOMS

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
DEFINED = re.compile(r"`((?:survey|analysis|tests)/[\w/]+\.py)` \| ((?:`[\w.]+`(?:, )?)+)")


def section(title: str) -> str:
    """Text of a section."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rooms_of_the_page() -> dict[str, tuple[str, ...]]:
    """Rooms of the table and their files, lowest first; the files at the root have no name."""
    rows = re.findall(r"(?m)^\| `([\w/]+)` \| [^|]+ \| ([^|]+) \|$", section("The rooms"))
    names = {room.strip("/"): tuple(re.findall(r"`(\w+)`", files)) for room, files in rows}
    return {"" if room == "survey" else room.removeprefix("survey/"): files for room, files in names.items()}


def test_the_table_has_every_room_and_file_in_order() -> None:
    found = rooms_of_the_page()
    assert {room: tuple(reversed(files)) for room, files in found.items()} == ROOMS
    assert list(found) == list(reversed(ROOMS))


def test_the_picture_is_drawn_from_this_code() -> None:
    assert PICTURE.read_text(encoding="utf-8") == drawn(), "run: make architecture"


@pytest.mark.parametrize(("path", "names"), sorted(set(DEFINED.findall(PAGE))))
def test_what_is_to_be_read_is_where_the_page_says(path: str, names: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    defined |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    annotated = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    defined |= {target.id for target in annotated if isinstance(target, ast.Name)}
    for name in re.findall(r"`([\w.]+)`", names):
        assert name.split(".")[-1] in defined, f"{path} has no {name}"


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\(([^)#:]+)\)", PAGE))))
def test_its_links_lead_somewhere(path: str) -> None:
    assert (ROOT / "docs" / path).exists()
