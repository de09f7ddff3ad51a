## Design effects, ratios by groups, correlations and smooth functions of estimates, on data sets exported by export.R.
##   Rscript functions.R        (R >= 4.2 with survey >= 4.1 and jsonlite; writes functions.json beside this file)
suppressPackageStartupMessages({library(survey); library(jsonlite)})
options(survey.lonely.psu = "fail")
data(api); data(nhanes)
designs <- list(
  srs   = svydesign(id = ~1, weights = ~pw, fpc = ~fpc, data = apisrs),
  strat = svydesign(id = ~1, strata = ~stype, weights = ~pw, fpc = ~fpc, data = apistrat),
  clus1 = svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = apiclus1),
  clus2 = svydesign(id = ~dnum + snum, fpc = ~fpc1 + fpc2, data = apiclus2))
## raked by school type and target, in equal base weights: see docs/decisions.md on unequal ones
raked <- rake(designs$clus1, list(~stype, ~sch.wide),
              list(data.frame(stype = c("E", "H", "M"), Freq = c(4421, 755, 1018)), data.frame(sch.wide = c("No", "Yes"), Freq = c(1072, 5122))),
              control = list(maxit = 500, epsilon = 1e-9))
named <- function(x) as.list(setNames(as.numeric(x), names(x)))
## svymean and the like keep their design effects as a number, a vector or a matrix
deffs <- function(x) { d <- deff(x); named(setNames(if (is.matrix(d)) diag(d) else d, names(coef(x)))) }
by <- function(x) as.list(as.data.frame(x))
nonlinear <- function(x, ...) { r <- svycontrast(x, list(...)); list(est = named(coef(r)), se = named(setNames(SE(r), names(coef(r)))), vcov = unname(vcov(r))) }
one <- function(design) {
  mean <- svymean(~api00 + api99, design)
  total <- svytotal(~api.stu + stype, design)
  moments <- svyvar(~api00 + api99, design)
  ## svycontrast wants names; svyvar gives the four moments column by column
  v <- structure(as.numeric(coef(moments)), names = c("xx", "xy", "yx", "yy"), var = attr(moments, "var"), statistic = "variance", class = "svystat")
  list(
    degf = degf(design),
    deff_total = deffs(svytotal(~api.stu + stype, design, deff = "replace")),
    deff_mean = deffs(svymean(~api00 + stype, design, deff = "replace")),
    deff_mean_domain = deffs(svymean(~api00 + sch.wide, subset(design, comp.imp == "Yes"), deff = "replace")),
    deff_mean_by = by(svyby(~api00, ~stype, design, svymean, deff = "replace")),
    deff_total_by = by(svyby(~api.stu, ~stype, design, svytotal, deff = "replace")),
    deff_ratio = as.numeric(deff(svyratio(~api.stu, ~enroll, subset(design, !is.na(enroll)), deff = "replace"))),
    ratio_by = by(svyby(~api00, ~stype, design, denominator = ~api99, svyratio)),
    ratio_by_two = by(svyby(~api00, ~stype + sch.wide, design, denominator = ~api99, svyratio)),
    ratio_several = { r <- svyratio(~api00 + api.stu, ~api99, design, covmat = TRUE); list(est = named(coef(r)), se = named(setNames(SE(r), names(coef(r)))), vcov = unname(vcov(r))) },
    var_by = by(svyby(~api00, ~stype, design, svyvar)),
    correlation = nonlinear(v, r = quote(xy / sqrt(xx * yy))),
    log_ratio = nonlinear(mean, log_ratio = quote(log(api00 / api99)), product = quote(api00 * api99)),
    total_function = nonlinear(total, share = quote(stypeE / (stypeE + stypeH + stypeM)), cube = quote((api.stu / 1000)^3)))
}
values <- list(meta = list(script = "functions.R", R = R.version.string, survey = as.character(packageVersion("survey")), data = "survey::api, survey::nhanes"))
for (name in names(designs)) values[[name]] <- one(designs[[name]])
values$clus1_raked <- one(raked)
## nhanes: odds ratio of high cholesterol, women against men, from the joint covariance
health <- svydesign(id = ~SDMVPSU, strata = ~SDMVSTRA, weights = ~WTMEC2YR, nest = TRUE, data = nhanes)
answered <- subset(health, !is.na(HI_CHOL))
shares <- svyby(~HI_CHOL, ~RIAGENDR, answered, svymean, covmat = TRUE)
values$nhanes <- list(odds_ratio = nonlinear(shares, odds_ratio = quote((`2` / (1 - `2`)) / (`1` / (1 - `1`)))),
                      deff_mean_by = by(svyby(~HI_CHOL, ~race, answered, svymean, deff = "replace")))
## svyquantile's rule "shahvaish" changes with the unit of the weights; with weights of mean 1 it is what it is meant to be.
## With weights of 1 and p = .05, .05 n = 10 is exact in R as well
unit <- function(design, data) { data$.w <- weights(design) / mean(weights(design)); svydesign(id = ~1, weights = ~.w, data = data) }
q <- c(.05, .25, .5, .75, .95)
quantiles <- function(design, rule) as.numeric(svyquantile(~api00, design, q, qrule = rule, ci = FALSE)$api00)
values$unit_weights <- list(
  shahvaish = list(srs = quantiles(unit(designs$srs, apisrs), "shahvaish"), strat = quantiles(unit(designs$strat, apistrat), "shahvaish"), clus1 = quantiles(unit(designs$clus1, apiclus1), "shahvaish"), clus2 = quantiles(unit(designs$clus2, apiclus2), "shahvaish")),
  srs = sapply(c("math", "school", "hf1", "hf2", "hf3"), function(rule) quantiles(unit(designs$srs, apisrs), rule), simplify = FALSE),
  srs_intervals = lapply(c(mean = "mean", beta = "beta", xlogit = "xlogit", asin = "asin"), function(type) {
    srs <- svydesign(id = ~1, weights = ~.w, fpc = ~fpc, data = transform(apisrs, .w = 1)); unname(svyquantile(~api00, srs, q, interval.type = type)$api00) }))
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE, na = "null", pretty = 1), "functions.json")
