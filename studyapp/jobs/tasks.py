"""The Celery task: a queue's name in, its next job's work called, the outcome in a row.

Beside `services/runs.py` the one room of the site that reaches the pipeline.
"""

import logging
from collections.abc import Callable

from django.utils.module_loading import import_string

from studyapp.celery import app
from studyapp.jobs.services import bell, jobs, outages

logger = logging.getLogger(__name__)

# To add a kind of work: a function of a `Held` in a module of this package, and a line here.
# It gives True if it put the job back. It raises `jobs.WorkError` with the one line that a person
# reads, or `jobs.LostError`.
WORK: dict[str, str] = {
    "feature_view": "studyapp.features.tasks.work",
    "run": "studyapp.runs.tasks.work",
    "import_run": "studyapp.runs.tasks.check_import",
    "report": "studyapp.results.tasks.work",
    "make_study": "studyapp.wizard.tasks.make",
    "power": "studyapp.wizard.tasks.estimate",
}


@app.task(name=bell.TASK)
def work_on(queue: str) -> None:
    """Do the next job of the queue. A second delivery finds none due and does nothing."""
    held = jobs.claim_next(queue)
    if held is not None:
        _do(held)


def work(job_id: int) -> None:
    """Do the job with this id, unless somebody else does or did."""
    held = jobs.claim(job_id)
    if held is not None:
        _do(held)


def _do(held: jobs.Held) -> None:
    do: Callable[[jobs.Held], bool] = import_string(WORK[held.job.kind])
    try:
        with jobs.heartbeat(held):
            put_back = do(held)
        if not put_back:
            outages.patiently(lambda: jobs.finish(held))
    except jobs.LostError as error:
        logger.warning("%s: %s", held.job, error)
    except jobs.WorkError as error:
        _failed(held, str(error))
    except Exception as error:
        # The row must say it too: the worker's log is not what a researcher looks at.
        _failed(held, f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def _failed(held: jobs.Held, reason: str) -> None:
    logger.warning("%s failed: %s", held.job, reason)
    try:
        outages.patiently(lambda: jobs.fail(held, reason))
    except jobs.LostError as error:
        logger.warning("%s: %s", held.job, error)
