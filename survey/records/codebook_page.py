"""The codebook page: what was asked, and how the answers are coded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from survey.errors import visible
from survey.records.items import Item

MARKUP = re.compile(r"[\\`*<>\[\]~]|(?<!\w)_|_(?!\w)")
"""Characters that Markdown reads as markup; an underscore only at the edge of a word."""

NOT_STATED = "not stated in the source"
NO_WORDING = "wording not published"


def codebook_page(settings: Mapping[str, str | None], items: Mapping[str, Item]) -> str:
    """Write a codebook as Markdown.

    Parameters
    ----------
    settings : title, kind of data, population and so on, as the codebook has them.
    items : items by name.

    Returns
    -------
    A page with one section per item, in questionnaire order.
    """
    settings = {name: None if text is None else _plain(text) for name, text in settings.items()}
    lines = [f"# {settings['title']}", ""]
    if settings["data_kind"] == "synthetic":
        lines += ["**Synthetic data: no record describes a real person.**", ""]
    lines += [
        f"* {name.capitalize()}: {settings[name] or NOT_STATED}" for name in ("population", "fieldwork", "source")
    ]
    lines += [f"* Weight: {settings['weight'] or 'none'}"]
    lines += [f"* Note: {settings['note']}"] if settings["note"] else []
    for item in items.values():
        lines += ["", *_section(item)]
    return "\n".join(lines) + "\n"


def _section(item: Item) -> Iterator[str]:
    """Write one item: heading, wording, facts, answers."""
    yield f"## {_plain(item.label)} ({_code(item.name)})"
    yield ""
    if item.is_derived:
        yield f"Derived from {_code(str(item.derived_from))}{_plain(_rule(item))}. Kind: {item.kind}."
    elif item.kind == "id":
        yield "Identifies the respondent."
    else:
        wording = f"“{_plain(item.wording)}”" if item.wording else f"*{NO_WORDING}*."
        yield f"{wording} Kind: {item.kind}{_plain(_range(item))}."
    if item.note:
        yield ""
        yield _plain(item.note)
    if item.options:
        yield from _table(("Column", "Option"), [(_code(c), _plain(label)) for c, label in item.options.items()])
    if item.levels or item.stored_missing:
        rows = [(_plain(str(level.code)), _plain(level.label), "") for level in item.levels]
        rows += [(_plain(str(level.code)), _plain(level.label), "missing") for level in item.stored_missing]
        yield from _table(("Code", "Answer", ""), rows)
    if item.nets:
        yield from _table(
            ("Net", "Sum of"), [(_plain(net), _plain(", ".join(members))) for net, members in item.nets.items()]
        )


def _plain(text: str) -> str:
    """Text that Markdown and HTML read as text, on one line."""
    marked = MARKUP.sub(r"\\\g<0>", " ".join(visible(text).split()))
    return re.sub(r"&(?=#?\w+;)", "&amp;", marked)


def _code(name: str) -> str:
    """Name of a column as it is written in code."""
    text = " ".join(visible(name).split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _rule(item: Item) -> str:
    """Say how a derived item is computed."""
    if item.breaks:
        bounds = zip(item.labels, item.breaks, item.breaks[1:], strict=False)
        return ": " + "; ".join(f"{label} = {low:g} to below {high:g}" for label, low, high in bounds)
    if item.recode:
        return ": " + "; ".join(f"{label} = {', '.join(map(str, codes))}" for label, codes in item.recode.items())
    return ": " + "; ".join(f"code {code} = {value:g}" for code, value in item.values.items())


def _range(item: Item) -> str:
    """Say which numbers are allowed."""
    parts = [] if not item.integer else ["whole numbers"]
    if item.minimum is not None:
        parts.append(f"from {item.minimum:g}")
    if item.maximum is not None:
        parts.append(f"to {item.maximum:g}")
    if item.unit:
        parts.append(item.unit)
    return f", {' '.join(parts)}" if parts else ""


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Write a Markdown table, with an empty line before it."""
    yield ""
    for row in (header, ("---",) * len(header), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
