"""The sound checks: device, volume, headphones. Right answers are drawn and judged only here.

The page knows a trial of a check only by its token. Each answer counts once; a repeated one changes
nothing. Participants who fail are screened out only if the study says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
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
"""Right answers of six needed to pass: guessing passes in 13 of 729 cases (Milne et al. 2021)."""
VOLUME_ATTEMPTS = 3
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
    """Take an answer to the current trial; a finished round starts the next one or ends the step.

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
    """Store the answer; when a round is over, continue as the study's policy says."""
    study, data = participation.study, record.data
    check = data["trials"][-1]["check"]
    of_round = [trial for trial in data["trials"] if trial["check"] == check]
    if all(trial["given"] is not None for trial in of_round):
        right = sum(trial["given"] == trial["answer"] for trial in of_round)
        data["passed"][check] = right >= HEADPHONE_PASS
        upcoming = _next_check(study, data["passed"])
        if upcoming is None:
            _end_headphones(participation, record)
            return
        _add_round(study, upcoming, data)
    record.save(update_fields=["data"])


def _next_check(study: Study, passed: dict[str, bool]) -> str | None:
    """The next check after those finished so far; None if no more are needed."""
    left = [check for check in headphone_checks(study) if check not in passed]
    is_enough = study.headphone_check == Study.HeadphoneCheck.EITHER and any(passed.values())
    return None if is_enough or not left else left[0]


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
