"""An R script that recomputes the mixed logistic models of choices with `lme4::glmer`.

As `rscript`, with tables of its own.
"""

from __future__ import annotations

import pandas as pd

from analysis.estimates.choices.outcomes import candidates, identification
from analysis.estimates.results import Summary
from analysis.models.mixed_choices import FIRST_LABEL, IDENTIFICATION, Outcome
from analysis.models.rscript import CLOSING, OPENING, READ_CHOICES, csv_of, rows_of, units_of
from analysis.reading.table import Responses

OUTCOMES = (IDENTIFICATION, FIRST_LABEL)

FLOORED = """\
# P(hit) = g + (1 - g) F(eta), with the guessing floor g of each trial.
family_of <- function(g) {
  if (!any(g > 0)) return(binomial)
  link <- structure(list(
    linkfun = function(mu) qlogis(pmin(pmax((mu - g) / (1 - g), 1e-12), 1 - 1e-12)),
    linkinv = function(eta) g + (1 - g) * plogis(eta),
    mu.eta = function(eta) (1 - g) * dlogis(eta),
    valideta = function(eta) TRUE, name = "floored logit"), class = "link-glm")
  binomial(link)  # a name: binomial looks at the expression, which must fit one line
}
"""

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
    + READ_CHOICES
    + """\
told <- table_of("choice_models.csv", colClasses = c(rep("character", 4), "integer",
                                                     "character", "numeric"))
models <- told[!duplicated(told$outcome), c("outcome", "random", "nodes")]

"""
    + FLOORED
    + """\
CONTROL <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                        tolPwrss = 1e-12)

recompute <- function(m) {
  d <- prepared(choices[choices$outcome == m$outcome, ])
  methods <- levels(d$method)
  formula <- formula_of("hit", m$random, d)
  fit <- glmer(formula, data = d, family = family_of(d$guess), nAGQ = m$nodes, control = CONTROL)
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
    models = pd.DataFrame(
        [
            row
            for outcome in OUTCOMES
            for row in rows_of(summary, f"logistic_{outcome.name}_", {"outcome": outcome.name})
        ]
    )
    if models.empty:
        return {}
    return {
        "choice_models.R": SCRIPT,
        "tables/choice_models.csv": csv_of(models),
        **choices_table(responses),
    }


def choices_table(responses: Responses) -> dict[str, str]:
    """`READ_CHOICES`'s table, by its path."""
    choices = pd.concat([_choices(responses, outcome) for outcome in OUTCOMES])
    return {"tables/choices.csv": csv_of(choices)}


def _choices(responses: Responses, outcome: Outcome) -> pd.DataFrame:
    """What a model is fitted to; without a floor `guess` is 0."""
    trials = identification(responses) if outcome.floor else candidates(responses)
    found = units_of(trials.frame).assign(
        hit=trials.hit.astype(int),
        guess=trials.guess if outcome.floor and trials.known else 0.0,
    )
    found.insert(0, "outcome", outcome.name)
    return found
