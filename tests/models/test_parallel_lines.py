"""Binary slopes side by side and tests of parallel lines: references, brute force, advice, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import survey
from survey.models.parallel_lines import parallel_lines_test, parallel_slopes
from tests.brute_force import Floats, single_stage, variance_of_total
from tests.models.test_likelihood_ratio import DIFFERENCES, clustered, differences
from tests.models.test_ordinal import FORMULA, fitted, respondents
from tests.reference.test_anes2020 import respondents as electors_2020
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import NHANES_DESIGN, close, nhanes, shared_values, values

BRANT = 1e-8  # relative: the reference converges to 1e-14
TWELVE_DIGITS = 1e-10  # relative: binary coefficients printed with twelve significant digits
GLM = 5e-5  # relative: the brant package takes glm's covariance one step before its solution
SAME = 1e-9  # relative: two computations of one number


def health() -> survey.OrdinalFit:
    return survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))


def test_slopes_and_their_covariance_equal_the_reference() -> None:
    reference = values("ordinal")["svy_brant_nhanes"]["result"]
    fit = health()
    found = parallel_slopes(fit)
    p, q = 5, 3
    close(found.value.reshape(p, q).T, reference["binary_coefs"], TWELVE_DIGITS, "slopes")
    tidy = found.tidy()
    assert tidy["term"].tolist()[:4] == ["race[T.2]"] * 3 + ["race[T.3]"]
    assert tidy["level"].tolist()[:3] == list(fit.thresholds.index)
    assert (tidy["df"] == 16).all()
    assert (tidy["n"] == fit.n).all()
    entry = shared_values("ordinal_iid/ordinal_more.json")["oracles"]["svy_brant_nhanes"]["result"]["cov"]
    order = np.arange(p * q).reshape(p, q).T.ravel()
    scale = np.sqrt(np.diag(entry))
    close((found.vcov[np.ix_(order, order)] - entry) / np.outer(scale, scale) + 1, np.ones((15, 15)), 1e-9, "vcov")


def test_brant_test_equals_the_reference() -> None:
    reference = values("ordinal")["svy_brant_nhanes"]["result"]
    result = parallel_lines_test(health(), "brant")
    close(float(result.wald_chisq or 0), reference["W"], BRANT, "Wald")
    close(result.statistic, reference["F_stata_adjusted"], BRANT, "adjusted F")
    close(result.p_value, reference["p_F_stata"], BRANT, "p_value")
    sex, chol = reference["by_term"][3:]
    parts = result.tidy().set_index("term")
    for term, expected in (("sex", sex), ("HI_CHOL", chol)):
        close(parts["statistic"][term], (16 - 1) / (2 * 16) * expected["W"], BRANT, term)


def test_brant_test_without_strata_of_a_large_survey() -> None:
    reference = shared_values("anes2020/anes2020.json")["brant"]
    design = survey.Design(electors_2020(), weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    fit = survey.ordinal("TrustGovernment ~ Age + Gender", design)
    found = parallel_slopes(fit)
    close(found.value.reshape(2, 4), reference["slopes"]["values"], BRANT, "slopes")
    close(float(parallel_lines_test(fit, "brant").wald_chisq or 0), reference["wald_chisq"], BRANT, "Wald")


def students() -> survey.Design:
    """The web survey of SAS's manual, a stratified sample with population sizes."""
    counts = [
        *(
            10,
            34,
            35,
            16,
            15,
            8,
            21,
            23,
            26,
            22,
            5,
            10,
            24,
            30,
            21,
            1,
            14,
            25,
            23,
            37,
            11,
            14,
            20,
            34,
            21,
            16,
            19,
            30,
            23,
        ),
        *(12, 19, 12, 26, 18, 25, 11, 14, 24, 33, 18, 10, 18, 32, 23, 17, 8, 15, 35, 30, 12, 15, 22, 34, 9, 20, 2, 34),
        *(30, 18, 16),
    ]
    sizes = {"Freshman": 3734, "Sophomore": 3565, "Junior": 3903, "Senior": 4196}
    cells = [(rating, design, group) for group in sizes for design in "ABC" for rating in range(1, 6)]
    frame = pd.DataFrame(cells, columns=["Rating", "Design", "Class"]).loc[np.repeat(np.arange(60), counts)]
    frame = frame.reset_index(drop=True)
    frame["Rating"] = pd.Categorical(frame["Rating"], ordered=True)
    frame["Design"] = pd.Categorical(frame["Design"], ["C", "A", "B"])
    frame["N"] = frame["Class"].map(sizes)
    frame["w"] = frame["N"] / frame["Class"].map(frame["Class"].value_counts())
    return survey.Design(frame, weight="w", strata="Class", fpc="N")


def test_stratified_simple_random_sample() -> None:
    reference = values("ordinal_tests")["svy_brant_sas"]
    fit = survey.ordinal("Rating ~ Design", students())
    result = parallel_lines_test(fit, "brant")
    close(parallel_slopes(fit).value.reshape(2, 4).T, reference["binary_coefs"], TWELVE_DIGITS, "slopes")
    close(float(result.wald_chisq or 0), reference["W"], BRANT, "Wald")
    close(result.p_value, reference["p_F_stata"], BRANT, "p_value")


@pytest.mark.parametrize("data", ["ucla", "wvs"])
def test_model_based_brant_test_equals_the_package_but_for_its_overall_statistic(data: str) -> None:
    """The package copies blocks of the covariance below the diagonal without transposing them.

    Single columns do not notice; its overall statistic is 4.3429 where a symmetric covariance gives 4.3443.
    """
    reference = values("ordinal_tests")["ucla_polr_brant" if data == "ucla" else "wvs_brant"]
    expected = reference["brant_X2" if data == "ucla" else "X2"]
    fit = survey.ordinal(FORMULAS[data], survey.Design(DATA[data](), weight=None))
    found = parallel_slopes(fit, source="model")
    p, q = len(fit.slopes), len(fit.thresholds)
    order = np.arange(p * q).reshape(p, q).T.ravel()
    value, vcov = found.value[order], found.vcov[np.ix_(order, order)]
    for k in range(p):
        own = [k, k + p]
        contrast = value[own] @ [1, -1]
        variance = np.array([1, -1]) @ vcov[np.ix_(own, own)] @ [1, -1]
        close(contrast**2 / variance, expected[1 + k], GLM, str(fit.slopes.index[k]))
    d = np.hstack([np.eye(p), -np.eye(p)])
    asymmetric = vcov.copy()
    asymmetric[p:, :p] = vcov[:p, p:]
    package = d @ value @ np.linalg.solve(d @ asymmetric @ d.T, d @ value)
    close(package, expected[0], GLM, "overall as the package has it")
    result = parallel_lines_test(fit, "model-brant")
    close(result.statistic, d @ value @ np.linalg.solve(d @ vcov @ d.T, d @ value), SAME, "overall")
    assert 1e-5 < abs(result.statistic / expected[0] - 1) < 1e-3
    assert np.isnan(result.df2)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_model_based_covariance_is_that_of_each_binary_model(link: Any) -> None:
    """On the diagonal stands the inverse information, beside it what one binary model says of the other's scores."""
    fit = survey.ordinal(FORMULAS["ucla"], survey.Design(DATA["ucla"](), weight=None), link=link)
    found = parallel_slopes(fit, source="model")
    frame = DATA["ucla"]().assign(above=lambda data: pd.Categorical(data["apply"].cat.codes > 0, ordered=True))
    binary = survey.ordinal("above ~ pared + public + gpa", survey.Design(frame, weight=None), link=link)
    own = np.arange(0, 6, 2)
    close(found.value[own], binary.slopes, SAME, "slopes")
    close(found.vcov[np.ix_(own, own)], binary.model_vcov[:3, :3], SAME, "vcov")
    design = parallel_slopes(fit)
    close(np.sqrt(np.diag(found.vcov)), design.std_error, 0.2, "both estimate the same errors of 400 respondents")
    correlation = found.vcov[0, 1] / np.sqrt(found.vcov[0, 0] * found.vcov[1, 1])
    assert 0.2 < correlation < 0.9


@pytest.mark.slow
def test_joint_covariance_by_brute_force() -> None:
    frame = clustered()

    def slopes(w: Floats) -> Floats:
        design = survey.Design(frame.assign(pw=w), weight="pw", psu="dnum")
        return parallel_slopes(survey.ordinal("mealcat ~ mobility + ell", design)).value

    w = frame["pw"].to_numpy(dtype=float)
    totals = differences(slopes, w, frame["dnum"])
    expected = variance_of_total(totals, [single_stage(len(totals))])
    design = survey.Design(frame, weight="pw", psu="dnum")
    found = parallel_slopes(survey.ordinal("mealcat ~ mobility + ell", design)).vcov
    scale = np.sqrt(np.diag(expected))
    assert np.abs((found - expected) / np.outer(scale, scale)).max() < DIFFERENCES
    replicated = survey.replicate(design, kind="JK1")
    made = np.array([slopes(row) for row in replicated.replicates.weights.T])  # type: ignore[union-attr]
    spread = made - made.mean(axis=0)
    expected = (len(made) - 1) / len(made) * spread.T @ spread
    found = parallel_slopes(survey.ordinal("mealcat ~ mobility + ell", replicated)).vcov
    assert np.abs((found - expected) / np.sqrt(np.outer(np.diag(expected), np.diag(expected)))).max() < 1e-6


def test_contrasts_of_divisions_come_with_the_estimate() -> None:
    found = parallel_slopes(health())
    names = found.labels["level"].unique()
    last_less_first = found.contrast({("HI_CHOL", names[2]): 1, ("HI_CHOL", names[0]): -1}).tidy().iloc[0]
    assert last_less_first["conf_high"] < 0


def test_an_offset_is_an_offset_of_every_binary_model() -> None:
    frame = respondents().assign(known=lambda data: 0.02 * data["age"])
    design = survey.Design(frame, weight="w", psu="psu")
    one = parallel_slopes(survey.ordinal("approval ~ age", design))
    other = parallel_slopes(survey.ordinal("approval ~ age", design, offset="known"))
    close(other.value + 0.02, one.value, 1e-8, "slopes")
    close(other.std_error, one.std_error, 1e-8, "std_error")


# Tests and advice -------------------------------------------------------------------------------------------


def test_every_method_tests_the_same_terms() -> None:
    fit = fitted()
    for method in ("score", "working-score", "brant"):
        tidy = parallel_lines_test(fit, method).tidy()
        assert tidy["term"].tolist() == ["income", "urban", "age", "overall"]
        assert tidy["df1"].tolist() == [4, 2, 2, 8]
        assert tidy["p_value"].between(0, 1).all()
    plain = survey.ordinal(FORMULA, survey.Design(respondents(), weight=None))
    for method in ("model-score", "model-brant"):
        assert parallel_lines_test(plain, method).df1 == 8  # type: ignore[arg-type]


def test_note_says_what_to_do_next() -> None:
    note = parallel_lines_test(health(), "brant").note
    assert "The slopes of race, HI_CHOL differ between divisions." in note
    assert 'a slope per division (nominal="~ race + HI_CHOL")' in note
    assert "With 7846 respondents differences too small to matter are significant" in note
    none = parallel_lines_test(fitted()).note
    assert "No term has slopes that clearly differ between divisions." in none
    single = survey.ordinal("agecat ~ HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))
    assert "The slopes of HI_CHOL differ between divisions." in parallel_lines_test(single).note


def test_lines_that_differ_for_no_term_alone() -> None:
    """Two covariates that share what differs: neither alone is significant, both together are."""
    rng = np.random.default_rng(2)
    one = rng.normal(size=900)
    other = one + 0.25 * rng.normal(size=900)
    both = (one + other) / 2
    first = rng.logistic(size=900) < 0.45 * both + 0.5
    second = first & (rng.logistic(size=900) < 1.0 * both - 0.3)
    answers = pd.Categorical(first.astype(int) + second, ordered=True)
    frame = pd.DataFrame({"one": one, "other": other, "y": answers})
    result = parallel_lines_test(survey.ordinal("y ~ one + other", survey.Design(frame, weight=None)), "brant")
    assert result.p_value < 1e-6
    assert result.tidy()["p_value"].iloc[:2].min() > 0.3
    assert "The slopes differ between divisions, but for no term alone." in result.note


def test_warning_where_an_answer_is_too_rare() -> None:
    frame = respondents(300)
    codes = frame["approval"].cat.codes.to_numpy().copy()
    codes[codes == 0] = 1
    codes[np.flatnonzero(codes == 1)[:12]] = 0
    frame["approval"] = pd.Categorical.from_codes(codes, frame["approval"].cat.categories, ordered=True)
    note = parallel_lines_test(fitted(frame)).note
    assert "Only 12 respondents lie on one side of disapprove|neither, for 4 slopes" in note


def test_weights_times_a_constant_change_nothing() -> None:
    frame = respondents()
    one, other = (parallel_slopes(fitted(data)) for data in (frame, frame.assign(w=1e8 * frame["w"])))
    close(other.value, one.value, SAME, "slopes")
    close(other.std_error, one.std_error, SAME, "std_error")


def test_parallel_lines_hold_where_they_were_made() -> None:
    """The divisions of a simulated proportional-odds model have the same slopes within their errors."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=4000)
    y = np.searchsorted([-1.0, 0.0, 1.5], 0.8 * x + rng.logistic(size=4000))
    frame = pd.DataFrame({"x": x, "y": pd.Categorical(y, ordered=True)})
    found = parallel_slopes(survey.ordinal("y ~ x", survey.Design(frame, weight=None))).tidy()
    assert ((found["conf_low"] < 0.8) & (found["conf_high"] > 0.8)).all()
    assert ((found["estimate"] - 0.8).abs() < 4 * found["std_error"]).all()


def test_refusals() -> None:
    fit = fitted()
    with pytest.raises(survey.EstimationError, match="`method` must be one of score, working-score, model-score"):
        parallel_lines_test(fit, "magic")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="`source` must be one of design, model; got 'sample'"):
        parallel_slopes(fit, source="sample")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match="model-based covariance is for a simple random sample"):
        parallel_slopes(fit, source="model")
    with pytest.raises(survey.EstimationError, match="must have an outcome of three or more answers"):
        parallel_slopes(fitted(formula="urban ~ age"))
    with pytest.raises(survey.EstimationError, match="`level` must lie between 0 and 1"):
        parallel_slopes(fit, level=95)
    design = survey.Design(respondents(), weight="w", psu="psu")
    with pytest.raises(survey.EstimationError, match="`fit` must have the same slopes at every division"):
        parallel_slopes(survey.ordinal(FORMULA, design, scale="~ urban"))


def test_a_binary_model_that_separates_is_refused_and_the_score_test_is_not() -> None:
    frame = respondents()
    codes = frame["approval"].cat.codes.to_numpy().copy()
    rural = (frame["urban"] == "rural").to_numpy()
    codes[rural & (codes == 0)] = 1
    frame["approval"] = pd.Categorical.from_codes(codes, frame["approval"].cat.categories, ordered=True)
    fit = fitted(frame)
    message = r"at 'disapprove\|neither' urban\[T.urban\] separate the respondents on its two sides"
    with pytest.raises(survey.EstimationError, match=message):
        parallel_lines_test(fit, "brant")
    assert parallel_lines_test(fit, "score").df1 == 8
