"""The study's respondent file: synthetic respondents that meet its published figures.

The study published shares, directions and its sample size, but no microdata. This script writes a file of
2,209 respondents who never existed, made so that the weighted shares land on the published ones:

1. quota variables (gender, age group, region) are filled to the counts of the settings file and shuffled;
2. these alone are raked to the population, so every weight is known before a question is asked;
3. each item gets a latent score (effects of earlier items, response tendencies, logistic noise), and its
   answers are cut off at *weighted* quantiles of that score, within half a weight of every target;
4. missing answers are laid over the items that no published share rests on.

The same settings give the same bytes on every machine: the only random input is uniform draws, there is no
linear algebra, and the cuts are made on whole numbers.

    python -m analysis.social_credit_records --output data/social_credit/respondents.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from analysis.study import Margins
from survey import Codebook, Design, rake

Settings: TypeAlias = Mapping[str, Any]
Scores: TypeAlias = dict[str, NDArray[np.float64]]

SETTINGS = Path(__file__).with_name("social_credit_settings.yaml")
STUDY = Path(__file__).parents[1] / "data" / "social_credit"

NOT_ASKED = -8
WEIGHT_UNITS = 1_000_000  # weights become whole millionths, so that cumulated weights are exact
CERTAIN = 1e6  # moves a latent score beyond every other one


def read_settings(path: Path) -> Settings:
    """Assumptions from a YAML file."""
    settings: Settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    return settings


def read_margins(path: Path) -> Margins:
    """Weighting targets, level by level, from a YAML file."""
    margins: Margins = yaml.safe_load(path.read_text(encoding="utf-8"))
    return margins


def answer_codes(codebook: Codebook, column: str) -> dict[str, int | str]:
    """Codes of a column's answers by label, in codebook order."""
    owner = next(item for item in codebook.items.values() if column in item.columns)
    return {level.label: level.code for level in owner.levels}


def fill_quota(counts: Sequence[int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions of levels, each as often as its quota says, in random order: shape (n,)."""
    filled = np.repeat(np.arange(len(counts)), counts)
    return filled[np.argsort(rng.random(filled.size), kind="stable")]


def draw_ages(
    group: NDArray[np.int64], breaks: Sequence[float], leans: Sequence[str | None], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Single years of age within age groups; half of a group that leans is drawn towards one end."""
    first = rng.random(group.size)
    second = rng.random(group.size)
    leaning = rng.random(group.size) < 0.5
    within = first.copy()
    for position, lean in enumerate(leans):
        chosen = leaning & (group == position)
        if lean == "older":
            within[chosen] = np.maximum(first, second)[chosen]
        elif lean == "younger":
            within[chosen] = np.minimum(first, second)[chosen]
    edges = np.asarray(breaks, dtype=np.float64)
    lowest = edges[group]
    years = np.floor(lowest + within * (edges[group + 1] - lowest))
    return years.astype(np.int64)


def draw_normal(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Standard normal scores as sums of twelve uniforms: additions round alike on every machine."""
    total = np.full(n, -6.0)
    for _ in range(12):
        total += rng.random(n)
    return total


def draw_logistic(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Standard logistic noise, the error of a proportional-odds model."""
    uniform = rng.random(n)
    return np.log(uniform / (1.0 - uniform))


def cut_at_shares(
    latent: NDArray[np.float64], weights: NDArray[np.int64], shares: Sequence[float]
) -> NDArray[np.int64]:
    """Positions 0..K-1 of answers whose weighted shares are as near to `shares` as whole respondents allow.

    Parameters
    ----------
    latent : (n,) scores; higher scores get later answers.
    weights : (n,) whole weights.
    shares : (K,) target shares, adding to 1.
    """
    order = np.argsort(latent, kind="stable")
    sorted_weights = weights[order]
    # A respondent lies below a threshold when the middle of its weight does.
    twice_middle = 2 * np.cumsum(sorted_weights) - sorted_weights
    positions = np.zeros(latent.size, dtype=np.int64)
    for share in np.cumsum(shares)[:-1]:
        threshold = round(2.0 * float(share) * int(weights.sum()))
        positions[order] += twice_middle >= threshold
    return positions


def linear_score(scores: Scores, effects: Mapping[str, float], n: int) -> NDArray[np.float64]:
    """Sum of effects times scores, added in the order of the settings file."""
    total = np.zeros(n)
    for name, effect in effects.items():
        total += effect * scores[name]
    return total


def add_scores(scores: Scores, name: str, positions: NDArray[np.int64], labels: Sequence[str]) -> None:
    """Score an item for its effects on later ones: Yes as 1, otherwise steps from the middle answer."""
    middle = 0.0 if list(labels) == ["No", "Yes"] else (len(labels) - 1) / 2.0
    scores[name] = positions.astype(np.float64) - middle


def add_answer_scores(scores: Scores, positions: NDArray[np.int64], labels: Sequence[str]) -> None:
    """Score every answer of an item by its own name, as 1 for those who give it."""
    for position, label in enumerate(labels):
        scores[label] = (positions == position).astype(np.float64)


def answer_item(
    settings: Settings,
    labels: Sequence[str],
    weights: NDArray[np.int64],
    scores: Scores,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Answers to one item as positions among `labels`: shape (n,), zero for those not asked."""
    n = weights.size
    latent = linear_score(scores, settings.get("effects", {}), n) + draw_logistic(n, rng)
    if "if_none" in settings:
        latent[np.sum([scores[name] for name in settings["if_none"]], axis=0) == 0] += CERTAIN
    if "only_if" in settings:
        latent[scores[settings["only_if"]] == 0] = -CERTAIN
    asked = scores[settings["asked_of"]] == 1 if "asked_of" in settings else np.ones(n, dtype=bool)
    positions = np.zeros(n, dtype=np.int64)
    for domain, shares in share_domains(settings, asked, scores):
        ordered = [shares[label] for label in labels]
        positions[domain] = cut_at_shares(latent[domain], weights[domain], ordered)
    for age, highest in settings.get("at_most", {}).items():
        positions = np.where(scores["years"] < age, np.minimum(positions, labels.index(highest)), positions)
    return positions


def share_domains(
    settings: Settings, asked: NDArray[np.bool_], scores: Scores
) -> list[tuple[NDArray[np.bool_], Mapping[str, float]]]:
    """Groups of respondents with target shares of their own: one, or one per answer to the `by` item."""
    if "by" not in settings:
        return [(asked, settings["shares"])]
    domains = []
    for answer, shares in settings["shares"].items():
        if answer in ("No", "Yes"):
            inside = scores[settings["by"]] == (answer == "Yes")
        else:
            inside = scores[answer] == 1
        domains.append((asked & inside, shares))
    return domains


def draw_missing(
    settings: Settings, codes: Mapping[str, int | str], scores: Scores, n: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Missing codes of one item, 0 where it is answered: shape (n,)."""
    drawn = np.zeros(n, dtype=np.int64)
    for label, chance in settings.items():
        probability = chance["base"] + linear_score(scores, chance["effects"], n)
        drawn[(rng.random(n) < probability) & (drawn == 0)] = int(codes[label])
    return drawn


def quota_weights(
    quotas: Mapping[str, NDArray[np.int64]], labels: Mapping[str, Sequence[str]], margins: Margins
) -> NDArray[np.int64]:
    """Raked weights of mean 1 in whole millionths: shape (n,)."""
    frame = pd.DataFrame({name: np.asarray(labels[name])[quota] for name, quota in quotas.items()})
    weights = rake(Design(frame, weight=None), margins).weights
    units: NDArray[np.int64] = np.rint(weights / weights.mean() * WEIGHT_UNITS).astype(np.int64)
    return units


def make_respondents(
    settings: Settings, codebook: Codebook, margins: Margins, rng: np.random.Generator
) -> pd.DataFrame:
    """Synthetic respondents as codes, one column per item of the codebook, in the order of interview."""
    labels = {name: codebook.item(name).labels for name in settings["sample"]}
    quotas = {name: fill_quota([settings["sample"][name][label] for label in labels[name]], rng) for name in labels}
    weights = quota_weights(quotas, labels, margins)
    n = weights.size

    leans = [settings["age_lean"].get(label) for label in labels["age_group"]]
    years = draw_ages(quotas["age_group"], codebook.item("age_group").breaks, leans, rng)
    decades = (years - 38) / 10.0
    scores: Scores = {"years": years.astype(np.float64), "age": decades, "age_squared": decades * decades}
    for name, positions in quotas.items():
        add_answer_scores(scores, positions, labels[name])
    for name in settings["tendencies"]:
        scores[name] = draw_normal(n, rng)

    columns: dict[str, NDArray[Any]] = {"age": years}
    for name in ("gender", "region"):
        columns[name] = np.asarray(list(answer_codes(codebook, name).values()))[quotas[name]]
    for name, item in settings["items"].items():
        codes = answer_codes(codebook, name)
        positions = answer_item(item, list(codes), weights, scores, rng)
        add_scores(scores, name, positions, list(codes))
        if name == "urbanity":
            add_answer_scores(scores, positions, list(codes))
        answers = np.asarray(list(codes.values()))[positions]
        if "missing" in item:
            reasons = {level.label: level.code for level in codebook.item(name).missing}
            missing = draw_missing(item["missing"], reasons, scores, n, rng)
            answers = np.where(missing < 0, missing, answers)
        if "asked_of" in item:
            answers = np.where(scores[item["asked_of"]] == 1, answers, NOT_ASKED)
        columns[name] = answers

    frame = pd.DataFrame(columns).sort_values("month", kind="stable", ignore_index=True)
    frame.insert(0, "respondent", [f"synthetic-{number:04d}" for number in range(1, n + 1)])
    return frame[[c for item in codebook.items.values() if not item.is_derived for c in item.columns]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the respondent file."""
    parser = argparse.ArgumentParser(description="Write the synthetic respondents of the social-credit study.")
    parser.add_argument("--output", type=Path, default=STUDY / "respondents.csv", help="csv file to write")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="assumptions to follow")
    options = parser.parse_args(arguments)
    settings = read_settings(options.settings)
    codebook = Codebook.from_yaml(STUDY / "codebook.yaml")
    margins = read_margins(STUDY / "margins.yaml")
    rng = np.random.default_rng(settings["seed"])
    make_respondents(settings, codebook, margins, rng).to_csv(options.output, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
