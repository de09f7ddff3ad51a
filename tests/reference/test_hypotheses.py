"""T, rank and goodness-of-fit tests, and all six tests of independence, equal R's `survey`.

Some things that R does are not followed, and these tests show that nothing else differs: it takes one degree of
freedom too many from the mean of one sample; its ranks of tied respondents with unequal weights depend on the
order of the rows; its exact and saddlepoint tests of independence round the denominator degrees of freedom down
in one place and not in the other, and with replicate weights take them for infinite; its test of given shares
mixes the shares up unless the levels are in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import t as student_t

import survey
from survey.design import collapse
from survey.estimation.variance import linearization
from survey.inference.goodness_of_fit import count_form
from survey.inference.independence import TestMethod, generalized_effects, pearson, two_way
from survey.inference.quadratic_forms import TailMethod, sum_of_chisq_sf
from survey.inference.rank_tests import RankMethod, compare_scores, rank_scores
from tests.reference.test_anes2020 import respondents as anes
from tests.reference.test_onlinepolls import POLLS, cces18, nonvoters
from tests.reference_data import (
    API_DESIGNS,
    DEGREES_OF_FREEDOM,
    ESTIMATE,
    INTERVAL,
    NHANES_DESIGN,
    P_VALUE,
    RAO_SCOTT,
    STANDARD_ERROR,
    STATISTIC,
    WALD,
    api,
    close,
    close_within,
    factor,
    nhanes,
    ordered,
    read_csv,
    same_test,
    shared,
    shared_values,
    values,
)

TESTS: Mapping[str, Any] = {**RAO_SCOTT, **WALD}
TAILS: Mapping[TestMethod, TailMethod] = {"rao-scott-exact": "exact", "rao-scott-saddlepoint": "saddlepoint"}
SVYRANKTEST: Mapping[str, RankMethod] = {
    "wilcoxon": "wilcoxon",
    "KruskalWallis": "kruskal-wallis",
    "vanderWaerden": "van-der-waerden",
    "median": "median",
}
DAVIES = 1e-7  # absolute: the accuracy that R asks of Davies' method for statistic = "lincom"
FAREBROTHER = 1e-10  # absolute: the same of Farebrother's method, which R takes where there are replicate weights
# R solves the saddlepoint equation to 1e-8 of a number that is not small, and p goes with its exponential
SADDLEPOINT = 5e-6  # relative, at p = 1e-111; 1e-6 where p is not as small
API_TABLES = {
    "sch.wide_stype": ("sch.wide", "stype"),
    "sch.wide_comp.imp": ("sch.wide", "comp.imp"),
    "stype_awards": ("stype", "awards"),
}
ANES_TABLES = {
    "tg_tp": ("TrustGovernment", "TrustPeople"),
    "age_vote": ("AgeGroup", "VotedPres2020_selection"),
    "edu_tg": ("Education", "TrustGovernment"),
    "gender_tg": ("Gender", "TrustGovernment"),
}
REPLICATES = {  # entry -> sample, column of the full-sample weights (None: those of the design)
    "clus1_JK1": ("clus1", None),
    "clus1_JK1_mse": ("clus1", None),
    "clus1_nofpc_JK1": ("clus1", None),
    "strat_JKn": ("strat", None),
    "strat_JKn_mse": ("strat", None),
    "clus2_JK1": ("clus2", None),
    "clus1_bootstrap": ("clus1", None),
    "clus1_subbootstrap": ("clus1", None),
    "clus1_subbootstrap_mse": ("clus1", None),
    "strat_subbootstrap": ("strat", None),
    "clus2_mrbbootstrap": ("clus2", None),
    "JK1_rake": ("clus1", "rake_tight"),
    "JK1_poststrat": ("clus1", "poststratify_stype"),
    "JK1_cal_linear": ("clus1", "cal_linear"),
    "JK1_cal_raking": ("clus1", "cal_raking"),
    "boot_rake": ("clus1", "rake_tight"),
    "JKn_rake": ("strat", "rake_tight"),
}


# Comparison -------------------------------------------------------------------------------------------------


def same_t(result: survey.TestResult, reference: Mapping[str, Any], what: str = "", df_of_r: float = 0.0) -> None:
    """Compare with `svyttest` and `svyranktest`; `df_of_r` is what R adds to our degrees of freedom."""
    (statistic,), (df,), (value,) = (reference[part].values() for part in ("statistic", "parameter", "estimate"))
    assert result.estimate is not None, what
    close(result.estimate.value[0], value, ESTIMATE, f"{what} estimate")
    close(result.statistic, statistic, STANDARD_ERROR, f"{what} statistic")
    assert result.df1 + df_of_r == df, what
    p_value = result.p_value if df_of_r == 0 else 2 * student_t.sf(abs(result.statistic), df)
    close(p_value, reference["p.value"], P_VALUE, f"{what} p_value")
    if "conf.int" in reference and df_of_r == 0:
        ends = [result.estimate.conf_low[0], result.estimate.conf_high[0]]
        close_within(ends, reference["conf.int"], INTERVAL * abs(value / statistic), f"{what} interval")


def same_rank_test(result: survey.TestResult, reference: Mapping[str, Any], what: str = "") -> None:
    """Compare with `svyranktest`, which of several groups gives the chi-square as parameter, its df as statistic."""
    if "estimate" in reference:
        same_t(result, reference, what)
        return
    chisq, df = reference["parameter"]["Chisq"], reference["statistic"]["df"]
    assert result.wald_chisq is not None, what
    close(result.wald_chisq, chisq, STATISTIC, f"{what} chi-square")
    assert result.df1 == df, what
    close(result.p_value, reference["p.value"], P_VALUE, f"{what} p_value")


def same_sums(design: survey.Design, row: str, column: str, reference: Mapping[str, Any], what: str) -> None:
    """Compare with svychisq(statistic = "lincom" and "saddlepoint"): weighted sums of chi-squares.

    R divides them by Y / d, where Y is chi-square not on d degrees of freedom but on d rounded down.
    """
    cells = collapse(design, [row, column])
    part = pearson(cells, two_way(cells, row, column))
    effects = generalized_effects(cells, [part])
    second_order = survey.crosstab(design, row, column).test(method="rao-scott-f", df="design")
    d = second_order.df2
    rounded = part.chisq * np.floor(d) / d
    exact = sum_of_chisq_sf(rounded, effects, np.floor(d), method="exact")
    close_within(exact, reference["lincom"]["p.value"], DAVIES, f"{what} exact p_value")
    saddlepoint = sum_of_chisq_sf(rounded, effects, np.floor(d), method="saddlepoint")
    close(saddlepoint, reference["saddlepoint"]["p.value"], SADDLEPOINT, f"{what} saddlepoint p_value")
    for method, tail in TAILS.items():
        result = survey.crosstab(design, row, column).test(method=method, df="design")
        assert (result.statistic, result.df1, result.df2) == (part.chisq, effects.size, d), what
        assert result.p_value == sum_of_chisq_sf(part.chisq, effects, d, method=tail), what


def same_independence(
    design: survey.Design, row: str, column: str, reference: Mapping[str, Any], what: str, answered: float = 1.0
) -> None:
    """Compare all six tests of a table."""
    table = survey.crosstab(design, row, column)
    for statistic, method in TESTS.items():
        same_test(table.test(method=method, df="design"), reference[statistic], f"{what} {statistic}", answered)
    same_sums(design, row, column, reference, what)


def ranks_of_r(y: pd.Series, weights: NDArray[np.float64]) -> pd.Series:
    """Rank of each value as `svyranktest` has it: ave(cumsum(w) - w / 2) over the rows in their order."""
    known = (y.notna() & (weights > 0)).to_numpy()
    codes = y.cat.codes if isinstance(y.dtype, pd.CategoricalDtype) else y
    frame = pd.DataFrame({"y": codes.to_numpy()[known], "w": weights[known]}).sort_values("y", kind="stable")
    middle = (frame["w"].cumsum() - frame["w"] / 2) / frame["w"].sum()
    return middle.groupby(frame["y"]).mean()


def with_ranks_of_r(design: survey.Design, y: str, by: str, method: RankMethod) -> survey.TestResult:
    """The rank test with the ranks that R gives to tied rows."""
    domain = design.domain(design.frame[by].notna())
    cells = collapse(domain, [y, by])
    ranks = ranks_of_r(domain.frame[y], domain.weights)
    column = cells.frame[y]
    values_of = column.cat.codes if isinstance(column.dtype, pd.CategoricalDtype) else column
    at = ranks.reindex(values_of).fillna(0.5).to_numpy()
    return compare_scores(cells, rank_scores(at, method), by=by, method=method, df="design")


# California schools -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=tuple(API_DESIGNS))
def schools(request: pytest.FixtureRequest) -> tuple[survey.Design, dict[str, Any]]:
    """One of seven designs, and its reference values."""
    name = str(request.param)
    return survey.Design(api(name), **API_DESIGNS[name]), values("api")[name]


def test_t_of_two_groups(schools: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = schools
    same_t(survey.t_test(design, "api00", by="comp.imp", df="design"), reference["ttest2"])


def test_t_of_one_mean(schools: tuple[survey.Design, dict[str, Any]]) -> None:
    """R takes PSUs minus strata minus 1 where nothing but one mean is estimated."""
    design, reference = schools
    shifted = dict(reference["ttest1"])
    shifted["estimate"] = {"mean": shifted["estimate"]["mean"] + 600}
    result = survey.t_test(design, "api00", value=600, df="design")
    same_t(result, shifted, df_of_r=-1)
    assert result.df1 == design.df


@pytest.mark.parametrize("test", SVYRANKTEST)
def test_rank_test_of_two_groups(schools: tuple[survey.Design, dict[str, Any]], test: str) -> None:
    design, reference = schools
    method = SVYRANKTEST[test]
    same_rank_test(with_ranks_of_r(design, "api00", "comp.imp", method), reference["ranktest"][test], test)
    if np.ptp(design.weights) == 0:  # then the order of tied rows does not matter
        same_rank_test(
            survey.rank_test(design, "api00", "comp.imp", method=method, df="design"), reference["ranktest"][test], test
        )


@pytest.mark.parametrize("test", ["KruskalWallis", "vanderWaerden", "median"])
def test_rank_test_of_several_groups(schools: tuple[survey.Design, dict[str, Any]], test: str) -> None:
    design, reference = schools
    method = SVYRANKTEST[test]
    same_rank_test(with_ranks_of_r(design, "api00", "stype", method), reference["ranktest_k"][test], test)
    if np.ptp(design.weights) == 0:
        same_rank_test(
            survey.rank_test(design, "api00", "stype", method=method, df="design"), reference["ranktest_k"][test], test
        )


def test_goodness_of_fit(schools: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = schools
    shares = {"E": 0.7, "H": 0.12, "M": 0.18}
    if reference["gofchisq"]["p.value"] is None:  # the strata are the school types: nothing varies
        with pytest.raises(survey.EstimationError, match="the weights or the strata fix them"):
            survey.goodness_of_fit(design, "stype", shares, method="satterthwaite")
        return
    same_fit_of_shares(design, "stype", shares, reference["gofchisq"])


def same_fit_of_shares(
    design: survey.Design, x: str, shares: Mapping[str, float], reference: Mapping[str, Any]
) -> None:
    """Compare with `svygofchisq`; its X^2 is that of weighted counts."""
    result = survey.goodness_of_fit(design, x, dict(shares), method="satterthwaite")
    known = design.frame[x].notna().to_numpy()
    weight_per_head = design.weights[known].sum() / known.sum()
    close(result.statistic * weight_per_head, reference["statistic"]["X-squared"], STATISTIC, "X^2")
    close(result.df1, reference["parameter"]["df"], DEGREES_OF_FREEDOM, "df")
    close(result.p_value, reference["p.value"], P_VALUE, "p_value")


@pytest.mark.parametrize("table", API_TABLES)
def test_independence(schools: tuple[survey.Design, dict[str, Any]], table: str) -> None:
    design, reference = schools
    same_independence(design, *API_TABLES[table], reference["chisq"][table], table)


# Replicate weights ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=REPLICATES)
def replicated(request: pytest.FixtureRequest) -> tuple[survey.Design, dict[str, Any]]:
    """California schools with R's replicate weights, and their reference values."""
    name = str(request.param)
    sample, column = REPLICATES[name]
    folder = shared("api")
    frame, weights = api(sample), read_csv(folder / f"repweights_{name}.csv")
    frame["full"] = survey.Design(frame, **API_DESIGNS[sample]).weights
    if column is not None:
        frame["full"] = read_csv(folder / f"api{sample}_weights.csv")[column]
    content = shared_values("api/api_calib_rep.json")
    reference = (content["rep"] | content["rep_calibrated"])[name]
    scales = reference["rscales_all"]
    rscales = scales if isinstance(scales, list) else [scales] * weights.shape[1]
    design = survey.Design.from_replicates(
        pd.concat([frame, weights], axis=1),
        weight="full",
        replicates=[str(column) for column in weights],
        kind="bootstrap",  # any kind with a scale and rscales of its own
        scale=reference["scale"],
        rscales=rscales,
        mse=reference["mse"],
    )
    return design, reference


def test_t_tests_with_replicates(replicated: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = replicated
    same_t(survey.t_test(design, "api00", by="comp.imp", df="design"), reference["ttest"])
    shifted = dict(reference["ttest1"])
    shifted["estimate"] = {"mean": shifted["estimate"]["mean"] + 600}
    same_t(survey.t_test(design, "api00", value=600, df="design"), shifted, df_of_r=-1)


def test_rank_test_with_replicates(replicated: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = replicated
    same_rank_test(with_ranks_of_r(design, "api00", "comp.imp", "wilcoxon"), reference["ranktest"])


def test_independence_with_replicates(replicated: tuple[survey.Design, dict[str, Any]]) -> None:
    """R refers the weighted sum of chi-squares to an infinite denominator where there are replicates."""
    design, reference = replicated
    table = survey.crosstab(design, "sch.wide", "stype")
    for statistic, method in TESTS.items():
        same_test(table.test(method=method, df="design"), reference["chisq_all"][statistic], statistic)
    cells = collapse(design, ["sch.wide", "stype"])
    part = pearson(cells, two_way(cells, "sch.wide", "stype"))
    effects = generalized_effects(cells, [part])
    exact = sum_of_chisq_sf(part.chisq, effects, method="exact")
    close_within(exact, reference["chisq_all"]["lincom"]["p.value"], FAREBROTHER, "exact p_value")
    saddlepoint = sum_of_chisq_sf(part.chisq, effects, method="saddlepoint")
    close(saddlepoint, reference["chisq_all"]["saddlepoint"]["p.value"], SADDLEPOINT, "saddlepoint p_value")


# US health survey, election study, General Social Survey, online polls ---------------------------------------


def test_health_survey() -> None:
    frame, reference = nhanes(), values("nhanes")
    design = survey.Design(frame, **NHANES_DESIGN)
    for test, method in SVYRANKTEST.items():
        same_rank_test(with_ranks_of_r(design, "agecat", "sex", method), reference["ranktest"][test], test)
    answered = frame["chol"].notna().mean()
    same_independence(design, "chol", "race", reference["chisq"]["chol_race"], "chol", answered)
    same_independence(design, "agecat", "race", reference["chisq"]["agecat_race"], "agecat")


@pytest.fixture(scope="module")
def election() -> tuple[survey.Design, dict[str, Any]]:
    """The election study, and its reference values."""
    frame = anes()
    higher = (
        frame["Education"]
        .astype(object)
        .where(~frame["Education"].isin(["Bachelor's", "Graduate"]), "Bachelor or Higher")
    )
    frame["Education2"] = factor(higher, ["Less than HS", "High school", "Post HS", "Bachelor or Higher"])
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    return design, dict(shared_values("anes2020/anes2020.json"))


def test_election_study_t_tests(election: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = election
    same_t(survey.t_test(design, "Age", by="Gender", df="design"), reference["ttest"]["age_gender"], "age")
    same_t(survey.t_test(design, "tg", by="Gender", df="design"), reference["ttest"]["tg_gender"], "trust")
    one = dict(reference["ttest"]["one"])
    one["estimate"] = {"mean": one["estimate"]["mean"] + 47}
    same_t(survey.t_test(design, "Age", value=47, df="design"), one, "one", df_of_r=-1)


def test_election_study_rank_tests(election: tuple[survey.Design, dict[str, Any]]) -> None:
    design, reference = election
    for test, entry in reference["ranktest"].items():
        same_rank_test(with_ranks_of_r(design, "tg", "Gender", SVYRANKTEST[test]), entry, test)
    for test, entry in reference["ranktest_k"].items():
        same_rank_test(with_ranks_of_r(design, "tg", "Education", SVYRANKTEST[test]), entry, test)


def test_election_study_goodness_of_fit(election: tuple[survey.Design, dict[str, Any]]) -> None:
    """R computes the variance with the shares of the levels in alphabetical order, X^2 with those given."""
    design, reference = election
    entry = reference["gofchisq_edu"]
    levels, given = list(design.frame["Education2"].cat.categories), [0.11, 0.27, 0.29, 0.33]
    result = survey.goodness_of_fit(design, "Education2", dict(zip(levels, given, strict=True)), method="satterthwaite")
    cells = collapse(design, ["Education2"])
    weight_per_head = cells.weight.sum() / cells.n.sum()
    close(result.statistic * weight_per_head, entry["statistic"]["X-squared"], STATISTIC, "X^2")
    indicator = np.column_stack([cells.frame["Education2"] == level for level in levels]).astype(float)
    mixed_up = np.array(given)[np.argsort(levels)]
    effects = np.linalg.eigvalsh(linearization(cells, count_form(cells, indicator, mixed_up)))
    scale = float(effects @ effects / effects.sum())
    close(scale * weight_per_head, entry["parameter"]["scale"], STANDARD_ERROR, "scale")
    close(effects.sum() / scale, entry["parameter"]["df"], DEGREES_OF_FREEDOM, "df")
    close(sum_of_chisq_sf(result.statistic, effects), entry["p.value"], P_VALUE, "p_value")
    right = np.linalg.eigvalsh(linearization(cells, count_form(cells, indicator, np.array(given))))
    close(result.p_value, sum_of_chisq_sf(result.statistic, right), P_VALUE, "our p_value")


@pytest.mark.parametrize("table", ANES_TABLES)
def test_election_study_independence(election: tuple[survey.Design, dict[str, Any]], table: str) -> None:
    design, reference = election
    names = ANES_TABLES[table]
    known = design.frame[list(names)].notna().all(axis=1)
    answered = 1.0 if table == "age_vote" else known.mean()  # R was given that one without missing values
    same_independence(design, *names, reference["chisq"][table], table, answered)


@pytest.mark.parametrize("year", ["2010", "2018"])
def test_general_social_survey(year: str) -> None:
    frame = read_csv(shared("gss") / "gss.csv")
    kept = (frame["year"] == int(year)) & frame["wtssps"].notna() & frame["vpsu"].notna()
    frame = frame[kept].reset_index(drop=True)
    frame["fef"] = ordered(frame["fefam"], [1, 2, 3, 4], ["SA", "A", "D", "SD"])
    frame["degree"], frame["sex"] = factor(frame["degree"]), factor(frame["sex"])
    design = survey.Design(frame, weight="wtssps", strata="vstrat", psu="vpsu", nest=True)
    reference = shared_values("gss/gss.json")[f"y{year}"]["adjust"]
    same_rank_test(with_ranks_of_r(design, "fef", "sex", "wilcoxon"), reference["rank"])
    answered = frame[["fef", "degree"]].notna().all(axis=1).sum() / frame["fef"].notna().sum()
    same_independence(design, "fef", "degree", reference["chisq"], year, answered)


@pytest.mark.parametrize("poll", POLLS)
def test_online_poll(poll: str) -> None:
    outcome, _, groups, _ = POLLS[poll]
    online = poll == "cces18"
    design = survey.Design(cces18() if online else nonvoters(), weight="commonweight" if online else "weight")
    content = shared_values("onlinepolls/onlinepolls.json")
    reference = content["cces18"] if online else content["nonvoters"][poll]
    for group in groups:
        result = with_ranks_of_r(design, outcome, group, "kruskal-wallis")
        same_rank_test(result, reference["ranktest"][group], group)
        same_independence(design, outcome, group, reference["chisq"][group], group)


# What R does that is not followed ---------------------------------------------------------------------------


def test_ranks_of_r_depend_on_the_order_of_the_rows() -> None:
    """Trust in government by gender, 5 answers and 7,453 weights: R's t is -1.3832 or another, ours is one."""
    frame = anes()
    statistics, ours = [], []
    for order in (frame, frame.iloc[::-1], frame.sort_values("weight")):
        data = order.reset_index(drop=True)
        design = survey.Design(data, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
        statistics.append(with_ranks_of_r(design, "tg", "Gender", "van-der-waerden").statistic)
        ours.append(survey.rank_test(design, "tg", "Gender", method="van-der-waerden", df="design").statistic)
    assert np.ptp(statistics) > 0.001
    np.testing.assert_allclose(ours, ours[0], rtol=1e-10)


@pytest.mark.slow
def test_ranks_of_r_are_ours_on_average() -> None:
    """In random order the expected rank of R is the weighted mid-rank."""
    rng = np.random.default_rng(20180223)
    frame = pd.DataFrame({"y": rng.integers(1, 4, 60).astype(float), "w": rng.uniform(0.2, 5.0, 60)})
    found = []
    for _ in range(2000):
        mixed = frame.sample(frac=1.0, random_state=rng).reset_index(drop=True)
        found.append(ranks_of_r(mixed["y"], mixed["w"].to_numpy()).to_numpy())
    weight = frame.groupby("y")["w"].sum()
    expected = (weight.cumsum() - weight / 2) / weight.sum()
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert (np.abs(np.mean(found, axis=0) - expected.to_numpy()) < 4 * error).all()
