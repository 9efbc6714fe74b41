"""Which texts are synonyms: word forms and typing errors are, different words are not."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from fixtures.corpus.concepts import CONCEPTS
from pipeline.clap.transformers_backend import TransformersClap
from pipeline.labelers.synonyms import (
    EmbeddedNaming,
    centred,
    is_slip,
    key_words,
    opposed,
    slips_joined,
    word_groups,
    words_of,
)
from pipeline.labelers.vocabulary import PHRASES

CLAP_NANO = Path(__file__).parents[3] / "fixtures" / "nano" / "clap-nano"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("drums", "Drum"),
        ("a fast beat", "beat, fast"),
        ("the sound of drumming", "drums"),
        ("melodies", "melody"),
        ("High-Pitched flute", "high pitched flutes"),
        ("a tone", "Tones"),
        ("reversed guitar", "reverse guitars"),
        ("hissing", "hiss"),
        ("pulsing, sampled voices", "sample voice; pulse"),
        ("strings and piano", "piano, strings"),
        ("sharp attack, soft decay", "soft decays and sharp attacks"),
        ("guitar with reverb", "reverb guitar"),
        ("rolling bass", "roll basses"),
        ("deep_house", "deep house"),
        ("C♯ minor", "c# minor"),
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
        ("reverb guitar", "reversed guitar"),
        ("lively melody", "lovely melody"),
        ("dreamy pads", "dreary pads"),
        ("harmonica", "harmonics"),
        ("melodica", "melodic"),
        ("steady beat", "steamy beat"),
        ("saxophone", "saxaphone"),
        ("sharp attack, soft decay", "soft attack, sharp decay"),
        ("loud drums soft piano", "soft drums loud piano"),
        ("piano over strings", "strings over piano"),
        ("male voice with female choir", "female voice with male choir"),
        ("drum and bass", "bass drum"),
        ("tape loops", "tap loops"),
        ("tapes", "taps"),
        ("taping", "tapping"),
        ("grime", "grim"),
        ("blues guitar", "blue guitar"),
        ("low to high", "high to low"),
        ("minor to major", "major to minor"),
        ("from dark to bright", "from bright to dark"),
        ("C# minor", "C minor"),
        ("F# major", "F major"),
        ("B♭ major", "B major"),
    ],
)
def test_other_words_are_another_name(one: str, other: str) -> None:
    assert len(set(word_groups([one, other]).values())) == 2
    assert len(set(slips_joined(word_groups([one, other]), {}).values())) == 2


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("saxaphone", "saxophone"),
        ("soft harpsichrod", "soft harpsichord"),
        ("tremollo", "tremolo"),
        ("distroted guitar", "distorted guitars"),
        ("orchesta", "orchestra"),
    ],
)
def test_what_people_typed_wrong_once_is_what_others_typed(slip: str, meant: str) -> None:
    seen = Counter(words_of(slip) + 3 * words_of(meant))
    joined = slips_joined(word_groups([slip, meant, "organ"]), seen)
    assert joined == {slip: meant, meant: meant, "organ": "organ"}
    twice = seen + Counter(words_of(slip))
    assert slips_joined(word_groups([slip, meant]), twice)[slip] == slip
    assert slips_joined(word_groups([slip, meant]), Counter(words_of(slip + " " + meant)))[
        slip
    ] == (slip)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("lively", "lovely"), ("dreamy", "dreary"), ("harmonica", "harmonics"),
        ("melodica", "melodic"), ("steady", "steamy"), ("reverb", "reverse"), ("female", "male"),
    ],
)  # fmt: skip
def test_two_words_are_no_slip_however_rare_one_is(one: str, other: str) -> None:
    for slip, meant in ((one, other), (other, one)):
        assert slips_joined(word_groups([slip, meant]), {slip: 1, meant: 9})[slip] == slip


def test_a_thousand_texts_are_grouped_in_a_blink() -> None:
    """In linear time: comparing all pairs would take a quarter of a second here."""
    texts = [f"{a} {b} {c}s" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzabcd"]
    begun = time.process_time()
    assert len(word_groups(texts)) == 1000
    assert time.process_time() - begun < 0.25


def test_no_two_of_the_descriptors_phrases_are_one_name() -> None:
    assert len(set(word_groups(sorted(PHRASES)).values())) == len(PHRASES)


def test_near_embeddings_are_one_name_unless_opposed() -> None:
    texts = ["quick beat", "hasty pulse", "slow beat", "organ"]
    near = np.array([[1.0, 0.0], [0.999, 0.04], [0.999, 0.03], [0.0, 1.0]])
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    found = EmbeddedNaming(0.95).names(texts, near)
    assert found["hasty pulse"] == "quick beat"
    assert found["organ"] == "organ"
    assert (
        EmbeddedNaming(0.95).names(["fast beat", "slow beat"], near[:2])["slow beat"] == "slow beat"
    )


def test_what_all_texts_share_is_taken_away_before_they_are_compared() -> None:
    """Measured with clap-nano on the planted concepts: a pair is true if both name one concept."""
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
    found = EmbeddedNaming(0.95).names(["one", "two", "three"], np.stack(turned))
    assert found == {"one": "one", "two": "one", "three": "three"}


def test_names_are_those_of_one_text_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the blocks, and however often more texts come."""
    monkeypatch.setattr("pipeline.labelers.synonyms.BLOCK", 7)
    generator = np.random.default_rng(0)
    texts = [f"{a} {b}" for a in ("fast", "slow", "warm", "thin") for b in "abcdefghijklmno"]
    vectors = generator.normal(size=(len(texts), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected: dict[str, str] = {}
    for text, vector in zip(texts, vectors, strict=True):
        leaders = [other for other, name in expected.items() if other == name]
        near = [o for o in leaders if vectors[texts.index(o)] @ vector >= 0.8]
        expected[text] = next((o for o in near if not opposed(text, o)), text)
    assert 5 < len(set(expected.values())) < 50
    naming, found = EmbeddedNaming(0.8), {}
    for part in (slice(0, 3), slice(3, 40), slice(40, None)):
        found |= naming.names(texts[part], vectors[part])
    assert found == expected
    assert naming.names(texts, vectors) == expected


def test_a_text_of_filling_words_alone_keeps_them() -> None:
    assert key_words("The Sound") == (("the", "sound"),)
    assert key_words("!?") == (("!?",),)


def test_a_slip_is_one_letter_inside_a_long_word() -> None:
    assert is_slip("distroted", "distorted")
    assert is_slip("tremollo", "tremolo")
    assert not is_slip("male", "mate")
    assert not is_slip("unmuted", "muted")
    assert not is_slip("lively", "lovely")


def test_opposites_are_known_in_either_order() -> None:
    assert opposed("slow and sad", "fast one")
    assert opposed("without reverb", "reverb")
    assert not opposed("slow tempo", "slow pace")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("from low to high", "high to low"),
        ("minor to major key", "major to minor key"),
        ("C♯ minor", "C minor"),
        ("key of F#", "key of F"),
    ],
)
def test_the_order_of_opposites_and_a_note_keep_near_texts_apart(one: str, other: str) -> None:
    same = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert len(set(EmbeddedNaming(0.9).names([one, other], same).values())) == 2
    assert not opposed(one, f"{one} sound")
