"""The `survey` command: what the functions do, for a file and its codebook, from a terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import get_args

from survey.cli.commands import (
    WEIGHT,
    run_codebook,
    run_crosstab,
    run_ordinal,
    run_topline,
    run_validate,
    run_weight,
)
from survey.cli.inputs import check_output
from survey.cli.terminal import say
from survey.design import LonelyPSU
from survey.estimation import Share
from survey.installation import DISTRIBUTION, VERSION
from survey.models import LinkName


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and print what it says.

    Parameters
    ----------
    arguments : words after `survey`; those of the command line unless given.

    Returns
    -------
    0.

    Raises
    ------
    SurveyError : the package refuses.
    """
    asked = _parser().parse_args(arguments)
    check_output(asked)
    say(asked.run(asked))
    return 0


def _parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    parser = argparse.ArgumentParser(
        prog="survey", description="Survey estimates for a file of respondents and its codebook."
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    validate = commands.add_parser("validate", help="check a file against its codebook")
    _file(validate).set_defaults(run=run_validate)

    codebook = commands.add_parser(
        "codebook", help="show a codebook as a page, or draft one from a labelled .sav or .dta file"
    )
    codebook.add_argument("path", help="codebook (.yaml), or labelled file (.sav, .dta)", metavar="FILE")
    codebook.add_argument("-o", "--output", help="file to write instead: .md for a page, .yaml for a draft")
    codebook.add_argument("--force", action="store_true", help="replace the file where it is there")
    codebook.set_defaults(run=run_codebook)

    weight = commands.add_parser("weight", help="rake to population margins, and write the weights")
    _design(_file(weight), margins=True).set_defaults(run=run_weight)
    weight.add_argument("-o", "--output", help=f"file to write, with the weights in the column '{WEIGHT}'")

    one_way = commands.add_parser("topline", help="shares of the answers to questions")
    _design(_file(one_way)).set_defaults(run=run_topline)
    one_way.add_argument("items", nargs="+", help="items of the codebook", metavar="ITEM")
    one_way.add_argument("-o", "--output", help="write one item's table to a file: .xlsx or .html")

    two_way = commands.add_parser("crosstab", help="answers to a question by others, with the Rao-Scott test")
    _design(_file(two_way)).set_defaults(run=run_crosstab)
    two_way.add_argument("item", help="item in the rows", metavar="ITEM")
    two_way.add_argument("by", nargs="+", help="items in the columns, outer to inner", metavar="BY")
    two_way.add_argument("--share", choices=get_args(Share), default="column", help="what adds up to 100%%")
    two_way.add_argument("-o", "--output", help="write the table to a file: .xlsx or .html")

    model = commands.add_parser("ordinal", help="ordinal regression with design-based standard errors")
    _design(_file(model)).set_defaults(run=run_ordinal)
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
