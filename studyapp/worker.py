"""What a worker does beside its tasks: when it starts, and for as long as it runs.

Celery imports this before it starts a worker (`include` in `celery.py`).
"""

import signal
from typing import Any

from celery.signals import worker_init, worker_process_init, worker_ready

from studyapp.core import installation
from studyapp.core.errors import InstallationError
from studyapp.hosting.supervisor import die_with_parent
from studyapp.jobs.services import jobs, outages


@worker_process_init.connect
def _die_with_the_worker(**_: Any) -> None:
    """A pool process whose worker was killed must not go on writing beside its successor."""
    die_with_parent(signal.SIGKILL)


@worker_init.connect
def _refuse_another_installation(**_: Any) -> None:
    """A worker beside another data folder would fail the jobs that it takes."""
    try:
        outages.patiently(installation.check)
    except InstallationError as error:
        raise SystemExit(str(error)) from error


@worker_ready.connect
def _sweep(**_: Any) -> None:
    """Look again and again for jobs that a lost worker or a lost broker left behind."""
    from studyapp.participation.services import address_limit
    from studyapp.runs.services import lifecycle

    jobs.start_sweeper(lifecycle.recover_runs, address_limit.sweep)
