"""Figures of the regression: effects, odds ratios, probabilities, and effects with more predictors."""

from __future__ import annotations

import pandas as pd

from analysis.report.figures.drawn import DETECTABLE, Drawn, Made, colours_of, dashed, source_line
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey import figures
from survey.figures import describe, palette
from survey.report import dashes, listing, lower_first, number, percent


def effects(study: Study, numbers: Numbers) -> Made:
    """Average effects on the share of the focus, in percentage points."""
    regression = numbers.models.regression
    if regression is None:
        return None
    rows = regression.effects
    frame = dashed(rows[rows["level"] == study.settings.focus], "contrast")
    labels = {name: study.heading(name) for name in study.settings.predictors}
    terms = regression.terms
    told = [study.settings.words.names[name] for name in terms.loc[terms["p_value"] < DETECTABLE, "term"]]
    share = study.settings.words.share
    said = f"{share} still differs by {listing(told)}" if told else f"{share}: no predictor differs detectably"
    if len(told) > 1:
        said += ", taken together"
    axes = figures.coefficients(
        frame,
        labels=labels,
        xlabel=f"Difference in the share who {study.settings.words.verb}, percentage points",
        title=said,
        caption=model_caption(study, numbers),
    )
    alt = describe(frame, "coefficients", measure=f"Average effects on the share who {study.settings.words.verb}")
    return axes, Drawn(
        "effects",
        f"Average effects on the share who {study.settings.words.verb}, all else as it is.",
        alt=alt,
        function="survey.average_effects, survey.figures.coefficients",
    )


def odds_ratios(study: Study, numbers: Numbers) -> Made:
    """Odds ratios of the slopes."""
    if numbers.models.regression is None:
        return None
    odds = numbers.models.regression.odds
    frame = odds.assign(term=[dashes(term) for term in odds["term"]])
    above = int((frame["conf_low"] > 0).sum())
    below = int((frame["conf_high"] < 0).sum())
    title = f"{number(above + below)} of {number(len(frame))} odds ratios differ detectably from one"
    reference = {name: _reference_heading(study, name) for name in study.settings.predictors}
    axes = figures.coefficients(frame, labels=reference, title=title, caption=model_caption(study, numbers))
    alt = describe(frame, "coefficients", measure="Odds ratios of a higher answer")
    return axes, Drawn(
        "odds-ratios",
        "Odds ratios of a higher answer.",
        alt=alt,
        function="survey.ordinal, survey.figures.coefficients",
    )


def _reference_heading(study: Study, name: str) -> str:
    """Heading of a predictor that says which group it is compared with."""
    first = study.codebook.item(name).labels[0]
    return f"{study.heading(name)}, compared with {dashes(first)}"


def gradients(study: Study, numbers: Numbers) -> Made:
    """Difference between the last and the first group of each predictor, in every model."""
    steps = numbers.models.gradients
    if steps is None:
        return None
    rows = steps.last_groups(steps.effects)
    frame = dashed(rows, "contrast").assign(level=rows["model"])
    last = steps.comparison.names[-1]
    tests = steps.tests[(steps.tests["model"] == last) & (steps.tests["p_adjusted"] < DETECTABLE)]
    told = [study.settings.words.names[name] for name in tests["term"]]
    base = rows[rows["model"] == steps.comparison.names[0]].set_index("term")["estimate"]
    full = rows[rows["model"] == last].set_index("term")["estimate"]
    smaller = full.abs() < base.abs()
    how = "shrinks" if smaller[tests["term"]].all() else "changes"
    title = "No difference changes detectably with further predictors"
    if told and smaller.all() and len(told) < len(smaller):
        title = f"All differences get smaller; that by {listing(told)} detectably"
    elif told:
        title = f"The difference by {listing(told)} {how} with further predictors"
    axes = figures.coefficients(
        frame,
        labels={name: study.heading(name) for name in study.settings.predictors},
        colours=palette(len(steps.comparison.names) + 2, "sequential")[2:],
        xlabel=f"Difference in the share who {study.settings.words.verb}, percentage points",
        title=title,
        caption="Last group compared with the first; 95% intervals. All models: the same respondents. "
        + source_line(study, base=steps.comparison.fits[0].n),
    )
    alt = describe(frame, "coefficients", measure=f"Effects on the share who {study.settings.words.verb} in each model")
    ends = [
        f"{study.heading(name)} from {number(100 * base[name], 1)} to {number(100 * full[name], 1)} points"
        for name in study.settings.predictors
    ]
    alt += f" From the first model to the last: {'; '.join(ends)}."
    return axes, Drawn(
        "gradients",
        f"Differences in the share who {study.settings.words.verb}, with more and more else taken into account.",
        alt=alt,
        function="survey.compare_models, survey.figures.coefficients",
    )


def probabilities(study: Study, numbers: Numbers) -> Made:
    """Predicted probabilities along the first predictor."""
    if numbers.models.regression is None:
        return None
    name = study.settings.predictors[0]
    rows = numbers.models.regression.probabilities
    answers = _plain_answers(study, numbers)
    drawn = answers[::-1] if study.settings.words.reversed_colours else answers
    order = {level: place for place, level in enumerate(drawn)}
    frame = dashed(rows[rows["level"].isin(answers)], name)
    frame = frame.assign(at=frame["level"].map(order), profile_at=pd.factorize(frame[name])[0])
    frame = frame.sort_values(["profile_at", "at"], kind="stable")
    top = frame[frame["level"] == answers[-1]]["estimate"]
    low, high = (percent(float(top.iloc[place])) for place in (0, -1))
    title = f"{answers[-1]}: {low} at lowest {study.settings.words.names[name]}, {high} at highest"
    axes = figures.probabilities(
        frame,
        profile=name,
        colours=colours_of(study, drawn),
        xlabel=study.heading(name),
        title=title,
        caption="Predicted probability of each answer, averaged over the respondents. " + model_caption(study, numbers),
    )
    alt = describe(frame, "probabilities", group=name, measure="Predicted probabilities")
    return axes, Drawn(
        "probabilities",
        f"Predicted probability of each answer, by {lower_first(study.heading(name))}.",
        alt=alt,
        function="survey.predicted_probabilities, survey.figures.probabilities",
    )


def _plain_answers(study: Study, numbers: Numbers) -> list[str]:
    """Answers to draw: the negative ones as a net where the outcome has one, the others one by one."""
    outcome = study.outcome
    fitted = set(numbers.models.regression.probabilities["level"]) if numbers.models.regression else set()
    focus = set(study.focus)
    owner = {member: net for net, members in outcome.nets.items() for member in members if not focus & set(members)}
    return [name for name in dict.fromkeys(owner.get(label, label) for label in outcome.labels) if name in fitted]


def model_caption(study: Study, numbers: Numbers) -> str:
    """What is said below every figure of the regression."""
    base = None if numbers.models.regression is None else numbers.models.regression.fit.n
    by = listing(lower_first(study.heading(name)) for name in study.settings.predictors)
    return f"Ordinal logit on {by} together; 95% intervals. {source_line(study, base=base)}"
