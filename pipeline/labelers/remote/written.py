"""Finds objects and lists in a model's text: JSON, JSON among other words, and almost-JSON.

A text is first read as it is. Only if that gives no concepts is it read again without trailing
commas, with straight instead of curly quotation marks, and finally as Python literals.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

CURLY = str.maketrans("“”„‟«»", '""""""')
LONGEST_PYTHON = 100_000
"""Maximum length in characters for Python's parser, which is not meant for untrusted texts; no
answer is that long."""


def content_of(text: str) -> tuple[dict[str, Any] | None, str]:
    """The object with the concepts in a text, and how the text was repaired, in words; None if it
    contains no such object."""
    straight = text.translate(CURLY) if '"concepts"' not in text else text
    curly = "" if straight == text else "curly quotation marks are read as straight ones"
    readings = [(list(values(text)), ""), (list(values(without_trailing_commas(text))), "")]
    if curly:
        readings += [
            (list(values(straight)), curly),
            (list(values(without_trailing_commas(straight))), curly),
        ]
    found = next(_found(readings), None)
    if found is None:
        found = next(_found([(list(_python(text)), "read as Python writes it")]), None)
    return found or (None, "")


def _found(readings: list[tuple[list[Any], str]]) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects with concepts, then the lists that look like lists of concepts."""
    for read, note in readings:
        found = [one for value in read for one in _answers_in(value)]
        if found:
            yield next((one for one in found if field(one, "concepts")), found[0]), note
    for read, note in readings:
        for value in read:
            if isinstance(value, list) and any(isinstance(one, dict) for one in value):
                yield {"concepts": value}, note


def field(entry: Mapping[Any, Any], key: str) -> Any:
    """The value of a key in any spelling (`Overall Name`, `overallName`); None if it is missing."""
    if key in entry:
        return entry[key]
    return next((value for name, value in entry.items() if _plain_key(name) == key), None)


def _plain_key(name: Any) -> str:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", str(name).strip())
    return parted.casefold()


def _answers_in(value: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """The objects with concepts in a value: itself, or inside an object, list or JSON string."""
    if isinstance(value, dict) and any(_plain_key(name) == "concepts" for name in value):
        yield value
    elif depth and isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _answers_in(one, depth - 1)
    elif depth and isinstance(value, str) and '"concepts"' in value:
        for one in values(value):
            yield from _answers_in(one, depth - 1)


def values(text: str) -> Iterator[Any]:
    """The top-level JSON objects and lists in a text, in order; if the text is a JSON string, those
    in that string."""
    decoder = json.JSONDecoder(strict=False)  # accepts line feeds inside strings
    start = 0
    if text.lstrip().startswith('"'):
        with suppress(ValueError):
            text = str(decoder.decode(text.strip()))
    while found := re.compile(r"[{\[]").search(text, start):
        try:
            value, start = decoder.raw_decode(text, found.start())
        except (ValueError, RecursionError):
            start = found.start() + 1
        else:
            yield value


def _python(text: str) -> Iterator[Any]:
    """The Python literal between the first bracket and the last, if there is one; no code in it is
    executed."""
    found = re.search(r"[{\[].*[}\]]", text, re.DOTALL)
    if found and len(found[0]) <= LONGEST_PYTHON:
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            yield ast.literal_eval(found[0])


def without_trailing_commas(text: str) -> str:
    """The text without commas before closing brackets, except inside quotes."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", text)
