"""The installation's two secret keys; each is kept in a file unless the environment sets it.

*The cookie key* (`EARWITNESS_SECRET_KEY`, otherwise the file `secret_key` in the data folder) signs
sessions, cookies and links, and encrypts second factors. It can be changed after a leak: keep the
old key in `EARWITNESS_SECRET_KEY_FALLBACKS` for as long as something made with it is needed.

*The pseudonym key* (`EARWITNESS_PSEUDONYM_KEY`, otherwise the file `pseudonym_key`) makes the
pseudonyms in exports, and finds people by their service's identifiers and entry tokens. It must
never change: otherwise the same people would get other pseudonyms and could not be found again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from studyapp.core.storage import create_once

MIN_CHARACTERS = 32
EXTERNAL_SALT = "earwitness.external"
PERSON_SALT = "earwitness.person"
ENTRY_SALT = "earwitness.entry"
PSEUDONYM_SALT = "earwitness.pseudonym"
FORMER_SALTS = (EXTERNAL_SALT, ENTRY_SALT, PSEUDONYM_SALT)
"""Salts that were used with the cookie key before there was a pseudonym key."""
MAKE_ONE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def keyed_hash(salt: str, text: str) -> str:
    """Return the text's HMAC-SHA-256 under the pseudonym key, in hex; `salt` is the purpose."""
    return hmac.new(_hmac_key(settings.PSEUDONYM_KEY, salt), text.encode(), "sha256").hexdigest()


def secret_hash(secret: str) -> str:
    """Return the SHA-256 of a random secret, hexadecimal: what is stored in its place.

    A secret of 192 random bits or more needs no slow hash: it cannot be guessed.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def key_fingerprint() -> str:
    """Return a fingerprint of the pseudonym key, which reveals nothing about the key itself."""
    return keyed_hash(PSEUDONYM_SALT, "fingerprint")[:16]


def gives_same_pseudonyms(cookie_key: str) -> bool:
    """Whether the pseudonym key gives the same pseudonyms as this cookie key used to."""
    ours = settings.PSEUDONYM_KEY
    return all(_hmac_key(ours, salt) == _derived(cookie_key, salt) for salt in FORMER_SALTS)


def generate() -> str:
    """Return a new key of 384 random bits."""
    return secrets.token_urlsafe(48)


def from_cookie_key(cookie_key: str) -> str:
    """Return a pseudonym key that keeps the pseudonyms made with this cookie key.

    It contains values derived from the cookie key, not the key itself.
    """
    former = {salt: _derived(cookie_key, salt).hex() for salt in FORMER_SALTS}
    return json.dumps({"root": generate()} | former)


def check_length(name: str, key: str) -> str:
    """Return the key. Raises `ImproperlyConfigured` if it is too short."""
    if len(key) < MIN_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} has {len(key)} characters, under the minimum of {MIN_CHARACTERS}: "
            + ("restore the original file" if not key else f"make one with {MAKE_ONE}")
        )
    return key


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the key in the file, which is created if missing and readable only by its owner.

    Raises `ImproperlyConfigured` if the file cannot be read or created, or contains no key.
    """
    try:
        if not path.exists():
            create_once(path, make(), mode=0o600)
        return check_length(str(path), path.read_text().strip())
    except OSError as error:
        what = f"{path.name} cannot be read" if path.exists() else "it is not writable"
        raise ImproperlyConfigured(
            f"EARWITNESS_DATA is {path.parent}: {what} ({error.strerror})"
        ) from error


@lru_cache(maxsize=32)
def _hmac_key(key: str, salt: str) -> bytes:
    if not key.startswith("{"):
        return _derived(key, salt)
    parts: dict[str, str] = json.loads(key)
    return bytes.fromhex(parts[salt]) if salt in parts else _derived(parts["root"], salt)


def _derived(key: str, salt: str) -> bytes:
    """Derive the key as `django.utils.crypto.salted_hmac` does, which made the first pseudonyms."""
    return hashlib.sha256((salt + key).encode()).digest()
