"""Outside identifiers as keyed hashes: what the recruiting service calls somebody is not stored."""

from __future__ import annotations

from django.utils.crypto import salted_hmac

EXTERNAL_SALT = "earwitness.external"
ENTRY_SALT = "earwitness.entry"


def external_key(*, pid: str, session: str) -> str:
    """Keyed hash of PROLIFIC_PID and SESSION_ID, hexadecimal; empty without a PROLIFIC_PID."""
    return _hash(EXTERNAL_SALT, f"{pid}\n{session}") if pid else ""


def token_digest(token: str) -> str:
    """Keyed hash of an entry token, hexadecimal."""
    return _hash(ENTRY_SALT, token)


def _hash(salt: str, text: str) -> str:
    return salted_hmac(salt, text, algorithm="sha256").hexdigest()
