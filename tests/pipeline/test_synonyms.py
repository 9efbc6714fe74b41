"""Which texts are one name: word forms and slips are, opposites and other words are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.corpus.concepts import CONCEPTS
from pipeline.clap.transformers_backend import TransformersClap
from pipeline.labelers.vocabulary import PHRASES
from pipeline.synonyms import centred, embedded_groups, is_slip, key_words, opposed, word_groups

CLAP_NANO = Path(__file__).parents[2] / "fixtures" / "nano" / "clap-nano"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("drums", "Drum"),
        ("a fast beat", "beat, fast"),
        ("the sound of drumming", "drums"),
        ("saxophone", "saxaphone"),
        ("harpsichord", "harpsichrod"),
        ("melodies", "melody"),
    ],
)
def test_forms_of_the_same_words_are_one_name(one: str, other: str) -> None:
    assert len(set(word_groups([one, other]).values())) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("fast pace", "slow pace"),
        ("drums", "no drums"),
        ("major key", "minor key"),
        ("flute", "lute"),
        ("bass", "base"),
        ("tonal", "atonal"),
        ("church organ", "church choir"),
    ],
)
def test_other_words_are_another_name(one: str, other: str) -> None:
    assert len(set(word_groups([one, other]).values())) == 2


def test_no_two_of_the_descriptors_phrases_are_one_name() -> None:
    assert len(set(word_groups(sorted(PHRASES)).values())) == len(PHRASES)


def test_near_embeddings_are_one_name_unless_opposed() -> None:
    texts = ["quick beat", "hasty pulse", "slow beat", "organ"]
    near = np.array([[1.0, 0.0], [0.999, 0.04], [0.999, 0.03], [0.0, 1.0]])
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    found = embedded_groups(texts, near, 0.95)
    assert found["hasty pulse"] == "quick beat"
    assert found["organ"] == "organ"
    assert embedded_groups(["fast beat", "slow beat"], near[:2], 0.95)["slow beat"] == "slow beat"


def test_what_all_texts_share_is_taken_away_before_they_are_compared() -> None:
    """Measured on clap-nano and the planted concepts: a pair is true if it is of one concept."""
    model = TransformersClap(str(CLAP_NANO))
    texts = [(text, one.name) for one in CONCEPTS for text in (one.name, *one.synonyms)]
    embeddings = model.embed_texts([text for text, _ in texts])
    owner = np.array([name for _, name in texts])
    first, second = np.triu_indices(len(texts), 1)
    same = owner[first] == owner[second]
    apart = centred(embeddings, model.embed_texts(sorted(PHRASES)))
    raw, cosines = ((rows @ rows.T)[first, second] for rows in (embeddings, apart))
    assert (raw[~same] >= 0.98).mean() > 0.5
    assert (cosines[~same] >= 0.98).mean() < 0.02
    assert (cosines[same] >= 0.98).mean() > 0.5
    np.testing.assert_allclose(np.linalg.norm(apart, axis=1), 1, atol=1e-5)


def test_likeness_does_not_chain() -> None:
    turned = [np.array([np.cos(a), np.sin(a)]) for a in (0.0, 0.3, 0.6)]
    found = embedded_groups(["one", "two", "three"], np.stack(turned), 0.95)
    assert found == {"one": "one", "two": "one", "three": "three"}


def test_a_text_of_filling_words_alone_keeps_them() -> None:
    assert key_words("The Sound") == ("sound", "the")
    assert key_words("!?") == ("!?",)


def test_a_slip_is_one_letter_in_a_long_word() -> None:
    assert is_slip("distorted", "distroted")
    assert is_slip("tremolo", "tremollo")
    assert not is_slip("male", "mate")
    assert not is_slip("unmuted", "muted")


def test_opposites_are_known_in_either_order() -> None:
    assert opposed("slow and sad", "fast one")
    assert opposed("without reverb", "reverb")
    assert not opposed("slow tempo", "slow pace")
