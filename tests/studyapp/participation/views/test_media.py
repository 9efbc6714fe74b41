from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from studyapp.models import Participation, Stimulus, Study, Trial
from tests.studyapp import passages
from tests.studyapp.factories import make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> Study:
    return make_study(features=4, trials_per_participation=4)


@pytest.fixture
def trial(client: Client, study: Study) -> Trial:
    return passages.current(passages.reach_trials(client, study))


def url(study: Study, trial: Trial, number: int = 1) -> str:
    return f"/s/{study.slug}/audio/{trial.token}/{number}"


def data(trial: Trial, number: int = 1) -> bytes:
    return (Path(settings.DATA) / trial.item.stimuli[number - 1].path).read_bytes()


def test_the_whole_sound(client: Client, study: Study, trial: Trial) -> None:
    for number in (1, 2, 3):
        response = client.get(url(study, trial, number))
        assert (response.status_code, response.content) == (200, data(trial, number))
        assert response["Content-Type"] == "audio/flac"
        assert response["Accept-Ranges"] == "bytes"
        assert response["Cache-Control"] == "private, max-age=3600"
        assert "ETag" not in response
        assert "Last-Modified" not in response
        assert "Content-Disposition" not in response


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-1", 0, 1),
        ("bytes=0-", 0, -1),
        ("bytes=100-199", 100, 199),
        ("bytes=100-99999999", 100, -1),
        ("bytes=-50", -50, -1),
        ("bytes=-99999999", 0, -1),
    ],
)
def test_a_range_is_answered_with_206(
    client: Client, study: Study, trial: Trial, header: str, first: int, last: int
) -> None:
    whole = data(trial)
    first, last = first % len(whole), last % len(whole)
    response = client.get(url(study, trial), headers={"Range": header})
    assert response.status_code == 206
    assert response.content == whole[first : last + 1]
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
    assert int(response["Content-Length"]) == last - first + 1


@pytest.mark.parametrize("header", ["bytes=99999999-", "bytes=-0", "bytes=99999999-999999999"])
def test_a_range_that_is_not_there_is_416(
    client: Client, study: Study, trial: Trial, header: str
) -> None:
    response = client.get(url(study, trial), headers={"Range": header})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(data(trial))}"


@pytest.mark.parametrize(
    "header",
    ["bytes=5-2", "bytes=0-1,4-5", "items=0-1", "bytes=-", "bytes=a-b", "", f"bytes={'9' * 40}-"],
)
def test_what_is_no_single_range_gets_the_whole(
    client: Client, study: Study, trial: Trial, header: str
) -> None:
    response = client.get(url(study, trial), headers={"Range": header})
    assert (response.status_code, response.content) == (200, data(trial))


def test_if_range_has_nothing_to_match(client: Client, study: Study, trial: Trial) -> None:
    headers = {"Range": "bytes=0-1", "If-Range": '"etag"'}
    assert client.get(url(study, trial), headers=headers).status_code == 200


def test_head_has_the_headers_and_no_body(client: Client, study: Study, trial: Trial) -> None:
    response: Any = client.head(url(study, trial))
    assert (response.status_code, response.content) == (200, b"")
    assert int(response["Content-Length"]) == len(data(trial))


def test_only_ones_own_trials_up_to_the_next(client: Client, study: Study, trial: Trial) -> None:
    trials = list(trial.participation.trials.order_by("number"))
    codes = [client.get(url(study, one)).status_code for one in trials]
    assert codes == [200, 200, 404, 404]
    passages.hear(client, study, trial)
    passages.answer(client, study, trial)
    codes = [client.get(url(study, one)).status_code for one in trials]
    assert codes == [200, 200, 200, 404]


def test_strangers_and_the_uninvited_get_nothing(study: Study, trial: Trial) -> None:
    assert Client().get(url(study, trial)).status_code == 404
    stranger = Client()
    passages.reach_trials(stranger, study)
    assert stranger.get(url(study, trial)).status_code == 404


@pytest.mark.parametrize("number", ["0", "4", "-1", "x", "1.flac", "../1"])
def test_there_are_three_sounds(client: Client, study: Study, trial: Trial, number: str) -> None:
    assert client.get(f"/s/{study.slug}/audio/{trial.token}/{number}").status_code == 404


def test_before_the_instructions_were_read_there_is_no_sound(client: Client, study: Study) -> None:
    participation: Participation = passages.enter(client, study)
    client.post(f"/s/{study.slug}/consent/", {"decision": "agree"})
    first = participation.trials.get(number=1)
    # Consent draws the trials; nothing links to a sound yet, but a browser may load ahead.
    assert client.get(url(study, first)).status_code == 200


def test_behind_the_proxy_only_an_address_is_handed_on(
    client: Client, study: Study, trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MEDIA", "x-accel")
    response = client.get(url(study, trial), headers={"range": "bytes=0-1"})
    path = trial.item.stimuli[0].path
    assert response["X-Accel-Redirect"] == f"/protected/{path}"
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Type"] == "audio/flac"
    assert response["Cache-Control"] == "private, max-age=3600"
    # Such a header would contain the name of the file.
    assert "Content-Disposition" not in response


@pytest.mark.parametrize("media", ["site", "x-accel"])
def test_a_sound_whose_file_is_gone_is_not_found_and_told_in_the_log(
    client: Client,
    study: Study,
    trial: Trial,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    media: str,
) -> None:
    monkeypatch.setattr(settings, "MEDIA", media)
    Stimulus.objects.update(path="stimuli/gone.flac")
    assert client.get(url(study, trial)).status_code == 404
    assert "the sound stimuli/gone.flac is missing from the data folder" in caplog.text


@pytest.mark.parametrize("token", ["%00", "a%00b", "%ED%A0%80", "..%2F..", "a b"])
@pytest.mark.parametrize("address", ["audio/{}/1", "sound/{}"])
def test_what_is_no_token_is_not_found(
    client: Client, study: Study, trial: Trial, address: str, token: str
) -> None:
    # A NUL is refused before anything looks for a sound of that name.
    refused = 400 if "%00" in token else 404
    assert client.get(f"/s/{study.slug}/{address.format(token)}").status_code == refused
