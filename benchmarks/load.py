"""A thousand participants at fifteen seconds per trial, compared with the same trial in oTree.

    python -m benchmarks.load [--participants 1000] [--seconds-a-trial 15] [--trials 10]
                              [--arrive 60] [--burst 15] [--otree-participants 300]

Both servers run on this machine, one after the other, with the load generator on the same two cores
(`--cores`). Ours runs under gunicorn, as in the image (four processes of four threads), on SQLite.
oTree, installed from the package index into an environment of its own, runs its production server
with its default SQLite. In both, a trial consists of the page, its three sounds (the same files),
the answer and the page that follows; ours also sends listening events, which oTree does not have:
every twenty seconds and with the answer, as the page's script does.
Participants arrive evenly over `--arrive` seconds, so that all of them are present during the
minutes after that, and wait as listeners would: until the sounds have been played, and then for
something between no time and two fifths of `--seconds-a-trial`. Waits that were all the same would
bring everyone who once waited for the server together back together. oTree gets at most
`--otree-participants`, since one of its processes cannot serve a thousand. (`benchmarks.arrivals`
tests arrivals at the same instant.)

Then, for `--burst` seconds, sixteen participants at a time continue without waiting, to measure
answers per second.

It prints answers and pages per second, percentiles for every page, errors, and the processor time
of the server and of the load generator. Only pages and answers count as pages; sounds, events and
static files count as requests. It exits with 1 if the 95th percentile of one of our pages is over
300 ms, a request failed, or oTree gives more than a fifth of our answers per second.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode, urljoin, urlsplit

from benchmarks.common.otree import otree_server
from benchmarks.common.served import served
from benchmarks.common.visitors import (
    PAGES,
    ProcessorClock,
    Timings,
    Visitor,
    in_threads,
    percentile,
    show,
)

LIMIT_MS = 300.0
TIMES_OTREE = 5.0
"""How many times oTree's answers per second without waiting ours should be."""
AT_ONCE = 16
"""Visitors without waiting; as many as our server has threads."""
EVENTS_EVERY_SECONDS = 20.0
"""How often a trial's page sends its events by themselves; the rest go with the answer."""
SOUND_SHARE = 0.8
"""Part of a trial's time, on average, that its three sounds take."""
MOST_IN_BURST = 400
"""Participants without waiting."""
PREPARE = """
from tests.studyapp.factories import make_features, make_run, make_study
run = make_run(clips=20, seconds={seconds})
make_features(run, count=100)
study = make_study(run=run, slug="load", features=100, trials_per_participation={trials},
                   ratings_per_item={ratings})
from studyapp.models import Stimulus
print("\\n".join(Stimulus.objects.values_list("path", flat=True)[:3]))
"""


Walk = Callable[[Visitor, int, Callable[[float], None]], None]
"""Takes one visitor through the study; arguments: the visitor, its number, how it waits."""


def main() -> int:
    """Print all tables. Return 1 if a page exceeds the limit, a request failed, or oTree is too
    near."""
    options = _options()
    if options.cores:
        os.sched_setaffinity(0, {int(core) for core in options.cores.split(",")})
    pace = f"{options.trials} trials of {options.seconds_a_trial:g} s, come in {options.arrive:g} s"
    print(f"{options.participants} participants, {pace}; load average {os.getloadavg()[0]:.1f}\n")
    good, rate = _ours(options)
    if not options.without_otree:
        theirs = _theirs(options)
        if options.burst:
            times = rate / theirs
            print(f"answers per second without waiting: {times:.1f} times oTree's")
            good &= times >= TIMES_OTREE
    print(f"load average after: {os.getloadavg()[0]:.1f}")
    return 0 if good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=1000)
    parser.add_argument("--otree-participants", type=int, default=300, metavar="MOST")
    parser.add_argument("--seconds-a-trial", type=float, default=15.0)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--arrive", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--burst", type=float, default=15.0, metavar="SECONDS")
    parser.add_argument(
        "--cores", default="0,1", help="cores for servers and load generator; empty for all"
    )
    parser.add_argument("--without-otree", action="store_true")
    return parser.parse_args()


def _ours(options: argparse.Namespace) -> tuple[bool, float]:
    """Whether every page was fast and no request failed; answers per second without waiting."""
    sound = options.seconds_a_trial * SOUND_SHARE / 3
    people = options.participants + MOST_IN_BURST
    with served() as site:
        ratings = -(-people * options.trials // 200) + 1
        code = PREPARE.format(seconds=sound, trials=options.trials, ratings=ratings)
        paths = site.python(code).split()
        options.sounds = [(site.data / path).read_bytes() for path in paths]
        clock = ProcessorClock(site.web)
        timings = _paced(site.url, _walk_ours(options), options.participants, options.arrive)
        show("Earwitness", timings, clock)
        walk = _walk_ours(options, simulated=_simulation(site.python))
        rate, good = _burst(site.url, walk, options, clock)
    pages = [percentile(values, 95) for kind, values in timings.seconds.items() if kind in PAGES]
    return max(pages) < LIMIT_MS / 1000 and not timings.errors and good, rate


def _simulation(python: Callable[[str], str]) -> str:
    """A token with which the participants of the burst can answer without listening."""
    code = (
        "from studyapp.models import Study\n"
        "from studyapp.participation.views import visitor\n"
        'print(visitor.simulation_token(Study.objects.get(slug="load")))'
    )
    return python(code).strip()


def _walk_ours(options: argparse.Namespace, simulated: str = "") -> Walk:
    alone = 0 if simulated else int(options.seconds_a_trial // EVENTS_EVERY_SECONDS)

    def walk(visitor: Visitor, number: int, wait: Callable[[float], None]) -> None:
        who = {"PROLIFIC_PID": f"p{number}", "SESSION_ID": "s", "simulated": simulated}
        visitor.ask("start", "GET", f"/s/load/?{urlencode(who)}")
        page = visitor.ask("consent", "GET", "/s/load/consent/")[2].decode()
        for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            visitor.ask("static", "GET", path)
        data = {"csrfmiddlewaretoken": _field(page, "csrfmiddlewaretoken")}
        wait(2)
        visitor.post_form("consent", "/s/load/consent/", data | {"decision": "agree"})
        visitor.ask("instructions", "GET", "/s/load/instructions/")
        wait(2)
        visitor.post_form("instructions", "/s/load/instructions/", data)
        for trial in range(options.trials):
            _trial_ours(visitor, trial, options.seconds_a_trial, wait, alone)

    return walk


def _trial_ours(
    visitor: Visitor, trial: int, seconds: float, wait: Callable[[float], None], alone: int
) -> None:
    page = visitor.ask("trial", "GET", "/s/load/trial/")[2].decode()
    if 'name="trial"' not in page:
        return
    token, csrf = _field(page, "trial"), _field(page, "csrfmiddlewaretoken")
    for path in re.findall(r'<audio[^>]* src="([^"]+)"', page):
        visitor.ask("sound", "GET", path)
    events = [
        {"trial": token, "clip": clip, "type": kind, "at_ms": 1000 * clip,
         "sequence": f"{token[:20]}-{clip}-{kind}"}
        for clip in (1, 2, 3) for kind in ("play", "ended")
    ]  # fmt: skip
    parts = [events[n * 6 // (alone + 1) : (n + 1) * 6 // (alone + 1)] for n in range(alone + 1)]
    for part in parts[:-1]:
        wait(EVENTS_EVERY_SECONDS)
        given = {"Content-Type": "application/json", "X-CSRFToken": csrf}
        visitor.ask("events", "POST", "/s/load/events", json.dumps(part).encode(), **given)
    wait(_trial_seconds(seconds) - alone * EVENTS_EVERY_SECONDS)
    data = {
        "events": json.dumps(parts[-1]),
        "trial": token, "key": _field(page, "key"), "csrfmiddlewaretoken": csrf,
        "choice": str(1 + trial % 5), "confidence": "4", "free_text": "",
    }  # fmt: skip
    said = visitor.post_form("answer", "/s/load/trial/", data, Accept="application/json")
    if said.startswith(b"{") and (path := json.loads(said).get("next")) != "/s/load/trial/":
        visitor.ask("start", "GET", path)  # after the last trial


def _trial_seconds(mean: float) -> float:
    """How long a listener takes for one trial: four fifths of the mean are its sounds."""
    return mean * (SOUND_SHARE + random.uniform(0.0, 2 * (1 - SOUND_SHARE)))


def _theirs(options: argparse.Namespace) -> float:
    """oTree's answers per second without waiting."""
    count = min(options.participants, options.otree_participants)
    with otree_server(options.sounds, count + MOST_IN_BURST) as (url, codes, server):
        walk, clock = _walk_theirs(options, codes), ProcessorClock(server)
        show("oTree", _paced(url, walk, count, options.arrive), clock)
        options.participants = count
        return _burst(url, walk, options, clock)[0]


def _walk_theirs(options: argparse.Namespace, codes: list[str]) -> Walk:
    def walk(visitor: Visitor, number: int, wait: Callable[[float], None]) -> None:
        where = visitor.ask("start", "GET", f"/InitializeParticipant/{codes[number]}")[1]
        statics: set[str] = set()
        for trial in range(options.trials):
            page = visitor.ask("page", "GET", urlsplit(where).path)[2].decode()
            for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
                if "sound" in path:
                    visitor.ask("sound", "GET", path)
                elif path not in statics:
                    visitor.ask("static", "GET", path)
                    statics.add(path)
            wait(_trial_seconds(options.seconds_a_trial))
            data = {"choice": str(1 + trial % 5), "confidence": "4", "free_text": ""}
            path = urlsplit(where).path
            where = urljoin(path, visitor.post_form("answer", path, data).decode())

    return walk


def _paced(url: str, walk: Walk, count: int, arrive: float) -> Timings:
    """Take every participant through once, arriving evenly."""
    timings = Timings()

    def one(number: int) -> None:
        time.sleep(number * arrive / count)
        visitor = Visitor(url, timings)
        walk(visitor, number, time.sleep)
        visitor.close()

    started = time.monotonic()
    in_threads(one, count)
    timings.wall = time.monotonic() - started
    return timings


def _burst(
    url: str, walk: Walk, options: argparse.Namespace, clock: ProcessorClock
) -> tuple[float, bool]:
    """A few visitors at a time, without waiting, each taking one participant after another.

    Returns answers per second, and whether no request failed.
    """
    if not options.burst:
        return 0.0, True
    timings, lock = Timings(), threading.Lock()
    numbers = iter(range(options.participants, options.participants + MOST_IN_BURST))
    end = time.monotonic() + options.burst

    def one(_: int) -> None:
        while time.monotonic() < end:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            visitor = Visitor(url, timings)
            walk(visitor, number, lambda _: None)
            visitor.close()

    started = time.monotonic()
    in_threads(one, AT_ONCE)
    timings.wall = time.monotonic() - started
    show(f"without waiting, {AT_ONCE} at once", timings, clock)
    return len(timings.seconds["answer"]) / timings.wall, not timings.errors


def _field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


if __name__ == "__main__":
    sys.exit(main())
