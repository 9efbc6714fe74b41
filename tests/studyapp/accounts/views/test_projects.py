"""Projects: who may see and change what, invitations that work once, the audit trail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from studyapp.accounts.services import projects
from studyapp.models import AuditRecord, Invitation, Membership, Project, Role, Study
from tests.studyapp import factories

pytestmark = pytest.mark.django_db


def _client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def project() -> Project:
    """A project with an owner, an editor and a viewer."""
    owner = User.objects.create_user("owner", password="x")
    made = projects.make(name="Hearing", owner=owner)
    for name in ("editor", "viewer"):
        user = User.objects.create_user(name, password="x")
        Membership.objects.create(project=made, user=user, role=name)
    User.objects.create_user("stranger", password="x")
    return made


def _as(name: str) -> Client:
    return _client(User.objects.get(username=name))


@pytest.mark.parametrize(
    ("name", "looks", "moves", "invites"),
    [("owner", 200, 302, 302), ("editor", 200, 302, 403), ("viewer", 200, 403, 403),
     ("stranger", 404, 404, 404)],
)  # fmt: skip
def test_roles(project: Project, name: str, looks: int, moves: int, invites: int) -> None:
    study = factories.make_study()
    run = study.runs.get()
    Study.objects.update(project=project, unblinded_at=timezone.now())
    type(run).objects.update(project=project)
    client, own = _as(name), [study.slug, study.version]
    for page in (reverse("study", args=own), reverse("run", args=[run.pk]),
                 reverse("features", args=[run.pk]), reverse("responses-csv", args=own),
                 reverse("project", args=[project.pk])):  # fmt: skip
        assert client.get(page).status_code == looks, page
    assert client.post(reverse("pause-study", args=own)).status_code == moves
    assert client.post(reverse("queue-run", args=[run.pk])).status_code == moves
    invite = client.post(reverse("invite", args=[project.pk]), {"role": "viewer"})
    assert invite.status_code == invites
    home = client.get(reverse("home")).content.decode()
    assert (str(study) in home) == (looks == 200)


def test_what_has_no_project_is_for_administrators(project: Project) -> None:
    study = factories.make_study()
    own = [study.slug, study.version]
    assert _as("owner").get(reverse("study", args=own)).status_code == 404
    admin = _client(User.objects.create_superuser("root", password="x"))
    assert admin.get(reverse("study", args=own)).status_code == 200


def test_an_invitation_makes_an_account_once(project: Project) -> None:
    owner = _as("owner")
    owner.post(reverse("invite", args=[project.pk]), {"role": "editor", "note": "Bo"})
    page = owner.get(reverse("project", args=[project.pk])).content.decode()
    link = page.split("<code>http://testserver")[1].split("</code>")[0]
    assert link not in owner.get(reverse("project", args=[project.pk])).content.decode()
    form = {"username": "bo", "password1": "a long one 12", "password2": "a long one 12"}
    guest = Client()
    assert guest.post(link, form | {"password2": "other"}).status_code == 422
    joined = guest.post(link, form)
    assert joined.headers["Location"] == reverse("project", args=[project.pk])
    assert Membership.objects.get(user__username="bo").role == Role.EDITOR
    assert Client().get(link).status_code == 404
    assert AuditRecord.objects.filter(who="bo", action="joined").exists()


def test_an_old_or_withdrawn_invitation_is_worth_nothing(project: Project) -> None:
    owner = User.objects.get(username="owner")
    made, secret = projects.invite(project=project, role=Role.VIEWER, note="", by=owner)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert projects.invitation(secret) is None
    made, secret = projects.invite(project=project, role=Role.VIEWER, note="", by=owner)
    projects.withdraw_invitation(project=project, pk=made.pk, by=owner)
    with pytest.raises(projects.ProjectError, match="ask for a new one"):
        projects.accept(secret=secret, user=User.objects.get(username="stranger"))


def test_an_invitation_never_lowers_a_role(project: Project) -> None:
    owner = User.objects.get(username="owner")
    _, secret = projects.invite(project=project, role=Role.VIEWER, note="", by=owner)
    projects.accept(secret=secret, user=owner)
    assert Membership.objects.get(user=owner).role == Role.OWNER


def test_the_last_owner_stays(project: Project) -> None:
    owner = User.objects.get(username="owner")
    own = Membership.objects.get(user=owner)
    page = _as("owner").post(
        reverse("change-member", args=[project.pk, own.pk]), {"role": "none"}, follow=True
    )
    assert "needs at least one owner" in page.content.decode()
    other = Membership.objects.get(user__username="editor")
    projects.change_role(project=project, member=other, role=None, by=owner)
    assert not Membership.objects.filter(user__username="editor").exists()
    assert AuditRecord.objects.filter(action="changed role", target="editor").exists()


def _root() -> Client:
    return _client(User.objects.create_superuser("root", password="x"))


def test_two_projects_of_one_name_are_refused(project: Project) -> None:
    page = _root().post(reverse("make-project"), {"name": " Hearing "}, follow=True)
    assert "already" in page.content.decode()


@pytest.mark.parametrize("name", ["owner", "editor", "viewer", "stranger"])
def test_an_account_without_rights_makes_no_project_and_no_run(project: Project, name: str) -> None:
    client = _as(name)
    assert client.post(reverse("make-project"), {"name": "My own"}).status_code == 403
    assert "Administrators create projects" in client.get(reverse("account")).content.decode()
    assert not Project.objects.filter(name="My own").exists()
    if name in ("viewer", "stranger"):
        assert client.get(reverse("new-run")).status_code == 403


def test_projects_are_made_by_whom_the_setting_or_a_permission_lets(
    project: Project, settings: Any
) -> None:
    assert _root().post(reverse("make-project"), {"name": "First"}).status_code == 302
    allowed = Permission.objects.get(codename="add_project")
    User.objects.get(username="stranger").user_permissions.add(allowed)
    assert _as("stranger").post(reverse("make-project"), {"name": "Second"}).status_code == 302
    settings.PROJECTS = "members"
    assert _as("viewer").post(reverse("make-project"), {"name": "Third"}).status_code == 302
    User.objects.create_user("new", password="x")
    assert _as("new").post(reverse("make-project"), {"name": "Fourth"}).status_code == 403


@pytest.mark.parametrize("how", ["removed", "lowered", "deactivated", "deleted"])
def test_an_invitation_is_void_once_its_maker_may_make_none(project: Project, how: str) -> None:
    owner = User.objects.get(username="owner")
    second = User.objects.create_user("second", password="x")
    member = Membership.objects.create(project=project, user=second, role=Role.OWNER)
    _, secret = projects.invite(project=project, role=Role.OWNER, note="", by=second)
    assert projects.invitation(secret) is not None
    if how in ("removed", "lowered"):
        role = Role.VIEWER if how == "lowered" else None
        projects.change_role(project=project, member=member, role=role, by=owner)
    elif how == "deactivated":
        User.objects.filter(pk=second.pk).update(is_active=False)
    else:
        second.delete()
    assert projects.invitation(secret) is None
    assert _as("stranger").post(reverse("invitation", args=[secret])).status_code == 404
    page = _as("owner").get(reverse("project", args=[project.pk])).content.decode()
    assert "invitations/" not in page  # Nothing is left to be withdrawn.
    assert not project.memberships.filter(user__username="stranger").exists()
