"""An invitation to a project, accepted with an existing account or with a new one."""

from __future__ import annotations

from typing import cast

from django.contrib.auth import login as log_in
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from studyapp.accounts.services import accounts
from studyapp.accounts.services import projects as services
from studyapp.accounts.views.access import user_of

BACKEND = "django.contrib.auth.backends.ModelBackend"


@login_not_required
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, secret: str) -> HttpResponse:
    """Accept an invitation with the account that is logged in, or with a new one."""
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
        project = services.accept(secret=secret, user=user_of(request))
    else:
        user, project = accounts.join(secret=secret, form=form)
        log_in(request, user, backend=BACKEND)
    return redirect("project", pk=project.pk)


def _not_invited(request: HttpRequest) -> HttpResponse:
    return render(request, "researcher/invitation.html", {"found": None}, status=404)
