"""What every page gets by default: a login in front of it, and no cached copy."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from studyapp.accounts.second_factor import ALLOWED_WITHOUT
from tests.studyapp import factories
from tests.studyapp.routes import routes

PUBLIC = {
    "login", "account_login", "admin:login", "logout", "mfa_authenticate", "invitation",
    "password-forgotten", "password-sent", "password-link",
    "health", "ready", "metrics", "prolific-hook", "api-studies", "api-study", "api-table",
    "start", "next", "consent", "instructions", "device", "volume", "headphones", "hearing",
    "practice", "trial", "questionnaire", "thanks", "ended", "withdraw", "language", "sound",
    "events", "audio", "problem", "stay", "mturk",
}  # fmt: skip
"""Pages without a login; each has its own check, or shows nobody's data."""


def test_every_page_asks_for_a_login_but_these() -> None:
    assert {one.name for one in routes() if one.is_public} == PUBLIC


def test_pages_without_a_second_factor_exist() -> None:
    assert {one.name for one in routes()} >= ALLOWED_WITHOUT


@pytest.mark.django_db
def test_no_page_is_kept_by_a_browser() -> None:
    study = factories.make_study()
    run = study.runs.get()
    feature = run.features.first()
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    assert feature is not None
    pages = [
        reverse("home"), reverse("new-run"), reverse("compare-runs"), reverse("look"),
        reverse("features", args=[run.pk]), reverse("run", args=[run.pk]),
        reverse("feature", args=[run.pk, feature.sae, feature.index]),
        reverse("account"), reverse("start", args=[study.slug]), "/nothing/",
    ]  # fmt: skip
    for page in pages:
        assert "no-store" in client.get(page).headers["Cache-Control"], page
        assert "no-store" in Client().get(page).headers["Cache-Control"], page
    sound = reverse("clip-audio", args=[run.pk, run.clips.all()[0].sha256])
    assert client.get(sound).headers["Cache-Control"] == "private, max-age=86400"
