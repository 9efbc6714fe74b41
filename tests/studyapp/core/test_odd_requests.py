"""Requests that no person's browser sends: 400 or 413 before anything parses them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.core.middleware import _strings
from studyapp.core.numbers import whole
from studyapp.models import Study
from tests.studyapp import factories, passages
from tests.studyapp.participation.views.test_events import event, send
from tests.studyapp.wire import status

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "latin-1", "nonsense", "utf-7"])
def test_no_charset_but_utf_8_is_read(charset: str) -> None:
    content = f"application/x-www-form-urlencoded; charset={charset}"
    for path in ("/login/", "/hooks/prolific", "/nothing/"):
        assert status(path, method="POST", body=b"a=b", CONTENT_TYPE=content) == 400
    assert status("/login/", CONTENT_TYPE="text/plain; charset=UTF-8") == 200


def test_a_content_type_that_cannot_be_parsed_is_not_a_server_error() -> None:
    for odd in ("a/b; charset*=nonsense''x", "a/b; name*=\ud800''x", "; charset=", "a/b; =;;"):
        got = status("/login/", method="POST", body=b"a=b", CONTENT_TYPE=odd)
        assert 400 <= got < 500, odd


@pytest.mark.parametrize(
    ("path", "environ"),
    [
        ("/s/x/audio/\0/1", {}),
        ("/s/x/", {"QUERY_STRING": "t=%00"}),
        ("/s/x/", {"QUERY_STRING": "t=%ED%A0%80"}),
        ("/s/x/", {"QUERY_STRING": "t=%FF"}),
        ("/login/", {"HTTP_COOKIE": 'sessionid="\\000abcdefgh"'}),
        ("/login/", {"HTTP_USER_AGENT": "a\0b"}),
    ],
)
def test_bytes_that_are_no_text_are_400(path: str, environ: dict[str, str]) -> None:
    assert status(path, **environ) == 400


@pytest.mark.parametrize(
    ("content", "body"),
    [
        ("application/x-www-form-urlencoded", b"login=%00&password=x"),
        ("application/x-www-form-urlencoded", b"login=%ED%A0%80&password=x"),
        ("application/x-www-form-urlencoded", b"login=\xff"),
        ("application/json", b'[{"trial": "\\ud800"}]'),
        ("application/json", b'[{"a\\u0000": 1}]'),
        ("text/plain", b'["\\ud800"]'),
        ("application/json", b"\xff\xfe"),
        ("multipart/form-data; boundary=x",
         b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\na\0b\r\n--x--\r\n'),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x",
         b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nabc\r\n--x--\r\n'),
    ],
)  # fmt: skip
def test_a_body_that_is_not_text_and_an_unexpected_file_are_400(content: str, body: bytes) -> None:
    for path in ("/login/", "/s/x/events", "/hooks/prolific"):
        assert status(path, method="POST", body=body, CONTENT_TYPE=content) == 400


@pytest.mark.parametrize("length", [3 * 2**20 + 1, 150_000_000, 10**30])
def test_a_body_over_the_limit_is_refused_unread(length: int) -> None:
    class Unread(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

    for content in ("multipart/form-data; boundary=x", "application/json"):
        got = status(
            "/login/", method="POST", CONTENT_TYPE=content, CONTENT_LENGTH=str(length),
            **{"wsgi.input": Unread()},
        )  # fmt: skip
        assert got == 413


def test_a_body_just_under_the_limit_is_read() -> None:
    body = b"login=" + b"a" * (3 * 2**20 - 6)
    content = "application/x-www-form-urlencoded"
    assert status("/login/", method="POST", body=body, CONTENT_TYPE=content) == 403


def test_an_event_with_half_a_character_costs_no_answer(client: Client) -> None:
    study = factories.make_study(features=3)
    trial = passages.current(passages.reach_trials(client, study))
    odd = [event(trial, trial=f"{trial.token}é"), event(trial, type=["ended"], sequence="a-2")]
    assert send(client, study, odd).json()["ignored"] == ["a-1", "a-2"]
    assert send(client, study, '[{"trial": "\\ud800"}]').status_code == 400


@pytest.mark.parametrize("digits", [18, 19, 31, 4299, 5000])
def test_long_numbers_are_no_error(digits: int) -> None:
    client, number = Client(), "9" * digits
    client.force_login(User.objects.create_superuser("root", password="x"))
    study = factories.make_study()
    own = [study.slug, study.version]
    assert client.get(f"/runs/{number}/").status_code == 404
    assert client.get(f"/studies/{study.slug}/{number}/").status_code == 404
    assert client.get(f"/runs/compare/?run={number}").status_code == 200
    assert client.get(f"/runs/new/?like={number}").status_code == 200
    assert client.get(f"/plans/new/?run={number}").status_code == 200
    page = client.get(reverse("participations", args=own), {"before": number})
    assert page.status_code == 200
    links = client.post(reverse("entry-links", args=own), {"count": number, "kind": "single"})
    assert links.status_code == 302
    assert client.post(f"/plans/new/?look&run={number}", {"runs": number}).status_code == 200


def test_a_number_is_read_in_one_way() -> None:
    given = ("7", "007", "", "-1", "1.5", "²", "١", "9" * 15, "9" * 16)
    assert [whole(text) for text in given] == [7, 7, None, None, None, None, 1, 10**15 - 1, None]


def test_the_saes_of_a_run_that_was_not_offered_are_not_revealed() -> None:
    hidden = factories.make_run()
    factories.make_features(hidden, count=3, sae="layer9-n9-k9")
    study = factories.make_study()
    client = Client()
    owner = User.objects.create_user("owner", password="x")
    from studyapp.accounts.services import projects

    project = projects.make(name="Hearing", owner=owner)
    Study.objects.update(project=project)
    run = study.runs.get()
    type(run).objects.filter(pk=run.pk).update(project=project)
    client.force_login(owner)
    page = client.post("/plans/new/?look", {"runs": str(hidden.pk)}).content.decode()
    assert "layer9-n9-k9" not in page


def test_deep_json_is_looked_through_without_recursion() -> None:
    """A string in 900 brackets was passed through all of them: ten seconds for two megabytes."""
    assert list(_strings(_nested(5000, ["a", {"b": ["c"]}]))).count("c") == 1


def _nested(depth: int, inside: list[Any]) -> list[Any]:
    for _ in range(depth):
        inside = [inside]
    return inside
