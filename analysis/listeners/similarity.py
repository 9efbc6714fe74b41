"""How similar two short texts are: by an embedding if one is given, else by their letters.

Without an embedding: cosine of TF-IDF vectors over character 3- to 5-grams within words (Salton and
Buckley 1988, Information Processing & Management 24, 513–523; the weights of scikit-learn's
`TfidfVectorizer(analyzer="char_wb")`). "drum loop" and "looping drums" are similar, "piano" and
"keyboard" are not: it compares spelling, not meaning, and the report says so.

With an embedding: cosine of the vectors. They come from a file of JSON lines, `{"text": …,
"vector": […]}`, or from a command that reads texts, one JSON string per line, and writes vectors,
one JSON list per line.
"""

from __future__ import annotations

import json
import math
import re
import shlex
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from analysis.arrays import Floats
from analysis.errors import AnalysisError, quote
from analysis.reading.text_files import lines_of, read_text

LETTERS = "TF-IDF cosine of character 3- to 5-grams (a likeness of spelling, not of meaning)"
SIZES = (3, 4, 5)
MOST_CHARACTERS = 400
"""Characters of a text that are compared; the rest is ignored."""
MINUTES = 10
"""Time limit of an embedding command."""

Matrix: TypeAlias = "sparse.csr_array[np.float64, tuple[int, int]]"


@dataclass(frozen=True)
class Space:
    """Texts as vectors of length 1 (0 for a text without letters)."""

    name: str
    """How the similarity is computed, in words."""
    place: Mapping[str, int]
    """Text to its row."""
    rows: Matrix
    """[text, dimension]"""

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """The vectors of `texts`, [text, dimension]."""
        return self.rows[[self.place[text] for text in texts]]

    def cosine(self, first: Sequence[str], second: Sequence[str]) -> Floats:
        """Cosine of `first[i]` and `second[i]` for each i, [pair]."""
        product = self.vectors(first).multiply(self.vectors(second))
        return np.asarray(product.sum(axis=1), dtype=np.float64).ravel()


def words_of(text: str) -> str:
    """A text's words in lower case, separated by single spaces."""
    plain = unicodedata.normalize("NFKC", text[:MOST_CHARACTERS]).casefold()
    return " ".join(re.findall(r"\w+", plain))


def letters(texts: Iterable[str]) -> Space:
    """Every text as its TF-IDF vector: an n-gram's weight is count × idf, then length 1.

    idf = ln((1 + N) / (1 + texts with the n-gram)) + 1, for N distinct texts (scikit-learn's smooth
    idf).
    """
    known = sorted(set(texts))
    counts = [Counter(_ngrams(words_of(text))) for text in known]
    column = {gram: i for i, gram in enumerate(sorted({g for c in counts for g in c}))}
    holding = Counter(gram for c in counts for gram in c)
    idf = {g: math.log((1 + len(known)) / (1 + n)) + 1 for g, n in holding.items()}
    at = [(row, column[g], n * idf[g]) for row, c in enumerate(counts) for g, n in c.items()]
    rows, columns, values = zip(*at, strict=True) if at else ((), (), ())
    shape = (len(known), max(1, len(column)))
    table = sparse.csr_array((np.array(values, dtype=np.float64), (rows, columns)), shape=shape)
    return Space(LETTERS, {text: i for i, text in enumerate(known)}, _unit(table))


def _ngrams(words: str) -> list[str]:
    """Character n-grams of each word with a space on both sides; a short word counts once."""
    found = []
    for word in words.split():
        padded = f" {word} "
        for size in SIZES:
            found += [padded[i : i + size] for i in range(max(1, len(padded) - size + 1))]
            if len(padded) <= size:
                break
    return found


def _unit(table: Matrix) -> Matrix:
    """The rows divided by their length."""
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    scale = 1 / np.where(length > 0, length, 1.0)
    return sparse.csr_array(table.multiply(scale[:, None]))


def embedded(texts: Iterable[str], *, file: Path | None, command: str | None) -> Space:
    """Every text as its embedding, from a file or a command; a missing vector is refused."""
    known = sorted(set(texts))
    if file is not None:
        vectors, name = _from_file(file, known), file.name
    else:
        vectors, name = _from_command(command or "", known), _program(command or "")
    size = len(vectors[0]) if vectors else 1
    for text, vector in zip(known, vectors, strict=True):
        if len(vector) != size:
            raise AnalysisError(
                f"{name}: the vector of {quote(text)} has {len(vector)} numbers, the others have "
                f"{size}"
            )
    table = sparse.csr_array(np.array(vectors, dtype=np.float64).reshape(len(known), size))
    kind = f"cosine of embeddings ({name})"
    return Space(kind, {text: i for i, text in enumerate(known)}, _unit(table))


def _from_file(path: Path, texts: Sequence[str]) -> list[list[float]]:
    lines = lines_of(read_text(path))
    found: dict[str, list[float]] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            item = _json(path.name, number, line)
            if not isinstance(item, dict) or not isinstance(item.get("text"), str):
                raise AnalysisError(f"{path.name}: line {number}: not an object with a text")
            found[item["text"]] = _vector(path.name, number, item.get("vector"))
    missing = [text for text in texts if text not in found]
    if missing:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise AnalysisError(f"{path.name}: no vector for {quote(missing[0])}{others}")
    return [found[text] for text in texts]


def _from_command(command: str, texts: Sequence[str]) -> list[list[float]]:
    name = _program(command)
    asked = "".join(json.dumps(text) + "\n" for text in texts)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, split without a shell
            shlex.split(command),
            input=asked,
            capture_output=True,
            encoding="utf-8",
            timeout=60 * MINUTES,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise AnalysisError(f"{name}: cannot be run: {type(error).__name__}") from error
    if done.returncode:
        raise AnalysisError(f"{name}: exited with status {done.returncode}")
    lines = [line for line in lines_of(done.stdout) if line.strip()]
    if len(lines) != len(texts):
        raise AnalysisError(f"{name}: wrote {len(lines)} vectors for {len(texts)} texts")
    return [_vector(name, i, _json(name, i, line)) for i, line in enumerate(lines, start=1)]


def _program(command: str) -> str:
    try:
        return shlex.split(command)[0]
    except (ValueError, IndexError) as error:
        raise AnalysisError(f"--embed-command is {quote(command)}: not a command") from error


def _json(name: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{name}: line {number}: not readable as JSON") from error


def _vector(name: str, number: int, given: Any) -> list[float]:
    good = isinstance(given, list) and len(given) > 0
    if not good or not all(
        isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e30 for v in given
    ):
        raise AnalysisError(f"{name}: line {number}: not a vector of finite numbers")
    return [float(v) for v in given]
