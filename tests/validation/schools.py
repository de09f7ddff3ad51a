"""Schools in California: seven designs, and functions of their estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

import survey
from survey.estimation.moments import corr, cov, var
from tests.quantiles_on_rows import RULES
from tests.quantiles_on_rows import quantile as quantile_on_rows
from tests.reference import test_calibration as calibration
from tests.reference import test_functions as functions
from tests.reference import test_hypotheses as test_tests
from tests.reference import test_quantiles as quantile_tests
from tests.reference.test_api import CROSSTABS, PROPORTIONS
from tests.reference.test_api import make as schools
from tests.reference_data import API_DESIGNS, ZERO, api, api_for_formulas, values
from tests.validation.fits import SVYGLM, SVYOLR, binary, svyolr
from tests.validation.results import (
    by_groups,
    estimates,
    given_shares,
    intervals,
    quantiles,
    rank_row,
    simple,
    t_rows,
    table_rows,
    value,
    weights,
)
from tests.validation.rows import REGISTRY, Kind, Number, Row, because, covariance, number, together

SCHOOL_DESIGNS = {
    "srs": "Simple random sample of 200 schools (`apisrs`), fpc.",
    "strat": "Stratified by type of school, 200 schools (`apistrat`), fpc.",
    "strat_nofpc": "The same without fpc.",
    "clus1": "15 districts, all of their 183 schools (`apiclus1`), fpc.",
    "clus1_nofpc": "The same without fpc.",
    "clus2": "40 districts, 126 schools (`apiclus2`), two stages with fpc; weights from the sizes.",
    "clus2_wr": "The same, first stage with replacement.",
}
SVYOLR_LINKS = {"logistic": "logit", "probit": "probit", "cloglog": "loglog"}  # R's is ours


def school_rows(name: str) -> Iterator[Row]:
    """Everything that `api.json` has for one design."""
    design, reference = schools(name), values("api")[name]
    population = float(design.weights.sum())
    yield value("design", "n", "test", reference["n"], design.n)
    yield value("design", "df", "test", reference["degf"], design.df)
    yield value("design", "sum of weights", "estimate", reference["sum_weights"], population)
    made = survey.mean(design, ["api00", "api99", "stype"])
    yield from estimates("mean", made, reference["mean"], population=population)
    made = survey.mean(design, "api00")
    yield from estimates("mean, design effect with replacement", made, reference["mean_deff_replace"])
    yield from estimates("mean, missing dropped", survey.mean(design, "enroll"), reference["mean_enroll_narm"])
    made = survey.total(design, ["api.stu", "stype", "sch.wide"])
    yield from estimates("total", made, reference["total"], population=population)
    yield simple("ratio", "api00 / api99", survey.ratio(design, "api00", "api99"), reference["ratio"])
    by_type = survey.mean(design, "api00", by="stype")
    made = survey.mean(design, ["api00", "api99"], by="stype")
    yield from by_groups("mean by group", made, "stype", reference["by_stype"])
    content = reference["by_covmat"]
    order = [list(by_type.tidy()["stype"]).index(level) for level in content["rows"]]
    yield from covariance("mean by group", content["values"], by_type.vcov[np.ix_(order, order)], ZERO * by_type.value)
    by = ["stype", "sch.wide"]
    yield from by_groups("mean by two", survey.mean(design, "api00", by=by), by, reference["by_two"])
    totals = survey.total(design, "api.stu", by="stype")
    yield from by_groups("total by group", totals, "stype", reference["by_stype_total"])
    contrast = by_type.contrast({"E": 1, "H": -1}, df="design")
    yield simple("contrast", "api00, E - H", contrast, reference["contrast_E_minus_H"], float(by_type.value.max()))
    domain = design.domain('`comp.imp` == "Yes"')
    yield from estimates("domain comp.imp = Yes", survey.mean(domain, "api00"), reference["domain_subset"])
    made = survey.mean(design.domain("stype == 'E'"), "api00")
    yield value("domain stype = E", "df", "test", reference["domain_degf"], made.df[0])
    made = survey.total(design.domain(design.frame["sch.wide"].notna()), "sch.wide", by="stype")
    frame = made.tidy().astype({"level": str, "stype": str}).pivot(index="level", columns="stype", values="estimate")
    counts = frame.loc[reference["table"]["rows"], reference["table"]["cols"]].to_numpy()
    entries = together("estimate", reference["table"]["values"], counts)
    yield Row("weighted table", "sch.wide by stype", {"entries": entries})
    yield from school_moments(design, reference["var"])
    yield from school_intervals(design, reference)
    yield from school_quantiles(name, reference)
    yield from school_tests(design, reference)
    yield from school_regression(name, reference)
    upper = float(np.quantile(design.weights, 0.9))
    trimmed = survey.trim(design, upper=upper, sharing="once")
    yield from weights("trimmed at the .9 quantile of the weights", trimmed, reference["smoothed_mean_trim"])


def school_moments(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Variances and a covariance between respondents."""
    variances, covariances = var(design, ["api00", "api99"]), cov(design, "api00", "api99")
    value_, error = (reference[part]["values"] for part in ("est", "se"))
    for i, j, made in ((0, 0, variances), (1, 1, variances), (0, 1, covariances)):
        at = i if i == j else 0
        numbers = {
            "estimate": number("estimate", value_[i][j], made.value[at]),
            "SE": number("SE", error[i][j], made.std_error[at]),
        }
        yield Row("variance and covariance", ["api00", "api99"][i] + (", api99" if i != j else ""), numbers)


def school_intervals(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Intervals of four shares; not the lower bound where R's arcsine folds back at 0 (see above)."""
    n, df = reference["n"], reference["degf"]
    for item in PROPORTIONS:
        made = survey.proportion(design, item)
        yield from intervals("interval of a share", item, made, "yes", reference["ciprop"][item], n, df)
    item, made = "api00_gt_700", survey.proportion(design, "api00_gt_700")
    content = reference["ciprop_level90"][item]
    yield from intervals("interval of a share", f"{item}, level .90", made, "yes", content, n, df, 0.9)
    content = reference["ciprop_dfInf"][item]
    beta = {"beta": content["beta"]}  # takes no notice of df=
    yield from intervals("interval of a share", f"{item}, df Inf", made, "yes", beta, n, df)
    others = {name: part for name, part in content.items() if name != "beta"}
    yield from intervals("interval of a share", f"{item}, df Inf", made, "yes", others, n, np.inf)


def school_quantiles(name: str, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Woodruff intervals, groups, and twelve rules, with R's order of tied rows where their weights differ."""
    design, units = quantile_tests.design_of(name), values("functions")["unit_weights"]
    shares = quantile_tests.Q
    for kind, ours in quantile_tests.WOODRUFF.items():
        table = list(reference["quantile"][kind]["api00"]["values"])
        if name == "srs":
            table[0] = units["srs_intervals"][kind][0]
        made = survey.quantile(design, "api00", shares, interval=ours)
        yield from quantiles(f"quantile of api00, {ours}", made, table, shares)
    made = survey.quantile(design, "api00", shares, interval="score")
    for q, row, own in zip(shares, reference["quantile"]["score"]["api00"]["values"], made.value, strict=True):
        expected = units["srs_intervals"]["mean"][0][0] if (name, q) == quantile_tests.TIED else row[0]
        numbers = {"estimate": number("estimate", expected, own)}
        yield Row("quantile of api00, score (bounds: see above)", f"{q}", numbers)
    table = reference["quantile_by"]
    frame = survey.quantile(design, "api00", quantile_tests.QUARTILES, by="stype").tidy().set_index(["stype", "level"])
    for i, group in enumerate(table["stype"]):
        for q in quantile_tests.QUARTILES:
            found, kinds = frame.loc[(group, q)], {"estimate": "", "lower": "ci_l.", "upper": "ci_u."}
            columns = {"estimate": "estimate", "lower": "conf_low", "upper": "conf_high"}
            numbers_: dict[str, Number] = {}
            for part, prefix in kinds.items():
                kind_of: Kind = "estimate" if part == "estimate" else "bound"
                numbers_[part] = number(kind_of, table[f"{prefix}api00.{q}"][i], found[columns[part]])
            yield Row("quantile by group", f"{group}, {q}", numbers_)
    for rule in RULES:
        yield from school_rule(name, design, rule, reference["quantile_qrule"][rule]["api00"]["values"][0])


def school_rule(name: str, design: survey.Design, rule: Any, theirs: Any) -> Iterator[Row]:
    """Quantiles by one rule: R's, on rows where it takes ties in the order of the file, and R's own elsewhere."""
    units, shares = values("functions")["unit_weights"], quantile_tests.Q
    made = survey.quantile(design, "api00", shares, rule=rule).value
    group = "quantile of api00, by rule"
    if rule == "shahvaish":
        theirs, group = units["shahvaish"][name.split("_")[0]], "quantile of api00, by rule, unit weights"
    elif name not in quantile_tests.EQUAL_WEIGHTS:
        exact = [Fraction(q).limit_denominator(100) for q in shares]
        x, w = design.frame["api00"], design.weights
        made = np.array([quantile_on_rows(x, w, q, rule, share_ties=False) for q in exact])
        group = "quantile of api00, by rule, with R's order of tied rows"
    elif name == "srs" and rule in units["srs"]:
        numbers = {f"{shares[i]}": number("estimate", theirs[i], made[i]) for i in (1, 2, 3)}  # .05, .95: ties
        yield Row(group, rule, numbers)
        theirs, group = units["srs"][rule], "quantile of api00, by rule, unit weights"
    numbers = {f"{q}": number("estimate", r, o) for q, r, o in zip(shares, theirs, made, strict=True)}
    yield Row(group, rule, numbers)


def school_tests(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Independence, t, rank and goodness-of-fit tests."""
    for table in CROSSTABS:
        row, column = table.split("_")
        yield from table_rows("independence", design, row, column, reference["chisq"][table])
    yield t_rows(
        "t test", "api00 by comp.imp", survey.t_test(design, "api00", by="comp.imp", df="design"), reference["ttest2"]
    )
    one = survey.t_test(design, "api00", value=600, df="design")
    yield t_rows("t test of one mean (df: see above)", "api00 = 600", one, reference["ttest1"], 600, -1)
    for by, part, names in (
        ("comp.imp", "ranktest", tuple(test_tests.SVYRANKTEST)),
        ("stype", "ranktest_k", ("KruskalWallis", "vanderWaerden", "median")),
    ):
        for name in names:
            rank_method = test_tests.SVYRANKTEST[name]
            ranked = test_tests.with_ranks_of_r(design, "api00", by, rank_method)
            group = "rank test, with R's ranks of tied rows"
            if np.ptp(design.weights) == 0:
                ranked, group = survey.rank_test(design, "api00", by, method=rank_method, df="design"), "rank test"
            yield rank_row(group, f"api00 by {by}, {rank_method}", ranked, reference[part][name])
    if reference["gofchisq"]["p.value"] is not None:
        shares = {"E": 0.7, "H": 0.12, "M": 0.18}
        yield given_shares("goodness of fit", design, "stype", shares, reference["gofchisq"])


def school_regression(name: str, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Two-level outcomes with two links, their fit, and `svyolr` with each link."""
    frame = api(name).rename(columns=lambda column: column.replace(".", "_"))
    design = survey.Design(frame, **API_DESIGNS[name])
    made = survey.ordinal("sch_wide ~ ell + meals + mobility", design)
    yield from binary("binary regression", made, reference["glm_logit"])
    yield from because(normal_bounds(made, reference["glm_ddf_Inf"]), SVYGLM)
    probit = survey.ordinal("sch_wide ~ meals + stype", design, link="probit")
    yield from binary("binary probit, R's information", probit, reference["glm_probit"], expected=True)
    found = survey.pseudo_r_squared(made).set_index("term")["estimate"]
    tests = values("ordinal_tests")["api"][name]
    for ours, theirs in (("Cox-Snell", "CoxSnell"), ("Nagelkerke", "Nagelkerke")):
        yield from because([value("binary regression", ours, "estimate", tests["psrsq"][theirs], found[ours])], SVYGLM)
    larger = survey.ordinal("sch_wide ~ ell + meals + mobility + stype", design)
    criteria = survey.information_criteria(made, maximal=larger, parameters="slopes").iloc[0]
    content = tests["aic"]
    numbers = {
        "eff.p": number("test", content["AIC"]["eff.p"], criteria["effective_parameters"]),
        "AIC": number("test", content["AIC"]["AIC"], criteria["daic"]),
        "mean design effect": number("deff", content["AIC"]["deltabar"], criteria["mean_deff"]),
    }
    yield Row("binary regression", "AIC", numbers, SVYGLM)
    own = [criteria["parameters"], criteria["dbic"], criteria["n_eff"]]
    yield Row("binary regression", "BIC", {"entries": together("test", content["BIC"], own)}, SVYGLM)
    yield from school_svyolr(name, reference["olr"], tests["olr_regterm_stype"])


def normal_bounds(made: survey.OrdinalFit, reference: Mapping[str, Any]) -> Iterator[Row]:
    """`confint(ddf = Inf)`."""
    order = [len(made.params) - 1, *range(len(made.params) - 1)]
    params, errors = made.params.to_numpy()[order] * np.r_[-1.0, np.ones(len(order) - 1)], made.bse.to_numpy()[order]
    ends = np.column_stack([params - 1.959963984540054 * errors, params + 1.959963984540054 * errors])
    entries = together("bound", reference["values"], ends, errors[:, None])
    yield Row("binary regression", "normal bounds", {"entries": entries})


def school_svyolr(name: str, reference: Mapping[str, Any], term: Mapping[str, Any]) -> Iterator[Row]:
    """`svyolr`, whose cloglog is our loglog, and its Wald test of school type."""
    formula, design = "mealcat ~ avg_ed + mobility + stype", survey.Design(api_for_formulas(name), **API_DESIGNS[name])
    link: Any
    for method, link in SVYOLR_LINKS.items():
        content = dict(reference[method])
        if "error" in content:
            continue
        made = survey.ordinal(formula, design, link=link)
        yield from svyolr(f"svyolr, {method}", made, content)
    made = survey.ordinal(formula, design)
    result = made.term_test("stype")
    numbers = {
        "F": number("test", term["F"], float(result.wald_chisq or np.nan) / 2),
        "df": number("test", term["df"], result.df1),
        "df, as R's + slopes": number("test", term["ddf"] + len(made.slopes), made.df),
        "p with R's df": number(
            "p", term["p"], float(stats.f.sf(float(result.wald_chisq or np.nan) / 2, 2, term["ddf"]))
        ),
    }
    yield Row("svyolr, logistic", "term stype", numbers, SVYOLR)


def register_schools() -> None:
    """A section per design."""
    for name, text in SCHOOL_DESIGNS.items():
        REGISTRY.section(f"Schools: {name}", text)(partial(school_rows, name))


register_schools()


@REGISTRY.section(
    "Schools: functions of estimates",
    "Design effects, ratios and variances by group, correlations and smooth functions (R survey 4.1.1), for five "
    "designs.",
)
def school_functions() -> Iterator[Row]:
    for name in functions.NAMES:
        raked = name == "clus1_raked"
        design = calibration.calibrated("rake_tight") if raked else survey.Design(api(name), **API_DESIGNS[name])
        reference = values("functions")[name]
        for entry, made in (
            ("deff_total", survey.total(design, ["api.stu", "stype"])),
            ("deff_mean", survey.mean(design, ["api00", "stype"])),
        ):
            for (label, expected), own in zip(reference[entry].items(), made.deff, strict=True):
                if expected is not None:
                    numbers = {"deff": number("deff", expected, own, zero=1e-9)}
                    yield Row("design effect", f"{name}, {entry[5:]} {label}", numbers)
        for by, entry in (("stype", "ratio_by"), (["stype", "sch.wide"], "ratio_by_two")):
            ratio = survey.ratio(design, "api00", "api99", by=by)
            yield from by_groups(f"ratio by group, {name}", ratio, by, {"table": reference[entry]})
        variance = var(design, "api00", by="stype")
        yield from by_groups(f"variance by group, {name}", variance, "stype", {"table": reference["var_by"]})
        content = {part: reference["correlation"][part]["r"] for part in ("est", "se")}
        yield simple(
            "correlation", f"{name}, api00 and api99", corr(design, "api00", "api99", interval="wald"), content
        )
        for which, (estimator, parts) in functions.FUNCTIONS.items():
            made = estimator(design)
            result = made.transform(partial(applied, parts.values()), names=list(parts), df="design")
            yield from estimates(f"smooth function, {name}", result, reference[which])


def applied(parts: Iterable[Callable[..., Any]], estimate: Any) -> list[Any]:
    """Several functions of one vector."""
    return [part(estimate) for part in parts]
