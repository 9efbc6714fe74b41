"""Items from anywhere: a table is uploaded, a worker checks it, a study is made of it."""

from __future__ import annotations

from pathlib import Path

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.middleware import takes_files
from studyapp.core.permissions import projects_of
from studyapp.models import Role
from studyapp.runs.forms import ItemsForm
from studyapp.runs.services import policy
from studyapp.runs.services.item_tables import uploads
from studyapp.runs.services.item_tables.check import TEMPLATE


@takes_files
@require_http_methods(["GET", "POST"])
def new_items(request: HttpRequest) -> HttpResponse:
    """Upload a table of items whose clips lie in a folder of this machine, or are sent as a ZIP."""
    user = request.user
    if not user.is_superuser and not projects_of(user, Role.EDITOR).exists():
        raise PermissionDenied("Only editors of a project may add items.")
    form = ItemsForm(request.POST or None, request.FILES or None, user=user)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            run = uploads.request(
                table=data["table"].read(), name=data["name"],
                clips=data["sounds"].read() if data["sounds"] else Path(data["clips"]),
                project=data["project"], created_by=user if user.is_authenticated else None,
            )  # fmt: skip
        except RunError as error:
            form.add_error(None, str(error))
        else:
            audit.note(user=user, action="added", target=run, project=run.project)
            return redirect("run", pk=run.pk)
    context = {"form": form, "folders": policy.corpora(), "trusted": policy.is_trusted(user)}
    return render(request, "researcher/items_new.html", context, status=422 if form.errors else 200)


@require_safe
def template(request: HttpRequest) -> HttpResponse:
    """Send a table with the columns and three rows to replace."""
    return HttpResponse(
        TEMPLATE, content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="items.csv"'},
    )  # fmt: skip
