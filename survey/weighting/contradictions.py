"""Contradictions among targets: which of them stand against each other, and the sentence that says why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from survey.arrays import FloatArray, IntArray
from survey.weighting.auxiliaries import Auxiliaries
from survey.weighting.programs import Program, extreme, minimal_conflict, whole_prices


@dataclass(frozen=True, slots=True, eq=False)
class _Balance:
    """An inequality that every respondent keeps and the targets break: less <= more + constant.

    Attributes
    ----------
    more, less : levels on either side: the targets of `more` are too small for those of `less`.
    more_times, less_times : how often each of them counts.
    constant : what is added for the sum of all shares, which is 1.
    above, below : what the targets on either side add up to.
    unit : size of the targets as they were given, per share of the population.
    """

    more: IntArray
    less: IntArray
    more_times: FloatArray
    less_times: FloatArray
    constant: float
    above: float
    below: float
    unit: float

    @property
    def simple(self) -> bool:
        """Whether each level counts once."""
        return bool((self.more_times == 1).all() and (self.less_times == 1).all())


def contradiction(auxiliary: Auxiliaries, program: Program, counts: FloatArray) -> tuple[tuple[str, ...], str]:
    """Targets that contradict each other although any of them may be left out to meet the others, and why they do.

    Parameters
    ----------
    counts : (C,) respondents in each cell of the program.
    """
    conflict = minimal_conflict(program)
    names = tuple(auxiliary.name(row) for row in conflict if row < auxiliary.targets.size)
    return names, _in_words(auxiliary, program, conflict, counts)


def _in_words(auxiliary: Auxiliaries, program: Program, conflict: IntArray, counts: FloatArray) -> str:
    """The contradiction between some rows of the program as a sentence."""
    total = auxiliary.targets.size  # the row of the sum of all shares
    levels = total - len(auxiliary.totals)
    plain = not program.low.any() and np.isinf(program.high).all()
    numeric = ((conflict >= levels) & (conflict < total)).any()
    prices = whole_prices(program, conflict) if plain and not numeric else None
    if prices is None:
        return _range_in_words(auxiliary, program, conflict)
    balance = _balance(auxiliary, program, conflict, prices)
    sentence = _plainly(auxiliary, program, balance, counts) if balance.simple else ""
    return sentence or _in_general(auxiliary, balance)


def _balance(auxiliary: Auxiliaries, program: Program, conflict: IntArray, prices: FloatArray) -> _Balance:
    """The inequality that the prices of a conflict's rows make."""
    total = auxiliary.targets.size
    levels = conflict[conflict != total]
    times = prices[conflict != total]
    more = levels[times > 0]
    less = levels[times < 0]
    wanted = program.wanted
    above, below = (float(np.abs(prices[np.isin(conflict, side)]) @ wanted[side]) for side in (more, less))
    return _Balance(
        more=more,
        less=less,
        more_times=times[times > 0],
        less_times=-times[times < 0],
        constant=float(prices[conflict == total].sum()),
        above=above,
        below=below,
        unit=auxiliary.unit[0] / auxiliary.whole,
    )


def _plainly(auxiliary: Auxiliaries, program: Program, balance: _Balance, counts: FloatArray) -> str:
    """The sentence where the respondents of some levels all have some others; empty where it is not as simple."""
    more, less, unit = balance.more, balance.less, balance.unit
    the_more = _listed(auxiliary, more, balance.more_times)
    the_less = _listed(auxiliary, less, balance.less_times)
    if more.size == 1:
        needed = f"the target of {the_more} must be at least"
        actual = "it is"
    else:
        all_of_them = _listed(auxiliary, more, balance.more_times, word="and")
        needed = f"the targets of {all_of_them} must add up to at least"
        actual = "they add up to"
    exclusive = less.size > 0 and (program.rows[less].sum(axis=0) <= 1).all()  # nobody has two of the levels
    if balance.constant == 0 and exclusive and more.size:
        who = counts[program.rows[less].any(axis=0)].sum()
        return (
            f"All {who:.0f} respondents with {the_less} have {the_more}, so {needed} {balance.below / unit:.4g}, but "
            f"{actual} {balance.above / unit:.4g}."
        )
    if balance.constant == 1 and not more.size:
        return (
            f"Nobody has more than one of {_listed(auxiliary, less, balance.less_times, word='and')}, so their targets "
            f"can add up to at most {1 / unit:.4g}, but they add up to {balance.below / unit:.4g}."
        )
    if balance.constant == -1 and not less.size:
        return (
            f"All {counts.sum():.0f} respondents have {the_more}, so {needed} {1 / unit:.4g}, but {actual} "
            f"{balance.above / unit:.4g}."
        )
    return ""


def _in_general(auxiliary: Auxiliaries, balance: _Balance) -> str:
    """The sentence where levels count several times, or overlap."""
    constant, unit = balance.constant, balance.unit
    the_more = _listed(auxiliary, balance.more, balance.more_times, word="and")
    the_less = _listed(auxiliary, balance.less, balance.less_times, word="and")
    limit = balance.above + constant
    if not balance.more.size:
        return (
            f"No respondent has more than {constant:.0f} of {the_less}, so their targets can add up to at most "
            f"{limit / unit:.4g}, but they add up to {balance.below / unit:.4g}."
        )
    if not balance.less.size:
        return (
            f"Every respondent has at least {-constant:.0f} of {the_more}, so their targets must add up to at least "
            f"{-constant / unit:.4g}, but they add up to {balance.above / unit:.4g}."
        )
    plus = "" if constant == 0 else f", {constant:+.0f}"
    return (
        f"No respondent has more of {the_less} than of {the_more}{plus}, so the targets of the former can add up to "
        f"at most {limit / unit:.4g}, but they add up to {balance.below / unit:.4g}."
    )


def _listed(auxiliary: Auxiliaries, rows: IntArray, multipliers: FloatArray, *, word: str = "or") -> str:
    """Levels joined as a sentence has them."""
    names = [
        auxiliary.name(int(row)) if multiplier == 1 else f"{multiplier:.0f} times {auxiliary.name(int(row))}"
        for row, multiplier in zip(rows, multipliers, strict=True)
    ]
    return f" {word} ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _range_in_words(auxiliary: Auxiliaries, program: Program, conflict: IntArray) -> str:
    """What the others of a conflict leave to its last target, the numeric one where there is one."""
    targets = conflict[conflict < auxiliary.targets.size]
    if not targets.size:
        return "Within their bounds the weights cannot add up to the population."
    last = int(targets[-1])
    others = targets[:-1]
    rest = conflict[conflict != last]
    per_unit = auxiliary.scale[last] / auxiliary.unit[last]
    lowest = extreme(program, rest, last, sign=1.0) * per_unit
    highest = extreme(program, rest, last, sign=-1.0) * per_unit
    given = ""
    if others.size:
        given = f"With {_listed(auxiliary, others, np.ones(others.size), word='and')} at the target, "
    if np.isneginf(program.low).all():
        within = "with any weights "
    elif program.low.any() or np.isfinite(program.high).any():
        within = "within the bounds "
    else:
        within = "with positive weights "
    ends = f"{_bound(lowest, 'no less than')} and {_bound(highest, 'no more than')}"
    target = auxiliary.targets[last] / auxiliary.unit[last]
    text = f"{given}{within}{auxiliary.name(last)} can be {ends}, but its target is {target:.6g}."
    return text[0].upper() + text[1:]


def _bound(value: float, words: str) -> str:
    """An end of a range."""
    return f"{words} {value:.6g}" if np.isfinite(value) else "anything"
