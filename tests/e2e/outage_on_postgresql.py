"""A job runs while PostgreSQL drops every connection, as in a restart; prints the outcome.

python -m tests.e2e.outage_on_postgresql
"""

import json
import os
import sys
import time
from typing import Any

BEAT_SECONDS = 0.2


def main() -> None:
    """Hold a job through the outage: its lease, its checks and its final row."""
    import django

    django.setup()
    from django.core.management import call_command

    from studyapp.jobs.services import jobs, outages
    from studyapp.models import Job

    call_command("migrate", verbosity=0)
    jobs.notify_workers = lambda _: None
    jobs.HEARTBEAT_SECONDS = BEAT_SECONDS
    lease = jobs.claim(jobs.enqueue(kind="feature_view", target=1, queue="cpu").pk)
    assert lease is not None
    check = jobs.Checker(lease, seconds=0.0)
    with jobs.heartbeat(lease):
        time.sleep(2 * BEAT_SECONDS)
        dropped = _drop_all_connections()
        check()  # Meets the broken connection.
        check()
        before = _expires_at(lease)
        time.sleep(5 * BEAT_SECONDS)
        grown = _expires_at(lease) > before
    _drop_all_connections()
    outages.with_retries(lambda: jobs.finish(lease))
    said = {"dropped": dropped >= 2, "lease_grew": grown, "state": Job.objects.get().state}
    json.dump(said, sys.stdout)


def _expires_at(lease: Any) -> Any:
    from studyapp.models import Job

    return Job.objects.get(pk=lease.job.pk).lease_expires_at


def _drop_all_connections() -> int:
    """End every session except this one; returns how many there were."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        others = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
        return len(others.fetchall())


if __name__ == "__main__":
    main()
