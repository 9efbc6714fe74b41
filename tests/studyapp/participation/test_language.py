"""Every string of a participant's page is translatable, and translated."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.template.base import Lexer, TokenType
from django.utils.translation.template import templatize

SITE = Path(settings.BASE_DIR) / "studyapp"
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
MARKERS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2}
TEMPLATES = sorted(
    path
    for path in (SITE / "templates").rglob("*.html")
    if path.parent.name == "participant" or path.name in ("404.html", "403_csrf.html", "500.html")
)


def strings_of(source: str) -> Iterator[str]:
    """Every literal that is marked for translation in Python source; of a plural, the singular."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if name in MARKERS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def strings_of_template(path: Path) -> Iterator[str]:
    """The same for a template, from the Python that Django's own extractor makes of it."""
    code = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    for match in re.finditer(r"n?gettext\((u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")", code):
        yield str(ast.literal_eval(match.group(1)))


def all_strings() -> set[str]:
    python = [path for path in SITE.rglob("*.py") if "migrations" not in path.parts]
    found = {text for path in python for text in strings_of(path.read_text(encoding="utf-8"))}
    return found | {text for path in TEMPLATES for text in strings_of_template(path)}


def catalogue(language: str) -> dict[str, str]:
    """The messages of the compiled file."""
    path = SITE / "locale" / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    plural = {
        key[0]: text for key, text in compiled.items() if isinstance(key, tuple) and not key[1]
    }
    return {key: text for key, text in compiled.items() if isinstance(key, str)} | plural


def source(language: str) -> dict[str, str]:
    """The messages of the `.po` file: message → translation; of a plural, the first form."""
    text = (SITE / "locale" / language / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    pattern = r'^msgid (".*")\n(?:msgid_plural ".*"\n)?msgstr(?:\[0\])? (".*")'
    pairs = re.findall(pattern, text, re.MULTILINE)
    return {ast.literal_eval(message): ast.literal_eval(said) for message, said in pairs}


def test_the_extractor_finds_what_is_there() -> None:
    found = all_strings()
    assert len(found) > 150
    assert {"Saved", "I agree to take part", "about %(minutes)s minute left"} <= found


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_string_is_untranslated(language: str) -> None:
    known = catalogue(language)
    assert sorted(text for text in all_strings() if not known.get(text)) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_matches_its_source(language: str) -> None:
    """`manage.py compilemessages` creates it, so that running the site needs no gettext."""
    compiled = {key: text for key, text in catalogue(language).items() if key}
    assert compiled == {key: text for key, text in source(language).items() if key}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_of_its_string(language: str) -> None:
    names = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")
    for text, translated in source(language).items():
        if text:
            assert sorted(names.findall(text)) == sorted(names.findall(translated)), text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_words_stand_in_a_template_beside_the_translated(path: Path) -> None:
    """Outside tags and variables, a template's text contains no letters."""
    text, skipping = "", False
    attributes_only = ("block body_class", "block body_attributes", "block page_class")
    for token in Lexer(path.read_text(encoding="utf-8")).tokenize():
        if token.token_type == TokenType.BLOCK and token.contents.startswith(
            ("blocktranslate", *attributes_only)
        ):
            skipping = True
        elif token.token_type == TokenType.BLOCK and token.contents in (
            "endblocktranslate", "endblock",
        ):  # fmt: skip
            skipping = False
        elif token.token_type == TokenType.TEXT and not skipping:
            text += token.contents
        else:
            text += "0"
    attributes = re.findall(r'(?:alt|title|aria-label|placeholder)="([^"]*)"', text)
    words = re.sub(r"<[^>]*>", " ", text) + " ".join(attributes)
    assert re.findall(r"[A-Za-zäöüß]{2,}", words) == []
