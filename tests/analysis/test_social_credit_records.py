"""The synthetic respondents of the study: regenerated, marked, and on the published figures."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
import yaml
from numpy.typing import NDArray

from analysis.social_credit_records import SETTINGS, STUDY, main, read_margins, read_settings
from survey.design.design import Design
from survey.models.fitting import ordinal
from survey.records.codebook import Codebook
from survey.records.respondents import read_respondents
from survey.weighting.raking import rake

DATA = STUDY.parent

SHARE_TOLERANCE = 0.2  # percentage points; one respondent of mean weight is 0.05, a published figure's half unit 0.5
WEAK_TOLERANCE = 1.0  # percentage points; bases are small, and several benefits must fit into one "any"
KISH_RANGE = (1.1, 1.4)  # weights that matter, yet no more than an online panel needs
CLEAR = 2.58  # |t| of a trend that is significant at 1%
README_DIGITS = 2  # decimals of the shares in the README

AGREE = ("Somewhat agree", "Strongly agree")
APPROVE = ("Somewhat approve", "Strongly approve")
USERS = "commercial_use == 'Yes'"

# Published share -> item, answers that it sums, respondents that it is based on.
FIGURES: Mapping[str, tuple[str, Sequence[str], str | None]] = {
    "approve_net": ("approval", APPROVE, None),
    "approve_strongly": ("approval", ("Strongly approve",), None),
    "approve_somewhat": ("approval", ("Somewhat approve",), None),
    "approve_neither": ("approval", ("Neither approve nor disapprove",), None),
    "disapprove_net": ("approval", ("Somewhat disapprove", "Strongly disapprove"), None),
    "commercial_use": ("commercial_use", ("Yes",), None),
    "sesame_use": ("systems_sesame", ("Yes",), None),
    "pilot_aware": ("pilot_aware", ("Yes",), None),
    "pilot_locality": ("pilot_locality", ("Yes",), None),
    "pilot_aware_in_locality": ("pilot_aware", ("Yes",), "pilot_locality == 'Yes'"),
    "purchase_influenced": ("purchase_influenced", ("Yes",), None),
    "trust_crisis": ("trust_crisis", ("Yes",), None),
} | {
    f"{item}_{place.lower()}": (item, ("Yes",), f"{USERS} and urbanity == '{place}'")
    for item in ("benefit_any", "benefit_loan", "benefit_sharing", "benefit_visa", "harmed")
    for place in ("Urban", "Rural")
}


Published: TypeAlias = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def codebook() -> Codebook:
    return Codebook.from_yaml(STUDY / "codebook.yaml")


@pytest.fixture(scope="module")
def design(codebook: Codebook) -> Design:
    respondents = read_respondents(STUDY / "respondents.csv", codebook)
    return rake(Design(respondents, weight=None), read_margins(STUDY / "margins.yaml"))


@pytest.fixture(scope="module")
def published() -> Published:
    with (STUDY / "published.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def answered(design: Design, item: str, answers: Sequence[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Whether each respondent gave one of the answers, and whether there is any answer."""
    column = design.frame[item]
    return column.isin(list(answers)).to_numpy(dtype=float), column.notna().to_numpy()


def percent(design: Design, figure: str) -> float:
    """Weighted percentage for a published share."""
    item, answers, base = FIGURES[figure]
    gave, valid = answered(design, item, answers)
    inside = valid if base is None else valid & np.asarray(design.frame.eval(base), dtype=bool)
    return 100 * float(np.average(gave[inside], weights=design.weights[inside]))


def shares_by(design: Design, item: str, answers: Sequence[str], by: str) -> pd.Series[float]:
    """Weighted shares of the answers by the levels of another item."""
    gave, valid = answered(design, item, answers)
    frame = pd.DataFrame({"by": design.frame[by], "yes": gave * design.weights, "all": design.weights})
    sums = frame[valid].groupby("by", observed=True).sum()
    return sums["yes"] / sums["all"]


def trend_t(design: Design, item: str, answers: Sequence[str], by: str) -> float:
    """Test statistic of a linear trend in the share over the levels of another item."""
    gave, valid = answered(design, item, answers)
    position = design.frame[by].cat.codes.to_numpy()
    inside = valid & (position >= 0)
    w, y = design.weights[inside], gave[inside]
    x = position[inside] - np.average(position[inside], weights=w)
    information = np.sum(w * x**2)
    slope = np.sum(w * x * y) / information
    residual = y - np.average(y, weights=w) - slope * x
    return float(slope * information / np.sqrt(np.sum((w * x * residual) ** 2)))


def test_the_file_is_regenerated_byte_by_byte(tmp_path: Path) -> None:
    again = tmp_path / "respondents.csv"
    main(["--output", str(again)])
    assert again.read_bytes() == (STUDY / "respondents.csv").read_bytes()


def test_another_seed_gives_other_respondents(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(re.sub(r"(?m)^seed: \d+$", "seed: 7", SETTINGS.read_text("utf-8")), "utf-8")
    again = tmp_path / "respondents.csv"
    main(["--output", str(again), "--settings", str(settings)])
    assert again.read_bytes() != (STUDY / "respondents.csv").read_bytes()


def test_everything_says_synthetic(design: Design, codebook: Codebook) -> None:
    assert codebook.data_kind == "synthetic"
    assert "synthetic" in str(codebook.source).lower()
    assert design.frame.columns[0] == "respondent"
    assert design.frame["respondent"].str.fullmatch(r"synthetic-\d{4}").all()
    assert design.frame["respondent"].is_unique
    for name in ("README.md", "codebook.yaml", "margins.yaml"):
        assert "SYNTHETIC" in (STUDY / name).read_text(encoding="utf-8").splitlines()[0]
    assert "SYNTHETIC" in SETTINGS.read_text(encoding="utf-8").splitlines()[0]


def test_every_item_says_what_it_rests_on(codebook: Codebook) -> None:
    for item in codebook.items.values():
        assert item.wording is None
        assert item.note is not None
        assert re.search(r"\b(reported|assumed|ours)\b", item.note)


def test_exact_figures(design: Design, codebook: Codebook, published: Published) -> None:
    age = design.frame["age"]
    assert len(design.frame) == int(published["n_respondents"]["published"])
    assert age.min() == int(published["age_min"]["published"])
    assert age.max() == int(published["age_max"]["published"])
    first, last = published["fieldwork"]["published"].split(" to ")
    months = [level.code for level in codebook.items["month"].levels]
    assert (months[0], months[-1]) == (first, last)
    assert set(design.frame["month"].dropna()) == set(codebook.items["month"].labels)


def test_every_share_is_among_the_figures(published: Published) -> None:
    assert set(FIGURES) == {figure for figure, row in published.items() if row["kind"] == "rounded"}


@pytest.mark.parametrize("figure", FIGURES)
def test_weighted_shares_are_the_published_ones(figure: str, design: Design, published: Published) -> None:
    target = float(published[figure]["published"])
    ours = percent(design, figure)
    if published[figure]["strength"] == "read":
        assert abs(ours - target) <= SHARE_TOLERANCE
        assert np.floor(ours + 0.5) == target
    else:
        assert abs(ours - target) <= WEAK_TOLERANCE


@pytest.mark.parametrize("by", ["income", "education", "urbanity", "age_group", "fairness"])
def test_approval_rises_step_by_step(by: str, design: Design) -> None:
    assert shares_by(design, "approval", APPROVE, by).is_monotonic_increasing
    assert trend_t(design, "approval", APPROVE, by) > CLEAR


def test_approval_rises_with_each_of_the_four_when_the_others_are_held(design: Design) -> None:
    fit = ordinal("approval ~ income + education + urbanity + age", design)
    slopes = fit.tidy().query("kind == 'slope'").set_index("term")["estimate"]
    for variable in ("income", "education", "urbanity", "age"):
        assert fit.term_test(variable).p_value < 0.01
        own = slopes[[term == variable or term.startswith(f"{variable}[") for term in slopes.index]]
        assert own.iloc[0] > 0
        assert own.is_monotonic_increasing


def test_approval_is_higher_with_benefits(design: Design) -> None:
    assert trend_t(design, "approval", APPROVE, "benefit_any") > CLEAR


@pytest.mark.parametrize("by", ["income", "education", "urbanity"])
def test_social_position_frames_the_systems_as_regulation(by: str, design: Design) -> None:
    assert trend_t(design, "closes_gaps", AGREE, by) > CLEAR
    assert trend_t(design, "surveillance", AGREE, by) < -CLEAR


def test_weighting_matters_as_much_as_it_should(design: Design) -> None:
    weights = design.weights
    deff = len(weights) * float(np.sum(weights**2)) / float(np.sum(weights)) ** 2
    assert KISH_RANGE[0] < deff < KISH_RANGE[1]
    assert f"Kish design effect {deff:.2f}" in (STUDY / "README.md").read_text(encoding="utf-8")


def test_no_cell_of_the_main_variables_is_empty(design: Design) -> None:
    frame = design.frame
    for by in ("gender", "urbanity", "education", "income"):
        assert (pd.crosstab(frame["approval"], frame[by]) > 0).all(axis=None)
    for by in ("age_group", "region"):
        assert (pd.crosstab(frame["approval_merged"], frame[by]) > 0).all(axis=None)


def test_routing_and_multiple_answers_agree(design: Design, codebook: Codebook) -> None:
    frame = design.frame
    any_system = (frame[list(codebook.items["systems"].columns)] == "Yes").any(axis=1)
    assert ((frame["commercial_use"] == "Yes") == any_system).all()
    any_benefit = (frame[list(codebook.items["benefits"].columns)] == "Yes").any(axis=1)
    assert ((frame["benefit_any"] == "Yes") == any_benefit).all()
    for column in ("benefit_any", "harmed", *codebook.items["benefits"].columns):
        not_asked = frame[f"{column}_missing"] == "Not asked"
        assert (not_asked == (frame["commercial_use"] == "No")).all()


def test_published_shares_have_a_plain_base(design: Design) -> None:
    for item, _, _ in FIGURES.values():
        reasons = design.frame.get(f"{item}_missing", pd.Series(dtype=object))
        assert set(reasons.dropna()) <= {"Not asked"}


def test_missing_answers_grow_as_education_falls(design: Design) -> None:
    frame = design.frame
    for item in ("income", "fairness", "surveillance"):
        rate = (frame[f"{item}_missing"] == "Don't know").groupby(frame["education"], observed=True).mean()
        assert 0 < rate.iloc[-1] < rate.iloc[0] < 0.15


def test_answers_hang_together(design: Design) -> None:
    frame = design.frame
    codes = pd.DataFrame(
        {name: frame[name].cat.codes.where(frame[name].notna()) for name in (
            "approval", "fairness", "closes_gaps", "promotes_honesty", "quality_of_life", "surveillance",
            "privacy_loss", "income", "education",
        )}
    )  # fmt: skip
    rank = codes.corr(method="spearman").to_dict()
    for one, other in (
        ("closes_gaps", "promotes_honesty"),
        ("closes_gaps", "quality_of_life"),
        ("surveillance", "privacy_loss"),
        ("fairness", "approval"),
        ("income", "education"),
    ):
        assert 0.2 < rank[one][other] < 0.6
    for name in ("closes_gaps", "promotes_honesty", "quality_of_life"):
        assert -0.4 < rank["surveillance"][name] < 0


def test_margins_come_from_the_population_figures() -> None:
    margins: Any = read_margins(STUDY / "margins.yaml")
    population = pd.read_csv(STUDY / "population.csv", index_col=["variable", "level"])["share"]
    assumed = read_settings(SETTINGS)["population"]
    for targets in margins.values():
        assert sum(round(share * 10_000) for share in targets.values()) == 10_000
    assert margins["gender"] == population["gender"].to_dict()
    users = population["age"]
    kept = {
        "14-19": users["10-19"] * assumed["share_14_19_of_10_19"],
        "20-29": users["20-29"],
        "30-39": users["30-39"],
        "40-49": users["40-49"],
        "50-65": users["50-59"] + users["60+"] * assumed["share_60_65_of_60_plus"],
    }
    for group, share in kept.items():
        assert margins["age_group"][group] == pytest.approx(share / sum(kept.values()), abs=1e-4)


def test_settings_fit_the_codebook(codebook: Codebook, design: Design) -> None:
    settings = read_settings(SETTINGS)
    for name, counts in settings["sample"].items():
        assert sum(counts.values()) == len(design.frame)
        assert tuple(counts) == codebook.items[name].labels
        assert design.frame[name].value_counts().to_dict() == counts
    columns = {column: item for item in codebook.items.values() for column in item.columns}
    for name, item in settings["items"].items():
        tables = item["shares"].values() if "by" in item else [item["shares"]]
        for shares in tables:
            assert tuple(shares) == columns[name].labels
            assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
        assert set(item.get("missing", {})) <= set(columns[name].missing_labels)


def test_disclosure_has_eleven_items() -> None:
    items = yaml.safe_load((STUDY / "disclosure.yaml").read_text(encoding="utf-8"))["items"]
    assert len(items) == 11
    assert len({item["id"] for item in items}) == 11
    for item in items:
        assert set(item) == {"id", "title", "value", "source", "synthetic"}
        assert (item["value"] is None) == (item["source"] is None)
        assert item["synthetic"]


def checksums(readme: Path) -> dict[str, str]:
    """Files and checksums of the rows of a README's tables."""
    rows = re.findall(r"(?m)^\| `([^`]+)` .*\| `([0-9a-f]{64})` \|$", readme.read_text(encoding="utf-8"))
    return dict(rows)


@pytest.mark.parametrize("folder", [DATA, STUDY, DATA / "anes96"], ids=["data", "social_credit", "anes96"])
def test_checksums_are_true(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    found = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert checksums(folder / "README.md") == found


def test_the_readme_tells_what_the_file_meets(design: Design, published: Published) -> None:
    readme = (STUDY / "README.md").read_text(encoding="utf-8")
    for figure in FIGURES:
        ours = f"{percent(design, figure):.{README_DIGITS}f}"
        assert f"| `{figure}` | {published[figure]['published']} | {ours} |" in readme
