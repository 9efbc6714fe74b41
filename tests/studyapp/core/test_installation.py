"""The state of the tables before a migration; key and folder are tested with `migrate`."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from studyapp import migrations
from studyapp.core import installation

LAST = "0018_data_folder_of_the_database"
SINCE = [path.stem for path in sorted(Path(migrations.__file__).parent.glob("0*.py"))][1:]
"""Steps after the one; no database that stopped earlier has them."""

pytestmark = pytest.mark.django_db


def test_tables_that_stopped_before_the_steps_became_one_are_refused() -> None:
    installation.check_steps()
    for name in (LAST, *SINCE):
        MigrationRecorder(connection).record_unapplied("studyapp", name)
    with pytest.raises(CommandError, match=f"has not reached {LAST}: run `manage.py migrate` of"):
        call_command("migrate", verbosity=0)


def test_an_empty_database_is_not_an_early_one() -> None:
    MigrationRecorder(connection).flush()
    installation.check_steps()
