"""Texts that say a thing is there, and texts that say it is not."""

from __future__ import annotations

import pytest

from fixtures.corpus.concepts import CONCEPTS
from pipeline.recovery.mentions import says
from pipeline.recovery.naming import names_concept

DENIALS = (
    "no {}", "No {}", "not {}", "non-{}", "non {}", "without {}", "without any {}",
    "without much of the usual {}", "lack of {}", "lacks {}", "lacking in {}", "absence of {}",
    "complete absence of {} here", "free of {}", "free from {}", "{}-free", "devoid of {}",
    "never {}", "hardly any {}", "isn't {}", "doesn’t have {}", "minus {}", "sans {}",
    "neither loud nor {}", "drums, no {}", "dry (no {})", "slow but not {}", "{} absent",
    "{} is missing", "anything except {}", "bright instead of {}", "no drums or {}",
    "without drums and {}", "no drums, no {}", "{}-free ambient pads", "{}-free jazz", "missing {}",
    "{} not present", "{} isn't present", "no drums, {} or vocals", "no drums, vocals, or {}",
    "without drums, loud vocals or {}", "no non-vocal {}",
)  # fmt: skip
AFFIRMATIONS = (
    "{}", "A {}, slowly", "{}-like", "no drums, {}", "no drums but {}", "no drums and {}",
    "without drums, with {}", "not only {} but more", "never without {}", "no lack of {}",
    "instrumental without vocals featuring {}", "dry; {}", "nothing but {}", "piano (no drums) {}",
    "{} and no drums", "{}, not drums", "{} without drums", "non-vocal {}", "un-pitched {}",
    "anti-war {}", "{} free jazz", "drum-free {}", "drums missing, {}", "missing drums and {}",
    "no drums, piano and {}",
)  # fmt: skip


@pytest.mark.parametrize("phrase", ["deep bass", "reverb", "8-bit"])
@pytest.mark.parametrize("text", DENIALS)
def test_a_text_that_denies_a_thing_does_not_name_it(text: str, phrase: str) -> None:
    assert not says(text.format(phrase), phrase)


@pytest.mark.parametrize("phrase", ["deep bass", "reverb", "8-bit"])
@pytest.mark.parametrize("text", AFFIRMATIONS)
def test_a_text_that_says_a_thing_is_there_names_it(text: str, phrase: str) -> None:
    assert says(text.format(phrase), phrase)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("non-distorted electric guitar", "electric guitar"),
        ("non-vocal piano", "piano"),
        ("un-pitched percussion", "percussion"),
    ],
)
def test_a_negation_tied_to_a_word_denies_that_word_only(text: str, phrase: str) -> None:
    assert says(text, phrase)
    assert not says(text, text.partition(" ")[0].partition("-")[2])


def test_a_concept_that_is_an_absence_is_named_by_every_denial_and_not_by_the_thing() -> None:
    words = ["no drums", "drumless", "without percussion", "beatless"]
    for text in DENIALS:
        for thing in ("drums", "percussion"):
            assert names_concept(text.format(thing), words), text
    for text in ("drumless", "slow, beatless", "No drums", "bass without percussion"):
        assert names_concept(text, words)
    for text in ("drums", "taiko drums", "percussion", "never without drums", "not drumless"):
        assert not names_concept(text, words)


def test_every_planted_concept_is_named_by_its_words_and_by_no_denial() -> None:
    for concept in CONCEPTS:
        for word in (concept.name, *concept.synonyms):
            assert says(word, word)
            assert says(f"a {word} in the middle", word)
            thing = word.removeprefix("no ").removeprefix("without ")
            assert not says(f"no {word}" if thing == word else f"never without {thing}", word)
