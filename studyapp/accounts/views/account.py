"""A researcher's own page, projects with their members and audit trail, invitations."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login as log_in
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from studyapp.accounts import selectors
from studyapp.accounts.services import accounts, tokens
from studyapp.accounts.services import projects as services
from studyapp.accounts.services.second_factor import has_second_factor
from studyapp.core.permissions import may, may_make_projects, projects_of, role_in
from studyapp.models import Project, Role

BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Projects, tokens, and the ways to a second factor."""
    user = _user(request)
    context = {
        "projects": [(p, role_in(user, p)) for p in projects_of(user)],
        "may_make_projects": may_make_projects(user),
        "tokens": [one for one in selectors.tokens_of(user.pk) if tokens.is_valid(one)],
        "token_days": settings.TOKEN_DAYS,
        "sends_mail": bool(settings.EMAIL_URL),
        "second_factor": has_second_factor(user),
        "secret": request.session.pop("new_token", ""),
    }
    return render(request, "researcher/account.html", context)


@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """Make a token; its secret is shown on the next page and never again."""
    name = request.POST.get("name", "").strip() or "unnamed"
    _, request.session["new_token"] = tokens.make(user=_user(request), name=name)
    return redirect("account")


@require_POST
def revoke_token(request: HttpRequest, pk: int) -> HttpResponse:
    """End a token."""
    if tokens.revoke(user=_user(request), pk=pk):
        messages.success(request, "The token is revoked.")
    return redirect("account")


@require_POST
def make_project(request: HttpRequest) -> HttpResponse:
    """Make a project that the user owns."""
    if not may_make_projects(request.user):
        raise PermissionDenied("Projects are made by an administrator.")
    try:
        # Where every member may make projects, machine time and money still need an administrator.
        project = services.make(
            name=request.POST.get("name", ""),
            owner=_user(request),
            may_start_runs=_user(request).has_perm("studyapp.add_project"),
        )
    except services.ProjectError as error:
        messages.error(request, f"{error}.")
        return redirect("account")
    return redirect("project", pk=project.pk)


@require_GET
def project(request: HttpRequest, pk: int) -> HttpResponse:
    """Members, invitations and the audit trail."""
    found = _project(request, pk, Role.VIEWER)
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
    """Make an invitation; its link is shown on the next page and never again."""
    found = _project(request, pk, Role.OWNER)
    role = request.POST.get("role", "")
    if role not in Role.values:
        raise Http404
    note = request.POST.get("note", "").strip()
    _, secret = services.invite(project=found, role=Role(role), note=note, by=_user(request))
    link = request.build_absolute_uri(reverse("invitation", args=[secret]))
    request.session["invitation"] = link
    return redirect("project", pk=pk)


@require_POST
def change_member(request: HttpRequest, pk: int, member: int) -> HttpResponse:
    """Give a member another role, or none."""
    found = _project(request, pk, Role.OWNER)
    one, role = selectors.member(found, member), request.POST.get("role", "")
    if one is None or role not in (*Role.values, "none"):
        raise Http404
    try:
        new = None if role == "none" else Role(role)
        services.change_role(project=found, member=one, role=new, by=_user(request))
    except services.ProjectError as error:
        messages.error(request, f"{error}.")
    return redirect("project", pk=pk) if may(request.user, found, Role.VIEWER) else redirect("home")


@require_POST
def withdraw_invitation(request: HttpRequest, pk: int, invitation: int) -> HttpResponse:
    """Make an invitation worthless."""
    found = _project(request, pk, Role.OWNER)
    services.withdraw_invitation(project=found, pk=invitation, by=_user(request))
    return redirect("project", pk=pk)


@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Accept an invitation: with the account one is logged in with, or with a new one."""
    found = services.invitation(secret)
    if found is None:
        return _not_invited(request)
    form: UserCreationForm[User] | None = None
    if not request.user.is_authenticated:
        form = UserCreationForm(request.POST or None)
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            return _joined(request, secret, form)
        except services.ProjectError:
            return _not_invited(request)
        except accounts.NameTakenError as error:
            cast("UserCreationForm[User]", form).add_error("username", f"{error}.")
    status = 422 if form is not None and form.errors else 200
    context = {"found": found, "form": form}
    return render(request, "researcher/invitation.html", context, status=status)


def _joined(request: HttpRequest, secret: str, form: UserCreationForm[User] | None) -> HttpResponse:
    if form is None:
        project = services.accept(secret=secret, user=_user(request))
    else:
        user, project = accounts.join(secret=secret, form=form)
        log_in(request, user, backend=BACKEND)
    return redirect("project", pk=project.pk)


def _not_invited(request: HttpRequest) -> HttpResponse:
    return render(request, "researcher/invitation.html", {"found": None}, status=404)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _project(request: HttpRequest, pk: int, least: Role) -> Project:
    found = selectors.by_id(pk)
    if found is None or not may(request.user, found, Role.VIEWER):
        raise Http404(f"There is no project {pk}.")
    if not may(request.user, found, least):
        raise PermissionDenied(f"This needs the role {least.label} in the project.")
    return found
