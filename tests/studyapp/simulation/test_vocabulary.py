"""What names mean to listeners, who know the corpus's concepts and the labeler's phrases."""

from __future__ import annotations

import pytest

from fixtures.corpus.concepts import CONCEPTS, as_document
from pipeline.labelers.vocabulary import PHRASES as LABELER_PHRASES
from studyapp.simulation.phrases import PHRASES
from studyapp.simulation.vocabulary import Vocabulary, weights


@pytest.fixture
def vocabulary() -> Vocabulary:
    """A few concepts, two of which contain each other's names."""
    synonyms = {
        "piano": ["grand piano"], "electric piano": ["rhodes"], "harpsichord": ["cembalo"],
        "slow tempo": ["slow"], "fast tempo": ["fast"], "minor key": ["minor"], "solo": [],
    }  # fmt: skip
    return Vocabulary({"name": name, "synonyms": more} for name, more in synonyms.items())


def test_a_concept_weighs_the_squared_share_of_the_clips() -> None:
    tags = [["piano", "solo"], ["piano", "solo"], ["piano", "echo", "echo"]]
    assert weights(tags) == {"piano": 1.0, "solo": (2 / 3) ** 2, "echo": (1 / 3) ** 2}


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("Electric  Piano", {"electric piano"}),
        ("an electric piano somewhere", {"electric piano"}),
        ("cembalo", {"harpsichord"}),
        ("a slow, minor tune", {"slow tempo", "minor key"}),
        ("pianoforte", {"pianoforte"}),
        ("fast pace", {"fast tempo"}),
    ],
)
def test_a_name_means(vocabulary: Vocabulary, name: str, meaning: set[str]) -> None:
    assert vocabulary.meaning(name) == meaning


def test_a_name_fits_as_well_as_its_heaviest_concept(vocabulary: Vocabulary) -> None:
    tags = [["piano", "solo"], ["piano", "solo"], ["piano"]]
    assert vocabulary.fits(tags, ["piano", "solo", "trumpet", "solo piano"]) == [1, 4 / 9, 0, 1]


def test_the_demo_corpus_brings_its_own_words() -> None:
    vocabulary = Vocabulary(as_document()["concepts"])
    concept = CONCEPTS[0]
    assert vocabulary.meaning(concept.synonyms[0]) >= {concept.name}


def test_without_concepts_a_name_means_the_tag_of_that_text() -> None:
    assert Vocabulary([]).fits([["warm bells"]] * 3, ["Warm bells", "cold bells"]) == [1, 0]


def test_the_phrases_are_the_labelers_own() -> None:
    assert set(PHRASES) <= set(LABELER_PHRASES)


def test_every_phrase_means_concepts_of_the_demo_corpus() -> None:
    known = {concept.name for concept in CONCEPTS}
    assert {name for meaning in PHRASES.values() for name in meaning} <= known
    assert all(PHRASES.values())
