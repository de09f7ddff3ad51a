"""Schools in California: seven designs, and functions of their estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

import survey
from survey.moments import corr, cov, var
from tests import test_reference_calibration as calibration
from tests import test_reference_functions as functions
from tests import test_reference_quantiles as quantile_tests
from tests import test_reference_tests as test_tests
from tests.quantiles_on_rows import RULES
from tests.reference_data import (
    API_DESIGNS,
    ZERO,
    api,
    values,
)
from tests.test_reference_api import CROSSTABS, PROPORTIONS
from tests.test_reference_api import make as schools
from tests.test_reference_intervals import METHODS, NO_VARIANCE, folded
from tests.validation.rows import (
    REGISTRY,
    TESTS,
    Kind,
    Number,
    Row,
    by_groups,
    covariance,
    estimates,
    independence,
    interval,
    number,
    quantiles,
    rank_row,
    simple,
    t_rows,
)

SCHOOL_DESIGNS = {
    "srs": "Simple random sample of 200 schools (`apisrs`), fpc.",
    "strat": "Stratified by type of school, 200 schools (`apistrat`), fpc.",
    "strat_nofpc": "The same without fpc.",
    "clus1": "15 districts, all of their 183 schools (`apiclus1`), fpc.",
    "clus1_nofpc": "The same without fpc.",
    "clus2": "40 districts, 126 schools (`apiclus2`), two stages with fpc; weights from the sizes.",
    "clus2_wr": "The same, first stage with replacement.",
}
SVYGLM = "`svyglm` stops at a deviance change of 1e-8; with epsilon 1e-15 it equals ours to 1e-9"


def school_rows(name: str) -> Iterator[Row]:
    """Everything that `api.json` has for one design."""
    design, reference = schools(name), values("api")[name]
    yield from estimates("mean", survey.mean(design, ["api00", "api99", "stype"]), reference["mean"])
    yield from estimates("mean, missing dropped", survey.mean(design, "enroll"), reference["mean_enroll_narm"])
    yield from estimates("total", survey.total(design, ["api.stu", "stype", "sch.wide"]), reference["total"])
    yield simple("ratio", "api00 / api99", survey.ratio(design, "api00", "api99"), reference["ratio"])
    by_type = survey.mean(design, "api00", by="stype")
    table = reference["by_stype"]["table"]
    yield from by_groups("mean by group", survey.mean(design, ["api00", "api99"], by="stype"), "stype", table)
    content = reference["by_covmat"]
    order = [list(by_type.tidy()["stype"]).index(level) for level in content["rows"]]
    yield from covariance("mean by group", content["values"], by_type.vcov[np.ix_(order, order)], ZERO * by_type.value)
    by = ["stype", "sch.wide"]
    yield from by_groups("mean by two", survey.mean(design, "api00", by=by), by, reference["by_two"]["table"])
    totals = survey.total(design, "api.stu", by="stype")
    yield from by_groups("total by group", totals, "stype", reference["by_stype_total"]["table"])
    contrast = by_type.contrast({"E": 1, "H": -1})
    yield simple("contrast", "api00, E - H", contrast, reference["contrast_E_minus_H"], float(by_type.value.max()))
    domain = design.domain('`comp.imp` == "Yes"')
    yield from estimates("domain comp.imp = Yes", survey.mean(domain, "api00"), reference["domain_subset"])
    made = survey.mean(design.domain("stype == 'E'"), "api00")
    yield Row("domain stype = E", "df", {"df": number("test", reference["domain_degf"], made.df[0])})
    effect = survey.mean(design, "api00").deff[0]
    yield Row("design effect", "api00", {"deff": number("SE", reference["mean_deff_replace"]["deff"]["api00"], effect)})
    variances = var(design, ["api00", "api99"])
    covariances = cov(design, "api00", "api99")
    value, error = (np.array(reference["var"][part]["values"]) for part in ("est", "se"))
    for i, j, made in ((0, 0, variances), (1, 1, variances), (0, 1, covariances)):
        at = i if i == j else 0
        numbers = {
            "estimate": number("estimate", value[i, j], made.value[at]),
            "SE": number("SE", error[i, j], made.std_error[at]),
        }
        yield Row("variance and covariance", ["api00", "api99"][i] + (", api99" if i != j else ""), numbers)
    yield from school_intervals(design, reference)
    yield from school_quantiles(name, reference)
    yield from school_tests(design, reference)
    yield from school_regression(name, reference)


def school_intervals(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Five kinds of interval for four shares; not where R's arcsine folds back at 0 (see above)."""
    method: Any
    for level, part in ((0.95, "ciprop"), (0.9, "ciprop_level90")):
        for item in PROPORTIONS if level == 0.95 else ["api00_gt_700"]:
            for method, r_method in METHODS.items():
                entry = reference[part][item][r_method]
                if method == "asin" and entry["var"] > NO_VARIANCE and folded(entry, reference["degf"], level):
                    continue
                made = survey.proportion(design, item, interval=method, level=level)
                label = f"{item}, {method}" + ("" if level == 0.95 else ", level .90")
                yield interval("interval of a share", label, made, "yes", entry)


def school_quantiles(name: str, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Four Woodruff intervals, groups, and twelve rules where R's do not depend on the order of the file."""
    design, units = quantile_tests.design_of(name), values("functions")["unit_weights"]
    for kind, ours in quantile_tests.WOODRUFF.items():
        table = list(reference["quantile"][kind]["api00"]["values"])
        if name == "srs":
            table[0] = units["srs_intervals"][kind][0]
        made = survey.quantile(design, "api00", quantile_tests.Q, interval=ours)
        yield from quantiles(f"quantile of api00, {ours}", made, table, quantile_tests.Q)
    table = reference["quantile_by"]
    frame = survey.quantile(design, "api00", quantile_tests.QUARTILES, by="stype").tidy().set_index(["stype", "level"])
    for i, group in enumerate(table["stype"]):
        for q in quantile_tests.QUARTILES:
            row, kinds = frame.loc[(group, q)], {"estimate": "", "lower": "ci_l.", "upper": "ci_u."}
            columns = {"estimate": "estimate", "lower": "conf_low", "upper": "conf_high"}
            numbers: dict[str, Number] = {}
            for part, prefix in kinds.items():
                kind_of: Kind = "estimate" if part == "estimate" else "bound"
                numbers[part] = number(kind_of, table[f"{prefix}api00.{q}"][i], row[columns[part]])
            yield Row("quantile by group", f"{group}, {q}", numbers)
    for rule in RULES:
        theirs = reference["quantile_qrule"][rule]["api00"]["values"][0]
        if rule == "shahvaish":
            theirs = units["shahvaish"][name.split("_")[0]]
        elif name not in quantile_tests.EQUAL_WEIGHTS:
            continue  # R takes ties in the order of the file
        elif name == "srs" and rule in units["srs"]:
            theirs = units["srs"][rule]
        choice: Any = rule
        made = survey.quantile(design, "api00", quantile_tests.Q, rule=choice)
        numbers = {
            f"{q}": number("estimate", r, o) for q, r, o in zip(quantile_tests.Q, theirs, made.value, strict=True)
        }
        yield Row("quantile of api00, by rule", rule, numbers)


def school_tests(design: survey.Design, reference: Mapping[str, Any]) -> Iterator[Row]:
    """Independence, t, rank and goodness-of-fit tests."""
    for table in CROSSTABS:
        row, column = table.split("_")
        made = survey.crosstab(design, row, column)
        for statistic, method in TESTS.items():
            label = f"{row} by {column}, {method}"
            yield independence("independence", label, made.test(method=method), reference["chisq"][table][statistic])
    yield t_rows("t test", "api00 by comp.imp", survey.t_test(design, "api00", by="comp.imp"), reference["ttest2"])
    one = survey.t_test(design, "api00", value=600)
    content = reference["ttest1"]
    numbers = {
        "estimate": number("estimate", content["estimate"]["mean"] + 600, one.estimate.value[0] if one.estimate else 0),
        "statistic": number("test", next(iter(content["statistic"].values())), one.statistic),
    }
    yield Row("t test of one mean (df: see above)", "api00 = 600", numbers)
    for by, part, names in (
        ("comp.imp", "ranktest", tuple(test_tests.SVYRANKTEST)),
        ("stype", "ranktest_k", ("KruskalWallis", "vanderWaerden", "median")),
    ):
        for name in names:
            rank_method = test_tests.SVYRANKTEST[name]
            ranked = test_tests.with_ranks_of_r(design, "api00", by, rank_method)
            group = "rank test, with R's ranks of tied rows"
            if np.ptp(design.weights) == 0:
                ranked, group = survey.rank_test(design, "api00", by, method=rank_method), "rank test"
            yield rank_row(group, f"api00 by {by}, {rank_method}", ranked, reference[part][name])
    if reference["gofchisq"]["p.value"] is not None:
        made_fit = survey.goodness_of_fit(design, "stype", {"E": 0.7, "H": 0.12, "M": 0.18}, method="satterthwaite")
        per_head = design.weights.sum() / design.n
        content = reference["gofchisq"]
        numbers = {
            "statistic": number("test", content["statistic"]["X-squared"], made_fit.statistic * per_head),
            "df": number("test", content["parameter"]["df"], made_fit.df1),
            "p": number("p", content["p.value"], made_fit.p_value),
        }
        yield Row("goodness of fit", "stype", numbers)


def school_regression(name: str, reference: Mapping[str, Any]) -> Iterator[Row]:
    """A two-level outcome, with `svyglm`."""
    frame = api(name).rename(columns=lambda column: column.replace(".", "_"))
    made = survey.ordinal("sch_wide ~ ell + meals + mobility", survey.Design(frame, **API_DESIGNS[name]))
    content = reference["glm_logit"]
    for term in ("ell", "meals", "mobility"):
        error = content["se"][term]
        numbers = {
            "estimate": number("coefficient", content["coef"][term], made.params[term], error),
            "SE": number("SE", error, made.bse[term]),
        }
        yield Row("binary regression", term, numbers, SVYGLM)


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
            for (label, expected), value in zip(reference[entry].items(), made.deff, strict=True):
                if expected is not None:
                    numbers = {"deff": number("SE", expected, value, zero=1e-9)}
                    yield Row("design effect", f"{name}, {entry[5:]} {label}", numbers)
        for by, entry in (("stype", "ratio_by"), (["stype", "sch.wide"], "ratio_by_two")):
            ratio = survey.ratio(design, "api00", "api99", by=by)
            yield from by_groups(f"ratio by group, {name}", ratio, by, reference[entry])
        variance = var(design, "api00", by="stype")
        yield from by_groups(f"variance by group, {name}", variance, "stype", reference["var_by"])
        content = {part: reference["correlation"][part]["r"] for part in ("est", "se")}
        yield simple(
            "correlation", f"{name}, api00 and api99", corr(design, "api00", "api99", interval="wald"), content
        )
        for which, (estimator, parts) in functions.FUNCTIONS.items():
            made = estimator(design)
            result = made.transform(partial(applied, parts.values()), names=list(parts))
            yield from estimates(f"smooth function, {name}", result, reference[which])


def applied(parts: Iterable[Callable[..., Any]], estimate: Any) -> list[Any]:
    """Several functions of one vector."""
    return [part(estimate) for part in parts]
