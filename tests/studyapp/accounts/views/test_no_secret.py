"""A secret that a method used is in no row and on no page, and is sent to no stranger."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipeline.errors import PipelineError
from pipeline.progress import SilentProgress
from pipeline.stages import labels
from studyapp.models import Feature, Run
from studyapp.runs.services import imports
from tests.pipeline.labelers.gemini import many
from tests.pipeline.labelers.gemini.server import serving

KEY = "canary-93b7d1-key"


def fault(number: int, tries: int) -> str:
    """A server whose replies and refusals repeat the key."""
    return {1: "echo", 2: "400", 3: "500"}.get(number, "")


def labelled(folder: Path) -> None:
    """A finished run of six features labelled by a server that repeats secrets."""
    with serving(fault) as server:
        settings = {"base_url": server.url, "attempts": 2, "backoff_seconds": 0.01}
        settings["unanswered"] = "fail"
        many.make(folder, 6, {**settings, "requests_per_minute": 1e6})
        config, directory = many.opened(folder)
        labels.run(config, directory, progress=SilentProgress())
    for stage in ("activations", "scores"):
        with directory.writer(stage):
            pass


@pytest.mark.django_db
def test_a_key_is_in_no_row_and_on_no_page(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    labelled(tmp_path)
    run = imports.import_run(directory=tmp_path / "run", name="told")
    client.force_login(User.objects.create_superuser("ada", password="x"))
    feature = Feature.objects.filter(run=run).first()
    assert feature is not None
    pages = [
        reverse("home"),
        reverse("run", args=[run.pk]),
        reverse("features", args=[run.pk]),
        reverse("feature", args=[run.pk, feature.sae, feature.index]),
    ]
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200
        assert KEY not in response.content.decode()
    reasons = set(feature.run.features.values_list("labels__reason", flat=True))
    assert any("HTTP 400" in reason and "[key]" in reason for reason in reasons)
    for model in apps.get_app_config("studyapp").get_models():
        assert KEY not in repr(list(model._default_manager.values()))


@pytest.mark.django_db
def test_the_error_about_a_refused_key_does_not_contain_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with serving(lambda number, tries: "403") as server:
        many.make(tmp_path, 2, {"base_url": server.url})
        config, directory = many.opened(tmp_path)
        said = labels.run(config, directory, progress=SilentProgress())
    assert said is not None
    assert "[key]" in said
    assert KEY not in said
    assert not Run.objects.exists()


@pytest.mark.django_db
def test_a_server_that_the_environment_does_not_name_is_never_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    with serving() as server:
        monkeypatch.delenv("EARWITNESS_GEMINI_URL")
        many.make(tmp_path, 2, {"base_url": server.url})
        config, directory = many.opened(tmp_path)
        with pytest.raises(PipelineError, match="the key is sent only to") as refused:
            labels.run(config, directory, progress=SilentProgress())
        assert not server.tries
        monkeypatch.undo()
        monkeypatch.setenv("EARWITNESS_GEMINI_URL", server.url)
    assert KEY not in str(refused.value)
