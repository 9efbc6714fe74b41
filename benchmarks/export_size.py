"""Exports a very large number of responses: seconds, memory, and whether it reads back equal.

python -m benchmarks.export_size [--responses 1000000] [--events 3] [--parquet]

A real study is answered once through the services; that participation is then copied inside SQLite
until there are enough. Two exports are made, each in a separate process and streamed as by the
site: `responses.csv`, and the zip of all tables (which, as it includes the events, only has to meet
the memory limit).
"""

from __future__ import annotations

import argparse
import io
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import import_module
from pathlib import Path
from typing import IO, Any

TRIALS = 10
LIMIT_SECONDS, LIMIT_MB = 60, 200
COMPARED = (
    "participation", "trial", "chosen_position", "confidence", "free_text", "response_ms",
)  # fmt: skip


def main() -> None:
    """Fill the database, export in child processes, read back, print the table; exits with 1 if a
    limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=3, help="events per trial")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--parquet", action="store_true", help="include Parquet in the zip")
    arguments = parser.parse_args()
    if arguments.child:
        _export(arguments.child, parquet=arguments.parquet)
        return
    folder = Path(tempfile.mkdtemp(prefix="earwitness-bench-"))
    try:
        raise SystemExit(_measure(folder, arguments))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, arguments: argparse.Namespace) -> int:
    _set_up(folder)
    started = time.monotonic()
    _fill(arguments.responses // TRIALS, arguments.events)
    print(f"{arguments.responses} responses, {arguments.responses * arguments.events} events, "
          f"made in {time.monotonic() - started:.0f} s")  # fmt: skip
    print(f"{'export':<16}{'seconds':>10}{'CPU seconds':>14}{'peak MB':>10}{'size MB':>10}")
    table = _in_a_child(folder / "responses.csv", [])
    more = ["--parquet"] if arguments.parquet else []
    archive = _in_a_child(folder / "all.zip", more)
    equal = _reads_back((folder / "responses.csv").open(encoding="utf-8", newline=""),
                        arguments.responses)  # fmt: skip
    with zipfile.ZipFile(folder / "all.zip") as packed:
        [name] = [n for n in packed.namelist() if n.endswith("/responses.csv")]
        text = io.TextIOWrapper(packed.open(name), encoding="utf-8", newline="")
        zip_equal = _reads_back(text, arguments.responses)
    print(f"reads back equal: responses.csv {equal}, in the zip {zip_equal}")
    print(f"limits: responses.csv under {LIMIT_SECONDS} s, both under {LIMIT_MB} MB")
    light = max(table[1], archive[1]) < LIMIT_MB
    return 0 if equal and zip_equal and light and table[0] < LIMIT_SECONDS else 1


def _in_a_child(out: Path, more: list[str]) -> tuple[float, float]:
    """Seconds and peak megabytes of one export; prints its row."""
    command = [sys.executable, "-m", "benchmarks.export_size", "--child", str(out), *more]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    seconds, processor, megabytes = map(float, said)
    size = out.stat().st_size / 1e6
    print(f"{out.name:<16}{seconds:>10.1f}{processor:>14.1f}{megabytes:>10.0f}{size:>10.0f}")
    return seconds, megabytes


def _set_up(folder: Path) -> None:
    os.environ["EARWITNESS_DATA"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "studyapp.settings"
    os.environ.pop("DATABASE_URL", None)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _export(out: Path, *, parquet: bool) -> None:
    """In the child process: write the export that the file's name stands for, as the site would."""
    import django

    django.setup()
    from studyapp import exports
    from studyapp.models import Study

    started = time.monotonic()
    study = Study.objects.get()
    with out.open("wb") as file:
        if out.suffix == ".zip":
            file.writelines(exports.zip_study(study, exports.Forms(parquet=parquet)))
        else:
            file.writelines(exports.responses_as_csv(study))
    used = resource.getrusage(resource.RUSAGE_SELF)
    # ru_maxrss includes what the parent held when it forked; this counts only this process.
    peak = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    print(time.monotonic() - started, used.ru_utime + used.ru_stime, int(peak[0]) / 1024)


def _fill(participations: int, events: int) -> None:
    """One real participation, and copies of it."""
    from django.conf import settings
    from django.db import connection
    from django.test import Client, override_settings

    from studyapp.models import Event, Participation, Response, Trial

    # The tests are not typed, so neither are their results.
    factories: Any = import_module("tests.studyapp.factories")
    passages: Any = import_module("tests.studyapp.passages")

    study: Any = factories.make_study(features=TRIALS, trials_per_participation=TRIALS)
    client = Client(headers={"host": "localhost"})
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES=settings.STORAGES | {"staticfiles": plain}):
        passages.finish(client, study, passages.reach_trials(client, study))
    Response.objects.update(free_text='Käfer, "summend"\n=2+3')
    one = Participation.objects.get()
    shown = list(one.trials.order_by("number"))
    keep = {trial.pk: list(trial.events.values_list("pk", flat=True)[:events]) for trial in shown}
    one.events.exclude(pk__in=[pk for many in keep.values() for pk in many]).delete()
    first, count, n = one.pk + 1, len(shown), participations - 1
    series = f"WITH RECURSIVE k(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM k WHERE i < {n - 1})"
    base = max(trial.pk for trial in shown) + 1
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
        cursor.execute(_copy(Participation, series, f"s.id = {one.pk}", {
            "id": f"{first} + i", "identifier": "'c' || i", "completion_code": "'C' || i",
            "external_key": "''",
        }))  # fmt: skip
        place = " ".join(f"WHEN {t.pk} THEN {i}" for i, t in enumerate(shown))
        trial_id = f"{base} + i * {count} + CASE s.%s {place} END"
        cursor.execute(_copy(Trial, series, f"s.participation_id = {one.pk}", {
            "id": trial_id % "id", "participation_id": f"{first} + i",
            "token": "'t' || i || '-' || s.id", "key": "'k' || i || '-' || s.id",
        }))  # fmt: skip
        cursor.execute(_copy(Response, series, "1", {
            "id": "NULL", "trial_id": trial_id % "trial_id", "response_ms": "1000 + i",
        }))  # fmt: skip
        cursor.execute(_copy(Event, series, "s.trial_id IS NOT NULL", {
            "id": "NULL", "participation_id": f"{first} + i", "trial_id": trial_id % "trial_id",
        }))  # fmt: skip


def _copy(model: Any, series: str, where: str, changed: dict[str, str]) -> str:
    """SQL that copies the model's rows once per number of the series."""
    names = [field.column for field in model._meta.concrete_fields]
    read = ", ".join(changed.get(name, f's."{name}"') for name in names)
    table = model._meta.db_table
    into = ", ".join(f'"{name}"' for name in names)
    return f"INSERT INTO {table} ({into}) {series} SELECT {read} FROM k, {table} s WHERE {where}"


def _reads_back(text: IO[str], count: int) -> bool:
    """Whether every answer is in the file as in the database."""
    import csv

    from studyapp.exports.cells import pseudonym
    from studyapp.models import Response

    rows = (
        Response.objects.order_by("trial__participation_id", "trial__number")
        .values_list("trial__participation__identifier", "trial__number", "choice", "confidence",
                     "free_text", "response_ms", "trial__token")
        .iterator(chunk_size=10_000)
    )  # fmt: skip
    seen = 0
    with text as file:
        for got, want in zip(csv.DictReader(file), rows, strict=True):
            expected = (pseudonym(want[0]), *(str(value) for value in want[1:6]))
            found = tuple(got[name] for name in COMPARED)
            if expected != found:
                print(f"row {seen + 1}: {found} is not {expected}")
                return False
            seen += 1
    return seen == count


if __name__ == "__main__":
    main()
