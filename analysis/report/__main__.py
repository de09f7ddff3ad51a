"""Build the report of a study: `python -m analysis.report --study S [--data F] [--codebook C] --output DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from analysis.files import writing
from analysis.settings import ROOT, study_names
from analysis.study import Study, notices, read_study
from survey import SurveyError

TEMPLATES = ROOT / "analysis" / "report"
STEPS = 9  # steps of the numbers and the page; figures add theirs
FIGURES = 9


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the report, or only its figures or tables.

    Returns
    -------
    Exit code: 0, or 2 where a file is wrong; nothing is written then.
    """
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description="Build the report of a study.")
    parser.add_argument("--study", default="social_credit", help=f"one of {', '.join(study_names())}")
    parser.add_argument("--data", type=Path, help="your own respondents of the same questionnaire")
    parser.add_argument("--codebook", type=Path, help="codebook of your own file, where it differs from the study's")
    parser.add_argument("--output", type=Path, required=True, help="folder of the report")
    parser.add_argument("--only", choices=["figures", "tables"], help="write nothing else")
    options = parser.parse_args(arguments)
    try:
        with progress() as step:
            step("Reading the respondents")
            study = read_study(options.study, options.data, options.codebook)
            with writing(options.output) as draft:
                build(study, draft, step, only=options.only)
    except (SurveyError, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    written = {None: "report.html", "figures": "figures", "tables": "tables"}[options.only]
    kind = " (SYNTHETIC data)" if study.kind == "synthetic" else ""
    for line in notices(study):
        print(line, file=sys.stderr)
    print(f"{study.design.n:,} respondents of {study.data_file}{kind}: {options.output / written}")
    return 0


def build(study: Study, folder: Path, step: Callable[[str], None], *, only: str | None = None) -> None:
    """Write a report, its figures and its tables into a folder.

    Parameters
    ----------
    study : the respondents.
    folder : folder to write to; the report, `figures/` and `tables/` come into it.
    step : told what is being done.
    only : "figures" or "tables": nothing else.
    """
    from analysis.report.contents import DOCUMENT, results
    from analysis.report.figures import draw
    from analysis.report.frames import frames, write_csv
    from analysis.report.numbers import compute

    numbers = compute(study, step)
    if only != "figures":
        step("Tables")
        write_csv(frames(study, numbers), folder / "tables", study.kind)
    if only == "tables":
        return
    drawn = draw(study, numbers, folder / "figures", step)
    if only == "figures":
        return
    from survey.report import render

    step("Page")
    (folder / "codebook.md").write_text(study.codebook.to_markdown(), encoding="utf-8", newline="\n")
    kind = "Synthetic data. " if study.kind == "synthetic" else ""
    render(
        TEMPLATES / study.settings.template,
        results(study, numbers, drawn),
        folder / DOCUMENT,
        title=study.title,
        description=f"{kind}Survey report with weights, intervals and the function behind each number.",
    )


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Show what is being done: a bar in a terminal, lines elsewhere."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: print(f"{text} ...", file=sys.stderr, flush=True)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<40}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=STEPS + FIGURES)

        def advance(text: str) -> None:
            """Name the step that begins, and count it."""
            bar.update(task, description=text, advance=1)

        yield advance


if __name__ == "__main__":
    sys.exit(main())
