"""What steering did to a run's features: Table 2, slopes, the ranking; and asking for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from studyapp.core import audit
from studyapp.core.errors import RunError
from studyapp.core.permissions import may
from studyapp.core.text import hours_in_words
from studyapp.features.forms import EvaluationForm
from studyapp.features.selectors import labels
from studyapp.models import Job, Role, Run
from studyapp.runs import selectors as run_selectors
from studyapp.runs.services.results import findings, quality, steering
from studyapp.runs.services.steering_words import MEASURES, explained
from studyapp.runs.views.access import run_for
from studyapp.runs.views.charts import interval, percent, value

PAGE = 50
ORDERS = {
    "score": "Largest output score first",
    "slope": "Steepest slope first",
    "slope-low": "Steepest fall first",
    "q": "Surest above random first",
}
Found = Mapping[str, Any]


@require_http_methods(["GET", "POST"])
def steering_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what an evaluation found; POST has a worker make one. For htmx only what it takes."""
    if request.method == "POST":
        return _ask(request, pk)
    run = run_for(request, pk)
    if "estimate" in request.GET:
        form = EvaluationForm(request.GET)
        return render(
            request, "researcher/steering_estimate.html", {"form": form, **_takes(run, form)}
        )
    return _page(request, run, EvaluationForm(initial=EvaluationForm.first(steering.latest(run))))


@require_POST
def stop_steering(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the evaluation."""
    run = run_for(request, pk, Role.EDITOR)
    try:
        steering.stop(run=run)
        audit.note(
            user=request.user, action="stopped the evaluation of", target=run, project=run.project
        )
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run-steering", pk=pk)


def _ask(request: HttpRequest, pk: int) -> HttpResponse:
    run = run_for(request, pk, Role.EDITOR)
    form = EvaluationForm(request.POST)
    if not form.is_valid():
        return _page(request, run, form, status=422)
    try:
        steering.request(run=run, settings=form.settings, by=request.user)
        audit.note(
            user=request.user, action="had steering evaluated of", target=run, project=run.project
        )
    except RunError as error:
        messages.error(request, f"{error}.")
    return redirect("run-steering", pk=pk)


def _page(request: HttpRequest, run: Run, form: EvaluationForm, status: int = 200) -> HttpResponse:
    awaits = findings.request(run)
    job = steering.newest(run)
    is_moving = job is not None and job.state in Job.UNFINISHED
    may_have = quality.may_have(run)
    context = {
        "run": run,
        "form": form,
        "evaluation": steering.latest(run),
        "awaits_findings": awaits,
        "moving": is_moving,
        "failed": job.error if job is not None and job.state == Job.State.FAILED else "",
        "stopped": job is not None and job.state == Job.State.STOPPED,
        "may_have": may_have,
        "may_ask": may_have and may(request.user, run.project, Role.EDITOR),
        **(_takes(run, form) if may_have else {}),
        **_found(request, run),
    }
    return render(request, "researcher/run_steering.html", context, status=status)


def _takes(run: Run, form: EvaluationForm) -> dict[str, Any]:
    """What an evaluation with the form's settings, or its first ones, takes."""
    if form.is_bound and not form.is_valid():
        return {}
    found = steering.estimate(run=run, settings=form.settings)
    words = None if found.hours is None else hours_in_words(found.hours)
    return {"estimate": found, "duration": words}


def _found(request: HttpRequest, run: Run) -> dict[str, Any]:
    found = run_selectors.steering_of(run)
    if found is None or "fault" in found:
        return {"fault": (found or {}).get("fault", "")}
    measured = [one for one in MEASURES if any(row["measure"] == one for row in found["slopes"])]
    asked = request.GET.get("measure", "")
    measure = asked if asked in measured else next(iter(measured), "similarity")
    return {
        "table2": [_improved(row) for row in found["table2"]],
        "measures": [(name, MEASURES[name].name, name == measure) for name in measured],
        "measure": MEASURES[measure],
        "means": [_mean(row) for row in found["slopes"] if row["measure"] == measure],
        **_ranking(request, run, found, measure),
    }


def _improved(row: Found) -> dict[str, Any]:
    """A row of Table 2."""
    return {
        **row,
        "help": explained(row["intervention"]),
        "share": percent(row["improved"] / row["tried"], 0) if row["tried"] else "–",
        "interval": _between(row["low"], row["high"]),
        "random_interval": _between(row["random_low"], row["random_high"]),
        "p": value(row["p"]),
        "pool_share": percent(row["pool_share"], 0),
    }


def _between(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low * 100:.0f}–{high * 100:.0f} %"


def _mean(row: Found) -> dict[str, Any]:
    """Mean slopes of an intervention."""
    return {
        **row,
        "help": explained(row["intervention"]),
        "slope": value(row["slope"]),
        "interval": interval(row["low"], row["high"]),
        "above_random": value(row["above_random"]),
        "above_interval": interval(row["above_low"], row["above_high"]),
        "own_raised": percent(row["own_raised"], 0),
        "own_moved": value(row["own_moved"], 2),
        "others_moved": value(row["others_moved"], 2),
        "frechet": value(row["frechet"], 2),
        "frechet_random": value(row["frechet_random"], 2),
    }


def _ranking(request: HttpRequest, run: Run, found: Found, measure: str) -> dict[str, Any]:
    """A page of the kept features of one SAE, in the order that is asked for."""
    saes = [*found["saes"]]
    if not saes:
        return {}
    sae = request.GET.get("sae", "")
    sae = sae if sae in saes else saes[0]
    order = request.GET.get("order", "")
    order = order if order in ORDERS else next(iter(ORDERS))
    rows = _sorted(found["saes"][sae]["rows"], order, measure)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    known = labels.known(run.pk, [f"{sae}/{index}" for index, *_ in page])
    rho = [row for row in found["selection"] if (row["sae"], row["measure"]) == (sae, measure)]
    return {
        "saes": [(name, name == sae) for name in saes],
        "sae": sae,
        "orders": [(name, words, name == order) for name, words in ORDERS.items()],
        "page": page,
        "query": urlencode({"sae": sae, "order": order, "measure": request.GET.get("measure", "")}),
        "rows": [_ranked(sae, row, measure, known) for row in page],
        "random_score": value(found["saes"][sae]["random_score"], 4),
        "rho": [_correlation(row) for row in rho],
        "evaluated": sum(measure in slopes for *_, slopes in rows),
    }


def _correlation(row: Found) -> dict[str, Any]:
    """A rank correlation; at 1 its interval by Fisher's z has no width, which says nothing."""
    found = interval(row["low"], row["high"], 2) if abs(row["rho"]) < 1 - 1e-9 else ""
    return {**row, "rho": value(row["rho"], 2), "interval": found}


def _sorted(rows: Sequence[Any], order: str, measure: str) -> list[Any]:
    """Rows [index, rank, score, slopes]; those without a slope come last, by rank."""
    by_rank = sorted(rows, key=lambda row: row[1])
    if order == "score":
        return by_rank
    key, sign = ("q", 1) if order == "q" else ("slope", 1 if order == "slope-low" else -1)
    having = [row for row in by_rank if measure in row[3]]
    having.sort(key=lambda row: sign * row[3][measure][key])
    return [*having, *(row for row in by_rank if measure not in row[3])]


def _ranked(sae: str, row: Sequence[Any], measure: str, known: Mapping[str, Any]) -> dict[str, Any]:
    index, rank, score, slopes = row
    slope = slopes.get(measure, {})
    feature, names = known.get(f"{sae}/{index}", (None, []))
    return {
        "identifier": f"{sae}/{index}",
        "feature": feature,
        "names": names,
        "rank": rank,
        "score": value(score, 4),
        "slope": value(slope.get("slope")),
        "interval": interval(slope.get("low"), slope.get("high")),
        "random": value(slope.get("random_slope")),
        "q": value(slope.get("q")),
    }
