"""Effects compared between models: the joint covariance against rows, replicates and single fits; refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

import survey
from tests import brute_force
from tests.models.test_ordinal import respondents
from tests.ordinal_on_rows import COMPLEX_STEP, Floats, Rows
from tests.reference_data import close, close_within

DIFFERENCES = 1e-6  # relative: the information on rows comes from differences of scores
EXACT = 1e-9  # relative: the same estimate by another route
NETS = {"Approve": ["approve", "strongly approve"]}
MODELS = {
    "position": "approval ~ income + urban",
    "and trust": "approval ~ income + urban + trust",
    "and age": "approval ~ income + urban + trust + age",
}


def people(n: int = 500, seed: int = 8) -> pd.DataFrame:
    """Respondents with a predictor that others bring about, unknown for some."""
    frame = respondents(n, seed)
    rng = np.random.default_rng(seed)
    trust = frame["approval"].cat.codes + 2.0 * (frame["income"] == "high") + rng.normal(0, 2, n)
    return frame.assign(
        stratum=frame["psu"] // 10, trust=np.where(rng.random(n) < 0.1, np.nan, trust.round(0)), age=frame["age"] / 10
    )


def designed(frame: pd.DataFrame) -> survey.Design:
    return survey.Design(frame, weight="w", strata="stratum", psu="psu")


def compared(design: survey.Design, **options: object) -> survey.ModelComparison:
    return survey.compare_models(design, MODELS, ["income", "urban"], nets=NETS, **options)  # type: ignore[arg-type]


def columns_on_rows(frame: pd.DataFrame) -> dict[str, Floats]:
    """Columns of the three models, coded by hand."""
    position = np.column_stack(
        [frame["income"] == "middle", frame["income"] == "high", frame["urban"] == "urban"]
    ).astype(float)
    trust, age = frame[["trust"]].to_numpy(), frame[["age"]].to_numpy()
    return {
        "position": position,
        "and trust": np.hstack([position, trust]),
        "and age": np.hstack([position, trust, age]),
    }


def effects_on_rows(rows: Rows, share: Floats) -> Callable[[Floats], Floats]:
    """Function from parameters to the average effects of income and urban on the four answers and the net."""

    def moved(params: Floats, column: int | None, among: tuple[int, ...]) -> Floats:
        """Average probabilities with one dummy of a factor at 1 and its others at 0."""
        x = rows.x.copy()
        x[:, list(among)] = 0.0
        if column is not None:
            x[:, column] = 1.0
        answers = share @ Rows(rows.answer, x, rows.z, rows.s, rows.offset, rows.structure, rows.link).probabilities(
            params
        )
        return np.append(answers, answers[2] + answers[3])

    def effects(params: Floats) -> Floats:
        income, urban = (0, 1), (2,)
        return np.concatenate(
            [
                moved(params, 0, income) - moved(params, None, income),
                moved(params, 1, income) - moved(params, None, income),
                moved(params, 2, urban) - moved(params, None, urban),
            ]
        )

    return effects


def test_effects_and_their_covariance_across_models_equal_those_on_rows() -> None:
    frame = people()
    found = compared(designed(frame))
    known = frame["trust"].notna().to_numpy()
    weight = np.where(known, frame["w"], 0.0)
    inside = frame[known]
    values, influences = [], []
    for fit, x in zip(found.fits, columns_on_rows(inside).values(), strict=True):
        n = len(inside)
        rows = Rows(
            inside["approval"].cat.codes.to_numpy().astype(np.intp),
            x,
            np.zeros((n, 0)),
            np.zeros((n, 0)),
            np.zeros(n),
            np.eye(3),
            "logit",
        )
        params = np.asarray(fit.params)
        of = effects_on_rows(rows, weight[known] / weight.sum())
        steps = COMPLEX_STEP * 1j * np.eye(params.size)
        gradient = np.column_stack([of(params + step).imag / COMPLEX_STEP for step in steps])
        values.append(of(params))
        own = np.zeros((len(frame), gradient.shape[0]))
        own[known] = rows.influence(params, weight[known]) @ gradient.T
        influences.append(own)
    stage = brute_force.single_stage(len(frame), frame["stratum"], frame["psu"])
    vcov = brute_force.variance_of_total(weight[:, None] * np.hstack(influences), [stage])
    close(found.effects.value, np.concatenate(values), EXACT, "effects")
    scale = np.sqrt(np.diag(vcov))
    close_within(found.effects.vcov / np.outer(scale, scale), vcov / np.outer(scale, scale), DIFFERENCES, "covariance")
    df = brute_force.degrees_of_freedom(stage, known)
    assert (found.effects.df == df).all()
    change = np.hstack([-np.eye(15), np.zeros((15, 15)), np.eye(15)])
    changes = found.changes()
    last = (changes.labels["model"] == "and age").to_numpy()
    close(
        changes.std_error[last], np.sqrt(np.diag(change @ vcov @ change.T)), DIFFERENCES, "standard errors of changes"
    )
    assert (changes.df == df).all()
    # taking the fits as independent would more than double most standard errors of changes
    apart = np.sqrt(scale[:15] ** 2 + scale[30:] ** 2)
    assert np.median(apart / changes.std_error[last]) > 2


def test_the_test_of_a_change_is_the_adjusted_wald_test_of_its_contrasts() -> None:
    found = compared(designed(people()))
    changes = found.changes(since="previous")
    rows = changes.labels
    chosen = np.flatnonzero(
        ((rows["model"] == "and age") & (rows["term"] == "income") & (rows["level"] == "Approve")).to_numpy()
    )
    value, vcov, d = changes.value[chosen], changes.vcov[np.ix_(chosen, chosen)], changes.whole_df
    test = found.test("income", "Approve", since="previous")
    close(test.statistic, (d - 1) / (2 * d) * value @ np.linalg.inv(vcov) @ value, EXACT, "F")
    assert (test.df1, test.df2) == (2, d - 1)
    assert (
        test.method == "Adjusted Wald test that income has the same effects on 'Approve' in 'and age' as in 'and trust'"
    )
    frame = found.tests("Approve", since="previous")
    row = frame[(frame["model"] == "and age") & (frame["term"] == "income")].iloc[0]
    assert row["since"] == "and trust"
    assert row["p_value"] == test.p_value
    close(frame["p_adjusted"], multipletests(frame["p_value"], method="holm")[1], EXACT, "Holm")


def test_each_model_is_its_own_fit_of_those_who_know_everything() -> None:
    design = survey.rake(designed(people()), {"urban": {"rural": 0.5, "urban": 0.5}})
    found = compared(design, link="probit")
    within = design.domain("trust.notna()")
    size = len(found.effects.value) // 3
    for i, (name, formula) in enumerate(MODELS.items()):
        alone = survey.average_effects(survey.ordinal(formula, within, link="probit"), ["income", "urban"], nets=NETS)
        block = slice(i * size, (i + 1) * size)
        close(found.effects.value[block], alone.value, EXACT, name)
        scale = np.outer(alone.std_error, alone.std_error)
        close_within(found.effects.vcov[block, block] / scale, alone.vcov / scale, EXACT, name)
    assert found.note == (
        f"All models use the same {within.n} respondents; {design.n - within.n} left out for a missing value in one of "
        f"the models. t and F use the design df: {found.effects.whole_df:g}."
    )


@pytest.mark.slow
def test_replicates_refit_every_model() -> None:
    frame = people(300).dropna().reset_index(drop=True)
    design = survey.replicate(survey.Design(frame, weight="w", psu="psu"), kind="JK1")
    found = compared(design, covariates="estimated")
    assert design.replicates is not None
    again = []
    for weight in design.replicates.weights.T:
        one = survey.Design(frame.assign(w=weight), weight="w")
        fits = [survey.ordinal(formula, one) for formula in MODELS.values()]
        again.append(
            np.concatenate([survey.average_effects(fit, ["income", "urban"], nets=NETS).value for fit in fits])
        )
    deviations = np.array(again) - np.mean(again, axis=0)
    vcov = design.replicates.scale * deviations.T @ deviations
    scale = np.sqrt(np.diag(vcov))
    close_within(found.effects.vcov / np.outer(scale, scale), vcov / np.outer(scale, scale), DIFFERENCES, "replicates")


def test_order_and_scale_of_weights_do_not_matter() -> None:
    frame = people()
    one = compared(designed(frame))
    other = compared(designed(frame.sample(frac=1, random_state=1).assign(w=lambda f: f["w"] * 1e8)))
    close(other.changes().value, one.changes().value, 1e-8, "changes")
    close(other.changes().std_error, one.changes().std_error, 1e-8, "standard errors")
    tests, again = one.tests("Approve"), other.tests("Approve")
    close(again["p_value"], tests["p_value"], 1e-7, "p-values")


def test_a_numeric_covariate_is_compared_by_its_slope() -> None:
    models = {"alone": "approval ~ age", "with income": "approval ~ age + income"}
    found = survey.compare_models(designed(people()), models, "age", nets=NETS)
    assert found.tidy()["contrast"].unique().tolist() == ["per unit of age"]
    test = found.test("age", "Approve")
    change = found.changes().tidy().set_index("level").loc["Approve"]
    close(test.statistic, (change["estimate"] / change["std_error"]) ** 2, EXACT, "F on one df")


def test_models_that_are_the_same_have_no_change_to_test() -> None:
    models = {"one": "approval ~ income + urban", "other": "approval ~ urban + income"}
    found = survey.compare_models(designed(people()), models, "income")
    close_within(found.changes().value, np.zeros(8), 1e-12, "changes")
    with pytest.raises(survey.EstimationError, match=r"`model` must differ.*'one' and 'other' are the same model"):
        found.test("income", "approve")


def test_an_unrelated_predictor_changes_the_slope_but_not_the_effect() -> None:
    rng = np.random.default_rng(5)
    n = 20_000
    x, z = rng.integers(0, 2, n), rng.normal(0, 1.8, n).round(1)
    answers = np.searchsorted([-1, 0.5], 0.6 * x + z + rng.logistic(size=n))
    frame = pd.DataFrame({"x": pd.Categorical(x), "z": z, "y": pd.Categorical(answers, ordered=True)})
    found = survey.compare_models(survey.Design(frame), {"alone": "y ~ x", "and z": "y ~ x + z"}, "x")
    slopes = [fit.slopes["x[T.1]"] for fit in found.fits]
    assert slopes[1] > 1.4 * slopes[0]
    test = found.test("x", 2)
    assert test.p_value > 0.05
    assert abs(found.changes().value[2]) < 0.01


def test_refusals() -> None:
    design = designed(people())
    with pytest.raises(survey.EstimationError, match=r"`formulas` must map the names of two or more models"):
        survey.compare_models(design, {"one": "approval ~ income"}, "income")
    with pytest.raises(survey.EstimationError, match=r"`formulas` must map the names of two or more models"):
        survey.compare_models(design, ["approval ~ income"], "income")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=r"`formulas` must have the same outcome"):
        survey.compare_models(design, {"a": "approval ~ income", "b": "urban ~ income"}, "income")
    with pytest.raises(survey.EstimationError, match=r"every formula has; \['age'\] not in model 'position'"):
        survey.compare_models(design, MODELS, ["income", "age"])
    with pytest.raises(survey.EstimationError, match=r"`variable` must name at least one covariate"):
        survey.compare_models(design, MODELS, [])
    with pytest.raises(survey.EstimationError, match=r"`missing` is \"fail\".*'trust'"):
        compared(design, missing="fail")
    with pytest.raises(survey.EstimationError, match=r"`variable` must not be the outcome"):
        survey.compare_models(design, MODELS, "approval")
    found = compared(design)
    with pytest.raises(survey.EstimationError, match=r"`model` must be one after the first; 'position'"):
        found.test("income", "Approve", model="position")
    with pytest.raises(survey.EstimationError, match=r"`term` must be one of those compared; 'age'"):
        found.test("age", "Approve")
    with pytest.raises(survey.EstimationError, match=r"`level` must be one of those compared; 'Like'"):
        found.test("income", "Like")
    with pytest.raises(survey.EstimationError, match=r"`since` must be \"first\" or \"previous\"; got 'last'"):
        found.changes(since="last")  # type: ignore[arg-type]
    with pytest.raises(survey.EstimationError, match=r"`level` must be one of those compared; 'Like'"):
        found.tests("Like")
