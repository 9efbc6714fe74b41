"""The read-only API: studies and the tables of their exports, as JSON; see `docs/api.md`.

Requests carry `Authorization: Bearer SECRET`. A table is streamed as JSON lines, one object per
row, from one snapshot of the database; its columns and types are those of the codebook.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET

from studyapp import exports
from studyapp.accounts.services import tokens
from studyapp.api import selectors
from studyapp.core import audit
from studyapp.core.snapshot import snapshot
from studyapp.exports import codebook
from studyapp.exports.files import File
from studyapp.models import Study
from studyapp.studies.services import blinding

LINES = "application/x-ndjson"
LINES_AT_ONCE = 200


def with_token(view: Callable[..., HttpResponse | StreamingHttpResponse]) -> Callable[..., Any]:
    """Require a valid token and set the request's user to its owner; otherwise answer 401."""

    @login_not_required  # the token replaces the login
    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        user = tokens.owner_of(secret.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            answer = _error(401, "give a valid token: Authorization: Bearer SECRET")
            answer["WWW-Authenticate"] = "Bearer"
            return answer
        request.user = user
        return view(request, *args, **kwargs)

    return wrapped


@with_token
@require_GET
def studies(request: HttpRequest) -> HttpResponse:
    """List every study and version that the token's owner may see."""
    found = selectors.studies_for(cast(User, request.user))
    return JsonResponse({"studies": [_summary(request, study) for study in found]})


@with_token
@require_GET
def study(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Return one version: its protocol, as in `study.json`, and the addresses of its tables."""
    found = _study(request, slug, version)
    if found is None:
        return _error(404, f"there is no study {slug} version {version} for this token")
    files = [file for file, _ in exports.tables(found).values()]
    return JsonResponse(
        {
            **_summary(request, found),
            "protocol": exports.protocol(found, whole=blinding.may_be_seen(found)),
            "codebook": codebook.as_document(files),
        }
    )


@with_token
@require_GET
def table(
    request: HttpRequest, slug: str, version: int, name: str
) -> HttpResponse | StreamingHttpResponse:
    """Stream one table as JSON lines."""
    found = _study(request, slug, version)
    if found is None:
        return _error(404, f"there is no study {slug} version {version} for this token")
    if not blinding.may_be_seen(found):
        return _error(403, f"{found} is neither closed nor unblinded: its tables name the method")
    known = exports.tables(found)
    if name not in known:
        return _error(404, f"there is no table {name!r}; known: {', '.join(known)}")
    audit.note(
        user=request.user, action="read by token", target=found, project=found.project, table=name
    )
    file, rows = known[name]
    return StreamingHttpResponse(_lines(file, rows), content_type=LINES)


def _lines(file: File[Any], rows: Callable[[], Any]) -> Iterator[str]:
    with snapshot():
        lines: list[str] = []
        for row in rows():
            lines.append(json.dumps(file.record(row), ensure_ascii=False) + "\n")
            if len(lines) == LINES_AT_ONCE:
                yield "".join(lines)
                lines.clear()
        yield "".join(lines)


def _study(request: HttpRequest, slug: str, version: int) -> Study | None:
    return selectors.study_for(cast(User, request.user), slug, version)


def _summary(request: HttpRequest, found: Study) -> dict[str, Any]:
    own = [found.slug, found.version]
    address = request.build_absolute_uri
    names = ("responses", "participants", "trials", "events", "problems", "labels", "stimuli")
    return {
        "study": found.slug,
        "study_version": found.version,
        "title": found.title,
        "state": found.state,
        "design_hash": found.design_hash or None,
        "url": address(reverse("api-study", args=own)),
        "tables": {name: address(reverse("api-table", args=[*own, name])) for name in names},
    }


def _error(status: int, line: str) -> JsonResponse:
    return JsonResponse({"error": line}, status=status)
