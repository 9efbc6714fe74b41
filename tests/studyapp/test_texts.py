from __future__ import annotations

import time

import pytest
from django.conf import settings

from studyapp import texts


@pytest.mark.parametrize("name", texts.NAMES)
@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_the_default_texts_are_there(name: str, language: str) -> None:
    assert len(texts.default(name, language)) > 150


def test_an_unknown_text_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match="consent, instructions"):
        texts.default("privacy")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**a** and *b*", "<p><strong>a</strong> and <em>b</em></p>\n"),
        ("<b>a</b>", "<p>&lt;b&gt;a&lt;/b&gt;</p>\n"),
        ("![a](https://example.org/x.png)", '<p>!<a href="https://example.org/x.png">a</a></p>\n'),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"),
        ("# One\n\n## Two", "<h2>One</h2>\n<h3>Two</h3>\n"),
        ("### One\n\n###### Two", "<h2>One</h2>\n<h5>Two</h5>\n"),
    ],
)
def test_markdown_is_rendered_safely(markdown: str, html: str) -> None:
    assert texts.render(markdown) == html


def test_a_text_is_rendered_once_and_in_no_time() -> None:
    text = "[" * texts.MOST_BRACKETS + "a" * (texts.LONGEST - texts.MOST_BRACKETS)
    started = time.process_time()
    assert texts.render(text) is texts.render(text)
    assert time.process_time() - started < 1.0
