"""An R script that recomputes every confirmatory test of a report, and one that does it by Bayes.

`confirmatory_tests.R` needs only base R for the tests of differences, and `ordinal` or `lme4` for
those of mixed models. `bayes_models.R` fits the joint ordinal model with `brms`, with stated
priors. Both are the same for every report; names and numbers are in tables that they read.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.estimates.choices.outcomes import Trials, candidates, identification
from analysis.estimates.hypothesis_tests import CONFIRMATORY
from analysis.estimates.results import HypothesisTest, Summary
from analysis.estimates.strata import strata_of
from analysis.models.joint import NODES, Joint
from analysis.models.rscript import OPENING
from analysis.reading.plan import ACCURACY_TEST, FIRST_LABEL_TEST
from analysis.reading.table import RUN_SEPARATOR, Responses

KINDS = {
    ACCURACY_TEST: "accuracy",
    "logistic_identification_wald": "accuracy",
    FIRST_LABEL_TEST: "first_label",
    "logistic_first_label_wald": "first_label",
}
"""The values that a test is of; all others are of ratings."""
MIXED = {
    "clmm_logit_wald": "clmm_logit_sd_",
    "logistic_identification_wald": "logistic_identification_sd_",
    "logistic_first_label_wald": "logistic_first_label_sd_",
}
"""Tests of mixed models, and how the names of their random effects' estimates begin."""

TESTS = (
    """\
# Recomputes the report's confirmatory tests in R, and prints each beside the report's own.
#
#   Rscript confirmatory_tests.R [folder of the report]
#
# Base R; tests of mixed models need the packages ordinal or lme4. Permutations at random differ
# by chance. p is before any adjustment; Holm's is p.adjust(p, "holm"), unless looks were planned.
"""
    + OPENING
    + """\
values <- table_of("confirmatory_values.csv",
                   colClasses = c(rep("character", 5), "numeric", "numeric", "numeric"))
values$stratum <- paste("study", values$stratum)  # never empty, as names cannot be
told <- table_of("confirmatory_tests.csv",
                 colClasses = c(rep("character", 5), rep("numeric", 7)))

# Variance of a statistic from the influences u of the ratings, clustered by g: G/(G-1) sum u_g^2.
clustered <- function(u, g) { s <- rowsum(u, g); nrow(s) / (nrow(s) - 1) * sum(s^2) }
# Two-way (Cameron, Gelbach and Miller), and at least the larger one-way variance.
two_way <- function(u, p, f) {
  vp <- clustered(u, p); vf <- clustered(u, f)
  max(vp + vf - clustered(u, paste(p, f, sep = "\\r")), vp, vf)
}
welch_df <- function(va, na, vb, nb) (va + vb)^2 / (va^2 / (na - 1) + vb^2 / (nb - 1))
repeated <- function(d) any(table(paste(d$feature, d$method, sep = "\\r")) > 1)
crossed <- function(d) any(rowSums(table(d$participation, d$method) > 0) > 1)
# Where every value is from one study and version this is 1; else Cochran's weights.
weights_of <- function(d, a) {
  n <- table(d$stratum, d$method == a)
  w <- n[, "TRUE"] * n[, "FALSE"] / (n[, "TRUE"] + n[, "FALSE"])
  setNames(as.vector(w / sum(w)), rownames(n))
}

# mean(A) - mean(B) within studies, and each rating's influence on it.
difference <- function(d, a) {
  w <- weights_of(d, a)
  sides <- ifelse(d$method == a, 1, -1)
  cell <- paste(d$stratum, sides, sep = "\\r")
  mean_of <- ave(d$value, cell); n <- ave(d$value, cell, FUN = length)
  weight <- as.vector(w[d$stratum])
  list(value = sum(sides * weight * d$value / n), u = sides * weight * (d$value - mean_of) / n)
}
lost <- function(d) if (length(unique(d$stratum)) == 1) 1 else
  length(unique(d$stratum)) * (if (crossed(d)) 1 else 2)

# Standard error of the difference of means, and its degrees of freedom.
error_of <- function(d, a) {
  x <- difference(d, a)
  if (repeated(d)) return(list(
    value = x$value, se = sqrt(two_way(x$u, d$participation, d$feature)),
    df = min(length(unique(d$participation)), length(unique(d$feature))) - lost(d)))
  if (crossed(d) || length(unique(d$stratum)) > 1) return(list(
    value = x$value, se = sqrt(clustered(x$u, d$participation)),
    df = length(unique(d$participation)) - lost(d)))
  one <- function(own) {
    m <- mean(own$value)
    list(v = clustered((own$value - m) / nrow(own), own$participation),
         n = length(unique(own$participation)))
  }
  A <- one(d[d$method == a, ]); B <- one(d[d$method != a, ])
  list(value = x$value, se = sqrt(A$v + B$v), df = welch_df(A$v, A$n, B$v, B$n))
}
student <- function(t, df) c(statistic = t, df = df, p = 2 * pt(-abs(t), df))

mean_test <- function(d, row) {
  e <- error_of(d, row$a)
  student(e$value / e$se, e$df)
}
equivalence <- function(d, row) {
  e <- error_of(d, row$a)
  t <- c((e$value + row$bound) / e$se, (e$value - row$bound) / e$se)
  p <- c(pt(t[1], e$df, lower.tail = FALSE), pt(t[2], e$df))
  worse <- if (p[1] >= p[2]) 1 else 2
  c(statistic = t[worse], df = e$df, p = p[worse])
}
paired <- function(d, row) {
  # Every feature rated under both methods (within a study) has the same weight.
  d$key <- paste(d$stratum, d$feature, sep = "\\r")
  seen <- table(d$key, d$method == row$a) > 0
  d <- d[d$key %in% rownames(seen)[rowSums(seen) == 2], ]
  sides <- ifelse(d$method == row$a, 1, -1)
  w <- 1 / ave(d$value, d$key, sides, FUN = length) / length(unique(d$key))
  mean_of <- ifelse(sides == 1, sum((w * d$value)[sides == 1]), sum((w * d$value)[sides == -1]))
  u <- sides * w * (d$value - mean_of)
  value <- sum(sides * w * d$value)
  df <- min(length(unique(d$participation)), length(unique(d$feature))) - 1
  student(value / sqrt(two_way(u, d$participation, d$feature)), df)
}
placed <- function(x, others) vapply(x, function(v) mean(others < v) + mean(others == v) / 2, 0)
superiority <- function(d, row) {
  w <- weights_of(d, row$a)
  theta <- 0; u <- numeric(nrow(d))
  for (s in names(w)) {
    A <- d$stratum == s & d$method == row$a; B <- d$stratum == s & d$method != row$a
    wins <- placed(d$value[A], d$value[B]); losses <- placed(d$value[B], d$value[A])
    theta <- theta + w[[s]] * mean(wins)
    u[A] <- w[[s]] * (wins - mean(wins)) / sum(A)
    u[B] <- -w[[s]] * (losses - mean(losses)) / sum(B)
  }
  p <- length(unique(d$participation)); f <- length(unique(d$feature))
  used <- if (crossed(d) || length(w) > 1) lost(d) else 2
  if (repeated(d)) return(student((theta - 0.5) / sqrt(two_way(u, d$participation, d$feature)),
                                  min(p, f) - used))
  student((theta - 0.5) / sqrt(clustered(u, d$participation)), p - used)
}
means_of <- function(d, row) {
  one <- function(own) as.vector(tapply(own$value, own$participation, mean))
  list(a = one(d[d$method == row$a, ]), b = one(d[d$method == row$b, ]))
}
welch <- function(d, row) {
  m <- means_of(d, row)
  found <- t.test(m$a, m$b)
  c(statistic = unname(found$statistic), df = unname(found$parameter), p = found$p.value)
}
brunner_munzel <- function(d, row) {
  m <- means_of(d, row)
  wins <- placed(m$a, m$b); losses <- placed(m$b, m$a)
  va <- var(wins) / length(wins); vb <- var(losses) / length(losses)
  student((mean(wins) - 0.5) / sqrt(va + vb), welch_df(va, length(wins), vb, length(losses)))
}
permutation <- function(d, row) {
  m <- means_of(d, row); x <- c(m$a, m$b); n <- length(m$a)
  t_of <- function(at) {
    a <- x[at]; b <- x[-at]
    (mean(a) - mean(b)) / sqrt(var(a) / length(a) + var(b) / length(b))
  }
  seen <- t_of(seq_len(n))
  drawn <- if (choose(length(x), n) <= 40000) combn(length(x), n, t_of) else
    replicate(10000, t_of(sample(length(x), n)))
  exact <- choose(length(x), n) <= 40000
  hits <- sum(abs(drawn) >= abs(seen) * (1 - 1e-9))
  c(statistic = seen, df = NA, p = if (exact) hits / length(drawn) else (hits + 1) / 10001)
}
sign_flips <- function(d, row) {
  each <- tapply(d$value, list(d$participation, d$method), mean)
  gap <- each[, row$a] - each[, row$b]; gap <- gap[!is.na(gap)]; n <- length(gap)
  exact <- 2^n <= 40000
  signs <- if (exact) as.matrix(expand.grid(rep(list(c(-1, 1)), n))) else
    matrix(sample(c(-1, 1), 10000 * n, TRUE), ncol = n)
  hits <- sum(abs(signs %*% gap) / n >= abs(mean(gap)) * (1 - 1e-9))
  c(statistic = mean(gap), df = NA, p = if (exact) hits / nrow(signs) else (hits + 1) / 10001)
}
# Contrast of a mixed model of all methods: all values of its kind, not only the two methods'.
mixed <- function(row) {
  d <- values[values$kind == row$kind, ]
  d$method <- factor(d$method, levels = sort(unique(d$method), method = "radix"))
  d$participant <- factor(d$participation); d$feature <- factor(d$feature)
  d$participant_method <- interaction(d$participant, d$method, drop = TRUE)
  d$feature_method <- interaction(d$feature, d$method, drop = TRUE)
  random <- paste0("(1 | ", strsplit(row$random, "+", fixed = TRUE)[[1]], ")", collapse = " + ")
  fixed <- if (length(unique(d$stratum)) > 1) "method + stratum" else "method"
  if (row$kind == "rating") {
    d$y <- factor(d$value, ordered = TRUE)
    fit <- ordinal::clmm(as.formula(paste("y ~", fixed, "+", random)), data = d,
                         nAGQ = row$nodes)
    beta <- coef(fit); covariance <- vcov(fit)
  } else {
    g <- d$guess
    link <- structure(list(
      linkfun = function(mu) qlogis(pmin(pmax((mu - g) / (1 - g), 1e-12), 1 - 1e-12)),
      linkinv = function(eta) g + (1 - g) * plogis(eta),
      mu.eta = function(eta) (1 - g) * dlogis(eta),
      valideta = function(eta) TRUE, name = "floored logit"), class = "link-glm")
    fit <- lme4::glmer(
      as.formula(paste("hit ~", fixed, "+", random)), data = d, nAGQ = row$nodes,
      family = if (any(g > 0)) binomial(link) else binomial,
      control = lme4::glmerControl(optimizer = "bobyqa", tolPwrss = 1e-12,
                                   optCtrl = list(rhoend = 1e-9, maxfun = 1e5)))
    beta <- lme4::fixef(fit); covariance <- as.matrix(vcov(fit, use.hessian = TRUE))
  }
  w <- (names(beta) == paste0("method", row$a)) - (names(beta) == paste0("method", row$b))
  covariance <- covariance[seq_along(beta), seq_along(beta)]
  student(sum(w * beta) / sqrt(c(t(w) %*% covariance %*% w)), row$df)
}
TESTS <- list(
  difference_mean_confidence = mean_test, difference_identification_corrected = mean_test,
  difference_share_first_label = mean_test, equivalence_mean_confidence = equivalence,
  difference_paired_by_feature = paired, superiority_ratings = superiority,
  welch_participant_means = welch, brunner_munzel_participant_means = brunner_munzel,
  permutation_participant_means = permutation, sign_flip_participant_means = sign_flips)

recompute <- function(row) {
  if (nzchar(row$random)) return(mixed(row))
  d <- values[values$kind == row$kind & values$method %in% c(row$a, row$b), ]
  # Methods are compared in the studies and versions that have both.
  seen <- table(d$stratum, d$method) > 0
  TESTS[[row$test]](d[d$stratum %in% rownames(seen)[rowSums(seen) == 2], ], row)
}
set.seed(1)
rows <- lapply(seq_len(nrow(told)), function(i) tryCatch({
  row <- told[i, ]
  found <- recompute(row)
  data.frame(test = row$test, a = row$a, b = row$b, statistic = found[["statistic"]],
             report_statistic = row$statistic, df = found[["df"]], report_df = row$df,
             p = found[["p"]], report_p = row$p)
}, error = function(e) {
  message("not recomputed: ", told$test[i], ": ", conditionMessage(e))
  NULL
}))
found <- do.call(rbind, rows)
if (!is.null(found)) write.csv(found, stdout(), row.names = FALSE, na = "")
"""
)

BAYES = (
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
    + """\
values <- table_of("confirmatory_values.csv",
                   colClasses = c(rep("character", 5), "numeric", "numeric", "numeric"))
asked <- table_of("bayes_models.csv", colClasses = c("character", "character", "numeric"))
d <- values[values$kind == "rating", ]
methods <- sort(unique(d$method), method = "radix")
d$method <- factor(d$method, levels = methods)
d$rating <- factor(d$value, ordered = TRUE)
d$participant <- factor(d$participation)
d$feature <- factor(d$feature)
d$participant_method <- interaction(d$participant, d$method, drop = TRUE)
d$feature_method <- interaction(d$feature, d$method, drop = TRUE)
random <- strsplit(asked$random[1], "+", fixed = TRUE)[[1]]
fixed <- if (length(unique(d$stratum)) > 1) "method + stratum" else "method"
formula <- bf(as.formula(paste("rating ~", fixed, "+",
                               paste0("(1 | ", random, ")", collapse = " + "))))
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


def confirmatory_files(
    summary: Summary, responses: Responses, joint: Joint | None, bound: float
) -> dict[str, str]:
    """Both scripts and their tables, by path; without confirmatory tests or a model, none of it."""
    tests = [t for t in summary.tests if t.family == CONFIRMATORY and t.statistic is not None]
    found: dict[str, str] = {}
    if tests:
        rows = pd.DataFrame([_row(t, summary, bound) for t in tests])
        found["confirmatory_tests.R"] = TESTS
        found["tables/confirmatory_tests.csv"] = _csv(rows)
    if joint is not None:
        pairs = [f"{a}\x1f{b}" for a, b in summary.comparisons]
        random = "+".join(name.replace(":", "_") for name in joint.random)
        asked = pd.DataFrame({"comparison": pairs, "random": random, "bound": bound})
        found["bayes_models.R"] = BAYES
        found["tables/bayes_models.csv"] = _csv(asked)
    if found:
        found["tables/confirmatory_values.csv"] = _csv(pd.concat(list(_values(responses))))
    return found


def _csv(frame: pd.DataFrame) -> str:
    return str(frame.to_csv(index=False, lineterminator="\r\n"))


def _row(t: HypothesisTest, summary: Summary, bound: float) -> dict[str, object]:
    a, b = next((a, b) for a, b in summary.comparisons if f"{a} − {b}" == t.method)
    random = _random(summary, MIXED[t.name]) if t.name in MIXED else []
    return {
        "test": t.name,
        "a": a,
        "b": b,
        "kind": KINDS.get(t.name, "rating"),
        "random": "+".join(random),
        "nodes": NODES if len(random) == 1 else 1,
        "bound": bound,
        "statistic": t.statistic,
        "df": t.df,
        "p": t.p,
        "p_adjusted": t.p_adjusted,
        "n_participants": t.n_participants,
    }


def _random(summary: Summary, prefix: str) -> list[str]:
    """The random effects of a mixed model, in its order."""
    return [
        e.name.removeprefix(prefix)
        for e in summary.estimates
        if e.name.startswith(prefix) and e.value is not None
    ]


def _values(responses: Responses) -> Iterator[pd.DataFrame]:
    """What each kind of test is of; `hit` and `guess` for choices."""
    frame = responses.ratings
    yield _frame("rating", frame, frame["rating"], 0.0, 0.0)
    for kind, trials in (
        ("accuracy", identification(responses)),
        ("first_label", candidates(responses)),
    ):
        if len(trials.frame) and (trials.known or kind == "first_label"):
            yield _of_choices(kind, trials)


def _of_choices(kind: str, trials: Trials) -> pd.DataFrame:
    if kind == "accuracy":
        return _frame(kind, trials.frame, trials.corrected, trials.hit, trials.guess)
    return _frame(kind, trials.frame, trials.hit, trials.hit, 0.0)


def _frame(
    kind: str, frame: pd.DataFrame, value: object, hit: object, guess: object
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "kind": kind,
            "stratum": strata_of(frame),
            "participation": frame["participation"],
            "method": frame["method"],
            "feature": frame["feature_key"].str.replace(RUN_SEPARATOR, " · "),
            "value": value,
            "hit": hit,
            "guess": guess,
        }
    )
