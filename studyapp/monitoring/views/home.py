"""A researcher's home page: the runs, drafts and studies that they may see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from studyapp.core.permissions import projects_of, visible
from studyapp.models import Role
from studyapp.monitoring.services import home as services
from studyapp.runs import selectors as run_selectors
from studyapp.studies.selectors import studies
from studyapp.wizard import selectors as wizard_selectors


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """All runs, drafts and studies."""
    user = request.user
    drafts = wizard_selectors.unfinished(
        created_by=user.pk or 0, projects=projects_of(user, Role.EDITOR)
    )
    context = {
        "runs": visible(user, run_selectors.all_runs()),
        "studies": services.listed(
            visible(user, studies.all_studies()),
            apart=[draft.study_id for draft in drafts if draft.study_id],
        ),
        "drafts": drafts,
    }
    return render(request, "researcher/home.html", context)
