"""What R does that is deliberately not followed: its value and ours."""

from __future__ import annotations

import numpy as np

import survey
from survey.estimation.intervals import proportion_interval
from tests import brute_force as bf
from tests.imputation import test_pooling as pooling
from tests.reference import test_anes2020 as anes
from tests.reference import test_calibration as calibration
from tests.reference import test_calibration_of_replicates as distances
from tests.reference import test_designs as textbook
from tests.reference import test_quantiles as quantile_tests
from tests.reference import test_replicates as replicates
from tests.reference.test_ordinal_iid import DATA, FORMULAS
from tests.reference_data import (
    API_DESIGNS,
    NHANES_DESIGN,
    api,
    api_for_formulas,
    factor,
    nhanes,
    shared_values,
    values,
    yes_no,
)
from tests.validation.results import frame_of
from tests.validation.rows import REGISTRY


@REGISTRY.deviation(
    "`rake` has standard errors of its own",
    "R's `rake` sweeps the influence with *unweighted* margin means, its `calibrate` and `postStratify` with the "
    "weights before calibration (Deville and Särndal 1992). They agree where base weights are equal. We do as "
    "`calibrate`.",
    "SE of the mean of api00, high schools, `apistrat` raked",
)
def rake_errors() -> tuple[float, float]:
    table = frame_of(values("api_calibration")["strat"]["rake_tight"]["by"]["table"], "stype")
    made = survey.mean(calibration.calibrated("rake_tight", "strat"), "api00", by="stype").tidy().set_index("stype")
    return table["se"]["H"], made["std_error"]["H"]


@REGISTRY.deviation(
    "Calibrating weights that were raked is not ignoring it",
    "A mistake of users, not of R: raked weights, passed to `svydesign` as if they were given. A design here "
    "remembers how its weights were made.",
    "SE of total enrolment, `apiclus1` raked; first as if the weights were given",
)
def ignored_calibration() -> tuple[float, float]:
    design = calibration.calibrated("rake_tight")
    given = survey.Design(api("clus1").assign(raked=design.weights), weight="raked", psu="dnum", fpc="fpc")
    return survey.total(given, "enroll").std_error[0], survey.total(design, "enroll").std_error[0]


@REGISTRY.deviation(
    "`trimWeights` takes the ratios to the weights before as given",
    "But the trimmed weight is shared among the others so that the sum stays what it was. Our influence knows that.",
    "SE of the number of schools, 6,194, `apiclus1` raked and trimmed to 10-50",
)
def trimmed_sum() -> tuple[float, float]:
    raked = survey.rake(distances.base("clus1"), distances.BOTH, tolerance=1e-14)
    design = survey.trim(raked, lower=10, upper=50, sharing="once")
    frame, w = design.frame, raked.weights
    sample = [bf.single_stage(len(frame), psu=frame["dnum"], size=frame["fpc"])]
    x = np.column_stack([bf.indicators(frame[item].astype(str).to_numpy()) for item in distances.BOTH])
    as_given = bf.standard_error(bf.calibrated_values(design.weights / w, x, raked.base_weights, w), sample)
    error = survey.total(survey.trim(survey.rake(ones(), distances.BOTH), lower=10, upper=50, sharing="once"), "one")
    return as_given, round(float(error.std_error[0]), 6)


def ones() -> survey.Design:
    """`apiclus1` with a column of ones."""
    return survey.Design(api("clus1").assign(one=1.0), **API_DESIGNS["clus1"])


@REGISTRY.deviation(
    "`svyolr` stops early and differentiates numerically",
    "Its slopes and standard errors are 1e-6 to 1e-4 off the maximum. We compare with Newton's method to a zero "
    "score and analytic derivatives.",
    "SE of the slope race2, NHANES",
    "ordinal_iid",
)
def svyolr_stops_early() -> tuple[float, float]:
    entry = shared_values("ordinal_iid/ordinal_more.json")["oracles"]["svy_nhanes_logit"]["result"]
    made = survey.ordinal("agecat ~ race + sex + HI_CHOL", survey.Design(nhanes(), **NHANES_DESIGN))
    return entry["svyolr_default"]["se"]["race2"], made.bse.iloc[0]


@REGISTRY.deviation(
    "`svyolr` refits every replicate as a logit",
    "Whatever `method` says, the replicates are logits: a probit gets the spread of logit slopes. Here every "
    "replicate has the link of the fit.",
    "SE of the probit slope of mobility, `apiclus1` with JK1",
    "ordinal_iid",
)
def svyolr_replicates() -> tuple[float, float]:
    oracles = shared_values("ordinal_iid/ordinal_more.json")["oracles"]
    base = survey.Design(api_for_formulas("clus1", 0), **API_DESIGNS["clus1"])
    made = survey.ordinal("mealcat ~ avg_ed + mobility + stype", survey.replicate(base, kind="JK1"), link="probit")
    return oracles["svyolr_rep_bug"]["result"]["probit_WRONG_SE"]["se"]["mobility"], made.bse["mobility"]


@REGISTRY.deviation(
    '`svyolr(method = "cloglog")` is what `clm` and `polr` call loglog',
    "On a linearized design. Our links are named as in `ordinal::clm`: P(Y <= j) = F(threshold - x'b) with F the "
    "inverse link.",
    "log-likelihood of what R's and our cloglog maximize, housing in Copenhagen",
)
def cloglog_is_loglog() -> tuple[float, float]:
    result = values("ordinal_iid")
    loglog, cloglog = (result[f"housing_clm_{link}"]["result"]["logLik"] for link in ("loglog", "cloglog"))
    return float(loglog), float(cloglog)


@REGISTRY.deviation(
    "`svyolr` and `svyglm` subtract parameters from the design's df",
    "`svyolr` the number of slopes, `svyglm` adds one. We use PSUs minus strata for t, as Stata does, and the "
    "adjusted Wald F subtracts what the number of hypotheses costs.",
    "df of the slopes, `apiclus1`",
)
def regression_df() -> tuple[float, float]:
    entry = values("replicates")["clus1_JK1"]["olr_tight"]
    made = survey.ordinal(
        "mealcat ~ mobility + stype", survey.Design(api_for_formulas("clus1"), **API_DESIGNS["clus1"])
    )
    return float(entry["df_residual_svyolr"]), float(made.df)


@REGISTRY.deviation(
    '`lonely_psu = "average"` in a domain',
    "R averages over the strata that have a row of the domain; we over those of the design. R does as we do once a "
    "calibration, even one that changes nothing, makes its domains keep their rows.",
    "SE of the mean of api00, high schools, `lonely`",
)
def lonely_average() -> tuple[float, float]:
    table = frame_of(values("designs")["lonely"]["average"]["by"]["table"], "stype")
    made = survey.mean(textbook.lonely("average").domain("stype == 'H'"), "api00")
    return table["se"]["H"], made.std_error[0]


@REGISTRY.deviation(
    "`svygofchisq` mixes the shares up",
    "R computes the variance with the shares in the alphabetical order of the levels, X² with those given. We use "
    "each level's own share.",
    "p of education against given shares, ANES 2020",
    "anes2020",
)
def order_of_levels() -> tuple[float, float]:
    frame = anes.respondents()
    higher = frame["Education"].astype(object)
    higher = higher.where(~frame["Education"].isin(["Bachelor's", "Graduate"]), "Bachelor or Higher")
    levels = ["Less than HS", "High school", "Post HS", "Bachelor or Higher"]
    frame["Education2"] = factor(higher, levels)
    design = survey.Design(frame, weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    shares = dict(zip(levels, [0.11, 0.27, 0.29, 0.33], strict=True))
    made = survey.goodness_of_fit(design, "Education2", shares, method="satterthwaite")
    return shared_values("anes2020/anes2020.json")["gofchisq_edu"]["p.value"], made.p_value


@REGISTRY.deviation(
    "`svyttest` of one mean takes one df too many away",
    "PSUs minus strata minus 1, though nothing but the mean is estimated. We take PSUs minus strata, as for a mean's "
    "interval.",
    "p of api00 = 600, `apiclus1`",
)
def one_mean_df() -> tuple[float, float]:
    made = survey.t_test(survey.Design(api("clus1"), **API_DESIGNS["clus1"]), "api00", value=600, df="design")
    return values("api")["clus1"]["ttest1"]["p.value"], made.p_value


@REGISTRY.deviation(
    "`svyttest`, `svyranktest`, `svycontrast` and `svychisq` count all PSUs",
    "Their degrees of freedom are those of the design, however few PSUs a group has. Ours are those that the variance "
    'of the comparison has (decision 47); df="design" gives R\'s, with which this page compares.',
    "df of api00 by comp.imp, `apiclus1`",
)
def df_of_a_comparison() -> tuple[float, float]:
    made = survey.t_test(survey.Design(api("clus1"), **API_DESIGNS["clus1"]), "api00", by="comp.imp")
    return values("api")["clus1"]["ttest2"]["parameter"]["df"], made.df1


@REGISTRY.deviation(
    "`svyranktest` ranks tied rows in the order of the file",
    "With unequal weights the mid-ranks of ties, and so the test, change when the rows are sorted. Ours are the "
    "weighted mid-ranks, which R's are on average over orders.",
    "t of trust in government by gender, van der Waerden, ANES 2020",
    "anes2020",
)
def rank_ties() -> tuple[float, float]:
    entry = shared_values("anes2020/anes2020.json")["ranktest"]["vanderWaerden"]
    design = survey.Design(anes.respondents(), weight="weight", strata="Stratum", psu="VarUnit", nest=True)
    made = survey.rank_test(design, "tg", "Gender", method="van-der-waerden", df="design")
    return next(iter(entry["statistic"].values())), made.statistic


@REGISTRY.deviation(
    '`svychisq(statistic = "lincom" or "saddlepoint")` rounds df down in one place',
    "The sum of chi-squares is divided by a chi-square on the rounded df over the df as it is; with replicate "
    "weights the denominator is infinite. We use the df in both.",
    "p of sch.wide by stype, exact, `apistrat`",
)
def lincom_df() -> tuple[float, float]:
    design = survey.Design(api("strat"), **API_DESIGNS["strat"])
    made = survey.crosstab(design, "sch.wide", "stype").test(method="rao-scott-exact", df="design")
    return values("api")["strat"]["chisq"]["sch.wide_stype"]["lincom"]["p.value"], made.p_value


@REGISTRY.deviation(
    '`svychisq(statistic = "Chisq")` counts those who did not answer',
    "R scales the Pearson statistic to all rows of the design, we to those who answered both questions. F and p do "
    "not depend on it.",
    "X² of chol by race, NHANES",
)
def pearson_scale() -> tuple[float, float]:
    entry = values("nhanes")["chisq"]["chol_race"]["Chisq"]
    design = survey.Design(nhanes(), **NHANES_DESIGN)
    made = survey.crosstab(design, "chol", "race").test(method="rao-scott-chisq", df="design")
    return entry["statistic"]["X-squared"], made.statistic


@REGISTRY.deviation(
    "`svyciprop` counts those who did not answer",
    'df, and for "beta" n, are those of all rows of the design, unless `subset()` leaves the others out before. We '
    "take those "
    "who answered.",
    "upper bound of HI_CHOL, beta, NHANES",
)
def share_df() -> tuple[float, float]:
    entry = values("nhanes")["ciprop"]["beta"]
    made = (
        survey.proportion(survey.Design(nhanes(), **NHANES_DESIGN), "chol", interval="beta").tidy().set_index("level")
    )
    return entry["ci"][1], made["conf_high"]["yes"]


@REGISTRY.deviation(
    '`svyciprop(method = "asin")` folds back at 0',
    "A negative angle is squared: the lower bound rises above 0 again. Ours is 0.",
    "lower bound of a share of 4 in 183, `apiclus1`",
)
def folded_arcsine() -> tuple[float, float]:
    entry = values("api")["clus1"]["ciprop"]["ell0"]["asin"]
    low, _ = proportion_interval(entry["est"], np.sqrt(entry["var"]), 183, 14, method="asin")
    return entry["ci"][0], float(low)


@REGISTRY.deviation(
    '`svyquantile`: the rule "shahvaish" depends on the unit of the weights',
    "Weights enter as they are, so that 33.8 per school gives another quantile than 1. Ours are scaled to mean 1.",
    "median of api00, `apiclus1`",
)
def rule_and_unit() -> tuple[float, float]:
    theirs = values("api")["clus1"]["quantile_qrule"]["shahvaish"]["api00"]["values"][0][2]
    return theirs, survey.quantile(quantile_tests.design_of("clus1"), "api00", rule="shahvaish").value[0]


@REGISTRY.deviation(
    "`svyquantile`: rules that interpolate take ties in the order of the file",
    "With unequal weights their quantiles change when the rows are sorted. Ours share the weight of tied respondents.",
    "quantile .95 of api00, rule hf6, `apiclus2`",
)
def quantile_ties() -> tuple[float, float]:
    worst: tuple[float, float] = (0.0, 0.0)
    theirs = values("api")["clus2"]["quantile_qrule"]["hf6"]["api00"]["values"][0]
    made = survey.quantile(quantile_tests.design_of("clus2"), "api00", quantile_tests.Q, rule="hf6").value
    for pair in zip(theirs, made, strict=True):
        worst = max(worst, pair, key=lambda p: abs(p[0] - p[1]))
    return worst


@REGISTRY.deviation(
    "`svyquantile`: rounding error decides whether a share is exactly p",
    "10 of 200 equal weights of 30.97 are less than .05 of their sum to R, with weights of 1 exactly .05. Ours are "
    ".05 with either.",
    "quantile .05 of api00, `apisrs`",
)
def exact_share() -> tuple[float, float]:
    theirs = values("api")["srs"]["quantile_qrule"]["school"]["api00"]["values"][0][0]
    return theirs, survey.quantile(quantile_tests.design_of("srs"), "api00", 0.05, rule="school").value[0]


@REGISTRY.deviation(
    '`svyquantile(interval.type = "score")` reads its ends at unweighted shares',
    "The interval then need not hold the quantile. Ours holds every value that the test of the share below it does "
    "not reject.",
    "upper end of the median age of 47, ANES 2020",
    "anes2020",
)
def score_interval() -> tuple[float, float]:
    theirs = shared_values("anes2020/anes2020.json")["quantile_age"]["score"]["Age"]["values"][2][2]
    return theirs, float(survey.quantile(quantile_tests.ages(), "Age", interval="score").conf_high[0])


@REGISTRY.deviation(
    "Rows dropped before `svydesign`",
    "A mistake of users, not of R: a subset of the data instead of `subset()` of the design. A domain here is a "
    "zero in the weight.",
    "SE of the mean of api00, high schools, `apiclus1`; first from the subset of the data",
)
def dropped_rows() -> tuple[float, float]:
    frame = api("clus1")
    keywords = API_DESIGNS["clus1"]
    dropped = survey.mean(survey.Design(frame[frame["stype"] == "H"], **keywords), "api00").std_error[0]
    return dropped, survey.mean(survey.Design(frame, **keywords).domain("stype == 'H'"), "api00").std_error[0]


@REGISTRY.deviation(
    "Degrees of freedom of replicates that were raked",
    "R takes the rank of the replicate weights after raking, which is not linear and makes independent columns of "
    "dependent ones: more degrees of freedom than there are PSUs, and intervals that cover 92% with 8 PSUs and 88% "
    "with 6. We take the rank before the steps of weighting. Where a file brings weights that were raked, both see "
    "their rank.",
    "df of `apiclus1`, 15 districts, with 50 bootstrap replicates, raked",
    "api",
)
def rank_of_replicates() -> tuple[float, float]:
    made = survey.rake(replicates.from_file("clus1_subbootstrap"), replicates.MARGINS, tolerance=1e-13)
    return float(values("replicates")["boot_rake"]["degf"]), float(made.df)


@REGISTRY.deviation(
    "`rake` stops at a gap of one person by default",
    "Its `epsilon` of 1 is absolute: a margin of 755 comes out 755.009. Ours is met to a share of 1e-10.",
    "total of high schools, `apiclus1` raked to 755",
)
def default_control() -> tuple[float, float]:
    theirs = values("api_calibration")["clus1"]["rake_default_control"]["total"]["est"]["stypeH"]
    made = survey.total(calibration.calibrated("rake_tight"), "stype").tidy().set_index("level")["estimate"]
    return theirs, made["H"]


@REGISTRY.deviation(
    '`svyciprop(method = "logit")` replicates the logit',
    "With replicate weights its variance is that of the logits of the replicates, while that of every other "
    "method, and of "
    '"xlogit", the same interval elsewhere, is that of the share. Ours are of the share.',
    "upper bound of a share, `apiclus1` with JK1",
)
def replicated_logit() -> tuple[float, float]:
    entry = values("replicates")["clus1_JK1"]["ciprop_all"]["logit"]
    frame = api_for_formulas("clus1")
    design = survey.Design(frame.assign(high=yes_no(frame["api00"] > 700)), **API_DESIGNS["clus1"])
    made = survey.proportion(survey.replicate(design, kind="JK1"), "high").tidy().set_index("level")
    return entry["ci"][1], made["conf_high"]["yes"]


@REGISTRY.deviation(
    "`svyglm` and `svy_vglm` have the expected information",
    "In the sandwich of a link other than the logit, and of ordinal models. Ours is the derivative of the "
    "scores (Binder "
    "1983), as `svyolr` has it; with the expected one we get R's.",
    "SE of the intercept of a probit, `apiclus1`",
)
def expected_information() -> tuple[float, float]:
    frame = api_for_formulas("clus1")
    made = survey.ordinal("sch_wide ~ meals + stype", survey.Design(frame, **API_DESIGNS["clus1"]), link="probit")
    return values("api")["clus1"]["glm_probit"]["se"]["(Intercept)"], made.bse.iloc[-1]


@REGISTRY.deviation(
    "`svypredmeans` adds two variances",
    "That of the coefficients and that of the respondents averaged over, without their covariance. Ours, with "
    '`covariates="estimated"`, has it; the sum of the two parts gives R\'s.',
    "SE of the average share with high cholesterol, race 2, NHANES",
)
def two_variances() -> tuple[float, float]:
    made = survey.ordinal("chol ~ race + C(agecat) + sex", survey.Design(nhanes(), **NHANES_DESIGN))
    found = survey.predicted_probabilities(made, {"race": "2"}, covariates="estimated").tidy().set_index("level")
    return values("nhanes")["predmeans"]["se"]["2"], found["std_error"]["yes"]


@REGISTRY.deviation(
    "`svyolr` takes 100 for infinity",
    "Where the Cauchy distribution has .3% of its mass left: its cauchit is another model. Ours has true infinities.",
    "log-likelihood, cauchit, `apiclus1`",
)
def hundred() -> tuple[float, float]:
    design = survey.Design(api_for_formulas("clus1"), **API_DESIGNS["clus1"])
    made = survey.ordinal("mealcat ~ avg_ed + mobility + stype", design, link="cauchit")
    return -values("api")["clus1"]["olr"]["cauchit"]["deviance"] / 2, made.log_likelihood


@REGISTRY.deviation(
    '`regTermTest(method = "LRT")` on `svyolr` depends on the scale of the weights',
    "Its deviance has weights of mean 1, its covariance weights as they are. Ours have mean 1 in both.",
    "p of avg.ed and stype, `apiclus1`",
)
def scale_of_weights() -> tuple[float, float]:
    entry = values("ordinal_tests")["svy_api_clus1_tests"]["LRT_AS_SHIPPED_survey_4.5"]
    design = survey.Design(api_for_formulas("clus1", lowest=0), **API_DESIGNS["clus1"])
    smaller = survey.ordinal("mealcat ~ mobility", design.domain("avg_ed > 0"))
    larger = survey.ordinal("mealcat ~ avg_ed + mobility + stype", design)
    return entry["p"], survey.likelihood_ratio_test(smaller, larger, df=10).p_value


@REGISTRY.deviation(
    "`generalhoslem` divides ties by the order of the file",
    "Respondents with the same prediction fall into different groups, and the statistic changes when rows are sorted. "
    "Ours keep them together.",
    "ordinal Hosmer-Lemeshow statistic, UCLA",
)
def divided_ties() -> tuple[float, float]:
    made = survey.ordinal(FORMULAS["ucla"], survey.Design(DATA["ucla"](), weight=None))
    ours = survey.model_fit_test(made, method="hosmer-lemeshow").statistic
    return values("ordinal_tests")["ucla_gof"]["hosmer_ordinal"]["stat"], ours


@REGISTRY.deviation(
    "`brant` leaves half of a covariance untransposed",
    "The blocks below the diagonal of the joint covariance are those above it, as they are. Its overall "
    "statistic rests on "
    "them, those of single columns do not. Ours is symmetric.",
    "Brant's statistic, UCLA",
)
def untransposed() -> tuple[float, float]:
    made = survey.ordinal(FORMULAS["ucla"], survey.Design(DATA["ucla"](), weight=None))
    return values("ordinal_tests")["ucla_polr_brant"]["brant_X2"][0], survey.parallel_lines_test(
        made, "model-brant"
    ).statistic


@REGISTRY.deviation(
    "`svyglm` scales its deviance with those who did not answer",
    "Weights have mean 1 over all rows of the design, ours over the respondents in the model.",
    "deviance of a binary model of HI_CHOL, NHANES",
)
def scale_of_deviance() -> tuple[float, float]:
    made = survey.ordinal("chol ~ race + C(agecat) + sex", survey.Design(nhanes(), **NHANES_DESIGN))
    return values("nhanes")["glm"]["deviance"], -2 * made.log_likelihood


@REGISTRY.deviation(
    "`deff = TRUE` compares with sampling without replacement",
    'From as many as the weights add up to. Ours compares with replacement, as `deff = "replace"` does, '
    "which polls need, "
    "whose weights add up to n.",
    "design effect of the mean of api00, `apiclus1`",
)
def without_replacement() -> tuple[float, float]:
    made = survey.mean(survey.Design(api("clus1"), **API_DESIGNS["clus1"]), "api00")
    return values("api")["clus1"]["mean"]["deff"]["api00"], made.deff[0]


@REGISTRY.deviation(
    "`MIcombine` leaves out a factor of 1 + 1/m",
    "In the degrees of freedom for finite complete data (Barnard and Rubin 1999), which it overstates.",
    "df of the mean of api00, five imputations of `apiclus1`",
)
def complete_data_df() -> tuple[float, float]:
    made = survey.pool([survey.mean(design, "score") for design in pooling.completed()])
    return values("pooling")["mean"]["df"][0], float(made.df[0])
