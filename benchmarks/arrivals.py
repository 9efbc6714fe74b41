"""Many participants arriving at once, over HTTP, on SQLite and on PostgreSQL.

    python -m benchmarks.arrivals [--participants 200] [--within 0] [--databases sqlite postgresql]

For each database and design, a study is made with fewer places than arrivals. Every participant is
a thread with its own browser; all of them open the link at the same moment, or evenly over
`--within` seconds, then consent. It counts
responses of 500 and above, places given twice, and places above the quota, and measures the spread
of ratings over the cells. Exits with 1 if any of these is not as required.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass
from urllib.parse import urljoin

import httpx

from benchmarks.common.served import Served, postgresql, served

PREPARE = """
from tests.studyapp.factories import make_features, make_run, make_study
run = make_run(clips=12, seconds=0.5)
make_features(run, count=20)
for design in ("between", "within"):
    study = make_study(run=run, slug=design, design=design, features=20,
                       trials_per_participation=4, ratings_per_item={ratings})
"""
REPORT = """
import json
from collections import Counter
from studyapp.models import Item, Participation, Study, Trial
from studyapp.studies.services import frames
study = Study.objects.get(slug="{design}")
placed = study.participations.exclude(assigned_at=None)
cells = Counter(dict.fromkeys(study.items.filter(role="main").values_list("pk", flat=True), 0))
cells.update(Trial.objects.filter(participation__study=study).values_list("item", flat=True))
features = Trial.objects.filter(participation__study=study)
twice = Counter(features.values_list("participation", "item__feature"))
print(json.dumps(dict(
    placed=placed.count(), places=frames.places(study),
    least=min(cells.values()), most=max(cells.values()),
    twice=sum(count > 1 for count in twice.values()),
    trials=sorted(set(Counter(features.values_list("participation", flat=True)).values())),
)))
"""


@dataclass(frozen=True)
class Arrived:
    """The outcomes of all arrivals."""

    statuses: Counter[int]
    failures: Counter[str]
    """Requests without a response, by what happened."""
    slowest: float
    """Duration of the slowest request, seconds."""
    seconds: float


def main() -> int:
    """Print the table. Return 1 if a row is not as required."""
    options = _options()
    when = f"within {options.within:g} s" if options.within else "at once"
    print(f"{options.participants} arrivals {when}, over HTTP; load {os.getloadavg()[0]:.1f}\n")
    print(f"{'database':<11}{'design':<9}{'placed':>7}{'quota':>6}{'cells':>8}{'twice':>6}"
          f"{'5xx':>5}{'lost':>5}{'slowest':>9}{'in all':>8}")  # fmt: skip
    good = True
    for database in options.databases:
        address = postgresql() if database == "postgresql" else nullcontext("")
        with address as url, served(database_url=url) as site:
            ratings = max(1, options.participants // 20)
            site.python(PREPARE.format(ratings=ratings))
            for design in ("between", "within"):
                good &= _tell(site, database, design, options)
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=200)
    parser.add_argument("--within", type=float, default=0.0, metavar="SECONDS")
    known = ["sqlite", "postgresql"]
    parser.add_argument("--databases", nargs="+", choices=known, default=known)
    return parser.parse_args()


def _tell(site: Served, database: str, design: str, options: argparse.Namespace) -> bool:
    count = options.participants
    arrived = _arrive(f"{site.url}/s/{design}/", count, options.within)
    report = json.loads(site.python(REPORT.format(design=design)))
    lost = arrived.failures.total()
    broken = sum(n for status, n in arrived.statuses.items() if status >= 500)
    print(f"{database:<11}{design:<9}{report['placed']:>7}{report['places']:>6}"
          f"{report['least']:>5}–{report['most']:<2}{report['twice']:>6}{broken:>5}"
          f"{lost:>5}{arrived.slowest:>8.2f}s{arrived.seconds:>7.1f}s")  # fmt: skip
    for failure, count in arrived.failures.items():
        print(f"  {count} × {failure}")
    return bool(
        broken == lost == report["twice"] == 0
        and report["placed"] == min(count, report["places"])
        and report["most"] - report["least"] <= 1
        and report["trials"] == [4]
    )


def _arrive(link: str, count: int, within: float) -> Arrived:
    statuses: Counter[int] = Counter()
    took: list[float] = []
    failures: list[str] = []
    lock, barrier = threading.Lock(), threading.Barrier(count)

    def one(number: int) -> None:
        # No keep-alive: a connection that the server closes would count as a lost request.
        limits = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(timeout=120, limits=limits) as client:
            barrier.wait()
            time.sleep(within * number / count)
            try:
                for status, seconds in _enter(client, link, number):
                    with lock:
                        statuses[status] += 1
                        took.append(seconds)
            except httpx.HTTPError as error:
                failures.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Arrived(statuses, Counter(failures), max(took, default=0.0), time.monotonic() - started)


def _enter(client: httpx.Client, link: str, number: int) -> list[tuple[int, float]]:
    """Open the link, follow it to the consent page, consent; status and seconds of each request."""
    seen: list[tuple[int, float]] = []

    def ask(method: str, url: str, **given: object) -> httpx.Response:
        started = time.monotonic()
        response = client.request(method, url, **given)  # type: ignore[arg-type]  # httpx's own
        seen.append((response.status_code, time.monotonic() - started))
        return response

    parameters = {"PROLIFIC_PID": f"p{number}", "STUDY_ID": "x", "SESSION_ID": f"s{number}"}
    response = ask("GET", link, params=parameters)
    if response.is_redirect:
        page = ask("GET", urljoin(link, response.headers["Location"]))
        token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        data = {"decision": "agree", "csrfmiddlewaretoken": token}
        ask("POST", urljoin(link, "consent/"), data=data)
    return seen


if __name__ == "__main__":
    sys.exit(main())
