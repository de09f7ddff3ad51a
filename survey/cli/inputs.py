"""What a command works on: the codebook, and the design that its arguments describe."""

from __future__ import annotations

import argparse
from pathlib import Path

from survey.design import Design
from survey.errors import SurveyError
from survey.records import Codebook, read_respondents
from survey.weighting import rake, read_margins

INPUTS = ("data", "codebook", "targets", "margins", "path")
"""Arguments that name files to read."""


def read_design(asked: argparse.Namespace) -> tuple[Codebook, Design]:
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
        design = rake(design, read_margins(asked.margins, argument="MARGINS"))
    return codebook, design if asked.domain is None else design.domain(asked.domain)


def check_output(asked: argparse.Namespace) -> None:
    """Refuse an output that is one of the inputs, by whatever name or link."""
    output = getattr(asked, "output", None)
    if output is None:
        return
    for argument in INPUTS:
        given = getattr(asked, argument, None)
        if given is not None and _is_same_file(Path(output), Path(given)):
            raise SurveyError(
                f"`--output` must not be a file that is read; {output} is {given}. Name another: the old one is kept."
            )


def _is_same_file(one: Path, other: Path) -> bool:
    """Whether two names are those of one file: through links, and whatever letters the disk takes for equal."""
    try:
        return one.samefile(other)
    except OSError:  # one of them is not there
        return False
