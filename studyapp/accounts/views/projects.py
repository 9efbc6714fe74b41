"""Projects: created, shown, their members and invitations."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from studyapp.accounts import selectors
from studyapp.accounts.services import projects as services
from studyapp.accounts.views.access import project_for, user_of
from studyapp.core.permissions import may, may_make_projects, role_in
from studyapp.models import Role


@require_POST
def make_project(request: HttpRequest) -> HttpResponse:
    """Create a project that the user owns."""
    if not may_make_projects(request.user):
        raise PermissionDenied("Only administrators can create projects.")
    try:
        # Members may create projects here, but only administrators grant machine time and money.
        project = services.make(
            name=request.POST.get("name", ""),
            owner=user_of(request),
            may_start_runs=user_of(request).has_perm("studyapp.add_project"),
        )
    except services.ProjectError as error:
        messages.error(request, f"{error}.")
        return redirect("account")
    return redirect("project", pk=project.pk)


@require_GET
def project(request: HttpRequest, pk: int) -> HttpResponse:
    """Show members, invitations and the audit trail."""
    found = project_for(request, pk)
    context = {
        "project": found,
        "role": role_in(request.user, found),
        "roles": Role.choices,
        "members": selectors.members(found),
        "invitations": selectors.open_invitations().filter(project=found),
        "trail": selectors.trail(found),
        "link": request.session.pop("invitation", ""),
    }
    return render(request, "researcher/project.html", context)


@require_POST
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Create an invitation; its link is shown once, on the next page."""
    found = project_for(request, pk, Role.OWNER)
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise Http404
    note = request.POST.get("note", "").strip()
    _, secret = services.invite(project=found, role=Role(role), note=note, by=user_of(request))
    link = request.build_absolute_uri(reverse("invitation", args=[secret]))
    request.session["invitation"] = link
    return redirect("project", pk=pk)


@require_POST
def change_member(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """Change a member's role, or remove the member."""
    found = project_for(request, pk, Role.OWNER)
    one, role = selectors.member(found, member), request.POST.get("role", "")
    if one is None or role not in (*Role.values, "none"):
        raise Http404
    try:
        new = None if role == "none" else Role(role)
        services.change_role(project=found, member=one, role=new, by=user_of(request))
    except services.ProjectError as error:
        messages.error(request, f"{error}.")
    return redirect("project", pk=pk) if may(request.user, found, Role.VIEWER) else redirect("home")


@require_POST
def withdraw_invitation(request: HttpRequest, pk: int, invitation: int) -> HttpResponse:
    """Withdraw an invitation."""
    found = project_for(request, pk, Role.OWNER)
    services.withdraw_invitation(project=found, pk=invitation, by=user_of(request))
    return redirect("project", pk=pk)
