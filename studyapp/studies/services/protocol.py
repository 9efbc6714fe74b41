"""What a study's participants meet: its steps, languages, texts and questions, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from studyapp import texts
from studyapp.core.errors import StudyError
from studyapp.models import Study, steps
from studyapp.studies import questionnaire
from studyapp.studies.services.sounds import EXERCISES

TEXTS = ("title", "consent_text", "instructions_text", "debrief_text")
"""The study's own texts; each further language has these, those of the repository by default."""


def default_texts(study: Study, given: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """`Study.texts`: what is given, and for the rest the repository's own, where these are used."""
    return {
        language: _own(study, language) | dict(given.get(language, {}))
        for language in study.languages[1:]
    }


def check(study: Study) -> None:
    """Raise `StudyError`, one line, for what participants could not be shown."""
    problem = (
        steps.problem_with(study.steps)
        or _languages(study.languages)
        or _missing_text(study)
        or _unwieldy_text(study)
        or _practice(study)
        or questionnaire.problem_with(study.questions, study.languages)
    )
    if problem:
        raise StudyError(problem)
    check_kind = Study.HeadphoneCheck
    has_check = study.headphone_check != check_kind.NONE
    if has_check != (steps.Step.HEADPHONES in study.steps):
        raise StudyError(
            f"headphone_check is {study.headphone_check}, which does not fit the steps: "
            f"{', '.join(study.steps)}"
        )


def _own(study: Study, language: str) -> dict[str, str]:
    """The title as it is, and the repository's texts where the study uses them in its first."""
    first = study.languages[0]
    title = {"title": study.title}
    if language not in texts.LANGUAGES or first not in texts.LANGUAGES:
        return title
    return title | {
        f"{name}_text": texts.default(name, language)
        for name in texts.NAMES
        if getattr(study, f"{name}_text") == texts.default(name, first)
    }


def _languages(languages: list[str]) -> str:
    known = dict(settings.LANGUAGES)
    unknown = [language for language in languages if language not in known]
    if unknown or not languages or len(set(languages)) != len(languages):
        given = ", ".join(languages) or "none"
        return f"languages are {given}: they must be different ones of {', '.join(known)}"
    return ""


def _missing_text(study: Study) -> str:
    """A text of the study that a further language lacks."""
    for language in study.languages[1:]:
        for name in TEXTS:
            if getattr(study, name) and not study.texts.get(language, {}).get(name):
                return f"{name} is missing in {language}"
    return ""


def _unwieldy_text(study: Study) -> str:
    """A text too long to be read, or that would take seconds to render for each who reads it."""
    for language, own in [("", vars(study)), *study.texts.items()]:
        where = f" in {language}" if language else ""
        for name in TEXTS:
            text = str(own.get(name) or "")
            for what, n, most in (
                ("characters", len(text), texts.LONGEST),
                ("opening brackets", text.count("["), texts.MOST_BRACKETS),
            ):
                if n > most:
                    return f"{name}{where} has {n} {what}: at most {most}"
    return ""


def _practice(study: Study) -> str:
    most = len(EXERCISES) - 1
    if steps.Step.PRACTICE in study.steps and not 1 <= study.practice_trials <= most:
        return f"practice_trials is {study.practice_trials}: it must be from 1 to {most}"
    return ""
