"""Weighted quantiles on rows, in rational numbers, straight from the definitions of the twelve rules."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate

STEPS = {  # places of the i-th respondent on the scale of p: c_i weight up to and with them, w_i their own, W all
    "hf4": lambda c, w, total, last: c / total,
    "hf5": lambda c, w, total, last: (c - w / 2) / total,
    "hf6": lambda c, w, total, last: c / (total + last),
    "hf7": lambda c, w, total, last: (c - w) / (total - last),
    "hf8": lambda c, w, total, last: ((c - w) / 3 + c * 2 / 3) / (total + last / 3),
    "hf9": lambda c, w, total, last: ((c - w) * 3 / 8 + c * 5 / 8) / (total + last / 4),
}
RULES = ("math", "school", "shahvaish", "hf1", "hf2", "hf3", *STEPS)


def quantile(
    values: Iterable[float], weights: Iterable[float], p: Fraction, rule: str, share_ties: bool = True
) -> float:
    """Quantile by R's formula (`survey:::qrule_*`), respondent by respondent.

    With `share_ties` respondents of one value share its weight; otherwise they come in the order they are given, as in
    R. Weights are taken to have a mean of 1 in "shahvaish", and the first value is the quantile below the first step.
    """
    rows = [(Fraction(x), Fraction(w)) for x, w in zip(values, weights, strict=True) if w > 0]
    if share_ties:
        tied: dict[Fraction, list[Fraction]] = {}
        for x, w in rows:
            tied.setdefault(x, []).append(w)
        shared = {x: sum(ws, Fraction(0)) / len(ws) for x, ws in tied.items()}
        rows = [(x, shared[x]) for x, _ in rows]
    rows.sort(key=lambda row: row[0])
    if rule == "hf3":  # R adds up ties for this rule
        rows = [(x, sum((w for y, w in rows if y == x), Fraction(0))) for x in sorted({x for x, _ in rows})]
    n, total, last = len(rows), sum((w for _, w in rows), Fraction(0)), rows[-1][1]
    if n == 1:
        return float(rows[0][0])
    sums = list(accumulate(w for _, w in rows))
    if rule == "shahvaish":
        mean = total / n
        places = [(c / mean + Fraction(1, 2) - w / mean / 2) / (n + 1) for c, (_, w) in zip(sums, rows, strict=True)]
        return float(max((x for (x, _), place in zip(rows, places, strict=True) if place <= p), default=rows[0][0]))
    if rule in STEPS:
        places = [STEPS[rule](c, w, total, last) for c, (_, w) in zip(sums, rows, strict=True)]
        return float(_interpolated(p, places, [x for x, _ in rows]))
    at = next((i for i, c in enumerate(sums) if c >= p * total), n - 1)
    following = rows[min(at + 1, n - 1)][0]
    exact = sums[at] == p * total
    if exact and rule in ("school", "hf2"):
        return float((rows[at][0] + following) / 2)
    if exact and rule == "hf3" and (at + 1) % 2 == 1:
        return float(following)
    return float(rows[at][0])


def _interpolated(p: Fraction, places: list[Fraction], values: list[Fraction]) -> Fraction:
    """Value at p on the line through the places; the end values beyond them."""
    if p <= places[0]:
        return values[0]
    for i in range(1, len(places)):
        if p <= places[i]:
            part = (p - places[i - 1]) / (places[i] - places[i - 1])
            return values[i - 1] + part * (values[i] - values[i - 1])
    return values[-1]
