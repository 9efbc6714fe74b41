"""Every URL × every kind of caller × every method, checked against one table.

There are two projects; everything that a URL names belongs to the first, and members of the second
must not learn that it exists. A new URL without a row in `TABLE` fails the first test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import reverse

from studyapp.models import (
    ApiToken,
    AuditRecord,
    FeatureList,
    Invitation,
    Membership,
    Run,
    Study,
    StudyDraft,
)
from studyapp.wizard.services import answers
from tests.studyapp.routes import routes
from tests.studyapp.two_projects import ROLES, Caller, Side, administrator, ask, make_side

pytestmark = pytest.mark.django_db

METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE")
FEW = ("nobody", "owner of B", "administrator")
"""For these every method is tried; for the others only GET and POST."""
OURS = tuple(f"{role} of A" for role in ROLES)
THEIRS = tuple(f"{role} of B" for role in ROLES)
ADMIN = "administrator"
NO_ACCOUNT = ("nobody", "participant of A", "participant of B", "token of A", "token of B")
CALLERS = (*NO_ACCOUNT, *OURS, *THEIRS, ADMIN)
LOGIN, MAY_NOT, NOT_THERE, NO_SUCH_METHOD = 302, 403, 404, 405
Arguments = Callable[[Side], list[Any]]


@dataclass(frozen=True)
class Row:
    """What a URL answers: `ok` to every caller not named in `others`."""

    methods: str
    """The methods that it accepts; every other one is a 405."""
    others: Callable[[str, str], int | None]
    """Caller and method → the status of a refusal; None if the caller is not refused."""
    arguments: Arguments = field(default=lambda _: [])
    data: dict[str, Any] = field(default_factory=dict)
    ok: tuple[int, ...] = (200, 302)


def everybody(caller: str, method: str) -> int | None:
    return None


def accounts(caller: str, method: str) -> int | None:
    return LOGIN if caller in NO_ACCOUNT else None


def administrators(caller: str, method: str) -> int | None:
    return accounts(caller, method) or (None if caller == ADMIN else MAY_NOT)


def editors_somewhere(caller: str, method: str) -> int | None:
    return accounts(caller, method) or (MAY_NOT if caller.startswith("viewer") else None)


def of_project(least: str, *, hidden: bool = False, post: str = "") -> Any:
    """Members with at least that role; other members of A get a 403, or if hidden, what B gets."""

    def refuse(caller: str, method: str) -> int | None:
        if caller in NO_ACCOUNT or caller in THEIRS:
            return LOGIN if caller in NO_ACCOUNT else NOT_THERE
        wanted = post if post and method == "POST" else least
        if caller != ADMIN and ROLES.index(caller.split()[0]) < ROLES.index(wanted):
            return NOT_THERE if hidden else MAY_NOT
        return None

    return refuse


def by_token(*, of_study: bool) -> Any:
    def refuse(caller: str, method: str) -> int | None:
        if not caller.startswith("token"):
            return 401
        return NOT_THERE if of_study and caller == "token of B" else None

    return refuse


def participant_of_a(status: int) -> Any:
    return lambda caller, method: None if caller == "participant of A" else status


viewer, editor, owner = of_project("viewer"), of_project("editor"), of_project("owner")
draft = of_project("editor", hidden=True)


def no_own(_: Side) -> list[Any]:
    return []


def run(side: Side) -> list[Any]:
    return [side.run.pk]


def version(side: Side) -> list[Any]:
    return side.version


def feature(side: Side) -> list[Any]:
    return [side.run.pk, side.feature.sae, side.feature.index]


def a_list(side: Side) -> list[Any]:
    return [side.run.pk, side.listed.pk]


def project(side: Side) -> list[Any]:
    return [side.project.pk]


def slug(side: Side) -> list[Any]:
    return [side.study.slug]


def a_draft(side: Side) -> list[Any]:
    return [side.draft.pk]


def sound(side: Side) -> list[Any]:
    return [side.study.slug, side.trial.token, 1]


def participant(methods: str = "GET HEAD POST") -> Row:
    """A participant's page: anyone without a place in this study is told so."""
    return Row(methods, participant_of_a(403), slug, ok=(200, 302, 422))


PAGE, FORM, SAFE = "GET", "GET POST", "GET HEAD"
ALL, CLASSIC = "GET HEAD POST PUT DELETE", "GET HEAD POST PUT"
TABLE: dict[str, Row] = {
    # Without a login
    "health": Row(ALL, everybody), "ready": Row(ALL, everybody, ok=(200, 503)),
    "metrics": Row(ALL, everybody, ok=(404,)),
    "login": Row(ALL, everybody, ok=(200, 302, 405)),
    "account_login": Row(ALL, everybody, ok=(200, 302, 405)),
    "logout": Row("POST", everybody), "mfa_authenticate": Row(ALL, everybody),
    "password-forgotten": Row(CLASSIC, everybody, ok=(200, 404)),
    "password-sent": Row(PAGE, everybody),
    "password-link": Row(ALL, everybody, lambda _: ["MQ", "x"]),
    "invitation": Row(FORM, everybody, lambda a: [a.secret], ok=(200, 302, 422)),
    "prolific-hook": Row("POST", everybody, ok=(400,)),
    # One's own account
    "home": Row(PAGE, accounts), "account": Row(PAGE, accounts), "mfa_index": Row(PAGE, accounts),
    "look": Row(SAFE, accounts), "compare-runs": Row(PAGE, accounts),
    "change-password": Row(FORM, accounts, ok=(200, 422)), "change-email": Row(FORM, accounts),
    "account_reauthenticate": Row("GET HEAD POST PUT", accounts),
    "mfa_reauthenticate": Row(ALL, accounts), "mfa_activate_totp": Row(ALL, accounts),
    "mfa_deactivate_totp": Row(ALL, accounts, ok=(302, 404)),
    "mfa_view_recovery_codes": Row(ALL, accounts, ok=(404, 405)),
    "mfa_generate_recovery_codes": Row(ALL, accounts, ok=(302,)),
    "make-token": Row("POST", accounts, data={"name": "n"}),
    "revoke-token": Row("POST", accounts, lambda a: [a.token.pk]),
    # Rights beyond a project
    "make-project": Row("POST", administrators, data={"name": "C"}),
    "queues": Row(PAGE, administrators),
    "import-run": Row("POST", administrators, ok=(422,)),
    "new-run": Row(FORM, editors_somewhere, ok=(200, 422)),
    "check-config": Row("POST", editors_somewhere),
    "new-items": Row(FORM, editors_somewhere, ok=(200, 422)),
    "items-template": Row("GET HEAD", accounts),
    "fill-config": Row("POST", editors_somewhere),
    "new-study": Row(FORM, editors_somewhere, ok=(200, 422)),
    # Runs
    "run": Row(PAGE, viewer, run), "stop-run": Row("POST", editor, run),
    "delete-run": Row("POST", editor, run),
    "queue-run": Row("POST", editor, run), "measure-run": Row("POST", editor, run),
    "redo-stage": Row("POST", editor, lambda a: [a.run.pk, "labels"]),
    "run-paper": Row(FORM, of_project("viewer", post="editor"), run),
    "run-paper-document": Row(PAGE, viewer, run, ok=(200,)),
    "run-paper-file": Row(PAGE, viewer, lambda a: [a.run.pk, "methods.txt"], ok=(200,)),
    "joined-paper": Row(FORM, of_project("viewer", post="editor"), project),
    "joined-paper-document": Row(PAGE, viewer, project, ok=(200,)),
    "joined-paper-file": Row(PAGE, viewer, lambda a: [a.project.pk, "methods.txt"], ok=(200,)),
    "run-steering": Row(FORM, of_project("viewer", post="editor"), run, ok=(200, 302, 422)),
    "stop-steering": Row("POST", editor, run),
    "features": Row(PAGE, viewer, run), "feature": Row(PAGE, viewer, feature),
    "feature-material": Row(PAGE, viewer, feature), "feature-redraw": Row("POST", viewer, feature),
    "search-words": Row("POST", viewer, run, {"words": "bells"}),
    "search-sound": Row("POST", editor, run),
    "feature-search": Row(PAGE, viewer, lambda a: [a.run.pk, a.search.pk]),
    "add-to-list": Row("POST", editor, run, {"list": "n", "feature": "none"}),
    "feature-list": Row(PAGE, viewer, a_list), "list-text": Row(PAGE, viewer, a_list, ok=(200,)),
    "change-list": Row("POST", editor, a_list, {"what": "delete"}),
    "study-of-list": Row("POST", editor, a_list),
    "clip-audio": Row(SAFE, viewer, lambda a: [a.run.pk, a.clip]),
    "track-audio": Row(SAFE, viewer, lambda a: [a.run.pk, a.track]),
    "steered-audio": Row(SAFE, viewer, lambda a: [a.run.pk, a.feature.sae, "0"]),
    "picture": Row(SAFE, viewer, lambda a: [a.run.pk, a.clip]),
    # Study drafts
    "plan-step": Row(FORM, draft, lambda a: [a.draft.pk, answers.STEPS[0]], ok=(200, 302, 422)),
    "plan-review": Row(FORM, draft, a_draft), "plan-power": Row("POST", draft, a_draft),
    "plan-discard": Row("POST", draft, a_draft),
    # Studies
    "study": Row(PAGE, viewer, version), "study-flags": Row(PAGE, viewer, version),
    "participations": Row(PAGE, viewer, version), "problems": Row(PAGE, viewer, version),
    "participation": Row(PAGE, viewer, lambda a: [*a.version, a.participation.identifier]),
    "playback": Row(PAGE, viewer, lambda a: [*a.version, a.participation.identifier]),
    "withdraw-participation": Row(
        "POST", editor, lambda a: [*a.version, a.participation.identifier], {"reason": "asked"}
    ),
    "preview-study": Row("POST", viewer, version),
    "operation": Row(PAGE, viewer, version),
    "end-abandoned": Row("POST", editor, version),
    "switch-condition": Row("POST", editor, version, {"condition": "x", "reason": "a test"}),
    "time-zone": Row("POST", editor, version, {"time_zone": "UTC"}),
    "add-places": Row("POST", editor, version, {"count": "1", "reason": "a test"}),
    "recruitment": Row(PAGE, viewer, version),
    "recruitment-settings": Row("POST", editor, version, {"entry": "link", "service": "none"}),
    "recruitment-people": Row("POST", editor, version, {"name": "n", "people": "5f0000000000"}),
    "recruitment-prolific": Row(PAGE, editor, version, ok=(200,)),
    "recruitment-ask": Row("POST", editor, version, {"kind": "reject"}),
    "recruitment-action": Row("POST", editor, lambda a: [*a.version, a.action.key], {"do": "x"}),
    "entry-links": Row("POST", editor, version, {"kind": "single", "count": "1"}),
    "revoke-links": Row("POST", editor, version, {"links": "x"}),
    "unblind-study": Row("POST", editor, version, {"reason": "to see"}),
    "edit-study": Row("POST", editor, version), "freeze-study": Row("POST", editor, version),
    "open-study": Row("POST", editor, version), "pause-study": Row("POST", editor, version),
    "close-study": Row("POST", editor, version), "delete-study": Row("POST", editor, version),
    "responses-csv": Row(PAGE, viewer, version, ok=(200,)),
    "export-zip": Row(PAGE, viewer, version, ok=(200,)),
    "results": Row(FORM, of_project("viewer", post="editor"), version),
    "report-document": Row(PAGE, viewer, version, ok=(200,)),
    "report-file": Row(PAGE, viewer, lambda a: [*a.version, "summary.json"], ok=(200,)),
    "study-items": Row(PAGE, editor, version, ok=(200,)),
    "study-sound": Row(SAFE, editor, lambda a: [*a.version, a.stimulus], ok=(200,)),
    # Projects
    "project": Row(PAGE, viewer, project),
    "notices": Row(PAGE, owner, project),
    "change-notices": Row("POST", owner, project, {"quiet_hours": "8"}),
    "invite": Row("POST", owner, project, {"role": "viewer"}),
    "change-member": Row("POST", owner, lambda a: [a.project.pk, a.member.pk], {"role": "none"}),
    "withdraw-invitation": Row("POST", owner, lambda a: [a.project.pk, a.invitation.pk]),
    # Programs
    "api-studies": Row(PAGE, by_token(of_study=False), ok=(200,)),
    "api-study": Row(PAGE, by_token(of_study=True), version, ok=(200,)),
    "api-table": Row(PAGE, by_token(of_study=True), lambda a: [*a.version, "labels"], ok=(200,)),
    # Participants
    "start": Row(SAFE, everybody, slug), "next": Row("POST", everybody, slug),
    "mturk": Row(SAFE, everybody, slug, ok=(404,)),
    "language": Row("POST", everybody, slug),
    **{name: participant() for name in (
        "consent", "instructions", "device", "volume", "headphones", "hearing", "practice", "trial",
        "questionnaire", "thanks", "ended", "withdraw", "problem",
    )},
    "stay": Row("POST", participant_of_a(403), slug, ok=(200,)),
    "events": Row("POST", participant_of_a(403), slug, ok=(400,)),
    "audio": Row(SAFE, participant_of_a(404), sound, ok=(200,)),
    "sound": Row(SAFE, participant_of_a(404), lambda a: [a.study.slug, "x"], ok=(404,)),
}  # fmt: skip


def wanted(row: Row, caller: str, method: str, is_public: bool) -> tuple[int, ...]:
    """The statuses that the table allows for it."""
    if not is_public and caller in NO_ACCOUNT:
        return (LOGIN,)
    if method not in row.methods.split():
        # A token is checked first; a wrong method is refused before the place is looked up.
        refused = row.others(caller, method)
        return (NO_SUCH_METHOD,) if refused != 401 else (401,)
    refused = row.others(caller, method)
    return row.ok if refused is None else (refused,)


def callers(a: Side, b: Side) -> dict[str, Caller]:
    sides = {"A": a, "B": b}
    found = {
        f"{name} of {letter}": one for letter, side in sides.items()
        for name, one in side.callers.items()
    }  # fmt: skip
    return found | {"nobody": Caller({}), ADMIN: administrator()}


def test_every_address_has_a_row() -> None:
    names = {one.name for one in routes() if not one.name.startswith("admin:")}
    assert names == set(TABLE)


def test_the_table_holds_for_every_address_caller_and_method() -> None:
    a, b = make_side("a"), make_side("b")
    known = callers(a, b)
    assert set(known) == set(CALLERS)
    public = {one.name for one in routes() if one.is_public}
    wrong: list[str] = []
    for name, row in TABLE.items():
        address = reverse(name, args=row.arguments(a))
        for caller, brings in known.items():
            for method in METHODS if caller in FEW else METHODS[:2]:
                got = ask(brings, method, address, row.data).status_code
                if got not in (right := wanted(row, caller, method, name in public)):
                    wrong.append(f"{method} {name}, {caller}: {got}, not {right}")
    assert wrong == []


def test_what_the_others_ask_for_changes_nothing_of_the_first_project() -> None:
    a, b = make_side("a"), make_side("b")

    def state() -> list[Any]:
        models = (Run, Study, StudyDraft, Membership, Invitation, ApiToken, FeatureList)
        of_a = [list(model.objects.order_by("pk").values()) for model in models]
        return [*of_a, AuditRecord.objects.filter(project=a.project).count()]

    before = state()
    changing = {name: row for name, row in TABLE.items() if "POST" in row.methods.split()}
    named = {name: row for name, row in changing.items() if row.arguments(a) and name not in OPEN}
    for name, row in named.items():
        for caller in ROLES:
            address = reverse(name, args=row.arguments(a))
            ask(b.callers[caller], "POST", address, row.data, undone=False)
            assert state() == before, f"{name} by a {caller} of B"


OPEN = {"invitation", "password-link"}
"""Open to anyone who has the secret in the URL."""


def test_the_administration_is_only_for_administrators() -> None:
    a, b = make_side("a"), make_side("b")
    known = callers(a, b)
    examples = {"content_type_id": 1, "object_id": "1", "app_label": "studyapp", "id": "1"}
    for one in routes():
        if not one.name.startswith("admin:") or not set("<(").isdisjoint(one.name):
            continue
        asked = {key: examples.get(key, "1") for key in one.converters}
        if one.name == "admin:app_list":
            asked = {"app_label": "studyapp"}
        address = reverse(one.name, kwargs=asked or None)
        for caller in FEW:
            got = ask(known[caller], "GET", address, {}).status_code
            may = caller == ADMIN or one.name in ("admin:login", "admin:logout")
            right = (200, 302, 403, 404, 405) if may else (302, 403)
            assert got in right, f"{one.name}, {caller}: {got}"
