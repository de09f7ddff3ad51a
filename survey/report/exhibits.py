"""Figures and tables inside the page: numbered as they come, each with its caption and note."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import SurveyError
from survey.report.phrases import Reported, as_text

if TYPE_CHECKING:
    from markupsafe import Markup

IMAGES = {".svg": "svg+xml", ".png": "png"}


class Numbered:
    """A filter that prints tables or figures and counts them as they come."""

    def __init__(self, kind: str, body: Callable[[Reported], tuple[str, str]]) -> None:
        self.kind = kind
        self.body = body
        self.number = 0

    def __call__(self, record: Reported) -> Markup:
        """The next figure or table, as HTML that Markdown leaves alone."""
        from markupsafe import Markup

        self.number += 1
        label = f"{self.kind} {self.number}"
        name = f"{self.kind.lower()}-{_slug(_text(record, 'name'))}"
        content, caption = self.body(record)
        note = record.get("note")

        parts = (
            f'<figure class="{self.kind.lower()}" id="{name}">',
            f'<figcaption id="{name}-caption"><b>{label}.</b> {caption}</figcaption>',
            f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">',
            content.replace("<table", f'<table aria-labelledby="{name}-caption"', 1),
            "</div>",
            f'<p class="note">{as_text(note)}</p>\n</figure>' if note else "</figure>",
        )
        return Markup("\n\n```{=html}\n" + "\n".join(parts) + "\n```\n\n")


def figure(record: Reported, folder: Path) -> tuple[str, str]:
    """An image inside the page, with the text that stands for it; and its caption."""
    path = folder / _text(record, "file")
    if path.suffix not in IMAGES or not path.is_file():
        raise SurveyError(
            f"`file` of a figure must be an SVG or PNG beside the report; there is no {record['file']!r}. "
            "Draw the figures before the report is rendered."
        )
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    alt = html.escape(_text(record, "alt"))
    image = f'<img alt="{alt}" src="data:image/{IMAGES[path.suffix]};base64,{data}">'
    return image, as_text(_text(record, "caption"))


def table(record: Reported) -> tuple[str, str]:
    """A table that great_tables made, or columns and rows as plain cells; and its caption."""
    html_of_table = record.get("html")
    if isinstance(html_of_table, str):
        return _great_table(html_of_table, record)
    columns = record.get("columns")
    rows = record.get("rows")
    if not isinstance(columns, Iterable) or not isinstance(rows, Iterable):
        raise SurveyError(
            "`table` must be given `html`, or `columns` and `rows`; found the keys "
            f"{', '.join(sorted(record))}. Pass a table made by survey.tables."
        )
    numeric = record.get("numeric", ())
    names = [str(name) for name in columns]
    styles = [' class="number"' if isinstance(numeric, Iterable) and name in numeric else "" for name in names]
    head = "".join(f'<th scope="col"{s}>{as_text(name)}</th>' for name, s in zip(names, styles, strict=True))
    lines = [_row(row, styles) for row in rows]
    body = ("<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *lines, "</tbody>", "</table>")
    return "\n".join(body), as_text(_text(record, "caption"))


def _row(row: Iterable[object], styles: Sequence[str]) -> str:
    """A row of plain cells, headed by the first."""
    first, *others = (as_text(cell) for cell in row)
    cells = "".join(f"<td{style}>{cell}</td>" for cell, style in zip(others, styles[1:], strict=True))
    return f'<tr><th scope="row"{styles[0]}>{first}</th>{cells}</tr>'


def _great_table(text: str, record: Reported) -> tuple[str, str]:
    """HTML of great_tables without its own style, its caption taken out of the part that scrolls."""
    caption = re.compile(r"<caption[^>]*>(.*?)</caption>\s*", re.DOTALL)
    titles = caption.findall(text)
    body = caption.sub("", re.sub(r"<style.*?</style>\s*", "", text, flags=re.DOTALL))
    body = re.sub(r'(<div id="[^"]*") style="[^"]*"', r"\1", body, count=1)
    body = re.sub(r' (?:aria-(?:labelledby|describedby)|data-quarto-[a-z-]+)="[^"]*"', "", body)
    title = titles[0] if titles and not record.get("caption") else as_text(_text(record, "caption"))
    return body.strip(), title


def _text(record: Reported, key: str) -> str:
    """One text of a table or figure."""
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SurveyError(
            f"`results` must give every table and figure its `{key}`; found {value!r} in the one with the "
            f"keys {', '.join(sorted(record))}. Write it where the table or figure is made."
        )
    return value


def _slug(text: str) -> str:
    """A name as part of an address."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
