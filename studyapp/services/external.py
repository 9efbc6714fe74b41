"""Outside identifiers as keyed hashes: what the recruiting service calls somebody is not stored."""

from __future__ import annotations

from studyapp.keys import ENTRY_SALT, EXTERNAL_SALT, keyed_hash


def external_key(*, pid: str, session: str) -> str:
    """Keyed hash of PROLIFIC_PID and SESSION_ID, hexadecimal; empty without a PROLIFIC_PID."""
    return keyed_hash(EXTERNAL_SALT, f"{pid}\n{session}") if pid else ""


def token_digest(token: str) -> str:
    """Keyed hash of an entry token, hexadecimal."""
    return keyed_hash(ENTRY_SALT, token)
