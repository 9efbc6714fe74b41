"""Makes the items of a study: what each shows is drawn, then its sounds are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studyapp.core.errors import StudyError
from studyapp.models import Clip, Condition, Feature, Item, Stimulus, Study
from studyapp.models.studies import STIMULI
from studyapp.runs.services import alike
from studyapp.studies import contrasts
from studyapp.studies.contrasts import Contrast, Side
from studyapp.studies.selectors.studies import PooledFeature
from studyapp.studies.services import drawing
from studyapp.studies.services.stimuli import common_length, make_stimulus

Progress = Callable[[int, int], None]
"""Called with the number of stimuli made so far and their total."""


@dataclass(frozen=True)
class DrawnItem:
    """A feature under a method, before there are sounds or rows."""

    method: str
    feature: Feature
    clips: Sequence[Clip]
    told: dict[str, Any] = field(default_factory=dict)
    """The item's other columns."""


Drawer = Callable[
    [Study, Sequence[str], Sequence[PooledFeature], Sequence[PooledFeature]], list[DrawnItem]
]
"""Draws a study's items for these methods, from all features (the pool) for the chosen ones."""


def draw_items(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
) -> list[DrawnItem]:
    """What every item of the study shows, by method and in the order of the features."""
    return WRITERS[study.kind.trial_type](study, sorted(methods), pool, drawn)


def make_stimuli(
    drawn: Sequence[DrawnItem], study: Study, progress: Progress | None
) -> dict[int, Stimulus]:
    """Clip key → stimulus. Each is made once, and all have the same length.

    Where sounds of one trial are chosen from, their files have the same size too, and they are made
    in an order that says nothing of what they are.
    """
    wanted = {clip.pk: clip for one in drawn for clip in one.clips}
    if study.kind.picks_sound:
        wanted = dict(sorted(wanted.items(), key=lambda pair: pair[1].sha256))
    seconds = common_length([clip.seconds for clip in wanted.values()])
    stimuli: dict[int, Stimulus] = {}
    for done, (pk, clip) in enumerate(wanted.items(), start=1):
        stimuli[pk] = make_stimulus(
            clip=clip, loudness_lufs=study.loudness_lufs, seconds=seconds,
            equal_size=study.kind.picks_sound,
        )  # fmt: skip
        if progress:
            progress(done, len(wanted))
    return stimuli


def write_items(study: Study, drawn: Sequence[DrawnItem], stimuli: Mapping[int, Stimulus]) -> None:
    """Write the drawn items, and a condition for each of their methods."""
    conditions = {
        method: Condition.objects.create(study=study, method=method)
        for method in dict.fromkeys(one.method for one in drawn)
    }
    Item.objects.bulk_create(
        Item(
            study=study,
            condition=conditions[one.method],
            feature=one.feature,
            identifier=f"i{number:04d}",
            **{column: stimuli[clip.pk] for column, clip in zip(STIMULI, one.clips, strict=False)},
            **one.told,
        )
        for number, one in enumerate(drawn, start=1)
    )


def _of_labels(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
) -> list[DrawnItem]:
    """A feature has the same three clips under every method."""
    options = {
        pk: _option_drawer(study, methods, [one for one in pool if one.feature.run_id == pk], drawn)
        for pk in {one.feature.run_id for one in drawn}
    }
    target = 0 if study.kind.has_target else None
    clips = [drawing.draw_clips(pooled=one, seed=study.seed) for one in drawn]
    return [
        DrawnItem(
            method, one.feature, own,
            {"options": options[one.feature.run_id](one, method), "target": target},
        )
        for method in methods
        for one, own in zip(drawn, clips, strict=True)
    ]  # fmt: skip


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


def _of_pairs(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
) -> list[DrawnItem]:
    """A feature under every method and contrast; all its clips have one seed."""
    wanted = [contrasts.read(one) for one in study.contrasts]
    seeds = drawing.draw_seeds(drawn=drawn, wanted=wanted, seed=study.seed)
    if len(set(seeds)) < study.trials_per_participation:
        raise StudyError(
            f"{study.trials_per_participation} trials per participation need as many seeds of "
            "steered clips, since nobody may hear a clip without steering twice, but there are "
            f"{len(set(seeds))}: steer again with --takes {study.trials_per_participation}, or "
            "have fewer trials"
        )
    return [
        _pair(method, one, contrast, seed)
        for method in methods
        for one, seed in zip(drawn, seeds, strict=True)
        for contrast in wanted
    ]


def _pair(method: str, pooled: PooledFeature, contrast: Contrast, seed: int) -> DrawnItem:
    told = {
        "variant": str(contrast),
        "prompt": drawing.best(pooled, method).text,
        "steering_seed": seed,
        "sounds": [
            {"role": side.role, "intervention": side.intervention, "strength": side.strength}
            for side in contrast.sides
        ],
    }
    clips = [_generated(pooled, contrast, side, seed) for side in contrast.sides]
    return DrawnItem(method, pooled.feature, clips, told)


def _generated(pooled: PooledFeature, contrast: Contrast, side: Side, seed: int) -> Clip:
    """The clip of one side; without steering it is the one beside the other side's."""
    if side.intervention:
        return pooled.steered[side.intervention, side.strength, seed].clip
    other = next(one for one in contrast.sides if one != side)
    return pooled.steered[other.intervention, other.strength, seed].plain


def _of_intruders(
    study: Study,
    methods: Sequence[str],
    pool: Sequence[PooledFeature],
    drawn: Sequence[PooledFeature],
) -> list[DrawnItem]:
    """A feature's clips and one of another, which is stored first.

    Each has its mean cosine with the others beside it, for the machine that is set beside listeners
    (`clap`): it takes the clip with the smallest.
    """
    embedded = {one.feature.run_id: alike.embeddings_of(one.feature.run) for one in drawn}
    found = []
    for one in drawn:
        intruder, own = drawing.draw_intruder(pooled=one, pool=pool, seed=study.seed)
        roles = ["intruder", *("exemplar" for _ in own)]
        cosines = alike.alikeness([intruder, *own], embedded[one.feature.run_id])
        sounds = [
            {"role": role, "intervention": "", "strength": None, "clap": cosine}
            for role, cosine in zip(roles, cosines, strict=True)
        ]
        told = {"target": 0, "sounds": sounds}
        found += [DrawnItem(name, one.feature, [intruder, *own], told) for name in methods]
    return found


WRITERS: dict[str, Drawer] = {
    "label": _of_labels, "identification": _of_labels, "pair": _of_pairs,
    "intruder": _of_intruders,
}  # fmt: skip
"""Trial type → what draws the items."""
