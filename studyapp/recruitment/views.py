"""Receives messages from recruiting services. HTTP only."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from studyapp.core.errors import RecruitmentError
from studyapp.recruitment.services import prolific


@csrf_exempt  # a service sends no CSRF token; its signature is checked instead
@login_not_required
@require_POST
def prolific_hook(request: HttpRequest) -> JsonResponse:
    """Handle a message from Prolific: 200 if accepted, also when repeated; otherwise 400 or 403."""
    try:
        prolific.check_signature(
            body=request.body,
            timestamp=request.headers.get("X-Prolific-Request-Timestamp", ""),
            signature=request.headers.get("X-Prolific-Request-Signature", ""),
        )
        outcome = prolific.handle_message(body=request.body)
    except prolific.SignatureError as error:
        return JsonResponse({"error": str(error)}, status=403)
    except RecruitmentError as error:
        return JsonResponse({"error": str(error)}, status=400)
    return JsonResponse({"outcome": outcome})
