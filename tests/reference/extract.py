"""Copy the reference values that the tests use out of the folder of R results, with their provenance.

    python tests/reference/extract.py FOLDER

FOLDER holds `api/api.json`, `nhanes/nhanes.json` and so on (see README.md). Values are copied, never
recomputed or rounded; what no test reads is left out to keep the files small.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

API_DESIGNS = ("srs", "strat", "strat_nofpc", "clus1", "clus1_nofpc", "clus2", "clus2_wr")
API_ENTRIES = [
    "degf",
    "sum_weights",
    "n",
    "mean",
    "mean_deff_replace",
    "mean_enroll_narm",
    "total",
    "ratio",
    "by_stype",
    "by_stype_total",
    "by_two",
    "domain_subset",
    "domain_degf",
    "by_covmat",
    "contrast_E_minus_H",
    "var",
    "quantile",
    "quantile_qrule",
    "quantile_by",
    "ciprop",
    "ciprop_dfInf",
    "ciprop_level90",
    "chisq",
    "gofchisq",
    "ttest1",
    "ttest2",
    "ranktest",
    "ranktest_k",
    "table",
    "glm_logit",
    "glm_probit",
    "glm_ddf_Inf",
    "olr",
    "smoothed_mean_trim",
]
CALIBRATIONS = {  # design -> ways of calibrating it that are compared
    "clus1": (
        "base",
        "poststratify_stype",
        "poststratify_stype_sw_partial",
        "rake_default_control",
        "rake_tight",
        "cal_raking_margins",
        "rake_nofpc_tight",
        "cal_linear_stype",
        "cal_linear",
        "cal_raking",
        "cal_logit",
        "cal_logit_margins",
        "cal_linear_bounded",
        "cal_linear_lambda_enroll",
        "rake_trim_10_50",
        "rake_trim_10_50_strict",
    ),
    "strat": ("rake_tight", "cal_linear", "cal_logit"),
    "clus2": ("rake_tight", "cal_linear"),
}
CALIBRATED_REPLICATES = ("JK1_cal_linear", "JK1_cal_raking")  # raked ones are in replicates.json
CALIBRATED_REPLICATE_ENTRIES = ["mean", "total", "by", "by_sw", "domain", "degf", "ratio"]
CALIBRATION_ENTRIES = ["mean", "total", "by", "by_sw", "domain", "quantile", "ciprop", "chisq", "degf", "w", "g_range"]
NHANES_ENTRIES = [
    "meta",
    "degf",
    "w",
    "mean",
    "race",
    "by_race_sex",
    "by_agecat",
    "total",
    "ciprop",
    "chisq",
    "ranktest",
    "glm",
    "glm_regterm",
    "glm_predict",
    "predmeans",
    "standardised",
    "ciprop_sub",
    "ciprop_by",
    "olr_tight",
    "olr_svyolr",
    "brant",
]
DESIGN_ENTRIES = {
    "scd": ("taylor",),
    "fpc": ("with", "without"),
    "mu284": ("two_stage", "one_stage_only", "two_stage_ultimate_cluster"),
    "hospital": ("fpc", "nofpc"),
    "crowd": ("mean", "ratio"),
    "lonely": (
        "strata_psu_counts",
        "fail",
        *(rule + option for option in ("", "_domain_adjust") for rule in ("remove", "certainty", "adjust", "average")),
    ),
    "yrbs": ("mean", "degf", "ciprop"),
}
LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
ORDINAL_MORE = [
    "svy_api_clus1_logit",
    "svy_api_clus1_nofpc_logit",
    "svy_api_clus1_raked_logit",
    "svy_api_clus2_logit",
    "svy_api_strat_logit",
    "svy_nhanes_logit",
    "svy_api_clus1_ame",
    "svy_nhanes_ame",
    "svy_brant_nhanes",
    "housing_exact_cauchit",
    "svy_api_clus1_probit",
    "svy_api_clus1_cloglog",
    "svy_api_clus1_loglog",
    "svy_api_strat_probit",
    "svy_nhanes_probit",
    "svy_nhanes_cloglog",
    "svyolr_rep_bug",
]
REPLICATED = (  # designs of api_calib_rep.json whose replicates are made again, or read from files
    "clus1_JK1",
    "clus1_JK1_mse",
    "clus1_nofpc_JK1",
    "strat_JKn",
    "strat_JKn_mse",
    "clus2_JK1",
    "clus1_bootstrap",
    "clus1_subbootstrap",
    "clus1_subbootstrap_mse",
    "strat_subbootstrap",
    "clus2_mrbbootstrap",
)
RECALIBRATED = ("JK1_rake", "JK1_poststrat", "JK1_cal_linear", "JK1_cal_raking", "boot_rake", "JKn_rake")
NO_REPLICATE_ENTRIES = ("glm", "chisq_all")  # a linear model; the tests of independence are copied as "chisq"
ORDINAL_IID = [
    *(f"{data}_clm_{link}" for data in ("housing", "wine", "ucla") for link in LINKS),
    *(f"anes96_clm_{link}" for link in ("logit", "probit")),
    "housing_exact_cauchit",
    "ucla_exact_cauchit",
    "cheese_clm",
    "wvs_clm_main",
    "wvs_clm_fox",
    "nes96_clm_full",
    "nes96_clm_income",
    "housing_clm_offset",
    "housing_clm_nominal_Cont",
    "wine_clm_nominal_contact",
    "wine_clm_scale_temp",
    *(f"wine_clm_threshold_{name}" for name in ("equidistant", "symmetric", "symmetric2")),
    *(f"{data}_nominal_scale_tests" for data in ("housing", "wine", "wvs", "ucla")),
    "housing_polr_logistic",
    "housing_polr_probit",
    "housing_polr_cloglog",
    "housing_polr_loglog",
    "nes96_polr_full",
    "nes96_polr_income",
    "nes96_polr_income_probit",
    "wvs_polr_fox",
    "wvs_lrm",
    "wine_anova_contact",
    "cheese_vglm_expected",
    "wvs_polr_main",
    "wine_clm_predict",
    "wvs_effects_country_gender",
    "ucla_ame_logit",
    "svyglm_nhanes_threshold1",
]
ORDINAL_TESTS = [  # tests of ordinal models
    "svy_api_clus1_RaoScott_LRT_correct",
    "svy_api_clus1_tests",
    "svy_brant_sas",
    "ucla_polr_brant",
    "ucla_score_test",
    "ucla_gof",
    "wvs_brant",
    "wvs_score_test",
    "wvs_gof",
    "wvs_vif",
    "housing_profile_ci",
    "wine_profile_ci",
]
UNUSED = {  # inside any entry
    "_row",
    "likelihood",
    "max_abs_weighted_score",
    "hessian_condition",
    "hess_rel_diff_numeric",
    "maxgrad",
    "max_grad",
    "cond_H",
    "packages",
}


def pick(entries: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Take the named entries, in this order."""
    return {name: entries[name] for name in names}


def trim(value: Any) -> Any:
    """Leave out the parts of an entry that no test reads."""
    if isinstance(value, dict):
        return {key: trim(part) for key, part in value.items() if key not in UNUSED}
    return value


def weights(path: Path, columns: Iterable[str]) -> dict[str, list[float]]:
    """Weight vectors of a CSV file, in the row order of the data set."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {column: [float(row[column]) for row in rows] for column in columns}


def write(name: str, content: dict[str, Any]) -> None:
    """Write one file of reference values."""
    path = HERE / name
    path.write_text(json.dumps(trim(content), indent=None, separators=(",", ":")).replace('},"', '},\n"') + "\n")


def replicates(load: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Results with replicate weights."""
    made = load("api/api_calib_rep.json")
    content: dict[str, Any] = {"meta": made["meta"]}
    for group, names in (("rep", REPLICATED), ("rep_calibrated", RECALIBRATED)):
        content |= {
            name: {key: part for key, part in made[group][name].items() if key not in NO_REPLICATE_ENTRIES}
            | {"chisq": made[group][name]["chisq_all"], "chisq_awards": made[group][name]["chisq"]}
            for name in names
        }
    textbook, health = load("designs/designs.json")["scd"], load("nhanes/nhanes.json")["rep"]
    content["scd"] = pick(textbook, ("brr_published_matrix", "brr", "fay03", "fay05_mse", "jkn"))
    content["nhanes"] = {
        kind: pick(entry, ("R", "scale", "rscales", "degf", "mean", "by", "glm", "chisq"))
        for kind, entry in health.items()
    }
    more = load("ordinal_iid/ordinal_more.json")["oracles"]
    content["ordinal"] = {name: entry["result"] for name, entry in more.items() if name.startswith("svyrep_")}
    return content


def extract(folder: Path) -> None:
    """Write every file of reference values from the R results in `folder`."""

    def load(path: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((folder / path).read_text())
        return content

    api = load("api/api.json")
    write(
        "api.json",
        {"meta": api["meta"]} | {design: pick(api[design], API_ENTRIES) for design in API_DESIGNS},
    )

    calibrated = load("api/api_calib_rep.json")
    content: dict[str, Any] = pick(calibrated, ("meta", "population"))
    for design, ways in CALIBRATIONS.items():
        vectors = weights(folder / "api" / f"api{design}_weights.csv", [way for way in ways if way != "base"])
        content[design] = {
            way: {key: part for key, part in calibrated[design].get(way, {}).items() if key in CALIBRATION_ENTRIES}
            | ({"weights": vectors[way]} if way in vectors else {})
            for way in ways
        }
    content["replicates"] = {
        way: pick(calibrated["rep_calibrated"][way], CALIBRATED_REPLICATE_ENTRIES) for way in CALIBRATED_REPLICATES
    }
    write("api_calibration.json", content)

    write("nhanes.json", pick(load("nhanes/nhanes.json"), NHANES_ENTRIES))

    designs = load("designs/designs.json")
    content = {"meta": designs["meta"]}
    for name, entries in DESIGN_ENTRIES.items():
        content[name] = pick(designs[name], entries)
    write("designs.json", content)

    write("replicates.json", replicates(load))

    write(
        "ordinal_tests.json",
        {name: load("ordinal_iid/ordinal_more.json")["oracles"][name]["result"] for name in ORDINAL_TESTS}
        | {"api": {design: pick(api[design], ("aic", "psrsq", "olr_regterm_stype")) for design in API_DESIGNS}}
        | {"nhanes": pick(load("nhanes/nhanes.json"), ("glm_regterm",))},
    )

    iid, more = load("ordinal_iid/ordinal_iid.json"), load("ordinal_iid/ordinal_more.json")
    write(
        "ordinal.json",
        {
            "meta": iid["meta"],
            "meta_more": more["meta"],
            "housing": {key: part for key, part in iid["housing"].items() if key != "multinom"},
            "wine": pick(iid["wine"], LINKS),
            **pick(iid, ("wine_nominal_test", "wine_scale_test", "wine_confint_profile")),
            "WVS": {key: part for key, part in iid["WVS"].items() if key != "multinom"},
        }
        | pick(more["oracles"], ORDINAL_MORE),
    )
    write("ordinal_iid.json", {"meta": more["meta"]} | pick(more["oracles"], ORDINAL_IID))


if __name__ == "__main__":
    extract(Path(sys.argv[1]))
