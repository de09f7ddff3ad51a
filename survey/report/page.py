"""Numbers and a template become one HTML file that opens offline.

The template is Markdown with Jinja expressions. It holds no number of its own: each comes from `results`, a
key that is missing stops the build, and a digit typed into the prose is refused. Estimates are printed by the
filters of `survey.report.phrases`, so that a number which no table shows is not in the prose either.
"""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import SurveyError, visible
from survey.replacing import make_folder, write_text
from survey.report.exhibits import Numbered, figure, table
from survey.report.lint import lint_template
from survey.report.phrases import FILTERS, as_text, direction, is_shown
from survey.tables import program

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE = "page.html"  # pandoc's template: the page around the text
STYLE = "style.css"
MARKDOWN = "markdown" + "".join(
    f"-{extension}"
    for extension in (
        *("tex_math_dollars", "subscript", "superscript", "citations", "example_lists"),
        "yaml_metadata_block",
    )
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
    make_folder(output.parent, argument="output")
    write_text(output, visible(page), argument="output")
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


def _environment(folder: Path, figures: Path) -> Environment:
    """Jinja with strict names, everything printed escaped, and the filters of a report.

    In a sandbox: the template is part of a study's folder, which may be anybody's, and must not reach Python's inside.
    """
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
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
    environment.filters["figure"] = Numbered("Figure", lambda record: figure(record, figures))
    environment.filters["table"] = Numbered("Table", table)
    environment.tests["detectable"] = lambda record: direction(record) != "no detectable difference"
    environment.tests["shown"] = is_shown
    return environment


def _place(error: BaseException) -> str:
    """Template and line at which an error arose."""
    line = getattr(error, "lineno", None)
    if line is not None:
        return f"{getattr(error, 'name', None) or 'template'}, line {line}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.endswith(".j2")]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "template"


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
