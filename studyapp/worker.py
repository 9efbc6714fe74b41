"""What a worker does besides its tasks: checks when it starts, and a sweeper while it runs.

Celery imports this module before it starts a worker (`include` in `celery.py`).
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
    """End a pool process when its worker is killed: it must not write beside its successor."""
    die_with_parent(signal.SIGKILL)


@worker_init.connect
def _refuse_another_installation(**_: Any) -> None:
    """Refuse to start on another site's data folder, where every job would fail."""
    try:
        outages.with_retries(installation.check)
    except InstallationError as error:
        raise SystemExit(str(error)) from error


@worker_ready.connect
def start_sweeping(**_: Any) -> None:
    """Look regularly for jobs that a lost worker or a lost broker left behind, and for old rows."""
    from studyapp.features import services as features
    from studyapp.monitoring.services import notices
    from studyapp.participation.services import abandonment, address_limit
    from studyapp.runs.services import lifecycle
    from studyapp.studies.services import preview_copies

    jobs.start_sweeper(
        lifecycle.recover_runs,
        address_limit.sweep,
        preview_copies.sweep_old,
        abandonment.sweep,
        notices.sweep,
        features.sweep_sounds,
    )
