"""Identifiers of recruiting services, which are only stored as keyed hashes.

A placeholder that a service did not fill in (`{{%PROLIFIC_PID%}}`, `undefined`) identifies nobody:
two people who follow such a link must never be taken for one person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from studyapp.core.errors import BrokenLinkError
from studyapp.core.keys import ENTRY_SALT, EXTERNAL_SALT, PERSON_SALT, keyed_hash

MAX_LENGTH = 200
"""Maximum length of an identifier, characters; no recruiting service has longer ones."""
PLACEHOLDER = re.compile(r"[{}\[\]<>%$\s]|^:")
"""Matches placeholders that were not filled in: {{%X%}}, ${X}, %X%, [[X]], <X>, :X."""
PLACEHOLDER_NAMES = frozenset(
    ("undefined", "null", "none", "nan", "nil", "na", "n/a", "test", "prolific_pid", "session_id",
     "", "pid", "prolific_id", "prolificpid", "participant_id", "participantid", "worker_id",
     "workerid", "user_id", "userid", "study_id", "sessionid", "your_id", "id", "unknown",
     "anonymous", "xxx")
)  # fmt: skip
PLACEHOLDER_SIGNS = "_-*#@~|!=()+.:;,'\"\\/"
"""Characters around the placeholders of other services: *|PID|*, __PID__, #PID#."""
PROLIFIC_PID = re.compile(r"[0-9a-f]{24}")
SESSION_ID = re.compile(r"[0-9A-Za-z_-]+")
"""Characters that are safe in an address at Prolific: `..` would lead to another one."""


@dataclass(frozen=True)
class Identity:
    """The identifiers that a recruiting service gives a participant; never stored in plain text."""

    pid: str
    session: str

    @property
    def key(self) -> str:
        """Keyed hash of this person's submission."""
        return external_key(pid=self.pid, session=self.session)

    @property
    def person(self) -> str:
        """Keyed hash of this person, whatever the submission."""
        return keyed_hash(PERSON_SALT, self.pid)


@dataclass(frozen=True)
class Parameters:
    """The parameters of a service's link that identify a person and a submission."""

    person: str = "PROLIFIC_PID"
    session: str = "SESSION_ID"


def identity(*, pid: str, session: str, names: Parameters = Parameters()) -> Identity:
    """Return the identity in a link. Raises `BrokenLinkError` if it still has a placeholder."""
    for name, value in ((names.person, pid), (names.session, session)):
        is_missing = not value and name == names.person
        bare_name = value.strip(PLACEHOLDER_SIGNS).casefold()
        unfilled = PLACEHOLDER.search(value) or (value and bare_name in PLACEHOLDER_NAMES)
        if is_missing or unfilled or len(value) > MAX_LENGTH or not value.isprintable():
            raise BrokenLinkError(f"{name} was not filled in")
    return Identity(pid, session)


def check_prolific(identity: Identity) -> None:
    """Raise `BrokenLinkError` unless the identifiers have Prolific's format."""
    if not PROLIFIC_PID.fullmatch(identity.pid):
        raise BrokenLinkError("PROLIFIC_PID is not 24 hexadecimal digits")
    if not SESSION_ID.fullmatch(identity.session):
        raise BrokenLinkError("SESSION_ID is missing or does not have Prolific's format")


def external_key(*, pid: str, session: str) -> str:
    """Return the keyed hash of PROLIFIC_PID and SESSION_ID in hex; "" without a PROLIFIC_PID."""
    return keyed_hash(EXTERNAL_SALT, f"{pid}\n{session}") if pid else ""


def token_digest(token: str) -> str:
    """Return the keyed hash of an entry token in hex."""
    return keyed_hash(ENTRY_SALT, token)
