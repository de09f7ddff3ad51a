"""The `survey` command: what the functions do, for a file and its codebook, from a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from survey.design import Design, LonelyPSU
from survey.errors import SurveyError
from survey.estimation import Share
from survey.installation import DISTRIBUTION, VERSION
from survey.models import LinkName, average_effects, ordinal
from survey.records import LABELLED, Codebook, read_respondents, write_respondents
from survey.tabulation import Table, crosstab, topline
from survey.weighting import margin_table, rake, weight_summary

WEIGHT = "weight"  # column of raked weights in the file that `survey weight` writes
FORMATS = (".xlsx", ".html")
SYNTHETIC = "SYNTHETIC data: no person gave these answers."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : words after `survey`; those of the command line unless given.

    Returns
    -------
    0; 1 where the package refuses, with its message on standard error.
    """
    asked = _parser().parse_args(arguments)
    try:
        sys.stdout.write(asked.run(asked) + "\n")
    except SurveyError as error:
        sys.stderr.write(f"survey: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    parser = argparse.ArgumentParser(
        prog="survey", description="Survey estimates for a file of respondents and its codebook."
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    validate = commands.add_parser("validate", help="check a file against its codebook")
    _file(validate).set_defaults(run=_validate)

    codebook = commands.add_parser(
        "codebook", help="show a codebook as a page, or draft one from a labelled .sav or .dta file"
    )
    codebook.add_argument("path", help="codebook (.yaml), or labelled file (.sav, .dta)", metavar="FILE")
    codebook.add_argument("-o", "--output", help="file to write instead: .md for a page, .yaml for a draft")
    codebook.set_defaults(run=_codebook)

    weight = commands.add_parser("weight", help="rake to population margins, and write the weights")
    _design(_file(weight), margins=True).set_defaults(run=_weight)
    weight.add_argument("-o", "--output", help=f"file to write, with the weights in the column '{WEIGHT}'")

    one_way = commands.add_parser("topline", help="shares of the answers to questions")
    _design(_file(one_way)).set_defaults(run=_topline)
    one_way.add_argument("items", nargs="+", help="items of the codebook", metavar="ITEM")
    one_way.add_argument("-o", "--output", help="write one item's table to a file: .xlsx or .html")

    two_way = commands.add_parser("crosstab", help="answers to a question by others, with the Rao-Scott test")
    _design(_file(two_way)).set_defaults(run=_crosstab)
    two_way.add_argument("item", help="item in the rows", metavar="ITEM")
    two_way.add_argument("by", nargs="+", help="items in the columns, outer to inner", metavar="BY")
    two_way.add_argument("--share", choices=get_args(Share), default="column", help="what adds up to 100%%")
    two_way.add_argument("-o", "--output", help="write the table to a file: .xlsx or .html")

    model = commands.add_parser("ordinal", help="ordinal regression with design-based standard errors")
    _design(_file(model)).set_defaults(run=_ordinal)
    model.add_argument("formula", help='"approval ~ income + age"', metavar="FORMULA")
    model.add_argument("--link", choices=get_args(LinkName), default="logit")
    model.add_argument("--effects", nargs="+", default=[], metavar="ITEM", help="average effects of these instead")
    return parser


def _file(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The file and its codebook."""
    command.add_argument("data", help=".csv, .parquet, .xlsx, .sav or .dta", metavar="FILE")
    command.add_argument("codebook", help="codebook of the file (.yaml)", metavar="CODEBOOK")
    return command


def _design(command: argparse.ArgumentParser, *, margins: bool = False) -> argparse.ArgumentParser:
    """How the respondents were sampled and weighted."""
    group = command.add_argument_group("design")
    group.add_argument("--weight", metavar="COLUMN", help="weights; the codebook's column unless given")
    group.add_argument("--strata", nargs="+", metavar="COLUMN", help="strata, one column per stage")
    group.add_argument("--psu", metavar="COLUMN", help="primary sampling units")
    group.add_argument("--ssu", nargs="+", metavar="COLUMN", help="units of the stages below")
    group.add_argument("--fpc", nargs="+", metavar="COLUMN", help="population sizes, one column per stage")
    group.add_argument("--nest", action="store_true", help="PSUs are numbered within strata")
    group.add_argument("--lonely-psu", choices=get_args(LonelyPSU), default="fail", help="rule for strata of one PSU")
    if margins:
        group.add_argument("targets", metavar="MARGINS", help="targets (.yaml): item -> level -> share or count")
        command.set_defaults(margins=None, domain=None)
    else:
        group.add_argument("--margins", metavar="FILE", help="rake to these targets (.yaml) first")
        group.add_argument("--domain", metavar="CONDITION", help='only those for whom it holds: "age >= 18"')
    return command


def _validate(asked: argparse.Namespace) -> str:
    """Read the file, or say everything that is wrong with it."""
    codebook = Codebook.from_yaml(asked.codebook)
    people = read_respondents(asked.data, codebook)
    known = {column for item in codebook.items.values() for column in item.columns}
    others = [str(name) for name in people.columns if name not in known and not str(name).endswith("_missing")]
    kept = f" Other columns: {', '.join(others)}." if others else ""
    return f"{len(people):,} respondents keep to codebook '{codebook.name}' ({codebook.data_kind} data).{kept}"


def _codebook(asked: argparse.Namespace) -> str:
    """A page, or a draft."""
    drafted = Path(asked.path).suffix.lower() in LABELLED
    codebook = Codebook.from_labelled(asked.path) if drafted else Codebook.from_yaml(asked.path)
    if asked.output is None:
        return codebook.to_markdown().rstrip("\n")
    ending = Path(asked.output).suffix.lower()
    if ending in (".yaml", ".yml"):
        codebook.to_yaml(asked.output)
    elif ending == ".md":
        Path(asked.output).write_text(codebook.to_markdown(), encoding="utf-8", newline="\n")
    else:
        raise SurveyError(f"`--output` must end in .md or .yaml; got {asked.output!r}. Rename it.")
    note = f" {codebook.note}." if drafted and codebook.note else ""
    return f"{asked.output}: {len(codebook.items)} items.{note}"


def _weight(asked: argparse.Namespace) -> str:
    """Rake, show what that did, and write the respondents with their weights."""
    codebook, design = _designed(asked)
    targets = _targets(asked.targets)
    design = rake(design, targets)
    summary = weight_summary(design).iloc[0]
    lines = [_table(margin_table(design, targets).drop(columns="gap"))]
    lines += [
        f"weights {summary['min']:.4g} to {summary['max']:.4g}, sum {summary['sum']:.6g}; design effect of weighting "
        f"{summary['deff_kish']:.3f}, effective n {summary['n_eff']:,.0f}"
    ]
    if asked.output is not None:
        if WEIGHT in design.frame.columns and asked.weight != WEIGHT:
            raise SurveyError(
                f"`--output` would replace the column '{WEIGHT}' of the file. Name it as --weight, or rename it there."
            )
        write_respondents(design.frame.assign(**{WEIGHT: design.full_weights}), asked.output, codebook)
        lines += [f"{asked.output}: {design.n:,} respondents, with their weights in the column '{WEIGHT}'"]
    return _stated(codebook, *lines)


def _topline(asked: argparse.Namespace) -> str:
    """Toplines below each other."""
    codebook, design = _designed(asked)
    made = [topline(design, codebook.item(name)) for name in asked.items]
    if asked.output is not None:
        if len(made) > 1:
            raise SurveyError(f"`--output` takes the table of one item; {len(made)} were asked for.")
        return _written(codebook, made[0], asked.output)
    return _stated(codebook, *map(repr, made))


def _crosstab(asked: argparse.Namespace) -> str:
    """A table and its test."""
    codebook, design = _designed(asked)
    made = crosstab(design, codebook.item(asked.item), asked.by, share=asked.share)
    if asked.output is not None:
        return _written(codebook, made, asked.output)
    return _stated(codebook, repr(made), repr(made.test()))


def _ordinal(asked: argparse.Namespace) -> str:
    """A summary, or average effects on all answers and nets of the outcome."""
    codebook, design = _designed(asked)
    fit = ordinal(asked.formula, design, link=asked.link)
    if not asked.effects:
        return _stated(codebook, str(fit.summary()))
    outcome = codebook.items.get(fit.outcome)
    nets = outcome.nets_among(fit.levels) if outcome is not None else {}
    found = average_effects(fit, asked.effects, nets=nets)
    return _stated(codebook, _table(found.tidy().drop(columns=["n_eff", "deff"])), fit.note)


def _designed(asked: argparse.Namespace) -> tuple[Codebook, Design]:
    """The codebook, and the design that the arguments describe."""
    codebook = Codebook.from_yaml(asked.codebook)
    design = Design(
        read_respondents(asked.data, codebook),
        weight=asked.weight or codebook.weight,
        strata=asked.strata,
        psu=asked.psu,
        ssu=asked.ssu,
        fpc=asked.fpc,
        nest=asked.nest,
        lonely_psu=asked.lonely_psu,
    )
    if asked.margins is not None:
        design = rake(design, _targets(asked.margins))
    return codebook, design if asked.domain is None else design.domain(asked.domain)


def _targets(path: str) -> Mapping[str, Any]:
    """Margins in a YAML file."""
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SurveyError(f"`MARGINS` must be a readable YAML file; {path}: {' '.join(str(error).split())}.") from error
    if not isinstance(found, dict):
        raise SurveyError(f"`MARGINS` must map items to levels and these to targets; {path} does not.")
    return found


def _stated(codebook: Codebook, *parts: str) -> str:
    """Parts of an answer below each other, after what the data are where nobody gave them."""
    return "\n\n".join([SYNTHETIC, *parts] if codebook.data_kind == "synthetic" else parts)


def _written(codebook: Codebook, table: Table, path: str) -> str:
    """Write a table to a file, which says so where the data are synthetic."""
    from survey.tables import table_html, write_excel

    ending, synthetic = Path(path).suffix.lower(), codebook.data_kind == "synthetic"
    if ending == ".xlsx":
        write_excel({f"{table.title}{' (synthetic data)' if synthetic else ''}": table.tidy()}, path)
    elif ending == ".html":
        made = table.to_gt()
        made = made.tab_source_note(SYNTHETIC) if synthetic else made
        Path(path).write_text(table_html(made), encoding="utf-8", newline="\n")
    else:
        raise SurveyError(f"`--output` must end in {' or '.join(FORMATS)}; got {path!r}. Rename it.")
    return f"{path}: {table.title or table.item}"


def _table(frame: pd.DataFrame) -> str:
    """A frame as text."""
    text: str = frame.to_string(index=False, float_format="{:.4g}".format)
    return text
