"""The figures of a report: each is drawn from the frames of `Numbers` and written as SVG and PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.report.numbers import TOTAL, Numbers, Step, rows_of
from analysis.study import Study
from survey import figures
from survey.figures import describe, palette, save_figure
from survey.report import (
    dashes,
    dates,
    direction_words,
    listing,
    lower_first,
    number,
    percent,
    upper_first,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOWEST_LOG = 10.0  # left end of the axis of followers
LONGEST = 12  # words of a title that can be taken in at a glance
DETECTABLE = 0.05  # level of every test that a title or a sentence speaks of


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure that was written.

    Attributes
    ----------
    name : of its files, without their ending.
    caption : what it shows, for the page; the picture carries its own title and source.
    alt : what it looks like.
    function : what made it.
    synthetic : whether it shows synthetic data, which its caption then says first.
    """

    name: str
    caption: str
    alt: str
    function: str
    synthetic: bool = False

    def record(self) -> dict[str, object]:
        """The figure as the report's template takes it."""
        return {
            "name": self.name,
            "file": f"figures/{self.name}.svg",
            "caption": f"Synthetic data. {self.caption}" if self.synthetic else self.caption,
            "alt": self.alt,
            "note": None,
        }


def draw(study: Study, numbers: Numbers, folder: Path, step: Step) -> dict[str, Drawn]:
    """Draw every figure of the report and write it.

    Parameters
    ----------
    study, numbers : what is drawn.
    folder : folder for the files.
    step : told what is being done.

    Returns
    -------
    The figures by name.
    """
    makers = (
        *(_headline, _composition, _battery, _effects, _odds, _probabilities),
        *(_gradients, _margins, _weights, _context),
    )
    drawn: dict[str, Drawn] = {}
    for make in makers:
        found = make(study, numbers)
        if found is None:
            continue
        axes, figure = found
        figure = replace(figure, synthetic=study.kind == "synthetic" and make is not _context)
        step(f"Figure: {figure.name}")
        save_figure(axes, folder / figure.name, figure.alt)
        drawn[figure.name] = figure
    return drawn


Made = tuple["Axes", Drawn] | None


def source_line(study: Study, *, base: int | None = None) -> str:
    """Population, dates, base and kind of data, as every figure says them."""
    parts = []
    if study.kind == "own":
        parts.append(f"Respondents of {study.data_file}")
    else:
        credit = study.settings.credit
        when = dates(study.fieldwork or "")
        parts += [text for text in (credit, upper_first(dashes(study.population or "")), when) if text]
        if when and credit.endswith(when):
            parts.remove(when)
    if base is not None:
        parts.append(f"{number(base)} respondents")
    if study.margins is not None and study.codebook.weight is None:
        parts.append(f"Weighted by {listing(weighting_names(study))}")
    elif study.weighted:
        parts.append("Weighted")
    line = ". ".join(part.rstrip(".") for part in parts) + "."
    return f"{line} SYNTHETIC DATA." if study.kind == "synthetic" else line


def weighting_names(study: Study) -> list[str]:
    """Weighting variables in words."""
    return [lower_first(study.codebook.item(name).label) for name in study.margins or ()]


def dashed(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with the dash that belongs into ranges such as 14-19."""
    return frame.assign(**{name: [dashes(str(value)) for value in frame[name]] for name in columns})


def finding_title(study: Study, contrasts: pd.DataFrame) -> str:
    """The finding of the headline figure: with which group variables the share goes, and how.

    It "rises" or "falls" with a variable only where every group's share is above, or below, the one before, and both
    the difference of the ends and the test of any difference say so; else it is higher at one end, or differs.
    """
    said: dict[str, list[str]] = {}
    for row in contrasts[contrasts["shown"]].to_dict("records"):
        way = _way(row)
        if way:
            said.setdefault(way, []).append(study.settings.names[row["variable"]])
    share = study.settings.share
    if said:
        title = f"{share} {listing(f'{way} {listing(names)}' for way, names in said.items())}"
        everything = f"{share} differs by {listing(name for names in said.values() for name in names)}"
        return title if len(title.split()) <= LONGEST else everything
    return f"{share}: no group differs detectably" if contrasts["shown"].any() else f"{share} by group"


def _way(row: Mapping[Any, Any]) -> str:
    """How the share goes with one variable; empty where nothing can be detected."""
    way = direction_words(row["estimate"], row["conf_low"], row["conf_high"])
    tested = row["p_value"] < DETECTABLE
    monotone = {"rising": "rises with", "falling": "falls with"}.get(row["steps"], "")
    ends = {"higher": "is higher at the top of", "lower": "is lower at the top of"}.get(way, "")
    if not ends:
        return "differs by" if tested else ""
    return monotone if monotone and tested else ends


def _ends(values: Sequence[str]) -> str:
    """Group variables as a phrase."""
    return listing(lower_first(value) for value in values)


def _headline(study: Study, numbers: Numbers) -> Made:
    """Share of the focus by group, with the total as reference."""
    rows = numbers.groups[numbers.groups["variable"].isin(study.settings.predictors)]
    total = numbers.groups.iloc[0]
    reference = float(total["estimate"]) if total["shown"] else None
    frame = dashed(rows.assign(kind="level"), "group")
    caption = f"Share who {study.settings.verb}, with 95% intervals; the dashed line is the total. "
    axes = figures.dots(
        frame,
        group="group",
        panel="panel",
        reference=reference,
        title=finding_title(study, numbers.contrasts),
        caption=caption + source_line(study, base=int(total["n"])),
    )
    by = _ends(list(dict.fromkeys(rows["panel"])))
    alt = describe(
        frame, "dots", group="group", panel="panel", measure=f"Share who {study.settings.verb}", reference=reference
    )
    return axes, Drawn("headline", f"Share who {study.settings.verb}, by {by}.", alt, "survey.figures.dots")


def _composition(study: Study, numbers: Numbers) -> Made:
    """All answers, nets in place of what they sum, as bars of 100% by group."""
    outcome = study.outcome
    banner = numbers.banners[outcome.name]
    answers = rows_of(outcome)
    frame = _ordered(banner, answers, ["total", *study.settings.predictors])
    frame = dashed(frame.assign(panel=frame["banner"].where(frame["banner"] != TOTAL, "")), "group")
    hidden = "" if frame["shown"].all() else " [u]: an answer that is not shown; the width of its tile means nothing."
    axes = figures.composition(
        frame,
        group="group",
        panel="panel",
        colours=colours_of(study, answers),
        title=_range_title(study, numbers),
        caption=f"{outcome.label}, all respondents and by group.{hidden} {source_line(study)}",
    )
    alt = describe(frame, "composition", group="group", panel="panel", measure="Answers")
    return axes, Drawn("composition", f"{outcome.label}, by group.", alt, "survey.figures.composition")


def colours_of(study: Study, names: Sequence[str]) -> list[str]:
    """Colours of answers and nets of the outcome, the same in every figure.

    An answer has its place in the palette of the whole scale; a net has the colour of its answer next to the middle.
    """
    outcome = study.outcome
    shades = palette(len(outcome.labels))
    shade = dict(zip(outcome.labels, shades[::-1] if study.settings.reversed_colours else shades, strict=True))
    middle = (len(outcome.labels) - 1) / 2
    for net, members in outcome.nets.items():
        shade[net] = shade[min(members, key=lambda name: abs(outcome.labels.index(name) - middle))]
    return [shade[name] for name in names]


def _ordered(banner: pd.DataFrame, answers: Sequence[str], variables: Sequence[str]) -> pd.DataFrame:
    """Rows of a detailed table with variables, groups and answers in the order of a figure."""
    rows = banner[banner["variable"].isin(variables)]
    rows = rows.assign(
        kind="level",
        variable_at=rows["variable"].map({name: place for place, name in enumerate(variables)}),
        group_at=pd.factorize(rows["variable"] + rows["group"])[0],
        answer_at=rows["level"].map({level: place for place, level in enumerate(answers)}),
    )
    return rows.sort_values(["variable_at", "group_at", "answer_at"], kind="stable").reset_index(drop=True)


def _range_title(study: Study, numbers: Numbers) -> str:
    """Lowest and highest share of the focus among the groups that are shown."""
    groups = numbers.groups[numbers.groups["variable"].isin(study.settings.predictors) & numbers.groups["shown"]]
    if groups.empty:
        return study.outcome.label
    low, high = (percent(float(value)) for value in (groups["estimate"].min(), groups["estimate"].max()))
    return f"{low} to {high} of each group {study.settings.verb}"


def _battery(study: Study, numbers: Numbers) -> Made:
    """The statements of a battery as diverging bars."""
    battery = study.settings.battery
    if numbers.battery is None:
        return None
    statements = battery["statements"].removesuffix(" ...")
    agree = numbers.battery[(numbers.battery["level"] == battery["net"]) & numbers.battery["shown"]]
    frame = numbers.battery[numbers.battery["kind"] == "level"]
    frame = frame.assign(term=[battery["short"][name] for name in frame["term"]])
    title = f"{statements}: what people think of them"
    if len(agree):
        most = agree.loc[agree["estimate"].idxmax()]
        share, what = percent(float(most["estimate"])), battery["short"][most["term"]]
        title = f"Of those with an opinion, {share} agree that {lower_first(statements)} {what}"
    caption = (
        f"“{statements} …”: agreement among those who answered; the figures at the ends add up both answers of a side. "
    )
    axes = figures.likert(frame, item="term", title=title, caption=caption + source_line(study))
    alt = describe(frame, "likert", measure="Agreement with statements")
    return axes, Drawn("battery", "Agreement with five statements.", alt, "survey.figures.likert")


def model_caption(study: Study, numbers: Numbers) -> str:
    """What is said below every figure of the regression."""
    base = None if numbers.regression is None else numbers.regression.fit.n
    by = listing(lower_first(study.heading(name)) for name in study.settings.predictors)
    return f"Ordinal logit on {by} together; 95% intervals. {source_line(study, base=base)}"


def _effects(study: Study, numbers: Numbers) -> Made:
    """Average effects on the share of the focus, in percentage points."""
    if numbers.regression is None:
        return None
    effects = numbers.regression.effects
    frame = dashed(effects[effects["level"] == study.settings.focus], "contrast")
    labels = {name: study.heading(name) for name in study.settings.predictors}
    terms = numbers.regression.terms
    told = [study.settings.names[name] for name in terms.loc[terms["p_value"] < DETECTABLE, "term"]]
    share = study.settings.share
    said = f"{share} still differs by {listing(told)}" if told else f"{share}: no predictor differs detectably"
    if len(told) > 1:
        said += ", taken together"
    axes = figures.coefficients(
        frame,
        labels=labels,
        xlabel=f"Difference in the share who {study.settings.verb}, percentage points",
        title=said,
        caption=model_caption(study, numbers),
    )
    alt = describe(frame, "coefficients", measure=f"Average effects on the share who {study.settings.verb}")
    return axes, Drawn(
        "effects",
        f"Average effects on the share who {study.settings.verb}, all else as it is.",
        alt,
        "survey.average_effects, survey.figures.coefficients",
    )


def _odds(study: Study, numbers: Numbers) -> Made:
    """Odds ratios of the slopes."""
    if numbers.regression is None:
        return None
    odds = numbers.regression.odds
    frame = odds.assign(term=[dashes(term) for term in odds["term"]])
    above = int((frame["conf_low"] > 0).sum())
    below = int((frame["conf_high"] < 0).sum())
    title = f"{number(above + below)} of {number(len(frame))} odds ratios differ detectably from one"
    reference = {name: _reference_heading(study, name) for name in study.settings.predictors}
    axes = figures.coefficients(frame, labels=reference, title=title, caption=model_caption(study, numbers))
    alt = describe(frame, "coefficients", measure="Odds ratios of a higher answer")
    return axes, Drawn(
        "odds-ratios", "Odds ratios of a higher answer.", alt, "survey.ordinal, survey.figures.coefficients"
    )


def _gradients(study: Study, numbers: Numbers) -> Made:
    """Difference between the last and the first group of each predictor, in every model."""
    found = numbers.gradients
    if found is None:
        return None
    rows = found.last_groups(found.effects)
    frame = dashed(rows, "contrast").assign(level=rows["model"])
    last = found.comparison.names[-1]
    tests = found.tests[(found.tests["model"] == last) & (found.tests["p_adjusted"] < DETECTABLE)]
    told = [study.settings.names[name] for name in tests["term"]]
    base = rows[rows["model"] == found.comparison.names[0]].set_index("term")["estimate"]
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
        colours=palette(len(found.comparison.names) + 2, "sequential")[2:],
        xlabel=f"Difference in the share who {study.settings.verb}, percentage points",
        title=title,
        caption="Last group compared with the first; 95% intervals. All models: the same respondents. "
        + source_line(study, base=found.comparison.fits[0].n),
    )
    alt = describe(frame, "coefficients", measure=f"Effects on the share who {study.settings.verb} in each model")
    ends = [
        f"{study.heading(name)} from {number(100 * base[name], 1)} to {number(100 * full[name], 1)} points"
        for name in study.settings.predictors
    ]
    alt += f" From the first model to the last: {'; '.join(ends)}."
    return axes, Drawn(
        "gradients",
        f"Differences in the share who {study.settings.verb}, with more and more else taken into account.",
        alt,
        "survey.compare_models, survey.figures.coefficients",
    )


def _reference_heading(study: Study, name: str) -> str:
    """Heading of a predictor that says which group it is compared with."""
    first = study.codebook.item(name).labels[0]
    return f"{study.heading(name)}, compared with {dashes(first)}"


def _probabilities(study: Study, numbers: Numbers) -> Made:
    """Predicted probabilities along the first predictor."""
    if numbers.regression is None:
        return None
    name = study.settings.predictors[0]
    rows = numbers.regression.probabilities
    answers = _plain_answers(study, numbers)
    drawn = answers[::-1] if study.settings.reversed_colours else answers
    order = {level: place for place, level in enumerate(drawn)}
    frame = dashed(rows[rows["level"].isin(answers)], name)
    frame = frame.assign(at=frame["level"].map(order), profile_at=pd.factorize(frame[name])[0])
    frame = frame.sort_values(["profile_at", "at"], kind="stable")
    top = frame[frame["level"] == answers[-1]]["estimate"]
    low, high = percent(float(top.iloc[0])), percent(float(top.iloc[-1]))
    title = f"{answers[-1]}: {low} at lowest {study.settings.names[name]}, {high} at highest"
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
        alt,
        "survey.predicted_probabilities, survey.figures.probabilities",
    )


def _plain_answers(study: Study, numbers: Numbers) -> list[str]:
    """Answers to draw: the negative ones as a net where the outcome has one, the others one by one."""
    outcome = study.outcome
    fitted = set(numbers.regression.probabilities["level"]) if numbers.regression else set()
    focus = set(study.focus)
    owner = {member: net for net, members in outcome.nets.items() for member in members if not focus & set(members)}
    return [name for name in dict.fromkeys(owner.get(label, label) for label in outcome.labels) if name in fitted]


def _margins(study: Study, numbers: Numbers) -> Made:
    """Margins before and after weighting, and their targets."""
    if numbers.margins is None:
        return None
    frame = dashed(
        numbers.margins.assign(variable=[study.codebook.item(name).label for name in numbers.margins["variable"]]),
        "level",
    )
    gaps = (numbers.margins["unweighted"] - numbers.margins["target"]).abs().round(12)
    worst = frame.iloc[int(gaps.to_numpy().argmax())]
    title = f"Before weighting, {worst['variable'].lower()} {worst['level']} was {number(100 * gaps.max())} points off"
    axes = figures.margins(frame, title=title, caption=source_line(study, base=study.design.n))
    alt = describe(frame, "margins")
    return axes, Drawn(
        "margins",
        "Shares before and after weighting, and their targets.",
        alt,
        "survey.margin_table, survey.figures.margins",
    )


def _weights(study: Study, numbers: Numbers) -> Made:
    """Distribution of the weights."""
    if numbers.pairs is None or numbers.weights is None:
        return None
    row = numbers.weights.iloc[0]
    title = f"Weights run from {number(row['min'], 2)} to {number(row['max'], 2)}"
    axes = figures.weights(numbers.pairs, title=title, caption=source_line(study, base=study.design.n))
    alt = describe(numbers.pairs, "weights")
    return axes, Drawn("weights", "Weights of the respondents.", alt, "survey.rake, survey.figures.weights")


def _context(study: Study, numbers: Numbers) -> Made:
    """Followers of accounts on Weibo, from other articles, on a logarithmic axis."""
    path = study.folder / "context.csv"
    if study.kind == "own" or not path.is_file():
        return None
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows = table[table["topic"] == "Weibo followers"]
    labels = [item.removesuffix(" (commercial)") for item in rows["item"]]
    values = rows["value"].astype(np.float64)
    few = int((values < 1000).sum())
    title = f"{number(few)} of {number(len(values))} accounts have fewer than 1,000 followers"
    sources = listing(dict.fromkeys(rows["source"].str.replace(r" \(.*\)", "", regex=True)))
    caption = (
        f"Followers on Weibo in 2018, logarithmic axis: Sesame Credit, a company's system, and official accounts. "
        f"Source: {sources}. Published figures, not survey data."
    )
    if study.kind == "synthetic":
        caption += " The rest of this report rests on SYNTHETIC DATA."
    frame = pd.DataFrame({"group": labels, "n": values.to_numpy()})
    axes = figures.counts(frame, lowest=LOWEST_LOG, title=title, caption=caption)
    alt = describe(frame, "counts", measure="Followers on Weibo")
    ends = (int(values.argmax()), int(values.argmin()))
    return axes, Drawn(
        "context",
        f"Followers on Weibo, from {labels[ends[0]]} to {labels[ends[1]]}.",
        alt,
        "analysis.report.figures",
    )


def records(drawn: Mapping[str, Drawn]) -> dict[str, Any]:
    """The figures as the report's template takes them."""
    return {name.replace("-", "_"): figure.record() for name, figure in drawn.items()}
