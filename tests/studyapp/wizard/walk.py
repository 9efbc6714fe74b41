"""Going through the wizard's pages as a browser would, and what comes of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.jobs import tasks
from studyapp.models import Job, Run, Study, StudyDraft
from studyapp.studies.questionnaire import GOLD_MSI_ITEMS
from studyapp.studies.services import protocol
from studyapp.studies.settings import every_setting
from studyapp.wizard.services import drafts
from studyapp.wizard.services.answers import STEPS, answered, answers_of, settings_of

WORDING = "\n\n".join(
    "\n".join([f"Item {number}", *(f"answer {step}" for step in range(1, 8))])
    for number in GOLD_MSI_ITEMS
)


def shown(page: Any) -> dict[str, Any]:
    """What a browser would send if the page's form were submitted unchanged."""
    form = page.context["form"]
    given: dict[str, Any] = {}
    for field in form:
        value = field.value()
        if field.widget_type == "checkbox" and not value:
            continue
        given[field.html_name] = "" if value is None else value
    return given


def post(client: Client, address: str, **changes: Any) -> Any:
    """The page's form with these changes."""
    return client.post(address, shown(client.get(address)) | changes, follow=True)


def hurry(client: Client, **first: Any) -> StudyDraft:
    """Press Next on every step."""
    page = post(client, reverse("new-study"), **first)
    for step in STEPS[1:]:
        assert page.context["step"] == step, (
            page.context.get("form") and page.context["form"].errors
        )
        page = post(client, page.wsgi_request.path)
    draft = StudyDraft.objects.get()
    assert page.wsgi_request.path == reverse("plan-review", args=[draft.pk])
    return draft


def begun(run: Run) -> StudyDraft:
    """A draft with nothing chosen except the run."""
    return drafts.begin(created_by=User.objects.first(), run=run)


def made(client: Client, draft: StudyDraft) -> Study:
    """The study that a worker builds from the draft."""
    client.post(reverse("plan-review", args=[draft.pk]))
    job = Job.objects.filter(kind=drafts.KIND).latest("pk")
    tasks.work(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    draft.refresh_from_db()
    assert draft.study is not None
    return draft.study


def assert_copied(study: Study) -> None:
    """A draft made from the study's row would build the same study."""
    copied = answered(StudyDraft(answers=answers_of(study)))
    twin = protocol.unsaved(**settings_of(copied))
    for one in every_setting():
        if not one.made:
            assert one.value_of(twin) == one.value_of(study), one.name
