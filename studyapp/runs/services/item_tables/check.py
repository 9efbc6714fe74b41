"""Reads a table of items, and says everything that is wrong with it before anything is made.

A row is one text of one method for one item: `item, method, rank, text`, rank 1 being the method's
best, and the item's clips as `clip_1, clip_2, clip_3`, or as `clips`, a list with `|` between from
which three are drawn. Clips may be left out in all but one row of an item. Optional are
`confidence` (0 to 1), `score` and `score_NAME`, one column for each scorer, and `group`, by which
items can be stratified.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from studyapp.core.text import fold
from studyapp.core.text_files import decoded
from studyapp.runs.services.item_tables.sounds import Sound, sounds_of

NEEDED = ("item", "method", "rank", "text")
CLIPS = ("clip_1", "clip_2", "clip_3")
LIST = "clips"
OPTIONAL = ("confidence", "score", "group")
COLUMNS = (*NEEDED, *CLIPS, *OPTIONAL)
TEMPLATE = (
    ",".join(COLUMNS) + "\n"
    "rain,captioner,1,soft rain,rain-1.wav,rain-2.wav,rain-3.wav,0.9,,weather\n"
    "rain,captioner,2,hissing noise,,,,0.6,,\n"
    "rain,captioner,3,applause,,,,0.2,,\n"
)
LONGEST_ITEM, LONGEST_TEXT, LONGEST_GROUP = 100, 300, 80
MOST_RANK, MOST_CLIPS = 1_000, 100
OWN_CANDIDATES, OPTIONS = 3, 5
"""As `studies.services.drawing` needs them; a test compares them."""
METHOD = re.compile(r"[\w.@+ -]{1,60}")
SCORE = re.compile(r"score_(?!given$)[a-z][a-z0-9-]{0,39}")
"""A column of scores by a named scorer; `score` is the one by "given"."""
CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


class Fault(NamedTuple):
    """What is wrong in which line of the table; line 0: in the table as a whole."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


@dataclass(frozen=True)
class Candidate:
    """One text of one method for one item."""

    line: int
    item: str
    method: str
    rank: int
    text: str
    confidence: float | None = None
    score: float | None = None
    scores: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    """By named scorers; not in the text of which an identifier is made, since older tables had
    none."""


@dataclass(frozen=True)
class ItemTable:
    """A table without a fault."""

    candidates: tuple[Candidate, ...]
    clips: Mapping[str, tuple[str, ...]]
    """Item → its clips, in the table's order."""
    drawn: bool
    """Whether three are drawn from each item's clips; else each has its three."""
    groups: Mapping[str, str]
    sounds: Mapping[str, Sound]
    """Clip → its file and hash."""


class Row(NamedTuple):
    line: int
    cells: Mapping[str, str]


def check(data: bytes, folder: Path) -> tuple[ItemTable | None, list[Fault]]:
    """The table, or None and all its faults by line."""
    try:
        header, rows = _rows(decoded(data))
    except ValueError as error:
        return None, [Fault(0, str(error))]
    faults = [*_header_faults(header), *([] if rows else [Fault(0, "it has no rows")])]
    if faults:
        return None, faults
    found = [_candidate(row, faults) for row in rows]
    candidates = [one for one in found if one is not None]
    clips, named = _clips(rows, LIST in header, faults)
    sounds = sounds_of(named, folder)
    for clip, line in named.items():
        if isinstance(sounds[clip], str):
            faults.append(Fault(line, f"clip {clip!r:.80} {sounds[clip]}"))
    heard = {clip: one for clip, one in sounds.items() if isinstance(one, Sound)}
    faults += _same_sounds(clips, heard, rows)
    groups = _groups(rows, faults)
    faults += _of_candidates(candidates, len(faults) > 0)
    if faults:
        return None, sorted(faults)
    return ItemTable(tuple(candidates), clips, LIST in header, groups, heard), []


def _rows(text: str) -> tuple[list[str], list[Row]]:
    """Columns, and rows with the line on which each begins. Raises `ValueError`."""
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    found: list[tuple[int, list[str]]] = []
    try:
        line = 1
        for record in reader:
            if any(cell.strip() for cell in record):
                found.append((line, [cell.strip() for cell in record]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"it is not a CSV near line {reader.line_num}: {error}") from error
    if not found:
        raise ValueError("it is empty")
    header = found[0][1]
    while header and not header[-1]:
        header.pop()
    return header, [_row(line, header, cells) for line, cells in found[1:]]


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    """A row's cells by column, and under "" how many it has; empty ones at its end do not count."""
    while len(cells) > len(header) and not cells[-1]:
        cells.pop()
    return Row(line, dict(zip(header, cells, strict=False)) | {"": str(len(cells))})


def _header_faults(header: list[str]) -> Iterator[Fault]:
    for name in sorted({name for name in header if header.count(name) > 1}):
        yield Fault(1, f"column {name!r:.60} appears more than once")
    for name in header:
        if name not in (*COLUMNS, LIST) and not SCORE.fullmatch(name):
            known = ", ".join((*COLUMNS, LIST, "score_NAME"))
            yield Fault(1, f"column {name!r:.60} is unknown; known: {known}")
    for name in NEEDED:
        if name not in header:
            yield Fault(1, f"column {name} is missing")
    has = [name in header for name in CLIPS]
    if any(has) and LIST in header:
        yield Fault(1, f"it has {LIST} and clip_1: use one of the two")
    elif not all(has) and LIST not in header:
        yield Fault(1, f"it has neither clip_1, clip_2 and clip_3 nor {LIST}")


def _candidate(row: Row, faults: list[Fault]) -> Candidate | None:
    """The row's text; None if a cell of it cannot be used, which is noted."""
    line, cells = row
    before = len(faults)
    if any(name not in cells for name in NEEDED):
        faults.append(Fault(line, f"it has {cells['']} cells, fewer than the header"))
        return None
    if int(cells[""]) > len(cells) - 1:
        faults.append(
            Fault(
                line,
                f"it has {cells['']} cells, more than the header: put a text that holds the "
                "separator in quotes",
            )
        )
        return None
    for name, longest in (("item", LONGEST_ITEM), ("text", LONGEST_TEXT)):
        if problem := _unusable(cells[name], longest):
            faults.append(Fault(line, f"{name} {problem}"))
    if not METHOD.fullmatch(cells["method"]):
        faults.append(
            Fault(
                line,
                f"method is {cells['method']!r:.80}: 1 to 60 letters, digits, spaces and "
                "any of . @ + - _",
            )
        )
    rank = cells["rank"]
    if not re.fullmatch(r"[0-9]{1,4}", rank, re.ASCII) or not 1 <= int(rank) <= MOST_RANK:
        faults.append(Fault(line, f"rank is {rank!r:.40}: a whole number from 1, the best"))
    confidence = _number(row, "confidence", (0.0, 1.0), faults)
    score = _number(row, "score", (-1e9, 1e9), faults)
    named = {
        name.removeprefix("score_"): _number(row, name, (-1e9, 1e9), faults)
        for name in cells
        if SCORE.fullmatch(name)
    }
    scores = tuple((name, value) for name, value in sorted(named.items()) if value is not None)
    if len(faults) > before:
        return None
    text = " ".join(cells["text"].split())
    return Candidate(
        line, cells["item"], cells["method"], int(rank), text, confidence, score, scores
    )


def _unusable(cell: str, longest: int) -> str:
    if not cell:
        return "is empty"
    if len(cell) > longest:
        return f"has {len(cell)} characters: at most {longest}"
    return "holds a control character" if CONTROL.search(cell) else ""


def _number(row: Row, name: str, limits: tuple[float, float], faults: list[Fault]) -> float | None:
    cell = row.cells.get(name, "")
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        number = float("nan")
    if limits[0] <= number <= limits[1]:
        return number
    faults.append(
        Fault(row.line, f"{name} is {cell!r:.40}: a number from {limits[0]:g} to {limits[1]:g}")
    )
    return None


def _clips(
    rows: list[Row], drawn: bool, faults: list[Fault]
) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """Item → its clips, and clip → the first line that names it."""
    found: dict[str, tuple[str, ...]] = {}
    first: dict[str, int] = {}
    named: dict[str, int] = {}
    for line, cells in rows:
        item = cells.get("item", "")
        if not item:
            continue
        first.setdefault(item, line)
        here = cells.get(LIST, "").split("|") if drawn else [cells.get(name, "") for name in CLIPS]
        clips = tuple(clip.strip() for clip in here)
        if not any(clips):
            continue
        if not drawn and not all(clips):
            missing = CLIPS[clips.index("")]
            faults.append(Fault(line, f"{missing} is empty, but other clips of the row are not"))
        elif item in found and found[item] != clips:
            faults.append(
                Fault(line, f"item {item!r:.60} has other clips than in line {first[item]}")
            )
        found.setdefault(item, tuple(clip for clip in clips if clip))
        for clip in clips:
            if clip:
                named.setdefault(clip, line)
    for item, line in first.items():
        count = len(found.get(item, ()))
        if count < len(CLIPS) and not (found.get(item) and not drawn):
            faults.append(Fault(line, f"item {item!r:.60} has {count} clips: at least 3"))
        elif count > MOST_CLIPS:
            faults.append(Fault(line, f"item {item!r:.60} has {count} clips: at most {MOST_CLIPS}"))
    return found, named


def _same_sounds(
    clips: Mapping[str, tuple[str, ...]], sounds: Mapping[str, Sound], rows: list[Row]
) -> Iterator[Fault]:
    """Items two of whose clips are the same bytes: participants would hear one twice."""
    line_of = {row.cells.get("item", ""): row.line for row in reversed(rows)}
    for item, own in clips.items():
        counted = Counter(sounds[clip].sha256 for clip in own if clip in sounds)
        doubled = [clip for clip in own if clip in sounds and counted[sounds[clip].sha256] > 1]
        if doubled:
            yield Fault(
                line_of[item], f"item {item!r:.60} has the sound of {doubled[0]!r:.60} twice"
            )


def _groups(rows: list[Row], faults: list[Fault]) -> dict[str, str]:
    """Item → its group; empty where the table gives none."""
    found: dict[str, str] = {}
    for line, cells in rows:
        group, item = cells.get("group", ""), cells.get("item", "")
        if not group:
            continue
        if problem := _unusable(group, LONGEST_GROUP) or ("holds a /" if "/" in group else ""):
            faults.append(Fault(line, f"group {problem}"))
        elif found.setdefault(item, group) != group:
            faults.append(
                Fault(line, f"item {item!r:.60} is in group {found[item]!r:.60} elsewhere")
            )
    return found


def _of_candidates(candidates: list[Candidate], faulty: bool) -> Iterator[Fault]:
    """Doubles; and, if the rows are sound by themselves, methods that lack texts."""
    ranks: dict[tuple[str, str, int], int] = {}
    texts: dict[tuple[str, str, str], int] = {}
    for one in candidates:
        same = ranks.setdefault((one.item, one.method, one.rank), one.line)
        if same != one.line:
            yield Fault(
                one.line,
                f"rank {one.rank} of {one.method} for {one.item!r:.60} is already in line {same}",
            )
        same = texts.setdefault((one.item, one.method, fold(one.text)), one.line)
        if same != one.line:
            yield Fault(
                one.line,
                f"the text {one.text!r:.60} of {one.method} for {one.item!r:.60} is already in "
                f"line {same}",
            )
    if faulty:
        return
    line_of = {one.item: one.line for one in reversed(candidates)}
    methods = sorted({one.method for one in candidates})
    counts = Counter((item, method) for item, method, _ in texts)
    of_method: dict[str, set[str]] = defaultdict(set)
    for _, method, text in texts:
        of_method[method].add(text)
    for method in methods:
        if len(of_method[method]) < OPTIONS:
            yield Fault(
                0,
                f"method {method} has {len(of_method[method])} different texts: at least {OPTIONS}",
            )
        for item, line in line_of.items():
            if counts[item, method] < OWN_CANDIDATES:
                yield Fault(
                    line,
                    f"item {item!r:.60} has {counts[item, method]} texts by {method}: at least "
                    f"{OWN_CANDIDATES}",
                )
