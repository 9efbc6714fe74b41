"""What a page's script sends: sounds played, page hidden, somebody still there."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from studyapp.participation.forms.events import parse_events
from studyapp.participation.selectors.trials import heard_by_token
from studyapp.participation.services import assignment
from studyapp.participation.services import events as services
from studyapp.participation.views import visitor


@login_not_required
@require_POST
def events(request: HttpRequest, slug: str) -> JsonResponse:
    """Store a list of events; respond with the sequences stored and the clips that count as
    heard."""
    participation = visitor.bare_participation_of(request, slug)
    if participation is None:
        return JsonResponse({"error": "no participation"}, status=403)
    try:
        found, broken = parse_events(request.body)
    except ValidationError as error:
        return JsonResponse({"error": error.message}, status=400)
    stored, ignored = services.record_events(participation=participation, events=found)
    heard = heard_by_token(participation=participation, tokens={event.trial for event in found})
    return JsonResponse({"stored": stored, "ignored": ignored + broken, "heard": heard})


@login_not_required
@require_POST
def stay(request: HttpRequest, slug: str) -> JsonResponse:
    """Hold the place of somebody who is still at the page; respond with for how long, seconds."""
    participation = visitor.participation_of(request, slug)
    if participation is None:
        return JsonResponse({"error": "no participation"}, status=403)
    return JsonResponse({"seconds": assignment.extend_place(participation=participation)})
