"""What the coverages say, in words; every number in them is one of the tables."""

from __future__ import annotations

import pandas as pd

from analysis.coverage.designs import CURE, FEW_TOWNS, GIANTS

RARE = 0.05  # shares below this are called rare


def spread(part: pd.DataFrame) -> str:
    """Lowest and highest coverage of some cells."""
    return f"{100 * part['coverage'].min():.1f}-{100 * part['coverage'].max():.1f}%"


def reading(results: pd.DataFrame) -> str:
    """What the numbers say, in words; the numbers in it are those of the tables."""
    family = results["family"]
    kind = results["interval"]
    giants = results["design"].isin(GIANTS)
    cure = results["design"] == CURE
    usual = ~giants & ~cure
    rare = results["truth"] < RARE
    numbers = family.isin(["mean", "total"])
    shares = family == "share"
    slopes = family == "slope"
    few = family == "few"
    quantiles = family == "quantile"
    tails = results["quantity"].str.endswith("0.1")
    heaped = quantiles & tails & (results["population"] == "Voters")

    def of(rows: pd.Series[bool], interval: str | None = None) -> str:
        return spread(results[rows if interval is None else rows & (kind == interval)])

    def each(rows: pd.Series[bool]) -> str:
        names = dict.fromkeys(kind[rows])
        return ", ".join(f"{name} {of(rows, str(name))}" for name in names)

    six, most = (few & results["design"].eq(f"{n} towns, weighted") for n in (FEW_TOWNS[0], FEW_TOWNS[-1]))
    lines = [
        "**Means, totals and slopes** are right, or nearly so, where clusters are of similar size or there are none: "
        f"means and totals {of(numbers & usual)}, slopes of ordinal regression {of(slopes & usual)}, the lower ends "
        "with 24 towns. Raking after non-response that depends on the margins does no harm.",
        "**A few giant clusters** (districts of 1 to 552 schools, all equally likely): means and totals "
        f"{of(numbers & giants)}, slopes {of(slopes & giants)}. Most samples miss the giants, and then the estimate "
        "and its standard error are both off: no formula on the sample can know, and no other interval helps. What "
        "helps is the design: with the giants in a stratum of their own, all taken, means and totals have "
        f"{of(numbers & cure)} and slopes {of(slopes & cure)}. Drawing with probability proportional to size, or "
        "calibrating to known totals, serves the same end.",
        f"**Shares above {100 * RARE:.0f}%**, usual designs: {each(shares & ~rare & usual)}. All are fine, "
        "the default of `survey.proportion`, logit, and that of tables, Korn-Graubard, among them.",
        f"**Shares of 1-2%**, usual designs: {each(shares & rare & usual)}. A sample in which nobody has the trait "
        "has an interval by Korn and Graubard only, and counts as a miss for the others (`none` in the long tables). "
        "Below about 5% "
        'use `interval="korn-graubard"`, as tables do; never `"wald"`, nor `survey.mean`, whose interval of a share is '
        "the same. With giant clusters Korn-Graubard has "
        f"{of(shares & rare & giants, 'korn-graubard')}, logit {of(shares & rare & giants, 'logit')}.",
        f"**Quantiles**, usual designs, but for heaped values (next): {each(quantiles & usual & ~heaped)}. With few "
        "clusters the bounds of the share leave 0 to 1 and the default has no interval: in the giants' designs it "
        f"covers {of(quantiles & giants, 'woodruff')}.",
        "**Quantiles of heaped values** (income rounded to 100, with 2% of the people on each value): at .1, "
        f"{each(heaped)}. Woodruff's interval, as R has it, goes out from the share at or below the estimated "
        "quantile; where a value is shared by many that is more than .1, and the whole interval moves up: all "
        "misses lie above. The "
        'score interval goes out from .1 itself. Use `interval="score"` for rounded or few-valued numbers, or report '
        "shares.",
        f"**Few clusters**: with {FEW_TOWNS[0]} towns linearization has {of(six, 'linearization')}, CR2 "
        f'(`variance="cr2"`) {of(six, "cr2")}; with {FEW_TOWNS[-1]} towns {of(most, "linearization")} and '
        f"{of(most, 'cr2')}. "
        "Below about 20 clusters use CR2, where there are neither strata nor calibration, for which it is not defined; "
        "it errs on the safe side.",
    ]
    return "".join(f"* {text}\n" for text in lines)
