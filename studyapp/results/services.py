"""The one door to the analysis: a report from an export, and what a design promises.

Heavy (numpy, scipy, pandas; a report also matplotlib). A report is made by commands and workers,
never by the web process, which only shows the files of one that was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from studyapp.jobs.services import jobs
from studyapp.models import Job, Study
from studyapp.studies.services import blinding

KIND = "report"
"""Of the job that makes a study's report, in `studyapp.jobs.tasks.WORK`."""
PAGE = "report.html"
TABLES = frozenset({".csv", ".json", ".svg", ".R"})
"""Endings of what lies beside the page and may be downloaded."""


class ReportError(Exception):
    """A report or an estimate cannot be made; the message is the one line that the user reads."""


@dataclass(frozen=True)
class Report:
    """A report that was made."""

    page: Path
    made_at: datetime
    files: tuple[str, ...]
    """What lies beside the page, as paths inside its folder."""


def make_report(*, responses: Path, out: Path) -> Path:
    """The report of an exported `responses.csv`, in the folder `out`; the path of its page.

    Raises `ReportError` if the table is refused.
    """
    from analysis.errors import AnalysisError
    from analysis.report import build_report

    try:
        build_report(responses, out)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return out / PAGE


def request_report(*, study: Study) -> Job:
    """Have a worker make the report of this version of the study, again if there is one.

    Raises `ReportError` while results would unblind the researcher.
    """
    if not blinding.may_be_seen(study):
        raise ReportError(f"{study} is not closed: its results would unblind anyone who runs it")
    return jobs.enqueue(kind=KIND, target=study.pk, queue=Job.Queue.CPU)


def folder_of(study: Study) -> Path:
    """Where this version's report lies: no two studies ever have the same, whatever their slugs."""
    name = f"{study.pk}-{study.slug}-v{study.version}"
    return Path(settings.DATA) / "reports" / name


def report_of(study: Study) -> Report | None:
    """The report that was made last; None where none was, or where none may be seen."""
    folder = folder_of(study)
    if not blinding.may_be_seen(study) or not (folder / PAGE).is_file():
        return None
    made = datetime.fromtimestamp((folder / PAGE).stat().st_mtime, tz=UTC)
    beside = (path for path in folder.rglob("*") if path.suffix in TABLES and path.is_file())
    return Report(folder / PAGE, made, tuple(sorted(str(p.relative_to(folder)) for p in beside)))


@dataclass(frozen=True)
class PowerEstimate:
    """What a design promises, by simulation."""

    power: float
    """Share of simulated studies whose confirmatory test finds the effect at 5 %."""
    monte_carlo_error: float
    """Standard error of `power`."""
    width: float
    """Expected width of the 95 % interval of the difference, steps of the confidence scale."""
    participants: int
    """Participants a method."""
    features: int
    simulations: int


def estimate_power(
    *,
    participants: int,
    trials: int,
    ratings: int,
    effect: float = 0.5,
    within: bool = False,
    simulations: int = 200,
    seed: int = 0,
) -> PowerEstimate:
    """Estimate the power of a design by simulation, with the analysis's default variances.

    `participants` is per method, `trials` per participant and `ratings` per feature. With `within`,
    every participant rates both methods, `trials` each. `effect` is the smallest difference in mean
    confidence to detect. 200 simulations take a fraction of a second for 80 participants.
    Raises `ReportError` with one line for an impossible design.
    """
    from analysis.design import Design, power
    from analysis.errors import AnalysisError

    try:
        design = Design(
            participants=participants,
            trials=trials,
            ratings=ratings,
            effect=effect,
            within=within,
        )
        found = power(design, simulations=simulations, seed=seed)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return PowerEstimate(
        power=found.power,
        monte_carlo_error=found.monte_carlo_error,
        width=found.width,
        participants=participants,
        features=design.n_features,
        simulations=simulations,
    )
