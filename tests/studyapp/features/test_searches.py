"""Searches that a worker answers: asked for, shown, refused, and nothing left of a sound."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from studyapp.features import services
from studyapp.jobs import tasks
from studyapp.models import FeatureSearch, Job, Run
from tests.studyapp import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    made = factories.make_run(clips=4, seconds=0.2)
    factories.make_features(made, count=6, exemplars=4, methods=("descriptors", "random-label"))
    return made


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("ada", password="x"))
    return client


def near(feature: str, label: float, sound: float) -> dict[str, Any]:
    return {
        "feature": feature, "label": "bells <b>", "method": "descriptors",
        "label_cosine": label, "sound_cosine": sound,
    }  # fmt: skip


def asked(client: Client, run: Run, words: str = "bright  bells") -> Any:
    return client.post(reverse("search-words", args=[run.pk]), {"words": words}, follow=True)


def test_words_become_one_job_and_its_answer_is_a_table_in_its_order(ada: Client, run: Run) -> None:
    page = asked(ada, run)
    assert "A worker is searching" in page.content.decode()
    assert "hx-get" in page.content.decode()
    asked(ada, run)
    row, job = FeatureSearch.objects.get(), Job.objects.get(kind="feature_search")
    assert (row.text, job.target) == ("bright bells", row.pk)
    names = [one.identifier for one in run.features.order_by("index")]
    first, second = near(names[4], 0.9, 0.1), near(names[1], 0.2, 0.8)
    services.answer(row, {"label": [first, second], "sound": [second, first]})
    address = reverse("feature-search", args=[run.pk, row.pk])
    text = ada.get(address).content.decode()
    assert text.index(names[4]) < text.index(names[1])
    assert "bells &lt;b&gt;" in text
    assert "hx-get" not in text.partition('id="search-results"')[2].partition(">")[0]
    text = ada.get(address, {"by": "sound"}).content.decode()
    assert text.index(names[1]) < text.index(names[4])
    # What was found before is shown again without a job, until the run is made anew.
    Job.objects.all().delete()
    asked(ada, run)
    assert not Job.objects.exists()
    Run.objects.filter(pk=run.pk).update(finished_at="2100-01-01T00:00Z")
    asked(ada, run)
    assert Job.objects.filter(kind="feature_search").count() == 1


@pytest.mark.parametrize("words", ["", " ", "x" * 301])
def test_no_words_and_too_many_are_one_line(ada: Client, run: Run, words: str) -> None:
    assert "a search " in asked(ada, run, words).content.decode()
    assert not FeatureSearch.objects.exists()


def test_only_so_many_searches_of_a_run_wait(ada: Client, run: Run) -> None:
    for number in range(services.MAX_SEARCHES):
        asked(ada, run, f"words {number}")
    assert "too many searches of this run wait" in asked(ada, run, "one more").content.decode()
    assert FeatureSearch.objects.count() == services.MAX_SEARCHES


def sent(client: Client, run: Run, data: bytes, name: str = "../my <song>.flac") -> Any:
    sound = SimpleUploadedFile(name, data)
    return client.post(reverse("search-sound", args=[run.pk]), {"sound": sound}, follow=True)


def test_a_sound_shows_what_fires_and_when_and_is_not_kept(ada: Client, run: Run) -> None:
    sent(ada, run, b"a sound")
    row = FeatureSearch.objects.get()
    path = services.asked_sound(run, row.sound)
    assert path.read_bytes() == b"a sound"
    assert path.parent == services.folder(run)
    name = run.features.order_by("index")[2].identifier
    heard = {
        "feature": name, "max_activation": 3.0, "relative": 1.27, "peak_seconds": 2.85,
        "share": 0.04, "spans": [[0.2, 0.4], [2.8, 2.9]],
    }  # fmt: skip
    services.answer(row, {"features": [heard], "firing": 41, "seconds": 8.0})
    text = ada.get(reverse("feature-search", args=[run.pk, row.pk])).content.decode()
    assert "my &lt;song&gt;.flac" in text
    assert "<strong>41</strong> kept features fire" in text
    assert all(word in text for word in (name, "127%", "0.2–0.4, 2.8–2.9", "▲ 2.9 s"))
    assert not path.exists()


def test_what_a_worker_cannot_answer_is_said_and_the_sound_is_deleted(
    ada: Client, run: Run
) -> None:
    """The run's folder has clips only, as that of a run whose files were removed."""
    page = sent(ada, run, b"a sound")
    row = FeatureSearch.objects.get()
    tasks.work(Job.objects.get(kind="feature_search").pk)
    assert not services.asked_sound(run, row.sound).exists()
    text = ada.get(page.wsgi_request.path).content.decode()
    assert "The search could not be answered: " in text
    assert "Send the sound again" in text


def test_a_sound_that_no_worker_will_read_is_not_kept(ada: Client, run: Run) -> None:
    """One that was answered before, and one that is refused because too many wait."""
    sent(ada, run, b"a sound")
    row = FeatureSearch.objects.get()
    services.answer(row, {"features": [], "firing": 0, "seconds": 8.0})
    Job.objects.all().delete()
    sent(ada, run, b"a sound")
    assert not services.asked_sound(run, row.sound).exists()
    for number in range(services.MAX_SEARCHES):
        asked(ada, run, f"words {number}")
    assert "too many searches" in sent(ada, run, b"another sound").content.decode()
    assert not [*services.folder(run).glob("sent-*")]


def test_a_sound_under_two_names_is_kept_until_both_are_answered(ada: Client, run: Run) -> None:
    for name in ("one.flac", "two.flac"):
        sent(ada, run, b"a sound", name)
    first, second = FeatureSearch.objects.order_by("pk")
    path = services.asked_sound(run, first.sound)
    nothing = {"features": [], "firing": 0, "seconds": 8.0}
    services.answer(first, nothing)
    assert path.exists()
    Job.objects.filter(target=first.pk).update(state=Job.State.DONE)
    services.answer(second, nothing)
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"x" * (services.MAX_SOUND_BYTES + 1)])
def test_an_empty_or_a_large_sound_is_refused(ada: Client, run: Run, data: bytes) -> None:
    text = sent(ada, run, data).content.decode()
    assert "it must have 1 to 2,500,000" in text
    assert not FeatureSearch.objects.exists()
    assert not [*services.folder(run).glob("sent-*")]


def test_a_sound_that_a_crash_left_behind_is_swept(ada: Client, run: Run) -> None:
    kept = services.ask_sound(run=run, name="a.flac", data=b"waited for", by=None)
    left = [services.asked_sound(run, digest) for digest in ("crashed", "new")]
    for path in left:
        path.write_bytes(b"sound")
    for path in (left[0], services.asked_sound(run, kept.sound)):
        os.utime(path, times=(0, 0))
    services._swept.clear()
    services.sweep_sounds()
    assert [path.exists() for path in left] == [False, True]
    assert services.asked_sound(run, kept.sound).exists()
