"""Which texts count as the same label: by their words, and by the embeddings of a text encoder.

*Words.* Two texts mean the same if their words agree, apart from case, hyphens, punctuation, filler
words and inflection ("drum", "drums", "drumming"). In "A, B", "A and B" and "A or B" the order of
the parts does not matter. Within a part of three or more words it does: "sharp attack, soft decay"
is not "soft attack, sharp decay", and "piano over strings" is not "strings over piano". A modifier
after a comma ("beat, fast") is moved before its noun. Opposites differ in a word and stay separate.
In doubt, texts are kept separate: two labels for one thing hardly affect a trial, but one label
for two things would give the answer away.

*Typing errors* are only looked for in what people typed (`slips_joined`): models do not mistype,
and one letter is the only difference between "lively" and "lovely".

*Embeddings.* In addition, two texts whose embeddings have at least a given cosine are the same,
unless they differ in a word that has an opposite ("fast pace", "slow pace", which encoders place
close together), in the order of two such words ("low to high") or in a note ("C#", "C"). Encoders
place all texts close together: with `clap-nano`, three quarters of the pairs of different concepts
have a cosine above 0.95. Therefore the mean of plain phrases is subtracted first; then 0.7 % of
those pairs are above 0.98, and 63 % of the pairs of true synonyms.

Each text joins the first group whose leader means the same, leaders in the order given. So chains
of less and less similar texts cannot form.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

FILLING = frozenset(
    [
        "a", "an", "are", "as", "at", "by", "for", "has", "in", "is", "it", "its", "like",
        "of", "on", "some", "sound", "sounding", "sounds", "that", "the", "there", "this",
        "very", "with", "music", "musical", "track", "piece", "quite", "rather",
    ]
)  # fmt: skip
"""Filler words. Not "from" and "to": "low to high" is not "high to low"."""
WORD = re.compile(r"[^\W_]+[#♭]?")
"""A word, including a sharp or flat sign: "C# minor" is not "C minor"."""
JOINING = re.compile(r"[,;/&+|]|\.\s|\b(?:and|or)\b")
"""Separators between the parts of a text."""
OPPOSITES = (
    ("fast", "slow"), ("high", "low"), ("loud", "quiet"), ("loud", "soft"), ("major", "minor"),
    ("bright", "dark"), ("male", "female"), ("happy", "sad"), ("short", "long"), ("no", ""),
    ("not", ""), ("without", ""), ("few", "many"), ("wet", "dry"), ("thin", "thick"),
    ("thin", "full"), ("narrow", "full"), ("narrow", "wide"), ("sharp", "gradual"),
    ("steady", "wavering"), ("clean", "noisy"), ("tonal", "atonal"), ("rising", "falling"),
    ("light", "heavy"), ("solo", "ensemble"), ("acoustic", "electric"),
    ("vocal", "instrumental"), ("growing", "fading"), ("sharp", "soft"), ("high", "deep"),
)  # fmt: skip
"""Texts that contain different words of a pair are never the same; `""` means: without the word."""
MODIFIERS = frozenset(word for pair in OPPOSITES for word in pair if word) - {
    "no",
    "not",
    "without",
}
"""Words that may follow their noun after a comma."""
SINGULAR = frozenset(["blues", "news", "goods"])
"""Words that would be different words without their s."""
SLIP_LENGTH = 6
"""Minimum length of a word that may have two letters swapped, or one wrongly doubled or single."""
LONG_SLIP_LENGTH = 8
"""Minimum length of a word in which any one letter may be wrong, missing or extra."""

BLOCK = 256
"""Texts that are compared with all leaders together."""

Key = tuple[tuple[str, ...], ...]
"""A text's parts, each of words; see `key_words`."""


class Naming:
    """Names of texts by their words. It may be asked again and again: texts that it was given
    before are not compared once more, and keep their names."""

    def __init__(self) -> None:
        self._first: dict[Key, str] = {}

    def names(self, texts: Iterable[str]) -> dict[str, str]:
        """The name of each text: the first ever given with the same words."""
        return {text: self._first.setdefault(key_words(text), text) for text in texts}


class EmbeddedNaming:
    """The same, by words and then by unit embeddings."""

    def __init__(self, least: float) -> None:
        """`least`: minimum cosine of two texts with the same name."""
        self._least = least
        self._by_words = Naming()
        self._lead: dict[str, str] = {}
        """The final name of each name by words."""
        self._leaders: list[str] = []
        self._embeddings: list[npt.NDArray[np.floating]] = []
        """Of the leaders, [leader, width] for each block in which they came."""

    def names(self, texts: Sequence[str], embeddings: npt.NDArray[np.floating]) -> dict[str, str]:
        """The name of each text, from its unit embedding [text, width]."""
        by_words = self._by_words.names(texts)
        row = {text: place for place, text in enumerate(texts)}
        new = [name for name in dict.fromkeys(by_words.values()) if name not in self._lead]
        for start in range(0, len(new), BLOCK):
            block = new[start : start + BLOCK]
            self._add(block, embeddings[[row[name] for name in block]])
        return {text: self._lead[name] for text, name in by_words.items()}

    def _add(self, block: list[str], embeddings: npt.NDArray[np.floating]) -> None:
        """Find the leader of each name; cosines with a block of names at a time, [name, leader]."""
        known = [np.zeros((len(block), 0)), *(embeddings @ each.T for each in self._embeddings)]
        close = np.concatenate(known, axis=1) >= self._least
        within = embeddings @ embeddings.T >= self._least
        here: list[int] = []
        for place, name in enumerate(block):
            # Leaders in the order in which they came: those of earlier blocks, then of this one.
            near = [self._leaders[row] for row in np.flatnonzero(close[place])]
            near += [block[other] for other in here if within[place, other]]
            lead = next((other for other in near if not opposed(name, other)), name)
            self._lead[name] = lead
            if lead == name:
                here.append(place)
        self._leaders += [block[place] for place in here]
        self._embeddings.append(embeddings[here])


def word_groups(texts: Iterable[str]) -> dict[str, str]:
    """The name of each text: the first of `texts` with the same words."""
    return Naming().names(texts)


def slips_joined(names: Mapping[str, str], seen: Mapping[str, int]) -> dict[str, str]:
    """The groups `names`, as returned by `word_groups`, with typing errors merged.

    `seen`: how often each word occurs in all that people wrote. A group joins another if they
    differ in one word that was written only once and is a typing error for a word that was written
    more often. A word that was written twice is not taken for an error.
    """
    leaders = {key_words(name): name for name in dict.fromkeys(names.values())}
    joined = dict(names)
    for key, name in leaders.items():
        right = next((other for other in leaders if _slipped(key, other, seen)), None)
        if right is not None:
            joined.update({text: leaders[right] for text, own in names.items() if own == name})
    return joined


def words_of(text: str) -> list[str]:
    """The stems of a text's words, in order, without filler words."""
    return [word for part in key_words(text) for word in part]


def centred(
    embeddings: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Embeddings [text, width] minus the mean of those of the `reference` texts, renormalised."""
    apart = embeddings - reference.mean(axis=0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.asarray(apart / np.where(length > 0, length, 1.0), dtype=np.float32)


def key_words(text: str) -> Key:
    """The key by which texts are compared: its parts, each a tuple of stems without filler words.

    Parts are sorted; so are the words of a part of two, while three or more keep their order. A
    text that consists of filler words keeps all of them.
    """
    text = text.casefold().replace("'", "").replace("’", "").replace("♯", "#")
    parts = [_part(part) for part in JOINING.split(text)]
    found = [part for part in parts if part]
    pair = [part for part in found if len(part) == 1]
    if len(found) == len(pair) == 2 and "," in text and pair[1][0] in MODIFIERS:
        found = [pair[1] + pair[0]]  # "beat, fast"
    if not found:
        return (tuple(WORD.findall(text)) or (text.strip(),),)
    return tuple(sorted({tuple(sorted(part)) if len(part) == 2 else part for part in found}))


def _part(text: str) -> tuple[str, ...]:
    words = WORD.findall(text)
    return tuple(_stem(word) for word in words if word not in FILLING)


def opposed(one: str, other: str) -> bool:
    """Whether two texts differ in a word that has an opposite, in the order of a pair of opposites,
    or in a note."""
    if _notes(one) != _notes(other):
        return True
    before, after = _plain_words(one), _plain_words(other)
    first, second = set(before), set(after)
    for left, right in OPPOSITES:
        if not right:
            if (left in first) != (left in second):
                return True
        elif {left, right} <= first & second:
            if _leads(left, right, before) != _leads(left, right, after):
                return True
        elif (left in first and right in second) or (right in first and left in second):
            return True
    return False


def _notes(text: str) -> set[str]:
    """The sharp and flat notes in a text."""
    return set(re.findall(r"\b[a-g][#♭]", text.casefold().replace("♯", "#")))


def _leads(left: str, right: str, words: list[str]) -> bool:
    return words.index(left) < words.index(right)


def _plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.casefold())


def _stem(word: str) -> str:
    """The word without its inflection: "strings" becomes "string", "drumming" becomes "drum".

    Only grammatical endings are removed, and a dropped e is restored: "taping" becomes "tape",
    "tapping" becomes "tap". Other endings make different words ("harmonica", "harmonics").
    """
    for ending in ("ings", "ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and re.search(r"[aeiouy]", rest) and rest[-1] != "e":
            return _infinitive(rest)
    return _singular(word)


def _singular(word: str) -> str:
    if (
        word in SINGULAR
        or len(word) < 4
        or not word.endswith("s")
        or word.endswith(("ss", "us", "is"))
    ):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if re.search(r"(ss|[^ao]us|x|zz|ch|sh|o)es$", word):
        return word[:-2]
    return word[:-1]


def _infinitive(rest: str) -> str:
    """The infinitive of a verb whose -ing or -ed form starts with `rest`."""
    if rest[-1] == rest[-2] and rest[-1] not in "lsfz":
        return rest[:-1]  # drumming
    short = re.fullmatch(r"[^aeiou]*[aeiouy][^aeiouwxy]", rest)  # taping, not tapping
    soft = re.search(r"[^aeioulrw]l$|[^s]s$|[cvu]$|[^z]z$|[^aeiou]at$|i[szv]$", rest)  # pulsing
    return rest + "e" if short or soft else rest


def _slipped(key: Key, other: Key, seen: Mapping[str, int]) -> bool:
    """Whether all words but one are equal, and that one is a typing error for the other's."""
    if tuple(map(len, key)) != tuple(map(len, other)):
        return False
    mine = sorted(word for part in key for word in part)
    theirs = sorted(word for part in other for word in part)
    wrong, right = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
    if wrong.total() != 1:
        return False
    (word,), (meant,) = wrong, right
    return seen.get(word, 0) <= 1 < seen.get(meant, 0) and is_slip(word, meant)


def is_slip(word: str, meant: str) -> bool:
    """Whether `word` is `meant` with a typing error: two letters swapped, one wrongly doubled or
    single or, in a longer word, any one letter wrong. The first and the last letter must agree,
    since an ending is grammar, not an error ("harmonica", "harmonics")."""
    if min(len(word), len(meant)) < SLIP_LENGTH or word == meant:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, meant, strict=False)) if a != b), 0)
    a, b = word[start:], meant[start:]
    if start == 0 or a[-1:] != b[-1:]:
        return False
    if a[1::-1] + a[2:] == b and len(a) > 2:
        return True
    if a[1:] == b or b[1:] == a:
        doubled = (word if a[1:] == b else meant)[start - 1 : start + 1]
        return doubled[0] == doubled[1] or min(len(word), len(meant)) >= LONG_SLIP_LENGTH
    return a[1:] == b[1:] and len(word) >= LONG_SLIP_LENGTH
