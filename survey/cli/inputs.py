"""What a command works on: the codebook, and the design that its arguments describe."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from survey.design import Design
from survey.errors import SurveyError
from survey.records import Codebook, read_respondents
from survey.weighting import rake


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
        design = rake(design, read_targets(asked.margins))
    return codebook, design if asked.domain is None else design.domain(asked.domain)


def read_targets(path: str) -> Mapping[str, Any]:
    """Margins in a YAML file."""
    import yaml

    try:
        targets = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SurveyError(f"`MARGINS` must be a readable YAML file; {path}: {' '.join(str(error).split())}.") from error
    if not isinstance(targets, dict):
        raise SurveyError(f"`MARGINS` must map items to levels and these to targets; {path} does not.")
    return targets
