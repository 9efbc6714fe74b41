"""The Celery application: `celery -A studyapp.celery worker` serves it."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init, worker_process_init, worker_ready

from studyapp.core.umask import keep_private

keep_private()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studyapp.settings")

app = Celery("earwitness")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["studyapp"])
# A request that rings the bell must not hang on a broker that is away: the row waits for it.
app.conf.broker_transport_options = {"socket_connect_timeout": 3}


@worker_process_init.connect
def _die_with_the_worker(**_: Any) -> None:
    """A pool process whose worker was killed must not go on writing beside its successor."""
    import signal

    from studyapp.hosting.supervisor import die_with_parent

    die_with_parent(signal.SIGKILL)


@worker_init.connect
def _refuse_another_installation(**_: Any) -> None:
    """A worker beside another data folder would fail the jobs that it takes."""
    from studyapp.core import installation
    from studyapp.core.errors import InstallationError
    from studyapp.jobs.services import outages

    try:
        outages.patiently(installation.check)
    except InstallationError as error:
        raise SystemExit(str(error)) from error


@worker_ready.connect
def _sweep(**_: Any) -> None:
    """Look again and again for jobs that a lost worker or a lost broker left behind."""
    from studyapp.jobs.services import jobs
    from studyapp.participation.services import arrivals
    from studyapp.runs.services import lifecycle

    jobs.start_sweeper(lifecycle.recover_runs, arrivals.sweep)
