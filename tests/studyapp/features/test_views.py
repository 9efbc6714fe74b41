"""The feature browser and a feature's page: keyset pages, filters, query counts, failures."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from pipeline import labelers, scorers
from studyapp.core.storage import write_atomically
from studyapp.features import services as feature_views
from studyapp.features.selectors import features as selectors
from studyapp.models import Feature, Job, LabelCandidate, Run, Study
from studyapp.models import runs as models_of_runs
from studyapp.runs.services import feature_columns
from studyapp.runs.services.scorers import MEANING
from tests.studyapp import factories, passages

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    """A run of 23 features, some with equal scores and some with none."""
    made = factories.make_run(clips=12, seconds=0.2)
    features = factories.make_features(made, count=23)
    for feature in features:
        feature.rate = 0.01 + 0.01 * (feature.index % 7)
        feature.max_activation = float(feature.index % 5)
        score = None if feature.index % 4 == 3 else (feature.index % 3) / 4
        scores = {} if score is None else {"detection": score}
        feature.labels.filter(rank=1).update(scores=scores)
    Feature.objects.bulk_update(features, ["rate", "max_activation"])
    feature_columns.fill(made)
    made.refresh_from_db()
    return made


def _walk(run: Run, name: str, size: int) -> tuple[list[int], list[int]]:
    """All features forwards, then all backwards from the end."""
    order, found = selectors.ORDERS[name], selectors.of_run(run)
    pages = [selectors.page(found, order=order, size=size)]
    while pages[-1].after:
        pages.append(selectors.page(found, order=order, after=pages[-1].after, size=size))
    back = [pages[-1]]
    while back[-1].before:
        back.append(selectors.page(found, order=order, before=back[-1].before, size=size))
    forwards = [f.pk for page in pages for f in page.features]
    return forwards, [f.pk for page in reversed(back) for f in page.features]


@pytest.mark.parametrize("name", selectors.ORDERS)
@pytest.mark.parametrize("size", [1, 4, 23])
def test_pages_hold_every_feature_once_in_order_both_ways(run: Run, name: str, size: int) -> None:
    order = selectors.ORDERS[name]
    rows = list(run.features.all())

    def key(feature: Feature) -> tuple[bool, float, int]:
        value = feature.pk if order.column == "pk" else getattr(feature, order.column)
        sign = -1 if order.descending else 1
        return (value is None, sign * (value or 0.0), sign * feature.pk)

    expected = [f.pk for f in sorted(rows, key=key)]
    assert _walk(run, name, size) == (expected, expected)


@pytest.mark.parametrize("name", ["score", "agreement-low", "place"])
def test_every_feature_knows_how_many_come_before_it(run: Run, name: str) -> None:
    order, found = selectors.ORDERS[name], selectors.of_run(run)
    listed = selectors.page(found, order=order, size=100).features
    counted = [selectors.number_before(found, feature, order=order) for feature in listed]
    assert counted == list(range(23))


def test_beside_walks_the_same_way(run: Run) -> None:
    order, found = selectors.ORDERS["score"], selectors.of_run(run)
    all_of_them = selectors.page(found, order=order, size=100).features
    for before, here, after in zip(all_of_them, all_of_them[1:], all_of_them[2:], strict=False):
        assert selectors.previous_and_next(found, here, order=order) == (
            before.identifier,
            after.identifier,
        )
    assert selectors.previous_and_next(found, all_of_them[0], order=order)[0] == ""
    assert selectors.previous_and_next(found, all_of_them[-1], order=order)[1] == ""


def test_indexing_counts_for_the_planner_what_it_made(run: Run) -> None:
    """Otherwise SQLite scans 65,536 features by the wrong index, which takes half a second."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'studyapp_feature'")
        counted = dict(cursor.fetchall())
    assert counted["features_by_sae"].split()[0] == "23"
    assert {"features_by_layer", "features_by_strength", "features_by_place"} <= counted.keys()


@pytest.mark.parametrize("text", ["", "x", "1~", "nan~3", "1~-2", "1~9999999999999999999999"])
def test_a_place_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(selectors.CursorError, match="is not a position"):
        selectors.Cursor.read(text)


def test_filters_narrow_and_are_kept_in_every_link(researcher: Client, run: Run) -> None:
    address = reverse("features", args=[run.pk])
    wanted = run.features.filter(rate__lte=0.02, label_text__contains="warm")
    page = researcher.get(address, {"q": "WARM", "rate_max": "2", "sae": "layer2-n64-k4"})
    text = page.content.decode()
    assert wanted.exists()
    assert {row.feature.pk for row in page.context["rows"]} == {f.pk for f in wanted}
    one = page.context["rows"][0].feature
    link = f"{reverse('feature', args=[run.pk, one.sae, one.index])}?q=WARM&amp;rate_max=2"
    assert link in text
    none = researcher.get(address, {"score_min": "2"})
    assert "No features match" in none.content.decode()


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"rate_min": "x"}, 422), ({"sae": "none"}, 422), ({"after": "nonsense"}, 302)],
)
def test_an_invalid_filter_gets_one_line(
    researcher: Client, run: Run, asked: dict[str, str], status: int
) -> None:
    assert researcher.get(reverse("features", args=[run.pk]), asked).status_code == status


def test_htmx_gets_only_the_page_of_results(researcher: Client, run: Run) -> None:
    part = researcher.get(reverse("features", args=[run.pk]), headers={"HX-Request": "true"})
    assert b"<html" not in part.content
    assert b"data-rows" in part.content


def test_query_counts_do_not_grow(researcher: Client, run: Run) -> None:
    few = factories.make_run(clips=10, seconds=0.1)
    for feature in factories.make_features(few, count=4)[1:]:
        feature.labels.filter(rank=1).update(scores={"detection": 0.5})
    feature_columns.fill(few)
    counts = []
    for one in (few, run):
        feature = one.features.order_by("pk")[0]
        own = [one.pk, feature.sae, feature.index]
        feature_views.store(feature=feature, facts=_facts(), notes=[])
        asked = {
            "browser": reverse("features", args=[one.pk]),
            "filtered": reverse("features", args=[one.pk]) + "?q=a&order=rate",
            "feature": reverse("feature", args=own) + "?order=rate",
            "material": reverse("feature-material", args=own),
        }
        counts.append({name: _queries(researcher, address) for name, address in asked.items()})
    # Two for who asks, one for the run; the browser: a page (two where it reaches those without
    # a score), labels, clips, lists.
    assert counts[0] == counts[1]
    assert counts[1] == {"browser": 8, "filtered": 8, "feature": 12, "material": 5}


def _queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def _facts() -> dict[str, Any]:
    return {
        "histogram": {"edges": [0, 1, 2], "counts": [3, 1], "silent": 2},
        "quantiles": [{"quantile": 0.5, "track": "track-0001", "mean_activation": 0.2}],
        "timelines": {
            "track-0001": {
                "values": [0, 255, 10], "scale": 1.5, "frame_rate": 50.0, "first_frame": 1,
            }
        },
        "neighbours": [["layer2-n64-k4/1", 0.91]],
    }  # fmt: skip


def test_a_page_asks_for_its_view_once_and_shows_why_it_failed(
    researcher: Client, run: Run
) -> None:
    feature = run.features.order_by("pk")[0]
    own = [run.pk, feature.sae, feature.index]
    first = researcher.get(reverse("feature", args=own)).content.decode()
    assert 'hx-trigger="load delay:1500ms"' in first
    researcher.get(reverse("feature-material", args=own))
    job = Job.objects.get()
    assert (job.kind, job.target, job.queue) == ("feature_view", feature.pk, "cpu")
    Job.objects.update(state="failed", error="the activations were removed")
    page = researcher.get(reverse("feature", args=own)).content.decode()
    assert "the activations were removed" in page
    assert "hx-trigger" not in page
    assert Job.objects.count() == 1
    researcher.post(reverse("feature-redraw", args=own))
    assert Job.objects.filter(state="waiting").count() == 1


def test_a_view_is_shown(researcher: Client, run: Run) -> None:
    feature = run.features.order_by("pk")[0]
    feature_views.store(feature=feature, facts=_facts(), notes=["Cannot be played here."])
    page = researcher.get(reverse("feature", args=[run.pk, feature.sae, feature.index]))
    text = page.content.decode()
    assert text.count('class="timeline"') == 2  # The track is an exemplar and at a quantile.
    assert "0.910" in text
    assert "Cannot be played here." in text
    assert "0 to 1: 3 tracks" in text


def _steer(feature: Feature) -> list[dict[str, Any]]:
    """Two α for one seed, as in the steering file and in a worker's view of it."""
    for clip in ("plain", "one", "two"):
        path = feature_views.steered_sound(feature.run, feature.sae, clip)
        write_atomically(path, b"fLaC" + clip.encode())
    table = path.parents[2] / f"{feature.sae}.parquet"
    table.write_bytes(b"table")
    made = {"prompt": "Simple melody", "seed": 3, "seconds": 5.0, "plain_clip": "plain"}
    return [
        made | {"alpha": 0.5, "clip": "one", "changed_share": 0.25},
        made | {"alpha": 2.0, "clip": "two", "changed_share": 0.75},
    ]


def test_steered_clips_are_shown_beside_the_music_without(researcher: Client, run: Run) -> None:
    feature = run.features.order_by("pk")[1]
    address = reverse("feature", args=[run.pk, feature.sae, feature.index])
    feature_views.store(feature=feature, facts=_facts(), notes=[])
    assert "Not evaluated yet" in researcher.get(address).content.decode()
    assert researcher.get(address).context["steered"] == []
    rows = _steer(feature)
    assert "are being drawn" in researcher.get(address).content.decode()
    made = feature_views.steering_made(run, feature.sae)
    facts = _facts() | {"steering": rows, "steering_made": made}
    feature_views.store(feature=feature, facts=facts, notes=[])
    page = researcher.get(address)
    [take] = page.context["steered"]
    assert [(strip.title, strip.detail) for strip in take["strips"]] == [
        ("without", ""),
        ("α = 0.5", "25% differ"),
        ("α = 2", "75% differ"),
    ]
    sounds = [researcher.get(strip.audio).content for strip in take["strips"]]
    assert sounds == [b"fLaCplain", b"fLaCone", b"fLaCtwo"]
    strange = reverse("steered-audio", args=[run.pk, "elsewhere", "one"])
    assert researcher.get(strange).status_code == 404
    assert Client().get(take["strips"][0].audio).status_code == 302


def test_sounds_and_pictures_need_a_login(researcher: Client, client: Client, run: Run) -> None:
    clip = run.clips.order_by("pk")[0]
    sound = reverse("clip-audio", args=[run.pk, clip.sha256])
    part = researcher.get(sound, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    write_atomically(feature_views.picture(run, "abc"), b"png")
    picture = reverse("picture", args=[run.pk, "abc"])
    assert researcher.get(picture).content == b"png"
    assert researcher.get(reverse("picture", args=[run.pk, "none"])).status_code == 404
    assert researcher.get(reverse("track-audio", args=[run.pk, "none"])).status_code == 404
    assert researcher.get(reverse("clip-audio", args=[run.pk, "0"])).status_code == 404
    stranger = Client()
    assert {stranger.get(a).status_code for a in (sound, picture)} == {302}


def test_a_proxy_gets_an_address_and_no_bytes(researcher: Client, run: Run, settings: Any) -> None:
    settings.MEDIA = "x-accel"
    clip = run.clips.order_by("pk")[0]
    answer = researcher.get(reverse("clip-audio", args=[run.pk, clip.sha256]))
    assert answer.headers["X-Accel-Redirect"] == f"/protected/{run.directory}/{clip.path}"
    assert answer.content == b""


def test_listeners_answers_are_shown_only_for_closed_studies(researcher: Client) -> None:
    study = factories.make_study()
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    feature = Feature.objects.filter(items__trials__response__isnull=False).first()
    assert feature is not None
    assert selectors.listener_ratings(feature, Study.objects.all()) == []
    Study.objects.update(state=Study.State.CLOSED)
    [row] = selectors.listener_ratings(feature, Study.objects.all())
    assert (row.study, row.ratings) == (study, 1)


@pytest.fixture
def controlled(run: Run) -> Run:
    """The run with a control, whose labels get the best scores."""
    labels = [
        LabelCandidate(
            feature=feature, method="random-label@descriptors", rank=rank, text=f"gong {rank}",
            scores={"detection": 0.99} if rank == 1 else {},
        )
        for feature in run.features.all() for rank in (1, 2)
    ]  # fmt: skip
    LabelCandidate.objects.bulk_create(labels)
    return run


def test_a_control_gives_no_score_no_agreement_and_no_hit(
    researcher: Client, controlled: Run
) -> None:
    before = list(controlled.features.order_by("pk").values())
    feature_columns.fill(controlled)
    controlled.refresh_from_db()
    assert list(controlled.features.order_by("pk").values()) == before
    assert {row["score_method"] for row in before} == {"corpus-tags", ""}
    assert controlled.facets["scorer"] == "detection"
    address = reverse("features", args=[controlled.pk])
    assert "No features match" in researcher.get(address, {"q": "gong"}).content.decode()
    page = researcher.get(address)
    assert [line.is_control for line in page.context["rows"][0].lines] == [False, False, True]


def test_what_was_indexed_with_controls_is_computed_again_by_the_migration(
    controlled: Run,
) -> None:
    migration = import_module("studyapp.migrations.0003_scores_without_controls")
    feature_columns.fill(controlled)
    controlled.refresh_from_db()
    right, facets = list(controlled.features.order_by("pk").values()), controlled.facets
    controlled.features.update(score=0.99, score_method="", agreement=0.5, label_text="gong")
    Run.objects.update(facets={k: v for k, v in facets.items() if k not in ("scorer", "scored")})
    migration.compute_again(apps, None)
    controlled.refresh_from_db()
    assert list(controlled.features.order_by("pk").values()) == right
    assert controlled.facets == facets


def test_what_no_feature_has_is_neither_shown_nor_offered(researcher: Client, run: Run) -> None:
    LabelCandidate.objects.filter(method="corpus-tags").delete()
    LabelCandidate.objects.update(scores={"reading": 0.9})
    feature_columns.fill(run)
    page = researcher.get(reverse("features", args=[run.pk]), {"score_min": "2"})
    assert [column.name for column in page.context["columns"]] == ["rate", "strength"]
    assert [*page.context["orders"]] == ["strength", "rate", "rate-high", "place"]
    assert page.context["asked"].order_name == "strength"
    assert not {"score_min", "agreement_max"} & set(page.content.decode().split('"'))
    assert page.context["hits"] == 23
    feature = run.features.order_by("pk")[0]
    own = researcher.get(reverse("feature", args=[run.pk, feature.sae, feature.index]))
    assert "Agreement" not in own.content.decode()


def test_a_search_marks_what_it_found_also_further_down(researcher: Client, run: Run) -> None:
    feature = run.features.order_by("pk")[3]
    feature.labels.filter(method="descriptors", rank=4).update(text="Große TROMMEL")
    feature_columns.fill(run)
    page = researcher.get(reverse("features", args=[run.pk]), {"q": "trommel grosse"})
    [row] = page.context["rows"]
    shown = [(line.method, line.rank) for line in row.lines]
    assert shown == [("corpus-tags", 1), ("descriptors", 1), ("descriptors", 4)]
    assert row.lines[2].parts == (("Große", True), (" ", False), ("TROMMEL", True))
    assert "<mark>Große</mark>" in page.content.decode()


def test_a_feature_is_called_by_its_label(researcher: Client, run: Run) -> None:
    feature = run.features.exclude(score=None).order_by("pk")[0]
    name = feature.labels.get(rank=1, method=feature.score_method).text
    page = researcher.get(reverse("feature", args=[run.pk, feature.sae, feature.index]))
    assert f"<title>{name} · {feature.identifier} – Earwitness</title>" in page.content.decode()


def test_controls_are_those_of_the_pipeline() -> None:
    assert set(labelers.CONTROLS) == set(models_of_runs.CONTROLS)
    assert set(MEANING) >= {*scorers.SCORERS, *scorers.FORMER_NAMES, *scorers.COMPARABLE}


def test_agreement_compares_words() -> None:
    assert feature_columns.agreement([["warm strings"], ["the Strings"]]) == 0.5
    assert feature_columns.agreement([["warm"], []]) is None
    assert feature_columns.agreement([["a"], ["the"]]) is None


def test_failed_labels_are_neither_searched_nor_counted(run: Run) -> None:
    feature = run.features.order_by("pk")[0]
    feature.labels.update(status=LabelCandidate.Status.FAILED)
    feature_columns.fill(run)
    feature.refresh_from_db()
    assert (feature.label_text, feature.score, feature.agreement) == ("", None, None)
    assert run.facets["saes"] == ["layer2-n64-k4"]
    assert Path(feature_views.picture(run, "x")).name == "x.png"
