"""Rows for each kind of result that R prints: every number of it beside ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import survey
from survey.design import collapse
from survey.estimation.intervals import proportion_interval
from survey.estimation.variance import linearization
from survey.inference.goodness_of_fit import count_form
from survey.inference.independence import generalized_effects, pearson, two_way
from survey.inference.quadratic_forms import TailMethod, sum_of_chisq_sf
from survey.weighting.summaries import weight_summary
from tests.reference_data import INTERVAL, RAO_SCOTT, SVYCIPROP, WALD, ZERO, labels
from tests.sources import Value
from tests.validation.fits import R_DF
from tests.validation.rows import Kind, Reason, Row, covariance, number, together

# our interval -> svyciprop(method=): all that both have; its "logit" is its "xlogit" found by iteration
CIPROP: Mapping[str, str] = {**SVYCIPROP, "asin": "asin"}
NO_VARIANCE = 1e-10  # of a share: R's standard error is rounding error, and its bounds are what that makes of it
LINCOM_FLOOR = 0.1  # R asks an absolute accuracy of 1e-7 of Davies' method: relative to p above this, to this below
LINCOM = Reason('`svychisq("lincom")` computes p to 1e-7, absolute, by the method of Davies', 1.1e-6)
SADDLEPOINT = Reason('`svychisq("saddlepoint")` solves for the saddlepoint to 1e-8; p goes with its exponential', 5e-6)
TESTS: Mapping[str, Any] = {**RAO_SCOTT, **WALD}


# Designs ----------------------------------------------------------------------------------------------------


def weights(group: str, design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Summary of the weights in use, and the first and the last five of them."""
    (row,) = weight_summary(design).to_dict("records")
    w = design.weights[design.weights > 0]
    ours = {
        "n": row["n"],
        "sum": row["sum"],
        "min": row["min"],
        "max": row["max"],
        "mean": row["sum"] / row["n"],
        "kish_deff": row["deff_kish"],
        "ess": row["n_eff"],
        "sd": np.std(w, ddof=1),
        "sumsq": np.square(w).sum(),
    }
    # the spread of equal weights is rounding error
    parts = {
        n: number("estimate", reference[n], own, reference["mean"] if n == "sd" else None) for n, own in ours.items()
    }
    parts |= {
        name: together("estimate", reference[name], part) for name, part in (("first5", w[:5]), ("last5", w[-5:]))
    }
    yield Row(group, "weights", parts)


def value(group: str, label: str, kind: Kind, theirs: float, ours: float) -> Row:
    """One number."""
    return Row(group, label, {"value": number(kind, theirs, ours)})


# Estimates --------------------------------------------------------------------------------------------------


def estimates(
    group: str,
    made: survey.Estimate,
    reference: Mapping[str, Any],
    prefix: str = "",
    zero: float = ZERO,
    population: float | None = None,
) -> Iterator[Row]:
    """Rows of `svymean`, `svytotal` and their like: all that R has of them.

    Standard errors below `zero` of the estimate are rounding error, of R and of us. `population` is the sum of the
    weights where R's design effects are relative to a sample without replacement (`deff = TRUE`).
    """
    frame = made.tidy()
    names = list(reference["est"])
    if len(names) != len(frame):
        raise ValueError(f"{group}: {labels(frame)} beside {names}")
    ends, effects = reference.get("ci95"), reference.get("deff") or {}
    for i, name in enumerate(names):
        row, value_, error = frame.iloc[i], reference["est"][name], reference["se"][name]
        floor = zero * abs(value_)
        numbers = {
            "estimate": number("estimate", value_, row["estimate"]),
            "SE": number("SE", error, row["std_error"], zero=floor),
        }
        own = effects.get(name)
        if isinstance(own, float) and error > floor:
            factor = 1.0 if population is None else 1 - row["n"] / population
            numbers["design effect"] = number("deff", own, row["deff"] / factor)
        if reference.get("df") is not None:
            numbers["df"] = number("test", reference["df"], row["df"])
        if ends is not None:
            scale = max(error, floor / INTERVAL)
            numbers["lower"] = number("bound", ends["values"][i][0], row["conf_low"], scale)
            numbers["upper"] = number("bound", ends["values"][i][1], row["conf_high"], scale)
        yield Row(group, prefix + name, numbers)
    if "vcov" in reference:
        content = reference["vcov"]
        matrix = content["values"] if isinstance(content, Mapping) else content
        yield from covariance(group, matrix, made.vcov, zero * made.value, prefix + "covariance")


def with_other_df(reference: Mapping[str, Any], made: survey.Estimate) -> dict[str, Any]:
    """The entry without its df and with bounds moved to ours: R was given the df of the design, item missing or not."""
    theirs, ours = float(stats.t.ppf(0.975, reference["df"])), np.asarray(stats.t.ppf(0.975, made.df))
    shift = (ours - theirs) * np.array(list(reference["se"].values()), dtype=float)
    ends = [[low + -d, high + d] for (low, high), d in zip(reference["ci95"]["values"], shift, strict=True)]
    kept = {name: part for name, part in reference.items() if name != "df"}
    return {**kept, "ci95": {"values": ends}}


def simple(
    group: str, label: str, made: survey.Estimate, reference: Mapping[str, Any], scale: float | None = None
) -> Row:
    """One estimate with its standard error."""
    numbers = {
        "estimate": number("estimate", reference["est"], made.value[0], scale),
        "SE": number("SE", reference["se"], made.std_error[0]),
    }
    return Row(group, label, numbers)


def by_groups(
    group: str,
    made: survey.Estimate,
    by: str | Sequence[str],
    entry: Mapping[str, Any],
    terms: Mapping[str, str] | None = None,
) -> Iterator[Row]:
    """Rows of `svyby`; `terms` names ours as R does, where it cannot itself.

    R's bounds have the df of the design, ours those of the group: ours are computed here with R's.
    """
    groups, table = [by] if isinstance(by, str) else list(by), entry["table"]
    frame = made.tidy()
    names = [n for n in table if f"se.{n}" in table] or [n for n in table if n in labels(frame)] or list(terms or {})
    keys = list(zip(*(frame[name].astype(str) for name in groups), labels(frame), strict=True))
    where = {key: i for i, key in enumerate(keys)}
    cells = list(zip(*(map(str, table[name]) for name in groups), strict=True))
    ends = entry["ci95"]["values"] if "ci95" in entry else None
    for position, (name, (j, cell)) in enumerate((n, c) for n in names for c in enumerate(cells)):
        row = frame.iloc[where[(*cell, (terms or {}).get(name, name))]]
        value_, error = table[name][j], table[f"se.{name}" if f"se.{name}" in table else "se"][j]
        floor = ZERO * abs(value_)
        numbers = {
            "estimate": number("estimate", value_, row["estimate"]),
            "SE": number("SE", error, row["std_error"], zero=floor),
        }
        if "vcov_diag" in entry:
            content = entry["vcov_diag"]
            variance = content[position] if isinstance(content, list) else content
            numbers["variance"] = number("deff", variance, row["std_error"] ** 2, zero=floor**2)
        if ends is not None and error > floor:
            half = stats.t.ppf(0.975, entry["df"]) * row["std_error"]
            numbers[f"lower, {R_DF}"] = number("bound", ends[position][0], row["estimate"] - half, error)
            numbers[f"upper, {R_DF}"] = number("bound", ends[position][1], row["estimate"] + half, error)
        yield Row(group, f"{name} | {', '.join(cell)}".replace("|", "·"), numbers)


# Shares and their intervals ---------------------------------------------------------------------------------


def interval(
    group: str,
    label: str,
    made: survey.Estimate,
    level: str,
    reference: Mapping[str, Any],
    reason: Reason | None = None,
) -> Row:
    """One answer's share with its interval, as `svyciprop`; R's bounds are not compared where it has no variance."""
    (row,) = (row for row in made.tidy().to_dict("records") if str(row["level"]) == level)
    error = reference["se"] if "se" in reference else Value.root(reference["var"])
    numbers = {
        "estimate": number("estimate", reference["est"], row["estimate"], zero=ZERO),
        "SE": number("SE", error, row["std_error"], zero=ZERO),
    }
    if error > NO_VARIANCE:
        numbers["lower"] = number("bound", reference["ci"][0], row["conf_low"], error)
        numbers["upper"] = number("bound", reference["ci"][1], row["conf_high"], error)
    return Row(group, label, numbers, reason)


def folded(entry: Mapping[str, Any], df: float, level: float = 0.95) -> bool:
    """Whether the lower angle of "asin" is negative: R squares its sine, the bound is zero."""
    p, t = entry["est"], stats.t.ppf(0.5 + level / 2, df)
    return bool(np.arcsin(np.sqrt(p)) < t * np.sqrt(entry["var"]) / (2 * np.sqrt(p * (1 - p))))


def intervals(
    group: str,
    label: str,
    made: survey.Estimate,
    level: str,
    entries: Mapping[str, Any],
    n: float,
    df: float,
    confidence: float = 0.95,
    replicated: bool = False,
) -> Iterator[Row]:
    """`svyciprop` of one answer with each method, with the n and the df that R takes.

    R counts all rows of the design it is given, those that did not answer included. The estimate of its "logit" is
    found by iteration; its bounds are not compared where weights are `replicated` (see the deviations).
    """
    (row,) = (row for row in made.tidy().to_dict("records") if str(row["level"]) == level)
    method: Any
    for method, theirs in (*CIPROP.items(), ("logit", "logit")):
        if theirs not in entries:
            continue
        entry = entries[theirs]
        error = Value.root(entry["var"])
        numbers = {
            "estimate": number("estimate", entry["est"], row["estimate"], zero=ZERO),
            "SE": number("SE", error, row["std_error"], zero=ZERO),
        }
        if error > NO_VARIANCE and not (replicated and theirs == "logit"):
            low, high = proportion_interval(row["estimate"], row["std_error"], n, df, level=confidence, method=method)
            zero_ends = method == "asin" and folded(entry, df, confidence)
            if not zero_ends:
                numbers["lower"] = number("bound", entry["ci"][0], float(low), error)
            numbers["upper"] = number("bound", entry["ci"][1], float(high), error)
        yield Row(group, f"{label}, {theirs}", numbers, ITERATED if theirs == "logit" else None)


ITERATED = Reason(
    '`svyciprop("logit")` finds a share by iteration, as `svyglm` does; "xlogit" is the same interval', 1e-6
)


# Tests ------------------------------------------------------------------------------------------------------


def independence(
    group: str, label: str, made: survey.TestResult, reference: Mapping[str, Any], answered: float = 1.0
) -> Row:
    """A test of independence; R's Pearson statistic is scaled to those who answered, as ours."""
    (statistic,), degrees = reference["statistic"].values(), list(reference["parameter"].values())
    expected = statistic * answered if "X-squared" in reference["statistic"] else statistic
    numbers = {
        "statistic": number("test", expected, made.statistic),
        "df": number("test", degrees[0], made.df1),
    }
    if len(degrees) > 1:
        numbers["denominator df"] = number("test", degrees[1], made.df2)
    numbers["p"] = number("p", reference["p.value"], made.p_value)
    return Row(group, label, numbers)


def table_rows(
    group: str,
    design: survey.Design,
    row: str,
    column: str,
    entries: Mapping[str, Any],
    answered: float = 1.0,
    infinite: bool = False,
) -> Iterator[Row]:
    """All six tests of `svychisq` and the table that they test.

    Its tables have as many respondents as the design has rows, of which `answered` answered. R divides the weighted
    sum of chi-squares of "lincom" and "saddlepoint" by Y / d, where Y is chi-square on d rounded down, or takes d for
    `infinite` where there are replicate weights: so do we here.
    """
    label, table = f"{row} by {column}", survey.crosstab(design, row, column, share="cell")
    for statistic, method in TESTS.items():
        made = table.test(method=method, df="design")
        yield independence(group, f"{label}, {method}", made, entries[statistic], answered)
    cells = collapse(design, [row, column])
    part = pearson(cells, two_way(cells, row, column))
    effects = generalized_effects(cells, [part])
    d = float(table.test(df="design").df2)
    at, df = (part.chisq, None) if infinite else (part.chisq * np.floor(d) / d, np.floor(d))
    tail: TailMethod
    for entry, tail, reason in (("lincom", "exact", LINCOM), ("saddlepoint", "saddlepoint", SADDLEPOINT)):
        content = entries[entry]
        p = sum_of_chisq_sf(at, effects, df, method=tail)
        numbers = {
            "statistic": number("test", next(iter(content["statistic"].values())) * answered, part.chisq),
            "p, rounded df": number(
                "p", content["p.value"], p, max(content["p.value"], LINCOM_FLOOR) if tail == "exact" else None
            ),
        }
        yield Row(group, f"{label}, rao-scott-{tail}", numbers, reason)
    frame = table.tidy()
    shares = frame.pivot(index="level", columns=column, values="estimate").astype(float)
    shares = shares.loc[frame["level"].unique(), frame[column].unique()]
    n = float(cells.n.sum()) / answered
    products = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    for name, ours in (("observed", shares.to_numpy()), ("expected", products)):
        known = [entry for entry in entries.values() if name in entry]
        theirs = [entry[name]["values"] for entry in known]
        yield Row(group, f"{label}, {name}", {"entries": together("estimate", theirs, [n * ours] * len(known), n)})


def t_rows(
    group: str,
    label: str,
    made: survey.TestResult,
    reference: Mapping[str, Any],
    shift: float = 0.0,
    df_of_r: float = 0.0,
) -> Row:
    """A t test; `shift` is what R subtracted from its estimate, `df_of_r` what it adds to our df."""
    (statistic,), (df,), (estimate,) = (reference[part].values() for part in ("statistic", "parameter", "estimate"))
    ours, error = (made.estimate.value[0], made.estimate.std_error[0]) if made.estimate is not None else (np.nan,) * 2
    theirs = float(made.df1) + df_of_r
    numbers = {
        "estimate": number("estimate", estimate + shift, ours),
        "statistic": number("test", statistic, made.statistic),
        "df" if df_of_r == 0 else R_DF: number("test", df, theirs),
        "p": number("p", reference["p.value"], 2 * float(stats.t.sf(abs(made.statistic), theirs))),
    }
    if "conf.int" in reference:
        half = float(stats.t.ppf(0.975, theirs)) * error
        for name, end, sign in (("lower", reference["conf.int"][0], -1), ("upper", reference["conf.int"][1], 1)):
            numbers[name] = number("bound", end + shift, ours + sign * half, error)
    return Row(group, label, numbers)


def given_shares(
    group: str, design: survey.Design, item: str, shares: Mapping[str, float], reference: Mapping[str, Any]
) -> Row:
    """`svygofchisq`: X^2 of weighted counts; the variance takes the shares in the alphabetical order of the levels."""
    result = survey.goodness_of_fit(design, item, dict(shares), method="satterthwaite")
    cells, levels = collapse(design, [item]), list(shares)
    per_head = cells.weight.sum() / cells.n.sum()
    indicator = np.column_stack([cells.frame[item] == level for level in levels]).astype(float)
    as_r = np.array(list(shares.values()))[np.argsort(levels)]
    effects = np.linalg.eigvalsh(linearization(cells, count_form(cells, indicator, as_r)))
    scale = float(effects @ effects / effects.sum())
    numbers = {
        "statistic": number("test", reference["statistic"]["X-squared"], result.statistic * per_head),
        "scale": number("test", reference["parameter"]["scale"], scale * per_head),
        "df": number("test", reference["parameter"]["df"], effects.sum() / scale),
        "p": number("p", reference["p.value"], sum_of_chisq_sf(result.statistic, effects)),
    }
    return Row(group, item, numbers)


def rank_row(group: str, label: str, made: survey.TestResult, reference: Mapping[str, Any]) -> Row:
    """A rank test; of several groups R names the chi-square as parameter and its df as statistic."""
    if "estimate" in reference:
        return t_rows(group, label, made, reference)
    numbers = {
        "chi-square": number("test", reference["parameter"]["Chisq"], made.wald_chisq or np.nan),
        "df": number("test", reference["statistic"]["df"], made.df1),
        "p": number("p", reference["p.value"], made.p_value),
    }
    return Row(group, label, numbers)


# Quantiles --------------------------------------------------------------------------------------------------


def quantiles(
    group: str, made: survey.Estimate, table: Sequence[Sequence[Any]], shares: Sequence[float]
) -> Iterator[Row]:
    """Quantiles with their bounds and standard errors; null in the reference is NaN."""
    frame = made.tidy()
    for i, p in enumerate(shares):
        row = frame.iloc[i]
        ours = [row["estimate"], row["conf_low"], row["conf_high"], row["std_error"]]
        kinds: Sequence[Kind] = ("estimate", "estimate", "estimate", "SE")
        parts = zip(("estimate", "lower", "upper", "SE"), kinds, table[i], ours, strict=True)
        yield Row(group, f"{p}", {name: number(kind, none_of(r), o) for name, kind, r, o in parts})


def none_of(entry: float | str | None) -> float | None:
    """A number of a table; R's "NaN" is none."""
    return entry if isinstance(entry, float) else None


def frame_of(table: Mapping[str, Any], index: str) -> pd.DataFrame:
    """An R table as a frame, by one of its columns."""
    return pd.DataFrame(dict(table)).set_index(index)
