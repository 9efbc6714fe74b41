"""An R script that recomputes the report's mixed models with `ordinal::clmm`, and its tables.

The script is the same for every report: names and numbers are in two tables that it reads, so that
no text from the responses becomes code.
"""

from __future__ import annotations

import pandas as pd

from analysis.estimates.results import Estimate, Summary
from analysis.models.link_functions import LINKS
from analysis.models.mixed import NODES
from analysis.reading.table import RUN_SEPARATOR, Responses

SCRIPT = """\
# Recomputes the report's cumulative link mixed models with R's ordinal::clmm (Christensen),
# and prints each parameter beside the report's own.
#
#   Rscript mixed_models.R [folder of the report]
#
# Needs the package ordinal: install.packages("ordinal"), or Debian's r-cran-ordinal.
# Differences under 0.002 are the optimisers' tolerance.

suppressPackageStartupMessages(library(ordinal))

given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else "."
table_of <- function(name, ...) read.csv(
  file.path(folder, "tables", name), fileEncoding = "UTF-8", na.strings = character(0), ...)
ratings <- table_of("ratings.csv", colClasses = c(rep("character", 3), "integer"))
models <- table_of("mixed_models.csv", colClasses = c(rep("character", 4), "integer"))
models <- models[!duplicated(models[, c("a", "b", "link")]), c("a", "b", "link", "random", "nodes")]
told <- table_of("mixed_models.csv", colClasses = c(rep("character", 4), "integer",
                                                    "character", "numeric"))

said <- function(m, parameter) {
  hit <- told$a == m$a & told$b == m$b & told$link == m$link & told$parameter == parameter
  if (any(hit)) told$value[hit][1] else NA
}

recompute <- function(m) {
  d <- ratings[ratings$method %in% c(m$a, m$b), ]
  d$rating <- factor(d$rating, ordered = TRUE)
  d$is_a <- as.numeric(d$method == m$a)
  d$participant <- factor(d$participation)
  d$feature <- factor(d$feature)
  random <- strsplit(m$random, "+", fixed = TRUE)[[1]]
  terms <- c("is_a", paste0("(1 | ", random, ")"))
  formula <- as.formula(paste("rating ~", paste(terms, collapse = " + ")))
  start <- proc.time()[["elapsed"]]
  fit <- clmm(formula, data = d, link = m$link, nAGQ = m$nodes)
  seconds <- proc.time()[["elapsed"]] - start
  found <- c(effect = unname(coef(fit)["is_a"]),
             effect_se = unname(sqrt(diag(vcov(fit)))["is_a"]),
             log_likelihood = as.numeric(logLik(fit)))
  # Where both random effects have as many levels, VarCorr exchanges their names (seen in ordinal
  # 2022.11-16); those of ranef, in the same order, are right.
  sds <- sqrt(vapply(VarCorr(fit), as.numeric, 0))
  names(sds) <- names(ranef(fit))
  for (name in random) found[paste0("sd_", name)] <- sds[[name]]
  ours <- sapply(names(found), function(name) said(m, name))
  data.frame(a = m$a, b = m$b, link = m$link, parameter = c(names(found), "seconds"),
             clmm = c(found, seconds), report = c(ours, NA), row.names = NULL)
}

rows <- lapply(seq_len(nrow(models)), function(i) tryCatch(
  recompute(models[i, ]),
  error = function(e) {
    message("not fitted by clmm: ", conditionMessage(e))
    NULL
  }))
found <- do.call(rbind, rows)
if (!is.null(found)) {
  found$difference <- found$clmm - found$report
  write.csv(found, stdout(), row.names = FALSE, na = "")
}
"""

PARAMETERS = ("effect", "effect_se", "sd_participant", "sd_feature", "log_likelihood")


def r_files(summary: Summary, responses: Responses) -> dict[str, str]:
    """The script and its tables, by path; empty if no mixed model was fitted."""
    models = _models(summary)
    if models.empty:
        return {}
    rated = responses.ratings
    ratings = pd.DataFrame(
        {
            "participation": rated["participation"],
            "method": rated["method"],
            "feature": rated["feature_key"].str.replace(RUN_SEPARATOR, " · "),
            "rating": rated["rating"],
        }
    )
    return {
        "mixed_models.R": SCRIPT,
        "tables/mixed_models.csv": models.to_csv(index=False, lineterminator="\r\n"),
        "tables/ratings.csv": ratings.to_csv(index=False, lineterminator="\r\n"),
    }


def _models(summary: Summary) -> pd.DataFrame:
    """One row per parameter of each fitted model."""
    found = {(e.method, e.name): e for e in summary.estimates if e.name.startswith("clmm_")}
    rows: list[dict[str, object]] = []
    for a, b in summary.comparisons:
        for link in LINKS:
            values = _values(found, f"{a} − {b}", f"clmm_{link}_")
            random = [name[3:] for name in values if name.startswith("sd_")]
            nodes = NODES if len(random) == 1 else 1
            rows += [
                {"a": a, "b": b, "link": link, "random": "+".join(random), "nodes": nodes}
                | {"parameter": name, "value": value}
                for name, value in values.items()
            ]
    return pd.DataFrame(rows)


def _values(
    found: dict[tuple[str, str], Estimate], comparison: str, prefix: str
) -> dict[str, float]:
    values = {}
    for name in PARAMETERS:
        e = found.get((comparison, prefix + name))
        if e is not None and e.value is not None:
            values[name] = e.value
    return values
