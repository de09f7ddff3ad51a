"""The frames of a report as CSV: every number at full precision, and what the columns hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.report.numbers import Numbers
from analysis.report.sensitivity import applies
from analysis.study import DataKind, Study
from survey import SurveyError
from survey.report import RESULT_COLUMNS

HIDDEN = (
    *("estimate", "std_error", "conf_low", "conf_high", "n_eff", "deff"),
    *("row_base", "row_base_weighted", "count"),  # with the base they would give the share away
)
"""Columns left blank in a CSV where `shown` is False: the same rule as in print."""

COLUMN_PAGE = """# Columns of these tables

Numbers at full precision; shares lie between 0 and 1, those of `published.csv` in the unit of the published figure.
A cell is blank where a number may not be shown (`shown` is False), and where a row has none.
"""
COLUMNS = {
    "data": "synthetic (no person gave these answers), real, or own (a researcher's own file)",
    "id": "name of the figure in the settings of the study",
    "item": "question",
    "answer": "answer or net whose share it is",
    "by": "group variable that the question is compared by",
    "variable": "group variable",
    "banner": "heading of the group variable",
    "panel": "heading of the group variable in figures",
    "group": "group of respondents",
    "letter": "letter of the group; letters start again at A with every group variable",
    "first": "first group of the variable",
    "last": "last group, which is compared with the first",
    "contrast": "the two groups that are compared, the second taken from the first",
    "model": "which predictors the regression has, each model those of the models before it too",
    "since": "model that it is compared with",
    "p_adjusted": "p value adjusted for the number of tests (Holm)",
    "steps": "whether the share rises or falls from each group to the next, or is mixed",
    "count": "respondents who gave the answer, unweighted",
    "minimum": "lowest number given",
    "maximum": "highest number given",
    "unweighted": "share before weighting",
    "weighted": "share after weighting",
    "target": "share in the population that the weighting aims at",
    "gap": "weighted share minus target",
    "sum": "sum of the weights, scaled to a mean of one",
    "min": "smallest weight, scaled",
    "max": "largest weight, scaled",
    "cv": "coefficient of variation of the weights",
    "deff_kish": "design effect of weighting after Kish: 1 + cv squared",
    "method": "test",
    "df1": "degrees of freedom of the numerator",
    "df2": "degrees of freedom of the denominator",
    "p_value_all_groups": "p value of the adjusted Wald test that the share is the same in all groups",
    "test": "rank test; [z] where there is nothing to compare",
    "statistic_name": "name of the statistic",
    "effect_name": "measure of effect size",
    "effect": "effect size",
    "design_based_statistic": "statistic of the Rao-Scott test of the same two variables, with weights",
    "design_based_p_value": "p value of the Rao-Scott test",
    "falsified": "part of those who gave the answer who did not mean it",
    "statements": "statements that Cronbach's alpha is computed from",
    **{
        f"{name}_unweighted": f"{name} of the model without weights"
        for name in ("estimate", "std_error", "conf_low", "conf_high", "p_value", "n")
    },
    "quantity": "what the published figure is about",
    "base": "whom it is about; of a parameter, its model",
    "published": "as it was printed",
    "ours": "the same in this file",
    "ours_text": "where it is no number",
    "difference": "ours minus published",
    "tolerance": "largest difference that counts as a match",
    "verdict": "what the comparison says",
    "note": "what a reader should know of it",
    "unit": "unit of the published figure",
    "decimals": "decimals printed in the report",
    "strength": "read: quoted by a source; weak: from a paraphrased copy, reported only",
    "explained": "whether a difference has a known reason",
    "reason": "that reason, or why there is no figure",
    "remark": "what the sources add",
    "source": "where the figure was published",
}
"""Columns of the tables beside those of `survey.records.schema.RESULT_COLUMNS`, with what they hold."""


def write_csv(frames: Mapping[str, pd.DataFrame], folder: Path, kind: DataKind) -> None:
    """Write tidy frames at full precision, and what their columns hold; what print suppresses is blank.

    Parameters
    ----------
    frames : frames by the name of their file, without ending.
    folder : folder for the files.
    kind : what the first column of every file says of the data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        blanked = suppressed(frame)
        blanked.insert(0, "data", kind)
        blanked.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    (folder / "README.md").write_text(column_page(frames), encoding="utf-8", newline="\n")


def column_page(frames: Mapping[str, pd.DataFrame]) -> str:
    """What the columns of the tables hold, in Markdown.

    Raises
    ------
    SurveyError : a column that nothing describes.
    """
    meanings = {**COLUMNS, **RESULT_COLUMNS}
    # The table of probabilities begins with a column per variable that goes along its axis.
    profiles = [str(name) for name in frames["probabilities"].columns[:1]] if "probabilities" in frames else []
    used = {str(name): file for file, frame in frames.items() for name in frame.columns}
    unknown = [f"{name!r} of {file}" for name, file in used.items() if name not in meanings and name not in profiles]
    if unknown:
        raise SurveyError(f"`COLUMNS` must say what every column holds; it has no {', '.join(unknown)}. Add it.")
    meanings |= {name: "group for which the probabilities are predicted" for name in profiles if name not in meanings}
    rows = "".join(f"| `{name}` | {text} |\n" for name, text in meanings.items() if name in used or name == "data")
    return f"{COLUMN_PAGE}\n| column | what it holds |\n|---|---|\n{rows}"


def suppressed(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with blanks where `shown` is False."""
    if "shown" not in frame.columns:
        return frame.copy()
    hidden = ~frame["shown"].astype(bool)
    columns = [name for name in HIDDEN if name in frame.columns]
    if not hidden.any():
        return frame.copy()
    return frame.astype(dict.fromkeys(columns, object)).mask(np.outer(hidden, frame.columns.isin(columns)), None)


def frames(study: Study, numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every frame of the report, by the name of its CSV."""
    by_file: dict[str, pd.DataFrame | None] = {
        "topline": pd.concat(numbers.answers.toplines.values(), ignore_index=True),
        "detailed": pd.concat(numbers.answers.banners.values(), ignore_index=True),
        "tests": numbers.answers.tests,
        "groups": numbers.focus.groups,
        "contrasts": numbers.focus.contrasts,
        "shares": numbers.answers.shares,
        "battery": numbers.answers.battery,
        "weights": numbers.weighting.summary if numbers.weighting else None,
        "margins": numbers.weighting.margins if numbers.weighting else None,
        "sensitivity": numbers.focus.remaining if applies(study) else None,
        "sensitivity_by_group": numbers.focus.break_even if applies(study) else None,
        "rank_tests": numbers.comparison.rank_tests,
        "unweighted_model": numbers.comparison.model,
        "reliability": numbers.comparison.alpha,
        "published": numbers.verdicts,
    }
    if numbers.models.regression is not None:
        fit = numbers.models.regression
        by_file |= {
            "coefficients": fit.fit.tidy(),
            "effects": fit.effects,
            "probabilities": fit.probabilities,
            "term_tests": fit.terms,
            "parallel_lines": fit.parallel.tidy() if fit.parallel else None,
        }
    if numbers.models.gradients is not None:
        steps = numbers.models.gradients
        by_file |= {
            "gradients": steps.effects,
            "gradient_changes": steps.changes,
            "gradient_tests": steps.tests,
        }
    return {name: frame for name, frame in by_file.items() if frame is not None and len(frame)}
