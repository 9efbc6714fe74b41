"""Parses a participant's page: its kind, its form, its options and its sounds."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Page:
    """What a page contains."""

    kind: str = ""
    """The page's step (a value of `Step`), or the kind of ending."""
    heading: str = ""
    action: str = ""
    """Where the form is sent; empty for the page's own URL."""
    has_form: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    """Hidden inputs."""
    prompt: str = ""
    """The label that the trial asks about, if it does."""
    options: dict[int, str] = field(default_factory=dict)
    """Position → text, for the radio buttons `choice`."""
    sounds: list[str] = field(default_factory=list)
    """URLs of the audio elements, in order."""
    seconds: list[float] = field(default_factory=list)
    """Length of each sound."""
    most_plays: int = 0
    """How often each sound may be played; 0: as often as one likes."""
    events: str = ""
    """Where events are sent."""
    answers: dict[str, list[str]] = field(default_factory=dict)
    """Name → values, for the other radio buttons."""
    buttons: dict[str, str] = field(default_factory=dict)
    """Name → value, for buttons that have both; the first of several with the same name."""
    source: str = ""
    """URL of the sound that the device check loads."""
    code: str = ""


def parse(html: str) -> Page:
    """Parse a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.page


class _Reader(HTMLParser):
    """Fills a `Page`; `_text` names the field that the current text belongs to."""

    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self._text = ""
        self._position = 0
        self._in_main = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        if tag == "body":
            self.page.kind = given.get("data-page", "")
        elif tag == "main":
            self._in_main = True
        elif not self._in_main:
            return  # the form in the footer that chooses the language
        elif tag == "h1":
            self._text = "heading"
        elif tag == "form" and given.get("method", "").lower() == "post":
            self.page.has_form, self.page.action = True, given.get("action", "")
            self.page.events = given.get("data-events", "")
            self.page.source = given.get("data-source", "")
        elif tag == "button" and given.get("name"):
            self.page.buttons.setdefault(given["name"], given.get("value", ""))
        elif tag == "audio":
            self.page.sounds.append(given.get("src", ""))
        elif tag == "ol" and "players" in classes:
            self.page.most_plays = int(given.get("data-most-plays", "0"))
        elif tag == "li" and "player" in classes:
            self.page.seconds.append(float(given.get("data-seconds", "0")))
        elif tag == "q":
            self._text = "prompt"
        elif tag == "input":
            self._input(given)
        elif tag == "span" and "text" in classes and self._position:
            self._text = "option"
        elif tag == "span" and "code" in classes and "data-ending" not in given:
            self._text = "code"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "span", "q"):
            self._text = ""
        if tag == "label":
            self._position = 0
        if tag == "main":
            self._in_main = False

    def handle_data(self, data: str) -> None:
        if self._text == "heading":
            self.page.heading += data.strip()
        elif self._text == "prompt":
            self.page.prompt += data
        elif self._text == "code":
            self.page.code += data.strip()
        elif self._text == "option":
            self.page.options[self._position] = self.page.options.get(self._position, "") + data

    def _input(self, given: dict[str, str]) -> None:
        kind, name = given.get("type", "text"), given.get("name", "")
        if kind == "hidden":
            self.page.fields[name] = given.get("value", "")
        elif kind == "radio" and name == "choice":
            self._position = int(given["value"])
        elif kind == "radio":
            self.page.answers.setdefault(name, []).append(given.get("value", ""))
