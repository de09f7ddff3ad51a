"""Publication tables: several models or estimates side by side, for HTML, LaTeX and Word."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import scipy

from survey.arguments import check_level
from survey.errors import EstimationError, visible
from survey.estimation import Estimate
from survey.imputation import PooledEstimate, PooledFit
from survey.models import OrdinalFit
from survey.printing import MINUS
from survey.replacing import replacing
from survey.tables import pandoc
from survey.tabulation.publication_rows import (
    STATISTICS,
    Beside,
    Headings,
    Model,
    layout_of,
    notes_of,
    printed,
    references,
    statistics_of,
    uncertainty_of,
)
from survey.tidy import gives_copies

if TYPE_CHECKING:
    from great_tables import GT

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": "$|$",
    MINUS: "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{INFINITY}": r"$\infty$",
    "\N{EN DASH}": "--",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
}


@gives_copies("frame", "layout")
@dataclass(frozen=True, slots=True, eq=False)
class PublicationTable:
    """Models side by side, printed.

    Attributes
    ----------
    models : names of the models, which head the columns.
    frame : tidy frames of the models below each other, in full precision.
    layout : printed rows: `block`, `label`, and a column per model with a number, and below it, after a line break,
        its standard error or interval; empty where a model does not have the row.
    notes : sentences below the table.
    """

    models: tuple[str, ...]
    frame: pd.DataFrame
    layout: pd.DataFrame
    notes: tuple[str, ...]

    def tidy(self) -> pd.DataFrame:
        """One row per model and parameter or estimate, in full precision.

        Returns
        -------
        Columns: model, those of the models' own tidy frames, statistic and p_value. Estimates are exponentiated where
        the table has them so.
        """
        return self.frame

    def with_notes(self, *notes: str) -> PublicationTable:
        """The table with further sentences below it, such as where the data come from."""
        return replace(self, notes=(*self.notes, *notes))

    def to_gt(self, *, title: str | None = None, id: str | None = None) -> GT:
        """The table laid out by great_tables.

        Parameters
        ----------
        title : caption.
        id : id in HTML; None makes one from the title.
        """
        from great_tables import GT

        columns = {f"column {place}": name for place, name in enumerate(self.models)}
        body = self.layout.set_axis(["block", "label", *columns], axis="columns")
        name = id or "table-" + (re.sub(r"[^a-z0-9]+", "-", (title or "models").lower()).strip("-") or "models")
        table = GT(body, rowname_col="label", groupname_col="block", id=name)
        if title:
            table = table.tab_header(title)
        table = table.cols_label(cases=columns).cols_align("center", columns=list(columns))
        table = table.fmt(_cell_html, columns=list(columns))
        for note in self.notes:
            table = table.tab_source_note(note)
        return table

    def to_latex(self, *, title: str | None = None, label: str | None = None) -> str:
        r"""The table in LaTeX, with the rules of the package `booktabs`, its text escaped.

        Parameters
        ----------
        title, label : what goes into \caption and \label; with neither, and without notes around it, the tabular alone
            can be taken from between \begin{tabular} and \end{tabular}.
        """
        width = len(self.models)
        lines = [r"\begin{table}[htbp]", r"\centering"]
        lines += [rf"\caption{{{latex(title)}}}"] if title else []
        lines += [rf"\label{{{label}}}"] if label else []
        lines += [rf"\begin{{tabular}}{{l{'c' * width}}}", r"\toprule"]
        lines += [" & ".join(["", *map(latex, self.models)]).strip() + r" \\"]
        for block, rows in self.layout.groupby("block", sort=False):
            heading = r"\midrule"
            if block != STATISTICS:
                heading += f"\n\\multicolumn{{{width + 1}}}{{l}}{{\\textit{{{latex(str(block))}}}}} \\\\"
            lines.append(heading)
            for _, label_text, *cells in rows.itertuples(index=False, name=None):
                parts = [str(cell).partition("\n") for cell in cells]
                stub = latex(str(label_text)) if block == STATISTICS else rf"\hspace{{1em}}{latex(str(label_text))}"
                lines.append(" & ".join([stub, *(latex_number(first) for first, _, _ in parts)]) + r" \\")
                if any(second for _, _, second in parts):
                    lines.append(" & ".join(["", *(latex(second) for _, _, second in parts)]).strip() + r" \\")
        lines += [r"\bottomrule", r"\end{tabular}"]
        if self.notes:
            notes = "\\par\n".join(map(latex, self.notes))  # a line break would take a following * for its own
            lines += ["", r"\begin{minipage}{\linewidth}\footnotesize", notes, r"\end{minipage}"]
        return "\n".join([*lines, r"\end{table}", ""])

    def to_docx(self, path: str | Path, *, title: str | None = None) -> None:
        """Write the table to a Word document, by pandoc from the HTML.

        Raises
        ------
        SurveyError : pandoc is not installed: it comes with the extra `report`; or a path that does not end in .docx.
        """
        if Path(path).suffix.lower() != ".docx":
            raise EstimationError(f"`path` must end in .docx; got {Path(path).name!r}. Rename it.")
        with replacing(path) as draft:
            pandoc(self.to_html(title=title), "--from=html", "--to=docx", f"--output={draft}", argument="to_docx")

    def to_html(self, *, title: str | None = None) -> str:
        """The table as plain HTML, without style: header cells with a scope, a caption, notes below."""
        width = len(self.models) + 1
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("", *self.models))
        rows = []
        for block, own in self.layout.groupby("block", sort=False):
            name = html.escape(str(block))
            rows.append(f'<tr><th colspan="{width}" scope="rowgroup"><em>{name}</em></th></tr>')
            for _, label, *cells in own.itertuples(index=False, name=None):
                texts = "".join(f"<td>{html.escape(str(cell)).replace(chr(10), '<br>')}</td>" for cell in cells)
                rows.append(f'<tr><th scope="row">{html.escape(str(label))}</th>{texts}</tr>')
        caption = f"<caption>{html.escape(title)}</caption>" if title else ""
        body = "\n".join(rows)
        notes = "\n".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return visible(f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>\n{notes}\n")


def publication_table(
    models: Mapping[str, Model],
    *,
    exponentiate: bool = False,
    stars: bool = False,
    level: float = 0.95,
    labels: Mapping[str, str] | None = None,
    beside: Beside = "std_error",
    digits: int = 3,
) -> PublicationTable:
    """Put models, or estimates such as average effects, side by side.

    Parameters
    ----------
    models : fits (also pooled ones) by the names that head their columns; or estimates (also pooled ones).
    exponentiate : odds ratios in place of slopes, with intervals below them; thresholds are left out.
    stars : mark p-values below .05, .01 and .001 with *, ** and ***. Off by default: a star says less than the
        standard error beside it.
    level : confidence level of intervals.
    labels : headings of the terms, and the name of the outcome in the notes, by their name in the formula.
    beside : what stands below each number: "std_error" in parentheses or "interval" in brackets; always the interval
        where numbers are exponentiated.
    digits : decimals.

    Returns
    -------
    PublicationTable. Rows are slopes term by term, nominal effects, effects on the scale, thresholds, then respondents,
    design degrees of freedom and the log pseudo-likelihood (weights with mean 1). A row that a model does not have is
    empty in its column.

    Raises
    ------
    EstimationError : no model, models and estimates together, estimates to be exponentiated, a model that has no odds
        ratios, or an unknown argument.
    """
    check_level(level)
    if beside not in get_args(Beside):
        raise EstimationError(f'`beside` must be "std_error" or "interval"; got {beside!r}.')
    columns = {str(name): model for name, model in models.items()} if isinstance(models, Mapping) else {}
    if not columns:
        raise EstimationError('`models` must be a mapping such as {"Model 1": fit, "Model 2": other}; it has no model.')
    if len(columns) < len(models) or {"block", "label"} & set(columns):
        raise EstimationError(
            f"`models` must have names apart from each other, and from 'block' and 'label'; got {list(models)}."
        )
    wrong = [f"{name!r} is a {type(model).__name__}" for name, model in columns.items() if not _known(model)]
    if wrong:
        raise EstimationError(f"`models` must be fits of `ordinal` or estimates, also pooled ones; {wrong[0]}.")
    fits = {name: model for name, model in columns.items() if isinstance(model, OrdinalFit | PooledFit)}
    if fits and len(fits) < len(columns):
        raise EstimationError(
            "`models` must be all fits or all estimates, as they have no row in common; "
            f"{', '.join(fits)} are fits. Make two tables."
        )
    if exponentiate and not fits:
        raise EstimationError("`exponentiate` gives odds ratios of fits; `models` are estimates. Leave it out.")
    levels = {name: one.level for name, one in columns.items() if isinstance(one, Estimate | PooledEstimate)}
    other = [f"{name!r} has {estimate_level:g}" for name, estimate_level in levels.items() if estimate_level != level]
    if beside == "interval" and other:
        raise EstimationError(
            f"`level` must be that of the estimates, whose intervals are made with them; {other[0]}, not {level:g}. "
            "Make them with the level that the table should have."
        )
    frames = {name: _tidy(model, exponentiate, level) for name, model in columns.items()}
    shown: Beside = "interval" if exponentiate else beside
    headings = Headings(dict(labels or {}), references(fits.values()))
    make = headings.parameters if fits else headings.estimates
    cells = {
        name: dict(zip(make(frame), printed(frame, shown, digits, stars), strict=True))
        for name, frame in frames.items()
    }
    layout = layout_of(cells)
    layout = pd.concat([layout, pd.DataFrame(statistics_of(columns, digits))], ignore_index=True).fillna("")
    together = pd.concat([frame.assign(model=name) for name, frame in frames.items()], ignore_index=True)
    order = ["model", *(name for name in together.columns if name != "model")]
    return PublicationTable(
        tuple(columns),
        together[order],
        layout[["block", "label", *columns]],
        notes_of(columns, dict(labels or {}), exponentiate, uncertainty_of(columns, shown, level, stars)),
    )


def latex(text: str) -> str:
    """Text with the characters escaped that LaTeX reads as commands."""
    return "".join(LATEX.get(character, character) for character in text)


def latex_number(text: str) -> str:
    """A number with its stars raised."""
    plain = text.rstrip("*")
    marks = text[len(plain) :]
    return latex(plain) + (rf"\textsuperscript{{{marks}}}" if marks else "")


def _known(model: object) -> bool:
    """Whether there are rows for a result."""
    return isinstance(model, OrdinalFit | PooledFit | Estimate | PooledEstimate)


def _tidy(model: Model, exponentiate: bool, level: float) -> pd.DataFrame:
    """Tidy frame with statistic and p-value."""
    if isinstance(model, OrdinalFit | PooledFit):
        return model.tidy(exponentiate, level=level)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = model.value / model.std_error
    return model.tidy().assign(statistic=statistic, p_value=2 * scipy.special.stdtr(model.df, -np.abs(statistic)))


def _cell_html(text: str) -> str:
    """A cell as HTML: the second line is smaller."""
    first, _, second = html.escape(str(text)).partition("\n")
    return f"{first}<br><small>{second}</small>" if second else first
