"""Reference data sets and values, and how results are compared with them.

`reference/` beside this file holds the data sets that R packages ship and the values that R computed from
them (README.md there says how both were made); those tests run anywhere. Larger data sets stay in the folder
of shared results beside the repository; `shared()` skips a test where that folder is absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from tests.sources import origin, traced

if TYPE_CHECKING:  # data and values can be read without the package
    import survey

ESTIMATE = 1e-8  # relative: both sides add the same terms; only summation order and 15 printed digits differ
STANDARD_ERROR = 1e-6  # relative: differences of large sums lose some digits; agreement is usually 1e-12
COVARIANCE = 1e-6  # relative to the product of the two standard errors
INTERVAL = 1e-6  # relative to the standard error: the ends move with it
STATISTIC = 1e-6  # relative: a quadratic form in an inverted covariance matrix
P_VALUE = 1e-6  # relative, down to the smallest p-value compared
DEGREES_OF_FREEDOM = 1e-6  # relative: whole numbers for estimates, ratios of traces for Rao-Scott tests
COEFFICIENT = 1e-6  # relative to the standard error: maximum likelihood, both sides converged to a zero score
WEIGHT = 1e-8  # relative: the reference stops raking at a gap of 1e-9 of the total
ZERO = 1e-10  # relative to the estimate: a calibrated total has standard error 0; R prints rounding error

REFERENCE = Path(__file__).parent / "reference"
SHARED = Path(__file__).resolve().parents[2] / "shared" / "oracles"

API_DESIGNS: Mapping[str, Mapping[str, Any]] = MappingProxyType(  # arguments of survey.Design
    {
        "srs": {"weight": "pw", "fpc": "fpc"},
        "strat": {"weight": "pw", "strata": "stype", "fpc": "fpc"},
        "strat_nofpc": {"weight": "pw", "strata": "stype"},
        "clus1": {"weight": "pw", "psu": "dnum", "fpc": "fpc"},
        "clus1_nofpc": {"weight": "pw", "psu": "dnum"},
        "clus2": {"weight": None, "psu": "dnum", "ssu": "snum", "fpc": ["fpc1", "fpc2"]},
        "clus2_wr": {"weight": "pw", "psu": "dnum", "ssu": "snum"},
    }
)
API_FACTORS = ("stype", "sch.wide", "comp.imp", "both", "awards", "yr.rnd")
NHANES_DESIGN: Mapping[str, Any] = MappingProxyType(
    {"weight": "WTMEC2YR", "strata": "SDMVSTRA", "psu": "SDMVPSU", "nest": True}
)
RAO_SCOTT = MappingProxyType({"F": "rao-scott-f", "Chisq": "rao-scott-chisq"})  # svychisq statistic -> method
WALD = MappingProxyType({"Wald": "wald", "adjWald": "adjusted-wald"})
# proportion(interval=) -> svyciprop(method=): R's "logit" is its "xlogit" found by iteration, to 1e-9 only
SVYCIPROP = MappingProxyType({"logit": "xlogit", "wald": "mean", "wilson": "wilson", "beta": "beta"})


# Data -------------------------------------------------------------------------------------------------------


def shared(folder: str) -> Path:
    """Locate a folder of the shared results, or skip the test."""
    path = SHARED / folder
    if not path.is_dir():
        pytest.skip(f"the data of '{folder}' are not redistributed here: no folder shared/oracles/{folder}")
    return path


def read_csv(path: Path) -> pd.DataFrame:
    """Read a data set, once; only a blank is missing ("NA" or "None" may be an answer)."""
    return _read(path).copy()


@cache
def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def factor(values: pd.Series, levels: Sequence[Any] | None = None, labels: Sequence[str] | None = None) -> pd.Series:
    """Code as R's factor() does: levels in sorted order unless given; other values become missing."""
    if levels is None:
        levels = sorted(values.dropna().unique())
    known = values.where(values.isin(list(levels)))
    coded = pd.Categorical(known, categories=list(levels))
    names = [str(level) for level in levels] if labels is None else list(labels)
    return pd.Series(
        coded.rename_categories(dict(zip(levels, names, strict=True))), index=values.index, name=values.name
    )


def ordered(values: pd.Series, levels: Sequence[Any], labels: Sequence[str] | None = None) -> pd.Series:
    """Code as `factor()` does; the levels have an order, as an outcome of ordinal regression must."""
    return factor(values, levels, labels).cat.as_ordered()


def cut(values: pd.Series, breaks: Sequence[float], labels: Sequence[str]) -> pd.Series:
    """Group numbers as R's cut() does, into intervals closed on the right; others become missing."""
    return pd.Series(
        pd.cut(values, list(breaks), labels=list(labels), right=True, ordered=True),
        index=values.index,
        name=values.name,
    )


def yes_no(condition: pd.Series, known: pd.Series | None = None) -> pd.Series:
    """Make a two-level item of a condition, missing where it is not `known`."""
    coded = pd.Series(np.where(condition, "yes", "no"), index=condition.index, dtype=object)
    if known is not None:
        coded = coded.where(known)
    return factor(coded, ["no", "yes"])


def api(design: str) -> pd.DataFrame:
    """California schools in the sample of a design of API_DESIGNS, with R's factors."""
    return _schools(design.split("_", maxsplit=1)[0]).copy()


@cache
def _schools(sample: str) -> pd.DataFrame:
    frame = read_csv(REFERENCE / f"api{sample}.csv")
    for column in API_FACTORS:
        frame[column] = factor(frame[column])
    return frame


def api_for_formulas(design: str, lowest: float = -1) -> pd.DataFrame:
    """`api()` with underscores for dots in names, and `mealcat`, subsidized meals in four groups.

    With `lowest=0` schools without such meals are missing, as in the example of R's svyolr.
    """
    frame = api(design).rename(columns=lambda column: column.replace(".", "_"))
    frame["mealcat"] = cut(frame["meals"], [lowest, 25, 50, 75, 100], ["q1", "q2", "q3", "q4"])
    return frame


def nhanes() -> pd.DataFrame:
    """US health survey 2009-2010; `chol` is HI_CHOL (high cholesterol) as an item."""
    return _health().copy()


@cache
def _health() -> pd.DataFrame:
    frame = read_csv(REFERENCE / "nhanes.csv")
    frame["race"] = factor(frame["race"])
    frame["sex"] = factor(frame["RIAGENDR"])
    frame["agecat"] = factor(frame["agecat"]).cat.as_ordered()
    frame["chol"] = yes_no(frame["HI_CHOL"] == 1, frame["HI_CHOL"].notna())
    return frame


@cache
def values(name: str) -> Mapping[str, Any]:
    """Reference values of one file in `reference/`."""
    content = json.loads((REFERENCE / f"{name}.json").read_text())
    return MappingProxyType(traced(content, lambda entry: origin(name, entry)))


@cache
def shared_values(path: str) -> Mapping[str, Any]:
    """Reference values of one shared file, as "folder/file.json"; skips the test where it is absent."""
    folder, name = path.split("/")
    content = json.loads((shared(folder) / name).read_text())
    return MappingProxyType(traced(content, lambda entry: f"{path}: {entry}"))


# Comparison -------------------------------------------------------------------------------------------------


def close(actual: ArrayLike, expected: ArrayLike, relative: float, what: str) -> None:
    """Fail unless every number agrees to a share of the expected one; the order of both must be the same."""
    ours, theirs = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    np.testing.assert_allclose(ours, theirs, rtol=relative, atol=0, err_msg=what)


def close_within(actual: ArrayLike, expected: ArrayLike, allowed: ArrayLike, what: str) -> None:
    """Fail unless every difference is at most the allowed amount."""
    difference = np.abs(np.asarray(actual, dtype=float) - np.asarray(expected, dtype=float))
    excess = difference - np.asarray(allowed, dtype=float)
    if not np.all(excess <= 0):
        worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
        message = (
            f"{what}: at {tuple(int(i) for i in worst)} ours {np.asarray(actual)[worst]!r}, "
            f"reference {np.asarray(expected)[worst]!r}, "
            f"allowed {np.broadcast_to(allowed, excess.shape)[worst]:.3g}"
        )
        pytest.fail(message)


def labels(frame: pd.DataFrame) -> list[str]:
    """Term and level of each row joined as R names them, "stype" and "E" to "stypeE"."""
    if "level" not in frame:
        return [str(term) for term in frame["term"]]
    return [
        f"{term}{'' if pd.isna(level) else level}"
        for term, level in zip(frame["term"], frame["level"].astype(object), strict=True)
    ]


def same_standard_errors(actual: ArrayLike, expected: ArrayLike, estimates: ArrayLike, what: str) -> None:
    """Compare standard errors; one that is rounding error beside its estimate must be that for both."""
    reference = np.asarray(expected, dtype=float)
    floor = ZERO * np.abs(np.asarray(estimates, dtype=float))
    close_within(actual, reference, np.maximum(STANDARD_ERROR * reference, floor), what)


def same_covariance(actual: ArrayLike, expected: ArrayLike, estimates: ArrayLike, what: str) -> None:
    """Compare two covariance matrices, each entry on the scale of its two standard errors."""
    reference = np.asarray(expected, dtype=float)
    scale = np.sqrt(np.abs(np.diag(reference)))
    floor = ZERO * np.abs(np.asarray(estimates, dtype=float))
    allowed = COVARIANCE * np.outer(scale, scale) + np.outer(scale, floor) + np.outer(floor, scale)
    close_within(actual, reference, allowed + np.outer(floor, floor), what)


def same_estimate(
    estimate: survey.Estimate, reference: Mapping[str, Any], what: str = "", df: float | None = None
) -> None:
    """Compare with `svymean`, `svytotal`: labels, estimates, errors, covariance, df and intervals."""
    frame = estimate.tidy()
    names = list(reference["est"])
    assert labels(frame) == names, what
    expected = np.array([reference["est"][name] for name in names])
    errors = np.array([reference["se"][name] for name in names])
    close(frame["estimate"], expected, ESTIMATE, f"{what} estimate")
    same_standard_errors(frame["std_error"], errors, expected, f"{what} std_error")
    if "vcov" in reference:
        same_covariance(estimate.vcov, reference["vcov"]["values"], expected, f"{what} vcov")
    df = reference.get("df", df)
    if df is not None:
        close(frame["df"], np.full(len(names), float(df)), DEGREES_OF_FREEDOM, f"{what} df")
    if "ci95" in reference:
        allowed = INTERVAL * np.maximum(errors, ZERO / INTERVAL * np.abs(expected))
        ends = np.array(reference["ci95"]["values"])
        close_within(frame["conf_low"], ends[:, 0], allowed, f"{what} conf_low")
        close_within(frame["conf_high"], ends[:, 1], allowed, f"{what} conf_high")


def same_by(estimate: survey.Estimate, by: str | Sequence[str], table: Mapping[str, Any], what: str = "") -> None:
    """Compare with the table of `svyby`, a row per group and a column per statistic, in whatever order."""
    groups = [by] if isinstance(by, str) else list(by)
    frame = estimate.tidy()
    names = [name for name in table if name not in groups and name not in {"se", "_row"} and not name.startswith("se.")]
    keys = list(zip(*(frame[group].astype(str) for group in groups), labels(frame), strict=True))
    assert len(set(keys)) == len(keys), what
    rows = {key: position for position, key in enumerate(keys)}
    cells = list(zip(*(map(str, table[group]) for group in groups), strict=True))
    assert len(rows) == len(cells) * len(names), f"{what}: {len(rows)} rows for {len(cells)} x {len(names)} values"
    for name in names:
        order = [rows[(*cell, name)] for cell in cells]
        expected = np.array(table[name], dtype=float)
        errors = np.array(table[f"se.{name}" if f"se.{name}" in table else "se"], dtype=float)
        close(frame["estimate"].to_numpy()[order], expected, ESTIMATE, f"{what} {name} estimate")
        same_standard_errors(frame["std_error"].to_numpy()[order], errors, expected, f"{what} {name} std_error")


def same_interval(
    estimate: survey.Estimate, level: str, reference: Mapping[str, Any], what: str = "", ends: float = INTERVAL
) -> None:
    """Compare the share of one answer with `svyciprop`: estimate, standard error, interval, df and n if given.

    `ends` is the difference allowed at the ends of the interval, relative to the standard error.
    """
    (row,) = (row for row in estimate.tidy().to_dict("records") if str(row["level"]) == level)
    value = reference["est"]
    error = float(reference["se"] if "se" in reference else np.sqrt(reference["var"]))
    close_within(row["estimate"], value, ESTIMATE * value, f"{what} estimate")
    close_within(row["std_error"], error, max(STANDARD_ERROR * error, ZERO), f"{what} std_error")
    if error > 0:  # otherwise R gives a point, (0.5, 0.5) or NaN for an interval: nothing to agree with
        close_within([row["conf_low"], row["conf_high"]], reference["ci"], ends * error, f"{what} interval")
    for column in {"df", "n"} & set(reference):
        assert row[column] == reference[column], what


def same_intervals_by(estimate: survey.Estimate, by: str, level: str, table: Mapping[str, Any], what: str = "") -> None:
    """Compare with the table of `svyby(svyciprop)` for one answer; estimates too, which R finds by iteration."""
    frame = estimate.tidy().astype({"level": str, by: str})
    frame = frame[frame["level"] == level].set_index(by).loc[table[by]]
    (share,) = set(table) - {by, "ci_l", "ci_u", "_row"}
    allowed = INTERVAL * frame["std_error"].to_numpy()
    for column, entry in {"estimate": share, "conf_low": "ci_l", "conf_high": "ci_u"}.items():
        close_within(frame[column], table[entry], allowed, f"{what} {column}")


def same_test(result: survey.TestResult, reference: Mapping[str, Any], what: str = "", answered: float = 1.0) -> None:
    """Compare with `svychisq`: statistic, degrees of freedom and p-value.

    Its Pearson statistic is that of a table of as many respondents as the design has rows, those that
    `answered` and those that did not; ours counts those that answered. F and p-values do not depend on it.
    """
    (statistic,) = reference["statistic"].values()
    degrees = list(reference["parameter"].values())
    expected = statistic * answered if "X-squared" in reference["statistic"] else statistic
    close(result.statistic, expected, STATISTIC, f"{what} statistic")
    close(result.df1, degrees[0], DEGREES_OF_FREEDOM, f"{what} df1")
    if len(degrees) > 1:
        close(result.df2, degrees[1], DEGREES_OF_FREEDOM, f"{what} df2")
    close(result.p_value, reference["p.value"], P_VALUE, f"{what} p_value")


def formula_names(names: Iterable[str]) -> list[str]:
    """Name terms as R does: "stype[T.H]" becomes "stypeH"."""
    return [name.replace("[T.", "").replace("]", "") if "[T." in name else name for name in names]


def same_fit(fit: survey.OrdinalFit, reference: Mapping[str, Any], what: str = "") -> None:
    """Compare with `olr_tight`: coefficients, thresholds, errors, covariance, log-likelihood and n."""
    slopes, thresholds = reference["coef"], list(reference["zeta"].values())
    same_coefficients(fit, slopes, thresholds, reference["se"], reference["vcov"]["values"], what)
    close(fit.log_likelihood, -reference["deviance"] / 2, ESTIMATE, f"{what} log-likelihood")
    assert fit.n == reference["n"], what


def same_coefficients(
    fit: survey.OrdinalFit,
    slopes: Mapping[str, float],
    thresholds: Sequence[float],
    errors: Mapping[str, float] | Sequence[float],
    covariance: ArrayLike,
    what: str = "",
    tolerance: float = COEFFICIENT,
) -> None:
    """Compare slopes by name, thresholds by position; errors and covariance are of both, in that order.

    `tolerance` is that of coefficients, relative to their standard errors, and of standard errors.
    """
    k, names = len(slopes), formula_names(str(name) for name in fit.params.index)
    assert sorted(names[:k]) == sorted(slopes), what
    order = [names.index(name) for name in slopes] + list(range(k, k + len(thresholds)))
    assert len(names) == len(order), what
    expected = np.array([*slopes.values(), *thresholds])
    error = np.array(list(errors.values() if isinstance(errors, Mapping) else errors))
    close_within(fit.params.to_numpy()[order], expected, tolerance * error, f"{what} coefficients")
    close_within(fit.thresholds.to_numpy(), thresholds, tolerance * error[k:], f"{what} thresholds")
    close(fit.bse.to_numpy()[order], error, min(tolerance, STANDARD_ERROR), f"{what} std_error")
    vcov = np.asarray(fit.vcov)[np.ix_(order, order)]
    same_covariance(vcov, covariance, np.zeros(len(order)), f"{what} vcov")
