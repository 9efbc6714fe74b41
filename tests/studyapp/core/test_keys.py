"""The two keys, changed independently, and the files that only their owner can read."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.utils.crypto import salted_hmac

from studyapp.core import installation, keys
from studyapp.core.checks import data_folder_is_private
from studyapp.core.errors import InstallationError
from studyapp.exports.cells import pseudonym
from studyapp.models import Installation
from studyapp.participation.services import participations
from studyapp.recruitment.services.identities import external_key, token_digest
from tests.studyapp.factories import make_study

OLD, NEW = "o" * 40, "n" * 40
ASK = (
    "from django.db import connection as c; c.cursor().execute('CREATE TABLE t (x)');"
    "from studyapp.core.keys import key_fingerprint, keyed_hash, PSEUDONYM_SALT as s;"
    "print(key_fingerprint(), keyed_hash(s, 'somebody'))"
)


def manage(data: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EARWITNESS_")}
    (data / "earwitness.sqlite3").unlink(missing_ok=True)
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=settings.BASE_DIR, text=True,
        env=kept | {"EARWITNESS_DATA": str(data)} | given, capture_output=True, check=False,
    )  # fmt: skip


def said(data: Path, **given: str) -> list[str]:
    done = manage(data, "shell", "--no-imports", "-c", ASK, **given)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_of_many_first_starts_one_makes_the_key(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    with ThreadPoolExecutor(16) as pool:
        got = set(pool.map(lambda _: keys.read_or_create(path, keys.generate), range(200)))
    assert got == {path.read_text()}
    assert [one.name for one in tmp_path.iterdir()] == ["secret_key"]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "a", "x" * 31])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret_key").write_text(text)
    with pytest.raises(ImproperlyConfigured, match=f"secret_key has {len(text)} characters"):
        keys.read_or_create(tmp_path / "secret_key", keys.generate)


def test_the_check_refuses_a_short_key_in_one_line(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", EARWITNESS_SECRET_KEY="a")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("EARWITNESS_SECRET_KEY has 1 characters, under the minimum of 32")


def test_an_installation_from_before_keeps_its_pseudonyms_whatever_the_cookies_key_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret_key").write_text(OLD)
    wanted = salted_hmac("earwitness.pseudonym", "somebody", OLD, algorithm="sha256").hexdigest()
    fingerprint, name = said(tmp_path)
    assert name == wanted
    assert OLD not in (tmp_path / "pseudonym_key").read_text()
    assert said(tmp_path, EARWITNESS_SECRET_KEY=NEW) == [fingerprint, wanted]
    # The same key, named in the environment.
    assert said(tmp_path, EARWITNESS_PSEUDONYM_KEY=OLD) == [fingerprint, wanted]
    assert said(tmp_path, EARWITNESS_PSEUDONYM_KEY=NEW)[0] != fingerprint


def test_a_cookies_key_that_was_changed_at_the_same_time_is_followed_to_the_old_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "runs").mkdir()
    given = {"EARWITNESS_SECRET_KEY": NEW, "EARWITNESS_SECRET_KEY_FALLBACKS": OLD}
    wanted = salted_hmac("earwitness.pseudonym", "somebody", OLD, algorithm="sha256").hexdigest()
    assert said(tmp_path, **given)[1] == wanted


def test_files_in_a_new_data_folder_are_only_for_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "data"
    said(data)
    modes = {one.name: one.stat().st_mode & 0o777 for one in data.iterdir()}
    assert modes["earwitness.sqlite3"] == modes["secret_key"] == modes["pseudonym_key"] == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    assert not (data / "pseudonym_key").read_text().startswith("{")
    refused = manage(data, "check", EARWITNESS_UMASK="022")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)


def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    database = tmp_path / "other.sqlite3"
    database.touch(0o644)
    said(tmp_path, DATABASE_URL=f"sqlite:///{database}")
    assert database.stat().st_mode & 0o777 == 0o600


def test_an_open_data_folder_is_warned_of(tmp_path: Path, settings: Any) -> None:
    settings.DATA = tmp_path
    tmp_path.chmod(0o755)
    [warning] = data_folder_is_private()
    assert "open to every user" in warning.msg
    tmp_path.chmod(0o750)
    assert data_folder_is_private() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("now", "before"), [(OLD, []), (NEW, [OLD])])
def test_the_cookies_key_of_then_gives_every_name_of_then(
    settings: Any, now: str, before: list[str]
) -> None:
    participations.begin(study=make_study())
    Installation.objects.all().delete()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = now, before
    texts = ("p\ns", "t", "somebody")
    then = [
        salted_hmac(salt, text, OLD, algorithm="sha256").hexdigest()
        for salt, text in zip(keys.FORMER_SALTS, texts, strict=True)
    ]
    for key in (OLD, keys.from_cookie_key(OLD)):
        settings.PSEUDONYM_KEY = key
        assert [external_key(pid="p", session="s"), token_digest("t")] == then[:2]
        assert keys.keyed_hash(keys.PSEUDONYM_SALT, "somebody") == then[2]
        installation.check()
        Installation.objects.all().delete()


@pytest.mark.django_db
def test_the_first_key_of_a_database_with_people_must_name_them_as_before(settings: Any) -> None:
    Installation.objects.all().delete()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.PSEUDONYM_KEY = OLD, [], NEW
    participations.begin(study=make_study())
    with pytest.raises(InstallationError, match="made with an earlier EARWITNESS_SECRET_KEY"):
        installation.check()
    assert not Installation.objects.exists()


@pytest.mark.django_db
def test_a_database_without_people_accepts_any_first_key(settings: Any) -> None:
    Installation.objects.all().delete()
    settings.PSEUDONYM_KEY = NEW
    installation.check()
    assert Installation.objects.get().key_fingerprint == keys.key_fingerprint()


@pytest.mark.django_db
def test_second_factors_outlive_a_new_key_and_are_sealed_again(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    user = User.objects.create_user("bo")
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]

    def secret() -> str:
        from studyapp.accounts.second_factor import SecondFactorAdapter

        return SecondFactorAdapter().decrypt(Authenticator.objects.get().data["secret"])

    assert secret() == "JBSWY3DPEHPK3PXP"
    call_command("reseal", verbosity=0)
    settings.SECRET_KEY_FALLBACKS = []
    assert secret() == "JBSWY3DPEHPK3PXP"
    settings.SECRET_KEY = OLD
    with pytest.raises(ImproperlyConfigured, match="EARWITNESS_SECRET_KEY_FALLBACKS"):
        secret()


def test_pseudonyms_are_of_the_pseudonyms_key(settings: Any) -> None:
    pseudonym.cache_clear()
    settings.PSEUDONYM_KEY = OLD
    first = pseudonym("somebody")
    settings.SECRET_KEY = NEW
    pseudonym.cache_clear()
    assert pseudonym("somebody") == first
    settings.PSEUDONYM_KEY = NEW
    pseudonym.cache_clear()
    assert pseudonym("somebody") != first
    pseudonym.cache_clear()
