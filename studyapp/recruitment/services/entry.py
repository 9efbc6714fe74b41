"""How participants enter a study: open links, tokens, a recruiting service, a laboratory computer.

A token is stored with the participation that it starts, under a lock on its row, so that opening a
single-use link twice at once starts only one participation. A use is counted at consent, so that
programs that fetch links for a preview use nothing up.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlencode

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from studyapp.core import clock
from studyapp.core.errors import NotInvitedError, StudyError
from studyapp.models import EntryToken, Participation, Recruitment, Study
from studyapp.recruitment import selectors
from studyapp.recruitment.services import codes, prolific_api
from studyapp.recruitment.services.pseudonyms import Identity, check_prolific, token_digest

PROLIFIC_COMPLETE = "https://app.prolific.com/submissions/complete"
TOKEN_BYTES = 18
ENDINGS = ("complete", "screened_out", "no_consent", "incompatible_device")
CODE = re.compile(r"[A-Za-z0-9_-]{1,20}")


def configure(
    *,
    study: Study,
    entry: str = Recruitment.Entry.LINK,
    service: str = Recruitment.Service.NONE,
    external_study: str = "",
    payment: Decimal | None = None,
    currency: str = "",
) -> Recruitment:
    """Set how the study admits participants, and what it pays for a complete participation.

    Raises `StudyError` for an unknown value, or for a payment without a currency.
    """
    if entry not in Recruitment.Entry.values:
        raise StudyError(f"entry is {entry!r}; known: {', '.join(Recruitment.Entry.values)}")
    if service not in Recruitment.Service.values:
        known = ", ".join(Recruitment.Service.values)
        raise StudyError(f"service is {service!r}; known: {known}")
    if payment is not None and (payment < 0 or not re.fullmatch(r"[A-Z]{3}", currency)):
        raise StudyError(
            f"payment is {payment} {currency!r}: give an amount and a currency such as EUR"
        )
    row, _ = Recruitment.objects.update_or_create(
        study=study,
        defaults={
            "entry": entry,
            "service": service,
            "external_study": external_study,
            "payment": payment,
            "currency": currency if payment is not None else "",
        },
    )
    return row


def check_codes(given: Mapping[str, str]) -> None:
    """Raise `StudyError` for an unknown ending or an invalid code."""
    unknown = sorted(set(given) - set(ENDINGS))
    if unknown:
        raise StudyError(f"codes are for {', '.join(ENDINGS)}, not {unknown[0]}")
    for ending, code in given.items():
        if not isinstance(code, str) or not CODE.fullmatch(code):
            raise StudyError(f"the code for {ending} is {code!r}: use up to 20 letters and digits")


def code_for(*, study: Study, ending: str) -> str:
    """Return the code for that ending: the one set up at the service, otherwise a new one."""
    return study.codes.get(ending) or codes.make()


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


def token_named(*, slug: str, token: str) -> EntryToken:
    """Return the stored token. Raises `NotInvitedError` if it is unknown or was revoked."""
    found = selectors.token_by_digest(slug=slug, digest=token_digest(token))
    if found is None:
        raise NotInvitedError("the token is unknown or was revoked")
    return found


def check_invited(
    *,
    study: Study,
    external_study: str = "",
    identity: Identity | None = None,
    has_token: bool = False,
) -> str:
    """Return what the recruiting service knows of the submission: `Participation.Submission` or "".

    Raises `NotInvitedError` unless the study admits visitors who come this way.
    """
    recruitment = selectors.of_study(study)
    is_prolific = recruitment.service == Recruitment.Service.PROLIFIC
    if identity is not None and is_prolific:
        check_prolific(identity)
    expected = recruitment.external_study
    if expected and identity is not None and external_study != expected:
        raise NotInvitedError("the link belongs to another study of the recruiting service")
    if recruitment.entry != Recruitment.Entry.LINK:
        by_service = identity is not None and is_prolific
        if not (has_token or by_service):
            raise NotInvitedError(f"{study} only admits people who have a token")
    if identity is None or not is_prolific:
        return ""
    return prolific_api.standing(identity=identity, external_study=expected)


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


def reclaim(*, participation: Participation, status: str) -> bool:
    """End an active participation as returned or timed out, which frees its place at once.

    Returns whether it was active; a complete, refused or withdrawn participation does not change.
    """
    with transaction.atomic():
        changed = Participation.objects.filter(
            pk=participation.pk, status=Participation.Status.ACTIVE
        ).update(status=status, finished_at=clock.now(), lease_expires_at=None)
    participation.refresh_from_db()
    return bool(changed)


def way_back(*, participation: Participation) -> str:
    """Return the recruiting service's address for the participation's code; "" if there is none."""
    code = participation.completion_code or participation.ending_code
    recruitment = selectors.of_study(participation.study)
    came_by_service = bool(participation.external_key) and not participation.simulated
    if recruitment.service != Recruitment.Service.PROLIFIC or not (code and came_by_service):
        return ""
    return f"{PROLIFIC_COMPLETE}?{urlencode({'cc': code})}"
