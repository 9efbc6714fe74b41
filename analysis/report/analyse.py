"""From a table to a `Summary`: computes every estimate and test, writes and draws nothing."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import AnalysisError
from analysis.estimates.choices.comparisons import compare_choices
from analysis.estimates.choices.outcomes import is_identification
from analysis.estimates.clustering import WAYS
from analysis.estimates.comparisons import compare
from analysis.estimates.descriptives import Ratings, describe, ratings_of
from analysis.estimates.features import shrunken_share
from analysis.estimates.hypothesis_tests import (
    adjusted,
    hypothesis_tests_of,
    in_families,
)
from analysis.estimates.intervals import LEVEL
from analysis.estimates.looks import level_at
from analysis.estimates.method_pairs import pair_of
from analysis.estimates.repeated import repeated
from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.estimates.strata import comparable
from analysis.listeners.calibration import Bin, chosen_probabilities, reliability_bins
from analysis.listeners.choices import describe_choices
from analysis.listeners.confidence_agreement import describe_agreement
from analysis.listeners.free_text import OwnWords, describe_free_text, own_words
from analysis.listeners.machine_scores import Points, describe_scores, score_points
from analysis.listeners.repeats import describe_repeats
from analysis.models.checks import describe_checks
from analysis.models.joint import Joint
from analysis.models.latent_levels import Levels, latent_levels, table_of
from analysis.models.mixed import describe_mixed
from analysis.models.mixed_choices import describe_choice_models
from analysis.models.moderators import describe_moderators
from analysis.pairs.describe import PairResults, describe_kinds
from analysis.reading.companions import read_study
from analysis.reading.exclusions import Excluded, exclude
from analysis.reading.labels import Labels, read_labels
from analysis.reading.looks import Look
from analysis.reading.people import read_sample
from analysis.reading.plan import ACCURACY_TEST, DEFAULT_TEST, Plan, fixed
from analysis.reading.population import people_only
from analysis.reading.quality import flag_counts, participations, straight_line
from analysis.reading.study import study_of
from analysis.reading.table import RUN_SEPARATOR, Responses, read_responses
from analysis.reading.trial_kinds import kinds_of
from analysis.report.about.deviations import deviations
from analysis.report.about.ranked import Group, Ranked, by_sae, ranked
from analysis.report.settings import Procedure, Settings, procedure_of
from analysis.threads import one_thread


@dataclass(frozen=True)
class Analysis:
    """Everything that the report is made from."""

    summary: Summary
    responses: Responses
    """The table after exclusions."""
    methods: tuple[Ratings, ...]
    quality: pd.DataFrame
    """One row per participation (`quality.participations`)."""
    straight_line: float
    """The study's rule for its flags of that name (`quality.straight_line`)."""
    curves: tuple[tuple[str, tuple[Bin, ...]], ...]
    """Method to its reliability diagram, for methods whose own confidence is in `labels.csv`."""
    points: dict[str, list[Points]]
    """Machine scores and confidence per feature (`machine_scores.score_points`)."""
    own: OwnWords | None
    """The listeners' own names (`free_text`)."""
    ranks: dict[str, list[Ranked]]
    """Method to its features, the best first."""
    groups: list[Group]
    """Confidence by SAE; empty with a single one."""
    joint: Joint | None
    """The joint ordinal model with the logit link, if it was fitted."""
    bound: float
    """Bound of the equivalence test, steps of the scale."""
    levels: tuple[tuple[Levels, pd.DataFrame], ...] = ()
    """Listeners' severity and features' difficulty, each with its table (`latent_levels`)."""
    of_kinds: PairResults = field(default_factory=PairResults)
    """What pairs and intruder trials show, whose estimates are in the summary too."""


@dataclass(frozen=True)
class Begun:
    """A table that is read, how it is to be analysed, and what the plan's rules exclude."""

    study: Mapping[str, Any] | None
    done: Procedure
    read: Responses
    excluded: Excluded

    def of_kinds(self, *, without: bool = False) -> PairResults:
        """What pairs and intruder trials show; `without` the exclusions."""
        responses = self.read if without else self.excluded.responses
        labels, folder = read_labels(self.done.folder, responses), self.done.folder
        kinds, done = kinds_of(responses), self.done
        return describe_kinds(kinds, labels, folder, done.family, seed=done.seed, look=done.look)

    def of_labels(self) -> Begun | None:
        """The same of the label trials; None if there are none."""
        read, kept = (kinds_of(one).labels for one in (self.read, self.excluded.responses))
        if read is None or kept is None:
            return None
        return dataclasses.replace(
            self, read=read, excluded=dataclasses.replace(self.excluded, responses=kept)
        )


def begin(table_path: Path, settings: Settings) -> Begun:
    """Read the table, its study and its plan; refusals are `AnalysisError`."""
    folder = table_path.parent
    study = read_study(folder)
    done = procedure_of(settings, study, folder)
    read = people_only(
        read_responses(table_path, statuses=done.statuses, mapping=settings.mapping), folder, study
    )
    answered = read.rows["answered_at"].tolist() if read.has("answered_at") else []
    done = dataclasses.replace(done, fixed=fixed(study, answered))
    done = done.after(read.ratings["participation"].nunique(), study)
    return Begun(study, done, read, exclude(read, folder, settings.exclusions))


@one_thread()
def analyse(table_path: Path, settings: Settings) -> Analysis:
    """Read the table and its companions and compute everything; refusals are `AnalysisError`."""
    begun = begin(table_path, settings)
    if begun.read.scale is not None:
        raise AnalysisError(
            f"the ratings are on another scale, {begun.read.scale.meaning}: use build_report"
        )
    return of_begun(begun, table_path.parent, settings)


def of_begun(begun: Begun, folder: Path, settings: Settings) -> Analysis:
    """Compute everything of ratings on five levels, in a table that has label trials."""
    labelled = begun.of_labels()
    if labelled is None:
        raise AnalysisError("the table has no label trials: use build_report")
    study, done, read, excluded = begun.study, begun.done, labelled.read, labelled.excluded
    responses, of_kinds = excluded.responses, begun.of_kinds()
    quality = participations(begun.read, folder)
    labels = read_labels(folder, responses)
    own = own_words(
        responses, labels, embeddings=settings.embeddings, command=settings.embed_command
    )
    results = _results(responses, labels, own, done, of_kinds)
    tests = results.tests
    summary = Summary(
        table=responses.name,
        table_sha256=responses.sha256,
        seed=done.seed,
        resamples=done.resamples,
        level=LEVEL,
        methods=tuple(responses.methods),
        accounting=dataclasses.asdict(responses.accounting) | {"statuses": responses.statuses},
        estimates=tuple(results.estimates),
        tests=tuple(tests),
        notes=responses.notes,
        warnings=responses.warnings,
        exclusions=tuple(dataclasses.asdict(e) for e in excluded.exclusions),
        exclusion_source=excluded.source,
        without_exclusions=_without(begun, labelled.read, labels, settings),
        flags=flag_counts(quality),
        versions=versions(),
        study=study_of(study, read),
        sample=read_sample(folder, read, responses),
        comparisons=tuple(together(responses, done.pairs(responses.methods))),
        plan=plan_of(study, done.plan),
        plan_fixed=done.fixed,
        look=look_of(done.look),
        deviations=tuple(deviations(study, read, done, excluded, tests)),
        text_similarity=own.similarity if own else "",
    )
    return Analysis(
        summary=summary,
        responses=responses,
        methods=tuple(ratings_of(responses, method) for method in responses.methods),
        quality=quality,
        straight_line=straight_line(study),
        curves=_curves(responses, labels),
        points=score_points(responses, labels),
        own=own,
        ranks={m: ranked(responses, labels, m, settings.feature_pages) for m in responses.methods},
        groups=by_sae(responses),
        joint=results.joint,
        bound=done.bound,
        levels=_levels(results.joint, responses),
        of_kinds=of_kinds,
    )


def _levels(joint: Joint | None, responses: Responses) -> tuple[tuple[Levels, pd.DataFrame], ...]:
    """Listeners' severity and features' difficulty, with their tables."""
    if joint is None:
        return ()
    columns = {"participant": "participation", "feature": "feature_key"}
    found = []
    for own in latent_levels(joint):
        # The model numbers units in the sorted order of their names (`intervals.codes`).
        names = pd.Series(sorted(responses.ratings[columns[own.unit]].astype(str).unique()))
        found.append((own, table_of(own, names.str.replace(RUN_SEPARATOR, " · "))))
    return tuple(found)


def plan_of(study: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any]:
    """The plan as data; empty without a plan."""
    return dataclasses.asdict(plan) if (study or {}).get("analysis_plan") else {}


def look_of(look: Look | None) -> dict[str, Any]:
    """The look that the table is at, as data; empty without planned looks."""
    if look is None:
        return {}
    known = dataclasses.asdict(look) | {"number": look.number}
    return known | {"level": level_at(look, 1 - LEVEL)}


@dataclass(frozen=True)
class Results:
    """Every estimate and test of a table, and the joint model with the logit link, if fitted."""

    estimates: list[Estimate]
    tests: list[HypothesisTest]
    joint: Joint | None


def _results(
    responses: Responses,
    labels: Labels | None,
    own: OwnWords | None,
    done: Procedure,
    of_kinds: PairResults,
) -> Results:
    """Every estimate and every test of a table's label trials, with those of other trials."""
    found: list[Estimate] = []
    tests: list[HypothesisTest] = []
    for method in responses.methods:
        found += _of_method(responses, labels, own, method, done)
    chosen = together(responses, done.pairs(responses.methods))
    default = ACCURACY_TEST if is_identification(responses) else DEFAULT_TEST
    mixed = describe_mixed(responses, chosen)
    of_choice, of_choice_model = describe_choice_models(responses, chosen)
    found += [*mixed.estimates, *of_choice]
    for a, b in chosen:
        pair = pair_of(responses, a, b)
        found += compare(pair, seed=done.seed, resamples=done.resamples)
        made = hypothesis_tests_of(pair, seed=done.seed, resamples=done.resamples, bound=done.bound)
        choices, of_choices = compare_choices(responses, a, b)
        found, made = [*found, *choices], [*made, *of_choices]
        made += [*mixed.tests[a, b], *of_choice_model[a, b]]
        tests += in_families(made, done.family, (a, b), default)
    found = repeated(
        found, tests, done.look, lambda level: differences_at(responses, chosen, level)
    )
    for of_all, more in _of_all_methods(mixed.joint, responses, chosen, done):
        found, tests = [*found, *of_all], [*tests, *more]
    found, tests = [*found, *of_kinds.estimates], [*tests, *of_kinds.tests]
    return Results(found, adjusted(tests, done.look), mixed.joint)


def differences_at(
    responses: Responses, pairs: Sequence[tuple[str, str]], level: float
) -> Iterator[Estimate]:
    """The recommended differences of each comparison at a level of confidence."""
    for a, b in pairs:
        yield from compare(pair_of(responses, a, b), seed=0, resamples=0, level=level, ways=WAYS)
        yield from compare_choices(responses, a, b, level)[0]


def _of_all_methods(
    joint: Joint | None,
    responses: Responses,
    chosen: Sequence[tuple[str, str]],
    done: Procedure,
) -> Iterator[tuple[list[Estimate], list[HypothesisTest]]]:
    """What the joint model gives beyond its contrasts."""
    if joint is not None:
        yield describe_checks(joint, chosen)
    yield describe_moderators(joint, responses.ratings, done.moderators, done.folder)


def together(responses: Responses, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The comparisons of methods that some study and version has both of."""
    return [pair for pair in pairs if comparable(responses.ratings, *pair).any()]


def _of_method(
    responses: Responses,
    labels: Labels | None,
    own: OwnWords | None,
    method: str,
    done: Procedure,
) -> list[Estimate]:
    ratings = ratings_of(responses, method)
    seed, resamples = done.seed, done.resamples
    return [
        *describe(ratings, seed=seed, resamples=resamples),
        shrunken_share(ratings),
        *describe_choices(responses, method, seed=seed, resamples=resamples),
        *describe_agreement(ratings, seed=seed),
        *describe_repeats(responses, method),
        *describe_scores(responses, labels, method, seed=seed, resamples=resamples),
        *describe_free_text(responses, own, method),
    ]


def _without(
    begun: Begun, read: Responses, labels: Labels | None, settings: Settings
) -> tuple[Estimate, ...]:
    """Every recommended estimate over all responses, if the rules excluded any.

    `read`: the label trials of `begun.read`.
    """
    if len(begun.excluded.responses.ratings) == len(begun.read.ratings):
        return ()
    own = own_words(read, labels, embeddings=settings.embeddings, command=settings.embed_command)
    of_kinds = begun.of_kinds(without=True)
    found = _results(read, labels, own, begun.done, of_kinds).estimates
    return tuple(e for e in found if e.recommended)


def _curves(responses: Responses, labels: Labels | None) -> tuple[tuple[str, tuple[Bin, ...]], ...]:
    if labels is None or not responses.has("chosen_rank"):
        return ()
    curves = []
    for method in responses.methods:
        frame = responses.of(method)
        found = chosen_probabilities(frame, labels, method)
        if found is not None:
            curves.append((method, tuple(reliability_bins(*found))))
    return tuple(curves)


def versions() -> dict[str, str]:
    """Of Python and what computes the numbers."""
    found = {name: version(name) for name in ("numpy", "scipy", "pandas", "matplotlib")}
    return {"python": platform.python_version(), **found}
