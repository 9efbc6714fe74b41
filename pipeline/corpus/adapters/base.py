"""The entries that corpus adapters return, and helpers that several of them share.

An unusable item does not end a run: its entry carries a `reason`, and the stage `corpus` sets it
aside, counts it and lists it with that reason. A corpus is refused only if none of it can be used
or a whole listing cannot be read.
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
"""Words that programs write for a missing value."""


@dataclass(frozen=True)
class CorpusEntry:
    """A recording as the corpus lists it, before its file is opened."""

    track: str
    """Identifier, unique in the corpus."""
    path: str
    """Path of the audio file, relative to the corpus folder."""
    sha256: str = ""
    """SHA-256 of the file's bytes, if the corpus lists it."""
    artist: str = ""
    tags: tuple[str, ...] = ()
    caption: str = ""
    license: str = ""
    group: str = ""
    """What a split must keep together besides an artist: copies of a recording shifted in pitch or
    tempo, several excerpts of one video."""
    reason: str = ""
    """Why it cannot be used, if the listing already shows that."""
    split_by: str = ""
    """The name whose hash decides the split, where other entries link the group to it."""


class Corpus(Protocol):
    """A way to read a corpus folder. Each method raises `PipelineError` on what cannot be read."""

    @staticmethod
    def fingerprint(folder: Path) -> str:
        """A hash of the listing and of files' names and sizes, which differs between corpora."""

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
    like one (a folder, a dangling link), which is set aside when it is checked."""
    return sorted(path for path in _found_under(folder) if path.suffix.lower() in AUDIO_SUFFIXES)


def linked_folders(folder: Path) -> list[Path]:
    """Links to folders, which are not followed, since they can form cycles."""
    return sorted(path for path in _found_under(folder) if path.is_symlink() and path.is_dir())


def _found_under(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files))


def listed_path(folder: Path, path: str) -> str:
    """Path of a listed file, relative to `folder`: the first spelling that exists, else `path`."""
    return next((name for name in spellings(path) if audio_source.exists(folder / name)), path)


def spellings(path: str) -> tuple[str, ...]:
    """A path as written; without surrounding blanks; with slashes in place of backslashes; and with
    accented letters as one character (NFC) or two (NFD, as macOS writes them)."""
    plain = path.strip()
    turned = plain.replace("\\", "/")
    forms = (unicodedata.normalize(form, turned) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((path, plain, turned, *forms)))


def fingerprint_of(folder: Path, *, contents: Iterable[Path], sizes: Iterable[Path]) -> str:
    """SHA-256 over the contents of listings and the names and sizes of audio files.

    Audio is not read here; the stage `corpus` hashes it.
    """
    digest = hashlib.sha256()
    for path in sorted(contents):
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\n"))
    digest_names(digest, folder, sizes)
    return digest.hexdigest()


def digest_names(digest: hashlib._Hash, folder: Path, paths: Iterable[Path]) -> None:
    """Add the names and sizes of files to a hash; names need not be UTF-8."""
    for path in sorted(paths):
        size = path.stat().st_size if path.is_file() else 0
        digest.update(os.fsencode(f"{path.relative_to(folder).as_posix()}\0{size}\n"))


def sorted_entries(entries: Iterable[CorpusEntry], where: Path) -> list[CorpusEntry]:
    """The entries sorted by track, with unique names; raises `PipelineError` if none is usable."""
    found = sorted((_storable(entry) for entry in entries), key=lambda entry: entry.track)
    if not found:
        raise PipelineError(f"{where} lists no recordings")
    if all(entry.reason for entry in found):
        first = f"{found[0].track}: {found[0].reason}"
        raise PipelineError(
            f"{where} lists no recording that can be used ({len(found)} cannot): {first}"
        )
    return _with_unique_names(found)


def _storable(entry: CorpusEntry) -> CorpusEntry:
    """The entry with texts that a table can hold; a path that is not UTF-8 becomes the reason."""
    track, path = (os.fsencode(_without_surrogates(name)) for name in (entry.track, entry.path))
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
        artist=_without_lone_surrogates(entry.artist),
        tags=tuple(_without_lone_surrogates(tag) for tag in entry.tags),
        caption=_without_lone_surrogates(entry.caption),
        license=_without_lone_surrogates(entry.license),
        group=_without_lone_surrogates(entry.group),
        reason=_without_lone_surrogates(reason),
    )


def _without_surrogates(name: str) -> str:
    """`name` without surrogates, except those that stand for undecodable bytes of a file name."""
    return "".join(
        "\ufffd"
        if "\ud800" <= letter <= "\udfff" and not "\udc80" <= letter <= "\udcff"
        else letter
        for letter in name
    )


def _without_lone_surrogates(text: str) -> str:
    """`text` without lone surrogates, which JSON can escape but UTF-8 cannot encode."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _with_unique_names(entries: list[CorpusEntry]) -> list[CorpusEntry]:
    """The sorted entries; of several with the same name all but the first are renamed and get a
    reason, with which they are set aside."""
    names = {entry.track for entry in entries}
    kept: list[CorpusEntry] = []
    last: dict[str, int] = {}  # the last number used per name: a listing may repeat one many times
    for entry in entries:
        track = entry.track
        number = last.get(track, 0) + 1
        if number > 1:
            number = next(n for n in itertools.count(number) if f"{track}#again{n}" not in names)
            reason = f"the corpus lists the track {track!r} more than once"
            entry = replace(entry, track=f"{track}#again{number}", reason=entry.reason or reason)
        last[track] = number
        kept.append(entry)
    return sorted(kept, key=lambda entry: entry.track)


def text_of(value: Any) -> str:
    """A cell or field as text; empty for a missing value (pandas writes NaN).

    Raises `ValueError` if it is neither text nor a number.
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # pandas turns whole numbers into floats if one is missing
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{_shown(value)}, which is not text")


def tags_of(value: Any, *, separators: str = "|") -> tuple[str, ...]:
    """Tags from a list, a text or a number, without repetitions, in order.

    A text is a list as written by Python or JSON, or tags separated by the first of `separators`
    that occurs in it. Raises `ValueError` if the value is none of these.
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
        raise ValueError(f"{_shown(text)}, which is not a list")
    if text[:1] in ("[", "(") and text[-1:] in ("]", ")"):
        return written_list(text)
    separator = next((one for one in separators if one in text), "\n")
    return text.split(separator)


def written_list(text: str) -> Any:
    """The list in a text as written by Python or JSON; raises `ValueError` if it is not a list."""
    # numpy writes no commas, and Python would read 'a' 'b' as one text.
    if re.search(r"""(['"])\s+['"]""", text) is None:
        try:
            found = ast.literal_eval(text.replace("null", "None") if "null" in text else text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            found = None
        if isinstance(found, list | tuple):
            return found
        bare = re.fullmatch(r"""[\[(]([^\[\](){}"']+)[\])]""", text)
        if bare:  # [rock, slow piano], without quotation marks
            return [part.strip() for part in bare[1].split(",")]
    raise ValueError(f"{_shown(text)}, which is not a list")


def _shown(value: Any) -> str:
    return repr(value)[:60]


def read_concepts(path: Path) -> dict[str, Any] | None:
    """`{"concepts": [{"name", "group", "synonyms", "description"}]}` from a file; None if there is
    no such file. Raises `PipelineError` if it has another form."""
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
        raise PipelineError(f"{path} names a concept {odd!r}, which is not text")
    if doubled:
        raise PipelineError(f"{path} names a concept twice")
    return dict(concepts)
