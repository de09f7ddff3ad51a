"""Pooling over imputations: published examples, R's mitools, statsmodels and brute force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike
from scipy import stats

import survey
from survey.errors import EstimationError
from survey.estimation.estimate import Estimate
from survey.imputation.moment_tests import moment_test_df
from survey.imputation.pooled_estimate import PooledEstimate
from survey.imputation.pooling import pool
from survey.imputation.rubin import barnard_rubin, rubin_df
from survey.models.ordinal import OrdinalFit
from survey.tables import to_gt
from survey.tidy import RESULT_COLUMNS
from tests.models.test_ordinal import respondents
from tests.reference_data import COEFFICIENT, REFERENCE, api, read_csv, values

EXACT = 1e-12  # relative: the same sums in another order
QUOTIENT = 1e-5  # relative: squares and quotients of variances that agree to 1e-6
MATRIX = 1e-9  # relative: a matrix inverted in two ways
SAS_VARIANCES = {  # PROC MIANALYZE, example "Using a TEST statement": between, within, df, increase, fraction missing
    "TestPrm1": (45.529229, 76.543614, 9.1917, 0.713777, 0.461277),
    "TestPrm2": (0.014715, 0.114324, 20.598, 0.154459, 0.141444),
}
SAS_IMPUTATIONS, SAS_COMPLETE_DF = 5, 28
SAS_DIGITS = 5e-5  # relative: the between variance .014715 has five digits


# Data -------------------------------------------------------------------------------------------------------


def estimate(value: ArrayLike, vcov: ArrayLike, df: float) -> Estimate:
    k = np.size(value)
    filled = np.zeros(k)
    return Estimate(
        labels=pd.DataFrame({"term": [f"x{i}" for i in range(k)], "level": ""}),
        value=np.array(value, dtype=np.float64),
        vcov=np.array(vcov, dtype=np.float64),
        df=np.full(k, df),
        n=np.full(k, 100.0),
        deff=filled,
        conf_low=filled,
        conf_high=filled,
        level=0.95,
        whole_df=df,
        whole_n=100.0,
    )


def drawn(k: int, m: int, df: float, between: float = 0.3, seed: int = 1) -> list[Estimate]:
    """Make m sets of k estimates whose covariances are about 1 within and `between` between imputations."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(m):
        root = np.eye(k) + 0.1 * rng.normal(size=(k, k))
        made.append(estimate(1 + np.sqrt(between) * rng.normal(size=k), root @ root.T, df))
    return made


def imputations(m: int = 4, seed: int = 3) -> list[pd.DataFrame]:
    frame = respondents(400)
    hidden = np.random.default_rng(9).random(len(frame)) < 0.25
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(m):
        income = frame["income"].copy()
        income[hidden] = rng.choice(["low", "middle", "high"], hidden.sum())
        made.append(frame.assign(income=income))
    return made


def designs(frames: Sequence[pd.DataFrame] | None = None) -> list[survey.Design]:
    return [survey.Design(frame, weight="w", psu="psu") for frame in frames or imputations()]


@cache
def fits(formula: str = "approval ~ income + urban + age", **options: Any) -> list[OrdinalFit]:
    return [survey.ordinal(formula, design, **options) for design in designs()]


def completed() -> list[survey.Design]:
    """The imputed data sets of `reference/pooling.R`."""
    frame, columns = api("clus1"), read_csv(REFERENCE / "pooling.csv")
    assert (frame["snum"] == columns["snum"]).all()
    return [
        survey.Design(
            frame.assign(
                score=columns[f"api00_{i}"] / 100,
                prize=pd.Categorical(columns[f"awards_{i}"], ["No", "Yes"], ordered=True),
            ),
            weight="pw",
            psu="dnum",
            fpc="fpc",
        )
        for i in range(1, 6)
    ]


# Rubin's rules ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SAS_VARIANCES))
def test_the_published_example_of_sas(name: str) -> None:
    between, within, df, increase, fraction = SAS_VARIANCES[name]
    spread = np.array([-2.0, -1, 0, 1, 2]) * np.sqrt(between / 2.5)  # five values with this variance
    pooled = pool([estimate([10 + x], [[within]], SAS_COMPLETE_DF) for x in spread])
    assert pooled.imputations == SAS_IMPUTATIONS
    np.testing.assert_allclose(pooled.vcov[0, 0], within + 1.2 * between, rtol=EXACT)
    np.testing.assert_allclose(pooled.df[0], df, rtol=SAS_DIGITS)
    np.testing.assert_allclose(pooled.relative_increase[0], increase, rtol=SAS_DIGITS)
    np.testing.assert_allclose(pooled.fraction_missing[0], fraction, rtol=SAS_DIGITS)


def test_brute_force() -> None:
    made = fits()
    pooled, m, k = pool(made), len(made), len(made[0].params)
    for i in range(k):
        values_i = [float(fit.params.iloc[i]) for fit in made]
        mean = sum(values_i) / m
        for j in range(k):
            values_j = [float(fit.params.iloc[j]) for fit in made]
            other = sum(values_j) / m
            within = sum(float(fit.vcov[i, j]) for fit in made) / m
            between = sum((a - mean) * (b - other) for a, b in zip(values_i, values_j, strict=True)) / (m - 1)
            np.testing.assert_allclose(pooled.vcov[i, j], within + (1 + 1 / m) * between, rtol=EXACT, atol=1e-15)
            if i == j:
                total = within + (1 + 1 / m) * between
                share, d = (1 + 1 / m) * between / total, made[0].df
                large = (m - 1) / share**2
                observed = (d + 1) / (d + 3) * d * (1 - share)
                np.testing.assert_allclose(pooled.df.iloc[i], large * observed / (large + observed), rtol=MATRIX)
        np.testing.assert_allclose(pooled.params.iloc[i], mean, rtol=EXACT)
    t = pooled.params / pooled.bse
    np.testing.assert_allclose(pooled.pvalues, 2 * stats.t.sf(np.abs(t), pooled.df), rtol=MATRIX)
    np.testing.assert_allclose(
        pooled.conf_int(0.1)[1], pooled.params + stats.t.ppf(0.95, pooled.df) * pooled.bse, rtol=MATRIX
    )
    pd.testing.assert_frame_equal(pooled.cov_params(), pd.DataFrame(pooled.vcov, t.index, t.index))
    with pytest.raises(survey.EstimationError, match=r"`alpha` must lie between 0 and 1, as 0.05 does; got 2\."):
        pooled.conf_int(2)


@pytest.mark.parametrize("name", ["mean", "mean_by", "logit"])
def test_mitools(name: str) -> None:
    reference = values("pooling")[name]
    pooled: PooledEstimate
    if name == "logit":
        fit = pool([survey.ordinal("prize ~ score + stype", design) for design in completed()])
        pooled = fit.estimate
        order = [3, 0, 1, 2]  # R's intercept is minus the threshold
        sign = np.array([-1.0, 1, 1, 1])
    else:
        x, by = (["score", "prize"], None) if name == "mean" else (["score"], "stype")
        pooled = pool([survey.mean(design, x, by=by) for design in completed()])
        order, sign = [0, 1, 2], np.ones(3)
    d = reference["complete_df"]
    value, vcov = sign * pooled.value[order], np.outer(sign, sign) * pooled.vcov[np.ix_(order, order)]
    error = np.sqrt(np.diag(vcov))
    np.testing.assert_allclose((value - list(reference["est"].values())) / error, 0, atol=COEFFICIENT)
    np.testing.assert_allclose(vcov / np.outer(error, error), reference["vcov"] / np.outer(error, error), atol=2e-6)
    share = 1.2 * np.diag(pooled.between)[order] / np.diag(vcov)
    np.testing.assert_allclose(rubin_df(share, 5), reference["df_large"], rtol=QUOTIENT)
    np.testing.assert_allclose(pooled.fraction_missing[order], reference["missinfo_large"], rtol=QUOTIENT)
    # mitools divides by within + between, where Barnard and Rubin have within + (1 + 1/m) between
    within, between = np.diag(pooled.within)[order], np.diag(pooled.between)[order]
    theirs = 1 / (1 / rubin_df(share, 5) + 1 / ((d + 1) / (d + 3) * d * within / (within + between)))
    np.testing.assert_allclose(theirs, reference["df"], rtol=QUOTIENT)
    ours = barnard_rubin(share, 5, np.full(len(order), float(d)))
    assert (ours < np.array(reference["df"])).all()
    assert (ours > 0.95 * np.array(reference["df"])).all()


def test_statsmodels_pools_to_the_same_covariance() -> None:
    from statsmodels.imputation.mice import MICE

    made = fits()

    class Inner:
        def __init__(self, fit: OrdinalFit) -> None:
            self.params, self.cov_params = fit.params.to_numpy(), lambda: fit.vcov

    class Outer:
        def __init__(self, fit: OrdinalFit) -> None:
            self._results, self.scale = Inner(fit), 1.0

    mice = MICE.__new__(MICE)  # its way of pooling alone
    mice.results_list, mice.model_class = [Outer(fit) for fit in made], None
    mice.exog_names = mice.endog_names = None
    theirs, ours = mice.combine(), pool(made)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=EXACT)
    np.testing.assert_allclose(ours.vcov, theirs.cov_params(), rtol=1e-9, atol=1e-14)
    increase = ours.estimate.relative_increase  # what statsmodels calls missing information lacks the correction for m
    np.testing.assert_allclose(increase / (1 + increase), theirs.frac_miss_info, rtol=1e-9)


def test_imputations_that_agree_cost_nothing_but_a_little_of_the_df() -> None:
    fit = fits()[0]
    pooled = pool([fit, fit, fit])
    np.testing.assert_allclose(pooled.params, fit.params, rtol=EXACT)
    np.testing.assert_allclose(pooled.vcov, fit.vcov, rtol=EXACT)
    d = fit.df
    np.testing.assert_allclose(pooled.df, d * (d + 1) / (d + 3), rtol=EXACT)  # Barnard and Rubin's, also of R mice
    np.testing.assert_allclose(pooled.fraction_missing, 0, atol=EXACT)
    one, many = fit.term_test("income"), pooled.term_test("income")
    assert [many.statistic, many.wald_chisq] == pytest.approx([one.statistic, one.wald_chisq], rel=MATRIX)
    left = d - 1
    assert many.df2 == pytest.approx(left * (left + 1) / (left + 3))


def test_the_order_of_imputations_and_the_unit_do_not_matter() -> None:
    made = drawn(3, 4, 20)
    one, other = pool(made), pool(made[::-1])
    np.testing.assert_allclose(other.vcov, one.vcov, rtol=EXACT)
    np.testing.assert_allclose(other.df, one.df, rtol=EXACT)
    larger = [replace(e, value=e.value * 1e6, vcov=e.vcov * 1e12) for e in made]
    np.testing.assert_allclose(pool(larger).df, one.df, rtol=EXACT)
    np.testing.assert_allclose(pool(larger).test().p_value, one.test().p_value, rtol=MATRIX)


def test_the_pool_of_contrasts_is_the_contrast_of_the_pool() -> None:
    made = [survey.mean(design, "age", by="income") for design in designs()]
    weights: dict[object, float] = {"high": 1, "low": -1}
    difference, pooled = pool([one.contrast(weights, df="design") for one in made]), pool(made)
    row = np.array([-1.0, 0, 1])
    np.testing.assert_allclose(difference.vcov[0, 0], row @ pooled.vcov @ row, rtol=MATRIX)
    together = pooled.test([row])
    np.testing.assert_allclose(together.statistic, (difference.value / difference.std_error)[0] ** 2, rtol=MATRIX)
    np.testing.assert_allclose(together.df2, difference.df[0], rtol=MATRIX)


def test_a_total_that_nothing_moves_has_no_missing_information() -> None:
    pooled = pool([estimate([5.0], [[0.0]], 10)] * 2)
    assert pooled.std_error[0] == 0
    assert pooled.fraction_missing[0] == 0
    assert pooled.tidy()["conf_low"][0] == 5
    assert np.isnan(pool([estimate([np.nan], [[np.nan]], 10)] * 2).fraction_missing[0])


# Tests of several parameters --------------------------------------------------------------------------------


def li_raghunathan_rubin(made: Sequence[Estimate]) -> tuple[float, float]:
    """D1 and its denominator degrees of freedom for a large sample, as the paper has them."""
    m, k = len(made), made[0].value.size
    q = np.mean([one.value for one in made], axis=0)
    within, between = np.mean([one.vcov for one in made], axis=0), np.cov(np.array([one.value for one in made]).T)
    r = (1 + 1 / m) * np.trace(between @ np.linalg.inv(within)) / k
    d1 = q @ np.linalg.inv((1 + r) * within) @ q / k
    t = k * (m - 1)
    if t > 4:
        return d1, 4 + (t - 4) * (1 + (1 - 2 / t) / r) ** 2
    return d1, t * (1 + 1 / k) * (1 + 1 / r) ** 2 / 2


@pytest.mark.parametrize(("k", "m"), [(2, 2), (2, 3), (3, 5), (5, 20)])
def test_the_test_of_li_raghunathan_and_rubin(k: int, m: int) -> None:
    made = drawn(k, m, np.inf)
    found, (d1, df2) = pool(made).test(), li_raghunathan_rubin(made)
    np.testing.assert_allclose([found.statistic, found.df1, found.df2], [d1, k, df2], rtol=MATRIX)
    np.testing.assert_allclose(found.p_value, stats.f.sf(d1, k, df2), rtol=MATRIX)
    assert found.wald_chisq == pytest.approx(k * d1, rel=MATRIX)


@pytest.mark.parametrize(("increase", "k", "m", "d"), [(0.1, 3, 5, 40), (0.6, 2, 20, 100), (1.0, 5, 5, 30)])
def test_the_degrees_of_freedom_of_reiter(increase: float, k: int, m: int, d: int) -> None:
    # Reiter (2007), eq. 1 and 2, term by term
    t, known = k * (m - 1), d * (d + 1) / (d + 3)
    a = increase * t / (t - 2)
    c1, c2 = known - 2 * (1 + a), known - 4 * (1 + a)
    z = 1 / c2
    z += a**2 * c1 / ((t - 4) * (1 + a) ** 2 * c2)
    z += 8 * a**2 * c1 / ((t - 4) * (1 + a) * c2**2)
    z += 4 * a**2 / ((t - 4) * (1 + a) * c2)
    z += 4 * a**2 / ((t - 4) * c2 * c1)
    z += 16 * a**2 * c1 / ((t - 4) * c2**3)
    z += 8 * a**2 / ((t - 4) * c2**2)
    df, source = moment_test_df(increase, k, m, d)
    np.testing.assert_allclose(df, 4 + 1 / z, rtol=MATRIX)
    assert source == "Reiter (2007)"
    large, _ = moment_test_df(increase, k, m, np.inf)
    near, _ = moment_test_df(increase, k, m, 1e12)
    np.testing.assert_allclose(near, large, rtol=1e-6)


def test_degrees_of_freedom_too_few_for_reiter() -> None:
    df, source = moment_test_df(1.0, 3, 5, 6)
    assert "Barnard and Rubin" in source
    large = 4 + 8 * (1 + (1 - 2 / 12)) ** 2
    assert df == pytest.approx(1 / (1 / large + 2 / (6 * 7 / 9)))
    assert moment_test_df(0.0, 3, 5, 6) == (6 * 7 / 9, "complete data")
    assert "Barnard and Rubin" in moment_test_df(0.5, 2, 3, 1000)[1]  # k (m - 1) is 4


def test_few_degrees_of_freedom_scale_the_test() -> None:
    made = drawn(3, 5, 14)
    found, (d1, _) = pool(made).test(), li_raghunathan_rubin(made)
    np.testing.assert_allclose(found.statistic, 12 / 14 * d1, rtol=MATRIX)
    assert found.df2 < 12 * 13 / 15
    assert "from 12. Design df 14." in found.note
    lost = pool(drawn(3, 5, 2)).test()
    assert np.isnan(lost.p_value)
    assert "3 hypotheses need more than 2 degrees of freedom; the design has 2." in lost.note


def test_a_term_of_one_slope_has_the_p_value_of_its_t() -> None:
    pooled = pool(fits())
    found = pooled.term_test("age")
    np.testing.assert_allclose(found.statistic, pooled.tvalues["age"] ** 2, rtol=MATRIX)
    np.testing.assert_allclose(found.p_value, pooled.pvalues["age"], rtol=MATRIX)
    assert found.df2 == pytest.approx(pooled.df["age"])


def test_terms_of_every_part() -> None:
    pooled = pool(fits("approval ~ income + age", nominal="~ age", scale="~ urban"))
    assert pooled.term_test("age").df1 == 3
    assert pooled.term_test("urban", part="scale").df1 == 1
    assert list(pooled.tidy()["kind"].unique()) == ["slope", "threshold", "nominal", "scale"]
    with pytest.raises(EstimationError, match="`term` must be a term of the formula; 'gender'"):
        pooled.term_test("gender")
    with pytest.raises(EstimationError, match="`part` must be one of location, scale"):
        pooled.term_test("age", part="nominal")  # type: ignore[arg-type]
    with pytest.raises(EstimationError, match="`exponentiate` gives odds ratios, which only a model with the logit"):
        pooled.tidy(exponentiate=True)
    fixed = replace(pooled, estimate=replace(pooled.estimate, within=np.zeros_like(pooled.estimate.within)))
    with pytest.raises(EstimationError, match="`term` must involve estimates that vary; 3 of 3 have a standard error"):
        fixed.term_test("age")


# Kinds of results -------------------------------------------------------------------------------------------


def test_a_pooled_fit_has_the_frame_of_a_fit() -> None:
    made = fits()
    pooled = pool(made)
    frame = pooled.tidy()
    assert list(frame.columns) == [*made[0].tidy().columns, "fraction_missing"]
    assert list(frame["term"]) == list(made[0].tidy()["term"])
    assert pooled.n == 400
    ratios = pooled.tidy(exponentiate=True)
    assert list(ratios["kind"].unique()) == ["odds ratio"]
    np.testing.assert_allclose(ratios["estimate"], np.exp(pooled.params.iloc[: len(ratios)]), rtol=EXACT)
    assert "Pooled over 4 imputations by Rubin's rules" in pooled.note
    assert survey.figures.coefficients(frame) is not None


def test_average_effects_are_pooled_and_still_add_to_zero() -> None:
    pooled = pool(
        [
            survey.average_effects(fit, "income", nets={"any approval": ["approve", "strongly approve"]})
            for fit in fits()
        ]
    )
    frame = pooled.tidy()
    assert list(frame.columns[:3]) == ["contrast", "term", "level"]
    sums = frame[frame["level"].isin(fits()[0].levels)].groupby("contrast")["estimate"].sum()
    np.testing.assert_allclose(sums, 0, atol=1e-12)
    assert pooled.fraction_missing.min() > 0


def test_proportions_take_an_interval_within_0_and_1() -> None:
    made = [survey.proportion(design, "income") for design in designs()]
    plain, logit = pool(made), pool(made, interval="logit", level=0.9)
    assert plain.level == 0.95
    ends = stats.t.ppf(0.95, logit.df) * logit.std_error / (logit.value * (1 - logit.value))
    np.testing.assert_allclose(
        np.log(logit.conf_low / (1 - logit.conf_low)), np.log(logit.value / (1 - logit.value)) - ends, rtol=1e-9
    )


def test_tables_keep_their_layout() -> None:
    tables = [survey.crosstab(design, "approval", "income", total=True) for design in designs()]
    pooled = pool(tables)
    frame = pooled.tidy()
    own = list(tables[0].tidy().columns)
    assert [name for name in own if name not in frame.columns] == ["deff"]
    np.testing.assert_allclose(frame["estimate"], np.mean([t.tidy()["estimate"] for t in tables], axis=0), rtol=EXACT)
    bases = np.mean([t.tidy()["column_base"] for t in tables], axis=0)
    np.testing.assert_allclose(frame["column_base"], bases, rtol=EXACT)
    np.testing.assert_allclose(frame.groupby("income", observed=True)["estimate"].sum(), 1, rtol=EXACT)
    assert set(frame["letters"]) == {""}
    everybody = frame[frame["income"] == "Total"]
    np.testing.assert_allclose(everybody["fraction_missing"], 0, atol=EXACT)  # approval was not imputed
    assert (frame["fraction_missing"][frame["income"] != "Total"] > 1e-3).all()
    assert "Total" in to_gt(frame).as_raw_html()
    topline = pool([survey.topline(design, "income") for design in designs()])
    assert topline.interval == "korn-graubard"
    assert "low" in to_gt(topline.tidy()).as_raw_html()


def test_every_column_is_in_the_glossary() -> None:
    made = designs()
    for pooled in (
        pool([survey.mean(design, "age", by="urban") for design in made]).tidy(),
        pool([survey.crosstab(design, "approval", "urban") for design in made]).tidy(),
        pool(fits()).tidy(),
    ):
        own = list(pooled.columns)
        known = own[own.index("term") :]
        assert [name for name in known if name not in RESULT_COLUMNS] == []


def test_splines_need_the_same_knots() -> None:
    same = pool(fits("approval ~ income + bs(age, df=4)"))  # age was not imputed: one basis
    assert len(same.params) == 9
    rng = np.random.default_rng(5)
    frames = [frame.assign(age=frame["age"] + rng.integers(0, 5, len(frame))) for frame in imputations()]
    moved = [survey.ordinal("approval ~ center(age)", design) for design in designs(frames)]
    with pytest.raises(EstimationError, match="learned from the data and differ in number 2"):
        pool(moved)


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (lambda: fits()[:1], "two or more results of one kind, one for each imputation.*got 1 of them"),
        (lambda: [], "two or more results of one kind.*got 0 of them"),
        (lambda: fits()[0], "two or more results of one kind.*got 1 of them"),
        (lambda: [fits()[0], drawn(1, 2, 5)[0]], "got Estimate, OrdinalFit"),
        (lambda: [1.0, 2.0], "must be fits of `ordinal`, estimates or tables; got float"),
        (lambda: [drawn(1, 2, 5)[0], drawn(2, 2, 5)[0]], "same rows; of the first and number 2, x1 is not in both"),
        (
            lambda: [survey.mean(designs()[0], "age"), survey.mean(designs()[1], "age", by="urban")],
            "same labels; the first has the columns term, level, number 2 urban, term, level",
        ),
        (lambda: [fits()[0], fits("approval ~ income")[1]], "fits of one model; the first has formula 'approval ~ inc"),
        (lambda: [fits()[0], fits(link="probit")[1]], "fits of one model; the first has link 'logit', number 2 'prob"),
        (
            lambda: [fits()[0], fits(nominal="~ age")[1]],
            "same rows; of the first and number 2, age is not in both",
        ),
        (
            lambda: [
                survey.crosstab(designs()[0], "approval", "income", share="row"),
                survey.crosstab(designs()[1], "approval", "income"),
            ],
            "add up over the same side; got share = column, row",
        ),
    ],
)
def test_results_that_cannot_be_pooled(results: Any, message: str) -> None:
    with pytest.raises(EstimationError, match=message):
        pool(results())


def test_results_in_another_order() -> None:
    one = drawn(2, 2, 5)
    turned = replace(one[1], labels=one[1].labels.iloc[::-1].reset_index(drop=True))
    with pytest.raises(EstimationError, match="their order differs"):
        pool([one[0], turned])


def test_an_offset_belongs_to_the_model() -> None:
    plain, moved = fits()[0], survey.ordinal("approval ~ income + urban + age", designs()[1], offset="w")
    with pytest.raises(EstimationError, match="the first has offset None, number 2 'w'"):
        pool([plain, moved])


def test_a_protected_table_is_refused() -> None:
    tables = [survey.protect(survey.crosstab(design, "approval", "income")) for design in designs()]
    with pytest.raises(survey.DisclosureError, match="one is protected"):
        pool(tables)


def test_a_hypothesis_of_the_wrong_width() -> None:
    with pytest.raises(EstimationError, match="`hypothesis` must have one column per estimate; got 3 columns for 2"):
        pool(drawn(2, 3, 10)).test([[1, 0, 0]])
    with pytest.raises(EstimationError, match="`level` must lie between 0 and 1"):
        pool(drawn(2, 3, 10), level=95)


def test_results_may_come_from_a_generator() -> None:
    design = survey.Design(respondents(), weight="w")
    several: Any = (survey.mean(design, "age") for _ in range(3))
    made = pool(several)
    assert made.imputations == 3
