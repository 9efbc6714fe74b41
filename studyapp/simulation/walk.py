"""One simulated listener's way through a study: real pages, real sounds, real HTTP.

Whatever the connection does, an answer is sent until the site has acknowledged it; the page's own
key makes the repetition harmless. The same identifiers find the same place again.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urljoin

import httpx

from studyapp.simulation.ears import CheckSound, Ears
from studyapp.simulation.knowledge import Knowledge
from studyapp.simulation.listener import Answer, Listener
from studyapp.simulation.pages import Page, parse

PATIENCE_SECONDS = 90.0
"""How long a site that does not answer is asked again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
REPLAY_PROBABILITY = 0.15
"""That a sound is played a second time."""
OWN_NAME_PROBABILITY = 0.1
"""That the listener writes a name of their own: a tag of the first sound."""
MAX_PAGES = 2000


class WalkError(Exception):
    """The passage cannot go on; the message is the one line that the user reads."""


@dataclass(frozen=True)
class Acknowledged:
    """An answer that the site has taken."""

    trial: str
    answer: Answer
    status: int


@dataclass
class Passage:
    """What came of one walk."""

    code: str = ""
    ending: str = ""
    """Heading of the page that ended it, where there is no code."""
    answers: list[Acknowledged] = field(default_factory=list)


@dataclass
class Walker:
    """A listener with a browser."""

    client: httpx.Client
    start: str
    """The link, with the listener's identifiers."""
    listener: Listener
    knowledge: Knowledge
    ears: Ears = field(default_factory=lambda: Ears(has_headphones=True))
    real_time: bool = False
    on_answer: Callable[[Acknowledged], None] = lambda _: None

    def walk(self) -> Passage:
        """Go from the link to the end."""
        passage, page = Passage(), self._open(self.start)
        for _ in range(MAX_PAGES):
            if page.code:
                passage.code = page.code
                return passage
            if not page.has_form:
                passage.ending = page.heading
                return passage
            page = self._trial(page, passage) if page.events else self._step(page)
        raise WalkError(f"no end after {MAX_PAGES} pages of {self.start}")

    def _step(self, page: Page) -> Page:
        """Answer a page that is no trial: what it asks, or its first button."""
        answer = STEPS.get(page.kind, Walker._go_on)(self, page)
        taken = self._ask("POST", urljoin(self._here, page.action), data=page.fields | answer)
        if taken.status_code >= 400:
            raise WalkError(f"the site refused {page.kind} with status {taken.status_code}")
        return self._open(self._place)

    def _go_on(self, page: Page) -> dict[str, str]:
        """Agree to the consent, leave the instructions and what is said of a practice answer."""
        return page.buttons

    def _device(self, page: Page) -> dict[str, str]:
        """A browser that can do everything."""
        sound = self._ask("GET", urljoin(self._here, page.source))
        works = sound.status_code == 200 and sound.content[:4] == b"fLaC"
        return {"sound": "on" if works else "", "storage": "on", "width": "1280"}

    def _volume(self, page: Page) -> dict[str, str]:
        """Count the tones of the second sound."""
        return {"count": str(self.ears.count(self._check_sound(page.sounds[1]), self.rng))}

    def _headphones(self, page: Page) -> dict[str, str]:
        """Find one of three."""
        return {"choice": str(self.ears.find(self._check_sound(page.sounds[0]), self.rng))}

    def _questionnaire(self, page: Page) -> dict[str, str]:
        """Any answer to every question."""
        return {name: self.rng.choice(values) for name, values in page.answers.items()}

    def _check_sound(self, source: str) -> CheckSound:
        """What the sound at that address is, known by its bytes."""
        content = self._ask("GET", urljoin(self._here, source)).content
        known = self.knowledge.checks.get(hashlib.sha256(content).hexdigest())
        if known is None:
            raise WalkError("a sound of a check has unknown bytes")
        return known

    @property
    def rng(self) -> Random:
        """The listener's."""
        return self.listener.rng

    def _trial(self, page: Page, passage: Passage) -> Page:
        """Hear all three sounds, answer, and open what comes next."""
        tags = [self._hear(source) for source in page.sounds]
        self._tell(page)
        names = [page.options[position] for position in sorted(page.options)]
        answer = self.listener.answer(self.knowledge.vocabulary.fits(tags, names))
        data = page.fields | {
            "choice": str(answer.choice),
            "confidence": str(answer.confidence),
            "free_text": self._own_name(tags),
        }
        taken = self._ask("POST", urljoin(self._here, page.action), data=data)
        if taken.status_code >= 400:
            raise WalkError(f"the site refused an answer with status {taken.status_code}")
        acknowledged = Acknowledged(page.fields["trial"], answer, taken.status_code)
        passage.answers.append(acknowledged)
        self.on_answer(acknowledged)
        return self._open(self._place)

    def _hear(self, source: str) -> list[str]:
        """The truth of the sound at that address, known by its bytes."""
        response = self._ask("GET", urljoin(self._here, source))
        digest = hashlib.sha256(response.content).hexdigest()
        if response.status_code != 200 or digest not in self.knowledge.tags:
            raise WalkError(f"a sound came with status {response.status_code} and unknown bytes")
        return self.knowledge.tags[digest]

    def _tell(self, page: Page) -> None:
        """Post the events that a browser's player would."""
        events, clock = [], 400.0
        for clip, seconds in enumerate(page.seconds, start=1):
            for _ in range(1 + (self.listener.rng.random() < REPLAY_PROBABILITY)):
                length = seconds * 1000
                events.append(self._event(page, clip, "play", clock))
                events.append(self._event(page, clip, "heard", clock + length, length))
                events.append(self._event(page, clip, "ended", clock + length))
                clock += length + 300
        if self.real_time:
            time.sleep(clock / 1000)
        headers = {"X-CSRFToken": page.fields.get("csrfmiddlewaretoken", "")}
        told = self._ask("POST", urljoin(self._here, page.events), json=events, headers=headers)
        if told.status_code != 200:
            raise WalkError(f"the site refused events with status {told.status_code}")

    def _event(
        self, page: Page, clip: int, kind: str, at: float, value: float | None = None
    ) -> dict[str, object]:
        event: dict[str, object] = {
            "trial": page.fields["trial"],
            "clip": clip,
            "type": kind,
            "at_ms": round(at),
            "sequence": f"sim-{self.listener.rng.getrandbits(96):024x}",
        }
        return event if value is None else event | {"value": round(value)}

    def _own_name(self, tags: list[list[str]]) -> str:
        if tags[0] and self.listener.rng.random() < OWN_NAME_PROBABILITY:
            return self.listener.rng.choice(tags[0])
        return ""

    def _open(self, url: str) -> Page:
        """The page that an address leads to."""
        response = self._ask("GET", url)
        for _ in range(10):
            if not response.is_redirect:
                break
            url = urljoin(url, response.headers["Location"])
            response = self._ask("GET", url)
        if response.status_code == 403:
            # The browser's place is unknown there: the link itself finds it again.
            return self._open(self.start)
        if response.status_code >= 400:
            raise WalkError(f"{url.partition('?')[0]} answers with status {response.status_code}")
        self._here = url
        return parse(response.text)

    @property
    def _place(self) -> str:
        """The link without the identifiers: the browser's cookie knows the place."""
        return self.start.partition("?")[0]

    def _ask(self, method: str, url: str, **given: object) -> httpx.Response:
        """One request, sent again while the site is away or broken."""
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
                raise WalkError(f"{where} gave nothing for {PATIENCE_SECONDS:.0f} s: {trouble}")
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)


STEPS: dict[str, Callable[[Walker, Page], dict[str, str]]] = {
    "device": Walker._device,
    "volume": Walker._volume,
    "headphones": Walker._headphones,
    "questionnaire": Walker._questionnaire,
}
"""Kind of a page → what a listener answers; to the others, what their first button says."""
