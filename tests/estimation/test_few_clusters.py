"""CR2 standard errors and Satterthwaite degrees of freedom, against dense matrices on rows and against R."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

import survey
from survey.design import collapse
from survey.estimation.few_clusters import group_means
from survey.estimation.influence import domains_of, mean_statistic, terms_of
from tests.reference_data import REFERENCE, STANDARD_ERROR, api, close, read_csv

Floats = NDArray[np.float64]

SAME = 1e-9  # relative: eigenvectors of small matrices against those of the whole
# R survey 4.5, tests/testthat/_snaps/bell_mccaffrey.md: svyglm(api00 ~ api99 + stype, std.errors = "Bell-McCaffrey",
# degf = TRUE) on apiclus1; df and intervals as printed
R_DF = (6.308131, 7.061340, 5.304156, 8.979698)
R_INTERVALS = (
    (56.2792308, 143.4336784),
    (0.8387537, 0.9678245),
    (-33.1110597, -5.6634606),
    (-31.8944852, -4.4219434),
)
PRINTED = 1e-6  # relative: seven digits


def inverse_root(matrix: Floats) -> Floats:
    """Symmetric square root of the generalized inverse."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    root = np.where(values > 1e-10, 1 / np.sqrt(np.where(values > 1e-10, values, 1.0)), 0.0)
    return np.asarray((vectors * root) @ vectors.T)


def on_rows(
    x: ArrayLike, w: ArrayLike, y: ArrayLike, cluster: ArrayLike, contrasts: ArrayLike | None = None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Coefficients, CR2 covariance, df of contrasts and adjusted scores by cluster, with n x n matrices.

    Pustejovsky and Tipton (2018), eq. 9-14, identity as working model: A_g = ((I - H)_g (I - H)_g')^(-1/2).
    """
    columns, weights, values = (np.asarray(a, dtype=np.float64) for a in (x, w, y))
    label = np.asarray(cluster)
    bread = np.linalg.inv(columns.T @ np.diag(weights) @ columns)
    coefficients = bread @ columns.T @ np.diag(weights) @ values
    maker = np.eye(len(weights)) - columns @ bread @ columns.T @ np.diag(weights)
    scores, influences = [], []
    for g in np.unique(label):
        rows = label == g
        adjust = inverse_root(maker[rows] @ maker[rows].T)
        left = bread @ columns[rows].T @ np.diag(weights[rows]) @ adjust
        scores.append(left @ (values - columns @ coefficients)[rows])
        influences.append(left @ maker[rows])
    score = np.array(scores)
    df = []
    for contrast in np.eye(columns.shape[1]) if contrasts is None else np.asarray(contrasts):
        p = np.array([contrast @ part for part in influences])
        form = p @ p.T
        df.append(np.trace(form) ** 2 / max(np.square(form).sum(), 1e-300))
    return coefficients, score.T @ score, np.array(df), score


def clusters(seed: int = 0, sizes: tuple[int, ...] = (3, 9, 4, 12, 5, 2), round_to: int = 1) -> pd.DataFrame:
    """A few clusters of unequal sizes, unequal weights (some equal within a cluster), groups, items."""
    rng = np.random.default_rng(seed)
    psu = np.repeat(np.arange(len(sizes)), sizes)
    n = psu.size
    frame = pd.DataFrame({"psu": psu, "y": (5 + rng.normal(size=len(sizes))[psu] + rng.normal(size=n)).round(round_to)})
    frame["z"] = rng.integers(0, 3, n).astype(float)
    frame["w"] = np.where(psu < 3, 2.0, rng.uniform(0.5, 6.0, n).round(1))
    frame["g"] = pd.Categorical(rng.choice(["a", "b"], n, p=[0.7, 0.3]), categories=["a", "b"])
    frame["item"] = pd.Categorical(
        rng.choice(["no", "maybe", "yes"], n), categories=["no", "maybe", "yes"], ordered=True
    )
    return frame


def design(frame: pd.DataFrame, **arguments: Any) -> survey.Design:
    return survey.Design(frame, **{"weight": "w", "psu": "psu", **arguments})


def indicators(frame: pd.DataFrame) -> Floats:
    return np.column_stack([frame["g"] == level for level in ("a", "b")]).astype(np.float64)


# The computation on rows itself -----------------------------------------------------------------------------------


def test_the_computation_on_rows_equals_r() -> None:
    """Degrees of freedom and intervals of R's Bell-McCaffrey regression.

    R feeds the adjusted scores to its linearization, which centres them and multiplies by (1 - f) n / (n - 1): its
    standard errors are 2.4% larger than CR2 with 15 PSUs. We do not.
    """
    frame = api("clus1")
    x = np.column_stack([np.ones(len(frame)), frame["api99"], frame["stype"] == "H", frame["stype"] == "M"])
    coefficients, vcov, df, scores = on_rows(x, frame["pw"], frame["api00"], frame["dnum"])
    close(df, R_DF, PRINTED, "df")
    centred = scores - scores.mean(axis=0)
    of_r = np.sqrt(np.diag((1 - 15 / 757) * 15 / 14 * centred.T @ centred))
    ends = np.array(R_INTERVALS)
    half = stats.t.ppf(0.975, R_DF) * of_r
    close(coefficients - half, ends[:, 0], PRINTED, "conf_low")
    close(coefficients + half, ends[:, 1], PRINTED, "conf_high")
    assert (np.sqrt(np.diag(vcov)) < of_r).all()


def test_single_rows_as_clusters_are_hc2_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(30), rng.normal(size=30), rng.normal(size=30)])
    y = rng.normal(size=30)
    vcov = on_rows(x, np.ones(30), y, np.arange(30))[1]
    np.testing.assert_allclose(np.sqrt(np.diag(vcov)), sm.OLS(y, x).fit(cov_type="HC2").bse, rtol=1e-10)


# Means and proportions --------------------------------------------------------------------------------------------


CONTRASTS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [0.3, 2.0]])


@given(
    seed=st.integers(0, 10_000),
    sizes=st.lists(st.integers(2, 12), min_size=3, max_size=9).map(tuple),
    equal=st.booleans(),
    scale=st.sampled_from([1.0, 1e-6, 1e8]),
)
def test_means_by_group_equal_the_computation_on_rows(
    seed: int, sizes: tuple[int, ...], equal: bool, scale: float
) -> None:
    frame = clusters(seed, sizes)
    frame["w"] = 3.0 if equal else frame["w"]
    frame.loc[[0, len(frame) - 1], "g"] = ["a", "b"]
    expected = on_rows(indicators(frame), frame["w"], frame["y"], frame["psu"], CONTRASTS)
    frame["w"] *= scale
    made = survey.mean(design(frame), "y", by="g", variance="cr2")
    reference = np.sqrt(np.diag(expected[1]))
    np.testing.assert_allclose(made.value, expected[0], rtol=SAME)
    alone = frame.groupby("g")["psu"].nunique().to_numpy() == 1  # the variance of a group in one PSU is unknown
    unknown = alone | alone[:, None]
    assert np.isnan(made.vcov[unknown]).all()
    np.testing.assert_allclose(made.vcov[~unknown], expected[1][~unknown], rtol=SAME, atol=SAME * reference.max() ** 2)
    contrasted = made.contrast(CONTRASTS)
    keep = np.isfinite(expected[2]) & (contrasted.std_error > 1e-9)
    np.testing.assert_allclose(contrasted.df[keep], expected[2][keep], rtol=1e-7)
    np.testing.assert_allclose(made.df, contrasted.df[:2], rtol=1e-12)


def test_a_mean_of_equal_clusters_needs_no_correction() -> None:
    """Clusters of one size and equal weights: the linearized variance and PSUs minus 1, the textbook's."""
    frame = clusters(2, (5,) * 8).assign(w=2.0)
    made, linear = (survey.mean(design(frame), "y", variance=v) for v in ("cr2", "linearization"))
    np.testing.assert_allclose(made.std_error, linear.std_error, rtol=1e-12)
    np.testing.assert_allclose(made.df, 7.0, rtol=1e-12)
    assert linear.note == ""
    assert made.note == (
        "CR2 standard errors (Bell and McCaffrey 2002) from 8 PSUs; degrees of freedom by Satterthwaite's "
        "approximation, for each estimate its own."
    )


@given(seed=st.integers(0, 10_000))
def test_unbiased_under_the_working_model(seed: int) -> None:
    """The expected variance estimate is the variance: tr P = c' M X'W²X M c, whatever the contrast."""
    frame = clusters(seed)
    frame.loc[[0, 1], "g"] = ["a", "b"]
    cells = collapse(design(frame), ["y", "g"])
    measured, groups = terms_of(cells, ["y"]), domains_of(cells, ["g"])
    few = group_means(cells, measured, groups, mean_statistic(cells, measured, groups).value)
    for form, column in zip(few.forms, indicators(frame).T, strict=True):
        w = frame["w"].to_numpy() * column
        variance = np.square(w).sum() / w.sum() ** 2
        if pd.Series(w > 0).groupby(frame["psu"]).any().sum() > 1:
            np.testing.assert_allclose(np.trace(form.matrix(np.ones(1))), variance, rtol=1e-9)


def test_shares_of_an_item_and_combinations_of_them() -> None:
    """All shares of a group have the df of its mean; so has any combination, the mean of a combined variable."""
    frame = clusters(4)
    shares = survey.mean(design(frame), "item", by="g", variance="cr2")
    assert len(set(shares.df.round(9))) == 2
    net = (frame["item"] == "yes").astype(float) - (frame["item"] == "no").astype(float)
    weights = np.array([[-1, 0, 1, 0, 0, 0], [-1, 0, 1, 1, 0, -1]], dtype=float)
    expected = on_rows(indicators(frame), frame["w"], net, frame["psu"], [[1, 0], [1, -1]])
    made = shares.contrast(weights)
    by_hand = np.array([[1.0, 0.0], [1.0, -1.0]])
    np.testing.assert_allclose(made.vcov, by_hand @ expected[1] @ by_hand.T, rtol=1e-9)
    np.testing.assert_allclose(made.df, expected[2], rtol=1e-9)
    again = made.contrast([[1.0, -1.0]])
    np.testing.assert_allclose(
        again.df, on_rows(indicators(frame), frame["w"], net, frame["psu"], [[0, 1]])[2], rtol=1e-9
    )


def test_smooth_functions_keep_their_degrees_of_freedom() -> None:
    means = survey.mean(design(clusters(5)), "y", by="g", variance="cr2")
    ratio = means.transform(lambda e: e[0] / e[1], names="ratio")
    slopes = [1 / means.value[1], -means.value[0] / means.value[1] ** 2]
    np.testing.assert_allclose(ratio.df, means.contrast([slopes]).df, rtol=1e-6)
    assert ratio.note == means.note


@pytest.mark.parametrize("interval", ["logit", "wald", "beta", "wilson", "korn-graubard"])
def test_proportions_use_the_satterthwaite_df(interval: Any) -> None:
    frame = clusters(6)
    made = survey.proportion(design(frame), "item", interval=interval, variance="cr2")
    plain = survey.mean(design(frame), "item", variance="cr2")
    np.testing.assert_allclose(made.std_error, plain.std_error, rtol=1e-12)
    np.testing.assert_allclose(made.df, plain.df, rtol=1e-12)
    linear = survey.proportion(design(frame), "item", interval=interval)
    assert (made.df < linear.df).all()
    if interval == "wald":
        half = stats.t.ppf(0.975, made.df) * made.std_error
        np.testing.assert_allclose(made.conf_high - made.value, half, rtol=1e-10)


def test_domains_rows_and_missing_values() -> None:
    frame = clusters(7)
    inside = frame["g"] == "a"
    expected = on_rows(
        np.ones((inside.sum(), 1)), frame.loc[inside, "w"], frame.loc[inside, "y"], frame.loc[inside, "psu"]
    )
    domain = survey.mean(design(frame).domain("g == 'a'"), "y", variance="cr2")
    by = survey.mean(design(frame), "y", by="g", variance="cr2")
    missing = frame.assign(y=frame["y"].where(inside), w=frame["w"])
    for made in (domain, survey.mean(design(missing), "y", variance="cr2")):
        np.testing.assert_allclose(made.vcov, expected[1], rtol=1e-9)
        np.testing.assert_allclose(made.df, expected[2], rtol=1e-9)
    np.testing.assert_allclose(by.std_error[0], domain.std_error[0], rtol=1e-12)
    shuffled = frame.sample(frac=1.0, random_state=3).assign(psu=lambda d: "p" + d["psu"].astype(str))
    np.testing.assert_allclose(survey.mean(design(shuffled), "y", by="g", variance="cr2").vcov, by.vcov, rtol=1e-9)


def test_a_domain_in_one_psu_has_no_degrees_of_freedom() -> None:
    frame = clusters(8).assign(alone=lambda d: np.where(d["psu"] == 3, "in", "out"))
    row = survey.mean(design(frame), "y", by="alone", variance="cr2").tidy().iloc[0]
    assert row["df"] == 0
    assert np.isnan(row["conf_low"])


def test_a_dominant_cluster() -> None:
    """Half the sample in one of six PSUs: linearization has 5 df and too small an error, CR2 says so."""
    frame = clusters(9, (40, 8, 8, 8, 8, 8)).assign(w=1.0)
    linear, made = survey.mean(design(frame), "y"), survey.mean(design(frame), "y", variance="cr2")
    assert linear.df[0] == 5
    assert made.df[0] < 3
    width = [(e.conf_high - e.conf_low)[0] for e in (linear, made)]
    assert width[1] > 1.2 * width[0]


@pytest.mark.slow
def test_coverage_with_few_unequal_clusters() -> None:
    """95% intervals from seven clusters of very different sizes: near 95% with CR2, below 92% without."""
    rng = np.random.default_rng(10)
    sizes = np.array([60, 20, 10, 5, 5, 5, 5])
    psu = np.repeat(np.arange(7), sizes)
    covered = np.zeros(2)
    draws = 400
    for _ in range(draws):
        frame = pd.DataFrame({"psu": psu, "y": rng.normal(size=psu.size), "w": 1.0})
        for i, variance in enumerate(("linearization", "cr2")):
            chosen: Any = variance
            row = survey.mean(design(frame), "y", variance=chosen)
            covered[i] += row.conf_low[0] <= 0 <= row.conf_high[0]
    share = covered / draws
    assert share[0] < 0.92
    assert abs(share[1] - 0.95) < 4 * np.sqrt(0.05 * 0.95 / draws)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"strata": "h"},
            '`variance`="cr2" is for PSUs drawn with replacement .* has 2 strata. Use linearization; or leave',
        ),
        ({"fpc": "N"}, '`variance`="cr2" .* has population sizes. Use linearization; or leave `fpc` out'),
        ({"psu": None}, '`variance`="cr2" .* has no PSUs: each of 35 respondents is one. Name the `psu`'),
    ],
)
def test_designs_that_cr2_is_not_defined_for(arguments: dict[str, Any], message: str) -> None:
    frame = clusters().assign(h=lambda d: d["psu"] // 3, N=60.0)
    works: list[Callable[[survey.Design], object]] = [
        lambda d: survey.mean(d, "y", variance="cr2"),
        lambda d: survey.proportion(d, "item", variance="cr2"),
        lambda d: survey.bias_reduced(survey.ordinal("item ~ y", d)),
    ]
    for work in works:
        with pytest.raises(survey.EstimationError, match=message):
            work(design(frame, **arguments))


def test_calibrated_and_replicated_designs_are_refused() -> None:
    raked = survey.rake(design(clusters()), {"g": {"a": 0.5, "b": 0.5}})
    with pytest.raises(survey.EstimationError, match=r'`variance`="cr2" .* was calibrated, which CR2 would ignore'):
        survey.mean(raked, "y", variance="cr2")
    replicated = survey.replicate(design(clusters()), kind="JK1")
    with pytest.raises(survey.EstimationError, match=r'`variance`="cr2" .* has replicate weights'):
        survey.mean(replicated, "y", variance="cr2")


def test_unknown_methods_are_refused() -> None:
    wrong: Any = "cr3"
    for work in (survey.mean, survey.proportion):
        with pytest.raises(survey.EstimationError, match="`variance` must be one of linearization, cr2; got 'cr3'"):
            work(design(clusters()), "item", variance=wrong)


def test_results_can_be_stored() -> None:
    made = survey.mean(design(clusters()), "y", by="g", variance="cr2")
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again.contrast([[1, -1]]).df, made.contrast([[1, -1]]).df)


# Ordinal regression -----------------------------------------------------------------------------------------------


def standardized_rows(
    fit: survey.OrdinalFit, x: Floats, y: NDArray[np.int64], distribution: Any
) -> tuple[Floats, Floats]:
    """Columns and residuals of each respondent's answers but the last, by loops, in units of their covariance."""
    slopes, thresholds = fit.slopes.to_numpy(), fit.thresholds.to_numpy()
    q = len(thresholds)
    columns, residuals = [], []
    for row, answer in zip(x, y, strict=True):
        limit = thresholds - row @ slopes
        share = np.diff(np.concatenate([[0.0], distribution.cdf(limit), [1.0]]))[:q]
        density = distribution.pdf(limit)
        derivative = np.zeros((q, len(slopes) + q))
        for j in range(q):
            derivative[j, : len(slopes)] -= density[j] * row
            derivative[j, len(slopes) + j] += density[j]
            if j > 0:
                derivative[j, : len(slopes)] += density[j - 1] * row
                derivative[j, len(slopes) + j - 1] -= density[j - 1]
        root = np.linalg.cholesky(np.diag(share) - np.outer(share, share))
        columns.append(np.linalg.solve(root, derivative))
        residuals.append(np.linalg.solve(root, (np.arange(q) == answer) - share))
    return np.vstack(columns), np.concatenate(residuals)


@pytest.mark.parametrize(
    ("link", "distribution"), [("logit", stats.logistic), ("probit", stats.norm), ("cloglog", stats.gumbel_l)]
)
def test_ordinal_regression_equals_the_computation_on_rows(link: Any, distribution: Any) -> None:
    frame = read_csv(REFERENCE / "apiclus1.csv")
    frame["meal"] = pd.cut(frame["meals"], [-1, 25, 50, 75, 100], labels=list("abcd"))
    frame["stype"] = pd.Categorical(frame["stype"])
    frame["w"] = np.random.default_rng(11).choice([1.0, 2.0, 7.0], len(frame))
    fit = survey.ordinal("meal ~ mobility + stype", survey.Design(frame, weight="w", psu="dnum"), link=link)
    made = survey.bias_reduced(fit)
    x = np.column_stack([frame["mobility"], frame["stype"] == "H", frame["stype"] == "M"]).astype(np.float64)
    columns, residuals = standardized_rows(fit, x, frame["meal"].cat.codes.to_numpy().astype(np.int64), distribution)
    w, cluster = (np.repeat(frame[name].to_numpy(), 3) for name in ("w", "dnum"))
    contrasts = np.vstack([np.eye(6), [0, 1, -1, 0, 0, 0]])
    score, vcov, df, _ = on_rows(columns, w, residuals, cluster, contrasts)
    np.testing.assert_allclose(score, 0.0, atol=1e-9)  # the score at the solution: the same model
    scale = np.sqrt(np.outer(np.diag(vcov), np.diag(vcov)))
    np.testing.assert_allclose(made.vcov / scale, vcov / scale, atol=1e-9)
    np.testing.assert_allclose(made.df, df[:6], rtol=1e-8)
    np.testing.assert_allclose(made.contrast(contrasts[6:]).df, df[6:], rtol=1e-8)
    assert list(made.tidy()["term"]) == list(fit.params.index)
    assert (made.std_error[:3] > fit.bse.to_numpy()[:3]).all()
    assert "CR2" in made.note


def test_binary_regression_on_groups_is_the_mean_of_groups() -> None:
    """A saturated logistic model has the shares of its groups; its linear scale has their df."""
    frame = clusters(12, (6, 9, 7, 12, 8, 6)).assign(
        yes=lambda d: pd.Categorical(np.where(d["y"] > 5, "yes", "no"), ordered=True)
    )
    fit = survey.ordinal("yes ~ g", design(frame))
    made = survey.bias_reduced(fit)
    threshold = made.tidy().set_index("term").loc["no|yes"]
    share = survey.mean(design(frame), "yes", by="g", variance="cr2").tidy()
    first = share[(share["g"] == "a") & (share["level"] == "no")].iloc[0]
    p = first["estimate"]
    close(threshold["std_error"], first["std_error"] / (p * (1 - p)), STANDARD_ERROR, "std_error by the delta method")
    close(threshold["df"], first["df"], STANDARD_ERROR, "df")


def test_a_coefficient_that_one_psu_determines_is_refused() -> None:
    """Its variance would count as nothing: 70% of true hypotheses were rejected, with 22 degrees of freedom."""
    frame = clusters(3)
    frame["g"] = pd.Categorical(np.where(frame["psu"] == frame["psu"].max(), "alone", "others"))
    frame["answer"] = pd.Categorical(np.digitize(frame["y"], frame["y"].quantile([0.3, 0.7])), ordered=True)
    fit = survey.ordinal("answer ~ C(g, contr.treatment(base='others'))", design(frame))
    with pytest.raises(
        survey.EstimationError, match=r"`fit` must have .*; \"?'?C\(g.*alone\].*rests on the respondents of one"
    ):
        survey.bias_reduced(fit)


def test_models_with_more_than_slopes_are_refused() -> None:
    frame = clusters(13, (20,) * 6)
    fit = survey.ordinal("item ~ y", design(frame), nominal="~ g")
    with pytest.raises(
        survey.EstimationError, match="`fit` must have one slope per column and one threshold per division"
    ):
        survey.bias_reduced(fit)
