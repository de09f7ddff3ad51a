"""What a command works on: the codebook, and the design that its arguments describe."""

from __future__ import annotations

import argparse

from survey.design import Design
from survey.records import Codebook, read_respondents
from survey.weighting import rake, read_margins


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
