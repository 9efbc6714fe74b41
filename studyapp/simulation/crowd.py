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

from studyapp.simulation.ears import Ears
from studyapp.simulation.knowledge import Knowledge
from studyapp.simulation.listener import ListenerModel
from studyapp.simulation.walk import Acknowledged, Passage, Walker, WalkError

TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Plan:
    """Who is sent where."""

    link: str
    """The participants' link, without parameters."""
    token: str
    """Lets the site mark the participations as simulated."""
    participants: int
    seed: int = 0
    concurrency: int = 8
    real_time: bool = False
    model: ListenerModel = field(default_factory=ListenerModel)
    headphones: float = 0.9
    """Share of the listeners who wear headphones."""
    log: Path | None = None
    """Takes every acknowledged answer as a line of JSON, the moment it is acknowledged."""


@dataclass
class Outcome:
    """What came of a crowd."""

    codes: list[str] = field(default_factory=list)
    answers: int = 0
    endings: dict[str, int] = field(default_factory=dict)
    """Heading of an ending without a code → listeners."""
    troubles: list[str] = field(default_factory=list)
    seconds: float = 0.0


def send(plan: Plan, knowledge: Knowledge, on_answer: Callable[[], object]) -> Outcome:
    """Send every listener through the study; `on_answer` is called for each answer taken."""
    outcome, started, lock = Outcome(), time.monotonic(), threading.Lock()

    def note(number: int, acknowledged: Acknowledged) -> None:
        with lock:
            outcome.answers += 1
            _write(plan.log, number, acknowledged)
            on_answer()

    with ThreadPoolExecutor(plan.concurrency) as pool:
        walks = [
            pool.submit(_walk, plan, knowledge, number, note) for number in range(plan.participants)
        ]
        for walk in as_completed(walks):
            try:
                _add(outcome, walk.result())
            except WalkError as error:
                outcome.troubles.append(str(error))
    outcome.seconds = time.monotonic() - started
    return outcome


def _walk(
    plan: Plan, knowledge: Knowledge, number: int, note: Callable[[int, Acknowledged], None]
) -> Passage:
    identifiers = {
        "PROLIFIC_PID": f"simulated-{plan.seed}-{number:05d}",
        "STUDY_ID": "simulation",
        "SESSION_ID": f"simulation-{plan.seed}",
        "simulated": plan.token,
    }
    rng = Random(f"{plan.seed}/{number}")  # noqa: S311 - a simulation, not a secret
    # As browsers send it: over HTTPS a form without it is refused.
    origin = {"Origin": "{0.scheme}://{0.netloc}".format(urlsplit(plan.link))}
    with httpx.Client(timeout=TIMEOUT_SECONDS, headers=origin) as client:
        walker = Walker(
            client=client,
            start=f"{plan.link}?{urlencode(identifiers)}",
            listener=plan.model.listener(rng),
            knowledge=knowledge,
            ears=Ears(has_headphones=rng.random() < plan.headphones),
            real_time=plan.real_time,
            on_answer=lambda acknowledged: note(number, acknowledged),
        )
        return walker.walk()


def _add(outcome: Outcome, passage: Passage) -> None:
    if passage.code:
        outcome.codes.append(passage.code)
    else:
        outcome.endings[passage.ending] = outcome.endings.get(passage.ending, 0) + 1


def _write(log: Path | None, number: int, acknowledged: Acknowledged) -> None:
    if log is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"listener": number} | asdict(acknowledged)) + "\n")
