"""An R script that recomputes the mixed logistic models of choices with `lme4::glmer`.

As `rscript`, with tables of its own.
"""

from __future__ import annotations

import pandas as pd

from analysis.estimates.choices.outcomes import candidates, identification
from analysis.estimates.results import Summary
from analysis.estimates.strata import strata_of
from analysis.models.mixed_choices import FIRST_LABEL, IDENTIFICATION, Outcome
from analysis.models.rscript import CLOSING, OPENING, rows_of
from analysis.reading.table import RUN_SEPARATOR, Responses

SCRIPT = (
    """\
# Recomputes the report's mixed logistic models of choices with R's lme4::glmer (Bates et al.),
# and prints each parameter beside the report's own.
#
#   Rscript choice_models.R [folder of the report]
#
# Needs the package lme4: install.packages("lme4"), or Debian's r-cran-lme4.
# Differences under 0.001 are the optimisers' tolerance.

suppressPackageStartupMessages(library(lme4))
"""
    + OPENING
    + """\
choices <- table_of("choices.csv", colClasses = c(rep("character", 5), "integer", "numeric"))
told <- table_of("choice_models.csv", colClasses = c(rep("character", 4), "integer",
                                                     "character", "numeric"))
models <- told[!duplicated(told$outcome), c("outcome", "random", "nodes")]

# P(hit) = g + (1 - g) F(eta), with the guessing floor g of each trial.
floored <- function(g) structure(list(
  linkfun = function(mu) qlogis(pmin(pmax((mu - g) / (1 - g), 1e-12), 1 - 1e-12)),
  linkinv = function(eta) g + (1 - g) * plogis(eta),
  mu.eta = function(eta) (1 - g) * dlogis(eta),
  valideta = function(eta) TRUE, name = "floored logit"), class = "link-glm")

recompute <- function(m) {
  d <- choices[choices$outcome == m$outcome, ]
  methods <- sort(unique(d$method), method = "radix")
  d$method <- factor(d$method, levels = methods)
  d$participant <- factor(d$participation)
  d$feature <- factor(d$feature)
  d$participant_method <- interaction(d$participant, d$method, drop = TRUE)
  d$feature_method <- interaction(d$feature, d$method, drop = TRUE)
  random <- strsplit(m$random, "+", fixed = TRUE)[[1]]
  d$stratum <- factor(d$stratum)
  fixed <- if (nlevels(d$stratum) > 1) "hit ~ method + stratum +" else "hit ~ method +"
  formula <- as.formula(paste(fixed, paste0("(1 | ", random, ")", collapse = " + ")))
  family <- if (any(d$guess > 0)) binomial(floored(d$guess)) else binomial
  control <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                          tolPwrss = 1e-12)
  fit <- glmer(formula, data = d, family = family, nAGQ = m$nodes, control = control)
  own <- paste0("method", methods[-1])
  beta <- c(0, unname(fixef(fit)[own]))
  covariance <- as.matrix(vcov(fit, use.hessian = TRUE))[own, own, drop = FALSE]
  covariance <- rbind(0, cbind(0, unname(covariance)))
  sds <- sqrt(vapply(VarCorr(fit), as.numeric, 0))
  value <- function(row) {
    w <- (methods == row$a) - (methods == row$b)
    if (row$parameter == "effect") return(sum(w * beta))
    if (row$parameter == "effect_se") return(sqrt(c(t(w) %*% covariance %*% w)))
    if (row$parameter == "log_likelihood") return(as.numeric(logLik(fit)))
    sds[[substring(row$parameter, 4)]]
  }
  mine <- told[told$outcome == m$outcome, ]
  found <- vapply(seq_len(nrow(mine)), function(i) value(mine[i, ]), 0)
  data.frame(mine[, c("outcome", "a", "b", "parameter")], glmer = found, report = mine$value)
}
"""
    + CLOSING.replace("FITTER", "glmer")
)


def choice_files(summary: Summary, responses: Responses) -> dict[str, str]:
    """The script and its tables, by path; empty if no mixed logistic model was fitted."""
    outcomes = (IDENTIFICATION, FIRST_LABEL)
    models = pd.DataFrame(
        [
            row
            for outcome in outcomes
            for row in rows_of(summary, f"logistic_{outcome.name}_", {"outcome": outcome.name})
        ]
    )
    if models.empty:
        return {}
    choices = pd.concat([_choices(responses, outcome) for outcome in outcomes])
    return {
        "choice_models.R": SCRIPT,
        "tables/choice_models.csv": models.to_csv(index=False, lineterminator="\r\n"),
        "tables/choices.csv": choices.to_csv(index=False, lineterminator="\r\n"),
    }


def _choices(responses: Responses, outcome: Outcome) -> pd.DataFrame:
    """What a model is fitted to; without a floor `guess` is 0."""
    trials = identification(responses) if outcome.floor else candidates(responses)
    frame = trials.frame
    return pd.DataFrame(
        {
            "outcome": outcome.name,
            "participation": frame["participation"],
            "method": frame["method"],
            "feature": frame["feature_key"].str.replace(RUN_SEPARATOR, " · "),
            "stratum": strata_of(frame),
            "hit": trials.hit.astype(int),
            "guess": trials.guess if outcome.floor and trials.known else 0.0,
        }
    )
