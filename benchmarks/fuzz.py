"""Tens of thousands of malformed requests to every address; prints status counts and every 5xx.

python -m benchmarks.fuzz [--database sqlite|postgresql] [--requests 20000] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import time


def main() -> None:
    """Send the requests, print the outcome; exits with 1 if there was a 5xx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.database == "postgresql":
        os.environ["EARWITNESS_TEST_DATABASE"] = "postgresql"
    raise SystemExit(_sent(arguments.requests, arguments.seed))


def _sent(count: int, seed: int) -> int:
    import tests.environment  # noqa: F401 - sets up a temporary data folder and database

    os.environ["DJANGO_SETTINGS_MODULE"] = "studyapp.settings"
    import django

    django.setup()
    import logging

    from django.conf import settings
    from django.db import connection, transaction
    from django.test.utils import setup_test_environment

    from studyapp.jobs.services import jobs

    logging.disable(logging.CRITICAL)
    setup_test_environment()
    settings.STORAGES["staticfiles"]["BACKEND"] = (
        "django.contrib.staticfiles.storage.StaticFilesStorage"
    )
    settings.STATIC_ROOT.mkdir(exist_ok=True)
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    setattr(jobs, "notify_workers", lambda _: None)  # noqa: B010 - no broker is running
    from tests.studyapp.test_fuzz import sent

    began = time.monotonic()
    try:
        with transaction.atomic():
            outcome = sent(count=count, seed=seed)
            transaction.set_rollback(True)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
    print(f"{count} requests on {connection.vendor}, seed {seed}, {time.monotonic() - began:.0f} s")
    print("  ".join(f"{code}: {n}" for code, n in sorted(outcome.statuses.items())))
    print("\n\n".join(outcome.faults) or "no 5xx")
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    main()
