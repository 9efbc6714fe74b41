"""The draws are pure functions: rows need not be saved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.core.errors import StudyError
from studyapp.models import Clip, Feature, Run
from studyapp.studies.selectors.studies import Candidate, PooledFeature
from studyapp.studies.services import drawing


def pooled(
    index: int, *, sae: str = "a", texts: tuple[str, ...] = ("x", "y", "z"), clips: int = 10
) -> PooledFeature:
    """A feature `SAE/INDEX` with the texts as method m's candidates, ranks from 1."""
    feature = Feature(run=Run(), identifier=f"{sae}/{index}", sae=sae, index=index)
    candidates = tuple(Candidate(text, rank) for rank, text in enumerate(texts, 1))
    clips_ = tuple(Clip(pk=n, sha256=f"{n:064d}") for n in range(clips))
    return PooledFeature(feature, clips_, {"m": candidates})


def named(index: int, *names: tuple[str, str]) -> PooledFeature:
    """A feature whose candidates have texts and names."""
    rows = tuple(Candidate(text, rank, name) for rank, (text, name) in enumerate(names, 1))
    return replace(pooled(index), candidates={"m": rows})


def test_a_near_synonym_is_not_a_second_option() -> None:
    pool = {
        "a/0": named(0, ("hiss", "hiss"), ("low", "low")),
        "a/1": named(1, ("hissing", "hiss"), ("high", "high")),
        "a/2": named(2, ("noise", "noise"), ("bells", "bells"), ("x", "x")),
        "a/3": named(3, ("choir", "choir")),
    }
    options = drawing.options_by_candidates(pooled=pool["a/0"], method="m", pool=pool, seed=0)
    assert {option["text"] for option in options} == {"hiss", "low", "high", "noise", "choir"}


def test_three_own_candidates_and_three_exemplars_make_a_feature_eligible() -> None:
    assert drawing.reasons_against(pooled(1), ["m"]) == []
    few = pooled(2, texts=("x", "y"), clips=2)
    assert drawing.reasons_against(few, ["m", "n"]) == [
        "fewer than 3 candidates by m",
        "fewer than 3 candidates by n",
        "fewer than 3 exemplars",
    ]


def test_shares_are_by_largest_remainder() -> None:
    kept = {"a": 50, "b": 30, "c": 20}
    assert drawing.shares(kept=kept, eligible=kept, wanted=7) == {"a": 4, "b": 2, "c": 1}


def test_what_an_sae_cannot_give_the_others_give() -> None:
    given_ = drawing.shares(kept={"a": 90, "b": 10}, eligible={"a": 2, "b": 10}, wanted=10)
    assert given_ == {"a": 2, "b": 8}


def test_too_few_eligible_features_are_refused() -> None:
    with pytest.raises(StudyError, match="5 features wanted, 3 are eligible"):
        drawing.shares(kept={"a": 9}, eligible={"a": 3}, wanted=5)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1),
    st.integers(0, 80),
    st.randoms(use_true_random=False),
)
def test_shares_add_up_and_never_pass_what_is_eligible(kept, wanted, rng) -> None:  # type: ignore[no-untyped-def]
    eligible = {sae: rng.randint(0, count) for sae, count in kept.items()}
    if wanted > sum(eligible.values()):
        with pytest.raises(StudyError):
            drawing.shares(kept=kept, eligible=eligible, wanted=wanted)
        return
    shares = drawing.shares(kept=kept, eligible=eligible, wanted=wanted)
    assert sum(shares.values()) == wanted
    assert all(shares[sae] <= eligible[sae] for sae in shares)


def test_the_same_seed_draws_the_same_features_and_another_seed_different_ones() -> None:
    pool = [pooled(index) for index in range(40)]

    def names(seed: int) -> list[str]:
        drawn = drawing.draw_features(pool=pool, methods=["m"], wanted=10, seed=seed)
        return [one.feature.identifier for one in drawn]

    assert names(1) == names(1)
    assert names(1) != names(2)
    assert len(set(names(1))) == 10


def test_clips_are_three_and_in_no_order_of_rank() -> None:
    drawn = [
        [clip.pk for clip in drawing.draw_clips(pooled=pooled(index), seed=5)]
        for index in range(200)
    ]
    assert all(len(set(one)) == 3 for one in drawn)
    rising = sum(one == sorted(one) for one in drawn)
    assert 15 < rising < 55  # a sixth of 200, give or take three standard deviations


def test_five_own_candidates_keep_the_methods_ranks() -> None:
    one = pooled(1, texts=("a", "b", "c", "d", "e", "f"))
    options = drawing.options_by_candidates(pooled=one, method="m", pool={}, seed=1)
    assert [(o["text"], o["source"], o["rank"]) for o in options] == [
        ("a", "m", 1), ("b", "m", 2), ("c", "m", 3), ("d", "m", 4), ("e", "m", 5)
    ]  # fmt: skip


def test_missing_distractors_come_from_the_nearest_neighbours_first() -> None:
    one = pooled(1, texts=("a", "b", "c"))
    one.feature.neighbours = ["a/3", "a/2", "a/99"]
    near, next_, far = pooled(3, texts=("A ", "q")), pooled(2, texts=("r",)), pooled(4)
    pool = {p.feature.identifier: p for p in (one, near, next_, far)}
    options = drawing.options_by_candidates(pooled=one, method="m", pool=pool, seed=1)
    assert [(o["text"], o["source"], o["rank"]) for o in options[3:]] == [
        ("q", "feature:a/3", None),  # its best, `A`, is there already
        ("r", "feature:a/2", None),
    ]


def test_without_neighbours_the_rest_gives_in_seeded_order() -> None:
    one = pooled(0, texts=("a", "b", "c"))
    pool = {f"a/{n}": pooled(n, texts=(f"t{n}",)) for n in range(1, 30)}

    def texts(seed: int) -> list[str]:
        found = drawing.options_by_candidates(pooled=one, method="m", pool=pool, seed=seed)
        return [option["text"] for option in found]

    assert texts(1) == texts(1)
    assert len({tuple(texts(seed)) for seed in range(5)}) > 1


def test_a_method_with_too_few_texts_is_refused() -> None:
    one = pooled(1)
    with pytest.raises(StudyError, match="method m has fewer than 5 different labels"):
        drawing.options_by_candidates(pooled=one, method="m", pool={"a/2": pooled(2)}, seed=1)
