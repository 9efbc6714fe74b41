"""The columns of `participants.csv`: checks, questionnaire, own questions, device, signals."""

import statistics
from collections.abc import Callable
from typing import Any

from studyapp.exports import flags, machines
from studyapp.exports.cells import pseudonym
from studyapp.exports.columns import STATUS_LEVELS
from studyapp.exports.files import Column, File
from studyapp.exports.machines import Watched
from studyapp.models import Participation, Study
from studyapp.participation.services import browsers
from studyapp.studies import own_questions, questionnaire


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
