"""The pages of the sound checks: device, volume, headphones. Right answers stay on the server."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from studyapp.models import Participation
from studyapp.models.steps import Step
from studyapp.participation.forms.checks import CountForm, DeviceForm, HearingForm, IntervalForm
from studyapp.participation.services import checks, steps
from studyapp.participation.views.pages import page, redirect_to_current_step, render_step
from studyapp.participation.views.players import player, script_strings
from studyapp.studies.services.check_sounds import BEAT_COUNTS, TONE_COUNTS
from studyapp.studies.services.synthesis import (
    BEATS_SECONDS,
    REFERENCE_SECONDS,
    TONES_SECONDS,
    TRIAL_SECONDS,
)


@page(Step.DEVICE)
def device(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Can this browser play the sounds and keep answers? If not, the participant may end here."""
    if request.POST.get("leave"):
        steps.screen_out(participation=participation, reason=Participation.Screening.DEVICE)
        return redirect_to_current_step(request, participation, saved=True)
    [token] = checks.begin_device(participation=participation).data["sounds"]
    form = DeviceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        checks.pass_device(participation=participation, report=form.cleaned_data)
        return redirect_to_current_step(request, participation, saved=True)
    context = {
        "source": reverse("sound", args=[participation.study.slug, token]),
        "form": form,
        "strings": script_strings(),
    }
    status = 422 if request.method == "POST" else 200
    return render_step(request, Step.DEVICE, participation, context, status=status)


@page(Step.VOLUME)
def volume(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Set the volume by a reference sound, then count soft tones."""
    record = checks.begin_volume(participation=participation)
    form = CountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        checks.answer_volume(participation=participation, **form.answer())
        return redirect_to_current_step(request, participation, saved=True)
    tokens = (record.data["reference"], record.data["token"])
    sources = [reverse("sound", args=[participation.study.slug, token]) for token in tokens]
    context = {
        "players": [
            player(number, source, seconds=REFERENCE_SECONDS)
            for number, source in enumerate(sources, start=1)
        ],
        "token": record.data["token"],
        "counts": TONE_COUNTS,
        "was_wrong": bool(record.data["answers"]),
        "form": form,
        "strings": script_strings(),
    }
    status = 422 if request.method == "POST" else 200
    return render_step(request, Step.VOLUME, participation, context, status=status)


@page(Step.HEADPHONES)
def headphones(request: HttpRequest, participation: Participation) -> HttpResponse:
    """The trials of the headphone check, one at a time."""
    record = checks.begin_headphones(participation=participation)
    form = IntervalForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        checks.answer_headphones(participation=participation, **form.answer())
        return redirect_to_current_step(request, participation, saved=True)
    trial = checks.current_trial(record)
    count = checks.count_of(participation, record)
    source = reverse("sound", args=[participation.study.slug, trial["token"]])
    context = {
        "check": trial["check"],
        "players": [player(1, source, seconds=TRIAL_SECONDS)],
        "token": trial["token"],
        "count": count,
        "is_second": bool(record.data["passed"]),
        "was_passed": any(record.data["passed"].values()),
        "was_wrong": checks.was_wrong(record),
        "places": [(1, _("The first")), (2, _("The second")), (3, _("The third"))],
        "form": form,
        "strings": script_strings(),
    }
    status = 422 if request.method == "POST" else 200
    return render_step(
        request, Step.HEADPHONES, participation, context, status=status, within=count.done
    )


@page(Step.HEARING)
def hearing(request: HttpRequest, participation: Participation) -> HttpResponse:
    """Two questions that reading the page does not answer."""
    record = checks.begin_hearing(participation=participation)
    form = HearingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        checks.answer_hearing(participation=participation, **form.answer())
        return redirect_to_current_step(request, participation, saved=True)
    slug = participation.study.slug
    sources = [reverse("sound", args=[slug, token]) for token in record.data["sounds"]]
    context = {
        "players": [
            player(1, sources[0], seconds=TONES_SECONDS),
            player(2, sources[1], seconds=BEATS_SECONDS),
        ],
        "token": record.data["token"],
        "places": [(1, _("The first")), (2, _("The second")), (3, _("The third"))],
        "counts": BEAT_COUNTS,
        "form": form,
        "strings": script_strings(),
    }
    status = 422 if request.method == "POST" else 200
    return render_step(request, Step.HEARING, participation, context, status=status)
