"""Queries of an export, as streams: memory does not grow with the number of responses.

Withdrawn participations are never read here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q, QuerySet, Sum

from studyapp.core.batches import batched
from studyapp.models import (
    Event,
    Exemplar,
    Feature,
    Item,
    LabelCandidate,
    Participation,
    ProblemReport,
    Response,
    Run,
    Stimulus,
    Study,
    Trial,
)
from studyapp.models.studies import STIMULI
from studyapp.models.trial_kinds import in_order
from studyapp.participation.selectors.trials import START_MS
from studyapp.runs.services import steered
from studyapp.studies.selectors.studies import main_items

CHUNK = 1000
NOTHING = -1
"""In place of an index, for an answer that chose nothing."""
NOT_WITHDRAWN = ~Q(status=Participation.Status.WITHDRAWN)


class Sound(NamedTuple):
    """One sound of an item."""

    clip: str
    role: str
    strength: float | None
    """α; None where nothing is steered."""
    intervention: str = ""
    clap: float | None = None
    """Of an intruder trial: mean cosine with the other sounds."""


@dataclass(frozen=True)
class ItemFacts:
    """The values that all trials of an item share."""

    item: str
    run: str
    sae: str
    hookpoint: str
    feature: str
    sounds: tuple[Sound, ...]
    """In the stored order, as are the options."""
    options: list[dict[str, Any]]
    method: str
    """Empty for practice and catch items, which belong to no condition."""
    seconds: float
    """Total length of the sounds."""
    target: int | None
    """Index in `options`, or in `sounds` where one is chosen, of the correct answer, if any."""
    prompt: str
    seed: int | None
    """Of a pair: what both sounds were generated with."""


@dataclass(slots=True)
class Listening:
    """Totals over the events of one trial."""

    plays: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    starts: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    """How many of the plays began at the sound's start."""
    seeks: int = 0
    heard_ms: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    hidden_ms: int = 0
    ended: set[int] = field(default_factory=set)
    """Clips that were played to the end."""
    errors: int = 0
    last_end_ms: int | None = None
    """When the sound that ended last ended, by the page's clock."""
    watched: dict[str, int] = field(default_factory=dict)
    """How the page was used, where the study records it: event → its largest value."""
    focus_ms: dict[str, int] = field(default_factory=dict)
    """When the page last lost and gained the focus, by the page's clock."""
    had_input: bool = False


TRIAL_COLUMNS = (
    "trial_id", "trial__participation_id", "trial__item_id", "trial__number", "trial__kind",
    "trial__option_order", "trial__shown_at",
)  # fmt: skip
"""The fields of `ShownTrial`, read from a response."""
ANSWER_COLUMNS = ("answer", "choice", "confidence", "free_text", "response_ms", "answered_at")
"""The fields of `Answer`."""
FIRST_COLUMNS = (
    "trial__repeat_of__number", "trial__repeat_of__option_order",
    "trial__repeat_of__response__answer", "trial__repeat_of__response__choice",
)  # fmt: skip
"""For a repeat: fields of the repeated trial and its answer."""


class ShownTrial(NamedTuple):
    """A trial as an export reads it: plain values, since a million model objects take minutes."""

    pk: int
    participation_id: int
    item_id: int
    number: int
    kind: str
    option_order: list[int]
    shown_at: datetime | None


class Answer(NamedTuple):
    """A response as an export reads it."""

    answer: str
    choice: int | None
    confidence: int
    free_text: str
    response_ms: int
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial with its participation and item; sounds and options in the order shown."""

    study: Study
    trial: Trial | ShownTrial
    participation: Participation
    item: ItemFacts
    sounds: list[Sound]
    options: list[dict[str, Any]]
    """Empty where a sound is chosen."""
    repeat_of: int | None


@dataclass(frozen=True, slots=True)
class ResponseRow(TrialRow):
    """A trial that was answered."""

    response: Answer
    listening: Listening
    chosen_before: int | None
    """For a repeat: the index chosen the first time; None without a first answer."""

    @property
    def chosen_index(self) -> int:
        """Index of what was chosen in the item's order; `NOTHING` if nothing was."""
        return _index(self.trial.option_order, self.response.choice)

    @property
    def chose_target(self) -> bool:
        """Whether the correct answer was chosen, if there is one."""
        return self.item.target is not None and self.chosen_index == self.item.target


def _index(order: list[int], choice: int | None) -> int:
    return NOTHING if choice is None else order[choice - 1]


@dataclass(frozen=True)
class StimulusRow:
    """A stimulus of the study, as a sound of one feature: an exemplar, if it is one."""

    stimulus: Stimulus
    feature: Feature
    exemplar: Exemplar | None


def studies_named(slug: str, version: int | None = None) -> list[Study]:
    """Return the study's versions, the newest first, or only `version`."""
    found = Study.objects.filter(slug=slug).order_by("-version")
    return list(found if version is None else found.filter(version=version))


def responses(study: Study, *, among: list[int] | None = None) -> Iterator[ResponseRow]:
    """Yield every response of the study, by participation and in the order shown.

    `among` restricts it to participations with these primary keys.
    """
    facts = _item_facts(study)
    selected = _participations(study)
    if among is not None:
        selected = selected.filter(pk__in=among)
    query = (
        Response.objects.filter(trial__participation__in=selected)
        .order_by("trial__participation_id", "trial__number")
        .values_list(*ANSWER_COLUMNS, *TRIAL_COLUMNS, *FIRST_COLUMNS)
    )
    for chunk in batched(query.iterator(chunk_size=CHUNK), CHUNK):
        shown = [ShownTrial(*row[len(ANSWER_COLUMNS) : -len(FIRST_COLUMNS)]) for row in chunk]
        people = _people(trial.participation_id for trial in shown)
        listening = _listening(people)
        for row, trial in zip(chunk, shown, strict=True):
            item = facts[trial.item_id]
            sounds, options = _in_order(study, item, trial.option_order)
            yield ResponseRow(
                study=study,
                trial=trial,
                participation=people[trial.participation_id],
                item=item,
                sounds=sounds,
                options=options,
                repeat_of=row[-4],
                chosen_before=None if row[-2] is None else _index(row[-3], row[-1]),
                response=Answer(*row[: len(ANSWER_COLUMNS)]),
                listening=listening.get(trial.pk) or Listening(),
            )


def _people(wanted: Iterable[int]) -> dict[int, Participation]:
    """Return a chunk's participations by key, with the fields that rows of responses show."""
    found = Participation.objects.select_related("condition")
    return found.only(
        "identifier", "status", "simulated", "submission", "condition__method"
    ).in_bulk(set(wanted))


def trials(study: Study) -> Iterator[TrialRow]:
    """Yield every trial that was drawn, answered or not."""
    facts = _item_facts(study)
    query = (
        Trial.objects.filter(participation__in=_participations(study))
        .select_related("participation__condition", "repeat_of", "response")
        .order_by("participation_id", "number")
    )
    for trial in query.iterator(chunk_size=CHUNK):
        yield TrialRow(**_trial_parts(study, trial, facts))


def responses_of(
    study: Study, *, among: list[int] | None = None
) -> Iterator[tuple[int, list[ResponseRow]]]:
    """Yield the primary key and responses of each participation that has any, ordered by key."""
    for key, rows in groupby(responses(study, among=among), lambda row: row.participation.pk):
        yield key, list(rows)


def participations(study: Study) -> Iterator[Participation]:
    """Yield every participation that was not withdrawn, with counts of its trials and answers."""
    query = (
        _participations(study)
        .select_related("condition", "study")
        .prefetch_related("steps_taken")
        .annotate(trials_drawn=Count("trials"), trials_answered=Count("trials__response"))
        .order_by("pk")
    )
    yield from query.iterator(chunk_size=CHUNK)


def events(study: Study) -> Iterator[Event]:
    """Yield every event, by participation and in the order received."""
    query = (
        Event.objects.filter(participation__in=_participations(study))
        .select_related("participation", "trial")
        .order_by("participation_id", "pk")
    )
    yield from query.iterator(chunk_size=CHUNK)


def problems(study: Study) -> Iterator[ProblemReport]:
    """Yield every report of a technical problem, by participation and in the order received.

    Of a closed study only those that came while it ran, so that its exports stay the same.
    """
    in_time = Q() if study.closed_at is None else Q(reported_at__lte=study.closed_at)
    query = (
        ProblemReport.objects.filter(in_time, participation__in=_participations(study))
        .select_related("participation", "trial")
        .defer("participation__draw")
        .order_by("participation_id", "pk")
    )
    yield from query.iterator(chunk_size=CHUNK)


def labels(study: Study) -> Iterator[LabelCandidate]:
    """Yield every label candidate of every method for the study's features."""
    query = (
        LabelCandidate.objects.filter(feature__in=main_items(study).values("feature"))
        .select_related("feature__run")
        .order_by("feature__run", "feature__sae", "feature__index", "method", "rank")
    )
    yield from query.iterator(chunk_size=CHUNK)


def scorers(study: Study) -> list[str]:
    """Return the names of the scorers that graded any of these labels."""
    names: set[str] = set()
    for label in labels(study):
        names.update(label.scores)
    return sorted(names)


def stimuli(study: Study) -> Iterator[StimulusRow]:
    """Yield every stimulus of the study, once per feature of which it is an exemplar."""
    chosen: dict[tuple[int | None, int | None], Stimulus] = {}
    features: dict[int | None, Feature] = {}
    for item in _items(study).filter(role=Item.Role.MAIN):
        for stimulus in item.stimuli:
            chosen[item.feature_id, stimulus.clip_id] = stimulus
        if item.feature is not None:
            features[item.feature_id] = item.feature
    query = (
        Exemplar.objects.filter(feature__in=main_items(study).values("feature"))
        .select_related("feature__run", "clip")
        .order_by("feature__run", "feature__sae", "feature__index", "rank")
    )
    for exemplar in query.iterator(chunk_size=CHUNK):
        stimulus_of = chosen.pop((exemplar.feature_id, exemplar.clip_id), None)
        if stimulus_of is not None:
            yield StimulusRow(stimulus_of, exemplar.feature, exemplar)
    for (feature, _), other in chosen.items():
        yield StimulusRow(other, features[feature], None)


def judged(study: Study) -> Iterator[dict[str, Any]]:
    """Yield what CLAP says of the steered clips of the study's features."""
    features: dict[tuple[int, str], set[str]] = defaultdict(set)
    found = Feature.objects.filter(pk__in=main_items(study).values("feature"))
    for run, sae, name in found.order_by("run", "sae").values_list("run", "sae", "identifier"):
        features[run, sae].add(name)
    runs = Run.objects.in_bulk({run for run, _ in features})
    for (pk, sae), names in features.items():
        yield from (row for row in steered.judged(runs[pk], sae) if row["feature"] in names)


def deviations(study: Study) -> list[dict[str, Any]]:
    """Return the recorded departures from the frozen design, oldest first, without names."""
    return [
        {
            "kind": one.kind,
            "method": one.condition.method if one.condition else None,
            "places": one.places,
            "reason": one.reason,
            "at": one.at,
        }
        for one in study.deviations.select_related("condition")
    ]


def participation_counts(study: Study) -> dict[str, dict[str, int]]:
    """Status → {"real", "simulated"}: number of participations, without withdrawn ones."""
    counts: dict[str, dict[str, int]] = {}
    rows = _participations(study).values("status", "simulated").annotate(n=Count("pk"))
    for row in rows.order_by("status"):
        kinds = counts.setdefault(row["status"], {"real": 0, "simulated": 0})
        kinds["simulated" if row["simulated"] else "real"] = row["n"]
    return counts


def _participations(study: Study) -> QuerySet[Participation]:
    return study.participations.filter(NOT_WITHDRAWN)


def _items(study: Study) -> QuerySet[Item]:
    return study.items.select_related("condition", "feature__run", *STIMULI)


def _item_facts(study: Study) -> dict[int, ItemFacts]:
    """Load all items once: a study has thousands of them, but may have millions of responses."""
    return {
        item.pk: ItemFacts(
            item=item.identifier,
            run=item.feature.run.identifier if item.feature else "",
            sae=item.feature.sae if item.feature else "",
            hookpoint=item.feature.hookpoint if item.feature else "",
            feature=item.feature.identifier if item.feature else "",
            method=item.condition.method if item.condition else "",
            seconds=sum(stimulus.seconds for stimulus in item.stimuli),
            target=item.target,
            sounds=tuple(_sounds(item)),
            options=item.options,
            prompt=item.prompt,
            seed=item.steering_seed,
        )
        for item in _items(study)
    }


def _sounds(item: Item) -> Iterator[Sound]:
    """What each sound of an item was; only those of pairs differ."""
    role = "exemplar" if item.feature_id else "synthesised"
    for number, stimulus in enumerate(item.stimuli):
        if number < len(item.sounds):
            yield Sound(stimulus.sha256, **item.sounds[number])
        else:
            yield Sound(stimulus.sha256, role, None)


def _in_order(
    study: Study, item: ItemFacts, order: list[int]
) -> tuple[list[Sound], list[dict[str, Any]]]:
    """Sounds and options in the order in which a trial shows them."""
    sounds = in_order(item.sounds, order, study.kind)
    return sounds, [] if study.kind.picks_sound else [item.options[index] for index in order]


def _trial_parts(study: Study, trial: Trial, facts: dict[int, ItemFacts]) -> dict[str, Any]:
    item = facts[trial.item_id]
    sounds, options = _in_order(study, item, trial.option_order)
    return {
        "study": study,
        "trial": trial,
        "participation": trial.participation,
        "item": item,
        "sounds": sounds,
        "options": options,
        "repeat_of": trial.repeat_of.number if trial.repeat_of else None,
    }


def _listening(participations: Iterable[int]) -> dict[int, Listening]:
    """Trial → totals over its events, for all trials of these participations."""
    figures: defaultdict[int, Listening] = defaultdict(Listening)
    rows = (
        Event.objects.filter(participation__in=participations, trial__isnull=False)
        .order_by()
        .values_list("trial_id", "clip", "type")
        .annotate(
            n=Count("pk"),
            ms=Sum("value"),
            late=Count("pk", filter=Q(value__gte=START_MS)),
            most=Max("value"),
            last=Max("at_ms"),
        )
    )
    # Plain strings, because looking up and comparing enumeration members takes seven times as long.
    kinds = Event.Type
    play, heard, ended = kinds.PLAY.value, kinds.HEARD.value, kinds.ENDED.value
    visible, error, seek = kinds.VISIBLE.value, kinds.ERROR.value, kinds.SEEK.value
    focus, watched = (kinds.BLUR.value, kinds.FOCUS.value), {one.value for one in Event.WATCHED}
    first, paste = kinds.FIRST_INTERACTION.value, kinds.PASTE.value
    for pk, clip, kind, n, ms, late, most, last in rows:
        trial = figures[pk]
        if kind == play and clip:
            trial.plays[clip] = n
            trial.starts[clip] = n - late
        elif kind == heard and clip:
            trial.heard_ms[clip] = ms or 0
        elif kind == ended and clip:
            trial.ended.add(clip)
            trial.last_end_ms = max(last, trial.last_end_ms or 0)
        elif kind == seek:
            trial.seeks += n
        elif kind == visible:
            trial.hidden_ms += ms or 0
        elif kind == error:
            trial.errors += n
        elif kind == first:
            trial.had_input = True
        elif kind in focus:
            trial.focus_ms[kind] = last
            trial.watched[kind] = n
        elif kind in watched:
            # Sums grow until the answer, which may be sent more than once; pastes are counted.
            trial.watched[kind] = n if kind == paste else most or 0
    return dict(figures)
