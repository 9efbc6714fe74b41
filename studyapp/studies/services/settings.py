"""What a study is told when it is made, and the unsaved row of it: the defaults stand here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Required, TypedDict, Unpack

from studyapp import texts
from studyapp.models import Project, Study
from studyapp.models.steps import Step, default_steps
from studyapp.models.studies import default_quality_rules, default_strata
from studyapp.studies.services import protocol

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class Settings(TypedDict, total=False):
    """Columns of `Study`, and texts of further languages; what is not given has its default."""

    slug: Required[str]
    title: Required[str]
    seed: Required[int]
    saes: Sequence[str]
    strata: Sequence[str] | None
    option_policy: str
    design: str
    catch_trials: int
    repeat_trials: int
    quality_rules: Mapping[str, float] | None
    codes: Mapping[str, str] | None
    features_wanted: int
    ratings_per_item: int
    trials_per_participation: int
    lease_minutes: int
    loudness_lufs: float
    consent_text: str | None
    instructions_text: str | None
    debrief_text: str | None
    steps: Sequence[str] | None
    headphone_check: str | None
    headphones_required: bool
    practice_trials: int
    languages: Sequence[str]
    texts_by_language: Mapping[str, Mapping[str, str]] | None
    questions: Mapping[str, Any] | None
    rehearsal: bool
    contact: str
    ethics_approval: str
    exclusion_rules: Mapping[str, Any] | None
    analysis_plan: Mapping[str, Any] | None
    created_by: User | None
    project: Project | None


PLAIN = (
    "slug", "title", "seed", "option_policy", "design", "catch_trials", "repeat_trials",
    "features_wanted", "ratings_per_item", "trials_per_participation", "lease_minutes",
    "loudness_lufs", "headphones_required", "practice_trials", "rehearsal", "contact",
    "ethics_approval", "created_by", "project",
)  # fmt: skip
"""Given as they are, else the column's own default."""


def unsaved(**given: Unpack[Settings]) -> Study:
    """The study as it would be, without version, items and sounds."""
    plain = {name: value for name, value in given.items() if name in PLAIN}
    languages = list(given.get("languages", ("en",)))
    steps, strata = given.get("steps"), given.get("strata")
    debrief = given.get("debrief_text")
    study = Study(
        **plain,
        languages=languages,
        saes=list(given.get("saes", ())),
        strata=default_strata() if strata is None else list(strata),
        steps=default_steps() if steps is None else list(steps),
        quality_rules=default_quality_rules() | dict(given.get("quality_rules") or {}),
        codes=dict(given.get("codes") or {}),
        questions=dict(given.get("questions") or {}),
        exclusion_rules=dict(given.get("exclusion_rules") or {}),
        analysis_plan=dict(given.get("analysis_plan") or {}),
        consent_text=given.get("consent_text") or default_text(languages, "consent"),
        instructions_text=given.get("instructions_text") or default_text(languages, "instructions"),
        debrief_text=default_text(languages, "debrief") if debrief is None else debrief,
    )
    has_check = Step.HEADPHONES in study.steps
    study.headphone_check = given.get("headphone_check") or ("either" if has_check else "none")
    study.texts = protocol.default_texts(study, given.get("texts_by_language") or {})
    return study


def default_text(languages: Sequence[str], name: str) -> str:
    """The repository's text in the study's first language, in English where it has none."""
    first = next(iter(languages), "en")
    return texts.default(name, first if first in texts.LANGUAGES else "en")
