"""Figures of shares: the answer that the report follows, all answers by group, and a battery of statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.answers import TOTAL, rows_of
from analysis.report.figures.drawn import DETECTABLE, Drawn, Made, colours_of, dashed, source_line
from analysis.report.numbers import Numbers
from analysis.study import Study
from survey import figures
from survey.figures import describe
from survey.report import direction_words, listing, lower_first, percent

LONGEST = 12  # words of a title that can be taken in at a glance


def headline(study: Study, numbers: Numbers) -> Made:
    """Share of the focus by group, with the total as reference."""
    rows = numbers.focus.groups[numbers.focus.groups["variable"].isin(study.settings.predictors)]
    total = numbers.focus.groups.iloc[0]
    reference = float(total["estimate"]) if total["shown"] else None
    frame = dashed(rows.assign(kind="level"), "group")
    caption = f"Share who {study.settings.words.verb}, with 95% intervals; the dashed line is the total. "
    axes = figures.dots(
        frame,
        group="group",
        panel="panel",
        reference=reference,
        title=finding_title(study, numbers.focus.contrasts),
        caption=caption + source_line(study, base=int(total["n"])),
    )
    by = _ends(list(dict.fromkeys(rows["panel"])))
    alt = describe(
        frame,
        "dots",
        group="group",
        panel="panel",
        measure=f"Share who {study.settings.words.verb}",
        reference=reference,
    )
    return axes, Drawn(
        "headline", f"Share who {study.settings.words.verb}, by {by}.", alt=alt, function="survey.figures.dots"
    )


def finding_title(study: Study, contrasts: pd.DataFrame) -> str:
    """The finding of the headline figure: with which group variables the share goes, and how.

    It "rises" or "falls" with a variable only where every group's share is above, or below, the one before, and both
    the difference of the ends and the test of any difference say so; else it is higher at one end, or differs.
    """
    said: dict[str, list[str]] = {}
    for row in contrasts[contrasts["shown"]].to_dict("records"):
        way = _way(row)
        if way:
            said.setdefault(way, []).append(study.settings.words.names[row["variable"]])
    share = study.settings.words.share
    if said:
        title = f"{share} {listing(f'{way} {listing(names)}' for way, names in said.items())}"
        everything = f"{share} differs by {listing(name for names in said.values() for name in names)}"
        return title if len(title.split()) <= LONGEST else everything
    return f"{share}: no group differs detectably" if contrasts["shown"].any() else f"{share} by group"


def _way(row: Mapping[Any, Any]) -> str:
    """How the share goes with one variable; empty where nothing can be detected."""
    way = direction_words(row["estimate"], row["conf_low"], row["conf_high"])
    tested = row["p_value_all_groups"] < DETECTABLE
    monotone = {"rising": "rises with", "falling": "falls with"}.get(row["steps"], "")
    ends = {"higher": "is higher at the top of", "lower": "is lower at the top of"}.get(way, "")
    if not ends:
        return "differs by" if tested else ""
    return monotone if monotone and tested else ends


def _ends(values: Sequence[str]) -> str:
    """Group variables as a phrase."""
    return listing(lower_first(value) for value in values)


def composition(study: Study, numbers: Numbers) -> Made:
    """All answers, nets in place of what they sum, as bars of 100% by group."""
    outcome = study.outcome
    banner = numbers.answers.banners[outcome.name]
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
    return axes, Drawn("composition", f"{outcome.label}, by group.", alt=alt, function="survey.figures.composition")


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
    groups = numbers.focus.groups
    groups = groups[groups["variable"].isin(study.settings.predictors) & groups["shown"]]
    if groups.empty:
        return study.outcome.label
    low, high = (percent(float(value)) for value in (groups["estimate"].min(), groups["estimate"].max()))
    return f"{low} to {high} of each group {study.settings.words.verb}"


def battery(study: Study, numbers: Numbers) -> Made:
    """The statements of a battery as diverging bars."""
    rows = numbers.answers.battery
    if rows is None:
        return None
    settings = study.settings.battery
    statements = settings["statements"].removesuffix(" ...")
    agree = rows[(rows["level"] == settings["net"]) & rows["shown"]]
    frame = rows[rows["kind"] == "level"]
    frame = frame.assign(term=[settings["short"][name] for name in frame["term"]])
    title = f"{statements}: what people think of them"
    if len(agree):
        most = agree.loc[agree["estimate"].idxmax()]
        share = percent(float(most["estimate"]))
        what = settings["short"][most["term"]]
        title = f"Of those with an opinion, {share} agree that {lower_first(statements)} {what}"
    caption = (
        f"“{statements} …”: agreement among those who answered; the figures at the ends add up both answers of a side. "
    )
    axes = figures.likert(frame, item="term", title=title, caption=caption + source_line(study))
    alt = describe(frame, "likert", measure="Agreement with statements")
    return axes, Drawn("battery", "Agreement with five statements.", alt=alt, function="survey.figures.likert")
