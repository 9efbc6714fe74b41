"""Checks that this machine's key and data folder belong to the database.

With another key, every participation would get another pseudonym: nobody could be found again, and
two exports of one study would not match. With another data folder, the rows would name runs and
sounds that do not exist: jobs would fail, and participants would hear nothing. The site refuses to
start in both cases.
"""

from __future__ import annotations

import uuid
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from studyapp.core.errors import InstallationError
from studyapp.core.keys import gives_same_pseudonyms, key_fingerprint
from studyapp.core.storage import create_once
from studyapp.models import Installation, Participation

NAME = "installation"
"""File in the data folder with the identifier of its installation; a backup includes it."""


def check() -> None:
    """Compare key and data folder with the database; record them if it has neither yet.

    Raises `InstallationError` if the database was made with another key or for another folder. A
    database from before pseudonyms had their own key was made with the cookie key.
    """
    if Installation._meta.db_table not in connection.introspection.table_names():
        return  # A migration is being reversed to before this table.
    row = Installation.objects.filter(pk=1).first() or _noted()
    _check_key(row)
    if not settings.ELSEWHERE:
        _check_folder(row)


def check_steps() -> None:
    """Raise `InstallationError` if only some of the migrations that are now one were applied.

    Django would take the others for applied too.
    """
    done = MigrationRecorder(connection).applied_migrations()
    first = import_module("studyapp.migrations.0001_initial").Migration
    missing = [name for app, name in first.replaces if (app, name) not in done]
    if ("studyapp", "0001_initial") in done and missing:
        raise InstallationError(
            f"the database has not reached {missing[-1]}: run `manage.py migrate` of "
            "the version that has that step, then start this one"
        )


def _noted() -> Installation:
    """Create the row with the current key's fingerprint, if the key keeps every pseudonym."""
    if Participation.objects.exists():
        before = [*settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY]
        if not any(map(gives_same_pseudonyms, before)):
            raise InstallationError(
                "existing pseudonyms were made with an earlier EARWITNESS_SECRET_KEY: set "
                "EARWITNESS_PSEUDONYM_KEY to that key (and if it is no longer the secret key, add "
                "it to EARWITNESS_SECRET_KEY_FALLBACKS too)"
            )
    # Two processes that start at the same time both get here.
    return Installation.objects.get_or_create(
        pk=1, defaults={"key_fingerprint": key_fingerprint()}
    )[0]


def _check_key(row: Installation) -> None:
    if row.key_fingerprint != key_fingerprint():
        raise InstallationError(
            f"the database belongs to the pseudonym key {row.key_fingerprint}, but this machine "
            f"has {key_fingerprint()}: restore the old key (the file pseudonym_key in "
            "EARWITNESS_DATA, or EARWITNESS_PSEUDONYM_KEY)"
        )


def _check_folder(row: Installation) -> None:
    path = Path(settings.DATA) / NAME
    if not row.identifier:
        # If two processes with different folders start at once, only one folder is recorded.
        Installation.objects.filter(pk=1, identifier="").update(identifier=_written(path))
        row.refresh_from_db()
    if not path.exists() or path.read_text().strip() != row.identifier:
        raise InstallationError(
            f"EARWITNESS_DATA is {settings.DATA}, which is not the data folder of this database. "
            f"Set it to the right folder; if this one was restored without its file {NAME}, write "
            f"{row.identifier} into {path}"
        )


def _written(path: Path) -> str:
    """Return the folder's identifier; create it if there is none."""
    if not path.exists():
        create_once(path, uuid.uuid4().hex)
    return path.read_text().strip()
