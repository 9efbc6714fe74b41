"""The installation's two secrets, each in a file of its own where the environment names none.

*The cookies' key* (`EARWITNESS_SECRET_KEY`, else `secret_key` in the data folder) signs sessions,
cookies and links, and seals second factors. It can be changed after a leak: the old one goes into
`EARWITNESS_SECRET_KEY_FALLBACKS` until nothing made under it is needed any more.

*The pseudonyms' key* (`EARWITNESS_PSEUDONYM_KEY`, else `pseudonym_key` there) makes the names of
participations in exports and finds people by their service's identifiers and entry tokens. It must
never change: exports would name the same people otherwise, and nobody would be found again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LEAST_CHARACTERS = 32
EXTERNAL_SALT = "earwitness.external"
PERSON_SALT = "earwitness.person"
ENTRY_SALT = "earwitness.entry"
PSEUDONYM_SALT = "earwitness.pseudonym"
FORMERLY = (EXTERNAL_SALT, ENTRY_SALT, PSEUDONYM_SALT)
"""What was keyed by the cookies' key before the pseudonyms had one of their own."""
MAKE_ONE = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'


def keyed_hash(salt: str, text: str) -> str:
    """The text's hash under the pseudonyms' key, SHA-256 as hexadecimal; `salt` says what for."""
    return hmac.new(_hmac_key(settings.PSEUDONYM_KEY, salt), text.encode(), "sha256").hexdigest()


def secret_hash(secret: str) -> str:
    """Return the SHA-256 of a random secret, hexadecimal: what is stored in its place.

    A secret of 192 random bits or more needs no slow hash: it cannot be guessed.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def key_fingerprint() -> str:
    """Tells whether the pseudonyms' key is the one that it was, and nothing of the key itself."""
    return keyed_hash(PSEUDONYM_SALT, "fingerprint")[:16]


def names_alike(cookies_key: str) -> bool:
    """Whether the pseudonyms' key names everybody as this cookies' key did before there was one."""
    ours = settings.PSEUDONYM_KEY
    return all(_hmac_key(ours, salt) == _derived(cookies_key, salt) for salt in FORMERLY)


def fresh() -> str:
    """A new key: 384 random bits."""
    return secrets.token_urlsafe(48)


def as_before(cookies_key: str) -> str:
    """A pseudonyms' key for an installation that used the cookies' key: no pseudonym changes.

    What is written down is what was derived from that key, not the key.
    """
    former = {salt: _derived(cookies_key, salt).hex() for salt in FORMERLY}
    return json.dumps({"root": fresh()} | former)


def checked(name: str, key: str) -> str:
    """The key. Raises `ImproperlyConfigured` if it is too short to be one."""
    if len(key) < LEAST_CHARACTERS:
        raise ImproperlyConfigured(
            f"{name} has {len(key)} characters, under the least of {LEAST_CHARACTERS}: "
            + ("put back the file that was there" if not key else f"make one with {MAKE_ONE}")
        )
    return key


def kept(path: Path, make: Callable[[], str]) -> str:
    """The key in that file, made with it where there is none; for its owner alone.

    Raises `ImproperlyConfigured` if the file cannot be read or made, or holds no key.
    """
    try:
        if not path.exists():
            _publish(path, make())
        return checked(str(path), path.read_text().strip())
    except OSError as error:
        what = f"{path.name} cannot be read" if path.exists() else "nothing can be written there"
        raise ImproperlyConfigured(
            f"EARWITNESS_DATA is {path.parent}: {what} ({error.strerror})"
        ) from error


def _publish(path: Path, text: str) -> None:
    """Write the file whole under another name first: whoever reads it never finds a part of it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # A link is not made over a file that is there: of two first starts one makes the key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


@lru_cache(maxsize=32)
def _hmac_key(key: str, salt: str) -> bytes:
    if not key.startswith("{"):
        return _derived(key, salt)
    parts: dict[str, str] = json.loads(key)
    return bytes.fromhex(parts[salt]) if salt in parts else _derived(parts["root"], salt)


def _derived(key: str, salt: str) -> bytes:
    """As `django.utils.crypto.salted_hmac` derives it, which made every pseudonym so far."""
    return hashlib.sha256((salt + key).encode()).digest()
