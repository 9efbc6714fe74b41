"""Reads for a running study: participations by state, how long they take, where they drop out."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q
from django.utils import timezone

from studyapp.models import Deviation, Participation, ProblemReport, Response, Study, Trial
from studyapp.models.steps import STEPS
from studyapp.monitoring.selectors.steps import pages_of
from studyapp.studies.selectors import people

RECENT = 2000
"""Medians are taken over this many of the newest answers or participations."""
Status = Participation.Status


@dataclass(frozen=True)
class Pace:
    """How long things take, as medians; None before there is any data."""

    trial_seconds: float | None
    """From a main trial being shown to its answer."""
    participation_minutes: float | None
    """From consent to the end."""
    last_answer_at: datetime | None


def states(study: Study) -> list[tuple[str, int, int]]:
    """State, participations, of which simulated; inactive ones are counted apart from active."""
    rows = study.participations.values_list(
        "status", "simulated", "lease_expires_at", "assigned_at", "created_at"
    ).filter(status=Status.ACTIVE)
    counts: Counter[tuple[str, bool]] = Counter()
    others = study.participations.exclude(status=Status.ACTIVE).order_by()
    for status, simulated, n in others.values_list("status", "simulated").annotate(n=Count("pk")):
        counts[Status(status).label, simulated] = n
    oldest = timezone.now() - timedelta(minutes=study.lease_minutes)
    for _, simulated, lease, _, created in rows:
        gone = lease < timezone.now() if lease else created < oldest
        counts["inactive" if gone else "active", simulated] += 1
    order = ["active", "inactive", *(status.label for status in Status)]
    names = [name for name in dict.fromkeys(order) if counts[name, True] or counts[name, False]]
    return [(name, counts[name, True] + counts[name, False], counts[name, True]) for name in names]


def pace(study: Study) -> Pace:
    """Medians over the newest data, and the time of the last answer."""
    own = people.counted(study, "trial__participation__")
    answers = Response.objects.filter(own, trial__participation__study=study)
    main = answers.filter(trial__kind=Trial.Kind.MAIN).order_by("-pk")
    times = list(main.values_list("response_ms", flat=True)[:RECENT])
    done = study.participations.filter(people.counted(study), status=Status.COMPLETE)
    ended = done.exclude(consented_at=None)
    spans = ended.order_by("-pk").values_list("consented_at", "finished_at")[:RECENT]
    minutes = [(end - start).total_seconds() / 60 for start, end in spans if start and end]
    return Pace(
        trial_seconds=statistics.median(times) / 1000 if times else None,
        participation_minutes=statistics.median(minutes) if minutes else None,
        last_answer_at=answers.aggregate(at=Max("answered_at"))["at"],
    )


def dropouts(study: Study) -> list[tuple[str, int]]:
    """Page and how many dropped out there (returned, timed out, inactive), in order of pages."""
    now = timezone.now()
    oldest = now - timedelta(minutes=study.lease_minutes)
    inactive = Q(status=Status.ACTIVE) & (
        Q(lease_expires_at__lt=now) | Q(lease_expires_at=None, created_at__lt=oldest)
    )
    own = study.participations.filter(people.counted(study))
    left = own.filter(Q(status__in=(Status.RETURNED, Status.TIMED_OUT)) | inactive)
    counts = Counter(pages_of(study, list(left)).values())
    return [(step.value, counts[step]) for step in STEPS if counts[step]]


def was_switched(study: Study) -> bool:
    """Whether a condition was ever switched off while the study ran."""
    return study.deviations.filter(kind=Deviation.Kind.CONDITION_OFF).exists()


def problems(study: Study) -> int:
    """How many technical problems were reported."""
    return ProblemReport.objects.filter(participation__study=study).count()
