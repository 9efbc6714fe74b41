"""The Celery task: it claims the next job of a queue, does its work and stores the outcome."""

import logging
from collections.abc import Callable

from django.utils.module_loading import import_string

from studyapp.celery import app
from studyapp.jobs.services import jobs, notifications, outages

logger = logging.getLogger(__name__)

# To add a kind of job: write a function that takes a `JobLease` in a room's `tasks.py`, and add a
# line here. The function returns True if it put the job back. It raises `jobs.WorkError` with the
# one line that is shown to users, or `jobs.LeaseLostError`.
WORK: dict[str, str] = {
    "feature_view": "studyapp.features.tasks.work",
    "feature_search": "studyapp.features.tasks.search",
    "run": "studyapp.runs.tasks.work",
    "run_piece": "studyapp.runs.tasks.make_piece",
    "import_run": "studyapp.runs.tasks.check_import",
    "item_table": "studyapp.runs.tasks.check_items",
    "run_findings": "studyapp.runs.tasks.make_findings",
    "run_paper": "studyapp.runs.tasks.make_paper",
    "run_quality": "studyapp.runs.tasks.measure_saes",
    "run_steering": "studyapp.runs.tasks.evaluate_steering",
    "joined_paper": "studyapp.runs.tasks.join_paper",
    "report": "studyapp.results.tasks.work",
    "notice": "studyapp.monitoring.tasks.send_notice",
    "make_study": "studyapp.wizard.tasks.make",
    "power": "studyapp.wizard.tasks.estimate",
}


@app.task(name=notifications.TASK)
def work_on(queue: str) -> None:
    """Do the next job of the queue, after a piece of a job also the other pieces that still wait.

    A repeated message finds no job due and does nothing.
    """
    lease = jobs.claim_next(queue)
    while lease is not None:
        _do(lease)
        lease = jobs.claim_sibling(lease)


def work(job_id: int) -> None:
    """Do the job with this id, unless another worker has claimed it."""
    lease = jobs.claim(job_id)
    if lease is not None:
        _do(lease)


def _do(lease: jobs.JobLease) -> None:
    do: Callable[[jobs.JobLease], bool] = import_string(WORK[lease.job.kind])
    try:
        with jobs.heartbeat(lease):
            put_back = do(lease)
        if not put_back:
            outages.with_retries(lambda: jobs.finish(lease))
    except jobs.LeaseLostError as error:
        logger.warning("%s: %s", lease.job, error)
    except jobs.WorkError as error:
        _failed(lease, str(error))
    except Exception as error:
        # Store the error in the row as well: researchers do not see the worker's log.
        _failed(lease, f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def _failed(lease: jobs.JobLease, reason: str) -> None:
    logger.warning("%s failed: %s", lease.job, reason)
    try:
        outages.with_retries(lambda: jobs.fail(lease, reason))
    except jobs.LeaseLostError as error:
        logger.warning("%s: %s", lease.job, error)
