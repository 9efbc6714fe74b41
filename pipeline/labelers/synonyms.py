"""Which texts are the same name: by their words, and by a text encoder's embeddings.

*Words.* Two texts say the same if they have the same words but for case, hyphens and punctuation,
filling words and inflection ("drum", "drums", "drumming"). "A, B", "A and B" or "A or B" are parts
whose order does not matter; of three words in one part the order does, for "sharp attack, soft
decay" is not "soft attack, sharp decay", nor "piano over strings" "strings over piano". A modifier
put behind its word by a comma ("beat, fast") is read before it. Opposites differ in a word and
stay apart. Whatever is in doubt is another name: two names for one thing cost a trial little, one
name for two things gives a label away.

*Slips of the pen* are looked for only in what people typed (`slips_joined`): machines do not
mistype, and a letter is the whole difference between "lively" and "lovely".

*Embeddings.* Beyond that, two texts whose embeddings have a cosine of at least a threshold are
one name, unless they differ in a word of opposites ("fast pace", "slow pace": encoders place
those near each other), in the order of two ("low to high") or in a note ("C#", "C"). Encoders
place all texts near each other, too: in `clap-nano` three quarters of the pairs of different
concepts have a cosine over 0.95. So the mean of plain phrases is taken away first; then 0.7 % of
them are over 0.98, and 63 % of the pairs of true synonyms.

Each text joins the first leader that it is the same as, leaders in the order given: chains of
ever less similar texts cannot form.
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
"""Not "from" and "to": "low to high" is not "high to low"."""
WORD = re.compile(r"[^\W_]+[#♭]?")
"""A word, with the sign that makes another note of it: "C# minor" is not "C minor"."""
JOINING = re.compile(r"[,;/&+|]|\.\s|\b(?:and|or)\b")
"""What stands between the parts of a text."""
OPPOSITES = (
    ("fast", "slow"), ("high", "low"), ("loud", "quiet"), ("loud", "soft"), ("major", "minor"),
    ("bright", "dark"), ("male", "female"), ("happy", "sad"), ("short", "long"), ("no", ""),
    ("not", ""), ("without", ""), ("few", "many"), ("wet", "dry"), ("thin", "thick"),
    ("thin", "full"), ("narrow", "full"), ("narrow", "wide"), ("sharp", "gradual"),
    ("steady", "wavering"), ("clean", "noisy"), ("tonal", "atonal"), ("rising", "falling"),
    ("light", "heavy"), ("solo", "ensemble"), ("acoustic", "electric"),
    ("vocal", "instrumental"), ("growing", "fading"), ("sharp", "soft"), ("high", "deep"),
)  # fmt: skip
"""A text with one word of a pair is never the same as one with the other; `""`: without it."""
MODIFIERS = frozenset(word for pair in OPPOSITES for word in pair if word) - {
    "no",
    "not",
    "without",
}
"""Words that may stand behind their noun after a comma."""
SINGULAR = frozenset(["blues", "news", "goods"])
"""Words that would be other ones without their s."""
SLIP_LENGTH = 6
"""Letters of a word that may hold two letters changed round, or one doubled or left single."""
LONG_SLIP_LENGTH = 8
"""Letters of a word that may hold another letter, one too many or one too few."""

Key = tuple[tuple[str, ...], ...]
"""A text's parts, each of words; see `key_words`."""


def word_groups(texts: Iterable[str]) -> dict[str, str]:
    """Each text's name: the first of `texts` that has the same words."""
    first: dict[Key, str] = {}
    return {text: first.setdefault(key_words(text), text) for text in texts}


def slips_joined(names: Mapping[str, str], seen: Mapping[str, int]) -> dict[str, str]:
    """The groups `names`, as `word_groups` gives them, with slips of the pen joined.

    `seen`: how often each word occurs in all that people wrote. A group joins another if one word
    of it, which nobody wrote a second time, differs by a slip from a word that was written more
    often. A word written twice is a word.
    """
    leaders = {key_words(name): name for name in dict.fromkeys(names.values())}
    joined = dict(names)
    for key, name in leaders.items():
        right = next((other for other in leaders if _slipped(key, other, seen)), None)
        if right is not None:
            joined.update({text: leaders[right] for text, own in names.items() if own == name})
    return joined


def words_of(text: str) -> list[str]:
    """The words that count, without their endings, in their order."""
    return [word for part in key_words(text) for word in part]


def embedded_groups(
    texts: Sequence[str], embeddings: npt.NDArray[np.floating], least: float
) -> dict[str, str]:
    """Each text's name by its words, and then by unit `embeddings` [text, width]."""
    by_words = word_groups(texts)
    row = {text: place for place, text in enumerate(texts)}
    names = list(dict.fromkeys(by_words.values()))
    leaders: list[str] = []
    lead: dict[str, str] = {}
    for name in names:
        near = None
        if leaders:
            cosines = embeddings[[row[other] for other in leaders]] @ embeddings[row[name]]
            close = (leaders[place] for place in np.flatnonzero(cosines >= least))
            near = next((other for other in close if not opposed(name, other)), None)
        lead[name] = near or name
        if near is None:
            leaders.append(name)
    return {text: lead[name] for text, name in by_words.items()}


def centred(
    embeddings: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]
) -> npt.NDArray[np.floating]:
    """Unit embeddings [text, width] without the mean of the `reference` texts', at norm 1 again."""
    apart = embeddings - reference.mean(axis=0)
    length = np.linalg.norm(apart, axis=1, keepdims=True)
    return np.asarray(apart / np.where(length > 0, length, 1.0), dtype=np.float32)


def key_words(text: str) -> Key:
    """A text's parts as they count: words without their endings and without filling ones.

    Parts are sorted, and so are the two words of a part; more keep their order. A text of filling
    words keeps all of them.
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
    """Whether two texts differ in a word of opposites, in the order of two of them or in a note."""
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
    """The raised and lowered notes that a text names."""
    return set(re.findall(r"\b[a-g][#♭]", text.casefold().replace("♯", "#")))


def _leads(left: str, right: str, words: list[str]) -> bool:
    return words.index(left) < words.index(right)


def _plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.casefold())


def _stem(word: str) -> str:
    """The word without its inflection: "strings" and "string", "drumming" and "drum" become one.

    Only what English grammar does to the end of a word, with the e that it drops put back: "taping"
    is "tape" and "tapping" is "tap". Other endings make other words ("harmonica", "harmonics").
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
    """The verb whose -ing or -ed form begins with `rest`."""
    if rest[-1] == rest[-2] and rest[-1] not in "lsfz":
        return rest[:-1]  # drumming
    short = re.fullmatch(r"[^aeiou]*[aeiouy][^aeiouwxy]", rest)  # taping: else it were tapping
    soft = re.search(r"[^aeioulrw]l$|[^s]s$|[cvu]$|[^z]z$|[^aeiou]at$|i[szv]$", rest)  # pulsing
    return rest + "e" if short or soft else rest


def _slipped(key: Key, other: Key, seen: Mapping[str, int]) -> bool:
    """Whether all words but one are equal, and that one is a slip of the other's."""
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
    """Whether a long word is another with a slip inside it: two letters changed round, one doubled
    or left single, in a longer word any one letter. First and last letters are right: an ending is
    grammar, not a slip ("harmonica", "harmonics")."""
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
