"""Passwords: which are accepted, how they are changed and reset, and what that ends."""

from __future__ import annotations

import io
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp.accounts.services import accounts, projects, tokens
from studyapp.models import ApiToken, AuditRecord, Project, Role, Study
from tests.studyapp import factories

pytestmark = pytest.mark.django_db
OLD, NEW = "a long one 12", "another long one"


@pytest.fixture(autouse=True)
def _quick_hashes(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def bo() -> User:
    return User.objects.create_user("bo", password=OLD, email="bo@example.org")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def by_token(secret: str) -> int:
    client = Client(headers={"authorization": f"Bearer {secret}"})
    return client.get(reverse("api-studies")).status_code


def change(client: Client, old: str = OLD, new: str = NEW) -> Any:
    given = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(reverse("change-password"), given)


def invited() -> tuple[str, Project]:
    owner = User.objects.create_user("owner", password="x")
    project = projects.make(name="Hearing", owner=owner)
    _, secret = projects.invite(project=project, role=Role.VIEWER, note="", by=owner)
    return reverse("invitation", args=[secret]), project


@pytest.mark.parametrize("password", ["1", "password12", "2837465910", "newcomer-x", "short"])
def test_a_weak_password_is_refused(password: str) -> None:
    link, _ = invited()
    form = {"username": "newcomer-x1", "password1": password, "password2": password}
    assert Client().post(link, form).status_code == 422
    assert not User.objects.filter(username="newcomer-x1").exists()


def test_a_new_password_ends_other_sessions_and_tokens_but_not_this_session(bo: User) -> None:
    here, there = signed_in(bo), signed_in(bo)
    _, secret = tokens.make(user=bo, name="notebook")
    assert by_token(secret) == 200
    assert change(here, old="wrong").status_code == 422
    assert change(here, new="1").status_code == 422
    assert change(here).headers["Location"] == reverse("account")
    assert here.get(reverse("account")).status_code == 200
    assert there.get(reverse("account")).status_code == 302
    assert by_token(secret) == 401
    assert AuditRecord.objects.filter(who="bo", action="changed the password").exists()


def test_wrong_old_passwords_lock(bo: User) -> None:
    client = signed_in(bo)
    assert [change(client, old="wrong").status_code for _ in range(5)] == [422] * 4 + [429]
    assert change(client).status_code == 429


def test_a_password_changed_in_any_other_way_ends_tokens_too(bo: User) -> None:
    _, secret = tokens.make(user=bo, name="notebook")
    bo.set_password(NEW)
    bo.save()
    assert by_token(secret) == 401
    assert "notebook" not in signed_in(bo).get(reverse("account")).content.decode()


class FewIterations(PBKDF2PasswordHasher):
    """A hash as an earlier version of Django made it."""

    iterations = 10


class MoreIterations(PBKDF2PasswordHasher):
    """A hash as the next version of Django makes it."""

    iterations = 20


def test_a_newer_hash_of_the_same_password_ends_no_token(bo: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.FewIterations"]
    bo.set_password(OLD)
    bo.save()
    _, secret = tokens.make(user=bo, name="notebook")
    settings.PASSWORD_HASHERS = [f"{__name__}.MoreIterations"]
    form = {"login": "bo", "password": OLD}
    assert Client().post(reverse("login"), form).status_code == 302
    bo.refresh_from_db()
    assert bo.password.startswith("pbkdf2_sha256$20$")
    assert by_token(secret) == 200
    bo.set_password(NEW)
    bo.save(update_fields=["password"])
    assert by_token(secret) == 401


def test_replacing_a_password_hash_ends_tokens(bo: User) -> None:
    for password in (NEW, None):
        _, secret = tokens.make(user=bo, name="notebook")
        bo.password = make_password(password)
        bo.save(update_fields=["password"])
        assert by_token(secret) == 401


def test_a_token_expires_and_ends_with_its_owners_account(bo: User, settings: Any) -> None:
    token, secret = tokens.make(user=bo, name="notebook")
    days = (token.expires_at - timezone.now()) / timedelta(days=1)
    assert days == pytest.approx(settings.TOKEN_DAYS, abs=0.01)
    User.objects.update(is_active=False)
    assert by_token(secret) == 401
    User.objects.update(is_active=True)
    assert by_token(secret) == 200
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert by_token(secret) == 401


def test_a_token_needs_the_second_factor_where_it_is_required(bo: User, settings: Any) -> None:
    _, secret = tokens.make(user=bo, name="notebook")
    settings.SECOND_FACTOR = "required"
    assert by_token(secret) == 401
    TOTP.activate(bo, generate_totp_secret())
    assert by_token(secret) == 200


def test_an_administrators_token_reads_only_projects_that_they_are_in() -> None:
    root = User.objects.create_superuser("root", password=OLD)
    study = factories.make_study()
    _, secret = tokens.make(user=root, name="n")
    client = Client(headers={"authorization": f"Bearer {secret}"})
    own = [study.slug, study.version]
    assert client.get(reverse("api-studies")).json() == {"studies": []}
    assert client.get(reverse("api-study", args=own)).status_code == 404
    Study.objects.update(project=projects.make(name="Hearing", owner=root))
    assert client.get(reverse("api-study", args=own)).status_code == 200


def test_a_link_by_mail_sets_a_password_once(bo: User, settings: Any) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    _, secret = tokens.make(user=bo, name="notebook")
    there = signed_in(bo)
    for address in ("bo@example.org", "nobody@example.org", "bo@example.org"):
        asked = Client().post(reverse("password-forgotten"), {"email": address})
        assert asked.headers["Location"] == reverse("password-sent")
    [sent] = mail.outbox
    link = re.findall(r"http://testserver(\S+)", str(sent.body))[0]
    client = Client()
    page = client.get(link).headers["Location"]
    assert link.split("/")[-2] not in page
    given = {"new_password1": NEW, "new_password2": NEW}
    assert client.post(page, {"new_password1": "1", "new_password2": "1"}).status_code == 200
    assert client.post(page, given).headers["Location"] == reverse("login")
    assert there.get(reverse("account")).status_code == 302
    assert by_token(secret) == 401
    bo.refresh_from_db()
    assert bo.check_password(NEW)
    assert "cannot be used" in Client().get(link, follow=True).content.decode()


def test_where_no_mail_is_sent_an_administrator_makes_the_link(bo: User) -> None:
    assert Client().post(reverse("password-forgotten"), {"email": bo.email}).status_code == 404
    out = io.StringIO()
    call_command("password_link", "bo", "--site", "http://testserver", stdout=out)
    assert "New password" in Client().get(out.getvalue().strip(), follow=True).content.decode()
    with pytest.raises(CommandError, match="no active account named 'nobody'"):
        call_command("password_link", "nobody")
    root = signed_in(User.objects.create_superuser("root", password=OLD))
    chosen = {"action": "password_link", "_selected_action": [bo.pk]}
    page = root.post(reverse("admin:auth_user_changelist"), chosen, follow=True)
    link = re.findall(r"Link for bo: http://testserver(\S+?)<", page.content.decode())[0]
    assert "Current password" in root.get("/admin/password_change/").content.decode()
    assert "New password" in Client().get(link, follow=True).content.decode()


def test_changing_the_e_mail_address_needs_the_password(bo: User) -> None:
    client = signed_in(bo)
    led = client.post(reverse("change-email"), {"email": "eve@example.org"})
    assert led.headers["Location"].startswith(reverse("account_reauthenticate"))
    client.post(led.headers["Location"], {"password": OLD})
    assert client.post(reverse("change-email"), {"email": "no address"}).status_code == 422
    assert client.post(reverse("change-email"), {"email": "b@example.org"}).status_code == 302
    bo.refresh_from_db()
    assert bo.email == "b@example.org"


@pytest.mark.django_db(transaction=True)
def test_one_invitation_makes_one_account_however_many_come_at_once() -> None:
    link, project = invited()

    def join(number: int) -> int:
        form = {"username": f"guest{number}", "password1": OLD, "password2": OLD}
        try:
            return Client().post(link, form).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        got = sorted(pool.map(join, range(6)))
    assert got == [302, *[404] * 5]
    assert User.objects.filter(username__startswith="guest").count() == 1
    assert project.memberships.count() == 2


def test_an_invitation_used_between_two_looks_leaves_no_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, _ = invited()
    found = projects.invitation(link.split("/")[2])
    _accepted_by(link, "first")
    monkeypatch.setattr(projects, "invitation", lambda _: found)
    form = {"username": "second", "password1": OLD, "password2": OLD}
    late = Client().post(link, form)
    assert late.status_code == 404
    assert "cannot be used" in late.content.decode()
    assert not User.objects.filter(username="second").exists()


def _accepted_by(link: str, name: str) -> None:
    form = {"username": name, "password1": OLD, "password2": OLD}
    assert Client().post(link, form).status_code == 302


def test_a_secret_address_is_in_no_log(caplog: pytest.LogCaptureFixture, bo: User) -> None:
    from studyapp.core.logs import WithoutPaths

    caplog.handler.addFilter(WithoutPaths())
    secret = "kSVh3-TI3WEX4mgs"
    client = Client(enforce_csrf_checks=True)
    with caplog.at_level(logging.INFO):
        client.get(f"/join/{secret}/")
        client.get(f"/join/{secret}/more")
        client.get(f"/join/{secret}")
        client.post(f"/join/{secret}/")
        client.get(f"/s/x/audio/{secret}/1")
        client.get(f"/{secret}")
        sent = {"login": "bo", "password": "wrong", "next": f"/join/{secret}/"}
        Client().post(reverse("login") + f"?next=/join/{secret}/", sent)
    assert "/join/<str:secret>/" in caplog.text
    assert secret not in caplog.text
    from axes.models import AccessAttempt

    assert secret not in str(list(AccessAttempt.objects.values()))
    assert accounts.password_path(bo)
