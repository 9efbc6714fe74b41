"""The pages of runs, for people who may not start any run, or not this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from studyapp.features import services as feature_views
from studyapp.models import AuditRecord, Job, Membership, Project, Role, Run
from studyapp.runs.services import configs, estimate
from tests.studyapp import factories, run_directories

pytestmark = pytest.mark.django_db
HOOKPOINTS = '["decoder.layers.0.resid_post"]'


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def offered(tmp_path: Path, settings: Any) -> Path:
    """`corpora/good` with three sounds, `models/nano`, and a corpus of someone else."""
    for name in ("corpora/good", "corpora/bad", "models/nano", "secret"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(3):
        (tmp_path / f"corpora/good/{number}.wav").touch()
    (tmp_path / "secret/corpus.csv").write_text("PATIENT-NAME,DIAGNOSIS\n")
    (tmp_path / "models/nano/config.json").write_text('{"decoder": {"hidden_size": 32}}')
    (tmp_path / "models/nano/model.safetensors").touch()
    settings.CORPORA = [str(tmp_path / "corpora")]
    settings.MODELS = [str(tmp_path / "models")]
    return tmp_path


def text(folder: Path, *, corpus: str = "corpora/good", more: str = "") -> str:
    return (
        f'[subject]\nmodel = "{folder / "models/nano"}"\nhookpoints = {HOOKPOINTS}\n'
        f'[corpus]\npath = "{folder / corpus}"\n{more}'
    )


def somebody(name: str, role: str = "", project: str = "Hearing") -> Client:
    """The browser of a logged-in person with that role."""
    user = User.objects.create_user(name, password="x")
    if role:
        made, _ = Project.objects.get_or_create(name=project)
        Membership.objects.create(project=made, user=user, role=role)
    client = Client()
    client.force_login(user)
    return client


def said(response: Any) -> str:
    return str(response.content.decode())


@pytest.mark.parametrize("role", ["", "viewer"])
def test_people_who_are_editors_nowhere_can_start_and_check_nothing(
    role: str, offered: Path
) -> None:
    client = somebody("eve", role)
    run = factories.make_run()
    given = {"name": "mine", "config": text(offered)}
    for address in ("new-run", "check-config", "fill-config", "import-run"):
        assert client.post(reverse(address), given).status_code == 403, address
    assert client.get(reverse("new-run")).status_code == 403
    expected = 404
    if role:
        Run.objects.update(project=Project.objects.get())
        expected = 403
    for address in ("queue-run", "stop-run"):
        assert client.post(reverse(address, args=[run.pk])).status_code == expected
    assert client.post(reverse("redo-stage", args=[run.pk, "labels"])).status_code == expected
    assert Run.objects.count() == 1
    assert not Job.objects.exists()


def test_an_editor_chooses_from_what_is_offered(offered: Path) -> None:
    client = somebody("edda", "editor")
    page = said(client.get(reverse("new-run")))
    assert f'<option value="{offered / "corpora/good"}">' in page
    assert f'<option value="{offered / "models/nano"}">' in page
    assert "Administrators only" not in page
    fields = {
        "corpus.path": str(offered / "corpora/good"),
        "subject.model": str(offered / "models/nano"),
        "subject.hookpoints": "decoder.layers.0.resid_post",
    }
    plan = said(client.post(reverse("fill-config"), {"config": "", **fields}))
    assert "<dt>Tracks</dt><dd>3</dd>" in plan
    given = {"name": "mine", "config": "", "project": Project.objects.get().pk, **fields}
    assert client.post(reverse("new-run"), given).status_code == 302
    run = Run.objects.get()
    assert (run.state, run.origin, run.project) == ("queued", "site", Project.objects.get())


def test_a_run_of_no_project_is_offered_to_administrators_only(offered: Path) -> None:
    client = somebody("edda", "editor")
    theirs = Project.objects.create(name="Theirs")
    for project in ("", theirs.pk, 999, "x"):
        given = {"name": "mine", "config": text(offered), "project": project}
        assert client.post(reverse("new-run"), given).status_code == 422
    assert not Run.objects.exists()
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x"))
    assert "Administrators only" in said(admin.get(reverse("new-run")))
    given = {"name": "mine", "config": text(offered), "project": ""}
    assert admin.post(reverse("new-run"), given).status_code == 302


@pytest.mark.parametrize(
    "more",
    [
        '[gemini]\nbase_url = "http://127.0.0.1:9"\n',
        '[gemini]\nprompt = "/proc/self/environ"\n',
        '[gemini]\nledger = "/tmp/ledger"\n',
        "[gemini]\nbudget_dollars = 1000.0\n",
        '[free_text]\nresponses = "/etc/passwd"\n',
    ],
)
def test_an_editor_is_refused_what_only_administrators_name(offered: Path, more: str) -> None:
    client = somebody("edda", "editor")
    given = {"config": text(offered, more=more), "project": Project.objects.get().pk}
    for address in ("check-config", "new-run"):
        page = said(client.post(reverse(address), given | {"name": "mine"}))
        assert 'role="alert"' in page
        assert "administrator" in page
    assert not Run.objects.exists()


def test_the_plan_tells_nothing_of_folders_that_are_not_offered(
    offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = somebody("edda", "editor")
    monkeypatch.setattr(estimate, "_is_small", lambda _: pytest.fail("a folder was walked"))
    answers = set()
    for corpus in ("secret", "nothing", "secret/corpus.csv", "../../../../root", "/"):
        given = {"config": text(offered, corpus=corpus)}
        answer = said(client.post(reverse("check-config"), given))
        alert = re.search(r'role="alert">(.*?)</p>', answer)
        assert alert is not None
        answers.add(alert.group(1))
        assert "PATIENT" not in answer
        assert "PATIENT" not in said(client.post(reverse("new-run"), given | {"name": "x"}))
    assert len(answers) == 1


def test_a_large_corpus_is_not_listed_during_a_request(
    offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = somebody("edda", "editor")
    monkeypatch.setattr(estimate, "MAX_FILES", 2)
    page = said(client.post(reverse("check-config"), {"config": text(offered)}))
    assert "too large to list quickly" in page
    assert "The config is valid." in page
    # Remembered for a while: typing goes on and nothing is walked again.
    monkeypatch.setattr(estimate, "_is_small", lambda _: pytest.fail("walked again"))
    client.post(reverse("check-config"), {"config": text(offered, more="[sae]\nks = [4]\n")})


def test_large_listings_and_slow_disks_count_as_large(
    offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = offered / "corpora/good"
    assert estimate._is_small(folder)
    (folder / "corpus.csv").write_bytes(b"x" * 5000)
    monkeypatch.setattr(estimate, "MAX_FILES", 5)
    assert not estimate._is_small(folder)
    monkeypatch.undo()
    monkeypatch.setattr(estimate, "MAX_SECONDS", -1.0)
    assert not estimate._is_small(folder)


@pytest.mark.parametrize(
    "odd",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a = " * 3000 + "1" + "}" * 3000,
        "a = " + "9" * 5000,
        "[sae]\nsteps = " + "9" * 4000,
        "[sae]\nks = [" + "9" * 400 + "]",
        "[corpus]\nclip_seconds = inf",
        "[corpus]\nclip_seconds = 1e308",
        "[corpus]\nclip_seconds = nan",
        '[corpus]\npath = "a\\u0000b"',
        '[corpus]\npath = "~nobody-at-all"',
        f'[corpus]\npath = "{"x" * 5000}"',
        "[corpus]\npath = 5",
        "[labels]\nmethods = 5",
        "[labels]\nmethods = [1, {a = 2}]",
        '[labels]\nmethods = "gemini"',
        "[labels]\nmethods = [[]]",
        "labels = 5",
        "subject = []",
        "when = 2020-01-01T00:00:00Z",
        '"a b" = 1',
        "\ufeff[sae]\nks = [4]",
    ],
)
@pytest.mark.parametrize("who", ["editor", "administrator"])
def test_odd_toml_gets_a_line(odd: str, who: str, offered: Path) -> None:
    client = somebody("edda", "editor")
    User.objects.update(is_superuser=who == "administrator")
    subject = f'[subject]\nmodel = "{offered / "models/nano"}"\nhookpoints = {HOOKPOINTS}\n'
    whole = f"{odd}\n{subject}" if not odd.startswith("[") else f"{subject}{odd}\n"
    given = {"name": "odd", "config": whole, "project": Project.objects.get().pk}
    for address in ("check-config", "fill-config"):
        fields = {"sae.ks": "4", "labels.methods": ["", "gemini"]}
        response = client.post(reverse(address), given | fields)
        assert response.status_code == 200, address
        assert len(said(response)) < 60_000
    assert client.post(reverse("new-run"), given).status_code in (302, 422)


def test_a_number_with_thousands_of_digits_is_not_a_run(offered: Path) -> None:
    client = somebody("edda", "editor")
    assert client.get(reverse("new-run"), {"like": "9" * 5000}).status_code == 200
    assert client.get(reverse("compare-runs"), {"run": ["9" * 5000]}).status_code == 200


def test_a_project_that_may_not_start_runs_starts_none(offered: Path) -> None:
    client = somebody("edda", "editor")
    run = factories.make_run()
    Run.objects.update(project=Project.objects.get(), state="failed")
    Project.objects.update(may_start_runs=False)
    assert client.get(reverse("new-run")).status_code == 403
    page = said(client.post(reverse("queue-run", args=[run.pk]), follow=True))
    assert "may not start runs; an administrator can allow it" in page
    run.refresh_from_db()
    assert run.state == Run.State.FAILED


def test_an_own_project_starts_no_runs_before_an_administrator_allows_it(
    offered: Path, settings: Any
) -> None:
    settings.PROJECTS = "members"
    client = somebody("vera", "viewer")
    assert client.post(reverse("make-project"), {"name": "Mine"}).status_code == 302
    own = Project.objects.get(name="Mine")
    given = {"name": "mine", "config": text(offered), "project": own.pk}
    assert client.post(reverse("new-run"), given).status_code == 403
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x"))
    address = reverse("admin:studyapp_project_change", args=[own.pk])
    assert client.post(address, {"may_start_runs": "on"}).status_code in (302, 403)
    assert admin.post(address, {"may_start_runs": "on"}).status_code == 302
    assert AuditRecord.objects.filter(action="allowed runs", project=own).exists()
    assert client.post(reverse("new-run"), given).status_code == 302


def test_an_import_is_given_to_a_project_at_once_or_later(tmp_path: Path) -> None:
    editor = somebody("edda", "editor")
    project = Project.objects.get()
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x"))
    for name, chosen in (("now", project.pk), ("later", "")):
        run_directories.make(tmp_path / name)
        given = {"name": name, "directory": str(tmp_path / name), "project": chosen}
        assert admin.post(reverse("import-run"), given).status_code == 302
    now, later = Run.objects.get(name="now"), Run.objects.get(name="later")
    assert editor.get(reverse("run", args=[now.pk])).status_code == 200
    assert editor.get(reverse("run", args=[later.pk])).status_code == 404
    address = reverse("admin:studyapp_run_change", args=[later.pk])
    under_way = admin.post(address, {"project": project.pk}, follow=True)
    assert "is under way; stop it first" in said(under_way)
    Run.objects.update(state=Run.State.DONE)
    assert editor.post(address, {"project": project.pk}).status_code in (302, 403)
    assert admin.post(address, {"project": project.pk, "name": "renamed"}).status_code == 302
    later.refresh_from_db()
    assert (later.project, later.name) == (project, "later")
    assert editor.get(reverse("run", args=[later.pk])).status_code == 200


def test_a_folder_that_cannot_be_one_is_refused_in_a_line() -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("ada", password="x"))
    for folder in ("x" * 400, "~nobody/x", "/proc/self/mem", "/etc/passwd", "."):
        response = admin.post(reverse("import-run"), {"name": "x", "directory": folder})
        assert response.status_code == 422, folder


def test_the_plan_learns_from_no_run_that_the_user_may_not_see(offered: Path) -> None:
    client = somebody("edda", "editor")
    run = factories.make_run()
    config = configs.config_from_toml(text=text(offered))
    Run.objects.update(config=config, facets={"features": 48})
    asked = {"config": text(offered, more='[labels]\nmethods = ["gemini"]\n')}
    assert "for 48 features" not in said(client.post(reverse("check-config"), asked))
    type(run).objects.update(project=Project.objects.get())
    assert "for 48 features" in said(client.post(reverse("check-config"), asked))


def test_the_first_step_of_a_study_tells_nothing_of_others_runs() -> None:
    client = somebody("edda", "editor")
    own, theirs = factories.make_run(), factories.make_run()
    factories.make_features(own, count=6, sae="layer1-n64-k4")
    factories.make_features(theirs, count=7, sae="layer9-n4096-k99")
    Run.objects.filter(pk=own.pk).update(project=Project.objects.get())
    for asked in ([theirs.pk], [own.pk, theirs.pk], ["9" * 5000, theirs.pk]):
        page = said(client.post(reverse("new-study") + "?look", {"runs": asked, "saes": []}))
        assert "layer9" not in page
        assert ("layer1-n64-k4" in page) == (own.pk in asked)


def test_looking_at_every_feature_does_not_fill_the_queue() -> None:
    client = somebody("vera", Role.VIEWER)
    run, other = factories.make_run(), factories.make_run()
    Run.objects.update(project=Project.objects.get())
    features = factories.make_features(run, count=20)
    [elsewhere] = factories.make_features(other, count=1)
    for feature in features:
        address = reverse("feature", args=[run.pk, feature.sae, feature.index])
        assert client.get(address).status_code == 200
    assert Job.objects.count() == feature_views.MAX_WAITING
    last = reverse("feature-material", args=[run.pk, features[-1].sae, features[-1].index])
    assert "hx-trigger" in said(client.get(last))
    client.get(reverse("feature", args=[other.pk, elsewhere.sae, elsewhere.index]))
    assert Job.objects.filter(target=elsewhere.pk).exists()
    Job.objects.update(state=Job.State.DONE)
    client.get(last)
    assert Job.objects.filter(target=features[-1].pk).exists()
