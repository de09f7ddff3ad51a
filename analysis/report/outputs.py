"""Every figure and table of a report with its file, and the function that makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.report.figures import Drawn
from analysis.report.frames import frames
from analysis.report.numbers import Numbers
from analysis.study import Study

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
    "rank_tests": ("Rank tests", "pingouin.kruskal, scipy.stats.mannwhitneyu"),
    "reliability": ("Cronbach’s alpha", "pingouin.cronbach_alpha"),
    "published": ("Published figures", "analysis.verdicts.compare"),
}


def outputs(study: Study, numbers: Numbers, drawn: Mapping[str, Drawn]) -> list[dict[str, Any]]:
    """Every figure and table with its file and function."""
    rows = [
        {"output": f"Figure: {figure.caption.rstrip('.')}", "file": f"figures/{name}.svg", "function": figure.function}
        for name, figure in drawn.items()
    ]
    for name in frames(study, numbers):
        output, function = MADE_BY[name]
        rows.append({"output": output, "file": f"tables/{name}.csv", "function": function})
    return rows
