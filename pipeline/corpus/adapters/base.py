"""What a corpus adapter hands on, and what several of them do alike.

An item that cannot be used does not end a run: its entry carries the `reason`, with which the
stage `corpus` sets it aside, counts it and lists it. A corpus is refused where nothing of it can
be used, or a whole list cannot be read.
"""

from __future__ import annotations

import ast
import hashlib
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from typing import Any, Protocol

from pipeline.corpus import audio_source
from pipeline.errors import PipelineError
from pipeline.files import text as text_files
from pipeline.files.hashing import sha256_of

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf",
     ".m4a", ".m4b", ".mp4", ".aac", ".webm", ".wma", ".mka", ".mkv", ".mov", ".3gp", ".w64",
     ".rf64", ".wv", ".ape", ".tta", ".mp2", ".spx", ".amr", ".ac3"}
)  # fmt: skip


NOTHING = ("none", "null", "nan")
"""What programs write into a text for no value."""


@dataclass(frozen=True)
class CorpusEntry:
    """A recording as the corpus lists it, not yet looked at."""

    track: str
    """Identifier, unique in the corpus."""
    path: str
    """Of the audio file, from the corpus folder."""
    sha256: str = ""
    """Of the file's bytes, if the corpus states it."""
    artist: str = ""
    tags: tuple[str, ...] = ()
    caption: str = ""
    license: str = ""
    group: str = ""
    """What the split must not part, where it is another than the artist: copies of a recording
    that were shifted in pitch or tempo, several excerpts of one video."""
    reason: str = ""
    """Why it cannot be used, where the list shows it already."""
    split_by: str = ""
    """What its split is drawn by, where other entries link its artist or group to another name."""


class Corpus(Protocol):
    """A way to read a corpus folder. Each method raises `PipelineError` on what cannot be read."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """Hash of what the folder lists; another corpus has another."""

    @staticmethod
    def entries(folder: Path) -> list[CorpusEntry]:
        """Every recording that the folder lists, sorted by track."""

    @staticmethod
    def concepts(folder: Path) -> dict[str, Any] | None:
        """The content for `concepts.json` if concepts were planted, else None."""


def no_concepts(_folder: Path) -> dict[str, Any] | None:
    """The `concepts` of a corpus in which nothing was planted."""
    return None


def audio_files(folder: Path) -> list[Path]:
    """Everything under the folder whose suffix is one of sound, sorted: files, and what only looks
    like one (a folder, a link that leads nowhere), which is set aside when it is looked at."""
    return sorted(path for path in _found_under(folder) if path.suffix.lower() in AUDIO_SUFFIXES)


def linked_folders(folder: Path) -> list[Path]:
    """Links to folders, which are not followed: two of them can lead into each other."""
    return sorted(path for path in _found_under(folder) if path.is_symlink() and path.is_dir())


def _found_under(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files))


def listed_path(folder: Path, path: str) -> str:
    """Where a listed file is, from the folder: as it is written if it is there or nowhere, else in
    another spelling that is."""
    return next((name for name in spellings(path) if audio_source.exists(folder / name)), path)


def spellings(path: str) -> tuple[str, ...]:
    """A path as it is written, without blanks around it, with Windows' backslashes turned, and
    with its accents in one character or two, as macOS writes them."""
    plain = path.strip()
    turned = plain.replace("\\", "/")
    forms = (unicodedata.normalize(form, turned) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((path, plain, turned, *forms)))


def fingerprint_of(folder: Path, *, contents: Iterable[Path], sizes: Iterable[Path]) -> str:
    """SHA-256 over the contents of listings and the names and sizes of audio.

    Audio is not read here: the stage `corpus` hashes it.
    """
    digest = hashlib.sha256()
    for path in sorted(contents):
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n"))
    digest_names(digest, folder, sizes)
    return digest.hexdigest()


def digest_names(digest: hashlib._Hash, folder: Path, paths: Iterable[Path]) -> None:
    """Add the names and sizes of files to a hash; a name need not be UTF-8."""
    for path in sorted(paths):
        size = path.stat().st_size if path.is_file() else 0
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{size}\n"))


def sorted_entries(entries: Iterable[CorpusEntry], where: Path) -> list[CorpusEntry]:
    """The entries by track, each name once; raises `PipelineError` if none of them can be used."""
    found = sorted((_storable(entry) for entry in entries), key=lambda entry: entry.track)
    if not found:
        raise PipelineError(f"{where} lists no recording")
    if all(entry.reason for entry in found):
        first = f"{found[0].track}: {found[0].reason}"
        raise PipelineError(
            f"{where} lists no recording that can be used ({len(found)} cannot): {first}"
        )
    return _told_apart(found)


def _storable(entry: CorpusEntry) -> CorpusEntry:
    """The entry with texts that a table can hold; a path that it cannot hold is the reason."""
    track, path = (os.fsencode(_whole(name)) for name in (entry.track, entry.path))
    try:
        path.decode()
        track.decode()
        reason = entry.reason
    except UnicodeDecodeError:
        reason = "its file name is not UTF-8: rename it"
    return replace(
        entry,
        track=track.decode(errors="backslashreplace"),
        path=path.decode(errors="backslashreplace"),
        artist=_clean(entry.artist),
        tags=tuple(_clean(tag) for tag in entry.tags),
        caption=_clean(entry.caption),
        license=_clean(entry.license),
        group=_clean(entry.group),
        reason=_clean(reason),
    )


def _whole(name: str) -> str:
    """A name whose only surrogates are those that stand for bytes of a file name."""
    return "".join(
        "\ufffd"
        if "\ud800" <= letter <= "\udfff" and not "\udc80" <= letter <= "\udcff"
        else letter
        for letter in name
    )


def _clean(text: str) -> str:
    """A text without halves of characters, which JSON may escape and no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _told_apart(entries: list[CorpusEntry]) -> list[CorpusEntry]:
    """The sorted entries with every second one of a name renamed and set aside."""
    names = {entry.track for entry in entries}
    kept: list[CorpusEntry] = []
    last: dict[str, int] = {}  # what was counted up to for a name: a list may have one name only
    for entry in entries:
        track = entry.track
        number = last.get(track, 0) + 1
        if number > 1:
            number = next(n for n in itertools.count(number) if f"{track}#again{n}" not in names)
            reason = f"the corpus names the track {track!r} more than once"
            entry = replace(entry, track=f"{track}#again{number}", reason=entry.reason or reason)
        last[track] = number
        kept.append(entry)
    return sorted(kept, key=lambda entry: entry.track)


def text_of(value: Any) -> str:
    """A cell or field as text; empty for nothing, for which pandas writes NaN.

    Raises `ValueError` if it is no text or number.
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of numbers with a gap becomes one of floats
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{_shown(value)}, which is no text")


def tags_of(value: Any, *, separators: str = "|") -> tuple[str, ...]:
    """Tags from whatever a corpus has them in: a list, a text, a number; each once, in order.

    A text is a list as Python or JSON writes it, or tags with the first of `separators` that it
    holds between them. Raises `ValueError` if it is none of these.
    """
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        value = _list_in(value.strip(), separators)
    if not isinstance(value, list | tuple):
        value = [value]
    found: list[str] = []
    for one in value:
        if isinstance(one, list | tuple):
            found.extend(tags_of(one, separators=separators))
        else:
            found.append(text_of(one).strip())
    return tuple(dict.fromkeys(tag for tag in found if tag))


def _list_in(text: str, separators: str) -> Any:
    if text.casefold() in NOTHING:
        return []
    if text[:1] == "{" and text[-1:] == "}":
        raise ValueError(f"{_shown(text)}, which is no list")
    if text[:1] in ("[", "(") and text[-1:] in ("]", ")"):
        return written_list(text)
    separator = next((one for one in separators if one in text), "\n")
    return text.split(separator)


def written_list(text: str) -> Any:
    """The list in a text as Python or JSON writes it; raises `ValueError` if it is none."""
    # numpy writes no commas, and Python reads 'a' 'b' as one text.
    if re.search(r"""(['"])\s+['"]""", text) is None:
        try:
            found = ast.literal_eval(text.replace("null", "None") if "null" in text else text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
        if isinstance(found, list | tuple):
            return found
        bare = re.fullmatch(r"""[\[(]([^\[\](){}"']+)[\])]""", text)
        if bare:  # [rock, slow piano], without the quotation marks of either language
            return [part.strip() for part in bare[1].split(",")]
    raise ValueError(f"{_shown(text)}, which is no list")


def _shown(value: Any) -> str:
    return repr(value)[:60]


def read_concepts(path: Path) -> dict[str, Any] | None:
    """`{"concepts": [{"name", "group", "synonyms", "description"}]}` from a file, None without."""
    if not path.is_file():
        return None
    concepts = text_files.read_json(path)
    try:
        names = [concept["name"] for concept in concepts["concepts"]]
        doubled = len(set(names)) != len(names)
    except (KeyError, TypeError) as error:
        raise PipelineError(f"{path} is not a list of named concepts: {error!r}") from error
    odd = next((name for name in names if not isinstance(name, str) or not name.strip()), None)
    if odd is not None:
        raise PipelineError(f"{path} names a concept {odd!r}, which is no text")
    if doubled:
        raise PipelineError(f"{path} names a concept twice")
    return dict(concepts)
