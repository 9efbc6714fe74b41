"""A draft, if the request's user may have it."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from studyapp.core.permissions import may
from studyapp.models import Role, StudyDraft
from studyapp.wizard import selectors


def draft_for(request: HttpRequest, pk: int) -> StudyDraft:
    """The draft, if the user may edit in its project, or made it and it has no project.

    Nobody else learns that it exists.
    """
    draft = selectors.by_id(pk)
    own = draft is not None and draft.project is None and draft.created_by_id == request.user.pk
    if draft is None or not (own or may(request.user, draft.project, Role.EDITOR)):
        raise Http404(f"There is no draft {pk}.")
    return draft
