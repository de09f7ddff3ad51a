## Results pooled over imputations by mitools, on apiclus1 with a third of api00 and some awards taken out and imputed.
##   Rscript pooling.R        (R >= 4.2 with survey >= 4.1, mitools and jsonlite; writes pooling.csv and pooling.json beside this file)
suppressPackageStartupMessages({library(survey); library(mitools); library(jsonlite)})
data(api)
set.seed(20181)
n <- nrow(apiclus1); m <- 5
hidden <- runif(n) < 1 / 3; silent <- runif(n) < 1 / 5
model <- lm(api00 ~ api99 + stype, data = apiclus1, subset = !hidden)
columns <- data.frame(snum = apiclus1$snum)
for (i in 1:m) {
  columns[[paste0("api00_", i)]] <- ifelse(hidden, round(predict(model, apiclus1) + rnorm(n, sd = 60)), apiclus1$api00)
  columns[[paste0("awards_", i)]] <- ifelse(silent, sample(c("No", "Yes"), n, replace = TRUE, prob = c(.3, .7)), as.character(apiclus1$awards))
}
write.csv(columns, "pooling.csv", row.names = FALSE)
completed <- lapply(1:m, function(i) transform(apiclus1, score = columns[[paste0("api00_", i)]] / 100, prize = factor(columns[[paste0("awards_", i)]])))
design <- svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = imputationList(completed))
d <- degf(design$designs[[1]])
named <- function(x) as.list(setNames(as.numeric(x), names(x)))
pooled <- function(results) {
  of <- function(df) MIcombine(results, df.complete = df)
  list(complete_df = d, est = named(coef(of(d))), vcov = unname(vcov(of(d))), df = as.numeric(of(d)$df), df_large = as.numeric(of(Inf)$df),
       missinfo_large = as.numeric(of(Inf)$missinfo))
}
tight <- glm.control(epsilon = 1e-14, maxit = 100)
values <- list(
  meta = list(script = "pooling.R", R = R.version.string, survey = as.character(packageVersion("survey")), mitools = as.character(packageVersion("mitools")), data = "survey::apiclus1"),
  mean = pooled(with(design, svymean(~score + prize))),
  mean_by = pooled(with(design, svyby(~score, ~stype, svymean, covmat = TRUE))),
  logit = pooled(with(design, svyglm(prize ~ score + stype, family = quasibinomial, control = tight))))
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE, na = "null", pretty = 1), "pooling.json")
