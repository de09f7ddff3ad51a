"""Published figures against ours: the rules of a verdict, and the verdicts of both studies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.settings import read_settings
from analysis.study import Study, read_study
from analysis.verdicts import (
    OUTSIDE,
    WITHIN,
    Found,
    compare,
    on_own,
    on_synthetic,
    rounded_verdict,
    unexplained,
    verdict_of,
)
from analysis.verify import main, write_verdicts
from survey import Codebook, EstimationError, SurveyError, ordinal
from survey.printing import number

ROOT = Path(__file__).resolve().parents[2]
PRINTED_THRESHOLD = 1.2915566  # as published; R's polr gives 1.2915566258
GRADIENT = 1e-6  # of the log likelihood, where a maximum is exact to printed digits


@pytest.fixture(scope="module")
def synthetic() -> Study:
    return read_study("social_credit")


@pytest.fixture(scope="module")
def real() -> Study:
    return read_study("anes96")


@pytest.fixture(scope="module")
def verdicts(synthetic: Study) -> pd.DataFrame:
    found = compare(synthetic)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("published", "ours", "expected"),
    [
        ("80", 80.0, "match"),
        ("80", 80.5, "match"),  # half a unit
        ("80", 79.5, "match"),
        ("80", 80.51, "rounding"),
        ("80", 81.0, "rounding"),
        ("80", 78.9, "differs"),
        ("12.3", 12.34, "match"),
        ("12.3", 12.39, "rounding"),
        ("12.3", 12.41, "differs"),
        ("2.5", 2.449999, "rounding"),
    ],
)
def test_a_rounded_figure_matches_within_half_a_unit(published: str, ours: float, expected: str) -> None:
    assert rounded_verdict(published, ours) == expected


@pytest.mark.parametrize(
    ("published", "found", "expected"),
    [
        ("+", Found(0.1, supported=True), "match"),
        ("-", Found(0.1, supported=True), "differs"),
        ("-", Found(-0.1, supported=True), "match"),
        ("+", Found(0.1, supported=False), "not detectable"),
    ],
)
def test_a_direction_needs_its_sign_and_its_test(published: str, found: Found, expected: str) -> None:
    assert verdict_of("direction", published, found) == expected


def test_exact_text_and_digits() -> None:
    assert verdict_of("exact", "2209", Found(2209.0)) == "match"
    assert verdict_of("exact", "2209", Found(2208.0)) == "differs"
    assert verdict_of("text", "a; b", Found(text="a; b")) == "match"
    assert verdict_of("text", "a; b", Found(text="a")) == "differs"
    assert verdict_of("digits", "1984.211", Found(1984.21125)) == "reproduced"
    assert verdict_of("digits", "1984.211", Found(1984.2116)) == "differs"
    assert verdict_of("rounded", "80", Found()) == "not in the file"


def test_nothing_is_reproduced_on_synthetic_data() -> None:
    verdicts = ["match", "reproduced", "rounding", "differs", "not detectable", "not in the file"]
    built = [on_synthetic(verdict, built_to_meet=True) for verdict in verdicts]
    other = [on_synthetic(verdict, built_to_meet=False) for verdict in verdicts]
    assert built == ["met by construction"] * 2 + ["consistent", "not consistent", "not consistent", "not in the file"]
    assert other == ["consistent"] * 3 + ["not consistent", "not consistent", "not in the file"]


def test_the_synthetic_file_meets_every_figure_it_was_built_to_meet(verdicts: pd.DataFrame) -> None:
    absent = {"quotas", "interviews"}
    assert set(verdicts.loc[verdicts["verdict"] == "not in the file", "id"]) == absent
    assert set(verdicts.loc[~verdicts["id"].isin(absent), "verdict"]) == {"met by construction"}
    assert unexplained(verdicts).empty


def test_shares_are_those_of_a_weighted_count(synthetic: Study, verdicts: pd.DataFrame) -> None:
    frame, weights = synthetic.design.frame, synthetic.design.weights
    ours = verdicts.set_index("id")["ours"]

    def share(hit: pd.Series[bool], base: pd.Series[bool] | None = None) -> float:
        inside = np.ones(len(frame), dtype=bool) if base is None else base.to_numpy()
        return float(100 * weights[inside & hit.to_numpy()].sum() / weights[inside].sum())

    assert ours["approve_net"] == pytest.approx(share(frame["approval"].isin(["Somewhat approve", "Strongly approve"])))
    pilot = frame["pilot_locality"] == "Yes"
    assert ours["pilot_aware_in_locality"] == pytest.approx(share(pilot & (frame["pilot_aware"] == "Yes"), pilot))
    rural = (frame["urbanity"] == "Rural") & frame["benefit_loan"].notna()
    assert ours["benefit_loan_rural"] == pytest.approx(share(rural & (frame["benefit_loan"] == "Yes"), rural))


def test_the_printed_values_on_real_respondents_are_reproduced(real: Study) -> None:
    verdicts = compare(real)
    assert verdicts is not None
    by_id = verdicts.set_index("id")
    assert set(by_id.index[by_id["verdict"] == "reproduced"]) == set(by_id.index) - {"income_threshold_2"}
    # One unit in the seventh decimal: explained below, and neither hidden nor counted as unexplained.
    assert by_id.loc["income_threshold_2", "verdict"] == "differs"
    assert number(float(by_id["ours"]["income_threshold_2"]), 7) == "1.2915567"
    assert unexplained(verdicts).empty


def test_the_likelihood_is_higher_at_our_threshold_than_at_the_printed_one(real: Study) -> None:
    fit = ordinal("party3 ~ income_midpoint", real.design)
    x = real.design.frame["income_midpoint"].to_numpy()
    y = real.design.frame["party3"].cat.codes.to_numpy()

    def log_likelihood(first: float, second: float, slope: float) -> float:
        below = 1 / (1 + np.exp(-(np.array([[first], [second]]) - slope * x)))
        shares = np.vstack([below[0], below[1] - below[0], 1 - below[1]])
        return float(np.log(shares[y, np.arange(len(y))]).sum())

    slope, first, second = (float(value) for value in fit.params)
    best = log_likelihood(first, second, slope)
    assert best == pytest.approx(fit.log_likelihood, rel=1e-12)
    assert best > log_likelihood(first, PRINTED_THRESHOLD, slope)
    step = 1e-4
    slopes = [
        (log_likelihood(first + a, second + b, slope) - log_likelihood(first - a, second - b, slope)) / (2 * step)
        for a, b in ((step, 0.0), (0.0, step))
    ]
    assert np.abs(slopes).max() < GRADIENT


def test_a_wrong_figure_fails_unless_weak_or_explained(synthetic: Study, verdicts: pd.DataFrame) -> None:
    wrong = verdicts.assign(verdict="not consistent")
    assert set(wrong.loc[wrong["strength"] == "read", "id"]) == set(unexplained(wrong)["id"])
    assert unexplained(wrong.assign(explained=True)).empty


def test_every_published_figure_needs_a_rule(synthetic: Study) -> None:
    rules = {name: rule for name, rule in synthetic.settings.literature.published.items() if name != "age_min"}
    literature = replace(synthetic.settings.literature, published=rules)
    lacking = replace(synthetic, settings=replace(synthetic.settings, literature=literature))
    with pytest.raises(SurveyError, match=r"a rule for every figure of published\.csv, and no other; age_min"):
        compare(lacking)


def test_settings_of_a_study_run_no_code(tmp_path: Path) -> None:
    study = read_study("anes96")
    hostile = f"party3 ~ I(open('{tmp_path / 'made'}', 'w'))"
    published = study.settings.literature.published
    for name, rule in published.items():
        key = next(key for key in ("deviance", "model", "likelihood_ratio", "likelihood_ratio_p") if key in rule)
        rules = {**published, name: {**rule, key: [hostile] * 2 if isinstance(rule[key], list) else hostile}}
        settings = replace(study.settings, literature=replace(study.settings.literature, published=rules))
        verdicts = compare(replace(study, settings=settings))
        assert verdicts is not None
        assert verdicts.set_index("id").loc[name, "verdict"] == "cannot be computed"
    with pytest.raises(SurveyError, match="calls a function that formulas do not have"):
        ordinal(replace(study.settings, predictors=[hostile.split("~")[1]]).formula, study.design)
    assert list(tmp_path.iterdir()) == []


def test_verify_writes_the_verdicts_and_says_how_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--study", "anes96", "--output", str(tmp_path / "out")]) == 0
    written = pd.read_csv(tmp_path / "out" / "verdicts.csv")
    columns = ["data", "id", "quantity", "base", "published", "ours", "difference", "tolerance", "verdict", "note"]
    assert list(written.columns) == columns
    assert len(written) == 6
    assert "6 published figures: 5 reproduced, 1 differs" in capsys.readouterr().out


@pytest.mark.slow
def test_the_same_answers_as_a_real_file_are_compared_and_not_met_by_construction(tmp_path: Path) -> None:
    own = own_file(tmp_path)
    study = read_study("social_credit", own, real_codebook(tmp_path))
    assert study.kind == "own"
    verdicts = compare(study)
    assert verdicts is not None
    by_kind = {kind: set(found["verdict"]) for kind, found in verdicts.groupby("kind")}
    assert by_kind["rounded"] <= {WITHIN, OUTSIDE, "too few respondents"}
    assert by_kind["direction"] <= {"same direction", "opposite direction", "not detectable"}
    assert verdicts.set_index("id").loc["n_respondents", "verdict"] == "not compared"
    assert unexplained(verdicts).empty


@pytest.mark.parametrize(("published", "expected"), [("80", WITHIN), ("76", OUTSIDE)])
def test_a_share_of_another_sample_lies_within_or_outside_its_interval(published: str, expected: str) -> None:
    found = Found(79.0, bounds=(77.0, 81.0))
    assert on_own("differs", "rounded", published, found) == expected


def test_verify_passes_on_ones_own_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = own_file(tmp_path)
    arguments = ["--data", str(own), "--codebook", str(real_codebook(tmp_path)), "--output", str(tmp_path)]
    assert main(arguments) == 0
    assert "within the 95% interval of this file" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "verdicts.csv")["data"]) == {"own"}


@pytest.mark.slow
def test_verify_fails_where_a_figure_cannot_be_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EstimationError("`design` must have respondents.")

    monkeypatch.setattr("analysis.verdicts.share_of", refuse)
    assert main(["--data", str(own_file(tmp_path)), "--output", str(tmp_path)]) == 1
    assert "UNEXPLAINED: approve_net" in capsys.readouterr().out


@pytest.mark.slow
def test_verify_says_synthetic_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("SYNTHETIC data")
    assert set(pd.read_csv(tmp_path / "verdicts.csv")["data"]) == {"synthetic"}


def test_a_file_with_synthetic_respondents_is_never_taken_for_real(tmp_path: Path) -> None:
    respondents = ROOT / "data" / "social_credit" / "respondents.csv"
    (tmp_path / "mine.csv").write_bytes(respondents.read_bytes())
    assert read_study("social_credit", tmp_path / "mine.csv").kind == "synthetic"
    assert read_study("social_credit", own_file(tmp_path)).kind == "own"


def test_settings_with_a_key_that_nothing_reads_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import analysis.settings as module

    (tmp_path / "analysis").mkdir()
    (tmp_path / "data" / "mine").mkdir(parents=True)
    (tmp_path / "analysis" / "mine.yaml").write_text("folder: data/mine\nbaner: [age]\n", encoding="utf-8")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    with pytest.raises(SurveyError, match="has the settings baner, which nothing reads"):
        read_settings("mine")


def test_numbers_are_written_at_full_precision(tmp_path: Path, verdicts: pd.DataFrame) -> None:
    write_verdicts(verdicts, tmp_path / "verdicts.csv", "synthetic")
    written = pd.read_csv(tmp_path / "verdicts.csv").set_index("id")
    assert float(written["ours"]["approve_net"]) == verdicts.set_index("id").loc["approve_net", "ours"]
    assert written.loc["approval_income", "ours"] == "higher"


def own_file(folder: Path, rows: int = 900) -> Path:
    """Write a part of the respondents under numbers of their own."""
    frame = pd.read_csv(ROOT / "data" / "social_credit" / "respondents.csv", dtype=str)
    frame = frame.sample(rows, random_state=3).assign(respondent=[f"r{place}" for place in range(rows)])
    path = folder / "wave2.csv"
    frame.to_csv(path, index=False)
    return path


def real_codebook(folder: Path) -> Path:
    """Write the codebook of the study for real respondents."""
    book = Codebook.from_yaml(ROOT / "data" / "social_credit" / "codebook.yaml")
    path = folder / "codebook.yaml"
    replace(book, data_kind="real").to_yaml(path)
    return path
