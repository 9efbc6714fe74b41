"""The feature browser and a feature's page. HTTP only."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from studyapp.core.files import send
from studyapp.core.permissions import may, visible
from studyapp.features import services as feature_views
from studyapp.features.selectors import features as selectors
from studyapp.features.selectors.columns import CONFIDENCE, cells_of, columns_of
from studyapp.features.selectors.labels import (
    best_of,
    by_method,
    headline,
    neighbours,
    rows,
    scorers,
    with_cells,
)
from studyapp.features.views import steering
from studyapp.features.views.asked import Asked
from studyapp.features.views.shapes import Strip, bars, line
from studyapp.features.views.steering import picture_of
from studyapp.models import Feature, Role
from studyapp.runs.services import folders
from studyapp.runs.services.scorers import explained
from studyapp.runs.views.access import run_for
from studyapp.studies.selectors import feature_lists, studies


@require_GET
def browser(request: HttpRequest, pk: int) -> HttpResponse:
    """List the run's features: filtered, sorted, one page at a time."""
    run = run_for(request, pk)
    asked = Asked(run, request.GET)
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    try:
        context = {
            "run": run,
            "asked": asked,
            "can_edit": may(request.user, run.project, Role.EDITOR),
            **_listed(asked, after, before),
        }
    except selectors.CursorError:
        return HttpResponseRedirect(f"{reverse('features', args=[pk])}?{asked.query}")
    part = bool(getattr(request, "htmx", False)) and not request.headers.get("HX-Boosted")
    name = "researcher/features_results.html" if part else "researcher/features.html"
    status = 200 if asked.filters.is_valid() else 422
    response = render(request, name, context, status=status)
    response["Vary"] = "HX-Request"
    return response


def _listed(asked: Asked, after: str, before: str) -> dict[str, Any]:
    """One page of the features that are asked for, and its place among all of them."""
    found, hits = asked.found
    page = selectors.page(found, order=asked.order, after=after, before=before)
    start, columns = 0, columns_of(asked.run)
    if page.features and page.before:
        start = selectors.number_before(found, page.features[0], order=asked.order)
    return {
        "orders": selectors.orders_of(asked.run),
        "columns": columns,
        "lists": feature_lists.of_run(asked.run),
        "rows": rows(page.features, columns, asked.words),
        "page": page,
        "hits": hits,
        "number": start // selectors.PAGE + 1,
        "pages": -(-hits // selectors.PAGE),
    }


@require_GET
def feature_page(request: HttpRequest, pk: int, sae: str, index: int) -> HttpResponse:
    """Show one feature; the filters of the list it came from decide which feature is next."""
    feature = _feature(request, pk, sae, index)
    asked = Asked(feature.run, request.GET)
    before, after = selectors.previous_and_next(asked.found[0], feature, order=asked.order)
    labels = by_method(feature)
    scorer_names = scorers(labels)
    with_cells(labels, scorer_names)
    context = {
        "run": feature.run,
        "feature": feature,
        "headline": headline(feature, best_of(labels)),
        "cells": cells_of(columns_of(feature.run), feature),
        "lists": feature_lists.of_run(feature.run),
        "can_edit": may(request.user, feature.run.project, Role.EDITOR),
        "query": asked.query,
        "before": _address(pk, before, asked.query),
        "after": _address(pk, after, asked.query),
        "labels": labels,
        "scorers": [(name, explained(name)) for name in scorer_names],
        "confidence_help": CONFIDENCE,
        "neighbours": neighbours(feature, selectors.view_of(feature)),
        "heard": selectors.listener_ratings(feature, visible(request.user, studies.every_study())),
        **_material(feature, request.GET),
    }
    return render(request, "researcher/feature.html", context)


@require_GET
def feature_material(request: HttpRequest, pk: int, sae: str, index: int) -> HttpResponse:
    """Show the part of the page that a worker makes; the page polls this until it is ready."""
    feature = _feature(request, pk, sae, index)
    context = {
        "run": feature.run,
        "feature": feature,
        "is_part": True,
        **_material(feature, request.GET),
    }
    return render(request, "researcher/feature_material.html", context)


@require_POST
def feature_redraw(request: HttpRequest, pk: int, sae: str, index: int) -> HttpResponse:
    """Request the view again after a failure."""
    feature_views.request(_feature(request, pk, sae, index))
    return HttpResponseRedirect(reverse("feature", args=[pk, sae, index]))


@require_safe
def clip_audio(request: HttpRequest, pk: int, sha256: str) -> HttpResponse:
    """Send the sound of an exemplar."""
    run_for(request, pk)
    clip = selectors.clip_of(pk, sha256)
    if clip is None:
        raise Http404
    return send(request, folders.file_of(clip.run, clip.path), "audio/flac")


@require_safe
def track_audio(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Send the sound of a track at a quantile."""
    return send(request, feature_views.sound(run_for(request, pk), name), "audio/flac")


@require_safe
def steered_audio(request: HttpRequest, pk: int, sae: str, name: str) -> HttpResponse:
    """Send the sound of a steered clip, or of its unsteered counterpart."""
    run = run_for(request, pk)
    if sae not in run.facets.get("saes", ()):
        raise Http404
    return send(request, feature_views.steered_sound(run, sae, name), "audio/flac")


@require_safe
def picture(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Send a spectrogram."""
    return send(request, feature_views.picture(run_for(request, pk), name), "image/png")


def _material(feature: Feature, asked: QueryDict) -> dict[str, Any]:
    """Return the strips and the histogram, or the job that makes a missing view."""
    view, job = feature_views.current_view(feature)
    facts = view.facts if view else {"timelines": {}, "quantiles": [], "histogram": None}
    exemplars = selectors.exemplars(feature)
    lengths = {e.clip.track: e.clip.seconds for e in exemplars}
    return {
        "view": view,
        "job": job,
        "strips": [_exemplar_strip(feature, e, facts["timelines"]) for e in exemplars],
        "quantiles": [
            _quantile_strip(feature, row, facts["timelines"], exemplars, lengths)
            for row in facts["quantiles"]
        ],
        **steering.context(feature, facts, asked),
        "histogram": facts["histogram"],
        "bars": bars(facts["histogram"]) if facts["histogram"] else [],
    }


def _exemplar_strip(feature: Feature, exemplar: Any, timelines: dict[str, Any]) -> Strip:
    clip = exemplar.clip
    timeline = timelines.get(clip.track)
    return Strip(
        title=f"{exemplar.rank}. {clip.track}",
        detail=f"mean {exemplar.mean_activation:.3g}",
        audio=reverse("clip-audio", args=[feature.run_id, clip.sha256]),
        picture=picture_of(feature, clip.sha256) if timelines else "",
        seconds=clip.seconds,
        line=line(timeline, clip.seconds) if timeline else "",
        peak=min(exemplar.peak_seconds / clip.seconds, 1.0) * 1000 if clip.seconds else None,
    )


def _quantile_strip(
    feature: Feature,
    row: dict[str, Any],
    timelines: dict[str, Any],
    exemplars: list[Any],
    lengths: dict[str, float],
) -> Strip:
    track, timeline = row["track"], timelines.get(row["track"])
    seconds = lengths.get(track) or _seconds_of(timeline)
    sha256 = next((e.clip.sha256 for e in exemplars if e.clip.track == track), "")
    name = sha256 or feature_views.track_name(track)
    exists = bool(sha256) or feature_views.sound(feature.run, name).exists()
    address = "clip-audio" if sha256 else "track-audio"
    return Strip(
        title=f"{row['quantile']:.0%} · {track}",
        detail=f"mean {row['mean_activation']:.3g}",
        audio=reverse(address, args=[feature.run_id, name]) if exists else "",
        picture=picture_of(feature, name) if exists else "",
        seconds=seconds,
        line=line(timeline, seconds) if timeline else "",
    )


def _seconds_of(timeline: dict[str, Any] | None) -> float:
    if not timeline:
        return 0.0
    frames: int = timeline["first_frame"] + len(timeline["values"])
    return frames / float(timeline["frame_rate"])


def _address(pk: int, place: str, query: str) -> str:
    if not place:
        return ""
    sae, _, index = place.partition("/")
    address = reverse("feature", args=[pk, sae, int(index)])
    return f"{address}?{query}" if query else address


def _feature(request: HttpRequest, pk: int, sae: str, index: int) -> Feature:
    run_for(request, pk)
    feature = selectors.by_place(pk, sae, index)
    if feature is None:
        raise Http404(f"There is no feature {sae}/{index} of run {pk}.")
    return feature
