"""Which features a study gets: drawn at random, the best by a score, or those of a list.

Options are always completed from all features of the run, whichever are chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from studyapp.core.errors import StudyError
from studyapp.models import Feature, Run, Study
from studyapp.models.runs import is_control
from studyapp.studies.selectors import scores
from studyapp.studies.selectors.studies import PooledFeature
from studyapp.studies.services import drawing

Selection = Study.Selection


def check(study: Study, runs: Sequence[Run]) -> None:
    """Raise `StudyError` if the features cannot be chosen so."""
    if study.selection not in Selection.values:
        known = ", ".join(Selection.values)
        raise StudyError(f"selection is {study.selection!r}; known: {known}")
    if study.selection == Selection.BEST:
        _check_score(study.best_by, runs)
    if study.selection == Selection.LIST:
        _check_listed(study.listed, runs)


def split(best_by: str) -> tuple[str, str]:
    """Scorer and method; the method is empty if any counts."""
    scorer, _, method = best_by.partition(":")
    return scorer, method


def default_best_by(runs: Sequence[Run]) -> str:
    """The scorer by which the browser sorts, else the first that all runs have, or ""."""
    return next(iter(scores.scorers_of(runs)), "")


def considered(study: Study, pool: Sequence[PooledFeature]) -> list[PooledFeature]:
    """The features of the pool among which the study chooses: the listed ones in their order."""
    if study.selection != Selection.LIST:
        return list(pool)
    known = {name_of(one): one for one in pool}
    return [known[name] for name in dict.fromkeys(study.listed) if name in known]


def choose(
    study: Study, pool: Sequence[PooledFeature], methods: Sequence[str]
) -> list[PooledFeature]:
    """The study's features, in random order. Raises `StudyError` if there are too few."""
    if study.selection == Selection.RANDOM:
        return drawing.draw_features(
            pool=pool, methods=methods, wanted=study.features_wanted, seed=study.seed,
            strata=study.strata, reasons=drawing.reasons_of(study),
        )  # fmt: skip
    reasons = drawing.reasons_of(study)
    eligible = [one for one in considered(study, pool) if not reasons(one, methods)]
    if study.selection == Selection.BEST:
        eligible = _by_score(study, eligible)
    if len(eligible) < study.features_wanted:
        raise StudyError(f"{study.features_wanted} features wanted, {_few(study, len(eligible))}")
    return drawing.in_order(eligible[: study.features_wanted], study.seed)


def left_out(study: Study, pool: Sequence[PooledFeature], methods: Sequence[str]) -> dict[str, Any]:
    """Counts of the features that cannot be chosen; one with two reasons counts under both."""
    considering = considered(study, pool)
    reasons_against = drawing.reasons_of(study)
    reasons = [reasons_against(pooled, methods) for pooled in considering]
    if study.selection == Selection.BEST:
        scored = _scores(study, considering)
        for pooled, found in zip(considering, reasons, strict=True):
            if pooled.feature.pk not in scored:
                found.append(f"no score by {study.best_by}")
    counts = Counter(reason for found in reasons for reason in found)
    eligible = sum(not found for found in reasons)
    whole = len(considering)
    if study.selection == Selection.LIST:
        whole = len(set(study.listed))
        counts["of another SAE"] = whole - len(considering)
    return {
        "features": whole,
        "eligible": eligible,
        "left_out": whole - eligible,
        "reasons": dict(sorted((+counts).items())),
    }


def name_of(pooled: PooledFeature) -> str:
    """`RUN/SAE/INDEX`, as in `Study.listed`."""
    return f"{pooled.feature.run.identifier}/{pooled.feature.identifier}"


def _check_listed(listed: Sequence[str], runs: Sequence[Run]) -> None:
    if not listed:
        raise StudyError("selection is list, but the list has no features")
    wanted = {name.partition("/")[2] for name in listed}
    rows = Feature.objects.filter(run__in=runs, identifier__in=wanted).order_by()
    known = {f"{run}/{name}" for run, name in rows.values_list("run__identifier", "identifier")}
    unknown = [name for name in listed if name not in known]
    if unknown:
        raise StudyError(f"the list has {unknown[0]}, which is no feature of the chosen runs")


def _check_score(best_by: str, runs: Sequence[Run]) -> None:
    known = scores.scorers_of(runs)
    scorer, method = split(best_by)
    if not known:
        raise StudyError("no scorer graded labels in these runs, so that none are the best")
    if scorer not in known:
        raise StudyError(f"best_by is {best_by!r}: scorers of these runs: {', '.join(known)}")
    if is_control(method):
        raise StudyError(f"best_by is {best_by!r}: a control’s labels are of other features")
    unknown = [run for run in runs if method and method not in run.facets.get("methods", [])]
    if unknown:
        have = ", ".join(unknown[0].facets.get("methods", [])) or "none"
        raise StudyError(f"best_by is {best_by!r}: methods of {unknown[0]}: {have}")


def _scores(study: Study, pool: Sequence[PooledFeature]) -> dict[int, float]:
    """Feature key → score."""
    runs = list({one.feature.run_id: one.feature.run for one in pool}.values())
    scorer, method = split(study.best_by)
    found = scores.first_label_scores(runs, scorer=scorer, method=method)
    return {pk: score for pk, (score, _) in found.items()}


def _by_score(study: Study, pool: Sequence[PooledFeature]) -> list[PooledFeature]:
    """Those with a score, the best first; of equal ones in the pool's order."""
    known = _scores(study, pool)
    having = [one for one in pool if one.feature.pk in known]
    return sorted(having, key=lambda one: -known[one.feature.pk])


def _few(study: Study, eligible: int) -> str:
    if study.selection == Selection.BEST:
        return f"{eligible} eligible ones have a score by {study.best_by}"
    return f"{eligible} of the list are eligible"
