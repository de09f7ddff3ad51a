"""What trimming at each of several caps does to weights, margins and estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from survey.arrays import FloatArray
from survey.design import Design, check_design
from survey.errors import CalibrationError
from survey.weighting.margins import Margins
from survey.weighting.summaries import kish_deff, margin_table
from survey.weighting.trimming import is_number, trim

NUMBERS = ("estimate", "movement", "std_error")


class Tidy(Protocol):
    """Anything with a tidy frame that has the columns `estimate` and `std_error`."""

    def tidy(self) -> pd.DataFrame:
        """One row per estimate."""


def trimming_table(
    design: Design,
    margins: Margins,
    caps: Sequence[float],
    *,
    estimates: Mapping[str, Callable[[Design], Tidy]] | None = None,
) -> pd.DataFrame:
    """What trimming at each of several caps costs and gains.

    Parameters
    ----------
    design : weighted design.
    margins : margins whose gaps are looked at, as for `rake`.
    caps : highest weights to try, each applied to the design's weights in use with `trim`.
    estimates : name -> function of a design that gives an estimate (anything with a tidy frame).

    Returns
    -------
    Rows cap by cap, the first cap infinite (no trimming), and within it estimate by estimate: cap, n_trimmed (weights
    above it), deff_kish, largest_gap (of the margins, as a share) and gap_at (the level that has it); then name,
    the labels, estimate, movement (estimate minus that without trimming) and std_error.

    Raises
    ------
    CalibrationError : as for `trim` and `rake`.
    """
    check_design(design)
    functions = _functions(estimates)
    highest = _highest(caps, design.full_weights)
    untrimmed = {name: _tidy(function(design), name) for name, function in functions.items()}
    parts = []
    for cap in (np.inf, *highest):
        trimmed = design if np.isinf(cap) else trim(design, upper=cap)
        facts = _cap_facts(design, trimmed, margins, cap)
        for name, function in functions.items():
            tidy = untrimmed[name] if np.isinf(cap) else _tidy(function(trimmed), name)
            moved = _moved(tidy, untrimmed[name], name, cap)
            parts.append(pd.DataFrame({**facts, "name": name}, index=moved.index).join(moved))
        if not functions:
            parts.append(pd.DataFrame(facts, index=[0]))
    table = pd.concat(parts, ignore_index=True)
    return table[[name for name in table if name not in NUMBERS] + [name for name in NUMBERS if name in table]]


def _highest(caps: object, weights: FloatArray) -> list[float]:
    """Highest weights to try, checked: none of them too low for the weights to keep their sum."""
    listed = list(caps) if isinstance(caps, Iterable) else []
    if not isinstance(caps, Iterable) or not all(is_number(cap) and cap > 0 for cap in listed):
        raise CalibrationError(f"`caps` must be a list of highest weights, as [2, 3, 5]; got {caps!r}.")
    size = np.count_nonzero(weights)
    total = weights.sum()
    too_low = [cap for cap in listed if size * cap < total]
    if too_low:
        raise CalibrationError(
            f"`caps` must be at least the mean weight, {total / size:.6g}, for the weights to keep their sum; got "
            f"{too_low[0]:g}. Leave it out."
        )
    return [float(cap) for cap in listed]


def _cap_facts(design: Design, trimmed: Design, margins: Margins, cap: float) -> dict[str, object]:
    """What a cap did to the weights, as columns of `trimming_table`."""
    gaps = margin_table(trimmed, margins)
    worst = gaps.iloc[int(gaps["gap"].abs().to_numpy().argmax())]
    return {
        "cap": cap,
        "n_trimmed": int((design.full_weights > cap).sum()),
        "deff_kish": kish_deff(trimmed.full_weights),
        "largest_gap": abs(worst["gap"]),
        "gap_at": f"{worst['variable']}={worst['level']}",
    }


def _moved(tidy: pd.DataFrame, untrimmed: pd.DataFrame, name: str, cap: float) -> pd.DataFrame:
    """Labels and numbers of estimates under a cap, and what they differ by from those without."""
    labels = tidy.iloc[:, : list(tidy.columns).index("estimate")]
    if not labels.equals(untrimmed.iloc[:, : labels.shape[1]]):
        raise CalibrationError(f"`estimates[{name!r}]` must give the same rows at every cap; they differ at {cap:g}.")
    movement = tidy["estimate"] - untrimmed["estimate"]
    return labels.assign(estimate=tidy["estimate"], movement=movement, std_error=tidy["std_error"])


def _functions(estimates: object) -> dict[str, Callable[[Design], Tidy]]:
    """Functions of a design by name, checked."""
    functions = {} if estimates is None else estimates
    if not isinstance(functions, Mapping) or not all(callable(function) for function in functions.values()):
        raise CalibrationError(
            "`estimates` must map names to functions of a design, as {'approval': lambda d: survey.proportion(d, "
            f"'approval')}}; got {type(estimates).__name__}."
        )
    return dict(functions)


def _tidy(estimate: object, name: str) -> pd.DataFrame:
    """Tidy frame of what a function of a design gave."""
    frame = estimate.tidy() if hasattr(estimate, "tidy") else None
    if not isinstance(frame, pd.DataFrame) or not {"estimate", "std_error"} <= set(frame.columns):
        raise CalibrationError(
            f"`estimates[{name!r}]` must give an estimate, with a tidy frame that has estimate and std_error; it gave "
            f"{type(estimate).__name__}."
        )
    return frame
