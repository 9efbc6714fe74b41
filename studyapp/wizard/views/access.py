"""A study in the making as the request's user may have it."""

from __future__ import annotations

from django.http import Http404, HttpRequest

from studyapp.core.permissions import may
from studyapp.models import Role, StudyPlan
from studyapp.wizard import selectors


def plan_for(request: HttpRequest, pk: int) -> StudyPlan:
    """The study in the making, if the user may edit in its project; without one, if it is theirs.

    Nobody else is told that it is there.
    """
    plan = selectors.by_id(pk)
    own = plan is not None and plan.project is None and plan.created_by_id == request.user.pk
    if plan is None or not (own or may(request.user, plan.project, Role.EDITOR)):
        raise Http404(f"There is no study in the making {pk}.")
    return plan
