"""Fills a study's row from settings and default texts, and checks that it can be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from studyapp import texts
from studyapp.core.errors import StudyError
from studyapp.models import Study, steps
from studyapp.models.trial_kinds import TRIAL_KINDS
from studyapp.studies import own_questions, questionnaire
from studyapp.studies.services.synthetic_items import MOST_PRACTICE_TRIALS
from studyapp.studies.settings import every_setting

FACTS = ("institution", "compensation", "retention")
"""What the consent page lists. Further languages may have their own, else show the first's."""
TEXTS = ("title", *(f"{name}_text" for name in texts.NAMES))
"""The study's texts. Each further language has the same ones: those given, else the defaults."""


def unsaved(*, slug: str, **given: Any) -> Study:
    """The study as it would be, without version, items and sounds.

    `given` are settings of the table, and `project` and `created_by`; one that is absent or None
    has its default. Quality rules and texts of further languages may be given in part.
    """
    study = Study(slug=slug, project=given.pop("project", None))
    study.created_by = given.pop("created_by", None)
    table = {one.name: one for one in every_setting() if not one.made and one.name != "slug"}
    unknown = [name for name in given if name not in table]
    if unknown:
        raise TypeError(f"a study has no setting {', '.join(unknown)}")
    for name, one in table.items():
        value = given.get(name)
        setattr(study, name, one.default if value is None else _plain(value))
    study.steps = steps.with_hearing(study.steps, wanted=study.watch_machines)
    study.quality_rules = table["quality_rules"].default | study.quality_rules
    if given.get("headphone_check") is None and steps.Step.HEADPHONES not in study.steps:
        study.headphone_check = Study.HeadphoneCheck.NONE
    for name in texts.NAMES:
        _set_default_text(study, name, given.get(f"{name}_text"))
    study.texts = _texts(study, study.texts)
    return study


def default_text(languages: Sequence[str], name: str, trial_type: str = "") -> str:
    """The default text in the study's first language; in English if it has none."""
    first = next(iter(languages), "en")
    return texts.default(name, first if first in texts.LANGUAGES else "en", trial_type)


def check(study: Study) -> None:
    """Raise `StudyError` if participants could not be shown the study as it is."""
    problem = (
        steps.problem_with(study.steps)
        or _languages(study.languages)
        or _missing_text(study)
        or _unwieldy_text(study)
        or _practice(study)
        or questionnaire.problem_with(study.questions, study.languages)
        or own_questions.problem_with(
            study.own_questions,
            study.languages,
            is_asked=steps.Step.QUESTIONNAIRE in study.steps,
        )
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


def _plain(value: Any) -> Any:
    """A copy in JSON's types; a tuple would not equal the list that the database returns."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _set_default_text(study: Study, name: str, given: str | None) -> None:
    """Consent and instructions are never empty; an empty debrief was left out on purpose."""
    if given is None or (not given and name != "debrief"):
        setattr(study, f"{name}_text", default_text(study.languages, name, _type_of(study)))


def _type_of(study: Study) -> str:
    """Its trials' type; none of a kind that `lifecycle.check` will refuse."""
    kind = TRIAL_KINDS.get(study.option_policy)
    return kind.trial_type if kind else ""


def _texts(study: Study, given: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """`Study.texts`: the given ones, else the defaults, if the study uses them."""
    return {
        language: _own(study, language) | dict(given.get(language, {}))
        for language in study.languages[1:]
    }


def _own(study: Study, language: str) -> dict[str, str]:
    """The title unchanged, and the default texts if the study uses them in its first language."""
    first = study.languages[0]
    title, trial_type = {"title": study.title}, _type_of(study)
    if language not in texts.LANGUAGES or first not in texts.LANGUAGES:
        return title
    return title | {
        f"{name}_text": texts.default(name, language, trial_type)
        for name in texts.NAMES
        if getattr(study, f"{name}_text") == texts.default(name, first, trial_type)
    }


def _languages(languages: list[str]) -> str:
    known = dict(settings.LANGUAGES)
    unknown = [language for language in languages if language not in known]
    if unknown or not languages or len(set(languages)) != len(languages):
        given = ", ".join(languages) or "none"
        return f"languages are {given}: they must be distinct, and from: {', '.join(known)}"
    return ""


def _missing_text(study: Study) -> str:
    """Name a text that is missing in a further language."""
    for language in study.languages[1:]:
        for name in TEXTS:
            if getattr(study, name) and not study.texts.get(language, {}).get(name):
                return f"{name} is missing in {language}"
    return ""


def _unwieldy_text(study: Study) -> str:
    """Name a text that is too long to read, or that would take seconds to render."""
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
    most = MOST_PRACTICE_TRIALS
    if steps.Step.PRACTICE in study.steps and not 1 <= study.practice_trials <= most:
        return f"practice_trials is {study.practice_trials}: it must be from 1 to {most}"
    return ""
