"""Two projects with everything in them, and every kind of caller of their pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone

from studyapp.accounts.services import projects, tokens
from studyapp.core.storage import write_atomically
from studyapp.features import services as feature_views
from studyapp.models import (
    ApiToken,
    Feature,
    FeatureList,
    FeatureSearch,
    Invitation,
    Membership,
    Participation,
    Project,
    RecruitmentAction,
    Role,
    Run,
    Study,
    StudyDraft,
    Trial,
)
from studyapp.results import services as results
from studyapp.runs.services import feature_columns
from studyapp.runs.services.results import paper
from tests.studyapp import factories, passages

ROLES = ("viewer", "editor", "owner")


@dataclass
class Side:
    """One project, its rows, and the cookies or headers of each kind of person in it."""

    project: Project
    run: Run
    feature: Feature
    clip: str
    stimulus: str
    track: str
    study: Study
    participation: Participation
    trial: Trial
    draft: StudyDraft
    listed: FeatureList
    search: FeatureSearch
    member: Membership
    invitation: Invitation
    action: RecruitmentAction
    secret: str
    token: ApiToken
    callers: dict[str, Caller]

    @property
    def version(self) -> list[Any]:
        """The arguments of a study's URL."""
        return [self.study.slug, self.study.version]


@dataclass(frozen=True)
class Caller:
    """Cookies and headers of a request."""

    cookies: dict[str, str]
    token: str = ""


def ask(
    caller: Caller, method: str, address: str, data: dict[str, Any], *, undone: bool = True
) -> HttpResponseBase:
    """The response; every change that the request made in the database is undone."""
    headers = {"authorization": f"Bearer {caller.token}"} if caller.token else {}
    with transaction.atomic():
        _client.cookies.clear()
        for name, value in caller.cookies.items():
            _client.cookies[name] = value
        sent = data if method in ("POST", "GET") else None
        answer: HttpResponseBase = getattr(_client, method.lower())(address, sent, headers=headers)
        if answer.streaming:
            list(answer)
        transaction.set_rollback(undone)
    return answer


_client = Client()


def make_side(name: str) -> Side:
    """A project `name` with a run, a running study, a draft; a viewer, an editor, an owner."""
    people = {role: User.objects.create_user(f"{role}-{name}", password="x") for role in ROLES}
    project = projects.make(name=name, owner=people["owner"])
    Project.objects.filter(pk=project.pk).update(may_start_runs=True)
    for role in ("viewer", "editor"):
        Membership.objects.create(project=project, user=people[role], role=role)
    study = factories.make_study(features=4, slug=f"study-{name}")
    run = study.runs.get()
    Run.objects.filter(pk=run.pk).update(project=project)
    Study.objects.filter(pk=study.pk).update(project=project, unblinded_at=timezone.now())
    study.series.project = project
    study.series.save()
    study.refresh_from_db()
    guest = Client()
    participation = passages.reach_trials(guest, study)
    invitation, secret = projects.invite(
        project=project, role=Role.VIEWER, note="", by=people["owner"]
    )
    token, key = tokens.make(user=people["viewer"], name="n")
    callers = {role: _logged_in(user) for role, user in people.items()}
    callers["participant"] = Caller({k: v.value for k, v in guest.cookies.items()})
    callers["token"] = Caller({}, key)
    feature, clip, track = _looked_at(run)
    folder = results.folder_of(study)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / results.PAGE).write_text("<!doctype html><title>Report</title>")
    (folder / "summary.json").write_text("{}")
    for folder in (paper.folder_of(run), paper.folder_of_joined(project)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / paper.PAGE).write_text("<!doctype html><title>The paper</title>")
        (folder / "methods.txt").write_text("")
    return Side(
        project=project, run=run, feature=feature, clip=clip, stimulus=participation.trials.filter(
            kind="main"
        )[0].item.stimulus_1.sha256, track=track, study=study,
        participation=participation, trial=passages.current(participation),
        draft=StudyDraft.objects.create(
            project=project, answers={"runs": [run.pk]}, created_by=people["owner"]
        ),
        listed=FeatureList.objects.create(run=run, name="n", members=[feature.identifier]),
        search=FeatureSearch.objects.create(
            run=run, kind="words", text="n", asked_at=timezone.now()
        ),
        member=project.memberships.get(role="viewer"), invitation=invitation, secret=secret,
        action=RecruitmentAction.objects.create(study=study, kind="pause"),
        token=token, callers=callers,
    )  # fmt: skip


def _looked_at(run: Run) -> tuple[Feature, str, str]:
    """A feature with its view, and the names of the sounds of an exemplar and a track."""
    feature_columns.fill(run)
    run.refresh_from_db()
    feature = run.features.order_by("pk")[0]
    clip = feature.exemplars.select_related("clip")[0].clip.sha256
    empty: dict[str, Any] = {"histogram": None, "quantiles": [], "timelines": {}, "neighbours": []}
    feature_views.store(feature=feature, facts=empty, notes=[])
    track = feature_views.track_name("one at a quantile")
    write_atomically(feature_views.picture(run, clip), b"picture")
    write_atomically(feature_views.sound(run, track), b"sound")
    write_atomically(feature_views.steered_sound(run, feature.sae, "0"), b"sound")
    return feature, clip, track


def administrator() -> Caller:
    """A superuser who is in no project."""
    return _logged_in(User.objects.create_superuser("root", password="x"))


def _logged_in(user: User) -> Caller:
    client = Client()
    client.force_login(user)
    return Caller({name: one.value for name, one in client.cookies.items()})
