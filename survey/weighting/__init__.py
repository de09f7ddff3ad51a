"""From one design to another with adjusted weights: raking, calibration, trimming, non-response, replication."""

from __future__ import annotations

from survey.weighting.calibration import calibrate
from survey.weighting.caps import trimming_table
from survey.weighting.feasibility import Infeasibility, explain_infeasible
from survey.weighting.margin_file import read_margins
from survey.weighting.margins import Margins
from survey.weighting.nonresponse import adjust_nonresponse
from survey.weighting.raking import poststratify, rake
from survey.weighting.replication import replicate
from survey.weighting.summaries import calibration_summary, margin_table, weight_summary
from survey.weighting.trimming import trim, trim_and_rake

__all__ = [
    "Infeasibility",
    "Margins",
    "adjust_nonresponse",
    "calibrate",
    "calibration_summary",
    "explain_infeasible",
    "margin_table",
    "poststratify",
    "rake",
    "read_margins",
    "replicate",
    "trim",
    "trim_and_rake",
    "trimming_table",
    "weight_summary",
]
