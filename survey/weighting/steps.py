"""Steps of weighting: a design with one more, and the same step again on the weights of a replicate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from survey.arrays import FloatArray
from survey.design import Calibration, Design, with_state
from survey.errors import CalibrationError

REPLICATE_ITERATIONS = 2000  # a replicate may need many more passes than the sample it was drawn from


def add_step(design: Design, step: Calibration) -> Design:
    """The design with the weights of a step and its record; replicate weights take the step as well."""
    replicates = design.replicates
    if replicates is not None:
        adjusted = recalibrate(step, replicates.weights)
        before = replicates.weights if replicates.before is None else replicates.before
        replicates = replace(replicates, weights=adjusted, before=before)
    return with_state(design, calibrations=(*design.calibrations, step), replicates=replicates)


def recalibrate(step: Calibration, weights: FloatArray) -> FloatArray:
    """Give (n_rows, R) replicate weights the step of weighting that the full-sample weights had.

    Parameters
    ----------
    step : a step of the design; replicates are brought to the same targets in the same way. Targets that are shares go
        with the sum of each replicate's own weights.
    weights : replicate weights before the step.

    Raises
    ------
    CalibrationError : a replicate cannot meet the targets, as where it drops everybody of a level.
    """
    adjusted = np.empty_like(weights)
    # Shares are of each replicate's own sum of weights, so that totals vary with it as they would in another sample.
    size = weights.sum(axis=0) / step.before.sum() if step.of_shares else np.ones(weights.shape[1])
    for r in range(weights.shape[1]):
        try:
            adjusted[:, r] = size[r] * step.again(weights[:, r] / size[r])
        except CalibrationError as error:
            raise CalibrationError(
                f"Replicate {r + 1} of {weights.shape[1]} cannot be calibrated as the sample was: {error}"
            ) from error
    return adjusted
