"""The table of settings: what hashes, exports, copies and the command take from it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from django.db import models

from studyapp.models import Item, Run, Stimulus, Study, StudySeries
from studyapp.studies.services import design, preview_copies, protocol
from studyapp.studies.settings import (
    NO_SETTING,
    SETTINGS,
    Setting,
    carried_over,
    every_setting,
    setting,
)
from studyapp.wizard.services.answers import answers_of, settings_of
from tests.studyapp import factories

DESIGN_HASH = "f2038d97ef4d3b7a4bcb89d07fa5a37dd6fa73b3ad7a1c6cce8884c96568c7f5"
ADDED_LATER = {
    "show_waveform": False, "selection": "random", "best_by": "", "listed": [], "list_name": "",
    "institution": "", "compensation": "", "retention": "", "hear_before_choosing": 0,
    "most_plays": 0, "from_start": False, "own_questions": [], "watch_machines": False,
    "contrasts": [], "may_choose_none": False,
}  # fmt: skip
"""Settings that were added after that; a study that was frozen before is hashed without them."""
DESIGN_IN_JSON = "39fca5cc67a24217779666305200101597c5b2c69a83f6979eeea9c164dd1d64"
"""SHA-256 of the design's part of `study.json`, as it is written. Both were computed from `frozen`
by the code before there was a table. If they change, studies that are frozen no longer open."""


@pytest.fixture
def study(db: None) -> Study:
    return factories.make_study()


@pytest.fixture
def mood(study: Study, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """A column of `Study` that the table does not mention."""
    column: Any = models.CharField(max_length=9, default="calm")
    column.set_attributes_from_name("mood")
    monkeypatch.setattr(Study._meta, "concrete_fields", (*Study._meta.concrete_fields, column))
    monkeypatch.setattr(Study, "mood", "calm", raising=False)
    return setting("mood")


def frozen() -> Study:
    """A row of a study with a distinct value in every column; no sounds are made for it."""
    run = Run.objects.create(name="golden", identifier="g", directory="g", config={})
    study = Study(
        series=StudySeries.objects.create(slug="golden"), slug="golden", version=3, title="What?",
        seed=7, option_policy="identification", design="within", saes=["a"],
        strata=["layer", "score"], features_wanted=8, ratings_per_item=2,
        trials_per_participation=4, catch_trials=1, repeat_trials=2,
        quality_rules={"fast_seconds": 1.5, "straight_line": 4},
        lease_minutes=30, loudness_lufs=-20.0, steps=["consent", "instructions", "trial"],
        headphone_check="none", headphones_required=False, practice_trials=1,
        check_sounds={"reference": "r"}, languages=["en", "de"],
        texts={"de": {"title": "Was?"}}, consent_text="c", instructions_text="i",
        debrief_text="d ʻŌ", questions={"musical_training": "own"}, codes={"complete": "C1"},
        rehearsal=True, contact="me", ethics_approval="E1", exclusion_rules={"inconsistent": True},
        analysis_plan={"text": "x"}, left_out={"features": 9},
    )  # fmt: skip
    study.save()
    study.runs.add(run)
    sound = Stimulus.objects.create(sha256="a" * 64, path="a", seconds=1, loudness_lufs=-20)
    Item.objects.create(
        study=study, role=Item.Role.CATCH, target=0, identifier="c01", options=[{"text": "t"}],
        stimulus_1=sound, stimulus_2=sound, stimulus_3=sound,
    )  # fmt: skip
    return study


@pytest.mark.django_db
def test_what_was_frozen_keeps_its_hash_and_its_export_every_byte() -> None:
    study = frozen()
    study.state = Study.State.CLOSED
    exported = design.exported(study)
    for name, default in ADDED_LATER.items():
        assert exported["design"].pop(name) == default
    told = json.dumps(exported, indent=2, ensure_ascii=False)
    made = hashlib.sha256(told.encode()).hexdigest()
    assert (design.hash_of(design.document(study)), made) == (DESIGN_HASH, DESIGN_IN_JSON)


@pytest.mark.django_db
def test_a_study_whose_players_draw_outlines_says_so_in_its_hash_and_its_export() -> None:
    study = frozen()
    study.show_waveform = True
    told = design.exported(study)
    assert told["design"]["show_waveform"] is True
    assert "show_waveform" in told["design_hash_covers"]
    assert design.hash_of(design.document(study)) != DESIGN_HASH


def test_every_column_of_a_study_is_in_the_table_or_is_not_a_setting() -> None:
    columns = {column.name for column in Study._meta.concrete_fields}
    listed = [one.name for one in SETTINGS]
    assert len(set(listed)) == len(listed)
    assert not set(listed) & NO_SETTING
    assert set(listed) | NO_SETTING == columns


def test_a_forgotten_column_is_hashed_exported_and_carried_over(
    study: Study, mood: Setting
) -> None:
    before = design.hash_of(design.document(study))
    assert design.exported(study)["design"]["mood"] == "calm"
    study.mood = "wild"  # type: ignore[attr-defined] # the fixture's column
    told = design.exported(study)
    assert (told["design"]["mood"], "mood" in told["design_hash_covers"]) == ("wild", True)
    assert design.hash_of(design.document(study)) == design.hash_of_export(told) != before
    assert mood in carried_over()
    assert settings_of(answers_of(study))["mood"] == "wild"


def test_a_setting_that_is_not_a_plain_value_is_hashed_as_text(study: Study, mood: Setting) -> None:
    study.mood = study.created_at  # type: ignore[attr-defined] # the fixture's column
    assert mood.value_of(study) == str(study.created_at)
    assert len(design.hash_of(design.document(study))) == 64


def test_what_is_not_given_has_the_default_of_the_table() -> None:
    study = protocol.unsaved(slug="s", seed=None, quality_rules={"fast_seconds": 1})
    told = {one.name: one.value_of(study) for one in every_setting() if not one.made}
    own = {"slug", "quality_rules", "consent_text", "instructions_text", "debrief_text"}
    assert {name: told[name] for name in told if name not in own} == {
        name: setting(name).default for name in told if name not in own
    }
    assert told["quality_rules"] == {"fast_seconds": 1, "straight_line": 5}
    assert study.lease_minutes == Study._meta.get_field("lease_minutes").get_default() == 90


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(TypeError, match="a study has no setting moods"):
        protocol.unsaved(slug="s", moods=3)


@pytest.mark.django_db
def test_a_preview_shares_every_setting_but_its_link_and_its_codes() -> None:
    study = factories.make_study(codes={"complete": "C"}, lease_minutes=31)
    copy = preview_copies.make(study, None)
    for one in every_setting():
        same = one.value_of(copy) == one.value_of(study)
        assert same == (one.name not in preview_copies.OWN), one.name
