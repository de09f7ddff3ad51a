"""Design-based score tests: references, the identity with Pearson's statistic, brute force, invariance, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import chdtrc, expit

import survey
from survey.inference.quadratic_forms import sum_of_chisq_sf
from survey.models.score import ScoreMethod, parallel_lines_score_test, score_test
from tests.brute_force import Floats, single_stage, variance_of_total
from tests.models.test_likelihood_ratio import clustered
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import API_DESIGNS, NHANES_DESIGN, api, close, nhanes, values

TWELVE_DIGITS = 1e-9  # relative: reference values with twelve significant digits, from fits converged to 1e-9
ANALYTIC = 1e-8  # relative: both sides converged
SAME = 1e-8  # relative: two computations of one number
DIFFERENCES = 1e-5  # relative: scores and information by central differences, step 1e-5
METHODS: tuple[ScoreMethod, ...] = ("pseudoscore", "working", "model")
PEARSON = 20.9379358972  # of the proportional-odds model of the cheese data
DEVIANCE = 20.3081922  # on the same 21 degrees of freedom


def plain(data: str) -> survey.OrdinalFit:
    return survey.ordinal(FORMULAS[data], survey.Design(DATA[data](), weight=None))


def test_score_test_of_a_saturated_alternative_is_pearsons_statistic() -> None:
    """With the expected information; the alternative frees every slope of a single factor."""
    fit = plain("cheese")
    result = parallel_lines_score_test(fit, method="model")
    close(result.statistic, PEARSON, TWELVE_DIGITS, "statistic")
    reference = values("ordinal_iid")["cheese_clm"]["result"]["score_test"]
    close([result.statistic, result.df1], [reference["stat"], reference["df"]], TWELVE_DIGITS, "reference")
    close(result.p_value, reference["p"], TWELVE_DIGITS, "p_value")
    frame = DATA["cheese"]()
    counts = pd.crosstab(frame["add"], frame["y"]).to_numpy(dtype=float)
    slopes = np.r_[0.0, fit.slopes.to_numpy()]
    cumulative = expit(fit.thresholds.to_numpy() - slopes[:, None])
    shares = np.diff(np.column_stack([np.zeros(4), cumulative, np.ones(4)]), axis=1)
    expected = counts.sum(axis=1, keepdims=True) * shares
    close(result.statistic, ((counts - expected) ** 2 / expected).sum(), SAME, "Pearson's X^2")
    deviance = 2 * np.where(counts > 0, counts * np.log(np.maximum(counts, 1) / expected), 0).sum()
    close(deviance, DEVIANCE, 1e-8, "deviance, which is another number")


@pytest.mark.parametrize("data", ["ucla", "wvs"])
def test_parallel_lines_without_a_design(data: str) -> None:
    reference = values("ordinal_tests")[f"{data}_score_test"]
    result = parallel_lines_score_test(plain(data), method="model")
    close(result.statistic, reference["stat"], TWELVE_DIGITS, "statistic")
    assert result.df1 == reference["df"]
    close(result.p_value, reference["p"], 1e-8, "p_value")


def test_pseudoscore_of_independent_respondents_is_close_to_the_model_based_test() -> None:
    """Both test the same scores; with 5,381 respondents the two covariances agree to a few per cent."""
    fit = plain("wvs")
    design, model = (parallel_lines_score_test(fit, method=method) for method in ("pseudoscore", "model"))
    terms = design.tidy()["term"].tolist()
    assert terms == ["religion", "degree", "country", "age", "gender", "overall"]
    close(float(design.wald_chisq or 0), model.statistic, 0.25, "statistic")
    working = parallel_lines_score_test(fit, method="working")
    close(working.statistic, model.statistic, SAME, "the working statistic is that of the model")


@pytest.mark.parametrize("name", ["srs", "strat", "clus1", "clus2", "JK1"])
def test_added_terms_equal_r(name: str) -> None:
    """Scores of mobility and school type, and their covariance, made in R from svytotal."""
    reference = values("diagnostics")[name]["score"]
    frame = api("clus1" if name == "JK1" else name).rename(columns={"sch.wide": "reached"})
    design = survey.Design(frame, **API_DESIGNS["clus1" if name == "JK1" else name])
    if name == "JK1":
        design = survey.replicate(design, kind="JK1")
    fit = survey.ordinal("reached ~ ell + meals", design)
    result = score_test(fit, design, "mobility + stype")
    close(float(result.wald_chisq or 0), reference["pseudoscore"], ANALYTIC, "pseudoscore")
    d = reference["degf"]
    close(
        [result.df1, result.df2, result.statistic], [3, d - 2, (d - 2) / (3 * d) * reference["pseudoscore"]], 1e-8, "F"
    )
    parts = result.tidy().set_index("term")
    close(parts["statistic"]["stype"], (d - 1) / (2 * d) * reference["stype"], ANALYTIC, "school type alone")
    working = score_test(fit, design, "mobility + stype", method="working")
    close(working.statistic, reference["working"], ANALYTIC, "working statistic")
    expected = sum_of_chisq_sf(reference["working"], reference["lambda"], d, method="saddlepoint")
    close(working.p_value, expected, 1e-6, "working p_value")


def slopes_by_division(frame: pd.DataFrame, columns: Floats, params: Floats) -> Floats:
    """(n,) log-likelihoods with q thresholds and a slope per column and division, row by row."""
    y = frame["mealcat"].cat.codes.to_numpy()
    q = frame["mealcat"].cat.categories.size - 1
    thresholds, slopes = params[:q], params[q:].reshape(q, -1)
    cumulative = np.column_stack([np.zeros(len(y)), expit(thresholds - columns @ slopes.T), np.ones(len(y))])
    rows = np.arange(len(y))
    logs: Floats = np.log(cumulative[rows, y + 1] - cumulative[rows, y])
    return logs


def test_parallel_lines_pseudoscore_by_brute_force() -> None:
    """Scores and information by differences of the likelihood that has a slope per division; PSU totals in loops."""
    frame = clustered()
    fit = survey.ordinal("mealcat ~ mobility + ell", survey.Design(frame, weight="pw", psu="dnum"))
    columns = frame[["mobility", "ell"]].to_numpy(dtype=float)
    p, q = 2, 3
    at = np.concatenate([fit.thresholds, np.tile(fit.slopes, q)])
    k = at.size

    def scores(params: Floats) -> Floats:
        """(n, k) scores by central differences."""
        made = []
        for i in range(k):
            step = 1e-5 * np.eye(k)[i]
            made.append(
                (slopes_by_division(frame, columns, params + step) - slopes_by_division(frame, columns, params - step))
                / 2e-5
            )
        return np.column_stack(made)

    w = frame["pw"].to_numpy(dtype=float)
    each = scores(at)
    information = np.array([-(w @ scores(at + 1e-5 * e) - w @ scores(at - 1e-5 * e)) / 2e-5 for e in np.eye(k)])
    null = np.zeros((k, q + p))  # thresholds and one slope per column, repeated over the divisions
    null[:q, :q] = np.eye(q)
    null[q:, q:] = np.tile(np.eye(p), (q, 1))
    free = np.zeros((k, p * (q - 1)))  # what the slopes of the later divisions exceed those of the first by
    free[q + p :, :] = np.eye(p * (q - 1))
    regressed = free.T @ information @ null @ np.linalg.inv(null.T @ information @ null)
    cleared = each @ free - each @ null @ regressed.T
    covariance = variance_of_total(w[:, None] * cleared, [single_stage(len(w), psu=frame["dnum"])])
    total = w @ cleared
    result = parallel_lines_score_test(fit)
    close(float(result.wald_chisq or 0), total @ np.linalg.solve(covariance, total), DIFFERENCES * 100, "Wald")
    parts = result.tidy().set_index("term")
    for i, term in enumerate(["mobility", "ell"]):
        own = [i, i + p]
        statistic = total[own] @ np.linalg.solve(covariance[np.ix_(own, own)], total[own])
        d = fit.df
        close(parts["statistic"][term], (d - 1) / (2 * d) * statistic, DIFFERENCES * 100, term)


@pytest.mark.parametrize("method", METHODS[:2])
def test_units_weights_and_order_change_nothing(method: ScoreMethod) -> None:
    frame = respondents()

    def tested(data: pd.DataFrame) -> Floats:
        design = survey.Design(data, weight="w", psu="psu")
        lines = parallel_lines_score_test(survey.ordinal(FORMULA, design), method=method)
        added = score_test(survey.ordinal("approval ~ age", design), design, "income + urban", method=method)
        return np.array([lines.statistic, lines.p_value, added.statistic, added.p_value])

    close(tested(frame.assign(w=1e8 * frame["w"])), tested(frame), SAME, "weights")
    close(tested(frame.assign(age=1e6 * frame["age"] + 1e8)), tested(frame), 1e-6, "age")
    close(tested(frame.sample(frac=1.0, random_state=1)), tested(frame), SAME, "order of the rows")


def test_the_score_test_of_a_term_is_close_to_its_other_tests() -> None:
    design = survey.Design(respondents(), weight="w", psu="psu")
    smaller, larger = survey.ordinal("approval ~ age + urban", design), survey.ordinal(FORMULA, design)
    score, wald = score_test(smaller, design, "income"), larger.term_test("income")
    close(score.statistic, wald.statistic, 0.15, "F")
    assert (score.df1, score.df2) == (wald.df1, wald.df2)
    assert score.parts is None
    plain_design = survey.Design(respondents(), weight=None)
    smaller, larger = survey.ordinal("approval ~ age + urban", plain_design), survey.ordinal(FORMULA, plain_design)
    model = score_test(smaller, plain_design, "income", method="model")
    ratio = survey.likelihood_ratio_test(smaller, larger, method="model")
    close(model.statistic, ratio.statistic, 0.05, "chi-square")
    close(model.p_value, chdtrc(2, model.statistic), SAME, "p_value")


def test_offset_of_the_model_is_kept() -> None:
    frame = respondents().assign(known=lambda data: 0.02 * data["age"])
    design = survey.Design(frame, weight="w", psu="psu")
    fit = survey.ordinal("approval ~ urban", design, offset="known")
    result = score_test(fit, design, "age")
    larger = survey.ordinal("approval ~ urban + age", design, offset="known")
    close(result.p_value, larger.term_test("age").p_value, 0.2, "p_value")
    without = score_test(survey.ordinal("approval ~ urban", design), design, "age")
    assert without.statistic > 5 * result.statistic  # the offset had done most of it


def test_redundant_columns_are_left_out_and_named() -> None:
    design = survey.Design(respondents().assign(half=lambda data: data["age"] / 2), weight="w", psu="psu")
    fit = survey.ordinal("approval ~ age", design)
    result = score_test(fit, design, "half + income")
    assert result.df1 == 2
    assert "Left out, as they follow from other columns: half." in result.note
    with pytest.raises(survey.EstimationError, match="`added` must add to the model; the columns of 'half' follow"):
        score_test(fit, design, "half")


def test_too_few_psus_leave_the_working_test() -> None:
    frame = respondents()
    frame["psu"] = frame["psu"] % 6
    fit = fitted(frame)
    result = parallel_lines_score_test(fit)
    assert np.isnan(result.p_value)
    assert "the design has 5" in result.note
    assert result.tidy()["p_value"].notna().tolist() == [True, True, True, False]
    working = parallel_lines_score_test(fit, method="working")
    assert 0 < working.p_value < 1
    assert "design df 5" in working.note


def test_answers_that_nobody_gives_with_a_level_leave_no_pseudoscore() -> None:
    """The empirical covariance of the cheese data's scores is singular; the model's is not."""
    result = parallel_lines_score_test(plain("cheese"))
    assert np.isnan(result.p_value)
    assert "The 21 scores have a singular covariance" in result.note


def test_refusals() -> None:
    design = survey.Design(respondents(), weight="w", psu="psu")
    fit = fitted()
    with pytest.raises(survey.EstimationError, match="`method` must be one of pseudoscore, working, model"):
        parallel_lines_score_test(fit, method="lr")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match='`method`="model" is for a simple random sample'):
        score_test(fit, design, "psu", method="model")
    with pytest.raises(survey.EstimationError, match="must have an outcome of three or more answers"):
        parallel_lines_score_test(fitted(formula="urban ~ age"))
    nominal = survey.ordinal(FORMULA, design, nominal="~ urban")
    with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
        parallel_lines_score_test(nominal)
    with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
        score_test(nominal, design, "psu")
    frame = respondents()
    frame.loc[:9, "age"] = np.nan
    some = survey.Design(frame, weight="w", psu="psu")
    with pytest.raises(survey.EstimationError, match="`added` must be known for the respondents of `fit`; with 'age'"):
        score_test(survey.ordinal("approval ~ income", some), some, "age")
    with pytest.raises(survey.EstimationError, match="values are missing: 'age' in 10"):
        score_test(survey.ordinal("approval ~ income", some), some, "age", missing="fail")


def test_design_with_strata() -> None:
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    fit = survey.ordinal("agecat ~ race + sex + HI_CHOL", design)
    result = parallel_lines_score_test(fit)
    brant = fit.parallel_lines_test(method="brant")
    assert (result.df1, result.df2) == (brant.df1, brant.df2) == (10, 7)
    assert result.p_value < 0.01
    assert brant.p_value < 0.01


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("party", r"`added` must use columns of the data; \['party'\]"),
        ("age +* income", '`added` must be written as "~ age \\+ income"'),
        ("0 + age", "`added` must have a term and keep its constant"),
    ],
)
def test_added_terms_that_cannot_be_read_are_called_added(added: str, message: str) -> None:
    design = survey.Design(respondents(), weight="w")
    with pytest.raises(survey.EstimationError, match=message):
        score_test(survey.ordinal("approval ~ income", design), design, added)
