"""A study's default texts, and how a study's Markdown becomes safe HTML."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

FOLDER = Path(__file__).resolve().parent
NAMES = ("consent", "instructions")


@cache
def default(name: str) -> str:
    """The default text of that name (one of `NAMES`), Markdown."""
    if name not in NAMES:
        raise KeyError(f"no text {name!r}: known are {', '.join(NAMES)}")
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8").strip()


def render(text: str) -> SafeString:
    """Markdown to HTML: raw HTML stays text, images are left out, links are checked.

    Headings begin at the second level, whatever the text begins with: the page has the first.
    """
    # js-default is the parser's profile for text from strangers: no raw HTML, no javascript: links.
    parser = MarkdownIt("js-default").disable("image")
    tokens = parser.parse(text)
    headings = [token for token in tokens if token.type.startswith("heading_")]
    shift = 2 - min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(6, int(token.tag[1]) + shift)}"
    html: str = parser.renderer.render(tokens, parser.options, {})
    return mark_safe(html)  # noqa: S308 - the parser escapes what is not Markdown
