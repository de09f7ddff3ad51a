## A synthetic sample in three stages and its estimates: counties within regions, districts within zones of a county,
## persons within districts.
##   Rscript stages.R           (R >= 4.2 with survey >= 4.1 and jsonlite; writes stages.csv and stages.json beside this file)
## Region C was taken whole. Counties are numbered anew in each region, districts in each zone, persons in each district.
suppressPackageStartupMessages({library(survey); library(jsonlite)})
state <- 20180223
draw <- function() { state <<- (1103515245 * state + 12345) %% 2147483648; state / 2147483648 }  # the same everywhere
rows <- NULL
for (region in c("A", "B", "C")) {
  sampled <- c(A = 3, B = 2, C = 2)[[region]]; N1 <- c(A = 5, B = 4, C = 2)[[region]]
  for (county in seq_len(sampled)) for (zone in c("rural", "urban")) {
    N2 <- 3 + floor(4 * draw()); level <- 40 + 20 * draw()
    for (district in 1:2) {
      N3 <- 6 + floor(9 * draw()); place <- 10 * draw()
      for (person in seq_len(2 + (district + county) %% 2))
        rows <- rbind(rows, data.frame(region, county, zone, district, person, N1, N2, N3, n1 = sampled, n3 = 2 + (district + county) %% 2,
                                       y = round(level + place + 15 * draw(), 1), g = c("low", "middle", "high")[1 + floor(3 * draw())]))
    }
  }
}
rows$f1 <- rows$n1 / rows$N1; rows$f2 <- 2 / rows$N2; rows$f3 <- rows$n3 / rows$N3
rows$w <- 1 / (rows$f1 * rows$f2 * rows$f3)
write.csv(rows, "stages.csv", row.names = FALSE, quote = TRUE, na = "")
rows <- read.csv("stages.csv"); rows$g <- factor(rows$g, levels = c("low", "middle", "high"))
one <- function(s) list(est = setNames(as.list(as.numeric(coef(s))), names(coef(s))), se = setNames(as.list(as.numeric(SE(s))), names(coef(s))),
                        vcov = list(values = unname(as.matrix(vcov(s)))))
all <- function(d) list(degf = degf(d), sum_weights = sum(weights(d)), mean = one(svymean(~y + g, d)), total = one(svytotal(~y + g, d)),
                        domain = one(svymean(~y, subset(d, g != "high"))), domain_degf = degf(subset(d, g != "high")),
                        by = as.list(svyby(~y, ~g, d, svymean)[c("g", "y", "se")]))
three <- svydesign(id = ~county + district + person, strata = ~region + zone, fpc = ~N1 + N2 + N3, data = rows, nest = TRUE)
values <- list(
  meta = list(script = "stages.R", R = R.version.string, survey = as.character(packageVersion("survey")), data = "synthetic, made by the script"),
  sizes = all(three),
  fractions = all(svydesign(id = ~county + district + person, strata = ~region + zone, fpc = ~f1 + f2 + f3, data = rows, nest = TRUE)),
  ## districts at random within a county, whatever its zone: numbered anew in each zone, so named with it
  first_strata_only = all(svydesign(id = ~county + I(paste(zone, district)) + person, strata = ~region, weights = ~w, fpc = ~f1 + I(f2) + f3,
                                    data = transform(rows, f2 = ave(f2, region, county)), nest = TRUE)),
  two_stages = all(svydesign(id = ~county + district, strata = ~region + zone, weights = ~w, fpc = ~N1 + N2, data = rows, nest = TRUE)),
  one_stage = all(svydesign(id = ~county, strata = ~region, weights = ~w, fpc = ~N1, data = rows, nest = TRUE)),
  with_replacement = all(svydesign(id = ~county + district + person, strata = ~region + zone, weights = ~w, data = rows, nest = TRUE)),
  infinite_below = all(svydesign(id = ~county + district + person, strata = ~region + zone, weights = ~w, fpc = ~N1 + N2 + I(1e9 + 0 * N3), data = rows, nest = TRUE)))
writeLines(toJSON(values, digits = NA, auto_unbox = TRUE, pretty = 1), "stages.json")
