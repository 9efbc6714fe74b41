"""Whether this machine's key and data folder are those that the database belongs to.

Under another key every participation gets another pseudonym and nobody is found again: exports of
one study would not fit together. With another data folder the rows name runs and sounds that are
not there: jobs fail, and participants hear nothing. So either is refused before anything is served.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from django.conf import settings
from django.db import connection

from studyapp.core.errors import InstallationError
from studyapp.core.keys import key_fingerprint, names_alike
from studyapp.models import Installation, Participation

NAME = "installation"
"""File in the data folder that says which installation it is of; a backup has it."""


def check() -> None:
    """Note key and data folder in a database that has neither yet.

    Raises `InstallationError` if the database was made under another key, or for another folder.
    One from before the pseudonyms had a key of their own was made under the cookies' key.
    """
    if Installation._meta.db_table not in connection.introspection.table_names():
        return  # Its tables are being taken back to a time before this row.
    row = Installation.objects.filter(pk=1).first() or _noted()
    _check_key(row)
    _check_folder(row)


def _noted() -> Installation:
    """The row, with the fingerprint of the present key, if that names everybody as before."""
    if Participation.objects.exists():
        before = [*settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY]
        if not any(map(names_alike, before)):
            raise InstallationError(
                "participations were named by the EARWITNESS_SECRET_KEY of then: set "
                "EARWITNESS_PSEUDONYM_KEY to that one (if it has changed since, put it into "
                "EARWITNESS_SECRET_KEY_FALLBACKS too)"
            )
    # Two that start at once both come here.
    return Installation.objects.get_or_create(
        pk=1, defaults={"key_fingerprint": key_fingerprint()}
    )[0]


def _check_key(row: Installation) -> None:
    if row.key_fingerprint != key_fingerprint():
        raise InstallationError(
            f"the database was made under the pseudonyms' key {row.key_fingerprint}, and this "
            f"machine's is {key_fingerprint()}: put the old one back (the file pseudonym_key in "
            "EARWITNESS_DATA, or EARWITNESS_PSEUDONYM_KEY)"
        )


def _check_folder(row: Installation) -> None:
    path = Path(settings.DATA) / NAME
    if not row.identifier:
        # Of two folders that ask at once, one is noted; the other is then not the database's.
        Installation.objects.filter(pk=1, identifier="").update(identifier=_written(path))
        row.refresh_from_db()
    if not path.exists() or path.read_text().strip() != row.identifier:
        raise InstallationError(
            f"EARWITNESS_DATA is {settings.DATA}, which is not the data folder of this database. "
            f"Name the one that is; if this is it, restored without its file {NAME}, write "
            f"{row.identifier} into {path}"
        )


def _written(path: Path) -> str:
    """The folder's identifier, made where it has none."""
    if not path.exists():
        path.write_text(uuid.uuid4().hex)
    return path.read_text().strip()
