"""An R script that recomputes the report's joint mixed models with `ordinal::clmm`, and its tables.

The script is the same for every report: names and numbers are in two tables that it reads, so that
no text from the responses becomes code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from analysis.estimates.results import Summary
from analysis.estimates.strata import strata_of
from analysis.models.joint import nodes_for
from analysis.models.link_functions import LINKS
from analysis.models.mixed import ALL_METHODS
from analysis.reading.table import RUN_SEPARATOR, Responses

OPENING = """
given <- commandArgs(trailingOnly = TRUE)
folder <- if (length(given)) given[1] else "."
table_of <- function(name, ...) read.csv(
  file.path(folder, "tables", name), fileEncoding = "UTF-8", na.strings = character(0), ...)

# What a mixed model of all methods is fitted to: the first method in order is the reference.
prepared <- function(d) {
  d$method <- factor(d$method, levels = sort(unique(d$method), method = "radix"))
  d$participant <- factor(d$participation)
  d$feature <- factor(d$feature)
  d$stratum <- factor(d$stratum)
  d$participant_method <- interaction(d$participant, d$method, drop = TRUE)
  d$feature_method <- interaction(d$feature, d$method, drop = TRUE)
  d
}
# Its formula; with several studies or versions they are a fixed factor.
formula_of <- function(outcome, random, d) {
  fixed <- if (nlevels(d$stratum) > 1) "method + stratum" else "method"
  each <- paste0("(1 | ", strsplit(random, "+", fixed = TRUE)[[1]], ")", collapse = " + ")
  as.formula(paste(outcome, "~", fixed, "+", each), env = parent.frame())
}
"""
"""How each script finds its tables, and sets up a mixed model."""

READ_RATINGS = """\
ratings <- table_of("ratings.csv", colClasses = c(rep("character", 4), "integer"))
"""
READ_CHOICES = """\
choices <- table_of("choices.csv", colClasses = c(rep("character", 5), "integer", "numeric"))
"""

CLOSING = """
rows <- lapply(seq_len(nrow(models)), function(i) tryCatch(
  recompute(models[i, ]),
  error = function(e) {
    message("not fitted by FITTER: ", conditionMessage(e))
    NULL
  }))
found <- do.call(rbind, rows)
if (!is.null(found)) {
  found$difference <- found$FITTER - found$report
  write.csv(found, stdout(), row.names = FALSE, na = "")
}
"""
"""How each script fits its models one by one and prints; FITTER is the function that fits."""

SCRIPT = (
    """\
# Recomputes the report's cumulative link mixed models with R's ordinal::clmm (Christensen),
# and prints each parameter beside the report's own.
#
#   Rscript mixed_models.R [folder of the report]
#
# Needs the package ordinal: install.packages("ordinal"), or Debian's r-cran-ordinal.
# Differences under 0.001 are the optimisers' tolerance.

suppressPackageStartupMessages(library(ordinal))
"""
    + OPENING
    + READ_RATINGS
    + """\
told <- table_of("mixed_models.csv", colClasses = c(rep("character", 4), "integer",
                                                    "character", "numeric"))
models <- told[!duplicated(told$link), c("link", "random", "nodes")]

# The mean of score(rating) at level b, over random effects of total standard deviation tau.
marginal <- function(score, b, tau, alpha, values, link) {
  cdf <- if (link == "logit") plogis else pnorm
  steps <- diff(score(values))
  inner <- function(z) dnorm(z) * vapply(z, function(x) sum(steps * cdf(b + tau * x - alpha)), 0)
  score(values)[1] + integrate(inner, -Inf, Inf, rel.tol = 1e-9)$value
}
SCORES <- list(mean_confidence = function(v) v, share_at_least_4 = function(v) (v >= 4) * 1)

recompute <- function(m) {
  d <- prepared(ratings)
  methods <- levels(d$method)
  d$rating <- factor(d$rating, ordered = TRUE)
  formula <- formula_of("rating", m$random, d)
  start <- proc.time()[["elapsed"]]
  fit <- clmm(formula, data = d, link = m$link, nAGQ = m$nodes)
  seconds <- proc.time()[["elapsed"]] - start
  # The first method's level is 0; contrasts of the others and their covariance by hand.
  own <- paste0("method", methods[-1])
  beta <- c(0, unname(coef(fit)[own]))
  covariance <- rbind(0, cbind(0, unname(vcov(fit)[own, own, drop = FALSE])))
  # Where two random effects have as many levels, VarCorr exchanges their names (seen in ordinal
  # 2022.11-16); those of ranef, in the same order, are right.
  sds <- sqrt(vapply(VarCorr(fit), as.numeric, 0))
  names(sds) <- names(ranef(fit))
  value <- function(row) {
    w <- (methods == row$a) - (methods == row$b)
    if (row$parameter == "effect") return(sum(w * beta))
    if (row$parameter == "effect_se") return(sqrt(c(t(w) %*% covariance %*% w)))
    if (row$parameter == "log_likelihood") return(as.numeric(logLik(fit)))
    if (startsWith(row$parameter, "sd_")) return(sds[[substring(row$parameter, 4)]])
    # Averaged over studies and versions by their shares of the ratings.
    shares <- prop.table(table(d$stratum))
    shift <- c(0, unname(coef(fit)[paste0("stratum", names(shares)[-1])]))[seq_along(shares)]
    sum(shares * vapply(shift, function(own) marginal(
      SCORES[[row$parameter]], beta[methods == row$a] + own, sqrt(sum(sds^2)), fit$alpha,
      as.numeric(levels(d$rating)), m$link), 0))
  }
  mine <- told[told$link == m$link, ]
  found <- vapply(seq_len(nrow(mine)), function(i) value(mine[i, ]), 0)
  rbind(
    data.frame(mine[, c("a", "b", "link", "parameter")], clmm = found, report = mine$value),
    data.frame(a = "", b = "", link = m$link, parameter = "seconds", clmm = seconds, report = NA))
}
"""
    + CLOSING.replace("FITTER", "clmm")
)

OF_A_MODEL = ("effect", "effect_se", "log_likelihood", "sd_")
"""The parameters that the scripts recompute; the last stands for all that begin with it."""
IMPLIED = ("mean_confidence", "share_at_least_4")
"""What the model with the logit link implies for each method (`clmm_` before it)."""


def r_files(summary: Summary, responses: Responses) -> dict[str, str]:
    """The script and its tables, by path; empty if no mixed model was fitted."""
    models = _models(summary)
    if models.empty:
        return {}
    return {
        "mixed_models.R": SCRIPT,
        "tables/mixed_models.csv": csv_of(models),
        **ratings_table(responses),
    }


def ratings_table(responses: Responses) -> dict[str, str]:
    """`READ_RATINGS`'s table, by its path."""
    rated = responses.ratings
    return {"tables/ratings.csv": csv_of(units_of(rated).assign(rating=rated["rating"]))}


def units_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Who rated what under which method, and the study and version."""
    return pd.DataFrame(
        {
            "participation": frame["participation"],
            "method": frame["method"],
            "feature": frame["feature_key"].str.replace(RUN_SEPARATOR, " · "),
            "stratum": strata_of(frame),
        }
    )


def csv_of(frame: pd.DataFrame) -> str:
    """A table as a script reads it."""
    return str(frame.to_csv(index=False, lineterminator="\r\n"))


def _models(summary: Summary) -> pd.DataFrame:
    """One row per number of each link's model."""
    return pd.DataFrame([row for link in LINKS for row in _rows(summary, link)])


def _rows(summary: Summary, link: str) -> Iterator[dict[str, object]]:
    """A link's numbers; for logit also what the model implies for each method (a)."""
    yield from rows_of(summary, f"clmm_{link}_", {"link": link})
    if link != "logit":
        return
    found = {(e.name, e.method): e.value for e in summary.estimates}
    model = model_of(summary, "clmm_logit_")
    for method in summary.methods:
        for name in IMPLIED:
            if (value := found.get((f"clmm_{name}", method))) is not None:
                told = {"a": method, "b": "", "link": link, **model}
                yield {**told, "parameter": name, "value": value}


def model_of(summary: Summary, prefix: str) -> dict[str, object]:
    """A model's random effects, as its estimates tell them, and its number of nodes."""
    start = f"{prefix}sd_"
    random = [
        e.name.removeprefix(start)
        for e in summary.estimates
        if e.name.startswith(start) and e.method == ALL_METHODS and e.value is not None
    ]
    return {"random": "+".join(random), "nodes": nodes_for(len(random))}


def rows_of(
    summary: Summary, prefix: str, named: Mapping[str, object]
) -> Iterator[dict[str, object]]:
    """The numbers of one model: of each pair (a, b), and of the model (neither)."""
    model = model_of(summary, prefix)
    pairs = [f"{a} − {b}" for a, b in summary.comparisons]
    sides = dict(zip(pairs, summary.comparisons, strict=True)) | {ALL_METHODS: ("", "")}
    for e in summary.estimates:
        parameter = e.name.removeprefix(prefix)
        ours = e.name.startswith(prefix) and parameter.startswith(OF_A_MODEL)
        if ours and e.method in sides and e.value is not None:
            a, b = sides[e.method]
            told = {"a": a, "b": b, **named, **model}
            yield {**told, "parameter": parameter, "value": e.value}
