"""The second factor and the lockout: what a login requires, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import reverse

from studyapp.core.addresses import client_address
from tests.studyapp import factories

pytestmark = pytest.mark.django_db
PASSWORD = "a long one 12"
TRIES = 5
"""The fifth failure locks the account."""


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop time in the middle of a half minute, so that no code expires during a test."""
    now = time.time() // 30 * 30 + 15
    monkeypatch.setattr(time, "time", lambda: now)


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    """Use a fast hash: real ones are slow on purpose, and these tests log in dozens of times."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


def totp(secret: str, *, steps: int = 0) -> str:
    """The code by RFC 6238 for the half minute that is `steps` half minutes from now."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def log_in(client: Client, password: str = PASSWORD, **extra: Any) -> Any:
    return client.post(reverse("login"), {"login": "ada", "password": password}, **extra)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def set_up(client: Client) -> tuple[str, list[str]]:
    """Turn on the second factor through the pages; returns the secret and the recovery codes."""
    asked = client.get(reverse("mfa_activate_totp"))
    assert asked.headers["Location"].startswith(reverse("account_reauthenticate"))
    again = client.post(asked.headers["Location"], {"password": PASSWORD})
    assert again.headers["Location"] == reverse("mfa_activate_totp")
    page = text_of(client.get(reverse("mfa_activate_totp")))
    secret = re.findall(r'class="key">(\w+)<', page)[0]
    assert "data:image/svg+xml;base64," in page
    wrong = client.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert "Incorrect code" in text_of(wrong)
    on = client.post(reverse("mfa_activate_totp"), {"code": totp(secret, steps=-1)})
    assert on.headers["Location"] == reverse("mfa_view_recovery_codes")
    codes = re.findall(r"<li><code>(\d{8})</code>", text_of(client.get(on.headers["Location"])))
    return secret, codes


def with_second_factor(client: Client) -> tuple[str, list[str]]:
    log_in(client)
    made = set_up(client)
    client.post(reverse("logout"))
    return made


def at_the_second_step(next_page: str = "") -> Client:
    """A fresh browser in which the right password was entered."""
    client = Client()
    first = client.post(reverse("login"), {"login": "ada", "password": PASSWORD, "next": next_page})
    assert first.headers["Location"].startswith(reverse("mfa_authenticate"))
    return client


def enter(client: Client, code: str) -> Any:
    return client.post(reverse("mfa_authenticate"), {"code": code})


def test_a_password_suffices_without_a_second_factor(client: Client, ada: User) -> None:
    assert log_in(client).headers["Location"] == reverse("home")
    assert "Set up" in text_of(client.get(reverse("account")))


def test_with_a_second_factor_a_login_asks_for_a_code(client: Client, ada: User) -> None:
    secret, codes = with_second_factor(client)
    assert len(codes) == len(set(codes)) == 10
    browser = at_the_second_step(next_page=reverse("queues"))
    assert browser.get(reverse("home")).status_code == 302
    assert "Incorrect code" in text_of(enter(browser, "123456"))
    done = enter(browser, totp(secret))
    assert done.headers["Location"] == reverse("queues")
    assert browser.get(reverse("queues")).status_code == 200
    assert "Turn off" in text_of(browser.get(reverse("account")))


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_telephones_clock_may_be_half_a_minute_off(client: Client, ada: User, steps: int) -> None:
    secret, _ = with_second_factor(client)
    Authenticator.objects.filter(type="totp").update(created_at="2026-01-01T00:00Z")
    assert enter(at_the_second_step(), totp(secret, steps=steps)).status_code == 302
    assert enter(at_the_second_step(), totp(secret, steps=2)).status_code == 200


def test_a_code_passes_once_in_whichever_process(
    client: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, _ = with_second_factor(client)
    monkeypatch.setattr("django.core.cache.cache.add", lambda *_, **__: True)
    code = totp(secret)
    assert enter(at_the_second_step(), code).status_code == 302
    second = at_the_second_step()
    assert "Incorrect code" in text_of(enter(second, code))
    assert "Incorrect code" in text_of(enter(second, f"{code[:3]} {code[3:]}"))
    assert enter(second, totp(secret, steps=1)).status_code == 302


def test_a_recovery_code_passes_once(client: Client, ada: User) -> None:
    _, codes = with_second_factor(client)
    first = at_the_second_step()
    assert enter(first, codes[3]).status_code == 302
    second = at_the_second_step()
    assert "Incorrect code" in text_of(enter(second, codes[3]))
    assert enter(second, codes[4]).status_code == 302


def test_recovery_codes_are_shown_once_and_new_ones_end_the_old(client: Client, ada: User) -> None:
    log_in(client)
    _, old = set_up(client)
    later = text_of(client.get(reverse("mfa_view_recovery_codes")))
    assert old[0] not in later
    assert "10 of 10 are left" in later
    made = client.post(reverse("mfa_generate_recovery_codes"), follow=True)
    new = re.findall(r"<li><code>(\d{8})</code>", text_of(made))
    assert len(new) == 10
    assert not {*new} & {*old}
    client.post(reverse("logout"))
    browser = at_the_second_step()
    assert enter(browser, old[0]).status_code == 200
    assert enter(browser, new[0]).status_code == 302


def test_the_second_factor_is_turned_off_and_its_codes_go_with_it(
    client: Client, ada: User
) -> None:
    log_in(client)
    set_up(client)
    off = client.post(reverse("mfa_deactivate_totp"))
    assert off.headers["Location"] == reverse("account")
    assert not Authenticator.objects.exists()
    assert log_in(Client()).headers["Location"] == reverse("home")


def test_secrets_are_sealed_in_the_database(client: Client, ada: User) -> None:
    secret, _ = with_second_factor(client)
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert "gAAAA" in stored


def test_five_wrong_passwords_lock_only_the_name_at_its_address(client: Client, ada: User) -> None:
    for _ in range(TRIES - 1):
        assert log_in(client, "wrong").status_code == 200
    locked = log_in(client, "wrong")
    assert locked.status_code == 429
    assert "5 failed attempts for the name ada" in text_of(locked)
    assert "in 15 minutes" in text_of(locked)
    assert log_in(Client()).status_code == 429
    assert log_in(Client(), REMOTE_ADDR="192.0.2.7").status_code == 302
    User.objects.create_user("bo", password=PASSWORD)
    other = Client().post(reverse("login"), {"login": "bo", "password": PASSWORD})
    assert other.status_code == 302


def test_a_right_password_clears_what_was_counted(client: Client, ada: User) -> None:
    for _ in range(3):
        for _ in range(TRIES - 1):
            assert log_in(Client(), "wrong").status_code == 200
        assert log_in(Client()).status_code == 302


def test_wrong_codes_lock_too_and_the_right_password_does_not_clear_them(
    client: Client, ada: User
) -> None:
    secret, _ = with_second_factor(client)
    for _ in range(TRIES - 1):
        assert enter(at_the_second_step(), "000000").status_code == 200
    last = at_the_second_step()
    assert enter(last, "000000").status_code == 429
    assert enter(last, totp(secret)).status_code == 429
    assert log_in(Client()).status_code == 429


def test_the_password_is_asked_for_again_and_counted_before_a_change(
    client: Client, ada: User
) -> None:
    log_in(client)
    address = reverse("account_reauthenticate")
    for _ in range(TRIES - 1):
        assert 'id="password-error"' in text_of(client.post(address, {"password": "wrong"}))
    assert client.post(address, {"password": "wrong"}).status_code == 429
    assert client.post(address, {"password": PASSWORD}).status_code == 429


def test_the_administration_has_no_separate_login(client: Client, ada: User) -> None:
    first = client.get("/admin/", follow=True)
    assert first.redirect_chain[-1][0].startswith(reverse("login"))
    User.objects.create_user("bo", password=PASSWORD)
    client.post(reverse("login"), {"login": "bo", "password": PASSWORD})
    assert client.get("/admin/", follow=True).status_code == 403
    client.force_login(ada)
    assert client.get("/admin/").status_code == 200


def test_where_a_second_factor_is_required_no_page_comes_without_it(
    client: Client, ada: User, settings: Any
) -> None:
    settings.SECOND_FACTOR = "required"
    study = factories.make_study()
    assert client.get(reverse("start", args=[study.slug]), follow=True).status_code == 200
    assert client.get(reverse("login")).status_code == 200
    log_in(client)
    for page in ("/", "/admin/", reverse("account"), reverse("new-run")):
        assert client.get(page).headers["Location"] == reverse("mfa_activate_totp"), page
    assert client.get(reverse("start", args=[study.slug]), follow=True).status_code == 200
    set_up(client)
    assert client.get(reverse("home")).status_code == 200


@pytest.mark.parametrize(
    ("count", "sender", "header", "address"),
    [
        (0, "10.0.0.2", "6.6.6.6", "10.0.0.2"),
        # Straight to the site's own port, past the proxy.
        (1, "6.6.6.6", "1.1.1.1", "6.6.6.6"),
        (1, "10.0.0.2", "1.1.1.1, 6.6.6.6", "6.6.6.6"),
        (2, "10.0.0.2", "6.6.6.6, 172.17.0.1", "6.6.6.6"),
        # Straight to the inner proxy, past the outer one.
        (2, "10.0.0.2", "1.1.1.1, 6.6.6.6", "6.6.6.6"),
        (2, "10.0.0.2", "1.1.1.1, 6.6.6.6, 172.17.0.1", "6.6.6.6"),
        (1, "10.0.0.2", "", "10.0.0.2"),
        (1, "10.0.0.2", "unknown", "10.0.0.2"),
        (1, "::1", "2001:db8::7", "2001:db8::7"),
        (1, "", "6.6.6.6", "6.6.6.6"),
        (4, "127.0.0.1", "6.6.6.6", "6.6.6.6"),
    ],
)
def test_an_address_is_believed_only_from_our_own_proxies(
    settings: Any, count: int, sender: str, header: str, address: str
) -> None:
    settings.PROXIES = count
    request = RequestFactory().get("/", headers={"x-forwarded-for": header}, REMOTE_ADDR=sender)
    assert client_address(request) == address


def test_a_forged_header_does_not_lift_the_lock(client: Client, ada: User, settings: Any) -> None:
    settings.PROXIES = 1
    for number in range(TRIES):
        log_in(
            client, "wrong", REMOTE_ADDR="6.6.6.6", headers={"x-forwarded-for": f"1.1.1.{number}"}
        )
    last = log_in(client, REMOTE_ADDR="6.6.6.6", headers={"x-forwarded-for": "1.1.1.9"})
    assert last.status_code == 429


def test_many_names_from_one_address_lock_the_address(client: Client, ada: User) -> None:
    def tried(number: int, **extra: Any) -> int:
        sent = {"login": f"name-{number}", "password": "summer2026"}
        return Client().post(reverse("login"), sent, **extra).status_code

    assert [tried(number) for number in range(50)] == [200] * 50
    locked = log_in(client)
    assert locked.status_code == 429
    assert "Too many failed attempts from this address" in text_of(locked)
    assert log_in(Client(), REMOTE_ADDR="192.0.2.7").status_code == 302
    for number in range(50):
        tried(number, REMOTE_ADDR=f"2001:db8:0:1::{number:x}")
    assert log_in(Client(), REMOTE_ADDR="2001:db8:0:1:ffff::1").status_code == 429
    assert log_in(Client(), REMOTE_ADDR="2001:db8:0:2::1").status_code == 302
