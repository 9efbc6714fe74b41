"""Entry tokens: single-use, shared, or for a laboratory's kiosk; only their hashes are stored.

A token is stored with the participation that it starts, under a lock on its row, so that opening a
single-use link twice at once starts only one participation. A use is counted at consent, so that
programs that fetch links for a preview use nothing up.
"""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from studyapp.core.errors import NotInvitedError, StudyError
from studyapp.models import EntryToken, Participation, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services.identities import token_digest

TOKEN_BYTES = 18


def make_tokens(
    *, study: Study, kind: str, count: int = 1, max_uses: int | None = None, note: str = ""
) -> list[str]:
    """Create tokens and return them; only their hashes are stored.

    Raises `StudyError` if the kind is unknown or a number is out of range.
    """
    if kind not in EntryToken.Kind.values:
        raise StudyError(f"kind is {kind!r}; known: {', '.join(EntryToken.Kind.values)}")
    if not 1 <= count <= 10_000:
        raise StudyError(f"the number of tokens is {count}; it must be from 1 to 10000")
    if max_uses is not None and max_uses < 1:
        raise StudyError(f"max_uses is {max_uses}; it must be at least 1")
    uses = 1 if kind == EntryToken.Kind.SINGLE else max_uses
    tokens = [secrets.token_urlsafe(TOKEN_BYTES) for _ in range(count)]
    EntryToken.objects.bulk_create(
        EntryToken(study=study, kind=kind, digest=token_digest(token), max_uses=uses, note=note)
        for token in tokens
    )
    return tokens


def revoke(*, token: EntryToken) -> None:
    """Admit no new participants with the token; those who entered with it can continue."""
    EntryToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def revoke_links(*, study: Study, lines: str) -> int:
    """Revoke the tokens of these links, one per line, and return how many there were.

    Raises `StudyError`, and revokes none, if a line is not a link of the study that still works.
    """
    links = [line.strip() for line in lines.splitlines() if line.strip()]
    if not links:
        raise StudyError("no link was given: paste one per line")
    with transaction.atomic():
        for link in links:
            # Not `urlsplit`, which raises for some texts that are no addresses.
            query = link.partition("?")[2].partition("#")[0]
            token = parse_qs(query).get("t", [link])[0]
            try:
                revoke(token=token_named(slug=study.slug, token=token))
            except NotInvitedError:
                raise StudyError(
                    f"{link[:200]} is not a personal link of {study.slug}, or was revoked before; "
                    "nothing was revoked"
                ) from None
    return len(links)


def token_named(*, slug: str, token: str) -> EntryToken:
    """Return the stored token. Raises `NotInvitedError` if it is unknown or was revoked."""
    found = selectors.token_by_digest(slug=slug, digest=token_digest(token))
    if found is None:
        raise NotInvitedError("the token is unknown or was revoked")
    return found


def attach(*, participation: Participation, token: EntryToken) -> None:
    """Store the token that the participation came with, in the transaction that creates it.

    No use is counted yet, so that programs that preview links use nothing up. Raises
    `NotInvitedError` if the token is used up or revoked, or is a single-use token that already has
    a participation.
    """
    row = EntryToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    is_single = row.kind == EntryToken.Kind.SINGLE
    if is_single and Participation.objects.filter(entry=row).exists():
        raise NotInvitedError("the token already has a participation")
    if row.revoked_at or (row.max_uses is not None and row.uses >= row.max_uses):
        raise NotInvitedError("the token is used up or was revoked")
    participation.entry = row
    participation.save(update_fields=["entry"])


def use_token(*, participation: Participation) -> None:
    """Count one use of the participation's token, in the transaction of its consent.

    Raises `NotInvitedError` if others have used the token up in the meantime. A token that was
    revoked in the meantime still counts: those who entered with it can continue.
    """
    token = participation.entry
    if token is None or participation.consented_at is not None:
        return
    if token.kind == EntryToken.Kind.SINGLE:
        EntryToken.objects.filter(pk=token.pk).update(uses=1)
        return
    free = Q(max_uses=None) | Q(uses__lt=F("max_uses"))
    if not EntryToken.objects.filter(free, pk=token.pk).update(uses=F("uses") + 1):
        raise NotInvitedError("the token is used up or was revoked")
