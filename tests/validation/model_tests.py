"""Tests, criteria and diagnostics of ordinal models, and pooling over imputations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import survey
from survey.imputation.rubin import rubin_df
from survey.inference.quadratic_forms import sum_of_chisq_sf
from survey.models.nesting import nesting
from tests.imputation import test_pooling as pooling
from tests.models import test_parallel_lines as lines
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import API_DESIGNS, NHANES_DESIGN, api, api_for_formulas, factor, nhanes, values
from tests.validation.fits import SVYOLR, Floats
from tests.validation.results import value
from tests.validation.rows import REGISTRY, Reason, Row, covariance, held_to, number, together

BRANT = 1e-8  # relative: the reference converges to 1e-14
PACKAGE = Reason("`brant` takes a fit of `polr`, which stops early", 2e-4, 2e-3)
POLR_FIT = Reason("Expected counts at coefficients of `polr`, which stops early", 2e-4, 1e-3)
INTERPOLATED = Reason("`confint.clm` interpolates the profile between about ten points by a spline", 1e-4)
SADDLEPOINT = Reason("R solves for the saddlepoint to 1e-4 of its standard error", 1e-5)
HESSIAN = Reason("Effects from the covariance of `svyolr`, whose Hessian is numeric", 1e-5)
CAR = Reason("`car::vif` takes a fit of `polr`, which stops early", 5e-6)


def plain(data: str, **columns: Any) -> survey.OrdinalFit:
    """The usual model of a data set without a design."""
    return survey.ordinal(FORMULAS[data], survey.Design(DATA[data]().assign(**columns), weight=None))


@REGISTRY.section(
    "Tests of ordinal models",
    "Parallel lines (Brant's and score tests), likelihood ratios, score tests of added terms, fit, variance inflation, "
    "profile intervals, criteria (`diagnostics.R` with R survey 4.1.1).",
)
def model_tests() -> Iterator[Row]:
    content = values("ordinal_tests")
    frame = nhanes()
    frame["sex"] = factor(frame["RIAGENDR"], [1, 2], ["male", "female"])
    health = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(frame, **NHANES_DESIGN))
    yield from held_to(joint_brant("health survey", health, values("ordinal")["svy_brant_nhanes"]["result"]), BRANT)
    web = survey.ordinal("Rating ~ Design", lines.students())
    yield from held_to(joint_brant("web survey of SAS", web, content["svy_brant_sas"]), BRANT)
    for data in ("ucla", "wvs"):
        yield from package_brant(data, content["ucla_polr_brant" if data == "ucla" else "wvs_brant"])
        yield from fit_tests(data, content[f"{data}_gof"])
    for data, entry in (
        ("cheese", values("ordinal_iid")["cheese_clm"]["result"]["score_test"]),
        *((data, content[f"{data}_score_test"]) for data in ("ucla", "wvs")),
    ):
        result = survey.parallel_lines_test(plain(data), "model-score")
        numbers = {
            "statistic": number("test", entry["stat"], result.statistic),
            "df": number("test", entry["df"], result.df1),
            "p": number("p", entry["p"], result.p_value),
        }
        yield from held_to([Row("score test of parallel lines", data, numbers)], BRANT)
    yield from likelihood_ratio(content)
    yield from inflation(content["wvs_vif"])
    for data, entries in (
        ("housing", [content["housing_profile_ci"]]),
        ("wine", [content["wine_profile_ci"], values("ordinal")["wine_confint_profile"]]),
    ):
        found, errors = survey.profile_intervals(plain(data)), np.sqrt(np.diag(plain(data).model_vcov))
        ends = found[["conf_low", "conf_high"]].to_numpy()
        for entry in entries:
            for i, term in enumerate(found["term"]):
                theirs = entry["values"][i] if "values" in entry else [entry["lwr"][i], entry["upr"][i]]
                names = ("lower", "upper")
                numbers = {n: number("bound", theirs[j], ends[i, j], errors[i]) for j, n in enumerate(names)}
                yield Row(f"profile interval, {data}", str(term), numbers, INTERPOLATED)
    yield from tight_diagnostics()


def joint_brant(group: str, made: survey.OrdinalFit, result: Mapping[str, Any]) -> Iterator[Row]:
    """Binary slopes, their joint covariance, and Brant's test of all and of each column."""
    p, q, d = len(made.slopes), len(made.thresholds), float(made.df)
    slopes, order = survey.parallel_slopes(made), np.arange(p * q).reshape(p, q).T.ravel()
    value_, vcov = slopes.value[order], slopes.vcov[np.ix_(order, order)]
    yield Row(group, "slopes", {"entries": together("estimate", result["binary_coefs"], value_.reshape(q, p))})
    yield from covariance(group, result["cov"], vcov)
    test = survey.parallel_lines_test(made, "brant")
    wald, k = float(test.wald_chisq or np.nan), float(test.df1)
    numbers = {
        "Wald": number("test", result["W"], wald),
        "df": number("test", result["df"], k),
        "design df": number("test", result["design_df"], d),
        "p, chi-square": number("p", result["p_chisq"], float(stats.chi2.sf(wald, k))),
        "p, F": number("p", result["p_F"], float(stats.f.sf(wald / k, k, d))),
        "adjusted F": number("test", result["F_stata_adjusted"], test.statistic),
        "p": number("p", result["p_F_stata"], test.p_value),
    }
    yield Row(group, "Brant's test", numbers)
    for i, part in enumerate(result["by_term"]):
        wald, k = column_wald(value_, vcov, i, p, q), q - 1
        numbers = {
            "Wald": number("test", part["W"], wald),
            "df": number("test", part["df"], k),
            "p, chi-square": number("p", part["p_chisq"], float(stats.chi2.sf(wald, k))),
            "p, F": number("p", part["p_F"], float(stats.f.sf(wald / k, k, d))),
        }
        yield Row(group, f"Brant's test, {part['term']}", numbers)


def column_wald(value_: Floats, vcov: Floats, i: int, p: int, q: int) -> float:
    """Wald statistic that one slope is the same at every division; slopes come division by division."""
    own = [i + p * j for j in range(q)]
    contrast = np.column_stack([np.ones(q - 1), -np.eye(q - 1)])
    difference = contrast @ value_[own]
    return float(difference @ np.linalg.solve(contrast @ vcov[np.ix_(own, own)] @ contrast.T, difference))


def package_brant(data: str, result: Mapping[str, Any]) -> Iterator[Row]:
    """`brant::brant`; its covariance is not symmetric, which concerns the overall statistic alone (see above)."""
    made = plain(data)
    p, q = len(made.slopes), len(made.thresholds)
    found, order = survey.parallel_slopes(made, source="model"), np.arange(p * q).reshape(p, q).T.ravel()
    value_, vcov = found.value[order], found.vcov[np.ix_(order, order)]
    prefix = "brant_" if data == "ucla" else ""
    d = np.hstack([np.eye(p), -np.eye(p)])
    asymmetric = vcov.copy()
    asymmetric[p:, :p] = vcov[:p, p:]
    overall = float(d @ value_ @ np.linalg.solve(d @ asymmetric @ d.T, d @ value_))
    walds = [overall, *(column_wald(value_, vcov, i, p, q) for i in range(p))]
    for i, (term, wald) in enumerate(zip(result[f"{prefix}term"], walds, strict=True)):
        k = p if i == 0 else 1
        numbers = {
            "statistic": number("test", result[f"{prefix}X2"][i], wald),
            "df": number("test", result[f"{prefix}df"][i], k),
            "p": number("p", result[f"{prefix}p"][i], float(stats.chi2.sf(wald, k))),
        }
        label = "all, with R's covariance" if i == 0 else term
        yield Row(f"Brant's test of the package, {data}", label, numbers, PACKAGE)


def fit_tests(data: str, result: Mapping[str, Any]) -> Iterator[Row]:
    """Patterns of categorical covariates; groups along the predictor where ties do not matter."""
    text = {"pared": lambda d: d["pared"].astype(str), "public": lambda d: d["public"].astype(str)}
    made = plain(data, **(text if data == "ucla" else {}))
    cases: list[tuple[str, Any]] = [("pulkrob_chisq", "pulkstenis-robinson")]
    if data == "wvs":
        cases.append(("pulkrob_dev", "pulkstenis-robinson-deviance"))
    for entry, method in cases:
        test = survey.model_fit_test(made, method=method)
        p = test.p_value if result[entry]["p"] > 0 else round(test.p_value, 15)  # R has 1 - pchisq()
        numbers = {
            "statistic": number("test", result[entry]["stat"], test.statistic),
            "df": number("test", result[entry]["df"], test.df1),
            "p": number("p", result[entry]["p"], p),
        }
        yield Row(f"fit, {data}", method, numbers, POLR_FIT)
    made = plain(data)
    for entry, method in (("lipsitz", "lipsitz"), ("hosmer_ordinal", "hosmer-lemeshow")):
        chosen: Any = method
        test = survey.model_fit_test(made, method=chosen)
        yield value(f"fit, {data}", f"{method} (statistic: see above)", "test", result[entry]["df"], test.df1)
    if data == "ucla":  # the package divides tied respondents by their order in the file
        score = np.round(made.matrix.evaluate(DATA[data]()) @ made.slopes.to_numpy(), 10)
        group = np.empty(len(score), dtype=int)
        group[np.argsort(score, kind="stable")] = np.minimum(np.arange(len(score)) // (len(score) / 10), 9)
        larger = survey.ordinal(
            f"{FORMULAS[data]} + group", survey.Design(DATA[data]().assign(group=pd.Categorical(group)), weight=None)
        )
        ratio = 2 * (larger.log_likelihood - made.log_likelihood)
        numbers = {
            "statistic": number("test", result["lipsitz"]["stat"], ratio),
            "p": number("p", result["lipsitz"]["p"], float(stats.chi2.sf(ratio, 9))),
        }
        yield Row(f"fit, {data}", "lipsitz, with R's groups", numbers, POLR_FIT)


def likelihood_ratio(content: Mapping[str, Any]) -> Iterator[Row]:
    """Working likelihood-ratio and Wald test of two terms."""
    expected, wald = content["svy_api_clus1_RaoScott_LRT_correct"], content["svy_api_clus1_tests"]["Wald"]
    design = survey.Design(api_for_formulas("clus1", lowest=0), **API_DESIGNS["clus1"])
    smaller = survey.ordinal("mealcat ~ mobility", design.domain("avg_ed > 0"))
    larger = survey.ordinal("mealcat ~ avg_ed + mobility + stype", design)
    result = survey.likelihood_ratio_test(smaller, larger, df=expected["ddf"])
    effects = nesting(smaller, larger).effects
    numbers = {
        "statistic": number("test", expected["chisq"], result.statistic),
        "df": number("test", expected["df"], result.df1),
        "denominator": number("test", expected["ddf"], result.df2),
    }
    yield Row("likelihood ratio, schools", "avg_ed + stype", numbers)
    numbers = {
        "effects": together("test", expected["lambda"], effects),
        "first order": number("test", expected["first_order_scaled"], result.statistic / effects.mean()),
    }
    yield Row("likelihood ratio, schools", "avg_ed + stype", numbers, HESSIAN)
    matched = survey.likelihood_ratio_test(smaller, larger, method="satterthwaite", df=expected["ddf"])
    large = sum_of_chisq_sf(result.statistic, effects, method="saddlepoint")
    numbers = {
        "p, saddlepoint": number("p", expected["p_saddlepoint_F"], result.p_value),
        "p, Satterthwaite": number("p", expected["p_satterthwaite_F"], matched.p_value),
        "p, chi-square": number("p", expected["p_chisq_saddlepoint"], large),
    }
    yield Row("likelihood ratio, schools", "avg_ed + stype", numbers, SADDLEPOINT)
    names = [i for i, name in enumerate(larger.params.index) if str(name).startswith(("avg_ed", "stype"))]
    own = larger.params.to_numpy()[names]
    f = float(own @ np.linalg.solve(np.asarray(larger.vcov)[np.ix_(names, names)], own)) / 3
    numbers = {
        "F": number("test", wald["F"], f),
        "df": number("test", wald["df"], len(names)),
        "df, as R's + slopes": number("test", wald["ddf"] + len(larger.slopes), larger.df),
        "p with R's df": number("p", wald["p"], float(stats.f.sf(f, 3, wald["ddf"]))),
    }
    yield Row("Wald, schools", "avg_ed + stype", numbers, SVYOLR)


def inflation(result: Mapping[str, Any]) -> Iterator[Row]:
    """Generalized variance inflation of terms and of columns."""
    terms, columns = survey.vif(plain("wvs")), survey.vif(plain("wvs"), by="column")
    own = terms[["gvif", "columns", "gvif_scaled"]].to_numpy(dtype=float)
    for i, term in enumerate(terms["term"]):
        numbers = {"gvif, df, scaled": together("test", result["car_gvif"][i], own[i])}
        yield Row("variance inflation", str(term), numbers, CAR)
    for name, made in zip(result["rms_vif"], columns["gvif"], strict=True):
        yield value("variance inflation", name, "estimate", result["rms_vif"][name], made)


def tight_diagnostics() -> Iterator[Row]:
    """`diagnostics.json`: scores of added terms, criteria of `svyglm` with epsilon 1e-15, groups of fit tests."""
    reference = values("diagnostics")
    for name in ("srs", "strat", "clus1", "clus2", "JK1"):
        entry = reference[name]["score"]
        base = "clus1" if name == "JK1" else name
        design = survey.Design(api(base).rename(columns={"sch.wide": "reached"}), **API_DESIGNS[base])
        if name == "JK1":
            design = survey.replicate(design, kind="JK1")
        made = survey.ordinal("reached ~ ell + meals", design)
        result, working = (
            survey.score_test(made, design, "mobility + stype", method=m) for m in ("pseudoscore", "working")
        )
        d = entry["degf"]
        numbers = {
            "chi-square": number("test", entry["pseudoscore"], float(result.wald_chisq or np.nan)),
            "working": number("test", entry["working"], working.statistic),
            "stype alone": number(
                "test", entry["stype"], float(result.tidy().set_index("term")["statistic"]["stype"]) * 2 * d / (d - 1)
            ),
        }
        yield Row("score test of mobility + stype", name, numbers)
    for name in ("srs", "strat", "clus1", "clus2"):
        entry = reference[name]["criteria"]
        design = survey.Design(api(name).rename(columns={"sch.wide": "reached"}), **API_DESIGNS[name])
        smaller = survey.ordinal("reached ~ ell + meals + mobility", design)
        larger = survey.ordinal("reached ~ ell + meals + mobility + stype", design)
        found = survey.information_criteria(smaller, maximal=larger, parameters="slopes").iloc[0]
        numbers = {
            "dAIC": number("estimate", entry["AIC"]["AIC"], found["daic"]),
            "effective parameters": number("test", entry["AIC"]["eff.p"], found["effective_parameters"]),
            "mean design effect": number("test", entry["AIC"]["deltabar"], found["mean_deff"]),
            "dBIC": number("test", entry["BIC"][1], found["dbic"]),
            "deviance": number("estimate", entry["deviance"], -2 * found["log_likelihood"]),
        }
        yield Row("criteria of a binary regression", name, numbers)
    made, content = plain("wvs"), reference["WVS"]
    for groups in (6, 10):
        for method, entry in (("lipsitz", "lipsitz"), ("hosmer-lemeshow", "hosmer_lemeshow")):
            chosen: Any = method
            test = survey.model_fit_test(made, method=chosen, groups=groups)
            yield value(
                "fit, wvs, ties together",
                f"{method}, {groups} groups",
                "estimate",
                content[f"groups{groups}"][entry],
                test.statistic,
            )
    for method, entry in (("pulkstenis-robinson", "chisq"), ("pulkstenis-robinson-deviance", "deviance")):
        chosen = method
        test = survey.model_fit_test(made, method=chosen)
        yield value(
            "fit, wvs, ties together", method, "estimate", content["pulkstenis_robinson"][entry], test.statistic
        )


@REGISTRY.section(
    "Pooled over imputations",
    "Five imputations of `apiclus1` (R survey 4.1.1, `mitools` 2.4): means, groups, a binary regression; df and the "
    "fraction of missing information for `df.complete = Inf` (for a finite one: see `docs/decisions.md`).",
)
def pooled() -> Iterator[Row]:
    for name in ("mean", "mean_by", "logit"):
        reference = values("pooling")[name]
        made: Any
        if name == "logit":
            made = survey.pool(
                [survey.ordinal("prize ~ score + stype", design) for design in pooling.completed()]
            ).estimate
            order, sign = [3, 0, 1, 2], np.array([-1.0, 1, 1, 1])  # R's intercept is minus the threshold
        else:
            x, by = (["score", "prize"], None) if name == "mean" else (["score"], "stype")
            made = survey.pool([survey.mean(design, x, by=by) for design in pooling.completed()])
            order, sign = [0, 1, 2], np.ones(3)
        value_, vcov = sign * made.value[order], np.outer(sign, sign) * made.vcov[np.ix_(order, order)]
        share = 1.2 * np.diag(made.between)[order] / np.diag(vcov)
        df = rubin_df(share, 5)
        for i, (label, theirs) in enumerate(reference["est"].items()):
            error = float(np.sqrt(vcov[i, i]))
            numbers = {
                "estimate": number("coefficient", theirs, value_[i], error),
                "df, large sample": number("test", reference["df_large"][i], df[i]),
                "fraction missing": number("test", reference["missinfo_large"][i], made.fraction_missing[order][i]),
            }
            yield Row(name, label, numbers, MITOOLS if name == "logit" else None)
        yield from covariance(name, reference["vcov"], vcov)


MITOOLS = Reason(
    "`MIcombine` pools fits of `svyglm`, which stop early: quotients of variances that agree to 1e-6", 1e-5
)
