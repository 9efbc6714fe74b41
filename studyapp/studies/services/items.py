"""Makes the items of a study: stimuli and options."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from studyapp.models import Clip, Condition, Item, Stimulus, Study
from studyapp.studies.selectors.studies import PooledFeature
from studyapp.studies.services import drawing
from studyapp.studies.services.stimuli import common_length, make_stimulus

Progress = Callable[[int, int], None]
"""Called with the number of stimuli made so far and their total."""


def make_stimuli(
    clips: Mapping[int, Sequence[Clip]], loudness_lufs: float, progress: Progress | None
) -> dict[int, Stimulus]:
    """Clip key → stimulus. Each is made once, and all have the same length."""
    wanted = {clip.pk: clip for drawn in clips.values() for clip in drawn}
    seconds = common_length([clip.seconds for clip in wanted.values()])
    stimuli: dict[int, Stimulus] = {}
    for done, (pk, clip) in enumerate(wanted.items(), start=1):
        stimuli[pk] = make_stimulus(clip=clip, loudness_lufs=loudness_lufs, seconds=seconds)
        if progress:
            progress(done, len(wanted))
    return stimuli


def write_items(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
    clips: Mapping[int, Sequence[Clip]],
    stimuli: Mapping[int, Stimulus],
) -> None:
    """Write an item for each drawn feature under each condition, with the same three stimuli."""
    options = {
        pk: _option_drawer(study, methods, [one for one in pool if one.feature.run_id == pk], drawn)
        for pk in {one.feature.run_id for one in drawn}
    }
    items: list[Item] = []
    for method in sorted(methods):
        condition = Condition.objects.create(study=study, method=method)
        for pooled in drawn:
            first, second, third = (stimuli[clip.pk] for clip in clips[pooled.feature.pk])
            items.append(
                Item(
                    study=study,
                    condition=condition,
                    feature=pooled.feature,
                    identifier=f"i{len(items) + 1:04d}",
                    stimulus_1=first,
                    stimulus_2=second,
                    stimulus_3=third,
                    options=options[pooled.feature.run_id](pooled, method),
                    target=0 if study.kind.has_target else None,
                )
            )
    Item.objects.bulk_create(items)


def _option_drawer(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
) -> Callable[[PooledFeature, str], list[drawing.Option]]:
    """A function that draws the options of a feature under a method, within one run.

    Identifiers of features, and so the sources of options, are unique only within a run.
    """
    by_name = {pooled.feature.identifier: pooled for pooled in pool}
    if study.option_policy == Study.OptionPolicy.CANDIDATES:
        return lambda pooled, method: drawing.options_by_candidates(
            pooled=pooled, method=method, pool=by_name, seed=study.seed
        )
    halves = drawing.label_halves(drawn=drawn, methods=methods, seed=study.seed)
    return lambda pooled, method: drawing.options_by_identification(
        pooled=pooled, method=method, pool=by_name, halves=halves, seed=study.seed
    )
