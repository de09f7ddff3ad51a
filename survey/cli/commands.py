"""The commands: each does what functions of the package do, and says what came out."""

from __future__ import annotations

import argparse
from pathlib import Path

from survey.cli.inputs import read_design
from survey.cli.output import stated, table_text, written
from survey.errors import SurveyError
from survey.models import average_effects, ordinal
from survey.records import LABELLED, Codebook, read_respondents, write_respondents
from survey.replacing import write_text
from survey.tabulation import crosstab, topline
from survey.weighting import margin_table, rake, read_margins, weight_summary

WEIGHT = "weight"  # column of raked weights in the file that `survey weight` writes


def run_validate(asked: argparse.Namespace) -> str:
    """Read the file, or say everything that is wrong with it."""
    codebook = Codebook.from_yaml(asked.codebook)
    people = read_respondents(asked.data, codebook)
    known = {column for item in codebook.items.values() for column in item.columns}
    others = [str(name) for name in people.columns if name not in known and not str(name).endswith("_missing")]
    besides = f" Other columns: {', '.join(others)}." if others else ""
    return f"{len(people):,} respondents keep to codebook '{codebook.name}' ({codebook.data_kind} data).{besides}"


def run_codebook(asked: argparse.Namespace) -> str:
    """A page, or a draft."""
    drafted = Path(asked.path).suffix.lower() in LABELLED
    codebook = Codebook.from_labelled(asked.path) if drafted else Codebook.from_yaml(asked.path)
    if asked.output is None:
        return codebook.to_markdown().rstrip("\n")
    ending = Path(asked.output).suffix.lower()
    if ending not in (".yaml", ".yml", ".md"):
        raise SurveyError(f"`--output` must end in .md or .yaml; got {asked.output!r}. Rename it.")
    if Path(asked.output).exists() and not asked.force:
        raise SurveyError(
            f"`--output` must be a new file, as somebody may have edited {asked.output}, which is there. "
            "Name another, or replace it with --force."
        )
    if ending == ".md":
        write_text(asked.output, codebook.to_markdown(), argument="--output")
    else:
        codebook.to_yaml(asked.output)
    note = f" {codebook.note}." if drafted and codebook.note else ""
    return f"{asked.output}: {len(codebook.items)} items.{note}"


def run_weight(asked: argparse.Namespace) -> str:
    """Rake, show what that did, and write the respondents with their weights."""
    codebook, design = read_design(asked)
    targets = read_margins(asked.targets, argument="MARGINS")
    design = rake(design, targets)
    summary = weight_summary(design).iloc[0]
    lines = [
        table_text(margin_table(design, targets).drop(columns="gap")),
        f"weights {summary['min']:.4g} to {summary['max']:.4g}, sum {summary['sum']:.6g}; design effect of weighting "
        f"{summary['deff_kish']:.3f}, effective n {summary['n_eff']:,.0f}",
    ]
    if asked.output is not None:
        if WEIGHT in design.frame.columns and asked.weight != WEIGHT:
            raise SurveyError(
                f"`--output` would replace the column '{WEIGHT}' of the file. Name it as --weight, or rename it there."
            )
        write_respondents(design.frame.assign(**{WEIGHT: design.full_weights}), asked.output, codebook)
        lines += [f"{asked.output}: {design.n:,} respondents, with their weights in the column '{WEIGHT}'"]
    return stated(codebook, *lines)


def run_topline(asked: argparse.Namespace) -> str:
    """Toplines below each other."""
    codebook, design = read_design(asked)
    tables = [topline(design, codebook.item(name)) for name in asked.items]
    if asked.output is not None:
        if len(tables) > 1:
            raise SurveyError(f"`--output` takes the table of one item; {len(tables)} were asked for.")
        return written(codebook, tables[0], asked.output)
    return stated(codebook, *map(repr, tables))


def run_crosstab(asked: argparse.Namespace) -> str:
    """A table and its test."""
    codebook, design = read_design(asked)
    table = crosstab(design, codebook.item(asked.item), asked.by, share=asked.share)
    if asked.output is not None:
        return written(codebook, table, asked.output)
    return stated(codebook, repr(table), repr(table.test()))


def run_ordinal(asked: argparse.Namespace) -> str:
    """A summary, or average effects on all answers and nets of the outcome."""
    codebook, design = read_design(asked)
    fit = ordinal(asked.formula, design, link=asked.link)
    if not asked.effects:
        return stated(codebook, str(fit.summary()))
    outcome = codebook.items.get(fit.outcome)
    nets = outcome.nets_among(fit.levels) if outcome is not None else {}
    effects = average_effects(fit, asked.effects, nets=nets)
    return stated(codebook, table_text(effects.tidy().drop(columns=["n_eff", "deff"])), fit.note)
