"""Whether this machine's key is the one that the database was made under.

Under another key every participation gets another pseudonym and nobody is found again: exports of
one study would not fit together. So a start under another key is refused.
"""

from __future__ import annotations

from django.db import connection

from studyapp.errors import InstallationError
from studyapp.keys import key_fingerprint
from studyapp.models import Installation


def check_key() -> None:
    """Note the key's fingerprint in a database that has none yet.

    Raises `InstallationError` if the database was made under another key.
    """
    if Installation._meta.db_table not in connection.introspection.table_names():
        return  # Its tables are being taken back to a time before this row.
    row, _ = Installation.objects.get_or_create(
        pk=1, defaults={"key_fingerprint": key_fingerprint()}
    )
    if row.key_fingerprint != key_fingerprint():
        raise InstallationError(
            f"the database was made under the pseudonyms' key {row.key_fingerprint}, and this "
            f"machine's is {key_fingerprint()}: put the old one back (the file pseudonym_key in "
            "EARWITNESS_DATA, or EARWITNESS_PSEUDONYM_KEY)"
        )
