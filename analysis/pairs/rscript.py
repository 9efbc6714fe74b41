"""An R script that recomputes the dose–response models with `lme4::glmer`, beside the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from analysis.models.rscript import csv_of
from analysis.pairs.doses import BIAS, FEATURE_SLOPE, LISTENER_SLOPE, DoseModel

FORMULAS = {
    BIAS: "(1 | listener)",
    LISTENER_SLOPE: "(0 + dose | listener)",
    FEATURE_SLOPE: "(0 + dose | feature)",
}
SCRIPT = """\
# Recomputes the report's dose-response models with R's lme4::glmer (Bates et al.), and prints each
# parameter beside the report's own.
#
#   Rscript dose_models.R [folder of the report]
#
# Needs the package lme4: install.packages("lme4"), or Debian's r-cran-lme4.
# Differences under 0.001 are the optimisers' tolerance.

suppressPackageStartupMessages(library(lme4))
folder <- commandArgs(trailingOnly = TRUE)
folder <- if (length(folder)) folder[1] else "."
trials <- read.csv(file.path(folder, "tables", "dose_trials.csv"))
told <- read.csv(file.path(folder, "tables", "dose_models.csv"))
CONTROL <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                        tolPwrss = 1e-12)

recompute <- function(n) {
  d <- trials[trials$model == n, ]
  mine <- told[told$model == n, ]
  fit <- glmer(as.formula(paste("first ~ dose +", mine$random[1])), data = d, family = binomial,
               nAGQ = 1, control = CONTROL)
  se <- sqrt(diag(as.matrix(vcov(fit, use.hessian = TRUE))))
  sds <- unname(sqrt(vapply(VarCorr(fit), as.numeric, 0)))
  # glmer orders its random effects by their numbers of levels: sorted, as the report's are.
  found <- c(slope = fixef(fit)[["dose"]], slope_se = se[["dose"]],
             first = fixef(fit)[["(Intercept)"]], log_likelihood = as.numeric(logLik(fit)))
  sd <- grepl("^sd_", mine$parameter)
  glmer <- numeric(nrow(mine))
  glmer[!sd] <- found[mine$parameter[!sd]]
  glmer[sd] <- sort(sds)[rank(mine$value[sd])]
  data.frame(mine[, c("model", "method", "intervention", "parameter")], glmer = glmer,
             report = mine$value)
}
write.csv(do.call(rbind, lapply(unique(told$model), recompute)), stdout(), row.names = FALSE)
"""


def dose_files(models: Mapping[str, Sequence[DoseModel]]) -> dict[str, str]:
    """The script and its tables, by path; empty without a fitted model."""
    fitted = [(method, model) for method, own in models.items() for model in own]
    if not fitted:
        return {}
    told = [row for n, one in enumerate(fitted, 1) for row in _told(n, *one)]
    trials = [_trials(n, model) for n, (_, model) in enumerate(fitted, 1)]
    return {
        "dose_models.R": SCRIPT,
        "tables/dose_models.csv": csv_of(pd.DataFrame(told)),
        "tables/dose_trials.csv": csv_of(pd.concat(trials)),
    }


def _told(n: int, method: str, model: DoseModel) -> Iterator[dict[str, object]]:
    found = model.fit
    random = " + ".join(FORMULAS[name] for name in model.random)
    values = {
        "slope": float(found.beta[0]),
        "slope_se": float(found.beta_se[0]),
        "first": -float(found.theta[0]),
        "log_likelihood": found.log_likelihood,
        **{f"sd_{name}": float(s) for name, s in zip(model.random, found.sigma, strict=True)},
    }
    for parameter, value in values.items():
        yield {
            "model": n,
            "method": method,
            "intervention": model.doses.intervention,
            "random": random,
            "parameter": parameter,
            "value": value,
        }


def _trials(n: int, model: DoseModel) -> pd.DataFrame:
    doses = model.doses
    return pd.DataFrame(
        {
            "model": n,
            "listener": doses.listener,
            "feature": doses.feature,
            "dose": doses.dose,
            "first": doses.first,
        }
    )
