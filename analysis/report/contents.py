"""What a report may print: the mapping that its template reads, described in `results.md`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis.report import tables
from analysis.report.figures import DETECTABLE, Drawn, records, weighting_names
from analysis.report.numbers import TOTAL, Numbers, questions, rows_of, topline_items
from analysis.report.sensitivity import applies
from analysis.study import Study
from analysis.verdicts import ABSENT, CANNOT, unexplained
from survey import Item, SurveyError
from survey.report import dashes

SOFTWARE = "opinion-survey"
NOT_STATED = "Not stated in the source."
YOURS = "Not stated; for you to fill in."
DOCUMENT = "report.html"
DISCLOSURE = "disclosure.yaml"

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
    made: Results = {
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
        "shares": {row["id"]: _record(row) for row in numbers.shares.to_dict("records")},
        "figures": records(drawn),
        "verdicts": _verdicts(study, numbers.verdicts),
        "topline": _topline(study, numbers, drawn),
        "tables": _detailed(study, numbers),
        "tables_note": _letters_note(numbers),
        "regression": _regression(study, numbers),
        "refused": numbers.refused,
        "gradients": _gradients(study, numbers),
        "ungraded": numbers.ungraded,
        "weighting": _weighting(study, numbers),
        "disclosure": _disclosure(study),
        "precision": tables.precision_tab(study, numbers),
        "sensitivity": _sensitivity(study, numbers),
        "unweighted": _unweighted(study, numbers),
        "codebook": [_codebook_row(item, noted) for item in book.items.values()],
        "outputs": _outputs(study, numbers, drawn),
    }
    return made | {"context": _context(study)}


def _version() -> str:
    """Version of the package, from the installation or from its source."""
    try:
        return version(SOFTWARE)
    except PackageNotFoundError:
        import tomllib

        from analysis.study import ROOT

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])


def _record(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An estimate as the filters of the template take it."""
    return {str(key): value for key, value in row.items()}


def _outcome(study: Study, numbers: Numbers) -> Results:
    """All answers of the outcome, and its nets."""
    rows = {row["level"]: row for row in numbers.toplines[study.settings.outcome].to_dict("records")}
    empty = {"estimate": 0.0, "conf_low": 0.0, "conf_high": 0.0, "n": study.design.n, "shown": False}
    item = study.outcome
    return {
        "label": item.label,
        "answers": {label: _record(rows.get(label, empty)) for label in item.labels},
        "nets": {net: _record(rows.get(net, empty)) for net in item.nets},
    }


def _groups(study: Study, numbers: Numbers) -> Results:
    """First and last group of every predictor, and their difference."""
    found = {}
    for contrast in numbers.contrasts.to_dict("records"):
        variable = contrast["variable"]
        mine = numbers.groups[numbers.groups["variable"] == variable].to_dict("records")
        first, last = mine[0], mine[-1]
        found[variable] = {
            "label": study.heading(variable),
            "first": {"level": first["group"], "est": _record(first)},
            "last": {"level": last["group"], "est": _record(last)},
            "contrast": _record(contrast),
        }
    return found


def _verdicts(study: Study, verdicts: pd.DataFrame | None) -> Results | None:
    """Published figures beside ours, those from weak sources apart."""
    if verdicts is None:
        return None
    rows = []
    for row in verdicts.to_dict("records"):
        numeric = pd.notna(row["ours"])
        exact = row["kind"] == "digits"
        rows.append(
            {
                **{name: row[name] for name in ("published", "unit", "decimals", "verdict", "source")},
                "quantity": row["quantity"].replace(" - ", ", "),
                "base": row["base"] or "–",
                "kind": "exact" if exact else row["kind"],
                "ours": float(row["ours"]) if numeric else None,
                "ours_text": row["ours_text"],
                "difference": float(row["difference"]) if numeric else None,
                "remark": row["remark"],
                "weak": row["strength"] == "weak",
            }
        )
    counts = verdicts.loc[verdicts["strength"] != "weak", "verdict"].value_counts(sort=False)
    explained = verdicts[verdicts["explained"]]
    absent = verdicts[verdicts["verdict"].isin([ABSENT, CANNOT])]
    return {
        "rows": [row for row in rows if not row["weak"]],
        "weak": [row for row in rows if row["weak"]],
        "counts": [{"verdict": verdict, "count": int(count)} for verdict, count in counts.items()],
        "unexplained": len(unexplained(verdicts)),
        "explained": [
            {"reason": reason, "quantities": [f"“{quantity}”" for quantity in dict.fromkeys(found["quantity"])]}
            for reason, found in explained.groupby("reason", sort=False)
        ],
        "absent": absent[["quantity", "reason"]].to_dict("records"),
        "digits": bool((verdicts["kind"] == "digits").all()),
        "reproduced": int((verdicts["verdict"] == "reproduced").sum()),
        "note": None,
    }


def _topline(study: Study, numbers: Numbers, drawn: Mapping[str, Drawn]) -> list[Results]:
    """Every question with all its answers, in the order of the questionnaire."""
    figures = {study.settings.outcome: "composition"}
    if study.settings.battery:
        figures[study.settings.battery["items"][-1]] = "battery"
    made = []
    for item in topline_items(study):
        figure = drawn.get(figures.get(item.name, ""))
        made.append(
            {
                "label": item.label,
                "wording": item.wording,
                "derived": study.codebook.item(item.derived_from).label if item.derived_from else None,
                "asked_of": study.settings.asked_of.get(item.name),
                "table": tables.topline_tab(study, item, numbers.toplines[item.name]),
                "figure": figure.record() if figure else None,
            }
        )
    return made


def _detailed(study: Study, numbers: Numbers) -> list[Results]:
    """Every question by the standard groups, with its tests."""
    made = []
    for item in questions(study):
        tests = numbers.tests[numbers.tests["item"] == item.name].to_dict("records")
        made.append(
            {
                "label": item.label,
                "table": tables.banner_tab(study, item, numbers.banners[item.name]),
                "tests": [_record(row) | {"by": study.heading(str(row["by"]))} for row in tests],
                "answers": len(item.labels) if set(item.labels) - set(rows_of(item)) else None,
            }
        )
    return made


def _letters_note(numbers: Numbers) -> str | None:
    """What the letters mean, where there are any."""
    if not any(frame["letters"].astype(bool).any() for frame in numbers.banners.values()):
        return None
    return (
        "A letter behind a share names a column of the same variable whose share is lower: two-sided t tests from the "
        "joint covariance of the columns, Holm’s correction within a row, level 5%, columns of at least 50 respondents."
        " The letters start again at A with each variable."
    )


def _regression(study: Study, numbers: Numbers) -> Results | None:
    """The regression in words and tables."""
    regression = numbers.regression
    if regression is None:
        return None
    fit, focus = regression.fit, study.settings.focus
    predictors = []
    for name in study.settings.predictors:
        effects = regression.effects
        effect = effects[(effects["term"] == name) & (effects["level"] == focus)].iloc[-1]
        test = regression.terms[regression.terms["term"] == name].iloc[0]
        levels = list(fit.matrix.dtypes[name].categories)
        predictors.append(
            {
                "label": study.heading(name),
                "first": str(levels[0]),
                "last": str(levels[-1]),
                "effect": _record(effect.to_dict()),
                "test": _record(test.to_dict()) | {"method": "adjusted Wald"},
                "agree": agree(effect["conf_low"], effect["conf_high"], test["p_value"]),
            }
        )
    parallel = regression.parallel
    lines = None
    if parallel is not None:
        lines = _record(parallel.tidy().iloc[-1].to_dict()) | {"method": "Brant"}
    merged = [
        {"step": step, "answers": list(answers)}
        for step, answers in study.settings.parallel_lines.items()
        if len(answers) > 1
    ]
    return {
        "outcome": study.outcome.label,
        "link": fit.link,
        "n": fit.n,
        "dropped": study.design.n - fit.n,
        "note": None,
        "predictors": predictors,
        "effects": tables.effects_tab(study, numbers),
        "odds_ratios": tables.odds_tab(study, numbers),
        "parallel_lines": lines,
        "unmade": regression.unmade,
        "merged": merged,
    }


def _gradients(study: Study, numbers: Numbers) -> Results | None:
    """How the differences between groups change from the first model to the last."""
    found = numbers.gradients
    if found is None:
        return None
    first, last = found.comparison.names[0], found.comparison.names[-1]
    effects, changes = found.last_groups(found.effects), found.last_groups(found.changes)
    predictors = []
    for name in study.settings.predictors:
        mine = effects[effects["term"] == name].set_index("model")
        change = changes[(changes["term"] == name) & (changes["model"] == last)].iloc[0]
        test = found.tests[(found.tests["term"] == name) & (found.tests["model"] == last)].iloc[0]
        levels = list(found.comparison.fits[0].matrix.dtypes[name].categories)
        before, after = mine.loc[first], mine.loc[last]
        predictors.append(
            {
                "label": study.heading(name),
                "first": str(levels[0]),
                "last": str(levels[-1]),
                "before": _record(before.to_dict()),
                "after": _record(after.to_dict()),
                "change": _record(change.to_dict()),
                "shrinks": bool(abs(after["estimate"]) < abs(before["estimate"])),
                "test": _record(test.to_dict()) | {"method": "adjusted Wald", "p_value": float(test["p_adjusted"])},
                "agree": agree(change["conf_low"], change["conf_high"], test["p_adjusted"]),
                "groups": len(levels),
            }
        )
    return {
        "tests": len(found.tests),
        "n": found.comparison.fits[0].n,
        "dropped": study.design.n - found.comparison.fits[0].n,
        "added": list(study.settings.gradients["added"]),
        "predictors": predictors,
        "table": tables.gradients_tab(study, numbers),
    }


def agree(conf_low: float, conf_high: float, p_value: float) -> bool:
    """Whether the interval of one contrast and the test of its whole term say the same of a difference."""
    return bool(not conf_low <= 0 <= conf_high) == bool(p_value < DETECTABLE)


def _weighting(study: Study, numbers: Numbers) -> Results | None:
    """How the respondents were weighted, and what that costs."""
    if numbers.weights is None:
        return None
    row = numbers.weights.iloc[0]
    return {
        "by": weighting_names(study) if study.codebook.weight is None else [],
        "column": study.codebook.weight,
        "targets_source": study.targets_source or "not stated",
        **{key: float(row[name]) for key, name in (("min", "min"), ("max", "max"), ("deff", "deff_kish"))},
        "n_eff": float(row["n_eff"]),
        "margins": tables.margins_tab(study, numbers),
    }


def _disclosure(study: Study) -> list[Results] | None:
    """The eleven disclosure items; those of a researcher's file lie beside its codebook, or wait to be stated."""
    theirs = study.folder / DISCLOSURE
    mine = study.own_folder / DISCLOSURE if study.own_folder is not None and study.kind == "own" else None
    own = mine is not None and mine.is_file() and not mine.samefile(theirs)
    path = mine if own and mine is not None else theirs
    if not path.is_file():
        return None
    unknown = study.kind == "own" and not own
    return [
        {
            "item": item["title"],
            "text": YOURS if unknown else item.get("value") or (YOURS if own else NOT_STATED),
            "source": None if unknown else item.get("source"),
            "here": item.get("synthetic") if study.kind == "synthetic" else None,
        }
        for item in _disclosure_items(path)
    ]


def _disclosure_items(path: Path) -> list[dict[str, Any]]:
    """Items of a file of disclosures, each a mapping with a title."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SurveyError(f"`{path.name}` must be a YAML file; {error}. Mend it.") from error
    items = found.get("items") if isinstance(found, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("title") for item in items):
        raise SurveyError(
            f"`{path.name}` must be a list `items` whose entries have `title`, `value` and `source`; it is not. "
            "Copy data/social_credit/disclosure.yaml and change the values."
        )
    return items


def _sensitivity(study: Study, numbers: Numbers) -> Results | None:
    """What is left of the focus if some did not mean it; only where the share is one of attitudes."""
    if not applies(study):
        return None
    rows = numbers.break_even.to_dict("records")
    shares = numbers.groups.to_dict("records")
    return {
        "rows": [{"falsified": row["falsified"], "est": _record(row)} for row in numbers.remaining.to_dict("records")],
        "break_even": _record(rows[0]),
        "groups": [
            {
                "group": row["panel"],
                "level": dashes(row["group"]),
                "share": _record(share),
                "break_even": _record(row),
            }
            for row, share in zip(rows, shares, strict=True)
            if row["group"] != TOTAL and row["variable"] in study.settings.predictors
        ],
    }


def _unweighted(study: Study, numbers: Numbers) -> Results:
    """What unweighted analysis would have said."""
    alpha = numbers.comparison.alpha
    record = _record(alpha.iloc[0].to_dict()) if alpha is not None else None
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


# Where each number of the report comes from: file of `tables/` -> what it is, and the function that makes it.
MADE_BY = {
    "topline": ("Toplines; answers in the findings", "survey.topline, survey.mean"),
    "detailed": ("Detailed tables", "survey.crosstab"),
    "tests": ("Differences between groups", "survey.Table.test"),
    "groups": ("Shares by group: findings, precision", "survey.crosstab"),
    "contrasts": ("Differences in the findings", "survey.mean, Estimate.contrast"),
    "shares": ("Further shares in the findings", "survey.topline"),
    "battery": ("Battery of statements", "survey.topline"),
    "weights": ("Weights and design effect", "survey.weight_summary"),
    "margins": ("Margins", "survey.rake, survey.margin_table"),
    "coefficients": ("Odds ratios, thresholds", "survey.ordinal"),
    "effects": ("Average effects", "survey.average_effects"),
    "probabilities": ("Predicted probabilities", "survey.predicted_probabilities"),
    "term_tests": ("Tests of the predictors", "survey.OrdinalFit.term_test"),
    "gradients": ("Effects with more predictors", "survey.compare_models"),
    "gradient_changes": ("Changes of these effects", "survey.ModelComparison.changes"),
    "gradient_tests": ("Tests of these changes", "survey.ModelComparison.tests"),
    "parallel_lines": ("Test of parallel lines", "survey.OrdinalFit.parallel_lines_test"),
    "sensitivity": ("If some did not mean it", "analysis.report.sensitivity.remaining"),
    "sensitivity_by_group": ("If some did not mean it, by group", "analysis.report.sensitivity.break_even"),
    "unweighted_model": ("Unweighted regression", "statsmodels OrderedModel"),
    "rank_tests": ("Rank tests", "pingouin.kruskal, pingouin.mwu"),
    "reliability": ("Cronbach’s alpha", "pingouin.cronbach_alpha"),
    "published": ("Published figures", "analysis.verdicts.compare"),
}


def _outputs(study: Study, numbers: Numbers, drawn: Mapping[str, Drawn]) -> list[Results]:
    """Every figure and table with its file and function."""
    made = [
        {"output": f"Figure: {figure.caption.rstrip('.')}", "file": f"figures/{name}.svg", "function": figure.function}
        for name, figure in drawn.items()
    ]
    for name in tables.frames(study, numbers):
        output, function = MADE_BY[name]
        made.append({"output": output, "file": f"tables/{name}.csv", "function": function})
    return made
