"""Ordinal regression without a design: maximum likelihood, as `clm`, `polr`, `lrm` and `vglm` have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2

import survey
from tests.reference import test_ordinal as ordinal
from tests.reference import test_ordinal_iid as iid
from tests.reference_data import (
    values,
)
from tests.validation.fits import Floats, expected_covariances
from tests.validation.results import value
from tests.validation.rows import REGISTRY, Kind, Number, Reason, Row, because, covariance, held_to, number, together

CLM_CAUCHIT = Reason("`clm` takes 1e5 for infinity, where the Cauchy distribution has mass left", 2e-3)
CLM_INFORMATION = Reason("`clm` takes its information one step before its solution", 1e-8)
NUMERIC = Reason("R differentiates numerically, twice", 1e-4)
POLR = Reason("`polr` stops early and differentiates numerically", 2e-3, 5e-3)
POLR_EFFECTS = Reason("`effects::Effect` takes a fit of `polr`, which stops early", 2e-3)
POLR_CUBES = Reason("`polr` stops early, and more so in the cubes of age, whose coefficients are large", 2e-2)
VGLM = Reason("`vglm` stops at a relative change of the deviance of 1e-12", 2e-6)
ANALYTIC = 1e-9  # relative; of coefficients relative to the standard error: both sides converged to a zero score


def likelihood_rows(
    entry: str, made: survey.OrdinalFit, result: Mapping[str, Any], reason: Reason | None, vcov: Floats | None = None
) -> Iterator[Row]:
    """All that `clm` and `polr` print of a model: the standard errors are those of maximum likelihood."""
    names = [iid.name_in_r(str(name)) for name in made.params.index]
    coefficients = result.get("coef", {**result.get("alpha", {}), **result.get("beta", {})})
    coefficients = {**coefficients, **result.get("zeta", {})}
    order = [names.index(name.removesuffix(".(Intercept)")) for name in coefficients]
    own = (made.model_vcov if vcov is None else vcov)[np.ix_(order, order)]
    params, errors = made.params.to_numpy()[order], np.sqrt(np.diag(own))
    for i, (name, theirs) in enumerate(coefficients.items()):
        error = float(result["se"][name]) if "se" in result else errors[i]
        numbers = {"estimate": number("coefficient", theirs, params[i], error)}
        if "se" in result:
            numbers["SE"] = number("SE", result["se"][name], errors[i])
        for part in ("z", "t"):
            if part in result:
                t = params[i] / errors[i]
                numbers[part] = number("test", result[part][name], t, max(1.0, abs(t)))
        yield Row(entry, name.replace("|", " to "), numbers, reason)
    if "vcov" in result:
        content = result["vcov"]
        yield from because(covariance(entry, content["values"] if isinstance(content, dict) else content, own), reason)
    yield from because(criteria(entry, made, result), reason)


def criteria(entry: str, made: survey.OrdinalFit, result: Mapping[str, Any]) -> Iterator[Row]:
    """The likelihood and what is made of it."""
    ll, null, k, n = made.log_likelihood, made.null_log_likelihood, len(made.params), made.n
    squares: Mapping[Any, float] = {}
    if "McFadden" in result:
        squares = survey.pseudo_r_squared(made).set_index("term")["estimate"].to_dict()
    ours: dict[str, tuple[Kind, float]] = {
        "logLik": ("estimate", ll),
        "deviance": ("estimate", -2 * ll),
        "edf": ("test", k),
        "nobs": ("test", n),
        "AIC": ("estimate", -2 * ll + 2 * k),
        "BIC": ("estimate", -2 * ll + np.log(n) * k),
        "null_logLik": ("estimate", null),
        "LR_chi2": ("test", 2 * (ll - null)),
        "LR_df": ("test", len(made.slopes)),
        "McFadden": ("test", squares.get("McFadden", np.nan)),
        "CoxSnell": ("test", squares.get("Cox-Snell", np.nan)),
        "Nagelkerke": ("test", squares.get("Nagelkerke", np.nan)),
    }
    for name, (kind, own) in ours.items():
        if name in result:
            yield value(entry, name, kind, result[name], own)


@REGISTRY.section(
    "Ordinal regression without a design",
    "`ordinal::clm`: housing in Copenhagen, wine, World Values Survey, UCLA, ANES 1996, cheese; five links, nominal "
    "and scale effects, structured thresholds. `MASS::polr`, `rms::lrm`, `VGAM::vglm`. Standard errors are those of "
    "maximum likelihood.",
)
def without_design() -> Iterator[Row]:
    for entry, (formula, options) in iid.MODELS.items():
        result = values("ordinal_iid")[entry]["result"]
        made = iid.fitted(entry.split("_")[0], formula, **options)
        reason = CLM_CAUCHIT if entry.endswith("clm_cauchit") else CLM_INFORMATION
        yield from held_to(likelihood_rows(entry, made, result, reason), ANALYTIC)
    yield from other_results()
    yield from other_fitters()
    yield from nominal_and_scale()
    yield from predictions()
    yield from analysis_of_deviance()


def analysis_of_deviance() -> Iterator[Row]:
    """`car::Anova` of type II: likelihood-ratio tests of each term beside all that do not contain it."""
    result = values("ordinal_iid")["wvs_polr_fox"]["result"]
    age = "poly(age, 3)"
    main = ["gender", "religion", "degree", "country", age]
    for i, term in enumerate(result["anova_term"]):
        larger = main if term in ("country", age) else [*main, f"country:{age}"]
        smaller = [name for name in larger if name != term]
        one, other = (iid.fitted("wvs", f"poverty ~ {' + '.join(names)}") for names in (smaller, larger))
        test = survey.likelihood_ratio_test(one, other, method="model")
        numbers = {
            "ratio": number("test", result["anova_LR"][i], test.statistic, max(1.0, test.statistic)),
            "df": number("test", result["anova_df"][i], test.df1),
            "p": number("p", result["anova_p"][i], test.p_value),
        }
        yield Row("analysis of deviance, WVS", term, numbers, POLR_CUBES)


def other_results() -> Iterator[Row]:
    """The same models, computed again with `clm`."""
    reference, cases = values("ordinal"), []
    for link in ordinal.LINKS:
        cases += [
            ("housing", f"housing again, {link}", iid.HOUSING, {"link": link}, reference["housing"]["clm"][link]),
            ("wine", f"wine again, {link}", iid.WINE, {"link": link}, reference["wine"][link]),
        ]
    fox = iid.MODELS["wvs_clm_fox"][0]
    partial = reference["housing"]["partial_PO_Cont"]
    cases += [
        ("wvs", "WVS again", iid.WVS, {}, reference["WVS"]["full"]),
        ("wvs", "WVS again, crossed", fox, {}, reference["WVS"]["interaction"]),
        ("housing", "housing again, nominal effects", "Sat ~ Infl + Type", {"nominal": "~ Cont"}, partial),
    ]
    for data, entry, formula, options, result in cases:
        reason = CLM_CAUCHIT if options.get("link") == "cauchit" else CLM_INFORMATION
        made = iid.fitted(data, formula, **options)
        yield from held_to(likelihood_rows(entry, made, result, reason), ANALYTIC)
    for data, entry, formula in (
        ("housing", reference["housing"]["nominal_test"], iid.HOUSING),
        ("wine", reference["wine_nominal_test"], iid.WINE),
        ("wvs", reference["WVS"]["nominal_test"], iid.WVS),
    ):
        made = iid.fitted(data, formula)
        yield value(
            f"{data}, all terms parallel", "log-likelihood", "estimate", entry["logLik"][0], made.log_likelihood
        )
        aic = -2 * made.log_likelihood + 2 * len(made.params)
        yield value(f"{data}, all terms parallel", "AIC", "estimate", entry["AIC"][0], aic)


def other_fitters() -> Iterator[Row]:
    """`polr`, `lrm` and `vglm`, and published results of `polr`."""
    content, housing = values("ordinal_iid"), values("ordinal")["housing"]
    models = {
        **iid.POLR_MODELS,
        "nes96_polr_income": ("sPID ~ nincome", {}),
        "housing_polr_cloglog": (iid.HOUSING, {"link": "cloglog"}),
        "housing_polr_loglog": (iid.HOUSING, {"link": "loglog"}),
        "wvs_polr_fox": iid.MODELS["wvs_clm_fox"],
        "ucla_polr_brant": (iid.FORMULAS["ucla"], {}),
    }
    for entry, (formula, options) in models.items():
        result = content[entry]["result"] if entry in content else values("ordinal_tests")[entry]
        reason = POLR_CUBES if entry == "wvs_polr_fox" else POLR
        yield from likelihood_rows(entry, iid.fitted(entry.split("_")[0], formula, **options), result, reason)
    for entry, options in (("polr", {}), ("polr_cloglog", {"link": "cloglog"})):
        yield from likelihood_rows(
            f"housing again, {entry}", iid.fitted("housing", iid.HOUSING, **options), housing[entry], POLR
        )
    yield from rows_of_lrm(content["wvs_lrm"]["result"])
    made, result = iid.fitted("cheese", iid.FORMULAS["cheese"]), content["cheese_vglm_expected"]["result"]
    # vglm: logit P(Y <= j) = a_j + x b, with the expected information
    order = [*range(3, 11), 0, 1, 2]
    signs = np.r_[np.ones(8), -np.ones(3)]
    errors = np.sqrt(np.diag(expected_covariances(made)[0]))[order]
    for i, (theirs, error) in enumerate(zip(result["coef"], result["se"], strict=True)):
        numbers = {
            "estimate": number("coefficient", theirs, signs[i] * made.params.iloc[order[i]], error),
            "SE, expected information": number("SE", error, errors[i]),
        }
        yield Row("cheese_vglm_expected", str(made.params.index[order[i]]).replace("|", " to "), numbers, VGLM)


def rows_of_lrm(result: Mapping[str, Any]) -> Iterator[Row]:
    """`lrm`, whose intercepts are minus the thresholds."""
    made = iid.fitted("wvs", iid.WVS)
    k, q = len(made.slopes), len(made.thresholds)
    order, signs = [*range(k, k + q), *range(k)], np.r_[-np.ones(q), np.ones(k)]
    errors = np.sqrt(np.diag(made.model_vcov))
    for i, name in enumerate(result["coef"]):
        error = result["se"][name]
        numbers = {
            "estimate": number("coefficient", result["coef"][name], signs[i] * made.params.iloc[order[i]], error),
            "SE": number("SE", error, errors[order[i]]),
        }
        yield Row("wvs_lrm", name, numbers)
    ll, stats = 2 * (made.log_likelihood - made.null_log_likelihood), result["stats"]
    squares = survey.pseudo_r_squared(made).set_index("term")["estimate"]
    ours = {"Obs": made.n, "Model L.R.": ll, "d.f.": k, "R2": squares["Nagelkerke"], "R2(5381)": squares["Cox-Snell"]}
    for name, own in ours.items():
        yield value("wvs_lrm", name, "test", stats[name], own)
    p = round(float(chi2.sf(ll, k)), 15)  # R has 1 - pchisq()
    yield Row("wvs_lrm", "P", {"p": number("p", stats["P"], p)})


def nominal_and_scale() -> Iterator[Row]:
    """Likelihood-ratio tests that free one term or leave one out; one model is separated, which we refuse."""
    for data in ("housing", "wine", "wvs", "ucla"):
        smaller = iid.fitted(data, iid.FORMULAS[data])
        for part in ("nominal", "scale"):
            cases = [values("ordinal_iid")[f"{data}_nominal_scale_tests"]["result"][part]]
            if (data, part) == ("wine", "scale"):
                again = values("ordinal")["wine_scale_test"]
                names = {"df": "Df", "p": "Pr(>Chi)"}
                cases.append(
                    {"term": cases[0]["term"]}
                    | {n: again[names.get(n, n)] for n in ("df", "logLik", "AIC", "LRT", "p")}
                )
            for test in cases:
                for i, term in enumerate(test["term"]):
                    if (data, part, term) == ("wine", "nominal", "temp"):
                        continue
                    options: dict[str, Any] = {part: f"~ {term}"} if i else {}
                    larger = iid.fitted(data, iid.FORMULAS[data], **options)
                    ll = larger.log_likelihood
                    numbers = {
                        "log-likelihood": number("estimate", test["logLik"][i], ll),
                        "AIC": number("estimate", test["AIC"][i], -2 * ll + 2 * len(larger.params)),
                    }
                    if i:
                        result = survey.likelihood_ratio_test(smaller, larger, method="model")
                        # relative to a chi-square of its df: two log-likelihoods differ by less than their rounding
                        scale = max(1.0, result.statistic)
                        numbers["ratio"] = number("test", test["LRT"][i], result.statistic, scale)
                        numbers["df"] = number("test", test["df"][i], result.df1)
                        numbers["p"] = number("p", test["p"][i], result.p_value)
                    yield Row(f"{data}, {part} effects", term, numbers, CLM_DEFAULT)
    larger, smaller = iid.fitted("wine", iid.WINE), iid.fitted("wine", "rating ~ temp")
    result, test = (
        survey.likelihood_ratio_test(smaller, larger, method="model"),
        values("ordinal_iid")["wine_anova_contact"]["result"],
    )
    numbers = {
        "ratio": number("test", test["LR"][1], result.statistic),
        "df": number("test", test["df"][1], result.df1),
        "p": number("p", test["p"][1], result.p_value),
    }
    yield Row("wine, a term", "contact", numbers)


CLM_DEFAULT = Reason("`clm` stops at a gradient of 1e-6 by default", 1e-7)


def predictions() -> Iterator[Row]:
    """Probabilities and average effects of models without a design, by the delta method."""
    reference = values("ordinal_iid")
    content = reference["wine_clm_predict"]
    shares, errors, *bounds = (content["result"][part] for part in ("fit", "se.fit", "lwr", "upr"))
    yield from at_profiles("wine", iid.WINE, content["newdata"], shares, errors, None, bounds=bounds)
    pred = values("ordinal")["housing"]["pred"]
    yield from at_profiles(
        "housing", iid.HOUSING, pred["newdata"], pred["prob"]["values"], pred["prob_se"]["values"], None
    )
    content = reference["wvs_effects_country_gender"]["result"]
    yield from at_profiles(
        "wvs", iid.WVS, content["x"], content["prob"], content["se_prob"], POLR_EFFECTS, "means", content["se_logit"]
    )
    frame = iid.graduates()
    frame = frame.assign(pared=pd.Categorical(frame["pared"], [0, 1]), public=pd.Categorical(frame["public"], [0, 1]))
    made = survey.ordinal(iid.FORMULAS["ucla"], survey.Design(frame, weight=None))
    calls: dict[str, Callable[[survey.OrdinalFit], survey.Estimate]] = {
        "gpa_dydx": lambda own: survey.average_effects(own, "gpa"),
        "pared_contrast": lambda own: survey.average_effects(own, "pared"),
        "public_contrast": lambda own: survey.average_effects(own, "public"),
        "avg_pred": lambda own: survey.predicted_probabilities(own, {}),
    }
    for entry, call in calls.items():
        content = reference["ucla_ame_logit"]["result"][entry]
        found, errors = call(made).value, iid.model_based(made, call)
        for i, (theirs, error) in enumerate(zip(content["est"], content["se"], strict=True)):
            numbers = {
                "estimate": number("coefficient", theirs, found[i], error),
                "SE": number("SE", error, errors[i]),
            }
            yield Row(f"average effect, UCLA, {entry}", f"answer {i + 1}", numbers, NUMERIC)


def at_profiles(
    data: str,
    formula: str,
    profiles: Any,
    shares: Sequence[Any],
    errors: Sequence[Any],
    reason: Reason | None,
    others: Any = "observed",
    log_odds: Sequence[Any] = (),
    bounds: Sequence[Any] = (),
) -> Iterator[Row]:
    """Probability of each answer at each profile, with normal bounds made on the logit scale."""
    made, frame, at = iid.fitted(data, formula), iid.DATA[data](), pd.DataFrame(profiles).astype(str)
    found = survey.predicted_probabilities(made, at, others=others).value.reshape(len(at), -1)
    delta = np.array([delta_errors(made, frame, at.iloc[i]) for i in range(len(at))])
    for i in range(len(at)):
        numbers: dict[str, Number] = {
            "estimates": together("estimate", shares[i], found[i]),
            "SEs": together("SE", errors[i], delta[i]),
        }
        if bounds:
            logit, half = np.log(found[i] / (1 - found[i])), 1.959963984540054 * delta[i] / (found[i] * (1 - found[i]))
            for name, end in (("lower", logit - half), ("upper", logit + half)):
                own = 1 / (1 + np.exp(-end))
                numbers[f"{name} bounds"] = together("bound", bounds[name == "upper"][i], own, delta[i])
        if log_odds:
            numbers["SEs of log odds"] = together("SE", log_odds[i], delta[i] / (found[i] * (1 - found[i])))
        yield Row(f"probabilities, {data}", ", ".join(at.iloc[i]), numbers, reason)


def delta_errors(made: survey.OrdinalFit, frame: pd.DataFrame, profile: pd.Series) -> Floats:
    """Standard errors of logit probabilities at a profile and the means of the other covariates, by hand."""
    levels = {str(name): level for name, level in profile.items()}
    setting = {name: pd.Categorical([level] * len(frame), frame[name].cat.categories) for name, level in levels.items()}
    x = made.matrix.evaluate(frame.assign(**setting)).mean(axis=0)
    cumulative = 1 / (1 + np.exp(x @ made.slopes.to_numpy() - made.thresholds.to_numpy()))
    density = cumulative * (1 - cumulative)
    limits = np.column_stack([-np.outer(density, x), np.diag(density)])
    slopes = np.vstack([limits, np.zeros(limits.shape[1])]) - np.vstack([np.zeros(limits.shape[1]), limits])
    errors: Floats = np.sqrt(np.einsum("ij,jk,ik->i", slopes, made.model_vcov, slopes))
    return errors
