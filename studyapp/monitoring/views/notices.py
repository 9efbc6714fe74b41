"""Where a project's notices go: mail, webhook, and how they went out."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from studyapp.accounts.views.access import project_for
from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.models import Role
from studyapp.monitoring.selectors import notices as selectors
from studyapp.monitoring.services import notices as services


@require_GET
def notices(request: HttpRequest, pk: int) -> HttpResponse:
    """The settings with the secret, and the last notices; for owners."""
    project = project_for(request, pk, Role.OWNER)
    row = selectors.settings_of(project)
    context = {
        "project": project,
        "row": row,
        "secret": services.secret_of(row) if row.webhook else "",
        "newest": selectors.newest(project),
        "most": services.MOST_ADDRESSES,
    }
    return render(request, "researcher/notices.html", context)


@require_POST
def change_notices(request: HttpRequest, pk: int) -> HttpResponse:
    """Store the settings, change the secret, or send a test."""
    project = project_for(request, pk, Role.OWNER)
    given, what = request.POST, request.POST.get("do", "")
    try:
        if what == "test":
            services.send_test(project=project)
            messages.success(request, "A test is on its way; this page shows how it went.")
        elif what == "secret":
            services.change_secret(row=selectors.settings_of(project), user=request.user)
            messages.success(request, "The secret was changed.")
        else:
            hours = given.get("quiet_hours", "").strip()
            services.configure(
                project=project, mail_to=given.get("mail_to", ""),
                webhook=given.get("webhook", "").strip(),
                quiet_hours=(whole(hours) or 0) if hours else None, user=request.user,
            )  # fmt: skip
            messages.success(request, "The notices were changed.")
    except StudyError as error:
        messages.error(request, f"{error}.")
    return redirect("notices", pk)
