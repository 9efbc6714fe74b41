"""An R script that fits the report's joint ordinal model by Bayes, with `brms` and stated priors.

As `rscript`, with its table of ratings; which comparisons are made is in a table of its own.
"""

from __future__ import annotations

import pandas as pd

from analysis.estimates.results import Summary
from analysis.models.joint import Joint
from analysis.models.rscript import OPENING, READ_RATINGS, csv_of, model_of, ratings_table
from analysis.reading.table import Responses

SCRIPT = (
    """\
# The report's joint ordinal model by Bayes, with brms (Buerkner 2017, J. Statistical Software 80).
#
#   Rscript bayes_models.R [folder of the report]
#
# Needs the package brms and a compiler. The same model as mixed_models.R: cumulative, random
# participants, features and their interactions with the method as far as the report's model has
# them. Priors: normal(0, 1.5) on differences of methods, which puts 95 % of them within 3 logits;
# student_t(3, 0, 2.5) on thresholds; exponential(1) on standard deviations.

suppressPackageStartupMessages(library(brms))
"""
    + OPENING
    + READ_RATINGS
    + """\
asked <- table_of("bayes_models.csv", colClasses = c("character", "character", "numeric"))
d <- prepared(ratings)
methods <- levels(d$method)
d$rating <- factor(d$rating, ordered = TRUE)
formula <- bf(formula_of("rating", asked$random[1], d))
priors <- c(set_prior("normal(0, 1.5)", class = "b"),
            set_prior("student_t(3, 0, 2.5)", class = "Intercept"),
            set_prior("exponential(1)", class = "sd"))
level <- 0.95

summarise <- function(fit, link) {
  draws <- as.data.frame(fit)
  beta <- cbind(0, as.matrix(draws[, paste0("b_method", make.names(methods[-1])), drop = FALSE]))
  colnames(beta) <- methods
  # Region of practical equivalence on the latent scale: a tenth of its noise's standard deviation
  # (Kruschke 2018, Advances in Methods and Practices in Psychological Science 1, 270-280).
  rope <- 0.1 * if (link == "logit") pi / sqrt(3) else 1
  pairs <- asked[nzchar(asked$comparison), ]
  contrasts <- lapply(strsplit(pairs$comparison, "\\x1f", fixed = TRUE), function(ab) {
    x <- beta[, ab[1]] - beta[, ab[2]]
    ends <- quantile(x, c((1 - level) / 2, (1 + level) / 2))
    data.frame(link = link, quantity = "latent difference", a = ab[1], b = ab[2],
               median = median(x), low = ends[[1]], high = ends[[2]],
               above_0 = mean(x > 0), in_rope = mean(abs(x) < rope), rope = rope)
  })
  # Differences of mean ratings of new listeners and features, against the report's own bound of
  # equivalence: the random effects' total spread is drawn for each posterior sample.
  sds <- as.matrix(draws[, grepl("^sd_.*__Intercept$", names(draws)), drop = FALSE])
  alpha <- as.matrix(draws[, grepl("^b_Intercept\\\\[", names(draws)), drop = FALSE])
  cdf <- if (link == "logit") plogis else pnorm
  scores <- as.numeric(levels(d$rating))
  z <- qnorm((1:99 - 0.5) / 99)
  mean_of <- function(m) vapply(seq_len(nrow(beta)), function(i) {
    eta <- beta[i, m] + sqrt(sum(sds[i, ]^2)) * z
    scores[1] + mean(vapply(eta, function(e) sum(diff(scores) * cdf(e - alpha[i, ])), 0))
  }, 0)
  means <- vapply(methods, mean_of, numeric(nrow(beta)))
  differences <- lapply(strsplit(pairs$comparison, "\\x1f", fixed = TRUE), function(ab) {
    x <- means[, ab[1]] - means[, ab[2]]
    ends <- quantile(x, c((1 - level) / 2, (1 + level) / 2))
    data.frame(link = link, quantity = "difference of mean ratings", a = ab[1], b = ab[2],
               median = median(x), low = ends[[1]], high = ends[[2]],
               above_0 = mean(x > 0), in_rope = mean(abs(x) < asked$bound[1]),
               rope = asked$bound[1])
  })
  do.call(rbind, c(contrasts, differences))
}
found <- lapply(c("logit", "probit"), function(link) {
  fit <- brm(formula, data = d, family = cumulative(link), prior = priors, seed = 1,
             chains = 4, iter = 4000, control = list(adapt_delta = 0.95))
  message(link, ": largest Rhat ", signif(max(rhat(fit), na.rm = TRUE), 4))
  summarise(fit, link)
})
write.csv(do.call(rbind, found), stdout(), row.names = FALSE)
"""
)


def bayes_files(
    summary: Summary, responses: Responses, joint: Joint | None, bound: float
) -> dict[str, str]:
    """The script and its tables, by path; empty without a joint model."""
    if joint is None:
        return {}
    random = model_of(summary, "clmm_logit_")["random"]
    pairs = [f"{a}\x1f{b}" for a, b in summary.comparisons]
    asked = pd.DataFrame({"comparison": pairs, "random": random, "bound": bound})
    return {
        "bayes_models.R": SCRIPT,
        "tables/bayes_models.csv": csv_of(asked),
        **ratings_table(responses),
    }
