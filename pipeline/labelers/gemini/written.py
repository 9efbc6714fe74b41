"""Objects and lists in what a model wrote: JSON, JSON among other words, and what is nearly JSON.

A text is read as it stands first. Only where that holds no concepts is it read without trailing
commas, with curly quotation marks as straight ones, and last as Python writes plain values.
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
"""Characters: no answer is as long, and Python's own parser is not made for strangers' texts."""


def content_of(text: str) -> tuple[dict[str, Any] | None, str]:
    """The object with the concepts that a text is, or holds among other words, and what was done
    to it for that, in words; None where it holds none."""
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
    """The objects with concepts, then the lists that look like one of concepts."""
    for read, note in readings:
        found = [one for value in read for one in _answers_in(value)]
        if found:
            yield next((one for one in found if field(one, "concepts")), found[0]), note
    for read, note in readings:
        for value in read:
            if isinstance(value, list) and any(isinstance(one, dict) for one in value):
                yield {"concepts": value}, note


def field(entry: Mapping[Any, Any], key: str) -> Any:
    """The value of a key however it is spelt (`Overall Name`, `overallName`); None without it."""
    if key in entry:
        return entry[key]
    return next((value for name, value in entry.items() if _plain_key(name) == key), None)


def _plain_key(name: Any) -> str:
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]+", "_", str(name).strip())
    return parted.casefold()


def _answers_in(value: Any, depth: int = 3) -> Iterator[dict[str, Any]]:
    """The objects with concepts in a value: itself, or inside an object, a list, a quoted JSON."""
    if isinstance(value, dict) and any(_plain_key(name) == "concepts" for name in value):
        yield value
    elif depth and isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _answers_in(one, depth - 1)
    elif depth and isinstance(value, str) and '"concepts"' in value:
        for one in values(value):
            yield from _answers_in(one, depth - 1)


def values(text: str) -> Iterator[Any]:
    """The JSON objects and lists in a text, from its beginning, none inside another; of a text
    that is quoted JSON those inside its quotes."""
    decoder = json.JSONDecoder(strict=False)  # Line feeds inside a text are no reason to lose it.
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
    """What stands between the first bracket and the last, if it is plain values as Python has
    them; nothing in it is run."""
    found = re.search(r"[{\[].*[}\]]", text, re.DOTALL)
    if found and len(found[0]) <= LONGEST_PYTHON:
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            yield ast.literal_eval(found[0])


def without_trailing_commas(text: str) -> str:
    """The text without commas before a closing bracket, but for those inside quotes."""
    return re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", text)
