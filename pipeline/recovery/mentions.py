"""Whether a text says that something is present, or that it is absent.

"No deep bass" and "bass-free" contain the words of a concept and say the opposite. A mention counts
as denied if a negation precedes it in its clause by at most `REACH` words, or follows it
immediately. These are heuristics for labels of a few words, not a parser of sentences.
"""

from __future__ import annotations

import re

REACH = 5
"""Maximum number of words between a negation and what it denies: "without any of the usual
reverb"."""
NEGATION = re.compile(
    r"\b(?:(?P<one>no|non|zero|missing|un(?=-)|anti(?=-))"
    r"|not(?! (?:only|just|merely|simply)\b)|\w+n['’]t|cannot|never|neither|nor|hardly|barely"
    r"|without(?! doubt\b)|sans|minus|except(?: for)?|instead of|rather than|devoid of"
    r"|lack(?:s|ing|ed)?(?: of| in)?|absen(?:ce of|t)|(?:free|empty|void) (?:of|from))\b",
    re.IGNORECASE,
)
"""The group `one` matches negations of one noun only: "no drums and deep bass" has deep bass, while
"without drums and bass" has none. With a hyphen they negate their own word only: "non-vocal
piano"."""
LIST = re.compile(
    r"\b(?:no|without|neither|lacks?|lacking)"
    r"(?:(?: (?!(?:and|or|nor)\b)[\w'’-]+){1,3},)+"
    r"(?: (?!(?:and|or|nor)\b)[\w'’-]+){0,3} n?or\b",
    re.IGNORECASE,
)
"""A list that one negation denies as a whole, up to the word before the last item: "no drums, bass
or vocals"."""
AFTER = re.compile(
    r"-?less\b|-free\b| free\b(?! [a-z])"
    r"|(?: (?:is|are|was|were))? (?:absent|missing|lacking|removed|nowhere)\b"
    r"|(?: (?:is|are|was|were)(?: not|n['’]t)| not) (?:there|present|heard|audible)\b",
    re.IGNORECASE,
)
CLAUSE_END = re.compile(
    r"[,;:.!?()\[\]|–—]|\b(?:but|yet|with|while|featuring|plus|then|is|are)\b"
    r"|(?<!n['’]t )(?<!not )\b(?:has|have)\b",
    re.IGNORECASE,
)


def says(text: str, phrase: str) -> bool:
    """Whether `text` says that `phrase` is present: its whole words occur and are not denied.

    A phrase that is itself a negation ("no drums", "without percussion") is said by every text that
    denies the same thing ("lack of drums").
    """
    denying = NEGATION.match(phrase)
    if denying is None:
        return any(not denied for denied in _mentions(text, phrase))
    return any(_mentions(text, phrase[denying.end() :].strip(" -")))


def _mentions(text: str, phrase: str) -> list[bool]:
    """For each place where `phrase` occurs in `text` as whole words, whether it is denied there."""
    text = LIST.sub(lambda whole: whole[0].replace(",", "/"), text)  # no end of a clause
    found = re.finditer(rf"(?<!\w){re.escape(phrase)}(?!\w)", text, re.IGNORECASE)
    return [_denied(text[: place.start()], text[place.end() :]) for place in found]


def _denied(before: str, after: str) -> bool:
    """Whether a mention between these two parts of a text is denied."""
    clause = CLAUSE_END.split(before)[-1]
    negations = [one for one in NEGATION.finditer(clause) if not _of_another_word(one, clause)]
    denied = bool(negations) and _reaches(negations[-1], clause)
    # "Never without reverb": the second negation cancels the first.
    if denied and len(negations) > 1:
        between = clause[negations[-2].end() : negations[-1].start()]
        denied = bool(re.search(r"\b(?:n?or|neither|no)\b", negations[-1][0])) or (
            len(between.split()) > 1
        )
    return denied != bool(AFTER.match(after))


def _of_another_word(negation: re.Match[str], clause: str) -> bool:
    """Whether a negation is joined to another word by a hyphen, as in "non-vocal piano"."""
    rest = clause[negation.end() :]
    return bool(negation["one"]) and rest.startswith("-") and " " in rest


def _reaches(negation: re.Match[str], clause: str) -> bool:
    words = re.findall(r"\w+", clause[negation.end() :].lower())
    return len(words) <= REACH and not (negation["one"] and "and" in words)
