"""Every string of a participant's page is translatable, and translated into every language."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.template.base import Lexer, TokenType
from django.test import Client

from studyapp.texts import translations
from tests.studyapp.factories import make_study

SITE = translations.SITE
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
TEMPLATES = [path for path in translations.templates() if path.name != "base.html"]
TEMPLATES += [SITE / "templates" / "participant" / "base.html"]


def test_the_extractor_finds_what_is_there() -> None:
    found = translations.strings()
    assert len(found) > 150
    assert {"Saved", "I agree to take part", "about %(minutes)s minute left"} <= found


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_is_complete_and_compiled(language: str) -> None:
    """Of participants' pages. The compiled file is kept, so that the site needs no gettext."""
    assert translations.missing(language) == translations.Missing((), (), ())


def test_the_command_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    call_command("translations", stdout=StringIO())
    found = {**translations.source("ja"), "Saved": ("",)}
    monkeypatch.setattr(translations, "source", lambda language: found)
    said = StringIO()
    with pytest.raises(CommandError, match="not complete: ja"):
        call_command("translations", "ja", stdout=said)
    assert "untranslated: Saved" in said.getvalue()
    assert "run compilemessages" in said.getvalue()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_placeholders_of_its_string(language: str) -> None:
    names = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")
    for text, forms in translations.source(language).items():
        for translated in forms:
            assert sorted(names.findall(text)) == sorted(names.findall(translated)), text


@pytest.mark.parametrize("path", ["/login/", "/s/nowhere/"])
def test_only_participants_pages_are_in_every_language(client: Client, db: None, path: str) -> None:
    arabic = client.get(path, headers={"accept-language": "ar"}).text
    german = client.get(path, headers={"accept-language": "de"}).text
    assert ('dir="rtl"' in arabic) == path.startswith("/s/")
    assert 'lang="de"' in german


def test_a_browsers_second_language_counts_if_the_study_has_it(client: Client, db: None) -> None:
    study = make_study(languages=["en", "de"])
    link = f"/s/{study.slug}/"
    client.get(link, headers={"accept-language": "ar,de-AT;q=0.8,en;q=0.5"})
    assert study.participations.get().language == "de"


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
