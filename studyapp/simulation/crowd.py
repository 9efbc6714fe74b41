"""Many simulated listeners at once."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from urllib.parse import urlencode, urlsplit

import httpx

from studyapp.simulation.check_listener import CheckListener
from studyapp.simulation.knowledge import Knowledge
from studyapp.simulation.listener import ListenerModel
from studyapp.simulation.walk import Acknowledged, Walker, WalkError, WalkResult

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Crowd:
    """How many listeners of which kind are sent to which study."""

    link: str
    """The participants' link, without parameters."""
    token: str
    """Makes the site mark the participations as simulated."""
    participants: int
    seed: int = 0
    concurrency: int = 8
    real_time: bool = False
    model: ListenerModel = field(default_factory=ListenerModel)
    headphones: float = 0.9
    """Share of the listeners who wear headphones."""
    log: Path | None = None
    """File to which every answer is appended, one line of JSON, as soon as it is acknowledged."""


@dataclass
class Outcome:
    """How the listeners of a crowd got on."""

    codes: list[str] = field(default_factory=list)
    answers: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    """Heading of an ending without a code → number of listeners."""
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


def send(crowd: Crowd, knowledge: Knowledge, on_answer: Callable[[], object]) -> Outcome:
    """Send every listener through the study; `on_answer` is called after each accepted answer."""
    outcome, started, lock = Outcome(), time.monotonic(), threading.Lock()

    def note(number: int, acknowledged: Acknowledged) -> None:
        with lock:
            outcome.answers += 1
            _write(crowd.log, number, acknowledged)
            on_answer()

    with ThreadPoolExecutor(crowd.concurrency) as pool:
        walks = [
            pool.submit(_walk, crowd, knowledge, number, note)
            for number in range(crowd.participants)
        ]
        for walk in as_completed(walks):
            try:
                _add(outcome, walk.result())
            except WalkError as error:
                outcome.failures.append(str(error))
    outcome.seconds = time.monotonic() - started
    return outcome


def _walk(
    crowd: Crowd, knowledge: Knowledge, number: int, note: Callable[[int, Acknowledged], None]
) -> WalkResult:
    identifiers = {
        "PROLIFIC_PID": f"simulated-{crowd.seed}-{number:05d}",
        "STUDY_ID": "simulation",
        "SESSION_ID": f"simulation-{crowd.seed}",
        "simulated": crowd.token,
    }
    rng = Random(f"{crowd.seed}/{number}")  # noqa: S311 - a simulation, not a secret
    # As browsers do: over HTTPS a form without this header is refused.
    origin = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(crowd.link))}
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=origin) as client:
        walker = Walker(
            client=client,
            start=f"{crowd.link}?{urlencode(identifiers)}",
            listener=crowd.model.listener(rng),
            knowledge=knowledge,
            check_listener=CheckListener(has_headphones=rng.random() < crowd.headphones),
            real_time=crowd.real_time,
            on_answer=lambda acknowledged: note(number, acknowledged),
        )
        return walker.walk()


def _add(outcome: Outcome, result: WalkResult) -> None:
    if result.code:
        outcome.codes.append(result.code)
    else:
        outcome.endings[result.ending] = outcome.endings.get(result.ending, 0) + 1


def _write(log: Path | None, number: int, acknowledged: Acknowledged) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"listener": number} | asdict(acknowledged)) + "\n")
