"""Draw the rooms: `python -m tests.project.picture` writes docs/rooms.svg from the plan and the code's own imports.

On the left the rooms, top to bottom, with their files; on the right a square for each room that a room imports, with
the number of files that do. All squares lie right of the diagonal: no import runs back up.
"""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from html import escape

from tests.documents import ROOT
from tests.project.test_rooms import MODULES, PACKAGE, ROOMS, imports, room_of

PICTURE = ROOT / "docs" / "rooms.svg"
FACE, ROOT_FILES = "survey", "root files"
BOX, MARGIN, HEAD, CELL, LINE = 600, 16, 118, 30, 15  # pixels: width of a box, borders, column heads, squares, lines
INK, MUTED, PAPER, FILL, MARK = "#1c2733", "#586574", "#ffffff", "#eef3f8", "#1f5f99"
FILES_PER_LINE = 92  # letters


def uses() -> dict[str, Counter[str]]:
    """How many files of each room import each other room; the face imports all that it hands on."""
    found: dict[str, Counter[str]] = {room: Counter() for room in ROOMS}
    for module in MODULES:
        targets = {name if name in ROOMS else room_of(name) for name in imports(module)}
        found[room_of(module)].update(targets - {room_of(module)})
    face: Counter[str] = Counter()
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "survey":
            taken = [node.module or ""] if "." in (node.module or "") else [f"survey.{a.name}" for a in node.names]
            face.update(name.split(".")[1] if name.split(".")[1] in ROOMS else "" for name in taken)
    found[FACE] = Counter(dict.fromkeys(face, 1))
    return found


def holds(room: str) -> str:
    """What a room says of itself, in the first sentence of its `__init__`."""
    if room == "":
        return "What every room needs: errors, checks of arguments, tidy columns, printing."
    path = PACKAGE / "__init__.py" if room == FACE else PACKAGE / room / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def label(room: str) -> str:
    """Name of a room as the picture has it."""
    return room or ROOT_FILES


def drawn() -> str:
    """The picture, as SVG."""
    rooms = [FACE, *reversed(ROOMS)]
    imported = uses()
    left = BOX + 2 * MARGIN
    width = left + CELL * len(rooms) + MARGIN
    top = HEAD
    rows: list[str] = []
    for place, room in enumerate(rooms):
        files = "public names only" if room == FACE else " · ".join(reversed(ROOMS[room]))
        lines = textwrap.wrap(files, FILES_PER_LINE)
        said = textwrap.wrap(holds(room), FILES_PER_LINE - 4)
        height = 14 + LINE * (1 + len(said) + len(lines))
        rows.append(_box(label(room), said, lines, top, height))
        middle = top + height / 2
        x = left + CELL * place
        rows.append(f'<line x1="{left}" y1="{middle:g}" x2="{width - MARGIN}" y2="{middle:g}" stroke="#dde4eb"/>')
        rows.append(f'<circle cx="{x + CELL / 2:g}" cy="{middle:g}" r="3" fill="{MUTED}"/>')
        for column, other in enumerate(rooms):
            count = imported[room][other]
            if count:
                rows.append(_square(left + CELL * column, middle, "" if room == FACE else str(count)))
        top += height + 6
    heads = "".join(
        f'<text transform="translate({left + CELL * i + CELL / 2 + 4:g},{HEAD - 10}) rotate(-60)">{label(room)}</text>'
        for i, room in enumerate(rooms)
    )
    title = "The rooms of the package and which of them each imports"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + MARGIN}" width="{width}" '
        f'height="{top + MARGIN}" role="img" aria-labelledby="title" font-family="sans-serif" font-size="12" '
        f'fill="{INK}">\n<title id="title">{title}</title>\n'
        f'<rect width="100%" height="100%" fill="{PAPER}"/>\n'
        f'<text x="{MARGIN}" y="{HEAD - 62}" font-size="17" font-weight="bold">{title}</text>\n'
        f'<text x="{MARGIN}" y="{HEAD - 40}" fill="{MUTED}">A square: the room of the row imports the room of the '
        f"column; the number: how many of its files do.</text>\n"
        f'<text x="{MARGIN}" y="{HEAD - 24}" fill="{MUTED}">All squares lie right of the diagonal (dots): '
        f"no import runs back up.</text>\n{heads}\n" + "\n".join(rows) + "\n</svg>\n"
    )


def _box(name: str, said: list[str], files: list[str], top: float, height: float) -> str:
    """A room: its name, what it holds, its files from the highest to the lowest."""
    texts = [f'<text x="{MARGIN + 10}" y="{top + 18:g}" font-weight="bold" font-size="13">{name}</text>']
    for i, line in enumerate([*said, *files]):
        colour = INK if i < len(said) else MUTED
        texts.append(f'<text x="{MARGIN + 10}" y="{top + 18 + LINE * (i + 1):g}" fill="{colour}">{escape(line)}</text>')
    frame = f'<rect x="{MARGIN}" y="{top:g}" width="{BOX}" height="{height:g}" rx="4" fill="{FILL}" stroke="#c5d0db"/>'
    return "\n".join([frame, *texts])


def _square(x: float, middle: float, text: str) -> str:
    """A room that is imported."""
    box = f'<rect x="{x + 4:g}" y="{middle - 11:g}" width="{CELL - 8}" height="22" rx="3" fill="{MARK}"/>'
    centre = f'x="{x + CELL / 2:g}" y="{middle + 4:g}" text-anchor="middle"'
    return f'{box}<text {centre} fill="{PAPER}" font-size="11">{text}</text>'


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8", newline="\n")
