"""A running study: correct counts, nothing that unblinds, one participation step by step."""

from __future__ import annotations

import html
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp.core.errors import StudyError
from studyapp.exports import flags as quality
from studyapp.models import AuditRecord, EntryToken, Participation, Study
from studyapp.monitoring.selectors import participations as selectors
from studyapp.monitoring.selectors import timeline
from studyapp.monitoring.selectors.overview import Pace
from studyapp.monitoring.services import deviations
from studyapp.monitoring.services import overview as monitoring
from studyapp.monitoring.services.flags import REASONS, flags
from studyapp.recruitment.services import configuration, entry
from studyapp.studies.services import blinding, lifecycle
from tests.studyapp import passages
from tests.studyapp.factories import METHODS, make_study
from tests.studyapp.queries import queries

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    """An open study of six features, three trials each, paid."""
    study = make_study(steps=["consent", "device", "instructions", "trial"])
    configuration.configure(study=study, payment=Decimal("2.50"), currency="EUR")
    return study


def place(study: Study, name: str, *more: Any) -> str:
    return reverse(name, args=[study.slug, study.version, *more])


def complete(study: Study) -> Participation:
    """A participation that answered everything."""
    client = Client()
    someone = passages.reach_trials(client, study)
    passages.finish(client, study, someone)
    return someone


def inactive(study: Study, step: str) -> Participation:
    """A participation at a step, with an expired lease."""
    someone = passages.reach(Client(), study, step)
    past = timezone.now() - timedelta(hours=9)
    Participation.objects.filter(pk=someone.pk).update(
        created_at=past, lease_expires_at=past if someone.consented_at else None
    )
    return someone


def test_states_cells_cost_and_pace(study: Study) -> None:
    assert monitoring.monitor(study).pace == Pace(None, None, None)
    one = complete(study)
    refused = Client()
    passages.enter(refused, study)
    refused.post(f"/s/{study.slug}/consent/", {"decision": "refuse"})
    passages.reach(Client(), study, "device")
    simulated = inactive(study, "trial")
    Participation.objects.filter(pk=simulated.pk).update(simulated=True)
    now = monitoring.monitor(study)
    assert now.states == [
        ("active", 1, 0), ("inactive", 1, 1), ("complete", 1, 0), ("refused", 1, 0),
    ]  # fmt: skip
    assert (now.answers, now.planned, now.complete, now.places) == (3, 12, 1, 4)
    assert now.items == [(0, 9), (1, 3)]
    assert now.cost == monitoring.Cost("EUR", Decimal("2.50"), Decimal("10.00"))
    answers = [trial.response for trial in one.trials.select_related("response")]
    assert now.pace.last_answer_at == max(answer.answered_at for answer in answers)
    times = sorted(answer.response_ms for answer in answers)
    assert now.pace.trial_seconds == times[1] / 1000
    assert now.running


def test_dropouts_are_counted_by_page(study: Study) -> None:
    inactive(study, "consent")
    inactive(study, "device")
    inactive(study, "trial")
    returned = passages.reach(Client(), study, "trial")
    entry.reclaim(participation=returned, status="returned")
    passages.reach(Client(), study, "instructions")
    assert monitoring.monitor(study).dropouts == [("consent", 1), ("device", 1), ("trial", 2)]


def test_a_study_without_a_payment_has_no_cost() -> None:
    assert monitoring.monitor(make_study()).cost is None


def test_flags_list_people_and_reasons_by_the_studys_rules(
    researcher: Client, study: Study
) -> None:
    someone = complete(study)
    found = flags(study)
    assert (found.participations, found.flagged) == (1, [])
    Study.objects.filter(pk=study.pk).update(
        quality_rules={"fast_seconds": 2.0, "straight_line": 3}
    )
    study.refresh_from_db()
    found = flags(study)
    assert [(one.identifier, one.reasons) for one in found.flagged] == [
        (someone.identifier, [
            "gave the same confidence in all 3 main trials",
            "chose the same position in all 3 main trials",
        ])
    ]  # fmt: skip
    assert dict(found.counts)["same confidence"] == 1
    page = researcher.get(place(study, "study-flags")).content.decode()
    assert place(study, "playback", someone.identifier) in page


def test_every_flag_has_a_reason() -> None:
    assert set(REASONS) == {*quality.PARTICIPATION_FLAGS, *quality.SUBMISSION_FLAGS}


def test_no_page_says_a_method_or_an_answer_before_the_closing(
    researcher: Client, study: Study
) -> None:
    someone = complete(study)
    someone.trials.first().response.__class__.objects.update(free_text="my own words")
    pages = [
        place(study, "study"), place(study, "participations"), place(study, "study-flags"),
        place(study, "participation", someone.identifier),
        place(study, "playback", someone.identifier),
    ]  # fmt: skip
    for page in pages:
        text = researcher.get(page).content.decode()
        for secret in (*METHODS, "my own words", "layer2-n64-k4/"):
            assert secret not in text, (page, secret)
    lifecycle.close(study)
    assert "corpus-tags" in researcher.get(pages[0]).content.decode()
    text = researcher.get(pages[3]).content.decode()
    assert "my own words" in text
    assert any(method in text for method in METHODS)


def test_numbers_of_conditions_follow_from_the_sites_key_only(settings: Any) -> None:
    """Neither their names nor the study's seed, which the page shows, reveal which is which."""
    study = make_study(seed=1)
    numbered = set()
    for key in range(16):
        settings.PSEUDONYM_KEY = f"{key:048}"
        cells = monitoring._conditions(study, blind=True)
        assert [name for name, _ in cells] == ["condition 1", "condition 2"]
        assert cells == monitoring._conditions(study, blind=True)
        numbered.add(cells[0][1].method)
    assert numbered == set(METHODS)


def test_nothing_is_shown_by_condition_after_one_was_switched_off(
    researcher: Client, study: Study
) -> None:
    complete(study)
    user = User.objects.get(pk=researcher.session["_auth_user_id"])
    deviations.switch_off(study=study, method=METHODS[0], reason="broken", user=user)
    page = researcher.get(place(study, "study")).content.decode()
    assert "all conditions" in page
    assert "condition 1" not in page
    assert METHODS[0] not in page
    before = monitoring._conditions(study, blind=False)
    [(_, joined)] = monitoring._conditions(study, blind=True)
    assert joined.ratings == sum(one.ratings for _, one in before) > 0
    assert sorted(joined.per_item) == sorted(n for _, one in before for n in one.per_item)


def test_unblinding_is_asked_for_with_a_reason_and_recorded(
    researcher: Client, study: Study
) -> None:
    someone = complete(study)
    page = place(study, "participation", someone.identifier)
    refused = researcher.post(place(study, "unblind-study"), {"reason": " "}, follow=True)
    assert "say why you are unblinding the study" in refused.content.decode()
    assert not AuditRecord.objects.filter(action="unblinded").exists()
    done = researcher.post(
        place(study, "unblind-study"), {"reason": "a bug is suspected"}, follow=True
    ).content.decode()
    assert "before it was closed" in done
    assert "Unblind permanently" not in done
    record = AuditRecord.objects.get(action="unblinded")
    assert (record.who, record.detail) == ("ada", {"reason": "a bug is suspected"})
    assert any(method in researcher.get(page).content.decode() for method in METHODS)
    study.refresh_from_db()
    with pytest.raises(StudyError, match="is already unblinded"):
        blinding.unblind(study=study, user=User.objects.get(), reason="again")
    with pytest.raises(StudyError, match="nothing to unblind"):
        blinding.unblind(
            study=make_study(state=Study.State.DRAFT), user=User.objects.get(), reason="x"
        )


def test_answers_by_method_are_exported_only_when_they_may_be_seen(
    researcher: Client, study: Study
) -> None:
    files = [place(study, "responses-csv"), place(study, "export-zip")]
    assert [researcher.get(file).status_code for file in files] == [403, 403]
    assert "Everything (zip)" not in researcher.get(place(study, "study")).content.decode()
    lifecycle.close(study)
    assert [researcher.get(file).status_code for file in files] == [200, 200]
    assert "Everything (zip)" in researcher.get(place(study, "study")).content.decode()


def test_one_participation_step_by_step(researcher: Client, study: Study) -> None:
    client = Client()
    someone = passages.reach_trials(client, study)
    trial = passages.current(someone)
    events = [
        {"trial": trial.token, "clip": 1, "type": "play", "at_ms": 10, "sequence": "a"},
        {"trial": trial.token, "clip": 1, "type": "play", "at_ms": 20, "sequence": "b"},
        {"trial": trial.token, "type": "visible", "at_ms": 30, "value": 1500, "sequence": "c"},
    ]  # fmt: skip
    client.post(f"/s/{study.slug}/events", events, content_type="application/json")
    passages.hear(client, study, trial)
    passages.answer(client, study, trial)
    what = [moment.what for moment in timeline.moments(someone)]
    assert what[0] == "followed the link"
    assert {"agreed to take part", "finished device", "read the instructions"} <= set(what)
    first, second, _ = timeline.shown_trials(someone)
    assert (first.plays, first.ended, first.hidden_seconds) == ({1: 2}, {1, 2, 3}, 1.5)
    assert first.seconds is not None
    assert (second.seconds, second.events) == (None, [])
    text = researcher.get(place(study, "participation", someone.identifier)).content.decode()
    assert "1 (2×)" in text
    assert "800 px wide, no touch" in text
    assert researcher.get(place(study, "participation", "nobody")).status_code == 404


def test_htmx_gets_only_the_figures_and_stops_with_the_study(
    researcher: Client, study: Study
) -> None:
    part = researcher.get(place(study, "study"), headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="study-progress"')
    assert 'hx-trigger="every 5s"' in part
    lifecycle.close(study)
    part = researcher.get(place(study, "study"), headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in part


def test_links_are_made_shown_once_and_recorded(researcher: Client, study: Study) -> None:
    made = researcher.post(place(study, "entry-links"), {"count": "3", "kind": "single"})
    lines = made.content.decode().split()
    assert len(lines) == EntryToken.objects.count() == 3
    assert lines[0].startswith(f"http://testserver/s/{study.slug}/?t=")
    assert AuditRecord.objects.get(action="made links").detail == {"count": 3}
    refused = researcher.post(place(study, "entry-links"), {"count": "x", "kind": "single"})
    assert refused.status_code == 302
    assert EntryToken.objects.count() == 3


def test_closing_says_how_many_are_inside_and_offers_a_pause(
    researcher: Client, study: Study
) -> None:
    page = researcher.get(place(study, "study")).content.decode()
    assert "Nobody is taking part right now." in page
    client = Client()
    passages.reach_trials(client, study)
    for headers in ({}, {"HX-Request": "true"}):
        page = researcher.get(place(study, "study"), headers=headers).content.decode()
        assert "1 person is taking part right now" in page
        assert ('hx-swap-oob="true"' in page) is bool(headers)
    page = researcher.get(place(study, "study")).content.decode()
    assert f'formaction="{place(study, "pause-study")}">Pause instead' in page
    researcher.post(place(study, "pause-study"))
    page = researcher.get(place(study, "study")).content.decode()
    assert "1 person is taking part right now" in page
    assert "Pause instead" not in page


def test_pasted_links_are_revoked_together_or_not_at_all(researcher: Client, study: Study) -> None:
    made = researcher.post(place(study, "entry-links"), {"count": "3", "kind": "single"})
    first, second, _ = made.content.decode().split()
    page = researcher.get(place(study, "study")).content.decode()
    assert reverse("revoke-links", args=[study.slug, study.version]) in page
    for other in ("https://elsewhere", "http://[elsewhere"):
        wrong = researcher.post(
            place(study, "revoke-links"), {"links": f"{first}\n{other}"}, follow=True
        )
        assert f"{other} is not a personal link" in wrong.content.decode()
    assert not EntryToken.objects.exclude(revoked_at=None).exists()
    done = researcher.post(
        place(study, "revoke-links"), {"links": f"{first}\r\n\r\n{second} "}, follow=True
    )
    assert "Links revoked: 2." in done.content.decode()
    assert EntryToken.objects.filter(revoked_at=None).count() == 1
    assert AuditRecord.objects.get(action="revoked links").detail == {"count": 2}
    assert Client().get(first, follow=True).status_code == 403


def test_a_stranger_sees_nothing_and_a_viewer_changes_nothing(study: Study) -> None:
    someone = complete(study)
    client = Client()
    for name, more in (("participations", ()), ("participation", (someone.identifier,)),
                       ("study-flags", ())):  # fmt: skip
        assert client.get(place(study, name, *more)).status_code == 302
    client.force_login(User.objects.create_user("eve"))
    assert client.get(place(study, "participations")).status_code == 404
    for name in ("unblind-study", "entry-links", "revoke-links"):
        assert client.post(place(study, name)).status_code == 404


def test_pages_of_participations_are_read_by_key(
    researcher: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = [passages.enter(Client(), study).pk for _ in range(3)]
    monkeypatch.setattr(selectors, "PAGE", 2)
    first, following = selectors.listed(study)
    assert [line.participation.pk for line in first] == everybody[:0:-1]
    last, end = selectors.listed(study, before=following)
    assert ([line.participation.pk for line in last], end) == (everybody[:1], None)
    page = researcher.get(place(study, "participations")).content.decode()
    assert f"?before={following}" in page


def test_queries_do_not_grow_with_the_number_of_participants(
    researcher: Client, study: Study
) -> None:
    someone = complete(study)
    inactive(study, "device")
    names = [("study", ()), ("participations", ()), ("study-flags", ()),
             ("participation", (someone.identifier,)),
             ("playback", (someone.identifier,))]  # fmt: skip
    pages = [place(study, name, *more) for name, more in names]
    few = [queries(lambda page=page: researcher.get(page)) for page in pages]
    complete(study)
    inactive(study, "trial")
    inactive(study, "consent")
    many = [queries(lambda page=page: researcher.get(page)) for page in pages]
    assert few == many
    assert dict(zip([name for name, _ in names], few, strict=True)) == {
        "study": 17, "participations": 6, "study-flags": 8, "participation": 8,
        "playback": 7,
    }  # fmt: skip


def test_the_link_for_prolific_has_its_placeholders_and_the_design_is_told_blind(
    researcher: Client, study: Study
) -> None:
    page = researcher.get(place(study, "study")).content.decode()
    assert "PROLIFIC_PID" not in page
    study.recruitment.service = "prolific"
    study.recruitment.save()
    Study.objects.update(
        exclusion_rules={"max_failed_catch": 1}, analysis_plan={"comparisons": [list(METHODS)]}
    )
    page = html.unescape(researcher.get(place(study, "study")).content.decode())
    filled = "PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    assert f"/s/{study.slug}/?{filled}</code>" in page
    assert "max_failed_catch 1" in page
    assert "<dt>Confirmatory comparisons</dt><dd>1</dd>" in page
    assert not any(method in page for method in METHODS)
    lifecycle.close(study)
    closed = researcher.get(place(study, "study")).content.decode()
    assert f"{METHODS[0]} against {METHODS[1]}" in closed
