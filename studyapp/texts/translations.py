"""What participants' pages say, and which of it each language still lacks.

A language is one file, `locale/CODE/LC_MESSAGES/django.po` (compiled beside it), and a folder of
default texts, `texts/CODE/`. Researchers' pages are in English and mark nothing for translation.
What is marked for translation in code counts, and in templates what participants and error pages
use; Django and allauth bring translations of their own.
"""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation.template import templatize

from studyapp import texts

SITE = Path(__file__).resolve().parents[1]
MARKERS = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext"})
ERROR_PAGES = ("404.html", "403_csrf.html", "500.html")
ENTRY = re.compile(
    r'^msgid (".*")\n(?:msgid_plural ".*"\n)?((?:msgstr(?:\[\d\])? ".*"\n?)+)', re.MULTILINE
)


@dataclass(frozen=True)
class Missing:
    """What a language lacks; nothing, if all is empty."""

    strings: tuple[str, ...]
    """Strings of participants' pages without a translation."""
    stale: tuple[str, ...]
    """Strings whose compiled translation is not that of the source: `compilemessages` is due."""
    texts: tuple[str, ...]
    """Default texts that are not there."""

    def __bool__(self) -> bool:
        return bool(self.strings or self.stale or self.texts)


def templates() -> list[Path]:
    """Templates that participants see."""
    pages = sorted((SITE / "templates").rglob("*.html"))
    return [path for path in pages if _is_participants(path)]


def _is_participants(path: Path) -> bool:
    is_page = path.parent.name == "participant" or path.name in ERROR_PAGES
    return is_page or path == SITE / "templates" / "base.html"


def strings() -> set[str]:
    """Every string of participants' pages; of a plural, its singular."""
    code = [path for path in SITE.rglob("*.py") if "migrations" not in path.parts]
    found = {text for path in code for text in _of_code(path.read_text(encoding="utf-8"))}
    return found | {text for path in templates() for text in _of_template(path)}


def _of_code(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in MARKERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def _of_template(path: Path) -> Iterator[str]:
    """From the Python that Django's own extractor makes of a template."""
    code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for match in re.finditer(r"n?gettext\((u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")", code):
        yield str(ast.literal_eval(match.group(1)))


def source(language: str) -> dict[str, tuple[str, ...]]:
    """The messages of the `.po` file: message → translations, one or one per plural form."""
    path = _folder(language) / "django.po"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    entries = {
        ast.literal_eval(message): tuple(
            ast.literal_eval(said) for said in re.findall(r'msgstr(?:\[\d\])? (".*")', given)
        )
        for message, given in ENTRY.findall(text)
    }
    return {message: said for message, said in entries.items() if message}


def compiled(language: str) -> dict[str, tuple[str, ...]]:
    """The same of the compiled file, which the site reads."""
    path = _folder(language) / "django.mo"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        found = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    forms: dict[str, dict[int, str]] = {}
    for key, said in found.items():
        message, form = key if isinstance(key, tuple) else (key, 0)
        forms.setdefault(message, {})[form] = said
    return {
        message: tuple(said[form] for form in sorted(said))
        for message, said in forms.items()
        if message
    }


def missing(language: str) -> Missing:
    """What participants' pages lack in that language."""
    translated, made = source(language), compiled(language)
    lacking = (text for text in strings() if not all(translated.get(text, ("",))))
    stale = {*translated, *made}
    return Missing(
        strings=tuple(sorted(lacking)),
        stale=tuple(sorted(m for m in stale if translated.get(m) != made.get(m))),
        texts=tuple(sorted(_texts("en") - _texts(language))),
    )


def _texts(language: str) -> set[str]:
    """Names of the default texts that are there, those of single kinds of trial included."""
    return {path.stem for path in (texts.FOLDER / language).glob("*.md")}


def _folder(language: str) -> Path:
    return SITE / "locale" / language / "LC_MESSAGES"
