"""Lists of features: chosen in the browser, shown and changed on their own page."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.numbers import whole
from studyapp.core.permissions import may
from studyapp.features.selectors import features as selectors
from studyapp.features.selectors.columns import NOTE, columns_of
from studyapp.features.selectors.labels import rows, with_note
from studyapp.features.views.asked import Asked
from studyapp.models import FeatureList, Role, Run
from studyapp.runs.views.access import run_for
from studyapp.studies.selectors import feature_lists
from studyapp.studies.services import feature_lists as services

PAGE = 200


@require_POST
def add_to_list(request: HttpRequest, pk: int) -> HttpResponse:
    """Add the ticked features, or the first ones of what the query string asks for, to a list."""
    run = run_for(request, pk, Role.EDITOR)
    user = request.user if request.user.is_authenticated else None
    try:
        name = request.POST.get("list", "")
        row, new = services.add(run=run, name=name, features=_chosen(request, run), created_by=user)
    except StudyError as error:
        messages.error(request, f"{error}.")
        query = request.GET.urlencode()
        return redirect(reverse("features", args=[pk]) + (f"?{query}" if query else ""))
    audit.note(user=user, action="listed features", target=row, project=run.project, count=new)
    already = "" if new else " They were in it already."
    messages.success(request, f"{new} added: “{row}” has {len(row.members)} features.{already}")
    return redirect("feature-list", pk, row.pk)


def _chosen(request: HttpRequest, run: Run) -> list[str]:
    """Identifiers of the features."""
    if "first" not in request.POST.getlist("what"):
        return request.POST.getlist("feature")
    number = whole(request.POST.get("first", "")) or 0
    if not 1 <= number <= services.MOST:
        given = request.POST.get("first", "")[:20]
        raise StudyError(f"how many is {given!r}: give a number from 1 to {services.MOST}")
    asked = Asked(run, request.GET)
    page = selectors.page(asked.found[0], order=asked.order, size=number)
    return [feature.identifier for feature in page.features]


@require_GET
def list_page(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """A list's features in their order."""
    run = run_for(request, pk)
    row = _list(run, number)
    start = whole(request.GET.get("from", "")) or 0
    columns = columns_of(run)
    shown = rows(feature_lists.members(row, start, PAGE), columns)
    context = {
        "run": run,
        "list": row,
        "rows": [with_note(one, row.notes) for one in shown],
        "columns": [*columns, NOTE],
        "start": start,
        "later": start + PAGE if start + PAGE < len(row.members) else 0,
        "can_edit": may(request.user, run.project, Role.EDITOR),
    }
    return render(request, "researcher/feature_list.html", context)


@require_POST
def change_list(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Take features off a list, rename it, or delete it: the button says which."""
    run = run_for(request, pk, Role.EDITOR)
    row, what = _list(run, number), request.POST.get("what", "")
    try:
        if what == "delete":
            services.delete(row)
            messages.success(request, f"“{row}” was deleted.")
        elif what == "rename":
            services.rename(row=row, name=request.POST.get("name", ""))
        elif what == "note":
            named = request.POST.getlist("feature")
            services.annotate(row=row, features=named, note=request.POST.get("note", ""))
        elif what == "remove":
            services.remove(row=row, features=request.POST.getlist("feature"))
        else:
            raise StudyError(f"{what[:20]!r} is not a change of a list")
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        audit.note(user=request.user, action=f"list: {what}", target=row, project=run.project)
    return redirect("features", pk) if what == "delete" else redirect("feature-list", pk, number)


@require_GET
def list_text(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """The identifiers, one per line, as `create_study --list-file` reads them."""
    row = _list(run_for(request, pk), number)
    text = "".join(f"{name}\n" for name in row.members)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="features-{row.pk}.txt"'
    return response


def _list(run: Run, number: int) -> FeatureList:
    row = feature_lists.by_id(run, number)
    if row is None:
        raise Http404(f"There is no list {number} of run {run.pk}.")
    return row
