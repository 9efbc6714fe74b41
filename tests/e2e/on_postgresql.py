"""One participation and many simultaneous assignments on DATABASE_URL; prints the outcome.

python -m tests.e2e.on_postgresql
"""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

ARRIVALS = 16


def main() -> None:
    """Migrate, make a study, let sixteen participants arrive at once, take one to the end."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from studyapp import exports
    from tests.studyapp import factories, passages

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    # 8 features × 2 conditions × 4 ratings in participations of 4 trials: 16 places.
    study = factories.make_study(features=8, ratings_per_item=4, trials_per_participation=4)
    with ThreadPoolExecutor(8) as pool:
        identifiers = list(pool.map(_arrive, [study.pk] * ARRIVALS))
    cells = Counter(trial_item for trial_item in _items_given(study))
    one = factories.make_study(features=6, slug="walked")
    client = Client()
    participation = passages.reach_trials(client, one)
    passages.finish(client, one, participation)
    participation.refresh_from_db()
    rows = b"".join(exports.responses_as_csv(one)).splitlines()
    said = {
        "vendor": connection.vendor,
        "arrived": len(set(identifiers)),
        "cells": sorted(cells.values()),
        "code": bool(participation.completion_code),
        "rows": len(rows) - 1,
        "ready": [_ready(), _ended_connections() and _ready()],
    }
    json.dump(said, sys.stdout)


def _ready() -> int:
    """Status of `/readyz`, requested as from a server that keeps its database connections."""
    from django.core.wsgi import get_wsgi_application
    from django.test import RequestFactory

    answered: list[str] = []
    request = RequestFactory().get("/readyz").environ
    get_wsgi_application()(request, lambda status, *_: answered.append(status)).close()
    return int(answered[0].split()[0])


def _ended_connections() -> bool:
    """End the site's connections from the database's side, as a restart of it does."""
    import psycopg
    from django.db import connection

    address = connection.connection.info.dsn
    with psycopg.connect(address, autocommit=True) as other:
        ended = other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    return bool(ended)


def _arrive(study_pk: int) -> str:
    from django.db import connection

    from studyapp.models import Study
    from studyapp.participation.services import participations as services

    study = Study.objects.get(pk=study_pk)
    participation = services.consent(participation=services.begin(study=study))
    connection.close()
    return participation.identifier


def _items_given(study: object) -> list[int]:
    from studyapp.models import Trial

    return list(Trial.objects.filter(participation__study=study).values_list("item_id", flat=True))


if __name__ == "__main__":
    main()
