"""A study's recruitment: its settings, and its life at Prolific from the draft to the payments.

Every step that costs money or cannot be undone is stored first, shown with its cost, and sent only
when it is confirmed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from studyapp.core import audit
from studyapp.core.errors import StudyError
from studyapp.core.permissions import may
from studyapp.models import Recruitment, RecruitmentAction, Role, Study
from studyapp.models.steps import Step
from studyapp.monitoring.forms import (
    DraftForm,
    GroupForm,
    PeopleForm,
    PlacesForm,
    SettingsForm,
    SubmissionsForm,
    TesterForm,
    first_error,
)
from studyapp.monitoring.services import flags
from studyapp.participation.selectors.passage import passage
from studyapp.recruitment import selectors
from studyapp.recruitment.services import (
    actions,
    configuration,
    intents,
    person_lists,
    prolific_people,
    prolific_study,
)
from studyapp.recruitment.services.entry import PROLIFIC_PLACEHOLDERS
from studyapp.studies.services import frames
from studyapp.studies.views.access import study_for

Kind = RecruitmentAction.Kind


@require_GET
def recruitment(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """The settings, what is unresolved, and what was done; Prolific's own part is loaded later."""
    study = study_for(request, slug, version)
    row = selectors.of_study(study)
    unresolved, done = selectors.unresolved(study), selectors.actions(study)
    names = selectors.identifiers(study, [one.target for one in (*unresolved, *done)])
    context = {
        "study": study,
        "recruitment": row,
        "people_form": PeopleForm(),
        "settings_form": SettingsForm(instance=row if row.pk else None, study=study),
        "unresolved": [(one, names.get(one.target, "")) for one in unresolved],
        "done": [(one, names.get(one.target, "")) for one in done],
        "is_prolific": row.service == Recruitment.Service.PROLIFIC,
        "can_edit": may(request.user, study.project, Role.EDITOR),
        "missing": configuration.missing_codes(study),
        "link": _link(request, study, row),
    }
    return render(request, "researcher/recruitment.html", context)


@require_POST
def change_settings(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Change how the study recruits, while it is open too."""
    study = study_for(request, slug, version, Role.EDITOR)
    form = SettingsForm(request.POST, study=study)
    if not form.is_valid():
        messages.error(request, f"{first_error(form)}")
        return redirect("recruitment", slug, version)
    try:
        if study.state == Study.State.DRAFT:
            raise StudyError("a draft's recruitment is set under Edit, in the step Recruitment")
        configuration.configure(study=study, **form.settings())
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        given = dict(form.cleaned_data)
        for name in ("excluded", "excluded_lists"):
            given[name] = ", ".join(str(one) for one in form.cleaned_data.get(name, ()))
        plain = {name: str(given[name]) for name in form.changed_data}
        audit.note(
            user=request.user, action="set recruitment", target=study, project=study.project,
            **plain,
        )  # fmt: skip
        messages.success(request, "Recruitment was changed.")
    return redirect("recruitment", slug, version)


@require_POST
def add_people(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Add people to a list of the project, and keep them out of this study."""
    study = study_for(request, slug, version, Role.EDITOR)
    form = PeopleForm(request.POST)
    try:
        data = _valid(form).cleaned_data
        found = person_lists.identifiers_in(data["people"])
        row, fresh = person_lists.add(project=study.project, name=data["name"], identifiers=found)
        configuration.keep_out(study=study, people=row)
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        audit.note(
            user=request.user, action="kept people out", target=study, project=study.project,
            list=row.name, added=fresh,
        )  # fmt: skip
        messages.success(request, f"{fresh} people were added to {row}; none of them can begin.")
    return redirect("recruitment", slug, version)


@never_cache
@require_GET
def at_prolific(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """What Prolific says of the study and its submissions now."""
    study = study_for(request, slug, version, Role.EDITOR)
    row = selectors.of_study(study)
    context: dict[str, Any] = {
        "study": study,
        "recruitment": row,
        "draft_form": DraftForm(initial=_first_draft(study), study=study),
        "group_form": GroupForm(),
        "groups": selectors.groups_of_project(study),
        "tester_form": TesterForm(),
        "test": selectors.newest_test(study) if row.test_study else None,
        "places_form": PlacesForm(),
        "submissions_form": SubmissionsForm(),
    }
    try:
        actions.check_allowed(study=study, user=request.user)
        if row.external_study:
            found = prolific_study.read(prolific_study.of_study(study))
            context["there"] = found
            listed = prolific_people.submissions(study, found.currency)
            context["submissions"] = _with_flags(study, listed)
            context["newest"] = flags.NEWEST
    except StudyError as error:
        context["fault"] = error
    return render(request, "researcher/recruitment_prolific.html", context)


@require_POST
def ask(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Check and store what is asked of Prolific; what needs no confirmation is done at once."""
    study = study_for(request, slug, version, Role.EDITOR)
    try:
        action = _asked(request, study)
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        done = action.state == RecruitmentAction.State.CONFIRMED
        said = "done" if done else "nothing was sent yet, please confirm it below"
        messages.success(request, f"{action.label}: {said}.")
    return redirect("recruitment", slug, version)


@require_POST
def resolve(request: HttpRequest, slug: str, version: int, key: UUID) -> HttpResponse:
    """Confirm an action, drop it, or read from Prolific whether it was done."""
    study = study_for(request, slug, version, Role.EDITOR)
    action = selectors.action(study, str(key))
    if action is None:
        raise Http404("There is no such step.")
    what = request.POST.get("do", "")
    try:
        if what == "confirm":
            actions.carry_out(action=action, user=request.user)
        elif what == "drop":
            actions.drop(action=action, user=request.user)
        elif what == "settle":
            action = actions.settle(action=action)
        else:
            raise StudyError(f"{what[:20]!r} is neither confirm, drop nor settle")
    except StudyError as error:
        messages.error(request, f"{error}.")
    else:
        action.refresh_from_db()
        messages.success(request, f"{action.label}: {action.get_state_display()}.")
    return redirect("recruitment", slug, version)


def _asked(request: HttpRequest, study: Study) -> RecruitmentAction:
    kind, given, user = request.POST.get("kind", ""), request.POST, request.user
    targets = given.getlist("submission")
    if kind == Kind.CREATE:
        draft = _valid(DraftForm(given, study=study)).draft(
            _link(request, study, selectors.of_study(study))
        )
        return intents.create(study=study, draft=draft, user=user)
    if kind == Kind.PUBLISH:
        return intents.publish(study=study, user=user)
    if kind in (Kind.PAUSE, Kind.RESUME):
        return intents.turn(study=study, kind=kind, user=user)
    if kind == Kind.PLACES:
        more = _valid(PlacesForm(given)).cleaned_data["more"]
        return intents.add_places(study=study, more=more, user=user)
    if kind == Kind.GROUP:
        name = _valid(GroupForm(given)).cleaned_data["group"]
        return intents.group(study=study, name=name, user=user)
    if kind == Kind.TESTER:
        email = _valid(TesterForm(given)).cleaned_data["email"]
        return intents.make_tester(study=study, email=email, user=user)
    if kind == Kind.TEST:
        return intents.test(study=study, user=user)
    if kind == Kind.APPROVE:
        return intents.approve(study=study, targets=targets, user=user)
    return _asked_of_ticked(kind, study, targets, _valid(SubmissionsForm(given)), user)


def _asked_of_ticked(
    kind: str, study: Study, targets: list[str], form: SubmissionsForm, user: Any
) -> RecruitmentAction:
    if not targets:
        raise StudyError("no submission was ticked")
    data = form.cleaned_data
    if kind == Kind.REJECT:
        return intents.reject(
            study=study, targets=targets, category=data["category"], reason=data["reason"],
            user=user,
        )  # fmt: skip
    if kind == Kind.RETURN:
        return intents.ask_for_return(
            study=study, targets=targets, reason=data["reason"], user=user
        )
    if kind == Kind.MESSAGE:
        return intents.write(study=study, targets=targets, body=data["reason"], user=user)
    if kind == Kind.BONUS:
        if data["amount"] is None:
            raise StudyError("give the bonus's amount")
        return intents.pay_bonus(study=study, targets=targets, amount=data["amount"], user=user)
    raise StudyError(f"{kind[:20]!r} is not a step that Prolific knows")


def _valid(form: Any) -> Any:
    if not form.is_valid():
        raise StudyError(first_error(form).rstrip("."))
    return form


def _with_flags(
    study: Study, submissions: list[prolific_people.Submission]
) -> list[tuple[prolific_people.Submission, list[str]]]:
    """Each submission with why its participation was flagged: who decides on payments asks."""
    reasons = {one.identifier: one.reasons for one in flags.flags(study).flagged}
    names = [one.participation.identifier if one.participation else "" for one in submissions]
    return [(one, reasons.get(name, [])) for one, name in zip(submissions, names, strict=True)]


def _first_draft(study: Study) -> dict[str, Any]:
    minutes = passage(study, Step(study.steps[0])).minutes_left if study.steps else 10
    return {"places": frames.places(study), "minutes": max(minutes, 1)}


def _link(request: HttpRequest, study: Study, row: Recruitment) -> str:
    """The link for the study's recruiting service."""
    link = request.build_absolute_uri(reverse("start", args=[study.slug]))
    if row.service == Recruitment.Service.PROLIFIC:
        return link + PROLIFIC_PLACEHOLDERS
    names = filter(None, (row.person_parameter, row.session_parameter))
    return f"{link}?{'&'.join(f'{name}=…' for name in names)}" if row.person_parameter else link
