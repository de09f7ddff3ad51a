"""Sampling designs, and the counted cells that every request makes of them."""

from __future__ import annotations

from survey.design.calibrations import Calibration
from survey.design.cells import CalibrationCells, Cells, ReplicateCells
from survey.design.codes import code_values, compress, joint_codes, margin_codes, mixed_radix, sum_by_code
from survey.design.design import Design, LonelyDomain, LonelyPSU, check_design, with_state
from survey.design.grouping import Missing, collapse
from survey.design.replicates import ReplicateKind, Replicates, multiples
from survey.design.stages import Stage

__all__ = [
    "Calibration",
    "CalibrationCells",
    "Cells",
    "Design",
    "LonelyDomain",
    "LonelyPSU",
    "Missing",
    "ReplicateCells",
    "ReplicateKind",
    "Replicates",
    "Stage",
    "check_design",
    "code_values",
    "collapse",
    "compress",
    "joint_codes",
    "margin_codes",
    "mixed_radix",
    "multiples",
    "sum_by_code",
    "with_state",
]
