"""An R script that recomputes every confirmatory test of a report.

It needs only base R for the tests of differences, and `ordinal` or `lme4` for those of mixed
models. As `rscript`, with its tables of ratings and choices, and one of the tests.
"""

from __future__ import annotations

import pandas as pd

from analysis.estimates.results import HypothesisTest, Summary
from analysis.models.mixed_choices import FIRST_LABEL, IDENTIFICATION
from analysis.models.rscript import (
    OPENING,
    READ_CHOICES,
    READ_RATINGS,
    csv_of,
    model_of,
    ratings_table,
)
from analysis.models.rscript_choices import FLOORED, choices_table
from analysis.reading.plan import (
    ACCURACY_TEST,
    EQUIVALENCE_TEST,
    FIRST_LABEL_TEST,
    PAIR_KINDS,
)
from analysis.reading.table import Responses

RATING = "rating"
KINDS = {
    ACCURACY_TEST: IDENTIFICATION.name,
    "logistic_identification_wald": IDENTIFICATION.name,
    FIRST_LABEL_TEST: FIRST_LABEL.name,
    "logistic_first_label_wald": FIRST_LABEL.name,
}
"""The outcome of the choices that a test is of; all others are of ratings."""
MIXED = {
    "clmm_logit_wald": "clmm_logit_",
    "logistic_identification_wald": "logistic_identification_",
    "logistic_first_label_wald": "logistic_first_label_",
}
"""Tests of mixed models, and how the names of the model's estimates begin."""

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
told <- table_of("confirmatory_tests.csv",
                 colClasses = c(rep("character", 5), rep("numeric", 7)))
"""
    + READ_RATINGS
    + """\
units <- c("participation", "method", "feature", "stratum")
values <- data.frame(ratings[units], kind = "rating", value = as.numeric(ratings$rating),
                     hit = 0, guess = 0)
if (any(told$kind != "rating")) {
  """
    + READ_CHOICES
    + """\
  # A hit corrected for chance; where nothing is guessed it stays as it is.
  values <- rbind(values, data.frame(
    choices[units], kind = choices$outcome, value = (choices$hit - choices$guess) /
      (1 - choices$guess), hit = choices$hit, guess = choices$guess))
}
values$stratum <- paste("study", values$stratum)  # never empty, as names cannot be

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
# Two one-sided tests: Newcombe's hybrid of the two means' intervals (Student's t on
# logit((mean - 1)/4)), with the correlation of their clusters' sums, inverted.
equivalence <- function(d, row) {
  x <- difference(d, row$a)
  sign_of <- ifelse(d$method == row$a, 1, -1)
  both_ways <- repeated(d)
  variance <- function(u, p, f) if (both_ways) two_way(u, p, f) else clustered(u, p)
  side <- function(at) {
    own <- d[at, ]
    w <- as.vector(weights_of(d, row$a)[own$stratum])
    n <- ave(own$value, own$stratum, FUN = length)
    clusters <- length(unique(own$participation))
    if (both_ways) clusters <- min(clusters, length(unique(own$feature)))
    v <- variance(x$u[at], own$participation, own$feature)
    m <- sum(w * own$value / n); p <- (m - 1) / 4
    list(m = m, v = v, p = p, se = sqrt(v) / (4 * p * (1 - p)), df = clusters - 1)
  }
  A <- side(d$method == row$a); B <- side(d$method != row$a)
  covariance_by <- function(g) {
    a <- rowsum(ifelse(sign_of > 0, x$u, 0), g); b <- rowsum(ifelse(sign_of < 0, -x$u, 0), g)
    nrow(a) / (nrow(a) - 1) * sum(a * b)
  }
  covariance <- covariance_by(d$participation)
  if (both_ways) covariance <- covariance + covariance_by(d$feature) -
    covariance_by(paste(d$participation, d$feature, sep = "\\r"))
  r <- max(-1, min(1, covariance / sqrt(A$v * B$v)))
  limits <- function(one, alpha) 1 + 4 * plogis(
    qlogis(one$p) + c(-1, 1) * qt(1 - alpha, one$df) * one$se)
  # The limits of A - B at the level 1 - 2 alpha.
  hybrid <- function(alpha) {
    a <- limits(A, alpha); b <- limits(B, alpha)
    half <- function(s, t) sqrt(max(0, s^2 + t^2 - 2 * r * s * t))
    A$m - B$m + c(-half(A$m - a[1], b[2] - B$m), half(a[2] - A$m, B$m - b[1]))
  }
  one_sided <- function(bound) {
    within <- (bound - (A$m - B$m)) * bound > 0
    limit <- if (within == (bound > 0)) 2 else 1
    gap <- function(q) hybrid(exp(q))[limit] - bound
    ends <- c(log(5e-13), log(0.5) - 1e-9)
    p <- if (gap(ends[1]) * gap(ends[2]) > 0) 5e-13 else
      exp(uniroot(gap, ends, tol = 1e-12)$root)
    if (within) p else 1 - p
  }
  c(statistic = NA, df = NA, p = max(one_sided(-row$bound), one_sided(row$bound)))
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
"""
    + FLOORED
    + """\
# Contrast of a mixed model of all methods: all values of its kind, not only the two methods'.
mixed <- function(row) {
  d <- prepared(values[values$kind == row$kind, ])
  if (row$kind == "rating") {
    d$y <- factor(d$value, ordered = TRUE)
    fit <- ordinal::clmm(formula_of("y", row$random, d), data = d, nAGQ = row$nodes)
    beta <- coef(fit); covariance <- vcov(fit)
  } else {
    fit <- lme4::glmer(
      formula_of("hit", row$random, d), data = d, nAGQ = row$nodes, family = family_of(d$guess),
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


def in_r(summary: Summary) -> list[HypothesisTest]:
    """The confirmatory tests that the script recomputes.

    A test without a statistic is exact, or an interval inverted: of these it has the equivalence
    test. It has none of the tests within pairs.
    """
    made = [t for t in summary.confirmatory if t.statistic is not None or _inverted(t)]
    return [t for t in made if t.name not in PAIR_KINDS]


def confirmatory_files(summary: Summary, responses: Responses, bound: float) -> dict[str, str]:
    """The script and its tables, by path; empty if there is no confirmatory test for it."""
    tests = in_r(summary)
    if not tests:
        return {}
    rows = pd.DataFrame([_row(t, summary, bound) for t in tests])
    of_choices = choices_table(responses) if (rows["kind"] != RATING).any() else {}
    return {
        "confirmatory_tests.R": TESTS,
        "tables/confirmatory_tests.csv": csv_of(rows),
        **ratings_table(responses),
        **of_choices,
    }


def _inverted(t: HypothesisTest) -> bool:
    return t.name == EQUIVALENCE_TEST and t.p is not None


def _row(t: HypothesisTest, summary: Summary, bound: float) -> dict[str, object]:
    a, b = next((a, b) for a, b in summary.comparisons if f"{a} − {b}" == t.method)
    # Of a test that is of no model there is neither.
    model = model_of(summary, MIXED[t.name]) if t.name in MIXED else {"random": "", "nodes": 1}
    return {
        "test": t.name,
        "a": a,
        "b": b,
        "kind": KINDS.get(t.name, RATING),
        **model,
        "bound": bound,
        "statistic": t.statistic,
        "df": t.df,
        "p": t.p,
        "p_adjusted": t.p_adjusted,
        "n_participants": t.n_participants,
    }
