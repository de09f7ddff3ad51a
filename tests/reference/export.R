## Exports the data sets of R packages that the reference tests use.
##   Rscript export.R            (R >= 4.2, packages survey >= 4.1, MASS, ordinal, carData; writes beside this file)
## Format: CSV, strings quoted, blank = missing, numbers as R writes them (15 significant digits, shorter where
## exact). Values are not rounded and no row is dropped.
suppressPackageStartupMessages(library(survey))
write_data <- function(frame, name) {
  write.csv(frame, name, row.names = FALSE, na = "")
  cat(name, nrow(frame), "x", ncol(frame), "\n")
}

data(api) # California Academic Performance Index, 2000
for (name in c("apisrs", "apistrat", "apiclus1", "apiclus2")) write_data(get(name), paste0(name, ".csv"))
## the population of all schools, 1.3 MB: only the columns that the coverage study uses
write_data(apipop[, c("stype", "dnum", "api00", "api99", "sch.wide", "meals", "ell", "enroll")], "apipop.csv")

data(nhanes) # National Health and Nutrition Examination Survey 2009-2010, serum cholesterol
write_data(nhanes, "nhanes.csv")

data(scd); data(fpc); data(mu284); data(hospital); data(crowd); data(yrbs) # textbook designs
for (name in c("scd", "fpc", "mu284", "hospital", "crowd", "yrbs")) write_data(as.data.frame(get(name)), paste0(name, ".csv"))

## apiclus1 with its 15 districts paired into strata, so that the eighth stratum has a single PSU
lonely <- apiclus1[, c("dnum", "snum", "stype", "api00", "api99", "enroll", "comp.imp", "sch.wide", "meals", "ell", "pw", "fpc")]
lonely$lstrat <- (match(lonely$dnum, sort(unique(lonely$dnum))) + 1) %/% 2
write_data(lonely, "lonely.csv")

data(housing, package = "MASS") # satisfaction with housing in Copenhagen, frequency table
write_data(housing, "housing.csv")
data(wine, package = "ordinal") # bitterness of wine
write_data(as.data.frame(wine), "wine.csv")
data(WVS, package = "carData") # World Values Survey 1995-97, four countries
write_data(WVS, "WVS.csv")

versions <- sapply(c("survey", "MASS", "ordinal", "carData"), function(p) as.character(packageVersion(p)))
cat(R.version.string, paste(names(versions), versions), sep = "; ")
cat("\n")
