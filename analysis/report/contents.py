"""What a report may print: the mapping that its template reads, described in `results.md`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from analysis.report import tables
from analysis.report.answers import TOTAL, questions, rows_of, topline_items
from analysis.report.disclosure import disclosure
from analysis.report.figures import Drawn, records, weighting_names
from analysis.report.model_results import regression, with_more_predictors
from analysis.report.numbers import Numbers
from analysis.report.outputs import outputs
from analysis.report.published import published_figures
from analysis.report.sensitivity import applies
from analysis.study import Study
from survey import Item
from survey.report import dashes

SOFTWARE = "opinion-survey"
DOCUMENT = "report.html"

Results = dict[str, Any]


def results(study: Study, numbers: Numbers, drawn: Mapping[str, Drawn]) -> Results:
    """Everything that the template may print; nothing in it is rounded but the cells of tables.

    Parameters
    ----------
    study, numbers : the respondents and their numbers.
    drawn : the figures that were written.
    """
    book = study.codebook
    noted = not (study.kind == "own" and book.data_kind == "synthetic")  # whose notes are about the study's file
    printed: Results = {
        "study": {
            "name": study.name,
            "title": book.title,
            "data_kind": study.kind,
            "population": study.population,
            "fieldwork": study.fieldwork,
            "source": book.source or "Source not stated",
            "data_file": study.data_file,
            "digest": f"sha256:{study.digest}",
            "unused": list(study.unused),
        },
        "software": {"name": SOFTWARE, "version": _version()},
        "sample": {
            "n": study.design.n,
            "weighted_by": weighting_names(study) if book.weight is None else [],
            "weight": book.weight,
            "model_based": bool(study.settings.weighting.get("model_based", False)),
        },
        "outcome": _outcome(study, numbers),
        "groups": _groups(study, numbers),
        "shares": {row["id"]: tables.record(row) for row in numbers.answers.shares.to_dict("records")},
        "figures": records(drawn),
        "verdicts": published_figures(numbers.verdicts),
        "topline": _topline(study, numbers, drawn),
        "tables": _detailed(study, numbers),
        "tables_note": _letters_note(numbers),
        "regression": regression(study, numbers),
        "refused": numbers.models.refused,
        "gradients": with_more_predictors(study, numbers),
        "ungraded": numbers.models.ungraded,
        "weighting": _weighting(study, numbers),
        "disclosure": disclosure(study),
        "precision": tables.precision_tab(study, numbers),
        "sensitivity": _sensitivity(study, numbers),
        "unweighted": _unweighted(study, numbers),
        "codebook": [_codebook_row(item, noted) for item in book.items.values()],
        "outputs": outputs(study, numbers, drawn),
    }
    return printed | {"context": _context(study)}


def _version() -> str:
    """Version of the package, from the installation or from its source."""
    try:
        return version(SOFTWARE)
    except PackageNotFoundError:
        import tomllib

        from analysis.settings import ROOT

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])


def _outcome(study: Study, numbers: Numbers) -> Results:
    """All answers of the outcome, and its nets."""
    rows = {row["level"]: row for row in numbers.answers.toplines[study.settings.outcome].to_dict("records")}
    empty = {"estimate": 0.0, "conf_low": 0.0, "conf_high": 0.0, "n": study.design.n, "shown": False}
    item = study.outcome
    return {
        "label": item.label,
        "answers": {label: tables.record(rows.get(label, empty)) for label in item.labels},
        "nets": {net: tables.record(rows.get(net, empty)) for net in item.nets},
    }


def _groups(study: Study, numbers: Numbers) -> Results:
    """First and last group of every predictor, and their difference."""
    groups = {}
    for contrast in numbers.focus.contrasts.to_dict("records"):
        variable = contrast["variable"]
        members = numbers.focus.groups[numbers.focus.groups["variable"] == variable].to_dict("records")
        first = members[0]
        last = members[-1]
        groups[variable] = {
            "label": study.heading(variable),
            "first": {"level": first["group"], "est": tables.record(first)},
            "last": {"level": last["group"], "est": tables.record(last)},
            "contrast": tables.record(contrast),
            "test": {"p_value": contrast["p_value_all_groups"]},
        }
    return groups


def _topline(study: Study, numbers: Numbers, drawn: Mapping[str, Drawn]) -> list[Results]:
    """Every question with all its answers, in the order of the questionnaire."""
    figures = {study.settings.outcome: "composition"}
    if study.settings.battery:
        figures[study.settings.battery["items"][-1]] = "battery"
    questions_asked = []
    for item in topline_items(study):
        figure = drawn.get(figures.get(item.name, ""))
        questions_asked.append(
            {
                "label": item.label,
                "wording": item.wording,
                "derived": study.codebook.item(item.derived_from).label if item.derived_from else None,
                "asked_of": study.settings.words.asked_of.get(item.name),
                "table": tables.topline_tab(study, item, numbers.answers.toplines[item.name]),
                "figure": figure.record() if figure else None,
            }
        )
    return questions_asked


def _detailed(study: Study, numbers: Numbers) -> list[Results]:
    """Every question by the standard groups, with its tests."""
    detailed = []
    for item in questions(study):
        tests = numbers.answers.tests[numbers.answers.tests["item"] == item.name].to_dict("records")
        detailed.append(
            {
                "label": item.label,
                "table": tables.banner_tab(study, item, numbers.answers.banners[item.name]),
                "tests": [tables.record(row) | {"by": study.heading(str(row["by"]))} for row in tests],
                "answers": len(item.labels) if set(item.labels) - set(rows_of(item)) else None,
            }
        )
    return detailed


def _letters_note(numbers: Numbers) -> str | None:
    """What the letters mean, where there are any."""
    if not any(frame["letters"].astype(bool).any() for frame in numbers.answers.banners.values()):
        return None
    return (
        "A letter behind a share names a column of the same variable whose share is lower: two-sided t tests from the "
        "joint covariance of the columns, Holm’s correction within a row, level 5%, columns of at least 50 respondents."
        " The letters start again at A with each variable."
    )


def _weighting(study: Study, numbers: Numbers) -> Results | None:
    """How the respondents were weighted, and what that costs."""
    if numbers.weighting is None:
        return None
    row = numbers.weighting.summary.iloc[0]
    return {
        "by": weighting_names(study) if study.codebook.weight is None else [],
        "column": study.codebook.weight,
        "targets_source": study.targets_source or "not stated",
        **{key: float(row[name]) for key, name in (("min", "min"), ("max", "max"), ("deff", "deff_kish"))},
        "n_eff": float(row["n_eff"]),
        "margins": tables.margins_tab(study, numbers),
    }


def _sensitivity(study: Study, numbers: Numbers) -> Results | None:
    """What is left of the focus if some did not mean it; only where the share is one of attitudes."""
    if not applies(study):
        return None
    rows = numbers.focus.break_even.to_dict("records")
    shares = numbers.focus.groups.to_dict("records")
    return {
        "rows": [
            {"falsified": row["falsified"], "est": tables.record(row)}
            for row in numbers.focus.remaining.to_dict("records")
        ],
        "break_even": tables.record(rows[0]),
        "groups": [
            {
                "group": row["panel"],
                "level": dashes(row["group"]),
                "share": tables.record(share),
                "break_even": tables.record(row),
            }
            for row, share in zip(rows, shares, strict=True)
            if row["group"] != TOTAL and row["variable"] in study.settings.predictors
        ],
    }


def _unweighted(study: Study, numbers: Numbers) -> Results:
    """What unweighted analysis would have said."""
    alpha = numbers.comparison.alpha
    record = tables.record(alpha.iloc[0].to_dict()) if alpha is not None else None
    if record is not None:
        record["statements"] = int(record["statements"])
    return {
        "model": tables.models_tab(study, numbers),
        "rank_tests": tables.ranks_tab(study, numbers),
        "reliability": record,
    }


def _codebook_row(item: Item, noted: bool) -> Results:
    """One item of the codebook, with its note where that is about these respondents."""
    answers = list(item.options.values()) if item.kind == "multiple" else list(item.labels)
    if item.kind == "numeric":
        bounds = [f"{bound:g}" for bound in (item.minimum, item.maximum) if bound is not None]
        unit = f" {item.unit}" if item.unit else ""
        answers = [f"{'–'.join(bounds)}{unit}" if len(bounds) > 1 else f"from {bounds[0]}{unit}" if bounds else unit]
    notes = [f"derived from {item.derived_from}" if item.derived_from else "", (item.note or "") if noted else ""]
    return {
        "name": item.name,
        "label": item.label,
        "wording": item.wording,
        "asked": not item.is_derived and item.kind != "id",
        "answers": [dashes(answer) for answer in answers if answer],
        "missing": list(item.missing_labels),
        "note": "; ".join(note for note in notes if note) or None,
    }


def _context(study: Study) -> Results:
    """Figures of other articles, by their item."""
    path = study.folder / "context.csv"
    if not path.is_file():
        return {}
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")
    return {
        row["item"]: {
            "value": float(row["value"]) if row["value"].isdigit() else row["value"],
            **{name: row[name] for name in ("source", "note")},
        }
        for row in rows
    }
