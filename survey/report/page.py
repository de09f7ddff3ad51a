"""Numbers and a template become one HTML file that opens offline.

The template is Markdown with Jinja expressions. It holds no number of its own: each comes from `results`, a
key that is missing stops the build, and a digit typed into the prose is refused. Estimates are printed by the
filters of `survey.report.phrases`, so that a number which no table shows is not in the prose either.
"""

from __future__ import annotations

import base64
import html
import re
import subprocess
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import SurveyError
from survey.report.phrases import FILTERS, Reported, as_text, direction, is_shown
from survey.tables import program

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

PAGE = "page.html"  # pandoc's template: the page around the text
STYLE = "style.css"
MARKDOWN = "markdown" + "".join(
    f"-{extension}"
    for extension in (
        *("tex_math_dollars", "subscript", "superscript", "citations", "example_lists"),
        "yaml_metadata_block",
    )
)
IMAGES = {".svg": "svg+xml", ".png": "png"}

# What is not prose, in the order in which it is taken out before the lint looks for digits.
_NOT_PROSE = (
    re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL),
    re.compile(r"<!--.*?-->|<style.*?</style>", re.DOTALL),
    re.compile(r"<[a-zA-Z/][^<>]*>|&#?\w+;"),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)\s]*\)|https?://\S+"),
    re.compile(r"\{ ?[.#][^}\n]*\}"),  # attributes of a heading
    re.compile(r"^\s*\d+\.(?=\s)", re.MULTILINE),
    re.compile(r"\b95%"),
    re.compile(r"\b(?:Table|Figure)s? \d+"),
    re.compile(r"\b(?:1[89]|20)\d\d\b(?!%)"),
)


def render(
    template: Path,
    results: Mapping[str, object],
    output: Path,
    *,
    title: str,
    description: str = "",
    language: str = "en",
) -> Path:
    """Write the report: template + results -> Markdown -> HTML with its figures and style inside.

    The folder of the template holds everything it includes or extends, the page around the text (`page.html`,
    a pandoc template) and its style (`style.css`). Every `*.j2` file of that folder is checked by
    `lint_template` first. The same template and results give the same bytes.

    Parameters
    ----------
    template : the Jinja template, Markdown with `{{ }}` expressions.
    results : what the template may print; its keys are the template's top-level names.
    output : HTML file to write; figures are read from paths relative to its folder.
    title, description, language : of the page.

    Returns
    -------
    `output`.

    Raises
    ------
    SurveyError : a number typed into the template, a missing key, figure or template, or invalid Markdown.
    """
    for part in sorted(template.parent.glob("*.j2")):
        lint_template(part.read_text(encoding="utf-8"), name=part.name)
    text = to_markdown(template, results, figures=output.parent)
    page = _pandoc(text, template.parent, {"title": title, "description": description, "lang": language})
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8", newline="\n")
    return output


def to_markdown(template: Path, results: Mapping[str, object], *, figures: Path) -> str:
    """The text of the report in Markdown, with tables and figures as raw HTML.

    Parameters
    ----------
    template, results : as in `render`.
    figures : folder that the paths of figures are relative to.
    """
    from jinja2 import TemplateError, TemplateNotFound, UndefinedError

    environment = _environment(template.parent, figures)
    try:
        return environment.get_template(template.name).render(results)
    except TemplateNotFound as error:
        raise SurveyError(
            f"`template` must exist; there is no '{error.name}' in {template.parent.name}/. "
            "Add it, or correct the name."
        ) from error
    except UndefinedError as error:
        raise SurveyError(
            f"`results` must hold every key that the template prints; {error.message} ({_place(error)}). "
            "Compute it, or take the passage out of the template."
        ) from error
    except TemplateError as error:
        raise SurveyError(
            f"`template` must be valid Jinja; {error.message} ({_place(error)}). Mend the template."
        ) from error
    except SurveyError as error:
        raise SurveyError(f"{error} Printed in {_place(error)}.") from error


def lint_template(text: str, *, name: str = "template") -> None:
    """Refuse digits typed into the prose of a template.

    Years, "95%", "Table 3" and "Figure 3", list numbers, code in backticks, link addresses, tags and
    everything inside Jinja braces may hold digits; any other digit belongs in `results`.

    Parameters
    ----------
    text : source of the template.
    name : its name, for the message.

    Raises
    ------
    SurveyError : names the line of every typed number.
    """
    prose = text
    for pattern in _NOT_PROSE:
        prose = pattern.sub(lambda found: "\n" * found.group().count("\n"), prose)
    lines = zip(text.split("\n"), prose.split("\n"), strict=True)
    typed = [f"line {i}: {line.strip()!r}" for i, (line, rest) in enumerate(lines, 1) if re.search(r"\d", rest)]
    if typed:
        raise SurveyError(
            f"`{name}` must not contain typed numbers; found {'; '.join(typed)}. "
            "Put each number into the results and print it with an expression."
        )


def _place(error: BaseException) -> str:
    """Template and line at which an error arose."""
    line = getattr(error, "lineno", None)
    if line is not None:
        return f"{getattr(error, 'name', None) or 'template'}, line {line}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "template"


def _environment(folder: Path, figures: Path) -> Environment:
    """Jinja with strict names, everything printed escaped, and the filters of a report."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.do"],
        autoescape=True,
        finalize=as_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= FILTERS
    environment.filters["figure"] = _Numbered("Figure", lambda record: _figure(record, figures))
    environment.filters["table"] = _Numbered("Table", _table)
    environment.tests["detectable"] = lambda record: direction(record) != "no detectable difference"
    environment.tests["shown"] = is_shown
    return environment


class _Numbered:
    """A filter that prints tables or figures and counts them as they come."""

    def __init__(self, kind: str, body: Callable[[Reported], tuple[str, str]]) -> None:
        self.kind, self.body, self.number = kind, body, 0

    def __call__(self, record: Reported) -> Markup:
        from markupsafe import Markup

        self.number += 1
        label, name = f"{self.kind} {self.number}", f"{self.kind.lower()}-{_slug(_text(record, 'name'))}"
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


def _figure(record: Reported, folder: Path) -> tuple[str, str]:
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


def _table(record: Reported) -> tuple[str, str]:
    """A table that great_tables made, or columns and rows as plain cells; and its caption."""
    made = record.get("html")
    if isinstance(made, str):
        return _great_table(made, record)
    columns, rows = record.get("columns"), record.get("rows")
    if not isinstance(columns, Iterable) or not isinstance(rows, Iterable):
        raise SurveyError(
            "`table` must be given `html`, or `columns` and `rows`; found the keys "
            f"{', '.join(sorted(record))}. Pass a table made by survey.tables."
        )
    numeric = record.get("numeric", ())
    names = [str(name) for name in columns]
    styles = [' class="number"' if isinstance(numeric, Iterable) and name in numeric else "" for name in names]
    head = "".join(f'<th scope="col"{s}>{as_text(name)}</th>' for name, s in zip(names, styles, strict=True))
    lines = []
    for row in rows:
        first, *others = (as_text(cell) for cell in row)
        cells = "".join(f"<td{s}>{cell}</td>" for cell, s in zip(others, styles[1:], strict=True))
        lines.append(f'<tr><th scope="row"{styles[0]}>{first}</th>{cells}</tr>')
    body = ("<table>", f"<thead><tr>{head}</tr></thead>", "<tbody>", *lines, "</tbody>", "</table>")
    return "\n".join(body), as_text(_text(record, "caption"))


def _great_table(made: str, record: Reported) -> tuple[str, str]:
    """HTML of great_tables without its own style, its caption taken out of the part that scrolls."""
    caption = re.compile(r"<caption[^>]*>(.*?)</caption>\s*", re.DOTALL)
    titles = caption.findall(made)
    body = caption.sub("", re.sub(r"<style.*?</style>\s*", "", made, flags=re.DOTALL))
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


def _pandoc(text: str, folder: Path, metadata: Mapping[str, str]) -> str:
    """Markdown to a whole HTML page by the pandoc of the Python package, whatever else is installed."""
    command = [
        str(program("render")),
        *("--from", MARKDOWN, "--to", "html5", "--standalone", "--template", str(folder / PAGE)),
        *("--toc", "--toc-depth=2", "--wrap=preserve", "--email-obfuscation=none"),
        *("--variable", f"style={(folder / STYLE).read_text(encoding='utf-8')}"),
        *(option for key, value in metadata.items() for option in ("--metadata", f"{key}={value}")),
    ]
    run = subprocess.run(command, input=text, capture_output=True, check=False, encoding="utf-8")
    if run.returncode != 0 or run.stderr:
        raise SurveyError(
            f"`template` must become valid Markdown; pandoc said: {run.stderr.strip()}. Mend the template."
        )
    return run.stdout
