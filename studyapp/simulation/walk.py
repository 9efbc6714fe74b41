"""One simulated listener walks through a study: real pages, real sounds, real HTTP.

An answer is sent again until the site has acknowledged it; the key in the page makes repetition
harmless. Coming back with the same identifiers resumes the same participation.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urljoin

import httpx

from studyapp.simulation.check_listener import TONES_COUNTED, CheckListener, CheckSound
from studyapp.simulation.knowledge import Knowledge
from studyapp.simulation.listener import Answer, Listener
from studyapp.simulation.page_parser import Page, parse

PATIENCE_SECONDS = 90.0
"""How long to keep retrying a site that does not answer."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
REPLAY_PROBABILITY = 0.15
"""Probability that a sound is played a second time."""
OWN_NAME_PROBABILITY = 0.1
"""Probability that the listener writes a name of their own: a tag of the first sound."""
EVENTS_EVERY_MS = 20_000
"""How often a page sends its events by themselves; the rest go with the answer."""
MAX_PAGES = 2000


class WalkError(Exception):
    """The walk cannot continue; the message is the one line that the user reads."""


@dataclass(frozen=True)
class Acknowledged:
    """An answer that the site has taken."""

    trial: str
    answer: Answer
    status: int


@dataclass
class WalkResult:
    """How one walk ended."""

    code: str = ""
    ending: str = ""
    """Heading of the last page, if there is no code."""
    answers: list[Acknowledged] = field(default_factory=list)


@dataclass
class Walker:
    """A listener with a browser."""

    client: httpx.Client
    start: str
    """The link, with the listener's identifiers."""
    listener: Listener
    knowledge: Knowledge
    check_listener: CheckListener = field(
        default_factory=lambda: CheckListener(has_headphones=True)
    )
    real_time: bool = False
    on_answer: Callable[[Acknowledged], None] = lambda _: None

    def walk(self) -> WalkResult:
        """Go from the link to the last page."""
        result, page = WalkResult(), self._open(self.start)
        for _ in range(MAX_PAGES):
            if page.code:
                result.code = page.code
                return result
            if not page.has_form:
                result.ending = page.heading
                return result
            page = self._trial(page, result) if page.events else self._step(page)
        raise WalkError(f"no end after {MAX_PAGES} pages of {self.start}")

    def _step(self, page: Page) -> Page:
        """Submit a page other than a trial: answer what it asks, or press its first button."""
        answer = ANSWERS.get(page.kind, Walker._press_button)(self, page)
        taken = self._ask("POST", urljoin(self._here, page.action), data=page.fields | answer)
        if taken.status_code >= 400:
            raise WalkError(f"the site refused {page.kind} with status {taken.status_code}")
        return self._open(self._place)

    def _press_button(self, page: Page) -> dict[str, str]:
        """Agree to the consent, or continue from the instructions or from practice feedback."""
        return page.buttons

    def _device(self, page: Page) -> dict[str, str]:
        """Report a browser that can do everything, if the sound is really there."""
        sound = self._ask("GET", urljoin(self._here, page.source))
        works = sound.status_code == 200 and sound.content[:4] == b"fLaC"
        return {"sound": "on" if works else "", "storage": "on", "width": "1280"}

    def _volume(self, page: Page) -> dict[str, str]:
        """Count the tones in the second sound."""
        return {
            "count": str(
                self.check_listener.count_tones(self._check_sound(page.sounds[1]), self.rng)
            )
        }

    def _hearing(self, page: Page) -> dict[str, str]:
        """Say which tone is the highest, and count the beats as well as soft tones are counted."""
        highest, beats = (self._check_sound(source).answer for source in page.sounds)
        if self.rng.random() >= TONES_COUNTED:
            beats = 4 if beats == 3 else 3
        return {"highest": str(highest), "beats": str(beats)}

    def _headphones(self, page: Page) -> dict[str, str]:
        """Choose one of three intervals."""
        return {
            "choice": str(
                self.check_listener.find_interval(self._check_sound(page.sounds[0]), self.rng)
            )
        }

    def _questionnaire(self, page: Page) -> dict[str, str]:
        """Give a random answer to every question."""
        return {name: self.rng.choice(values) for name, values in page.answers.items()}

    def _check_sound(self, source: str) -> CheckSound:
        """The sound at that URL, recognised by its bytes."""
        content = self._ask("GET", urljoin(self._here, source)).content
        known = self.knowledge.checks.get(hashlib.sha256(content).hexdigest())
        if known is None:
            raise WalkError("the bytes of a sound of a check are unknown")
        return known

    @property
    def rng(self) -> Random:
        """The listener's random generator."""
        return self.listener.rng

    def _trial(self, page: Page, result: WalkResult) -> Page:
        """Listen to all sounds, answer, and open the next page."""
        heard = [self._listen(source) for source in page.sounds]
        events = self._play(page)
        answer = ANSWERERS[self.knowledge.trial_type](self, page, heard)
        tags = self.knowledge.tags[heard[0]]
        data = page.fields | {
            "choice": str(answer.choice),
            "confidence": str(answer.confidence),
            "free_text": self._own_name(tags),
            "events": json.dumps(events),
        }
        taken = self._ask("POST", urljoin(self._here, page.action), data=data)
        if taken.status_code >= 400:
            raise WalkError(f"the site refused an answer with status {taken.status_code}")
        acknowledged = Acknowledged(page.fields["trial"], answer, taken.status_code)
        result.answers.append(acknowledged)
        self.on_answer(acknowledged)
        return self._open(self._place)

    def _named(self, page: Page, heard: list[str]) -> Answer:
        """Choose the name that fits what the sounds share."""
        tags = [self.knowledge.tags[one] for one in heard]
        names = [page.options[position] for position in sorted(page.options)]
        return self.listener.answer(self.knowledge.vocabulary.fits(tags, names))

    def _compared(self, page: Page, heard: list[str]) -> Answer:
        """Choose the sound that has more of what the page asks about."""
        known = self.knowledge.amounts
        return self.listener.compare([known.get((page.prompt, one), 0.0) for one in heard])

    def _odd_one(self, page: Page, heard: list[str]) -> Answer:
        """Choose the sound that shares the fewest tags with the others."""
        tags = [{*self.knowledge.tags[one]} for one in heard]
        shared = [sum(len(one & other) for other in tags) - len(one) for one in tags]
        return self.listener.compare([-float(one) for one in shared])

    def _listen(self, source: str) -> str:
        """The SHA-256 of the sound at that URL, by which the listener knows it."""
        response = self._ask("GET", urljoin(self._here, source))
        digest = hashlib.sha256(response.content).hexdigest()
        if response.status_code != 200 or digest not in self.knowledge.tags:
            raise WalkError(f"a sound came with status {response.status_code} and unknown bytes")
        return digest

    def _play(self, page: Page) -> list[dict[str, Any]]:
        """Make the events of a browser's player, and post those that it sends before the answer.

        Returns the others, which go with it.
        """
        clock = 400.0
        events = [self._event(page, None, "first_interaction", clock)]
        for clip, seconds in enumerate(page.seconds, start=1):
            is_replayed = self.listener.rng.random() < REPLAY_PROBABILITY
            for _ in range(1 + (is_replayed and page.most_plays != 1)):
                length = seconds * 1000
                events.append(self._event(page, clip, "play", clock))
                events.append(self._event(page, clip, "heard", clock + length, length))
                events.append(self._event(page, clip, "ended", clock + length))
                clock += length + 300
        if self.real_time:
            time.sleep(clock / 1000)
        sent_ms = EVENTS_EVERY_MS * (clock // EVENTS_EVERY_MS)
        early = [event for event in events if event["at_ms"] < sent_ms]
        if early:
            self._post_events(page, early)
        return events[len(early) :]

    def _post_events(self, page: Page, events: list[dict[str, Any]]) -> None:
        headers = {"X-CSRFToken": page.fields.get("csrfmiddlewaretoken", "")}
        response = self._ask("POST", urljoin(self._here, page.events), json=events, headers=headers)
        if response.status_code != 200:
            raise WalkError(f"the site refused events with status {response.status_code}")

    def _event(
        self, page: Page, clip: int | None, kind: str, at: float, value: float | None = None
    ) -> dict[str, Any]:
        event: dict[str, Any] = {
            "trial": page.fields["trial"],
            "clip": clip,
            "type": kind,
            "at_ms": round(at),
            "sequence": f"sim-{self.listener.rng.getrandbits(96):024x}",
        }
        return event if value is None else event | {"value": round(value)}

    def _own_name(self, tags: list[str]) -> str:
        if tags and self.listener.rng.random() < OWN_NAME_PROBABILITY:
            return self.listener.rng.choice(tags)
        return ""

    def _open(self, url: str) -> Page:
        """The page that a URL leads to."""
        response = self._ask("GET", url)
        for _ in range(10):
            if not response.is_redirect:
                break
            url = urljoin(url, response.headers["Location"])
            response = self._ask("GET", url)
        if response.status_code == 403:
            # The site does not know this browser; the link itself finds the participation again.
            return self._open(self.start)
        if response.status_code >= 400:
            raise WalkError(f"{url.partition('?')[0]} answers with status {response.status_code}")
        self._here = url
        return parse(response.text)

    @property
    def _place(self) -> str:
        """The link without the identifiers: from now on the cookie finds the participation."""
        return self.start.partition("?")[0]

    def _ask(self, method: str, url: str, **given: object) -> httpx.Response:
        """One request, repeated while the site is down or failing."""
        pause, deadline = FIRST_PAUSE, time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                response = self.client.request(method, url, **given)  # type: ignore[arg-type]
                if response.status_code < 500:
                    return response
                trouble = f"status {response.status_code}"
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                where = url.partition("?")[0]
                raise WalkError(f"{where} has not answered for {PATIENCE_SECONDS:.0f} s: {trouble}")
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)


ANSWERERS: dict[str, Callable[[Walker, Page, list[str]], Answer]] = {
    "label": Walker._named,
    "identification": Walker._named,
    "pair": Walker._compared,
    "intruder": Walker._odd_one,
}
"""Trial type → how what was heard is answered."""
ANSWERS: dict[str, Callable[[Walker, Page], dict[str, str]]] = {
    "device": Walker._device,
    "volume": Walker._volume,
    "headphones": Walker._headphones,
    "hearing": Walker._hearing,
    "questionnaire": Walker._questionnaire,
}
"""Kind of page → how it is answered; on any other page the first button is pressed."""
