"""Rows for each kind of regression that R prints: every number of it beside ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import survey
from survey.models.curvature import curvature, parallel
from tests.reference_data import formula_names
from tests.validation.rows import Reason, Row, covariance, joined, number, together

Floats = NDArray[np.float64]
R_DF = "with R's df"
BRANT = 1e-8  # relative: the reference converges to 1e-14
SVYGLM = Reason("`svyglm` stops at a deviance change of 1e-8; with epsilon 1e-15 it equals ours to 1e-9", 2e-4, 2e-3)
SVYOLR = Reason("`svyolr` stops early and differentiates numerically", 1e-2)


def fit(
    group: str, made: survey.OrdinalFit, reference: Mapping[str, Any], reason: Reason | None = None
) -> Iterator[Row]:
    """An ordinal regression: slopes and thresholds with their standard errors, covariance, log-likelihood, n, df."""
    slopes, thresholds = reference["coef"], list(reference["zeta"].values())
    errors = reference["se"]
    error = list(errors.values() if isinstance(errors, Mapping) else errors)
    names, k = formula_names(str(name) for name in made.params.index), len(slopes)
    order = [names.index(plain(name)) for name in slopes] + list(range(k, k + len(thresholds)))
    expected = [*slopes.values(), *thresholds]
    shown = [*slopes, *(f"threshold {i + 1}" for i in range(len(thresholds)))]
    naive = reference.get("se_naive_meanweight1")
    model = np.sqrt(np.diag(made.model_vcov))[order]
    for i, (position, name) in enumerate(zip(order, shown, strict=True)):
        numbers = {
            "estimate": number("coefficient", expected[i], made.params.iloc[position], float(error[i])),
            "SE": number("SE", error[i], made.bse.iloc[position]),
        }
        if naive is not None:
            numbers["SE of the model"] = number("SE", list(naive.values())[i], model[i])
        yield Row(group, name.replace("|", " to "), numbers, reason)
    if "vcov" in reference:
        content = reference["vcov"]
        matrix = content["values"] if isinstance(content, Mapping) else content
        for row in covariance(group, matrix, np.asarray(made.vcov)[np.ix_(order, order)]):
            yield Row(row.group, row.label, row.numbers, reason)
    if "deviance" in reference:
        likelihood = number("estimate", -reference["deviance"] / 2, made.log_likelihood)
        yield Row(group, "log-likelihood", {"estimate": likelihood}, reason)
    numbers = {}
    if "n" in reference:
        numbers["n"] = number("test", reference["n"], made.n)
    if "degf" in reference:
        numbers["df"] = number("test", reference["degf"], made.df)
    for name in ("df_residual_svyolr", "df_residual"):
        if name in reference:
            numbers["df, R's + slopes"] = number("test", reference[name] + k, made.df)
    if numbers:
        yield Row(group, "respondents and df", numbers)


def plain(name: str) -> str:
    """A term of R's as our names are compared: no dots, no brackets of intervals."""
    return name.replace(".", "_").replace("]", "")


def svyolr(group: str, made: survey.OrdinalFit, reference: Mapping[str, Any]) -> Iterator[Row]:
    """`svyolr`, whose number of respondents is their sum of weights; all of a kind in one row."""
    rows = list(fit(group, made, {key: part for key, part in reference.items() if key != "n"}, SVYOLR))
    yield from (row for row in rows if len(row.numbers) != 2 or "SE" not in row.numbers)
    parts = [row for row in rows if len(row.numbers) == 2 and "SE" in row.numbers]
    numbers = {name: joined([row.numbers[name] for row in parts]) for name in ("estimate", "SE")}
    yield Row(group, f"{len(parts)} coefficients", numbers, SVYOLR)
    if "n" in reference:
        weighted = float(made.cells.weight[made.cells.inside].sum())
        yield Row(group, "sum of weights", {"n": number("estimate", reference["n"], weighted)})


def expected_covariances(made: survey.OrdinalFit) -> tuple[Floats, Floats]:
    """Covariance of the parameters with the expected information in place of the observed: of the model, of the design.

    `svyglm` and `svy_vglm` have it, ours is the derivative of the scores (Binder 1983); with a logit and two answers
    they are the same.
    """
    shape = curvature(made)
    p, q = shape.scale.size, shape.divisions
    combine = parallel(q, p)
    unscale = np.eye(p + q)
    unscale[:p, :p] = np.diag(1 / shape.scale)
    unscale[p:, :p] = shape.centre / shape.scale
    inverse = np.linalg.inv(combine.T @ shape.information(shape.columns, "expected") @ combine)
    model = unscale @ inverse @ unscale.T
    change = model @ np.linalg.inv(made.model_vcov)
    return model, change @ np.asarray(made.vcov) @ change.T


def binary(
    group: str,
    made: survey.OrdinalFit,
    reference: Mapping[str, Any],
    reason: Reason | None = SVYGLM,
    expected: bool = False,
    unit: float = 1.0,
) -> Iterator[Row]:
    """A binary regression of `svyglm`: its intercept is minus our threshold; t and bounds at the df that R uses.

    `expected` takes the expected information, as R does; with a logit it is the observed one. `unit` is the mean
    weight of all rows, which R gives weight 1 in its deviance, over that of the respondents in the model, which we do.
    """
    names = list(reference["coef"])
    own = [re.sub(r"C\((\w+)\)", r"\1", name) for name in formula_names(str(name) for name in made.params.index)]
    order = [len(own) - 1 if n == "(Intercept)" else own.index(plain(n)) for n in names]
    sign = np.where([name == "(Intercept)" for name in names], -1.0, 1.0)
    vcov = (expected_covariances(made)[1] if expected else np.asarray(made.vcov))[np.ix_(order, order)]
    params, errors = sign * made.params.to_numpy()[order], np.sqrt(np.diag(vcov))
    df = reference.get("df_resid", reference.get("df"))
    for i, name in enumerate(names):
        error = reference["se"][name]
        numbers = {
            "estimate": number("coefficient", reference["coef"][name], params[i], error),
            "SE": number("SE", error, errors[i]),
        }
        if "t" in reference:
            t = params[i] / errors[i]
            numbers["t"] = number("test", reference["t"][name], t)
            numbers[f"p {R_DF}"] = number("p", reference["p"][name], 2 * float(stats.t.sf(abs(t), df)))
        if "ci95" in reference:
            half, ends = float(stats.t.ppf(0.975, df)) * errors[i], reference["ci95"]["values"][i]
            numbers[f"lower, {R_DF}"] = number("bound", ends[0], params[i] - half, error)
            numbers[f"upper, {R_DF}"] = number("bound", ends[1], params[i] + half, error)
        yield Row(group, name, numbers, reason)
    if "vcov" in reference:
        ours = np.outer(sign, sign) * vcov
        for row in covariance(group, reference["vcov"]["values"], ours):
            yield Row(row.group, row.label, row.numbers, reason)
    if "deviance" in reference:
        parts = {"deviance": made.log_likelihood, "null_deviance": made.null_log_likelihood}
        numbers = {name: number("estimate", reference[name], -2 * part / unit) for name, part in parts.items()}
        yield Row(group, "deviance", numbers | {"n": number("test", reference["n"], made.n)})
    found = [name for name in ("df_resid", "df_residual_design", "df") if reference.get(name) is not None]
    if found:
        slopes = len(names) - 1
        yield Row(group, "df, R's + slopes", {n: number("test", reference[n] + slopes, made.df) for n in found})


def brant_rows(label: str, made: survey.OrdinalFit, reference: Mapping[str, Any]) -> Iterator[Row]:
    """The design-based test of parallel lines: slopes of the binary models, chi-square, F, and the adjusted F."""
    result = made.parallel_lines_test(method="brant")
    wald, k, d = float(result.wald_chisq or 0), float(result.df1), float(made.df)
    slopes = survey.parallel_slopes(made).value.reshape(-1, len(made.thresholds))
    yield Row(
        "Brant's test", f"{label}, slopes", {"entries": together("estimate", reference["slopes"]["values"], slopes)}
    )
    numbers = {
        "Wald": number("test", reference["wald_chisq"], wald),
        "df": number("test", reference["df"], k),
        "p, chi-square": number("p", reference["p_chisq"], float(stats.chi2.sf(wald, k))),
        "F": number("test", reference["F"], wald / k),
        "design df": number("test", reference["ddf"], d),
        "p, F": number("p", reference["p_F"], float(stats.f.sf(wald / k, k, d))),
        "adjusted F": number("test", reference["F_adj"], result.statistic),
        "p": number("p", reference["p_F_adj"], result.p_value),
    }
    yield Row("Brant's test", label, numbers, tight=BRANT)
