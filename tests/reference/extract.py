"""Copy the reference values that the tests use out of the folder of R results, with their provenance.

    python tests/reference/extract.py FOLDER

FOLDER holds `api/api.json`, `nhanes/nhanes.json` and so on (see README.md). Values are copied, never
recomputed or rounded; what no test reads is left out to keep the files small.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable
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
    "ciprop",
    "ciprop_level90",
    "chisq",
    "table",
    "glm_logit",
]
CALIBRATIONS = {  # design -> ways of calibrating it that are compared
    "clus1": (
        "base",
        "poststratify_stype",
        "poststratify_stype_sw_partial",
        "rake_tight",
        "cal_raking_margins",
        "rake_nofpc_tight",
    ),
    "strat": ("rake_tight",),
    "clus2": ("rake_tight",),
}
CALIBRATION_ENTRIES = ["mean", "total", "by", "by_sw", "domain", "ciprop", "chisq", "degf"]
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
    "glm",
    "olr_tight",
    "brant",
]
DESIGN_ENTRIES = {
    "scd": ("taylor",),
    "fpc": ("with", "without"),
    "mu284": ("two_stage", "one_stage_only"),
    "hospital": ("fpc", "nofpc"),
    "crowd": ("mean", "ratio"),
    "lonely": ("strata_psu_counts", "fail", "remove", "certainty", "adjust", "average"),
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
]
UNUSED = {  # inside any entry
    "observed",
    "expected",
    "vcov_diag",
    "_row",
    "likelihood",
    "asin",
    "lincom",
    "saddlepoint",
    "first5",
    "last5",
    "sd",
    "ess",
    "svyolr_default",
    "svyolr_tight",
    "svyolr",
    "svy_vglm_expected_information",
    "naive_se",
    "max_abs_weighted_score",
    "hessian_condition",
    "hess_rel_diff_numeric",
    "se_naive_meanweight1",
    "cov",
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
            way: {key: part for key, part in calibrated[design][way].items() if key in CALIBRATION_ENTRIES}
            | ({"weights": vectors[way]} if way in vectors else {})
            for way in ways
        }
    write("api_calibration.json", content)

    write("nhanes.json", pick(load("nhanes/nhanes.json"), NHANES_ENTRIES))

    designs = load("designs/designs.json")
    content = {"meta": designs["meta"]}
    for name, entries in DESIGN_ENTRIES.items():
        content[name] = pick(designs[name], entries)
    write("designs.json", content)

    iid, more = load("ordinal_iid/ordinal_iid.json"), load("ordinal_iid/ordinal_more.json")
    write(
        "ordinal.json",
        {
            "meta": iid["meta"],
            "meta_more": more["meta"],
            "housing": {"clm": pick(iid["housing"]["clm"], LINKS), "pred": iid["housing"]["pred"]},
            "wine": pick(iid["wine"], LINKS),
            "WVS": pick(iid["WVS"], ("full", "svy", "svy_brant")),
        }
        | pick(more["oracles"], ORDINAL_MORE),
    )


if __name__ == "__main__":
    extract(Path(sys.argv[1]))
