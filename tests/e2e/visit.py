"""Serves every page once in this process and prints which heavy modules it then holds.

python -m tests.e2e.visit, in an environment with a run, an open study and a researcher.
"""

import json
import sys

HEAVY = (
    "torch", "transformers", "librosa", "statsmodels", "matplotlib", "essentia", "laion_clap",
    "sklearn", "numba", "scipy",
)  # fmt: skip
ADMIN_MODELS = (
    "run", "stagerecord", "clip", "feature", "exemplar", "labelcandidate", "study", "condition",
    "stimulus", "item", "participation", "trial", "response", "event", "steprecord",
    "recruitment", "entrytoken", "delivery", "problemreport", "personlist",
)  # fmt: skip


def main() -> None:
    """Visit everything, then print the names of the views served and the heavy modules loaded."""
    from studyapp.wsgi import application  # noqa: F401 - what the web server loads

    served = {*_participant(), *_recruitment(), *_researcher()}
    said = {"served": sorted(served), "heavy": [m for m in HEAVY if m in sys.modules]}
    json.dump(said, sys.stdout)


def _participant() -> list[str]:
    """All pages of a simulated participation, including an ending."""
    from django.test import Client

    from studyapp.models import Participation, Study
    from tests.studyapp import passages

    study = Study.objects.get(slug="tiny")
    client = Client()
    passages.reach(client, study, "volume")
    client.get("/s/tiny/volume/")  # The step begins when its page is first shown.
    record = study.participations.latest("pk").steps_taken.get(step="volume")
    for token in record.data["sounds"]:
        assert client.get(f"/s/tiny/sound/{token}").status_code == 200
    assert client.post("/s/tiny/language/", {"language": "de"}).status_code == 302
    assert client.get("/s/tiny/problem/").status_code == 200
    assert client.post("/s/tiny/stay").status_code == 200
    assert client.get("/s/tiny/mturk").status_code == 404
    assert client.get("/s/tiny/withdraw/").status_code == 200
    assert client.post("/s/tiny/withdraw/").status_code == 302
    client = Client()
    participation = passages.reach_trials(client, study)
    Participation.objects.filter(pk=participation.pk).update(simulated=True)
    trial = passages.current(participation)
    for number in (1, 2, 3):
        assert client.get(f"/s/tiny/audio/{trial.token}/{number}").status_code == 200
    passages.finish(client, study, participation)
    assert client.get("/s/tiny/thanks/").status_code == 200
    other = Client()
    passages.enter(other, study)
    other.post("/s/tiny/consent/", {"decision": "refuse"})
    assert other.get("/s/tiny/ended/").status_code == 200
    # Only studies that look for programs among their listeners have this step; here it leads on.
    assert client.get("/s/tiny/hearing/").status_code == 302
    steps = ("device", "volume", "headphones", "hearing", "practice", "questionnaire")
    return [
        "start", "consent", "instructions", "trial", "thanks", "ended", "events", "audio",
        "language", "sound", "withdraw", "problem", "stay", "mturk", *steps,
    ]  # fmt: skip


def _recruitment() -> list[str]:
    """A webhook message without a signature, and the kiosk button outside a laboratory."""
    from django.test import Client

    client = Client()
    assert client.post("/hooks/prolific", "{}", "application/json").status_code == 403
    assert client.post("/s/tiny/next").status_code == 302
    return ["prolific-hook", "next"]


def _results(client: object, place: list[object]) -> list[str]:
    """The results of a closed study before its report exists."""
    from django.urls import reverse

    pages = {"results": 200, "report-document": 404, "report-file": 404}
    for name, expected in pages.items():
        arguments = [*place, "summary.json"] if name == "report-file" else place
        got = client.get(reverse(name, args=arguments))  # type: ignore[attr-defined]
        assert got.status_code == expected, name
    return list(pages)


def _researcher() -> list[str]:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    from studyapp.models import Run, Study

    run, study = Run.objects.get(name="tiny"), Study.objects.get(slug="tiny")
    client = Client()
    pages: dict[str, list[object]] = {
        "account": [], "health": [], "ready": [], "queues": [], "compare-runs": [],
        "login": [], "account_login": [], "mfa_index": [], "home": [], "new-run": [], "look": [],
        "run": [run.pk],
        "run-paper": [run.pk], "run-steering": [run.pk], "new-items": [], "items-template": [],
        "study": [study.slug, study.version], "responses-csv": [study.slug, study.version],
        "export-zip": [study.slug, study.version], **_feature_pages(run),
    }  # fmt: skip
    assert client.get(reverse("login")).status_code == 200
    client.force_login(get_user_model().objects.get(username="researcher"))
    plans = [
        *_plans(client, run),
        *_lists(client, run),
        *_searches(client, run),
        *_watched(client, study),
    ]
    for name, arguments in pages.items():
        response = client.get(reverse(name, args=arguments))
        _ = b"".join(response.streaming_content) if response.streaming else response.content
        assert response.status_code == (302 if "login" in name else 200), name
    settings.METRICS_TOKEN = "visit"
    figures = client.get(reverse("metrics"), headers={"authorization": "Bearer visit"})
    assert figures.status_code == 200
    for name, own in {"run-paper-document": [], "run-paper-file": ["methods.txt"]}.items():
        assert client.get(reverse(name, args=[run.pk, *own])).status_code == 404, name
    served = [
        *pages,
        "run-paper-document",
        "run-paper-file",
        "metrics",
        *plans,
        *_actions(client, run, study),
        *_projects(client),
        *_second_factor(client),
        *_passwords(client),
        *_api(study),
        "logout",
    ]
    for model in ADMIN_MODELS:
        assert client.get(f"/admin/studyapp/{model}/").status_code == 200, model
    client.post(reverse("logout"))
    return served


def _second_factor(client: object) -> list[str]:
    """The pages of the second factor, as far as they work without a phone."""
    from django.test import Client
    from django.urls import reverse

    pages = {
        "account_reauthenticate": 200, "mfa_reauthenticate": 302, "mfa_activate_totp": 302,
        "mfa_deactivate_totp": 404, "mfa_view_recovery_codes": 404,
        "mfa_generate_recovery_codes": 302,
    }  # fmt: skip
    for name, expected in pages.items():
        assert client.get(reverse(name)).status_code == expected, name  # type: ignore[attr-defined]
    assert Client().get(reverse("mfa_authenticate")).status_code == 302
    return [*pages, "mfa_authenticate"]


def _passwords(client: object) -> list[str]:
    """Changing and resetting a password, as far as that works without a mailbox."""
    from django.urls import reverse

    pages: dict[str, list[object]] = {
        "change-password": [], "password-forgotten": [], "password-sent": [],
        "password-link": ["MQ", "no-token"],
    }  # fmt: skip
    for name, arguments in pages.items():
        assert client.get(reverse(name, args=arguments)).status_code == 200, name  # type: ignore[attr-defined]
    assert client.get(reverse("change-email")).status_code == 302  # type: ignore[attr-defined]
    return [*pages, "change-email"]


def _plans(client: object, run: object) -> list[str]:
    """The steps of a new study, without the workers' part."""
    from django.urls import reverse

    from studyapp.models import StudyDraft
    from studyapp.wizard.services import answers

    first = {"runs": [run.pk], "saes": answers.answered(StudyDraft(answers={}))["saes"]}  # type: ignore[attr-defined]
    assert client.get(reverse("new-study")).status_code == 200  # type: ignore[attr-defined]
    assert client.post(reverse("new-study"), first).status_code == 302  # type: ignore[attr-defined]
    pk = StudyDraft.objects.latest("pk").pk
    for step in answers.STEPS:
        assert client.get(reverse("plan-step", args=[pk, step])).status_code == 200, step  # type: ignore[attr-defined]
    for name in ("plan-review", "plan-power"):
        method = client.get if name == "plan-review" else client.post  # type: ignore[attr-defined]
        assert method(reverse(name, args=[pk])).status_code == 200, name
    assert client.post(reverse("plan-discard", args=[pk])).status_code == 302  # type: ignore[attr-defined]
    return ["new-study", "plan-step", "plan-review", "plan-power", "plan-discard"]


def _lists(client: object, run: object) -> list[str]:
    """A list of features: made, read as text, made a study of, deleted."""
    from django.urls import reverse

    from studyapp.models import FeatureList, StudyDraft

    features = [feature.identifier for feature in run.features.all()[:2]]  # type: ignore[attr-defined]
    chosen = {"list": "visited", "feature": features}
    assert client.post(reverse("add-to-list", args=[run.pk]), chosen).status_code == 302  # type: ignore[attr-defined]
    place = [run.pk, FeatureList.objects.get(name="visited").pk]  # type: ignore[attr-defined]
    for name in ("feature-list", "list-text"):
        assert client.get(reverse(name, args=place)).status_code == 200, name  # type: ignore[attr-defined]
    for name, sent in {"study-of-list": {}, "change-list": {"what": "delete"}}.items():
        assert client.post(reverse(name, args=place), sent).status_code == 302, name  # type: ignore[attr-defined]
    draft = StudyDraft.objects.latest("pk")
    assert client.post(reverse("plan-discard", args=[draft.pk])).status_code == 302  # type: ignore[attr-defined]
    return ["add-to-list", "feature-list", "list-text", "study-of-list", "change-list"]


def _searches(client: object, run: object) -> list[str]:
    """Searches by words and by a sound, without the workers' part."""
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.urls import reverse

    from studyapp.models import FeatureSearch, Job

    own = [run.pk]  # type: ignore[attr-defined]
    sound = SimpleUploadedFile("a.flac", b"a sound")
    for name, sent in {
        "search-words": {"words": "bells"},
        "search-sound": {"sound": sound},
    }.items():
        assert client.post(reverse(name, args=own), sent).status_code == 302, name  # type: ignore[attr-defined]
    for row in FeatureSearch.objects.filter(run=run):
        address = reverse("feature-search", args=[*own, row.pk])
        assert client.get(address).status_code == 200  # type: ignore[attr-defined]
    FeatureSearch.objects.filter(run=run).delete()
    Job.objects.filter(kind="feature_search").delete()
    return ["search-words", "search-sound", "feature-search"]


def _items(client: object, place: list[object]) -> list[str]:
    """The items of a closed study and one of their sounds."""
    from django.urls import reverse

    from studyapp.models import Study

    study = Study.objects.get(slug=place[0], version=place[1])
    sha256 = study.items.filter(role="main")[0].stimuli[0].sha256
    for name, arguments in {"study-items": place, "study-sound": [*place, sha256]}.items():
        got = client.get(reverse(name, args=arguments))  # type: ignore[attr-defined]
        assert got.status_code == 200, name
    return ["study-items", "study-sound"]


def _watched(client: object, study: object) -> list[str]:
    """A running study, its preview, its next version, and unblinding it."""
    from django.urls import reverse

    place = [study.slug, study.version]  # type: ignore[attr-defined]
    someone = study.participations.latest("pk").identifier  # type: ignore[attr-defined]
    for name in ("study-flags", "participations", "participation", "problems", "playback"):
        arguments = [*place, someone] if name in ("participation", "playback") else place
        assert client.get(reverse(name, args=arguments)).status_code == 200, name  # type: ignore[attr-defined]
    begun = client.post(reverse("preview-study", args=place))  # type: ignore[attr-defined]
    assert client.get(begun.headers["Location"]).status_code == 200  # type: ignore[attr-defined]
    sent = {"count": "1", "kind": "single", "reason": "visited"}
    for name, status in (("entry-links", 200), ("revoke-links", 302), ("unblind-study", 302),
                         ("edit-study", 302)):  # fmt: skip
        assert client.post(reverse(name, args=place), sent).status_code == status, name  # type: ignore[attr-defined]
    return ["study-flags", "participations", "participation", "problems", "playback",
            "preview-study",
            "entry-links", "revoke-links", "unblind-study", "edit-study",
            *_recruited(client, place, someone)]  # fmt: skip


def _recruited(client: object, place: list[object], someone: str) -> list[str]:
    """The page Recruitment of a study that no service recruits for, and a withdrawal refused."""
    from uuid import uuid4

    from django.urls import reverse

    for name in ("recruitment", "recruitment-prolific", "operation"):
        assert client.get(reverse(name, args=place)).status_code == 200, name  # type: ignore[attr-defined]
    asked: dict[str, tuple[list[object], int]] = {
        "recruitment-settings": (place, 302), "recruitment-ask": (place, 302),
        "recruitment-people": (place, 302), "delete-study": (place, 302),
        "recruitment-action": ([*place, uuid4()], 404),
        "withdraw-participation": ([*place, someone], 302), "end-abandoned": (place, 302),
        "switch-condition": (place, 302), "add-places": (place, 302),
        "time-zone": (place, 302),
    }  # fmt: skip
    for name, (arguments, status) in asked.items():
        answer = client.post(reverse(name, args=arguments))  # type: ignore[attr-defined]
        assert answer.status_code == status, name
    return ["recruitment", "recruitment-prolific", "operation", *asked]


def _projects(client: object) -> list[str]:
    """A project, an invitation accepted by its maker, a token; then each is removed."""
    from django.urls import reverse

    from studyapp.models import ApiToken, Membership, Project

    def post(page: str, arguments: list[object], **data: str) -> None:
        assert client.post(reverse(page, args=arguments), data).status_code == 302, page  # type: ignore[attr-defined]

    post("make-project", [], name="visited")
    project = Project.objects.get(name="visited")
    post("invite", [project.pk], role="viewer")
    page = client.get(reverse("project", args=[project.pk])).content.decode()  # type: ignore[attr-defined]
    paper = client.get(reverse("joined-paper", args=[project.pk])).content.decode()  # type: ignore[attr-defined]
    assert "No run of this project has finished yet" in paper
    for name, own in {"joined-paper-document": [], "joined-paper-file": ["methods.txt"]}.items():
        made = client.get(reverse(name, args=[project.pk, *own]))  # type: ignore[attr-defined]
        assert made.status_code == 404, name
    secret = page.split("/join/")[1].split("/")[0]
    assert client.get(reverse("invitation", args=[secret])).status_code == 200  # type: ignore[attr-defined]
    notices = client.get(reverse("notices", args=[project.pk]))  # type: ignore[attr-defined]
    assert notices.status_code == 200
    post("change-notices", [project.pk], quiet_hours="8")
    post("withdraw-invitation", [project.pk, project.invitations.get().pk])
    post("change-member", [project.pk, Membership.objects.get(project=project).pk], role="owner")
    post("make-token", [], name="visited")
    post("revoke-token", [ApiToken.objects.get(name="visited").pk])
    return ["make-project", "invite", "project", "invitation", "withdraw-invitation",
            "change-member", "make-token", "revoke-token", "notices", "change-notices",
            "joined-paper", "joined-paper-document", "joined-paper-file"]  # fmt: skip


def _api(study: object) -> list[str]:
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    from studyapp.accounts.services import projects, tokens
    from studyapp.models import Study

    user = get_user_model().objects.get(username="researcher")
    project = projects.make(name="read by token", owner=user)
    Study.objects.filter(pk=study.pk).update(project=project)  # type: ignore[attr-defined]
    _, secret = tokens.make(user=user, name="api")
    client = Client(headers={"authorization": f"Bearer {secret}"})
    own = [study.slug, study.version]  # type: ignore[attr-defined]
    asked = {"api-studies": [], "api-study": own, "api-table": [*own, "responses"]}
    for name, arguments in asked.items():
        assert client.get(reverse(name, args=arguments)).status_code == 200, name
    return list(asked)


def _feature_pages(run: object) -> dict[str, list[object]]:
    """The feature browser, a feature with a view, its sounds and pictures."""
    from studyapp.core.storage import write_atomically
    from studyapp.features import services as feature_views
    from studyapp.models import Feature

    feature = Feature.objects.filter(run=run)[0]
    clip = feature.exemplars.select_related("clip")[0].clip
    empty = {"histogram": None, "quantiles": [], "timelines": {}, "neighbours": []}
    feature_views.store(feature=feature, facts=empty, notes=[])
    write_atomically(feature_views.picture(feature.run, clip.sha256), b"picture")
    track = feature_views.track_name("one at a quantile")
    write_atomically(feature_views.sound(feature.run, track), b"sound")
    own = [feature.run_id, feature.sae, feature.index]
    steered = feature_views.steered_sound(feature.run, feature.sae, "0")
    write_atomically(steered, b"sound")
    return {
        "features": [feature.run_id], "feature": own, "feature-material": own,
        "clip-audio": [feature.run_id, clip.sha256], "picture": [feature.run_id, clip.sha256],
        "track-audio": [feature.run_id, track],
        "steered-audio": [feature.run_id, feature.sae, "0"],
    }  # fmt: skip


def _actions(client: object, run: object, study: object) -> list[str]:
    """Every button; a corpus that cannot be decoded keeps the new run from taking a worker's
    time."""
    from django.urls import reverse

    from tests.studyapp.startable import TEXT as config  # noqa: N811 - a text like the fields below

    made = client.post(reverse("new-run"), {"name": "visited", "config": config})  # type: ignore[attr-defined]
    assert made.status_code == 302, made.content
    checked = client.post(reverse("check-config"), {"config": config})  # type: ignore[attr-defined]
    assert checked.status_code == 200
    filled = client.post(reverse("fill-config"), {"config": config, "labels.methods": "gemini"})  # type: ignore[attr-defined]
    assert filled.status_code == 200
    measured = client.post(reverse("measure-run", args=[run.pk]))  # type: ignore[attr-defined]
    assert measured.status_code == 302
    # Refused in one line each: this machine is not to generate music now.
    refused = client.post(reverse("run-steering", args=[run.pk]), {"features": "none"})  # type: ignore[attr-defined]
    assert refused.status_code == 422
    stopped = client.post(reverse("stop-steering", args=[run.pk]))  # type: ignore[attr-defined]
    assert stopped.status_code == 302
    kept = client.post(reverse("redo-stage", args=[run.pk, "labels"]))  # type: ignore[attr-defined]
    assert kept.status_code == 302
    refused = client.post(reverse("import-run"), {"name": "x", "directory": "/nowhere"})  # type: ignore[attr-defined]
    assert refused.status_code == 422
    stopped = client.post(reverse("stop-run", args=[run.pk]))  # type: ignore[attr-defined]
    assert stopped.status_code == 302
    refused = client.post(reverse("delete-run", args=[run.pk]))  # type: ignore[attr-defined]
    assert refused.status_code == 302
    again = client.post(reverse("queue-run", args=[run.pk]))  # type: ignore[attr-defined]
    assert again.status_code == 302
    feature = run.features.all()[0]  # type: ignore[attr-defined]
    own = [run.pk, feature.sae, feature.index]  # type: ignore[attr-defined]
    assert client.post(reverse("feature-redraw", args=own)).status_code == 302  # type: ignore[attr-defined]
    place = [study.slug, study.version]  # type: ignore[attr-defined]
    for action in ("freeze", "pause", "open", "close"):
        done = client.post(reverse(f"{action}-study", args=place))  # type: ignore[attr-defined]
        assert done.status_code == 302
    return [
        *_results(client, place),
        *_items(client, place),
        "check-config",
        "fill-config",
        "measure-run",
        "stop-steering",
        "redo-stage",
        "import-run",
        "stop-run",
        "delete-run",
        "queue-run",
        "feature-redraw",
        "freeze-study",
        "pause-study",
        "open-study",
        "close-study",
    ]


if __name__ == "__main__":
    main()
