"""The columns of every exported file, defined once: name, type, unit, levels, meaning, source.

CSV, Parquet, JSON and the codebook are all made from these definitions. Values are exact: a text is
exported as it was typed. The spreadsheet-safe variant is a separate file.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from studyapp.exports import flags, machines
from studyapp.exports.cells import cell, pseudonym, spreadsheet_safe, time_cell
from studyapp.exports.machines import Watched
from studyapp.exports.selectors import ResponseRow, StimulusRow, TrialRow
from studyapp.models import Event, LabelCandidate, Participation, Response, Study, Trial
from studyapp.models.participation import CONFIDENCE
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.participation.services import browsers
from studyapp.studies import own_questions, questionnaire
from studyapp.studies.services.drawing import OPTIONS

Row = TypeVar("Row", contravariant=True)

CONFIDENCE_LEVELS = tuple(f"{value} {wording}" for value, wording in CONFIDENCE)
STATUS_LEVELS = tuple(s for s in Participation.Status.values if s != "withdrawn")
ROLES = ("exemplar", "synthesised", "plain", "steered", "random", "prompt", "intruder")
POSITIONS = tuple(map(str, range(1, OPTIONS + 1)))


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a file."""

    name: str
    type: str
    """text, integer, number, boolean or time."""
    meaning: str
    value: Callable[[Row], Any]
    unit: str = ""
    levels: tuple[str, ...] = ()
    """Every possible value, if known; an empty cell means "does not apply"."""


@dataclass(frozen=True)
class File(Generic[Row]):
    """A file of an export: its columns and the meaning of a row."""

    name: str
    row_is: str
    columns: Sequence[Column[Row]]

    def header(self) -> list[str]:
        """Return the names of the columns."""
        return [column.name for column in self.columns]

    def cells(self, row: Row) -> list[Any]:
        """Return one row with exact values; times are text, and `csv` writes numbers unrounded."""
        return [write(row) for write in self.writers]

    def safe_cells(self, row: Row) -> list[Any]:
        """Return one row whose texts no spreadsheet takes for formulas; the rest is unchanged."""
        return [
            spreadsheet_safe(made) if isinstance(made, str) and column.type == "text" else made
            for column, made in zip(self.columns, self.cells(row), strict=True)
        ]

    def record(self, row: Row) -> dict[str, Any]:
        """Return one row as names and values; times are text, missing values are None."""
        return {
            column.name: cell(found) if isinstance(found := column.value(row), datetime) else found
            for column in self.columns
        }

    @cached_property
    def writers(self) -> list[Callable[[Row], Any]]:
        """Each column's reader; times and booleans are converted to the text of their cells."""
        return [_writer(column) for column in self.columns]


def _writer(column: Column[Row]) -> Callable[[Row], Any]:
    read = column.value
    if column.type == "time":
        return lambda row: time_cell(read(row))
    if column.type == "boolean":
        return lambda row: cell(read(row))
    return read


def _clip(n: int) -> Column[TrialRow]:
    return Column(f"clip_{n}", "text", f"SHA-256 of the audio file that was played as clip {n}.",
                  lambda r: r.sounds[n - 1].clip if n <= len(r.sounds) else None)  # fmt: skip


def _shown(name: str, key: str, type_: str, meaning: str) -> list[Column[TrialRow]]:
    """Return one column per position, with the value of `key` of the option shown there."""
    return [Column(f"{name}_{n}", type_, meaning.format(n=n), _option(key, n)) for n in range(1, 6)]


def _of_heard(row: ResponseRow, total: str, n: int) -> int | None:
    """A total of clip n; None if the trial had no such clip."""
    return getattr(row.listening, total)[n] if n <= len(row.sounds) else None


def _plays(n: int) -> Column[ResponseRow]:
    return Column(f"plays_{n}", "integer", f"How often clip {n} was started.",
                  lambda r: _of_heard(r, "plays", n))  # fmt: skip


def _heard(n: int) -> Column[ResponseRow]:
    return Column(f"heard_ms_{n}", "integer",
                  f"Sound of clip {n} that was played, repetitions included.",
                  lambda r: _of_heard(r, "heard_ms", n), unit="ms")  # fmt: skip


def _option(key: str, number: int) -> Callable[[TrialRow], Any]:
    return lambda row: row.options[number - 1][key] if row.options else None


def _chosen(row: ResponseRow, key: str) -> Any:
    choice = row.response.choice
    return row.options[choice - 1][key] if row.options and choice is not None else None


def _target(row: TrialRow) -> int | None:
    target = row.item.target
    return None if target is None else row.trial.option_order.index(target) + 1


def _method(row: TrialRow) -> str | None:
    """Return the item's method; for items without one (practice, catch) the participation's."""
    condition = row.participation.condition
    return row.item.method or (condition.method if condition else None)


def _flags(row: ResponseRow) -> str:
    return "|".join(flags.answer_flags(row) + flags.submission_flags(row.participation))


IDENTITY: list[Column[TrialRow]] = [
    Column("study", "text", "Short name of the study.", lambda r: r.study.slug),
    Column("study_version", "integer", "Version of the frozen protocol.",
           lambda r: r.study.version),
    Column("participation", "text", "Pseudonym of one passage of one participant.",
           lambda r: pseudonym(r.participation.identifier)),
    Column("method", "text",
           "Labeling method of the item; in practice and catch trials that of the participation's "
           "condition, empty where a participation has every condition.", _method),
    Column("run", "text", "Identifier of the pipeline run.", lambda r: r.item.run),
    Column("sae", "text", "Name of the sparse autoencoder.", lambda r: r.item.sae),
    Column("hookpoint", "text", "Where in the subject model the autoencoder reads.",
           lambda r: r.item.hookpoint),
    Column("feature", "text",
           "The feature, SAE/INDEX; unique within a run. Empty in practice and catch trials.",
           lambda r: r.item.feature),
    Column("item", "text", "The feature under the condition; unique within the study.",
           lambda r: r.item.item),
    Column("trial", "integer", "Counts from 1 in the order shown.", lambda r: r.trial.number),
    Column("kind", "text", "Only main trials enter estimates.", lambda r: r.trial.kind,
           levels=tuple(Trial.Kind.values)),
    Column("repeat_of", "integer", "For a repeat: the trial that it repeats.",
           lambda r: r.repeat_of),
]  # fmt: skip

SHOWN: list[Column[TrialRow]] = [
    *[_clip(n) for n in (1, 2, 3)],
    *_shown("option", "text", "text", "Text of the option shown at position {n}."),
    *_shown("option_source", "source", "text",
            "Source of option {n}: the method, or feature:SAE/INDEX for another feature's label."),
    *_shown("option_rank", "rank", "integer",
            "The method's own rank of option {n}, 1 its best; empty for another feature's label."),
    Column("target_position", "integer",
           "Where the right answer stands: under identification, in practice and in catch trials.",
           _target, levels=POSITIONS),
]  # fmt: skip

ANSWER: list[Column[ResponseRow]] = [
    Column("chosen_position", "integer", "Position of the option that was chosen.",
           lambda r: r.response.choice, levels=POSITIONS),
    Column("chosen_label", "text", "Text of the option that was chosen.",
           lambda r: _chosen(r, "text")),
    Column("chosen_rank", "integer",
           "The method's own rank of the chosen label; empty for another feature's label.",
           lambda r: _chosen(r, "rank")),
    Column("confidence", "integer", "How confident the participant is that the name fits, or "
           "of the sound chosen.",
           lambda r: r.response.confidence, levels=CONFIDENCE_LEVELS),
    Column("free_text", "text", "A name of the participant's own; optional.",
           lambda r: r.response.free_text),
    Column("response_ms", "integer",
           "From the trial's first showing to its answer, by the server's clock.",
           lambda r: r.response.response_ms, unit="ms"),
    *[_plays(n) for n in (1, 2, 3)],
    *[_heard(n) for n in (1, 2, 3)],
    Column("hidden_ms", "integer", "How long the page was hidden while the trial was open.",
           lambda r: r.listening.hidden_ms, unit="ms"),
    Column("shown_at", "time", "When the trial was first shown, UTC.", lambda r: r.trial.shown_at),
    Column("answered_at", "time", "When the answer was stored, UTC.",
           lambda r: r.response.answered_at),
    Column("participation_status", "text", "How the participation stands.",
           lambda r: r.participation.status, levels=STATUS_LEVELS),
    Column("flags", "text", "What a reader should know of this answer, joined by |.",
           _flags, levels=(*flags.ANSWER_FLAGS, *flags.SUBMISSION_FLAGS)),
]  # fmt: skip


def _trial_type(row: TrialRow) -> str:
    return row.study.kind.trial_type


def _of_sound(name: str, n: int) -> Callable[[TrialRow], Any]:
    return lambda row: getattr(row.sounds[n - 1], name) if n <= len(row.sounds) else None


def _clip_role(n: int) -> Column[TrialRow]:
    return Column(f"clip_role_{n}", "text",
                  f"What clip {n} was: the feature's exemplar, or made by code (practice, catch). "
                  "Of a pair: generated without steering, with the feature steered, with a "
                  "control in its place, or from a prompt with the label. An intruder is an "
                  "exemplar of another feature.",
                  _of_sound("role", n), levels=ROLES)  # fmt: skip


def _strength(row: TrialRow) -> float | None:
    return max((one.strength for one in row.sounds if one.strength is not None), default=None)


def _answer(row: TrialRow) -> str | None:
    """Of a response or, in `trials.csv`, of a trial that may have none."""
    given = row.response if isinstance(row, ResponseRow) else getattr(row.trial, "response", None)
    return given.answer if given else None


def _all_sounds(name: str, type_: str, meaning: str, key: str) -> list[Column[TrialRow]]:
    return [Column(f"{name}_{n}", type_, meaning.format(n=n), _of_sound(key, n)) for n in (1, 2, 3)]


KIND: list[Column[TrialRow]] = [
    Column("simulated", "boolean", "Whether a simulated listener answered, not a person.",
           lambda r: r.participation.simulated, levels=("true", "false")),
    Column("trial_type", "text",
           "What was to be done: choose a label of the method's (label), find the feature's "
           "label among others' (identification), say which of two sounds has more of a label "
           "(pair), or which of five is of another feature (intruder).", _trial_type,
           levels=tuple(kind.trial_type for kind in TRIAL_KINDS.values())),
    Column("prompt", "text", "What was asked of the listener, where it varies; else empty. Of a "
           "pair: the label.", lambda r: r.item.prompt or None),
    *[_clip_role(n) for n in (1, 2, 3)],
    Column("strength", "number", "Strength of the steering of what was played; empty without any. "
           "Of a pair: the larger of the two.", _strength),
]  # fmt: skip
"""The kind of trial and of listener; last, so that the other columns keep their positions."""

STEERED: list[Column[TrialRow]] = [
    *_all_sounds("clip_strength", "number", "Of a pair: the dose α of clip {n}, 0 for one without "
                 "steering.", "strength"),
    *_all_sounds("clip_intervention", "text", "Of a pair: what was done to generate clip {n}, a "
                 "name of the pipeline's interventions; empty for one without steering.",
                 "intervention"),
    Column("steering_seed", "integer", "Of a pair: the seed that both clips were generated with.",
           lambda r: r.item.seed),
    Column("answer", "text",
           "Whether something was chosen, or that nothing fits, or that there is no difference; "
           "empty without an answer.", _answer, levels=tuple(Response.Answer.values)),
]  # fmt: skip
"""What later kinds of trial have; after all others, so that those keep their positions."""

FURTHER: list[Column[TrialRow]] = [
    *[_clip(n) for n in (4, 5)],
    *[_clip_role(n) for n in (4, 5)],
]
FURTHER_HEARD: list[Column[ResponseRow]] = [
    *[_plays(n) for n in (4, 5)],
    *[_heard(n) for n in (4, 5)],
]
"""Of trials with more than three sounds."""

RESPONSES: File[ResponseRow] = File(
    "responses.csv",
    "one response",
    [*IDENTITY, *SHOWN, *ANSWER, *KIND, *STEERED, *FURTHER, *FURTHER_HEARD],
)

TRIALS: File[TrialRow] = File("trials.csv", "one trial that was drawn, answered or not", [
    *IDENTITY, *SHOWN,
    Column("shown_at", "time", "When the trial was first shown, UTC; empty if never.",
           lambda r: r.trial.shown_at),
    Column("answered", "boolean", "Whether there is a response.",
           lambda r: hasattr(r.trial, "response"), levels=("true", "false")),
    *KIND, *STEERED, *FURTHER,
])  # fmt: skip


def _step(participation: Participation, step: str) -> dict[str, Any]:
    """Return the stored data of a completed step; the selector has prefetched all steps."""
    taken = participation.steps_taken.all()
    return next((dict(one.data) for one in taken if one.step == step and one.done_at), {})


def _of_checks(name: str) -> Callable[[Participation], int | None]:
    """Return a reader of the sum over all answers to the sound checks; None without any value."""

    def total(participation: Participation) -> int | None:
        evidence = list(_step(participation, "volume").get("evidence", ()))
        trials = _step(participation, "headphones").get("trials", ())
        evidence += [trial.get("evidence", {}) for trial in trials]
        values = [one[name] for one in evidence if name in one]
        return sum(values) if values else None

    return total


def _asked(name: str) -> Callable[[Participation], Any]:
    return lambda p: _step(p, "questionnaire").get("answers", {}).get(name)


def _training(participation: Participation) -> int | None:
    answers = _step(participation, "questionnaire").get("answers", {})
    return questionnaire.training_score(answers, participation.study.questions)


def _training_answers(participation: Participation) -> str:
    answers = _step(participation, "questionnaire").get("answers", {})
    asked = questionnaire.training(participation.study.questions, "")
    return "|".join(f"{one.name}={answers[one.name]}" for one in asked if one.name in answers)


def _device(name: str) -> Callable[[Participation], Any]:
    return lambda p: p.device.get(name)


STEP_COLUMNS: list[Column[Participation]] = [
    Column("language", "text", "Language of the pages.", lambda p: p.language),
    Column("browser", "text", "Family of the browser.", _device("browser")),
    Column("browser_version", "integer", "Its major version.", _device("version")),
    Column("operating_system", "text", "Family of the operating system.", _device("system")),
    Column("touch", "boolean", "Whether the device's main pointer is a finger.", _device("touch"),
           levels=("true", "false")),
    Column("viewport", "text", "Window under 600 CSS pixels wide, under 1024, or wider.",
           _device("viewport"), levels=browsers.VIEWPORTS),
    Column("consent_version", "text", "SHA-256 of the consent text that was agreed to.",
           lambda p: p.consent_version),
    Column("screened_for", "text", "Why it was screened out.", lambda p: p.screened_for,
           levels=tuple(Participation.Screening.values)),
    Column("volume_passed", "boolean", "Whether the soft tones were counted right.",
           lambda p: _step(p, "volume").get("passed"), levels=("true", "false")),
    Column("volume_attempts", "integer", "How often soft tones were counted.",
           lambda p: len(_step(p, "volume").get("answers", ())) or None),
    Column("huggins_passed", "boolean",
           "Whether five of six Huggins pitches were found; asked until that was certain.",
           lambda p: _step(p, "headphones").get("passed", {}).get("huggins"),
           levels=("true", "false")),
    Column("antiphase_passed", "boolean",
           "Whether five of six softest tones were found; asked until that was certain.",
           lambda p: _step(p, "headphones").get("passed", {}).get("antiphase"),
           levels=("true", "false")),
    Column("headphones", "boolean", "Whether the study's headphone check was passed.",
           lambda p: _step(p, "headphones").get("headphones"), levels=("true", "false")),
    Column("checks_plays", "integer", "How often sounds of the sound checks were played.",
           _of_checks("plays")),
    Column("checks_heard_ms", "integer", "How much sound of the sound checks was played.",
           _of_checks("heard_ms"), unit="ms"),
    Column("checks_hidden_ms", "integer", "How long the pages of the sound checks were hidden.",
           _of_checks("hidden_ms"), unit="ms"),
    Column("age_band", "text", "Age, as answered; empty if left out.", _asked("age_band"),
           levels=tuple(code for code, _ in questionnaire.AGE.answers)),
    Column("listening_device", "text", "What was listened with; empty if left out.",
           _asked("listening_device"),
           levels=tuple(code for code, _ in questionnaire.DEVICE.answers)),
    Column("musical_training", "integer",
           "Sum over the questions on training: ours 0 to 12, Gold-MSI 7 to 49 with its reversed "
           "items turned; empty if any was left out.", _training),
    Column("musical_training_answers", "text",
           "QUESTION=CODE for each question on training that was answered, joined by |.",
           _training_answers),
]  # fmt: skip


def _watched(read: Callable[[Watched], Any]) -> Callable[[Participation], Any]:
    """Return a reader that is empty in studies that do not watch for machines."""

    def value(participation: Participation) -> Any:
        watched = getattr(participation, "watched", None)  # set by `write`
        return None if watched is None else read(watched)

    return value


def _sum_of(name: str) -> Callable[[Participation], Any]:
    return _watched(lambda w: sum(getattr(one, name) for one in w.trials))


def _median_of(name: str) -> Callable[[Participation], Any]:
    def median(watched: Watched) -> float | None:
        values = [getattr(one, name) for one in watched.trials]
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    return _watched(median)


MACHINE_COLUMNS: list[Column[Participation]] = [
    Column("tone_heard", "boolean", "Whether the highest of three tones was found; this and the "
           "columns after it are empty unless the study looks for programs among its listeners.",
           _watched(lambda w: w.was_right("highest")), levels=("true", "false")),
    Column("beats_heard", "boolean", "Whether the beats of a drum were counted right.",
           _watched(lambda w: w.was_right("beats")), levels=("true", "false")),
    Column("pastes", "integer", "How often text was pasted into the field for an own label.",
           _sum_of("pastes")),
    Column("keys", "integer", "Keys pressed in the field for an own label.", _sum_of("keys")),
    Column("key_interval_ms", "number", "Median over trials of the median time between keys.",
           _median_of("interval_ms"), unit="ms"),
    Column("key_spread_ms", "number",
           "Median over trials of the interquartile range of the times between keys.",
           _median_of("spread_ms"), unit="ms"),
    Column("pointer_moves", "integer", "Movements of a mouse that the trials' pages saw.",
           _sum_of("moves")),
    Column("pointer_presses", "integer", "Presses of a mouse that they saw.",
           _sum_of("presses")),
    Column("answered_after_ms", "number",
           "Median over trials of the time from the end of the sound that ended last to the "
           "answer.", _median_of("after_ms"), unit="ms"),
    Column("machine_signs", "text",
           f"Signs of a program in place of a person, joined by |; {machines.THRESHOLD} or more "
           f"give the flag {machines.FLAG}. A sign is no proof.",
           _watched(lambda w: "|".join(machines.signs(w))), levels=tuple(machines.SIGNS)),
]  # fmt: skip
"""Signals of how pages were used, in studies with `watch_machines`; last, as they came later."""

PARTICIPANTS: File[Participation] = File("participants.csv", "one participation", [
    Column("study", "text", "Short name of the study.", lambda p: p.study.slug),
    Column("study_version", "integer", "Version of the frozen protocol.",
           lambda p: p.study.version),
    Column("participation", "text", "Pseudonym, the same in every file.",
           lambda p: pseudonym(p.identifier)),
    Column("method", "text",
           "Method of the condition; empty before consent, and where a participation has them all.",
           lambda p: p.condition.method if p.condition else None),
    Column("participation_status", "text", "How the participation stands.", lambda p: p.status,
           levels=STATUS_LEVELS),
    Column("simulated", "boolean", "Whether a simulated listener answered, not a person.",
           lambda p: p.simulated, levels=("true", "false")),
    Column("trials_drawn", "integer", "Trials that were drawn for the participation.",
           lambda p: getattr(p, "trials_drawn")),  # noqa: B009 - annotated by the selector
    Column("trials_answered", "integer", "Trials that were answered.",
           lambda p: getattr(p, "trials_answered")),  # noqa: B009 - annotated by the selector
    Column("flags", "text",
           "What a reader should know of the participation, joined by |. Flags exclude nobody.",
           lambda p: "|".join(getattr(p, "flags", ())),
           levels=(*flags.PARTICIPATION_FLAGS, *flags.SUBMISSION_FLAGS, machines.FLAG)),
    *STEP_COLUMNS,
    Column("assignment_algorithm", "text", "Version of the algorithm that drew the trials.",
           lambda p: p.algorithm),
    Column("assignment_seed", "integer", "Seed from which the trials and their order were drawn.",
           lambda p: p.seed),
    Column("created_at", "time", "When the link was first followed, UTC.", lambda p: p.created_at),
    Column("consented_at", "time", "When consent was given, UTC.", lambda p: p.consented_at),
    Column("instructed_at", "time", "When the instructions were read, UTC.",
           lambda p: p.instructed_at),
    Column("finished_at", "time", "When the participation ended, UTC.", lambda p: p.finished_at),
    *MACHINE_COLUMNS,
])  # fmt: skip


def participants_file(study: Study) -> File[Participation]:
    """Return `participants.csv`, with one column for each of the study's own questions."""
    asked = own_questions.of_study(study.own_questions, study.languages[0])
    columns = [*PARTICIPANTS.columns, *map(_own_question, asked)]
    return File(PARTICIPANTS.name, PARTICIPANTS.row_is, columns)


def _own_question(one: own_questions.OwnQuestion) -> Column[Participation]:
    kind = {"text": "text", "number": "number"}.get(one.kind, "integer")
    read = _asked(one.name)

    def value(participation: Participation) -> Any:
        given = read(participation)
        if given is None or kind == "text":
            return given
        return int(given) if kind == "integer" else float(given)

    levels = tuple(text if one.kind == "scale" else f"{code} {text}" for code, text in one.codes)
    meaning = f"Own question, empty if left out: {one.text}"
    return Column(one.name, kind, meaning, value, levels=levels)


EVENTS: File[Event] = File("events.csv", "one event on a participant's page", [
    Column("participation", "text", "Pseudonym, the same in every file.",
           lambda e: pseudonym(e.participation.identifier)),
    Column("trial", "integer", "The trial's number; empty outside trials.",
           lambda e: e.trial.number if e.trial else None),
    Column("type", "text", "What happened.", lambda e: e.type, levels=tuple(Event.Type.values)),
    Column("clip", "integer", "Which clip it concerns.", lambda e: e.clip,
           levels=POSITIONS),
    Column("at_ms", "integer", "Since the page was opened, by the page's clock.",
           lambda e: e.at_ms, unit="ms"),
    Column("value", "integer",
           "For heard: sound played since the last such event. For visible: time hidden. For "
           "paste: characters. For keys, pointer and presses: how many, without a unit.",
           lambda e: e.value, unit="ms"),
    Column("received_at", "time", "When the server stored it, UTC.", lambda e: e.received_at),
    Column("simulated", "boolean", "Whether a simulated listener's page sent it.",
           lambda e: e.participation.simulated, levels=("true", "false")),
])  # fmt: skip

STIMULI: File[StimulusRow] = File("stimuli.csv", "one stimulus of one feature", [
    Column("clip", "text", "SHA-256 of the audio file that is played.",
           lambda r: r.stimulus.sha256),
    Column("run", "text", "Identifier of the pipeline run.",
           lambda r: r.feature.run.identifier),
    Column("feature", "text", "The feature that it stands for.",
           lambda r: r.feature.identifier),
    Column("track", "text", "The corpus's track from which it was cut; empty if it was generated.",
           lambda r: r.exemplar.clip.track if r.exemplar else None),
    Column("exemplar_rank", "integer", "1 is the feature's strongest exemplar.",
           lambda r: r.exemplar.rank if r.exemplar else None),
    Column("seconds", "number", "Length.", lambda r: r.stimulus.seconds, unit="s"),
    Column("loudness", "number", "Integrated loudness of the stored audio, ITU-R BS.1770.",
           lambda r: r.stimulus.loudness_lufs, unit="LUFS"),
])  # fmt: skip


def labels_file(scorers: Sequence[str]) -> File[LabelCandidate]:
    """Return `labels.csv`, with one column per scorer."""

    def score(name: str) -> Callable[[LabelCandidate], Any]:
        return lambda label: label.scores.get(name)

    return File("labels.csv", "one label candidate of a drawn feature", [
        Column("run", "text", "Identifier of the pipeline run.",
               lambda c: c.feature.run.identifier),
        Column("sae", "text", "Name of the sparse autoencoder.", lambda c: c.feature.sae),
        Column("feature", "text", "The feature, SAE/INDEX.", lambda c: c.feature.identifier),
        Column("method", "text", "Labeling method.", lambda c: c.method),
        Column("rank", "integer", "1 is the method's best.", lambda c: c.rank),
        Column("text", "text", "The label; empty if the method failed.", lambda c: c.text),
        Column("confidence", "number", "The method's own confidence, 0 to 1.",
               lambda c: c.confidence),
        Column("status", "text", "Whether the method gave a label.", lambda c: c.status,
               levels=tuple(LabelCandidate.Status.values)),
        *[Column(f"score_{name}", "number", f"Grade by the scorer {name}; empty if it gave none.",
                 score(name)) for name in scorers],
    ])  # fmt: skip
