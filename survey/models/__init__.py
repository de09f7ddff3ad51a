"""Ordinal regression under a design, its effects, its tests and its diagnostics."""

from __future__ import annotations

from survey.models.bias_reduction import bias_reduced
from survey.models.comparison import ModelComparison, compare_models
from survey.models.diagnostics import model_fit_test, vif
from survey.models.effects import average_effects, predicted_probabilities
from survey.models.fitting import ordinal
from survey.models.likelihood_ratio import information_criteria, likelihood_ratio_test, pseudo_r_squared
from survey.models.links import LinkName
from survey.models.marginaleffects import marginaleffects_model
from survey.models.ordinal import OrdinalFit
from survey.models.parallel_lines import parallel_lines_test, parallel_slopes
from survey.models.parts import ModelParts
from survey.models.profile_intervals import profile_intervals
from survey.models.residuals import residual_means, residuals
from survey.models.score import score_test

__all__ = [
    "LinkName",
    "ModelComparison",
    "ModelParts",
    "OrdinalFit",
    "average_effects",
    "bias_reduced",
    "compare_models",
    "information_criteria",
    "likelihood_ratio_test",
    "marginaleffects_model",
    "model_fit_test",
    "ordinal",
    "parallel_lines_test",
    "parallel_slopes",
    "predicted_probabilities",
    "profile_intervals",
    "pseudo_r_squared",
    "residual_means",
    "residuals",
    "score_test",
    "vif",
]
