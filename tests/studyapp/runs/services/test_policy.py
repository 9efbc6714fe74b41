"""What a researcher's config may name: what the administrator offers, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from pipeline.config import RunConfig
from pipeline.config.guard import Guard, guarded_fields
from studyapp.core.errors import RunError
from studyapp.jobs.tasks import work
from studyapp.models import Job, Membership, Project, Role, Run
from studyapp.runs.services import lifecycle, policy

pytestmark = pytest.mark.django_db
HOOKPOINTS = ["decoder.layers.0.resid_post"]


@pytest.fixture
def offered(tmp_path: Path, settings: Any) -> Path:
    """A folder with `corpora/good`, `models/nano`, and others that are not offered."""
    for name in ("corpora/good", "models/nano", "secret/corpus", "corpora-of-others/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "corpora/way-out").symlink_to(tmp_path / "secret")
    (tmp_path / "secret/key").write_text("a secret")
    settings.CORPORA = [str(tmp_path / "corpora")]
    settings.MODELS = [str(tmp_path / "models"), "facebook/musicgen-small"]
    return tmp_path


@pytest.fixture
def editor() -> User:
    user = User.objects.create_user("editor", password="x")
    project = Project.objects.create(name="Hearing")
    Membership.objects.create(project=project, user=user, role=Role.EDITOR)
    return user


def config(folder: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    base: dict[str, dict[str, Any]] = {
        "subject": {"model": str(folder / "models/nano"), "hookpoints": HOOKPOINTS},
        "corpus": {"path": str(folder / "corpora/good")},
    }
    return base | {name: base.get(name, {}) | values for name, values in sections.items()}


def make(folder: Path, by: User | None, **sections: dict[str, Any]) -> Run:
    project = Project.objects.filter(name="Hearing").first()
    return lifecycle.create_run(
        name="a run", config=config(folder, **sections), created_by=by, project=project
    )


def test_what_is_offered_may_be_named(offered: Path, editor: User) -> None:
    assert policy.corpora() == [str(offered / "corpora/good")]
    assert policy.models() == ["facebook/musicgen-small", str(offered / "models/nano")]
    run = make(offered, editor, subject={"model": "facebook/musicgen-small"})
    assert (run.origin, run.state) == (Run.Origin.SITE, Run.State.NEW)
    policy.check(run.config)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("corpus", lambda f: {"path": str(f / "secret/corpus")}),
        ("corpus", lambda f: {"path": str(f / "corpora/../secret/corpus")}),
        ("corpus", lambda f: {"path": str(f / "corpora/way-out/corpus")}),
        ("corpus", lambda f: {"path": str(f / "corpora-of-others/x")}),
        ("corpus", lambda _: {"path": "/"}),
        ("corpus", lambda _: {"path": ""}),
        ("corpus", lambda _: {"path": "~nobody-at-all"}),
        ("corpus", lambda _: {"path": "a\0b"}),
        ("corpus", lambda _: {"path": "x" * 5000}),
        ("subject", lambda f: {"model": str(f / "secret")}),
        ("subject", lambda _: {"model": "facebook/musicgen-large"}),
        ("subject", lambda _: {"model": "fixtures/nano"}),
        ("clap", lambda f: {"model": str(f / "secret")}),
        ("essentia", lambda f: {"models": str(f / "secret")}),
        ("gemini", lambda f: {"prompt": str(f / "secret/key")}),
        ("gemini", lambda _: {"prompt": "/proc/self/environ"}),
        ("gemini", lambda f: {"ledger": str(f / "corpora/good/ledger.jsonl")}),
        ("gemini", lambda _: {"base_url": "https://attacker.example"}),
        ("gemini", lambda _: {"model": "gemini-2.5-pro"}),
        ("gemini", lambda _: {"budget_dollars": 1e6}),
        ("gemini", lambda _: {"dollars_per_million_audio": 1e-9}),
        ("labels", lambda _: {"methods": ["gemini@gemini-2.5-pro"]}),
        ("ensemble", lambda _: {"methods": ["gemini@gemini-2.5-pro"]}),
        ("audio_chat", lambda _: {"base_url": "https://attacker.example/v1"}),
        ("audio_chat", lambda _: {"model": "lab/other"}),
        ("audio_chat", lambda _: {"prices": ["lab/other=0/0/0"]}),
        ("audio_chat", lambda _: {"budget_dollars": 1e6}),
        ("captioner", lambda f: {"models": ["facebook/musicgen-small", str(f / "secret")]}),
        ("labels", lambda _: {"methods": ["audio-chat"]}),
        ("labels", lambda _: {"methods": ["audio-chat@lab--other"]}),
        ("free_text", lambda f: {"responses": str(f / "secret/key")}),
        ("ensemble", lambda f: {"responses": str(f / "secret/key")}),
    ],
)
def test_nothing_else_may_be(
    offered: Path, editor: User, section: str, values: Callable[[Path], dict[str, Any]]
) -> None:
    with pytest.raises(RunError) as refused:
        make(offered, editor, **{section: values(offered)})
    assert "\n" not in str(refused.value)
    assert not Run.objects.exists()


def test_models_of_another_service_are_what_the_administrator_offers(
    offered: Path, editor: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.GEMINI_BUDGET = 7.0
    monkeypatch.setenv("EARWITNESS_AUDIO_CHAT_MODELS", "lab/listener=40/2.5/10")
    methods = ["audio-chat@lab--listener", "descriptors"]
    run = make(offered, editor, labels={"methods": methods}, audio_chat={"concurrency": 99})
    chat = policy.with_site_values(run.config)["audio_chat"]
    assert (chat["concurrency"], chat["budget_dollars"]) == (4, 7.0)
    policy.check({"labels": {"methods": ["audio-chat"]}, "audio_chat": {"model": "lab/listener"}})
    with pytest.raises(RunError, match="choose from: lab/listener"):
        policy.check({"labels": {"methods": ["audio-chat@lab--other"]}})


def test_an_administrator_and_the_command_line_name_what_they_like(offered: Path) -> None:
    admin = User.objects.create_superuser("ada", password="x")
    for by in (admin, None):
        run = make(
            offered, by, corpus={"path": str(offered / "secret/corpus")},
            gemini={"prompt": str(offered / "secret/key"), "budget_dollars": 3.0},
        )  # fmt: skip
        assert run.config["corpus"]["path"] == str(offered / "secret/corpus")
        assert not policy.is_guarded(run)
        run.delete()


def test_a_refusal_does_not_tell_what_is_there(offered: Path) -> None:
    told = []
    for path in ("secret", "nothing", "secret/key", "secret/key/below"):
        with pytest.raises(RunError) as refused:
            policy.check(config(offered, corpus={"path": str(offered / path)}))
        told.append(str(refused.value))
    assert len(set(told)) == 1
    assert str(offered / "corpora/good") in told[0]


def test_every_guarded_field_has_a_rule() -> None:
    assert set(policy._CHECKS) == {one.name for one in Guard}
    for one in guarded_fields(RunConfig):
        with pytest.raises(RunError, match=rf"\[{one.section}\] {one.name} "):
            policy.check({one.section: {one.name: "/somewhere/else"}})


def test_where_nothing_is_offered_everything_is_refused(settings: Any) -> None:
    settings.CORPORA, settings.MODELS = ["/nowhere/at/all"], []
    assert (policy.corpora(), policy.models()) == ([], [])
    with pytest.raises(RunError, match="the administrator has listed none to choose from"):
        policy.check({"corpus": {"path": "/nowhere"}})


def test_settings_decide_prices_and_confinement(settings: Any) -> None:
    settings.GEMINI_MODELS = {"gemini-2.5-pro": (1.25, 0.2, 10.0)}
    given = {"labels": {"methods": ["gemini", "gemini@gemini-2.5-pro"]}}
    policy.check(given)
    made = policy.with_site_values(
        given
        | {"machine": {"workers": 10**9, "threads": 10**6, "confined": False}}
        | {"gemini": {"concurrency": 5000}}
    )
    cores = os.cpu_count()
    assert made["machine"] == {"workers": cores, "threads": cores, "confined": True}
    # Both are asked under one config: each price is the dearer one's.
    assert made["gemini"] == {
        "concurrency": 4,
        "budget_dollars": 10.0,
        "dollars_per_million_audio": 1.25,
        "dollars_per_million_text": 0.3,
        "dollars_per_million_output": 10.0,
    }


def gone(user: User) -> None:
    user.delete()


def closed(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def left(user: User) -> None:
    Membership.objects.filter(user=user).delete()


@pytest.fixture
def other(editor: User) -> User:
    """Another editor of the project."""
    user = User.objects.create_user("other", password="x")
    Membership.objects.create(project=Project.objects.get(), user=user, role=Role.EDITOR)
    return user


@pytest.mark.parametrize("end", [gone, closed, left])
def test_an_editor_continues_a_run_whose_maker_has_lost_the_right(
    offered: Path, editor: User, other: User, monkeypatch: pytest.MonkeyPatch, end: Any
) -> None:
    run = make(offered, editor)
    end(editor)
    run.refresh_from_db()
    lifecycle.queue_run(run=run, by=other)
    assert run.created_by == other
    [seen] = executed(run, monkeypatch)
    assert seen.machine.confined
    assert run.error == "stopped by the test"


def test_a_run_stays_its_makers_while_they_may_start_it(
    offered: Path, editor: User, other: User
) -> None:
    run = make(offered, editor)
    lifecycle.queue_run(run=run, by=other)
    run.refresh_from_db()
    assert run.created_by == editor


def test_taking_over_a_run_allows_no_more_than_starting_ones_own(
    offered: Path, other: User
) -> None:
    admin = User.objects.create_superuser("ada", password="x")
    run = make(offered, admin, corpus={"path": str(offered / "secret/corpus")})
    admin.delete()
    run.refresh_from_db()
    with pytest.raises(RunError, match=r"\[corpus\] path is not offered here"):
        lifecycle.queue_run(run=run, by=other)
    viewer = User.objects.create_user("viewer", password="x")
    with pytest.raises(RunError, match="viewer may not start runs in Hearing"):
        lifecycle.queue_run(run=run, by=viewer)
    run.refresh_from_db()
    assert (run.state, run.created_by) == (Run.State.NEW, None)
    second = User.objects.create_superuser("bea", password="x")
    lifecycle.queue_run(run=run, by=second)
    assert run.created_by == second


@pytest.fixture
def queued(offered: Path, editor: User) -> Run:
    """A run of the editor that is waiting for a worker."""
    run = make(offered, editor)
    lifecycle.queue_run(run=run)
    return run


def executed(run: Run, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The configs with which the pipeline was called."""
    seen: list[Any] = []

    def stage(config: Any, out: Path, name: str, *, progress: Any) -> Any:
        seen.append(config)
        raise RunError("stopped by the test")

    monkeypatch.setattr("pipeline.run.execute_stage", stage)
    monkeypatch.setattr("pipeline.run.open_stage", lambda *_: None)
    work(Job.objects.get(kind="run", target=run.pk).pk)
    run.refresh_from_db()
    return seen


def test_the_worker_confines_the_corpus(queued: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    [seen] = executed(queued, monkeypatch)
    assert seen.machine.confined


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda f: User.objects.update(is_active=False), "may no longer start runs in Hearing"),
        (lambda f: User.objects.all().delete(), "may no longer start runs in Hearing"),
        (lambda f: Membership.objects.update(role=Role.VIEWER), "may no longer start runs"),
        (lambda f: Membership.objects.all().delete(), "may no longer start runs in Hearing"),
        (lambda f: Project.objects.update(may_start_runs=False), "may no longer start runs"),
        (
            lambda f: ((f / "corpora/good").rmdir(),
                       (f / "corpora/good").symlink_to(f / "secret/corpus")),
            "[corpus] path is not offered here",
        ),
    ],
)  # fmt: skip
def test_the_worker_asks_again(
    queued: Run, offered: Path, monkeypatch: pytest.MonkeyPatch, change: Any, line: str
) -> None:
    change(offered)
    assert executed(queued, monkeypatch) == []
    assert queued.state == Run.State.FAILED
    assert line in queued.error
