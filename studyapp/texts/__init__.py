"""A study's default texts, and how a study's Markdown becomes safe HTML."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from studyapp.models import Study

FOLDER = Path(__file__).resolve().parent
NAMES = ("consent", "instructions", "debrief")
LONGEST = 20_000
"""Maximum length of a study's text, characters."""
MOST_BRACKETS = 500
"""Maximum number of opening brackets: for each, the parser may scan all the text after it."""
LANGUAGES = tuple(sorted(path.parent.name for path in FOLDER.glob("*/consent.md")))
"""Languages that have default texts: the folders next to this file."""


@cache
def default(name: str, language: str = "en", trial_type: str = "") -> str:
    """The default text of that name (one of `NAMES`) and language (of `LANGUAGES`), Markdown.

    Trials of a type that has its own file, such as `instructions-pair.md`, get that one.
    """
    if name not in NAMES or language not in LANGUAGES:
        known = f"{', '.join(NAMES)} in {', '.join(LANGUAGES)}"
        raise KeyError(f"no text {name!r} in {language!r}; known: {known}")
    text = _file(name, language, trial_type)
    return text.replace("{task}", _file("task", language, trial_type)) if "{task}" in text else text


def stock(name: str) -> set[str]:
    """The default texts of that name in every language and for every type of trial."""
    types = {path.stem.partition("-")[2] for path in FOLDER.glob("*/*.md")}
    return {default(name, language, one) for language in LANGUAGES for one in types}


def _file(name: str, language: str, trial_type: str) -> str:
    own = FOLDER / language / f"{name}-{trial_type}.md"
    path = own if own.is_file() else FOLDER / language / f"{name}.md"
    return path.read_text(encoding="utf-8").strip()


def of_study(study: Study, field: str, language: str) -> str:
    """The study's own `title`, a text of `NAMES` (`consent_text`), or a fact (`institution`).

    In that language, or in the study's first language if it has none in that one.
    """
    own: str = getattr(study, field)
    return str(study.texts.get(language, {}).get(field) or own)


def version_of(text: str) -> str:
    """Identifies a version of a text: its SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)
def render(text: str) -> SafeString:
    """Markdown to HTML, cached per process: raw HTML stays text, no images, links are checked.

    Headings begin at the second level, whatever the text begins with, as the page has the first.
    """
    # js-default is the parser's profile for untrusted text: no raw HTML, no javascript: links.
    parser = MarkdownIt("js-default").disable("image")
    tokens = parser.parse(text)
    headings = [token for token in tokens if token.type.startswith("heading_")]
    shift = 2 - min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(6, int(token.tag[1]) + shift)}"
    html: str = parser.renderer.render(tokens, parser.options, {})
    return mark_safe(html)  # noqa: S308 - the parser escapes what is not Markdown
