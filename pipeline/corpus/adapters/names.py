"""Finds the YouTube video or Jamendo track that a file name contains, in the forms that downloaders
write. A false match could put a whole corpus into one split; a missed one could put copies of a
recording into two.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import NamedTuple

NUMBER = r"(?:0|[1-9]\d{0,6})"
"""Seconds or milliseconds. A number padded with zeros is a counter, not a time."""
PADDED = r"\d{1,7}"
VIDEO = r"(?P<video>[A-Za-z0-9_-]{11})"
SUFFIXES = r"(?:\.[A-Za-z]\w{1,4})*"
"""Suffixes left by a conversion: `ID.m4a.wav`."""


def _forms(number: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of a name without its suffix, with or without the times of an excerpt."""

    def time(name: str) -> str:
        return rf"t?(?P<{name}>{number})(?:\.\d+)?s?"

    bare = rf"[-_ ]{time('start')}(?:[-_ ]{time('end')})?"
    bracketed = rf"[-_ ]?\[{time('from')}(?:[-_ ]{time('to')})?\]"
    ending = rf"(?:{bare}|{bracketed})?{SUFFIXES}"
    return tuple(
        re.compile(form)
        for form in (
            rf"{VIDEO}{ending}",
            rf"\[{VIDEO}\]{ending}",
            rf"Y{VIDEO}{ending}",  # as AudioSet's tools write it
            rf".*[ _-]?\[{VIDEO}\]{ending}",  # "Title [ID]", as yt-dlp writes it
        )
    )


FORMS = _forms(NUMBER)
PADDED_FORMS = _forms(PADDED)
LAST = frozenset("AEIMQUYcgkosw048")
"""An identifier is 64 bits in 11 characters of 6 bits, so the last two bits of the last are 0."""
WORD = r"(?:[A-Z]?[a-z]+|[A-Z]+|\d+)"
WORDS = re.compile(rf"[_-]*{WORD}(?:[_-]*{WORD})?[_-]*")
"""One or two words or numbers: 0.3 % of identifiers look like this, but most file names do."""

JAMENDO = (
    re.compile(r"(?:^|[/_ -])track_(?P<track>\d{7})(?!\d)"),
    re.compile(r"(?:^|[/_ -])jamendo(?:[/_-]track)?[/_-](?P<track>\d{1,9})(?!\d)", re.IGNORECASE),
    re.compile(r"(?:^|/)(?P<folder>\d\d)/(?P<track>\d{1,9})(?:\.low)?(?:[_-][\d_.-]+)?\.\w+$"),
)
"""`track_0000214`, `mtg_jamendo_214`, and `14/214.mp3`, whose folder is the end of the number."""


class Excerpt(NamedTuple):
    """An excerpt of a video, as given in a file name."""

    video: str
    start: int | None
    """Seconds or milliseconds; None if the name contains none."""
    end: int | None


def video_of(stem: str) -> str:
    """The YouTube video in a file name without its suffix; empty if there is none."""
    for form in FORMS:
        match = form.fullmatch(stem)
        if match and is_video(match["video"]):
            start, end = _times(match)
            if start is None or end is None or end > start:
                return match["video"]
    return ""


def is_video(name: str) -> bool:
    """Whether eleven characters can be a video's identifier and do not read like words.

    0.9 % of real identifiers are mistaken for words.
    """
    mixed = any(c.isupper() for c in name) and any(c.islower() for c in name)
    return mixed and name[-1] in LAST and WORDS.fullmatch(name) is None


def excerpt_in(stem: str, videos: Collection[str]) -> Excerpt | None:
    """The excerpt in a file name without its suffix, if it is of one of `videos`; else None."""
    for form in PADDED_FORMS:
        match = form.fullmatch(stem)
        if match and match["video"] in videos:
            return Excerpt(match["video"], *_times(match))
    return None


def recording_group(path: str) -> str:
    """The split group of a file, from its name and folder; empty if they contain none."""
    video = video_of(PurePosixPath(path).stem)
    return f"youtube {video}" if video else jamendo_group(path)


def jamendo_group(path: str) -> str:
    """The split group of a Jamendo track, from a file's name and folder; empty if they contain
    none."""
    for form in JAMENDO:
        match = form.search(path)
        if match and _is_its_folder(match):
            return f"jamendo {int(match['track'])}"
    return ""


def _is_its_folder(match: re.Match[str]) -> bool:
    folder = match.groupdict().get("folder")
    return folder is None or int(match["track"]) % 100 == int(folder)


def _times(match: re.Match[str]) -> tuple[int | None, int | None]:
    given = match.groupdict()
    start = given.get("start") or given.get("from")
    end = given.get("end") or given.get("to")
    return (int(start) if start else None, int(end) if end else None)
