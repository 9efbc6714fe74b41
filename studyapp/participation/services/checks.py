"""The sound checks: device, volume, headphones. Right answers are drawn and judged only here.

The page knows a trial of a check only by its token. Each answer counts once; a repeated one changes
nothing. Participants who fail are screened out only if the study says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import transaction

from studyapp.core.errors import ParticipationError
from studyapp.models import Participation, StepRecord, Study
from studyapp.models.steps import Step
from studyapp.participation.services import steps
from studyapp.studies.services.check_sounds import Sound, headphone_checks

HEADPHONE_TRIALS = 6
HEADPHONE_PASS = 5
"""Right answers of six needed to pass: guessing passes in 13 of 729 cases (Milne et al. 2021). A
check ends as soon as its result is certain, which does not change how often guessing passes."""
VOLUME_ATTEMPTS = 3
HEARING_QUESTIONS = ("highest", "beats")
"""Which of three tones is the highest; how many beats there are."""
CHOICE = secrets.SystemRandom()
Evidence = Mapping[str, int]
"""What a page saw before an answer: `plays`; milliseconds `heard_ms`, `hidden_ms`, `page_ms`."""
NO_EVIDENCE: Evidence = MappingProxyType({})


def begin_device(*, participation: Participation) -> StepRecord:
    """The record of the device check, with its sound."""
    reference = participation.study.check_sounds["reference"]
    return steps.begin(
        participation=participation,
        step=Step.DEVICE,
        make=lambda: {"sounds": steps.tokens([reference])},
    )


def pass_device(*, participation: Participation, report: dict[str, bool | int]) -> None:
    """Pass the device check; `report` is what the browser reported."""
    with transaction.atomic():
        steps.locked(participation=participation, step=Step.DEVICE)
        steps.pass_step(participation=participation, step=Step.DEVICE, data={"report": report})


def begin_volume(*, participation: Participation) -> StepRecord:
    """The record of the volume check: a reference sound, and soft tones to count."""
    study = participation.study

    def make() -> steps.Data:
        sounds = steps.tokens([study.check_sounds["reference"]])
        data: steps.Data = {"reference": next(iter(sounds)), "sounds": sounds, "answers": []}
        _draw_tones(study, data)
        return data

    return steps.begin(participation=participation, step=Step.VOLUME, make=make)


def answer_volume(
    *, participation: Participation, token: str, count: int, evidence: Evidence = NO_EVIDENCE
) -> bool:
    """Take the number of tones counted. True if the check is over: right, or after three attempts.

    A wrong count draws new tones. An answer to earlier tones changes nothing. `evidence` is stored
    with the answer and has no influence on the result.
    """
    with transaction.atomic():
        record = steps.locked(participation=participation, step=Step.VOLUME)
        data = record.data
        if data["token"] != token:
            return False  # an answer to earlier tones: a second click, or another tab
        data["answers"].append(count)
        data.setdefault("evidence", []).append(dict(evidence))
        data["passed"] = count == data["target"]
        is_over = data["passed"] or len(data["answers"]) >= VOLUME_ATTEMPTS
        if is_over:
            steps.pass_step(participation=participation, step=Step.VOLUME, data=data)
        else:
            _draw_tones(participation.study, data)
            record.save(update_fields=["data"])
    return bool(is_over)


def begin_headphones(*, participation: Participation) -> StepRecord:
    """The record of the headphone check, begun with its first round."""
    study = participation.study

    def make() -> steps.Data:
        data: steps.Data = {"trials": [], "sounds": {}, "passed": {}}
        _add_round(study, headphone_checks(study)[0], data)
        return data

    return steps.begin(participation=participation, step=Step.HEADPHONES, make=make)


def current_trial(record: StepRecord) -> dict[str, Any]:
    """The first unanswered trial of a headphone check.

    Raises `ParticipationError` when all are answered: another tab was faster.
    """
    for trial in record.data["trials"]:
        if trial["given"] is None:
            found: dict[str, Any] = trial
            return found
    raise ParticipationError("every trial of the check is answered")


def answer_headphones(
    *, participation: Participation, token: str, choice: int, evidence: Evidence = NO_EVIDENCE
) -> None:
    """Take an answer to the current trial; a decided check starts the next one or ends the step.

    `evidence` is stored with the answer and has no influence on the result.
    """
    with transaction.atomic():
        record = steps.locked(participation=participation, step=Step.HEADPHONES)
        trial = current_trial(record)
        if trial["token"] != token:
            raise ParticipationError("the answer is not for the current trial of the check")
        trial["given"] = choice
        trial["evidence"] = dict(evidence)
        _judge(participation, record)


def _judge(participation: Participation, record: StepRecord) -> None:
    """Store the answer; when a check is decided, continue as the study's policy says."""
    study, data = participation.study, record.data
    check = data["trials"][-1]["check"]
    passed = _result([trial for trial in data["trials"] if trial["check"] == check])
    if passed is not None:
        data["passed"][check] = passed
        # The record says what was asked; trials that can no longer matter never are.
        data["trials"] = [trial for trial in data["trials"] if trial["given"] is not None]
        upcoming = _next_check(study, data["passed"])
        if upcoming is None:
            _end_headphones(participation, record)
            return
        _add_round(study, upcoming, data)
    record.save(update_fields=["data"])


def _result(trials: list[dict[str, Any]]) -> bool | None:
    """Whether the check is passed; None while its further answers can decide it either way."""
    answered = [trial for trial in trials if trial["given"] is not None]
    right = sum(trial["given"] == trial["answer"] for trial in answered)
    if right >= HEADPHONE_PASS:
        return True
    return False if len(answered) - right > HEADPHONE_TRIALS - HEADPHONE_PASS else None


def _next_check(study: Study, passed: dict[str, bool]) -> str | None:
    """The next check after those decided so far; None if the result of all is certain."""
    left = [check for check in headphone_checks(study) if check not in passed]
    is_both = study.headphone_check == Study.HeadphoneCheck.BOTH
    is_certain = not all(passed.values()) if is_both else any(passed.values())
    return None if is_certain or not left else left[0]


@dataclass(frozen=True)
class Count:
    """How far a participant is in the headphone check, over all its kinds of sound."""

    number: int
    """The current trial's, from 1."""
    most: int
    """The largest number of trials that there can be."""
    done: float
    """Part of the check that is done; a check that is decided early counts as a whole one."""


def count_of(participation: Participation, record: StepRecord) -> Count:
    """Count the trials of a headphone check that is under way."""
    data, kinds = record.data, len(headphone_checks(participation.study))
    answered = [trial for trial in data["trials"] if trial["given"] is not None]
    in_round = sum(trial["check"] not in data["passed"] for trial in answered)
    rounds = len(data["passed"]) + in_round / HEADPHONE_TRIALS
    left = HEADPHONE_TRIALS * (kinds - len(data["passed"])) - in_round
    return Count(number=len(answered) + 1, most=len(answered) + left, done=rounds / kinds)


def was_wrong(record: StepRecord) -> bool:
    """Whether an answer of the round that is under way was wrong: one more, and it is failed.

    Telling it early lets people put their headphones on, and helps nobody guess: the trials are
    independent of one another.
    """
    check = current_trial(record)["check"]
    answered = [trial for trial in record.data["trials"] if trial["given"] is not None]
    return any(one["given"] != one["answer"] for one in answered if one["check"] == check)


def begin_hearing(*, participation: Participation) -> StepRecord:
    """The record of the two questions that only listening answers, with a sound for each."""
    study = participation.study

    def make() -> steps.Data:
        data: steps.Data = {"sounds": {}, "targets": {}}
        for question in HEARING_QUESTIONS:
            sound: Sound = CHOICE.choice(study.check_sounds[question])
            token = secrets.token_urlsafe(18)
            data["sounds"][token] = sound["path"]
            data["targets"][question] = sound["answer"]
            data["token"] = token
        return data

    return steps.begin(participation=participation, step=Step.HEARING, make=make)


def answer_hearing(
    *,
    participation: Participation,
    token: str,
    highest: int,
    beats: int,
    evidence: Evidence = NO_EVIDENCE,
) -> None:
    """Store both answers, once; they are judged only in exports, and nobody is told."""
    with transaction.atomic():
        record = steps.locked(participation=participation, step=Step.HEARING)
        if record.data["token"] != token:
            raise ParticipationError("the answers are not for these sounds")
        given = {"highest": highest, "beats": beats}
        data = record.data | {"given": given, "evidence": dict(evidence)}
        steps.pass_step(participation=participation, step=Step.HEARING, data=data)


def headphone_result(participation: Participation) -> bool | None:
    """The result of the headphone check; None if the participant was given none."""
    if Step.HEADPHONES not in participation.study.steps:
        return None
    record = StepRecord.objects.filter(participation=participation, step=Step.HEADPHONES).first()
    return None if record is None else record.data.get("headphones")


def _end_headphones(participation: Participation, record: StepRecord) -> None:
    study, data = participation.study, record.data
    results = data["passed"].values()
    is_both = study.headphone_check == Study.HeadphoneCheck.BOTH
    data["headphones"] = all(results) if is_both else any(results)
    steps.pass_step(participation=participation, step=Step.HEADPHONES, data=data)
    if study.headphones_required and not data["headphones"]:
        steps.screen_out(participation=participation, reason=Participation.Screening.HEADPHONES)


def _add_round(study: Study, check: str, data: steps.Data) -> None:
    """Add six trials of a check in random order: each position is right twice, no file repeats."""
    sounds: Sequence[Sound] = study.check_sounds[check]
    drawn: list[Sound] = []
    for answer in (1, 2, 3):
        candidates = [sound for sound in sounds if sound["answer"] == answer]
        drawn += CHOICE.sample(candidates, HEADPHONE_TRIALS // 3)
    CHOICE.shuffle(drawn)
    for sound in drawn:
        token = secrets.token_urlsafe(18)
        data["sounds"][token] = sound["path"]
        data["trials"].append(
            {"check": check, "token": token, "answer": sound["answer"], "given": None}
        )


def _draw_tones(study: Study, data: steps.Data) -> None:
    """Draw tones to count, under a new token."""
    sound: Sound = CHOICE.choice(study.check_sounds["tones"])
    data["token"], data["target"] = secrets.token_urlsafe(18), sound["answer"]
    data["sounds"][data["token"]] = sound["path"]
