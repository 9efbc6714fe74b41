"""What a consent costs after a hundred participations, and after a hundred thousand.

    python -m benchmarks.participants.consent [--participations 100 1000 10000 100000]
                                 [--databases sqlite postgresql]

A consent draws condition and trials from the places and ratings held at that moment. For each size,
complete participations of four trials are inserted as rows and added to the study's tally; then
thirty people follow the study's link and consent, in one process and without HTTP. It prints the
number of queries and the medians of time and processor time. Exits with 1 if the queries differ, or
if the fullest study takes over twice the processor time of the emptiest.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import nullcontext

from benchmarks.common.served import postgresql, served

PREPARE = """
from tests.studyapp.factories import make_features, make_run, make_study
run = make_run(clips=12, seconds=0.5)
make_features(run, count=250)
make_study(run=run, slug="consent", features=250, trials_per_participation=4,
           ratings_per_item=1000)
"""
INSERT = """
import secrets
from django.db import connection, transaction
from studyapp.core import clock
from studyapp.models import Participation, Study, Trial
from studyapp.participation.services import tallies
study = Study.objects.get(slug="consent")
conditions = list(study.conditions.all())
items = {{c.pk: list(study.items.filter(condition=c).order_by("pk")) for c in conditions}}
now = clock.now()
begin, end = study.participations.count(), {count}
for first in range(begin, end, 5000):
    with transaction.atomic():
        made = Participation.objects.bulk_create([
            Participation(study=study, condition=conditions[n % len(conditions)], seed=n,
                          identifier=f"p{{secrets.token_hex(8)}}", status="complete",
                          assigned_at=now, consented_at=now, finished_at=now)
            for n in range(first, min(end, first + 5000))
        ], batch_size=500)
        trials = []
        for n, one in enumerate(made):
            own = items[one.condition_id]
            trials += [
                Trial(participation=one, item=own[(4 * n + t) % len(own)], number=t + 1,
                      feature_id=own[(4 * n + t) % len(own)].feature_id,
                      option_order=[0, 1, 2, 3, 4], token=secrets.token_urlsafe(18), key="k")
                for t in range(4)
            ]
        Trial.objects.bulk_create(trials, batch_size=1000)
while study.participations.filter(tallied=False, status="complete").count() >= tallies.FEWEST:
    with transaction.atomic():
        tallies.bring_up_to_date(study, now, simulated=False)
# PostgreSQL does it by itself, a minute after so many rows have changed.
with connection.cursor() as cursor:
    cursor.execute("ANALYZE")
"""
MEASURE = """
import json, statistics, time
from django.db import connection
from django.test.utils import CaptureQueriesContext
from studyapp.models import Study
from studyapp.participation.services import participations
study = Study.objects.get(slug="consent")
took = []
for number in range({people}):
    one = Study.objects.get(pk=study.pk)
    started = time.perf_counter(), time.process_time()
    someone = participations.begin(study=one, external_key=f"{{number}}-{count}")
    participations.consent(participation=someone)
    took.append((time.perf_counter() - started[0], time.process_time() - started[1]))
with CaptureQueriesContext(connection) as captured:
    someone = participations.begin(study=study, external_key="last-{count}")
    participations.consent(participation=someone)
print(json.dumps(dict(
    wall=statistics.median(t for t, _ in took[1:]),
    processor=statistics.median(t for _, t in took[1:]), queries=len(captured),
)))
"""
PEOPLE = 30
MOST_TIMES = 2.0


def main() -> int:
    """Print the table. Return 1 if consent grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = [100, 1000, 10_000, 100_000]
    parser.add_argument("--participations", type=int, nargs="+", default=sizes)
    known = ["sqlite", "postgresql"]
    parser.add_argument("--databases", nargs="+", choices=known, default=known)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f}\n")
    print(f"{'database':<12}{'participations':>14}{'queries':>9}{'median':>10}{'processor':>11}")
    flat = [_is_flat(name, options.participations) for name in options.databases]
    return 0 if all(flat) else 1


def _is_flat(database: str, sizes: list[int]) -> bool:
    address = postgresql() if database == "postgresql" else nullcontext("")
    found = []
    with address as url, served(database_url=url) as site:
        site.python(PREPARE)
        for count in sizes:
            site.python(INSERT.format(count=count))
            told = json.loads(site.python(MEASURE.format(count=count, people=PEOPLE)))
            found.append(told)
            wall, processor = 1000 * told["wall"], 1000 * told["processor"]
            print(f"{database:<12}{count:>14,}{told['queries']:>9}{wall:>7.1f} ms"
                  f"{processor:>8.1f} ms", flush=True)  # fmt: skip
    is_flat = found[-1]["processor"] <= MOST_TIMES * found[0]["processor"]
    return is_flat and len({told["queries"] for told in found}) == 1


if __name__ == "__main__":
    sys.exit(main())
