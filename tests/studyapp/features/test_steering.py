"""What a feature's page shows of an evaluation of steering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipeline.steering.interventions import INTERVENTIONS
from pipeline.store.run_directory import RunDirectory
from pipeline.viewing.steering import DRAWN, evaluated
from studyapp.features import services as feature_views
from studyapp.models import Feature
from studyapp.runs.services import steering_words
from tests.studyapp import factories, run_steering

pytestmark = pytest.mark.django_db


@pytest.fixture
def features(tmp_path: Path) -> list[Feature]:
    """Three features whose views have an evaluation, in which the last was not drawn."""
    made = factories.make_features(factories.make_run(clips=12, seconds=0.1), count=3)
    directory = RunDirectory(tmp_path / "evaluated")
    directory.begin({"key": "k"})
    run_steering.evaluate(directory, made[0].sae, features=3)
    for feature in made:
        found = evaluated(directory, feature.sae, feature.identifier)
        facts: dict[str, Any] = {"timelines": {}, "quantiles": [], "histogram": None}
        facts |= {"neighbours": [], "evaluation": found}
        feature_views.store(feature=feature, facts=facts, notes=[])
    return made


def _address(feature: Feature) -> str:
    return reverse("feature", args=[feature.run_id, feature.sae, feature.index])


def test_a_page_has_the_dose_curve_and_what_else_moved(
    researcher: Client, features: list[Feature]
) -> None:
    page = researcher.get(_address(features[0]), {"order": "rate"})
    shown = page.context["evaluation"]
    assert shown["chart"].title == "Similarity to exemplars by dose: add"
    # The mean over seeds, its whole interval, and the random directions at the feature's length.
    assert shown["chart"].rows[0] == ["1", "0.200", "-1.071 to 1.471", "0.040", "0.022 to 0.058"]
    assert "leaves the picture" in shown["chart"].caption
    assert [(row["name"], row["slope"], row["q"]) for row in shown["rows"]] == [
        ("add", "0.200", "0.040"),
        ("prompt", "0.200", "0.040"),
    ]
    assert (shown["own"], shown["others"], shown["random_others"]) == ("2.00", "0.50", "0.40")
    text = page.content.decode()
    assert "place 1 of 3 kept features" in text
    for other in features[1:]:
        assert f'href="{_address(other)}"' in text
    # Measure and intervention are chosen by links that keep the list's order.
    [address] = [address for one, address, _ in shown["measures"] if one.name == "Own activation"]
    assert address == "?order=rate&measure=own_moved#steering"
    other = researcher.get(
        _address(features[0]), {"measure": "own_moved", "intervention": "prompt"}
    )
    assert other.context["evaluation"]["chart"].title == "Own activation by dose: prompt"
    strange = researcher.get(_address(features[0]), {"measure": "x", "intervention": "../x"})
    assert strange.context["evaluation"]["chart"].title == shown["chart"].title


def test_a_feature_that_was_not_drawn_has_its_place_only(
    researcher: Client, features: list[Feature]
) -> None:
    text = researcher.get(_address(features[2])).content.decode()
    assert "this one was not drawn" in text
    assert "place 3 of 3 kept features" in text
    part = reverse("feature-material", args=[features[2].run_id, features[2].sae, 2])
    assert 'id="feature-steering" hx-swap-oob="true"' in researcher.get(part).content.decode()


def test_all_interventions_and_measures_have_words() -> None:
    assert steering_words.INTERVENTIONS.keys() == INTERVENTIONS.keys()
    assert [*steering_words.MEASURES] == [*DRAWN]
