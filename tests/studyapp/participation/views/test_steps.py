"""The pages other than consent and trials, over HTTP."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client

from studyapp import texts
from studyapp.exports import participants, selectors
from studyapp.models import Participation, Study
from studyapp.models.steps import all_steps
from studyapp.recruitment.services import configuration
from tests.studyapp import passages
from tests.studyapp.factories import make_features, make_run, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    run = make_run(clips=4, seconds=0.5)
    make_features(run, count=2, exemplars=4)
    return make_study(run=run, features=2, steps=all_steps(), languages=["en", "de"])


def test_a_whole_passage_through_every_step(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "thanks")
    taken = {record.step for record in participation.steps_taken.all() if record.done_at}
    assert taken == {"device", "volume", "headphones", "practice", "trial", "questionnaire"}
    assert participation.consented_at
    assert participation.instructed_at
    kinds = participation.trials.order_by("number").values_list("number", "kind")
    assert list(kinds) == [(1, "practice"), (2, "practice"), (3, "main"), (4, "main")]
    assert len(participation.completion_code) == 8
    page = client.get(f"/s/{study.slug}/thanks/").content.decode()
    assert "What this was about" in page


def test_what_was_met_is_exported(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "thanks")
    row = next(iter(selectors.participations(study)))
    header, cells = participants.PARTICIPANTS.header(), participants.PARTICIPANTS.cells(row)
    said = dict(zip(header, cells, strict=True))
    assert {
        name: said[name] for name in said if name in {one.name for one in participants.STEP_COLUMNS}
    } == {
        "language": "en",
        "browser": "other",
        "browser_version": None,
        "operating_system": "other",
        "touch": "",
        "viewport": None,
        "consent_version": participation.consent_version,
        "screened_for": "",
        "volume_passed": "true",
        "volume_attempts": 1,
        "huggins_passed": "true",
        "antiphase_passed": "",
        "headphones": "true",
        "checks_plays": None,
        "checks_heard_ms": None,
        "checks_hidden_ms": None,
        "age_band": "25-34",
        "listening_device": None,
        "musical_training": None,
        "musical_training_answers": "training_lessons=2",
    }


def test_no_code_before_the_questionnaire_is_saved(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "questionnaire")
    assert participation.completion_code == ""
    assert passages.page_of(client.get(f"/s/{study.slug}/thanks/", follow=True)) == "questionnaire"
    answered = client.post(
        f"/s/{study.slug}/questionnaire/", {"age_band": "25-34"},
        headers={"Accept": "application/json"},
    )  # fmt: skip
    assert answered.json() == {"saved": True, "next": f"/s/{study.slug}/", "events": []}
    participation.refresh_from_db()
    assert participation.completion_code


def test_an_answer_that_was_not_offered_is_refused(client: Client, study: Study) -> None:
    passages.reach(client, study, "questionnaire")
    answered = client.post(f"/s/{study.slug}/questionnaire/", {"age_band": "12"})
    assert answered.status_code == 422


def test_refusing_ends_with_a_separate_code(client: Client, study: Study) -> None:
    participation = passages.enter(client, study)
    page = client.post(f"/s/{study.slug}/consent/", {"decision": "refuse"}, follow=True)
    participation.refresh_from_db()
    assert participation.status == Participation.Status.REFUSED
    assert len(participation.ending_code) == 8
    assert participation.ending_code in page.content.decode()
    assert participation.completion_code == ""


ALWAYS = ("Your place", "Your device")
"""Facts that every study states."""


def test_the_consent_page_lists_the_facts_and_its_text_is_on_record(client: Client) -> None:
    study = make_study(
        institution="The university", retention="ten years", ethics_approval="IRB 77/2026",
        languages=["en", "de"], texts={"de": {"retention": "zehn Jahre"}},
    )  # fmt: skip
    configuration.configure(study=study, payment=Decimal("2.5"), currency="EUR")
    participation = passages.enter(client, study)
    page = client.get(f"/s/{study.slug}/consent/").content.decode()
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page))
    assert facts.pop("Duration").startswith("about ")
    assert facts == {
        "Payment": "2.50 EUR", "Carried out by": "The university", "Contact": study.contact,
        "Storage of data": "ten years", "Ethics approval": "IRB 77/2026",
        **{name: facts[name] for name in ALWAYS},
    }  # fmt: skip
    client.post(f"/s/{study.slug}/language/", {"language": "de"})
    german = client.get(f"/s/{study.slug}/consent/").content.decode()
    assert '<dd lang="de">zehn Jahre</dd>' in german
    assert '<dd lang="en">The university</dd>' in german
    version = texts.version_of(study.texts["de"]["consent_text"])
    assert version[:8] not in german
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    participation.refresh_from_db()
    assert participation.consent_version == version


def test_what_participants_get_in_words_takes_the_place_of_the_payment(client: Client) -> None:
    study = make_study(compensation="half an hour of course credit", contact="")
    passages.enter(client, study)
    page = client.get(f"/s/{study.slug}/consent/").content.decode()
    assert re.findall(r"<dt>(.*?)</dt>", page) == ["Duration", "Payment", *ALWAYS]
    assert "half an hour of course credit" in page


def test_a_browser_that_cannot_play_may_end_with_a_code(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "device")
    page = client.post(f"/s/{study.slug}/device/", {"storage": "on"})
    assert page.status_code == 422
    assert "End here" in page.content.decode()
    page = client.post(f"/s/{study.slug}/device/", {"leave": "1"}, follow=True)
    participation.refresh_from_db()
    assert (participation.status, participation.screened_for) == ("screened_out", "device")
    assert participation.ending_code in page.content.decode()


@pytest.mark.parametrize("step", ["volume", "headphones"])
def test_a_check_page_does_not_tell_its_answer(client: Client, study: Study, step: str) -> None:
    """Two pages with different right answers differ only in their tokens."""
    pages = set()
    answers = set()
    for _ in range(4):
        visitor = Client()
        participation = passages.reach(visitor, study, step)
        page = visitor.get(f"/s/{study.slug}/{step}/").content.decode()
        data = participation.steps_taken.get(step=step).data
        answers.add(data["target"] if step == "volume" else data["trials"][0]["answer"])
        for token in data["sounds"]:
            page = page.replace(token, "TOKEN")
        pages.add(re.sub(r'csrfmiddlewaretoken" value="\w+', "CSRF", page))
        Participation.objects.filter(pk=participation.pk).update(status="returned")
    assert len(pages) == 1
    assert answers


def test_a_sound_of_a_check_belongs_only_to_its_participation(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "headphones")
    client.get(f"/s/{study.slug}/headphones/")
    token = next(iter(participation.steps_taken.get(step="headphones").data["sounds"]))
    sound = client.get(f"/s/{study.slug}/sound/{token}")
    assert (sound.status_code, sound["Content-Type"], sound.content[:4]) == (
        200, "audio/flac", b"fLaC",
    )  # fmt: skip
    other = Client()
    passages.enter(other, study)
    assert other.get(f"/s/{study.slug}/sound/{token}").status_code == 404


def test_practice_says_what_was_right_and_only_then_goes_on(client: Client, study: Study) -> None:
    participation = passages.reach(client, study, "practice")
    client.get(f"/s/{study.slug}/practice/")
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    wrong = trial.option_order.index(1) + 1
    page = f"/s/{study.slug}/practice/"
    answered = client.post(
        page,
        {"trial": trial.token, "key": trial.key, "choice": wrong, "confidence": 3},
        follow=True,
    )
    assert "Another name is closer" in answered.content.decode()
    assert "“a steady drum beat” was closest." in answered.content.decode()
    early = passages.current(participation)
    passages.answer(client, study, early)
    assert not hasattr(early, "response")
    after = client.post(page, {"seen": trial.token}, follow=True)
    assert "Practice 2 of 2" in after.content.decode()


def test_the_browsers_language_is_taken_and_can_be_changed(client: Client, study: Study) -> None:
    german = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}
    page = client.get(f"/s/{study.slug}/", follow=True, headers=german)
    assert 'lang="de"' in page.content.decode()[:60]
    assert "Was wir speichern" in page.content.decode()
    assert page["Content-Language"] == "de"
    page = client.post(f"/s/{study.slug}/language/", {"language": "en"}, follow=True)
    assert "What we record" in page.content.decode()
    assert Participation.objects.get().language == "en"


def test_a_language_that_the_study_lacks_gives_its_first(client: Client, study: Study) -> None:
    french = {"Accept-Language": "fr"}
    page = client.get(f"/s/{study.slug}/", follow=True, headers=french)
    assert 'lang="en"' in page.content.decode()[:60]
