"""The steps of weighting that a design remembers: variances and replicates rest on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from survey.arrays import BoolArray, FloatArray
from survey.tidy import gives_copies

StepMethod = Literal["rake", "poststratify", "calibrate", "trim", "nonresponse"]


@gives_copies("targets", "totals")
@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """One step of weighting: what the weights were tied to, and how.

    Attributes
    ----------
    method : "rake", "poststratify", "calibrate", "trim" or "nonresponse".
    margins : the variables of each margin, in the order they were given; of "nonresponse", its cells.
    targets : per margin, a Series of totals indexed by level.
    before : (n,) weights before this step.
    after : (n,) weights after this step.
    again : from (n,) weights of a replicate before this step to those after it.
    iterations : passes over the margins, Newton steps or rounds of trimming.
    largest_gap : largest remaining distance from a target, as a share of the total.
    tolerance : gap at which the iteration stops.
    totals : numeric variables and their population totals.
    distance : distance of "calibrate".
    bounds : lowest and highest ratio of the weight after to the weight before ("calibrate"), or lowest and
        highest weight ("trim").
    responded : variable of "nonresponse" that tells who answered.
    sharers : (n,) rows that trimmed weight is shared among, of "trim".
    of_shares : whether the targets were shares: they then go with the sum of the weights, which another sample, or a
        replicate, would have had otherwise.
    """

    method: StepMethod
    margins: tuple[tuple[str, ...], ...]
    targets: tuple[pd.Series[float], ...]
    before: FloatArray
    after: FloatArray
    again: Callable[[FloatArray], FloatArray] = field(repr=False)
    iterations: int
    largest_gap: float
    tolerance: float
    totals: Mapping[str, float] = field(default_factory=dict)
    distance: str | None = None
    bounds: tuple[float, float] | None = None
    responded: str | None = None
    sharers: BoolArray | None = None
    of_shares: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of all variables that the step rests on, each once."""
        of_margins = [name for margin in self.margins for name in margin]
        of_response = [] if self.responded is None else [self.responded]
        return tuple(dict.fromkeys([*of_margins, *self.totals, *of_response]))
