"""A participation over HTTP from start to end, and everything that can go wrong on the way."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from studyapp.models import Event, Participation, Response, Study
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study(features=4, trials_per_participation=3)


def test_a_whole_passage_ends_with_a_code(client: Client, study: Study) -> None:
    response = client.get(f"/s/{study.slug}/", follow=True)
    assert passages.page_of(response) == "consent"
    response = client.post(f"/s/{study.slug}/consent/", {"decision": "agree"}, follow=True)
    assert passages.page_of(response) == "instructions"
    response = client.post(f"/s/{study.slug}/instructions/", follow=True)
    assert passages.page_of(response) == "trial"
    participation = Participation.objects.get()
    for number in range(1, 4):
        assert f"Trial {number} of 3" in response.content.decode()
        trial = passages.current(participation)
        passages.hear(client, study, trial)
        response = client.post(
            f"/s/{study.slug}/trial/",
            {"trial": trial.token, "key": trial.key, "choice": number, "confidence": 5,
             "free_text": "a gong"},
            follow=True,
        )  # fmt: skip
    participation.refresh_from_db()
    assert passages.page_of(response) == "thanks"
    assert participation.status == Participation.Status.COMPLETE
    assert len(participation.completion_code) == 8
    assert participation.completion_code in response.content.decode()
    answers = Response.objects.order_by("trial__number").values_list("choice", "free_text")
    assert list(answers) == [(1, "a gong"), (2, "a gong"), (3, "a gong")]


def test_the_code_is_nowhere_before_the_last_answer(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    assert participation.completion_code == ""
    response = client.get(f"/s/{study.slug}/thanks/", follow=True)
    assert passages.page_of(response) == "trial"


def test_no_parameter_stays_in_the_address(client: Client, study: Study) -> None:
    response = client.get(
        f"/s/{study.slug}/", {"PROLIFIC_PID": "abc", "STUDY_ID": "s", "SESSION_ID": "x"}
    )
    assert response.status_code == 302
    assert response["Location"] == f"/s/{study.slug}/consent/"


def test_the_same_prolific_session_resumes_from_any_browser(client: Client, study: Study) -> None:
    who = {"PROLIFIC_PID": "5f3e", "STUDY_ID": "s", "SESSION_ID": "one"}
    participation = passages.reach_trials(client, study, **who)
    other = Client()
    response = other.get(f"/s/{study.slug}/", who, follow=True)
    assert passages.page_of(response) == "trial"
    assert Participation.objects.get() == participation
    assert "5f3e" not in participation.external_key


def test_another_session_of_a_person_is_no_other_participation(
    client: Client, study: Study
) -> None:
    first = passages.enter(client, study, PROLIFIC_PID="5f3e", SESSION_ID="one")
    assert passages.enter(client, study, PROLIFIC_PID="5f3e", SESSION_ID="two") == first
    again = {"PROLIFIC_PID": "5f3e", "SESSION_ID": "two"}
    response = Client().get(f"/s/{study.slug}/", again, follow=True)
    assert (response.status_code, passages.page_of(response)) == (403, "taken_part")
    assert Participation.objects.get() == first


def test_a_generic_link_comes_back_to_the_same_participation(client: Client, study: Study) -> None:
    first = passages.enter(client, study)
    assert passages.enter(client, study) == first
    assert passages.enter(Client(), study) != first


def test_a_refusal_is_an_end_and_takes_no_place(client: Client, study: Study) -> None:
    participation = passages.enter(client, study)
    response = client.post(f"/s/{study.slug}/consent/", {"decision": "refuse"}, follow=True)
    participation.refresh_from_db()
    assert passages.page_of(response) == "refused"
    assert (participation.status, participation.condition) == ("refused", None)
    response = client.post(f"/s/{study.slug}/consent/", {"decision": "agree"}, follow=True)
    assert passages.page_of(response) == "refused"


def test_consent_twice_draws_once(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    assert participation.trials.count() == 3


def test_a_page_out_of_turn_leads_to_the_current_one(client: Client, study: Study) -> None:
    passages.enter(client, study)
    for page in ("trial", "instructions", "thanks", "ended"):
        response = client.get(f"/s/{study.slug}/{page}/", follow=True)
        assert passages.page_of(response) == "consent"


def test_without_a_cookie_a_page_says_so_and_makes_nothing(client: Client, study: Study) -> None:
    for page in ("consent", "instructions", "trial", "thanks", "ended"):
        response = client.get(f"/s/{study.slug}/{page}/")
        assert (response.status_code, passages.page_of(response)) == (403, "lost")
    assert not Participation.objects.exists()


def test_a_forged_cookie_is_no_cookie(client: Client, study: Study) -> None:
    participation = passages.enter(client, study)
    stranger = Client()
    stranger.cookies["place"] = participation.identifier
    assert passages.page_of(stranger.get(f"/s/{study.slug}/consent/")) == "lost"


def test_reload_keeps_the_trial_and_its_clock(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    first = client.get(f"/s/{study.slug}/trial/").content
    again = client.get(f"/s/{study.slug}/trial/").content
    assert trial.token.encode() in first
    assert trial.token.encode() in again
    assert passages.current(participation).shown_at == trial.shown_at


def test_the_page_shows_what_was_heard(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    passages.hear(client, study, passages.current(participation), clips=(2,))
    page = client.get(f"/s/{study.slug}/trial/").content.decode()
    assert page.count('class="player heard"') == 1
    assert 'class="player heard" data-clip="2"' in page


def test_the_same_answer_twice_counts_once(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial, choice="1")
    response = passages.answer(client, study, trial, choice="5")
    assert response.status_code == 302
    assert [one.choice for one in Response.objects.all()] == [1]


def test_a_late_answer_never_lands_on_the_current_trial(client: Client, study: Study) -> None:
    """Two tabs: the second still shows the first trial when the first tab is further on."""
    participation = passages.reach_trials(client, study)
    first = passages.current(participation)
    passages.hear(client, study, first)
    passages.answer(client, study, first)
    client.get(f"/s/{study.slug}/trial/")
    second = passages.current(participation)
    passages.hear(client, study, second)
    passages.answer(client, study, first, choice="5")
    assert not Response.objects.filter(trial=second).exists()


def test_an_answer_to_a_future_trial_is_not_taken(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    future = participation.trials.get(number=3)
    passages.answer(client, study, future)
    assert not Response.objects.exists()


def test_an_answer_with_another_trials_key_is_not_taken(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    passages.answer(client, study, trial, key=participation.trials.get(number=2).key)
    assert not Response.objects.exists()


def test_a_strangers_trial_is_not_answered(client: Client, study: Study) -> None:
    foreign = passages.current(passages.reach_trials(client, study))
    passages.hear(client, study, foreign)
    stranger = Client()
    passages.reach_trials(stranger, study)
    response = passages.answer(stranger, study, foreign)
    assert response.status_code == 302
    assert not Response.objects.exists()


@pytest.mark.parametrize("clips", [(), (1,), (1, 3)])
def test_an_answer_before_all_was_heard_is_shown_again(
    client: Client, study: Study, clips: tuple[int, ...]
) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial, clips=clips)
    response = passages.answer(client, study, trial, choice="3", free_text="a <gong>")
    page = response.content.decode()
    assert response.status_code == 422
    assert "Please listen to all three sounds to the end first." in page
    assert 'value="3" required checked' in page
    assert 'name="confidence" value="4" required checked' in page
    assert "a &lt;gong&gt;" in page
    assert not Response.objects.exists()


def test_events_faster_than_the_sounds_do_not_count(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    shown_at = trial.shown_at
    passages.hear(client, study, trial)
    type(trial).objects.filter(pk=trial.pk).update(shown_at=shown_at)
    assert passages.answer(client, study, trial).status_code == 422


@pytest.mark.parametrize("name", ["choice", "confidence"])
@pytest.mark.parametrize("value", ["0", "6", "x", "", "1.5", "-1", "１"])
def test_a_value_outside_its_levels_is_refused(
    client: Client, study: Study, name: str, value: str
) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    assert passages.answer(client, study, trial, **{name: value}).status_code == 422
    assert not Response.objects.exists()


def test_too_long_a_text_is_refused_and_kept(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    passages.hear(client, study, trial)
    response = passages.answer(client, study, trial, free_text="a" * 501)
    assert response.status_code == 422
    assert "a" * 501 in response.content.decode()


def test_the_script_gets_json(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    trial = passages.current(participation)
    data = {"trial": trial.token, "key": trial.key, "choice": "2", "confidence": "4"}
    url, headers = f"/s/{study.slug}/trial/", {"Accept": "application/json"}
    early = client.post(url, data, headers=headers)
    assert (early.status_code, early.json()["saved"]) == (422, False)
    assert list(early.json()["errors"]) == ["form"]
    passages.hear(client, study, trial)
    for next_page in (url, f"/s/{study.slug}/"):  # sent again, it leads to the study's link
        answer = client.post(url, data, headers=headers).json()
        assert answer == {"saved": True, "next": next_page, "events": []}


def test_texts_are_markdown_without_html(client: Client) -> None:
    text = "# Hello\n\n<script>alert(1)</script> [x](javascript:alert(1)) **bold**"
    study = make_study(features=3, consent_text=text)
    page = client.get(f"/s/{study.slug}/", follow=True).content.decode()
    assert "<strong>bold</strong>" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert 'href="javascript' not in page


def test_a_simulation_token_marks_and_runs_on_a_faster_clock(client: Client, study: Study) -> None:
    from studyapp.participation.views.visitor import simulation_token

    participation = passages.reach_trials(client, study, simulated=simulation_token(study))
    trial = passages.current(participation)
    shown_at = trial.shown_at
    passages.hear(client, study, trial)
    type(trial).objects.filter(pk=trial.pk).update(shown_at=shown_at)
    assert participation.simulated
    assert passages.answer(client, study, trial).status_code == 302


@pytest.mark.parametrize("token", ["1", "true", "a:b:c"])
def test_a_bad_simulation_token_marks_nothing(client: Client, study: Study, token: str) -> None:
    assert not passages.enter(client, study, simulated=token).simulated


def test_another_studys_simulation_token_marks_nothing(client: Client, study: Study) -> None:
    from studyapp.participation.views.visitor import simulation_token

    other = make_study(features=3)
    assert not passages.enter(client, study, simulated=simulation_token(other)).simulated


def test_the_cookie_is_bound_to_the_study(client: Client, study: Study) -> None:
    response = client.get(f"/s/{study.slug}/")
    cookie = response.cookies["place"]
    assert cookie["path"] == f"/s/{study.slug}/"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_pages_are_not_cached(client: Client, study: Study) -> None:
    passages.reach_trials(client, study)
    response: Any = client.get(f"/s/{study.slug}/trial/")
    assert "no-store" in response["Cache-Control"]


def test_events_after_the_last_answer_are_still_taken(client: Client, study: Study) -> None:
    participation = passages.reach_trials(client, study)
    passages.finish(client, study, participation)
    trial = participation.trials.get(number=3)
    event = {"trial": trial.token, "type": "hidden", "at_ms": 5, "sequence": "late"}
    client.post(f"/s/{study.slug}/events", [event], content_type="application/json")
    assert Event.objects.filter(sequence="late").exists()
