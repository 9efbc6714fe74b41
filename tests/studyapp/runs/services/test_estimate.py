"""What a run will need, including money."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import GeminiConfig
from pipeline.labelers.gemini.api import GeminiApi
from studyapp.core.text import hours_in_words
from studyapp.runs.services import configs, lifecycle
from studyapp.runs.services.estimate import estimate_of
from tests.studyapp import factories

pytestmark = pytest.mark.django_db


def config(folder: Path, *methods: str, **gemini: Any) -> dict[str, Any]:
    """Ten exemplars of at most eight seconds: 84.5 s of sound per question."""
    (folder / "config.json").write_text(json.dumps({"decoder": {"hidden_size": 32}}))
    return configs.config_from_toml(
        text=f'[subject]\nmodel = "{folder}"\nhookpoints = ["decoder.layers.0.resid_post"]\n'
        "[corpus]\nclip_seconds = 8.0\n[sae]\nexpansions = [2, 4]\nks = [4]\n"
        f"[labels]\nmethods = {json.dumps(methods)}\n[gemini]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in gemini.items())
    )


def test_a_paid_method_has_its_price_a_feature(tmp_path: Path) -> None:
    prices = {"dollars_per_million_audio": 1.0, "dollars_per_million_text": 0.3,
              "dollars_per_million_output": 2.5}  # fmt: skip
    estimate = estimate_of(config(tmp_path, "gemini", "descriptors", **prices))
    prompt = len(
        (Path(lifecycle.__file__).parents[3] / "pipeline/labelers/remote/prompt.txt").read_text()
    )
    expected = GeminiApi(GeminiConfig(**prices)).price("", round(32 * 84.5), -(-prompt // 4), 800)
    assert estimate["dollars_per_feature"] == pytest.approx(expected)
    assert 0.004 < expected < 0.006
    assert estimate["most_dollars"] == pytest.approx(192 * expected)
    assert estimate["remote"] == ["gemini"]
    assert estimate["dollars"] is None
    assert estimate["budget"] == 10.0


def test_two_models_cost_twice_and_a_batch_half(tmp_path: Path) -> None:
    one = estimate_of(config(tmp_path, "gemini"))["dollars_per_feature"]
    both = estimate_of(config(tmp_path, "gemini", "gemini@gemini-2.5-pro"))
    assert both["dollars_per_feature"] == pytest.approx(2 * one)
    assert both["remote"] == ["gemini", "gemini@gemini-2.5-pro"]
    assert estimate_of(config(tmp_path, "gemini", batch=True))["dollars_per_feature"] == one / 2


def test_what_is_free_costs_nothing(tmp_path: Path) -> None:
    estimate = estimate_of(config(tmp_path, "descriptors"))
    assert (estimate["dollars_per_feature"], estimate["remote"]) == (0.0, [])


def test_features_are_expected_by_the_share_that_a_run_of_the_subject_kept(tmp_path: Path) -> None:
    earlier = config(tmp_path, "descriptors")
    run = factories.make_run()
    type(run).objects.update(config=earlier, facets={"features": 48})
    estimate = estimate_of(config(tmp_path, "gemini"))
    assert estimate["features"] == 48
    assert estimate["dollars"] == pytest.approx(48 * estimate["dollars_per_feature"])
    # A newer run, imported from another version, has a field that is unknown here.
    newer = factories.make_run()
    other = earlier | {"subject": earlier["subject"] | {"of_another_version": 1}}
    type(run).objects.filter(pk=newer.pk).update(config=other, facets={"features": 7})
    assert estimate_of(config(tmp_path, "gemini"))["features"] == 48


@pytest.mark.parametrize(
    ("method", "queue"), [("gemini", "api"), ("gemini@gemini-2.5-pro", "api"), ("geminis", "cpu")]
)
def test_whatever_asks_a_remote_service_waits_in_its_queue(method: str, queue: str) -> None:
    config = {"labels": {"methods": ["descriptors", method]}}
    assert lifecycle.queue_of(config=config, stage="labels") == queue
    assert lifecycle.queue_of(config=config, stage="scores") == "cpu"


@pytest.mark.parametrize(
    ("hours", "words"), [(0.001, "1 min"), (0.04, "2 min"), (1.9, "114 min"), (2.25, "2.2 h")]
)
def test_a_duration_is_in_minutes_or_hours(hours: float, words: str) -> None:
    assert hours_in_words(hours) == words
