"""Quantiles of weighted values by the twelve rules of R's `survey`, computed on distinct values.

Respondents who gave the same value share its weight evenly, so that a quantile does not depend on the order of the
rows. R takes tied respondents in the order of the file: with ties and unequal weights, the rules that interpolate can
differ from it between two neighbouring values.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

import numpy as np

from survey.arguments import check_choice
from survey.arrays import FloatArray

QuantileRule = Literal["math", "school", "shahvaish", "hf1", "hf2", "hf3", "hf4", "hf5", "hf6", "hf7", "hf8", "hf9"]
TIE = 1e-12  # shares of the weight this close are the same: sums of weights have rounding error
# A respondent with weight w, up to whom (and with whom) the weights add to c of W, is the quantile of
# (c - a w) / (W + b w_n), with w_n the weight of the last respondent: (a, b) of each rule
INTERPOLATED = MappingProxyType(
    {
        "hf4": (0.0, 0.0),
        "hf5": (1 / 2, 0.0),
        "hf6": (0.0, 1.0),
        "hf7": (1.0, -1.0),
        "hf8": (1 / 3, 1 / 3),
        "hf9": (3 / 8, 1 / 4),
    }
)


def weighted_quantiles(
    x: FloatArray, weight: FloatArray, count: FloatArray, p: FloatArray, rule: QuantileRule = "math"
) -> FloatArray:
    """Quantiles of V distinct values.

    `"math"` and `"hf1"` are the smallest value with a share of at least p at or below it; `"school"` and `"hf2"` the
    middle of it and the next one where that share is exactly p; `"hf3"` the one of the two at an even place.
    `"shahvaish"` is a step function with its steps at (S_i + (1 - w_i) / 2) / (n + 1), weights scaled to a mean of 1
    and S their sums. `"hf4"` to `"hf9"` interpolate between the values as `(c - a w) / (W + b w_n)` has it.

    Parameters
    ----------
    x : (V,) distinct values, ascending.
    weight : (V,) sums of weights; values with a weight of zero are not there.
    count : (V,) respondents with each value.
    p : (P,) shares, 0 to 1.
    rule : one of the twelve rules.

    Returns
    -------
    (P,) quantiles; NaN without any weight. Below the first step, and above the last, the smallest and largest value.

    Raises
    ------
    EstimationError : an unknown rule.

    References
    ----------
    Hyndman and Fan (1996), American Statistician 50:361; Shah and Vaish (2006), Proc. Survey Research Methods, ASA.
    R equivalent: survey::svyquantile(qrule=). R scales `shahvaish` by the weights as they are, so that it changes with
    their unit, and takes the second value, or extrapolates, below the first step; here neither is so.
    """
    check_choice(rule, QuantileRule, "rule")
    used = weight > 0
    x, weight, count = x[used], weight[used], count[used]
    if x.size < 2:
        return np.full(p.shape, x[0] if x.size else np.nan)

    sums = np.cumsum(weight)
    each = weight / count
    if rule in INTERPOLATED:
        a, b = INTERPOLATED[rule]
        size = sums[-1] + b * each[-1]
        first = sums - weight + each  # sums up to the first and (`sums`) the last of those who gave a value
        places = np.column_stack([first - a * each, sums - a * each]).ravel() / size
        return np.interp(p, places, np.repeat(x, 2))
    if rule == "shahvaish":
        mean = sums[-1] / count.sum()
        steps = ((sums - weight + each / 2) / mean + 0.5) / (count.sum() + 1)
        at = np.searchsorted(steps, p + TIE, side="right") - 1
        result: FloatArray = x[np.maximum(at, 0)]
        return result
    share = sums / sums[-1]
    at = np.minimum(np.searchsorted(share, p - TIE), x.size - 1)
    following = np.minimum(at + 1, x.size - 1)
    on_step = np.abs(share[at] - p) <= TIE
    if rule in ("school", "hf2"):
        result = np.where(on_step, (x[at] + x[following]) / 2, x[at])
    elif rule == "hf3":
        result = np.where(on_step & (at % 2 == 0), x[following], x[at])
    else:
        result = x[at]
    return result
