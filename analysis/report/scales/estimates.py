"""What is estimated of ratings on another scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from analysis.estimates.choices.comparisons import compare_choices
from analysis.estimates.choices.outcomes import is_identification
from analysis.estimates.comparisons import compare
from analysis.estimates.descriptives import ALL_WAYS, mean_confidence, ratings_of, sd_confidence
from analysis.estimates.hypothesis_tests import adjusted, hypothesis_tests_of, in_families
from analysis.estimates.intervals import LEVEL
from analysis.estimates.method_pairs import pair_of
from analysis.estimates.repeated import repeated
from analysis.estimates.results import Estimate, HypothesisTest, Summary
from analysis.listeners.choices import describe_choices
from analysis.listeners.confidence_agreement import describe_agreement
from analysis.listeners.machine_scores import describe_scores
from analysis.models.mixed import Mixed, describe_mixed
from analysis.models.mixed_choices import describe_choice_models
from analysis.reading.labels import Labels, read_labels
from analysis.reading.mapping.scales import Scale
from analysis.reading.plan import ACCURACY_TEST, DEFAULT_TEST
from analysis.reading.quality import flag_counts, participations
from analysis.reading.study import study_of
from analysis.report.analyse import Begun, differences_at, look_of, together, versions

BETWEEN = ("difference_mean_confidence", "difference_paired_by_feature", "superiority_ratings",
           "cliffs_delta_ratings", "superiority_participant_means",
           "cliffs_delta_participant_means")  # fmt: skip
TESTS = ("difference_mean_confidence", "difference_paired_by_feature", "superiority_ratings",
         "permutation_participant_means", "welch_participant_means",
         "brunner_munzel_participant_means", "clmm_logit_wald")  # fmt: skip
NOT_ORDINAL = "at_least_4"
MEASURED = (
    "The error rates and coverages that this program states were measured for five levels. On "
    "other scales the same methods are used, unmeasured."
)
WITHOUT = (
    "On this scale the report has no shares of single levels and no R scripts, which are made for "
    "five levels."
)


def summary_of(begun: Begun, scale: Scale) -> Summary:
    """Every estimate and test that this scale allows, on the scale itself."""
    done, responses = begun.done, begun.excluded.responses
    pairs = together(responses, done.pairs(responses.methods))
    mixed = describe_mixed(responses, pairs) if scale.is_ordinal else Mixed([], {})
    labels = read_labels(done.folder, responses)
    of_choice, of_choice_model = describe_choice_models(responses, pairs)
    found = [e for method in responses.methods for e in _of_method(begun, labels, scale, method)]
    found += [*mixed.estimates, *of_choice]
    default = ACCURACY_TEST if is_identification(responses) else DEFAULT_TEST
    tests: list[HypothesisTest] = []
    for a, b in pairs:
        pair = pair_of(responses, a, b)
        more = compare(pair, seed=done.seed, resamples=done.resamples)
        found += [e for e in more if e.name in BETWEEN]
        made = hypothesis_tests_of(pair, seed=done.seed, resamples=done.resamples, bound=done.bound)
        made += mixed.tests.get((a, b), [])
        choices, of_choices = compare_choices(responses, a, b)
        found += choices
        kept = [test for test in made if test.name in TESTS]
        kept += [*of_choices, *of_choice_model[a, b]]
        tests += in_families(kept, done.family, (a, b), default)
    found = repeated(found, tests, done.look, lambda level: differences_at(responses, pairs, level))
    read = begun.read
    return Summary(
        table=responses.name, table_sha256=responses.sha256, seed=done.seed,
        resamples=done.resamples, level=LEVEL, methods=tuple(responses.methods),
        accounting=dataclasses.asdict(responses.accounting) | {"statuses": responses.statuses},
        estimates=tuple(on_scale(e, scale) for e in found if NOT_ORDINAL not in e.name),
        tests=tuple(_worded(t) for t in adjusted(tests, done.look)),
        notes=(*responses.notes, MEASURED, WITHOUT), warnings=responses.warnings,
        exclusions=tuple(dataclasses.asdict(e) for e in begun.excluded.exclusions),
        exclusion_source=begun.excluded.source,
        flags=flag_counts(participations(read, done.folder)),
        versions=versions(), study=study_of(begun.study, read),
        comparisons=tuple(pairs), plan_fixed=done.fixed,
        look=look_of(done.look),
    )  # fmt: skip


def _of_method(
    begun: Begun, labels: Labels | None, scale: Scale, method: str
) -> Iterator[Estimate]:
    responses, done = begun.excluded.responses, begun.done
    ratings = ratings_of(responses, method)
    yield from mean_confidence(
        ratings, seed=done.seed, resamples=done.resamples, level=LEVEL, ways=ALL_WAYS
    )
    yield sd_confidence(ratings, level=LEVEL)
    yield from describe_choices(responses, method, seed=done.seed, resamples=done.resamples)
    steps = round(scale.steps) if scale.is_ordinal else None
    yield from describe_agreement(ratings, seed=done.seed, steps=steps)
    yield from describe_scores(responses, labels, method, seed=done.seed, resamples=done.resamples)


def on_scale(e: Estimate, scale: Scale) -> Estimate:
    """An estimate in the scale's own numbers and in words that fit any scale."""
    e = dataclasses.replace(e, label=_on(e.label, scale))
    if e.unit != "scale":
        return e
    is_width = e.name.startswith(("difference", "sd_"))
    move = scale.outer_width if is_width else scale.outer
    value, low, high = (None if one is None else move(one) for one in (e.value, e.low, e.high))
    return dataclasses.replace(e, value=value, low=low, high=high)


def _on(label: str, scale: Scale) -> str:
    low, high = scale.ends
    if "machine’s confidence" in label:
        return label
    for said, ours in (
        ("confidence in it", "its rating"),
        ("mean confidence where", "mean rating where"),
        (", 1 to 5", f", {low:g} to {high:g}"),
    ):
        label = label.replace(said, ours)
    return label.replace("confidence", "rating")


def _worded(test: HypothesisTest) -> HypothesisTest:
    return dataclasses.replace(test, label=test.label.replace("confidence", "rating"))
