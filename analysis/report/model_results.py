"""The regression in words and tables: what the template prints of it, and of the same with more predictors."""

from __future__ import annotations

from typing import Any

from analysis.report import tables
from analysis.report.figures import DETECTABLE
from analysis.report.numbers import Numbers
from analysis.study import Study


def regression(study: Study, numbers: Numbers) -> dict[str, Any] | None:
    """The regression in words and tables."""
    fitted = numbers.models.regression
    if fitted is None:
        return None
    fit = fitted.fit
    focus = study.settings.focus
    predictors = []
    for name in study.settings.predictors:
        effects = fitted.effects
        effect = effects[(effects["term"] == name) & (effects["level"] == focus)].iloc[-1]
        test = fitted.terms[fitted.terms["term"] == name].iloc[0]
        levels = list(fit.matrix.dtypes[name].categories)
        predictors.append(
            {
                "label": study.heading(name),
                "first": str(levels[0]),
                "last": str(levels[-1]),
                "effect": tables.record(effect.to_dict()),
                "test": tables.record(test.to_dict()) | {"method": "adjusted Wald"},
                "agree": agree(effect["conf_low"], effect["conf_high"], test["p_value"]),
            }
        )
    parallel = fitted.parallel
    lines = None
    if parallel is not None:
        lines = tables.record(parallel.tidy().iloc[-1].to_dict()) | {"method": "Brant"}
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
        "unmade": fitted.unmade,
        "merged": merged,
    }


def with_more_predictors(study: Study, numbers: Numbers) -> dict[str, Any] | None:
    """How the differences between groups change from the first model to the last."""
    steps = numbers.models.gradients
    if steps is None:
        return None
    first = steps.comparison.names[0]
    last = steps.comparison.names[-1]
    effects = steps.last_groups(steps.effects)
    changes = steps.last_groups(steps.changes)
    predictors = []
    for name in study.settings.predictors:
        own_effects = effects[effects["term"] == name].set_index("model")
        change = changes[(changes["term"] == name) & (changes["model"] == last)].iloc[0]
        test = steps.tests[(steps.tests["term"] == name) & (steps.tests["model"] == last)].iloc[0]
        levels = list(steps.comparison.fits[0].matrix.dtypes[name].categories)
        before = own_effects.loc[first]
        after = own_effects.loc[last]
        predictors.append(
            {
                "label": study.heading(name),
                "first": str(levels[0]),
                "last": str(levels[-1]),
                "before": tables.record(before.to_dict()),
                "after": tables.record(after.to_dict()),
                "change": tables.record(change.to_dict()),
                "shrinks": bool(abs(after["estimate"]) < abs(before["estimate"])),
                "test": tables.record(test.to_dict())
                | {"method": "adjusted Wald", "p_value": float(test["p_adjusted"])},
                "agree": agree(change["conf_low"], change["conf_high"], test["p_adjusted"]),
                "groups": len(levels),
            }
        )
    return {
        "tests": len(steps.tests),
        "n": steps.comparison.fits[0].n,
        "dropped": study.design.n - steps.comparison.fits[0].n,
        "added": list(study.settings.gradients["added"]),
        "predictors": predictors,
        "table": tables.gradients_tab(study, numbers),
    }


def agree(conf_low: float, conf_high: float, p_value: float) -> bool:
    """Whether the interval of one contrast and the test of its whole term say the same of a difference."""
    return bool(not conf_low <= 0 <= conf_high) == bool(p_value < DETECTABLE)
