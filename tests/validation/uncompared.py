"""Which entries of the shared results are not compared, and why; a test fails where one is neither compared nor here.

An entry is a number, or a list of numbers, of a JSON file of the shared results: "folder/file.json: dotted.path".
Patterns are those of `fnmatch`, after which an entry may go on. Words (names of methods, levels, terms) and what is
empty in R are no entries.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.reference_data import SHARED
from tests.sources import leaves, sources
from tests.validation.rows import REGISTRY, made_rows

CALIBRATED, MORE, IID = "api/api_calib_rep.json", "ordinal_iid/ordinal_more.json", "ordinal_iid/ordinal_iid.json"
WITH_STANDARD_ERRORS = (  # parts of the results of a calibrated design that hold variances, or follow from them
    "mean.se.",
    "mean.vcov.",
    "mean.ci95.",
    "mean.df",
    "total.se.",
    "total.vcov.",
    "by.table.se",
    "by.vcov_diag",
    "by_sw.table.se",
    "by_sw.vcov_diag",
    "domain.se.",
    "domain.vcov.",
    "ciprop.var",
    "ciprop.ci",
    "chisq.statistic.",
    "chisq.parameter.",
    "chisq.p.value",
)


@dataclass(frozen=True, slots=True)
class Uncompared:
    """What is not compared: a name, the reason, and patterns of its entries, each of which matches one at least."""

    what: str
    why: str
    patterns: tuple[str, ...]


UNCOMPARED: tuple[Uncompared, ...] = (
    Uncompared(
        "Linear and Poisson regression",
        "The package has models for answers, of two levels or of several in order.",
        (
            "*: *glm_gauss",
            "*: *glm_poisson",
            f"{CALIBRATED}: *.glm.",
            "designs/designs.json: lonely.*.glm.",
        ),
    ),
    Uncompared(
        "Multinomial regression",
        "Not offered: answers without an order.",
        (f"{IID}: *.multinom.",),
    ),
    Uncompared(
        "Kappa, Cronbach's alpha, log-linear models",
        "Not offered.",
        ("api/api.json: *.kappa.", "api/api.json: *.cronbach", "*: *loglin."),
    ),
    Uncompared(
        'Profile likelihood under a design: `svyciprop("likelihood")`, `confint(svyglm, "likelihood")`',
        "Not offered: profile intervals are for simple random samples. It fails in R where nothing varies.",
        ("*: *ciprop*.likelihood.", "*: *.top.likelihood.", "api/api.json: *.glm_logit_lik."),
    ),
    Uncompared(
        "Working Wald test",
        'Not offered: `regTermTest(method = "WorkingWald")`. The Wald and the likelihood ratio test of the '
        "term are compared.",
        ("nhanes/nhanes.json: glm_regterm.WorkingWald.",),
    ),
    Uncompared(
        "Dispersion of a binary model",
        "Not estimated: it is 1 for two answers, and does not enter a sandwich.",
        (
            "api/api.json: *.glm_logit.dispersion",
            "api/api.json: *.glm_probit.dispersion",
            "anes2020/anes2020.json: glm_*.dispersion",
            "nhanes/nhanes.json: glm.dispersion",
            "onlinepolls/onlinepolls.json: *.logit.dispersion",
        ),
    ),
    Uncompared(
        "Calibration with equal ratios within clusters",
        "Not offered: `calibrate(aggregate.stage = 1)`.",
        (f"{CALIBRATED}: clus1.cal_linear_agg1.",),
    ),
    Uncompared(
        "Association and predictive ability in `lrm`",
        "C, Dxy, gamma, tau, Brier's score, g and R² with other numbers of respondents are not offered.",
        (f"{MORE}: oracles.wvs_lrm.result.stats.",),
    ),
    Uncompared(
        "Standard errors after R's `rake` with unequal base weights",
        "Deliberately not followed (see above). Weights and estimates are compared; standard errors with "
        "brute force in "
        "`tests/reference/test_calibration.py`, and with `calibrate`'s on other designs.",
        tuple(
            f"{CALIBRATED}: {name}.rake_tight.{part}" for name in ("strat", "clus2") for part in WITH_STANDARD_ERRORS
        ),
    ),
    Uncompared(
        "Standard errors after `trimWeights`",
        "Deliberately not followed (see above). Weights and estimates are compared; R's totals are "
        "reproduced on rows in "
        "`tests/reference/test_calibration_of_replicates.py`.",
        tuple(f"{CALIBRATED}: clus1.rake_trim_10_50.{part}" for part in WITH_STANDARD_ERRORS),
    ),
    Uncompared(
        "Results of R's `rake` with its default tolerance",
        "It stops once a margin is within one person (see above); the results raked to the end are compared.",
        (f"{CALIBRATED}: clus1.rake_default_control.",),
    ),
    Uncompared(
        'Bounds of `svyciprop("logit")` with replicate weights',
        'Deliberately not followed (see above); those of "xlogit" are compared.',
        (f"{CALIBRATED}: rep*.ciprop.ci", f"{CALIBRATED}: rep*.ciprop_all.logit.ci"),
    ),
    Uncompared(
        "Cauchit in `svyolr`",
        "Another model (see above); `olr_tight` and exact results with a cauchit are compared.",
        ("api/api.json: *.olr.cauchit.",),
    ),
    Uncompared(
        "Standard errors of `svyolr` with replicate weights and a probit",
        "They are those of a logit (see above); replicates refitted with the right link are compared.",
        (f"{MORE}: oracles.svyolr_rep_bug.result.probit_WRONG_SE.se.",),
    ),
    Uncompared(
        "Likelihood-ratio test of `regTermTest` on `svyolr`",
        "It depends on the scale of the weights (see above); `svy_api_clus1_RaoScott_LRT_correct` is compared.",
        (f"{MORE}: oracles.svy_api_clus1_tests.result.LRT_AS_SHIPPED",),
    ),
    Uncompared(
        "Groups of `generalhoslem`",
        "It divides respondents with the same prediction by their order in the file (see above); groups that keep them "
        "together are compared, and its own for the Lipsitz test of the smaller data set.",
        (
            f"{MORE}: oracles.*_gof.result.hosmer_ordinal.stat",
            f"{MORE}: oracles.ucla_gof.result.hosmer_ordinal.p",
            f"{MORE}: oracles.wvs_gof.result.hosmer_ordinal.p",
            f"{MORE}: oracles.wvs_gof.result.lipsitz.stat",
            f"{MORE}: oracles.wvs_gof.result.lipsitz.p",
        ),
    ),
    Uncompared(
        "The quantile rule `shahvaish` with weights as they are",
        "It depends on their unit (see above); R's results with weights of mean 1 are compared.",
        ("api/api.json: *.quantile_qrule.shahvaish.",),
    ),
    Uncompared(
        "Shares that the strata fix",
        "Nothing varies: R's design effects are quotients of rounding errors, its bounds a point, its p is "
        "missing. Ours are "
        "NaN, and the test of given shares is refused.",
        (
            "api/api.json: strat*.mean.deff.stype",
            "api/api.json: strat*.total.deff.stype",
            "api/api.json: strat*.ciprop.stypeH.*.ci",
            "api/api.json: strat*.gofchisq.statistic.",
        ),
    ),
    Uncompared(
        "A share of 0",
        "R's variance is rounding error, and its bounds are what that makes of it. Ours have no bounds but "
        "Korn and Graubard's.",
        ("api/api.json: *.ciprop.rare_api00_gt_930.*.ci",),
    ),
    Uncompared(
        "Degrees of freedom that R was told",
        "Those of the whole design, for bounds of groups and of items that some did not answer; the bounds "
        "are compared at "
        "the same df, and the df of the design.",
        (
            "anes2020/anes2020.json: usual_by.*.df",
            "anes2020/anes2020.json: rake_web.tg.df",
            "api/api.json: *.by_stype.df",
            f"{CALIBRATED}: clus2.cal_linear.mean.df",
            f"{CALIBRATED}: rep.clus2_JK1.mean.df",
            "designs/designs.json: yrbs.mean.df",
            "gss/gss.json: *.age.df",
            "onlinepolls/onlinepolls.json: nonvoters_rake.trust.df",
        ),
    ),
    Uncompared(
        "How well R's own computations converged",
        "Gradients, conditions and differences between R's methods.",
        (
            "*: *.maxgrad",
            "*: *.max_grad",
            "*: *.cond_H",
            "*: *.hess_rel_diff_numeric",
            f"{MORE}: *.max_abs_weighted_score",
            f"{MORE}: *.hessian_condition",
            f"{MORE}: oracles.wine_convergence_default.",
            "anes2020/anes2020.json: rake_web.calibrate_max_abs_diff",
        ),
    ),
    Uncompared(
        "What went in: populations, targets, counts of the data, labels",
        "Used to make the designs.",
        (
            f"{CALIBRATED}: population.",
            "anes2020/anes2020.json: rake_web.targets.",
            "onlinepolls/onlinepolls.json: nonvoters_rake.targets.",
            "onlinepolls/onlinepolls.json: profresp.raking_margins.",
            "nhanes/nhanes.json: standardised.pop",
            "designs/designs.json: scd.*.rho",
            "designs/designs.json: lonely.strata_psu_counts.",
            f"{MORE}: oracles.cheese_clm.data_inline.",
            "gss/gss.json: *.by_sex.table.sex",
        ),
    ),
    Uncompared(
        "Data that are not here",
        "`BEPS` (carData) and `ordwarm2` (Long and Freese).",
        (f"{IID}: iid_tests.", f"{MORE}: oracles.buis_ordwarm2_published_only."),
    ),
)


# Coverage ---------------------------------------------------------------------------------------------------


def numeric(content: Any) -> bool:
    """Whether an entry is a number or holds one."""
    if isinstance(content, list):
        return any(map(numeric, content))
    return isinstance(content, int | float) and not isinstance(content, bool)


@cache
def entries() -> tuple[str, ...]:
    """Every entry of the shared results that holds numbers."""
    found: list[str] = []
    for path in sorted(SHARED.glob("*/*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        found += (f"{path.parent.name}/{path.name}: {entry}" for entry, part in leaves(content) if numeric(part))
    return tuple(found)


@cache
def compared() -> frozenset[str]:
    """Entries that a row of the page, or a deviation, has beside ours."""
    rows = (row for section in REGISTRY.sections for row in made_rows(section))
    found = frozenset[str]().union(*(number.sources for row in rows for number in row.numbers.values()))
    return found.union(*(sources(entry.numbers()[0]) for entry in REGISTRY.deviations))


def matching(pattern: str, candidates: Iterable[str]) -> list[str]:
    """Entries that a pattern matches."""
    match = re.compile(fnmatch.translate(f"{pattern}*")).match
    return [entry for entry in candidates if match(entry)]


def listed(left: Iterable[str]) -> Iterator[tuple[Uncompared, Mapping[str, list[str]]]]:
    """What is listed here, with the entries of each pattern among those that are `left`."""
    remaining = list(left)
    for item in UNCOMPARED:
        yield item, {pattern: matching(pattern, remaining) for pattern in item.patterns}
