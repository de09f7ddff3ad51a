## Score tests, dAIC and dBIC of binary models under a design, and tests of fit of an ordinal model without one.
##   Rscript diagnostics.R      (R >= 4.2 with survey >= 4.1, ordinal, carData and jsonlite; writes diagnostics.json beside this file)
suppressPackageStartupMessages({library(survey); library(ordinal); library(jsonlite)})
options(survey.lonely.psu = "fail")
data(api); data(WVS, package = "carData")
tight <- glm.control(epsilon = 1e-15, maxit = 100)
designs <- list(
  srs   = svydesign(id = ~1, weights = ~pw, fpc = ~fpc, data = apisrs),
  strat = svydesign(id = ~1, strata = ~stype, weights = ~pw, fpc = ~fpc, data = apistrat),
  clus1 = svydesign(id = ~dnum, weights = ~pw, fpc = ~fpc, data = apiclus1),
  clus2 = svydesign(id = ~dnum + snum, fpc = ~fpc1 + fpc2, data = apiclus2))
designs$JK1 <- as.svrepdesign(designs$clus1, type = "JK1")
fit <- function(formula, design) svyglm(formula, design, family = quasibinomial(), control = tight)
## Rao, Scott and Skinner (1998), eq. 3.2: scores of mobility and stype at their zero, less their regression on those of the model
score <- function(design) {
  small <- fit(sch.wide ~ ell + meals, design)
  X <- model.matrix(small); Z <- model.matrix(~ mobility + stype, model.frame(design))[, -1]
  y <- as.numeric(model.frame(design)$sch.wide == "Yes"); mu <- fitted(small); w <- weights(design, "sampling"); v <- w * mu * (1 - mu)
  A <- t(Z) %*% (v * X) %*% solve(t(X) %*% (v * X))
  s <- svytotal((Z - X %*% t(A)) * (y - mu), design)
  left <- (t(Z) %*% (v * Z) - A %*% t(X) %*% (v * Z)) * mean(w)
  list(pseudoscore = drop(coef(s) %*% solve(vcov(s), coef(s))), working = drop(coef(s) %*% solve(left, coef(s))),
       lambda = eigen(solve(left, vcov(s)))$values, stype = drop(coef(s)[2:3] %*% solve(vcov(s)[2:3, 2:3], coef(s)[2:3])), degf = degf(design))
}
criteria <- function(design) {
  small <- fit(sch.wide ~ ell + meals + mobility, design); large <- fit(sch.wide ~ ell + meals + mobility + stype, design)
  list(AIC = as.list(AIC(small)), BIC = unname(BIC(small, maximal = large)), deviance = small$deviance)
}
values <- list(meta = list(script = "diagnostics.R", R = R.version.string, survey = as.character(packageVersion("survey")), ordinal = as.character(packageVersion("ordinal")), data = "survey::api, carData::WVS"))
for (name in names(designs)) values[[name]] <- list(score = score(designs[[name]]))
for (name in names(designs)) if (name != "JK1") values[[name]]$criteria <- criteria(designs[[name]])
## Groups between quantiles of P(Y > 1), ties kept together
f <- poverty ~ religion + degree + country + age + gender
control <- clm.control(gradTol = 1e-12, maxIter = 300L)
model <- clm(f, data = WVS, control = control)
p <- as.matrix(predict(model, WVS[c("religion", "degree", "country", "age", "gender")], type = "prob")$fit)
table_chisq <- function(group) { O <- table(group, WVS$poverty); E <- rowsum(p, as.integer(factor(group))); c(sum((O - E)^2 / E), 2 * sum(ifelse(O > 0, O * log(O / E), 0))) }
for (g in c(6, 10)) {
  s <- round(1 - p[, 1], 12); WVS$group <- factor(as.integer(cut(s, unique(quantile(s, seq(0, 1, 1 / g))), include.lowest = TRUE)))
  values$WVS[[paste0("groups", g)]] <- list(sizes = as.integer(table(WVS$group)), lipsitz = 2 * as.numeric(logLik(clm(update(f, . ~ . + group), data = WVS, control = control)) - logLik(model)), hosmer_lemeshow = table_chisq(WVS$group)[1])
}
score <- round(drop(p %*% 1:3), 12); pattern <- with(WVS, interaction(religion, degree, country, gender, drop = TRUE))
halves <- interaction(pattern, score > ave(score, pattern, FUN = median), drop = TRUE)
values$WVS$pulkstenis_robinson <- list(rows = nlevels(halves), chisq = table_chisq(halves)[1], deviance = table_chisq(halves)[2])
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE), "diagnostics.json")
