## Proportion intervals among those who answered, on data sets exported by export.R.
##   Rscript intervals.R        (R >= 4.2 with survey >= 4.1 and jsonlite; writes intervals.json beside this file)
## svyciprop(na.rm = TRUE) counts those who did not answer in its degrees of freedom, and in n for "beta";
## a subset of those who did has neither.
suppressPackageStartupMessages({library(survey); library(jsonlite)})
methods <- c(logit = "xlogit", wald = "mean", beta = "beta")
interval <- function(formula, design) lapply(methods, function(method) {
  made <- svyciprop(formula, design, method = method)
  list(est = as.numeric(made), se = sqrt(as.numeric(attr(made, "var"))), ci = as.numeric(attr(made, "ci")), df = degf(design), n = nrow(design))
})
data(nhanes); data(yrbs)
health <- svydesign(id = ~SDMVPSU, strata = ~SDMVSTRA, weights = ~WTMEC2YR, nest = TRUE, data = nhanes)
health <- subset(health, !is.na(HI_CHOL))
youth <- svydesign(id = ~psu, strata = ~stratum, weights = ~weight, nest = TRUE, data = yrbs)
youth <- subset(youth, !is.na(qn8))
values <- list(
  meta = list(script = "intervals.R", R = R.version.string, survey = as.character(packageVersion("survey")),
              data = "survey::nhanes, survey::yrbs; those who answered"),
  nhanes = list(all = interval(~HI_CHOL, health), `(0,19]` = interval(~HI_CHOL, subset(health, agecat == "(0,19]")),
                by_race = lapply(setNames(nm = as.character(1:4)), function(level) interval(~HI_CHOL, subset(health, race == level)))),
  yrbs = interval(~I(qn8 == 2), youth))
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE, pretty = 1), "intervals.json")
