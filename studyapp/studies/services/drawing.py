"""The draws that make a study from a run: features, clips, options. Equal seeds give equal studies.

Every draw has its own random stream, whose name is part of its seed, so that adding a draw does not
change the others.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import TypedDict

from studyapp.core.errors import StudyError
from studyapp.core.text import fold
from studyapp.models import Clip, Run, Study
from studyapp.studies import contrasts
from studyapp.studies.contrasts import PROMPT, Contrast, Side
from studyapp.studies.selectors.studies import Candidate, PooledFeature

OPTIONS = 5
OWN_CANDIDATES = 3
"""A feature needs this many distinct candidates from every method."""
CLIPS = 3
ALIKE = 4
"""Clips of the feature among which an intruder is hidden."""
THIRDS = ("low", "middle", "high")
STRATA = ("sae", "layer", "rate", "score")
"""What features can be stratified by; rate and score in thirds of the kept features."""


class Option(TypedDict):
    """One stored option: `rank` is the method's, null for a label of another feature."""

    text: str
    source: str
    rank: int | None


def stream(seed: int, name: str) -> random.Random:
    """The seed's random stream of that name; it is the same in every version of Python."""
    return random.Random(f"{seed}:{name}")  # noqa: S311 - a draw that can be repeated, not a secret


Reasons = Callable[[PooledFeature, Iterable[str]], list[str]]
"""Says why a feature cannot be in a study of these methods; nothing if it can be."""


def reasons_of(study: Study) -> Reasons:
    """What decides which features can be in a study of that kind of trial."""
    if study.kind.steered:
        return partial(_reasons_against_pairs, [contrasts.read(one) for one in study.contrasts])
    if not study.kind.has_labels:
        return _reasons_against_intruders
    return reasons_against


def reasons_against(pooled: PooledFeature, methods: Iterable[str]) -> list[str]:
    """Why the feature cannot be in a study of these methods that shows labels."""
    reasons = [
        f"fewer than {OWN_CANDIDATES} candidates by {method}"
        for method in methods
        if len(pooled.candidates.get(method, ())) < OWN_CANDIDATES
    ]
    if len(pooled.clips) < CLIPS:
        reasons.append(f"fewer than {CLIPS} exemplars")
    return reasons


def _reasons_against_pairs(
    wanted: Sequence[Contrast], pooled: PooledFeature, methods: Iterable[str]
) -> list[str]:
    reasons = [f"no label by {one}" for one in methods if not pooled.candidates.get(one)]
    missing = [side for side in sides_of(wanted) if not _seeds(pooled, side)]
    if missing:
        return [*reasons, *(f"no steered clip of {side}" for side in missing)]
    if not common_seeds(pooled, wanted):
        reasons.append("no seed that all contrasts have")
    asked = [clip.prompt for (name, _, _), clip in pooled.steered.items() if name == PROMPT]
    if any(side.intervention == PROMPT for side in sides_of(wanted)):
        # The prompt had one method's label; it would be unfair to ask about another's.
        reasons += [
            f"prompted with another label than {method}'s"
            for method in methods
            if pooled.candidates.get(method)
            and not any(fold(best(pooled, method).text) in fold(text) for text in asked)
        ]
    return reasons


def _reasons_against_intruders(pooled: PooledFeature, methods: Iterable[str]) -> list[str]:
    return [] if len(pooled.clips) >= ALIKE else [f"fewer than {ALIKE} exemplars"]


def draw_intruder(
    *, pooled: PooledFeature, pool: Sequence[PooledFeature], seed: int
) -> tuple[Clip, list[Clip]]:
    """A clip of another feature, and four of the feature's own.

    The other feature is of the same run and SAE and no near neighbour, the clip no exemplar of the
    feature and of none of its tracks. Raises `StudyError` if there is none.
    """
    here, lot = pooled.feature, stream(seed, f"intruder:{pooled.feature.identifier}")
    own = lot.sample(pooled.clips, ALIKE)
    known, tracks = {clip.pk for clip in pooled.clips}, {clip.track for clip in pooled.clips}
    near = {here.identifier, *here.neighbours}
    others = [
        one
        for one in pool
        if one.feature.run_id == here.run_id
        and one.feature.sae == here.sae
        and one.feature.identifier not in near
    ]
    lot.shuffle(others)
    for other in others:
        clips = [one for one in other.clips if one.pk not in known and one.track not in tracks]
        if clips:
            return lot.choice(clips), own
    raise StudyError(f"no other feature of {here.sae} has a clip that could be {here}'s intruder")


def sides_of(wanted: Iterable[Contrast]) -> list[Side]:
    """The generated clips that these contrasts need, besides those without steering."""
    sides = dict.fromkeys(side for one in wanted for side in one.sides)
    return [side for side in sides if side.intervention]


def common_seeds(pooled: PooledFeature, wanted: Sequence[Contrast]) -> set[int]:
    """The seeds for which the feature has every clip that the contrasts need."""
    return set.intersection(*(_seeds(pooled, side) for side in sides_of(wanted)))


def _seeds(pooled: PooledFeature, side: Side) -> set[int]:
    return {seed for name, dose, seed in pooled.steered if Side(name, dose) == side}


def draw_seeds(
    *, drawn: Sequence[PooledFeature], wanted: Sequence[Contrast], seed: int
) -> list[int]:
    """For each feature the seed of its clips, so that all seeds are used about equally often.

    The clip without steering is the same for all features of a seed, and nobody may hear it twice:
    whoever recognised it would know which sound is steered.
    """
    lot, used = stream(seed, "seeds"), Counter[int]()
    chosen: list[int] = []
    for pooled in drawn:
        offered = sorted(common_seeds(pooled, wanted))
        lot.shuffle(offered)
        chosen.append(min(offered, key=lambda one: used[one]))
        used[chosen[-1]] += 1
    return chosen


def shares(
    *,
    kept: Mapping[str, int],
    eligible: Mapping[str, int],
    wanted: int,
    lot: random.Random | None = None,
) -> dict[str, int]:
    """How many features each stratum contributes: in proportion to `kept`, at most `eligible`.

    By largest remainder. What a stratum lacks is shared among the others in the same way. Equal
    remainders go to the first name, or by lot.
    """
    names = sorted(eligible)
    if lot is not None:
        lot.shuffle(names)
    given = dict.fromkeys(names, 0)
    while (missing := wanted - sum(given.values())) > 0:
        room = [sae for sae in given if given[sae] < eligible[sae]]
        if not room:
            raise StudyError(f"{wanted} features wanted, {sum(given.values())} are eligible")
        for sae, more in _largest_remainder({sae: kept[sae] for sae in room}, missing).items():
            given[sae] = min(given[sae] + more, eligible[sae])
    return given


def draw_features(
    *,
    pool: Sequence[PooledFeature],
    methods: Sequence[str],
    wanted: int,
    seed: int,
    strata: Sequence[str] = ("sae",),
    reasons: Reasons = reasons_against,
) -> list[PooledFeature]:
    """`wanted` eligible features, stratified, in random order.

    Features are drawn from each stratum in proportion to its share of the pool, level by level:
    from each layer in its SAE, from each third in its layer. Raises `StudyError` if fewer than
    `wanted` are eligible.
    """
    stratum = strata_of(pool, strata)
    eligible = [pooled for pooled in pool if not reasons(pooled, methods)]
    given = _nested(
        kept=Counter(stratum[key(pooled)] for pooled in pool),
        eligible=Counter(stratum[key(pooled)] for pooled in eligible),
        wanted=wanted,
        seed=seed,
    )
    drawn: list[PooledFeature] = []
    for name, count in given.items():
        own = [pooled for pooled in eligible if stratum[key(pooled)] == name]
        drawn += stream(seed, f"features:{', '.join(name)}").sample(own, count)
    return in_order(drawn, seed)


def in_order(drawn: Iterable[PooledFeature], seed: int) -> list[PooledFeature]:
    """The chosen features in random order, whatever they were chosen from."""
    ordered = sorted(drawn, key=lambda one: (one.feature.run.identifier, one.feature.identifier))
    stream(seed, "order").shuffle(ordered)
    return ordered


Stratum = tuple[str, ...]


def _nested(
    *,
    kept: Mapping[Stratum, int],
    eligible: Mapping[Stratum, int],
    wanted: int,
    seed: int,
    above: Stratum = (),
) -> dict[Stratum, int]:
    """Shares level by level, so that a stratum of many small ones is not rounded away."""
    depth = len(above)
    if depth == len(next(iter(kept), ())):
        if wanted > eligible.get(above, 0):
            raise StudyError(f"{wanted} features wanted, {eligible.get(above, 0)} are eligible")
        return {above: wanted}
    sums: list[dict[str, int]] = [{}, {}]
    for total, counts in zip(sums, (kept, eligible), strict=True):
        for names, count in counts.items():
            total[names[depth]] = total.get(names[depth], 0) + count
    lot = stream(seed, f"ties:{', '.join(above)}") if depth else None
    given: dict[Stratum, int] = {}
    for part, count in shares(kept=sums[0], eligible=sums[1], wanted=wanted, lot=lot).items():
        own = [{k: v for k, v in each.items() if k[depth] == part} for each in (kept, eligible)]
        given |= _nested(
            kept=own[0], eligible=own[1], wanted=count, seed=seed, above=(*above, part)
        )
    return given


Key = tuple[int | None, str]


def key(pooled: PooledFeature) -> Key:
    """Tells features of several runs apart."""
    return (pooled.feature.run_id, pooled.feature.identifier)


def strata_of(pool: Sequence[PooledFeature], by: Sequence[str]) -> dict[Key, Stratum]:
    """Feature → its stratum, one name per level."""
    several_runs = len({pooled.feature.run_id for pooled in pool}) > 1
    thirds = {name: _thirds(pool, name) for name in ("rate", "score") if name in by}
    names: dict[Key, Stratum] = {}
    for pooled in pool:
        feature = pooled.feature
        parts = [feature.run.identifier] if several_runs and "sae" in by else []
        parts += [feature.sae] if "sae" in by else []
        parts += [f"layer {feature.layer}"] if "layer" in by else []
        parts += [f"{name} {of[key(pooled)]}" for name, of in thirds.items()]
        names[key(pooled)] = tuple(parts)
    return names


def _thirds(pool: Sequence[PooledFeature], name: str) -> dict[Key, str]:
    """Feature → `low`, `middle` or `high` by its rank among all; `none` without a value."""
    names: dict[Key, str] = {key(pooled): "none" for pooled in pool}
    having = [pooled for pooled in pool if getattr(pooled.feature, name) is not None]
    having.sort(key=lambda pooled: (getattr(pooled.feature, name), pooled.feature.identifier))
    for place, pooled in enumerate(having):
        names[key(pooled)] = THIRDS[3 * place // len(having)]
    return names


def draw_clips(*, pooled: PooledFeature, seed: int) -> list[Clip]:
    """Three clips of the top exemplars, in random order, so that the order does not reveal the
    rank. A table of items that names three has chosen them, and their order."""
    if pooled.feature.run.origin == Run.Origin.ITEMS and len(pooled.clips) == CLIPS:
        return list(pooled.clips)
    return stream(seed, f"clips:{pooled.feature.identifier}").sample(pooled.clips, CLIPS)


def options_by_candidates(
    *, pooled: PooledFeature, method: str, pool: Mapping[str, PooledFeature], seed: int
) -> list[Option]:
    """The method's five best candidates, completed by its candidates for other features.

    Other features come by decoder similarity, nearest first, then in seeded order. Each gives one
    text, its best that is not there yet. Raises `StudyError` if the method has fewer than five
    distinct texts.
    """
    own = pooled.candidates[method][:OPTIONS]
    options = [Option(text=one.text, source=method, rank=one.rank) for one in own]
    taken = {one.key for one in own}
    for donor in _donors(pooled, pool, seed):
        if len(options) == OPTIONS:
            break
        new = _best_new(donor.candidates.get(method, ()), taken)
        if new:
            taken.add(new.key)
            source = f"feature:{donor.feature.identifier}"
            options.append(Option(text=new.text, source=source, rank=None))
    if len(options) < OPTIONS:
        raise StudyError(f"method {method} has fewer than {OPTIONS} different labels in this run")
    return options


def label_halves(
    *, drawn: Sequence[PooledFeature], methods: Sequence[str], seed: int
) -> dict[str, int]:
    """Folded target text → 0 or 1, so that both halves have about as many items.

    A participation with items of one half never sees one of its targets as a distractor, as long as
    every distractor is from the other half or no target at all.
    """
    counts = Counter(best(one, method).key for one in drawn for method in methods)
    texts = sorted(counts)
    stream(seed, "halves").shuffle(texts)
    texts.sort(key=lambda text: -counts[text])
    sizes, halves = [0, 0], dict[str, int]()
    for text in texts:
        halves[text] = int(sizes[1] < sizes[0])
        sizes[halves[text]] += counts[text]
    return halves


def options_by_identification(
    *,
    pooled: PooledFeature,
    method: str,
    pool: Mapping[str, PooledFeature],
    halves: Mapping[str, int],
    seed: int,
) -> list[Option]:
    """The method's best candidate for the feature, first, and its best for four other features.

    Those are drawn at random among the features whose text is none of this feature's candidates;
    texts that are no target in the item's own half come first. Raises `StudyError` if the method
    has too few different texts.
    """
    target = best(pooled, method)
    options = [Option(text=target.text, source=method, rank=target.rank)]
    own = {one.key for one in pooled.candidates[method]}
    others = sorted(set(pool) - {pooled.feature.identifier})
    stream(seed, f"distractors:{method}:{pooled.feature.identifier}").shuffle(others)
    donors = [pool[name] for name in others if pool[name].candidates.get(method)]
    half = halves[target.key]
    donors.sort(key=lambda donor: halves.get(best(donor, method).key) == half)
    for donor in donors:
        new = best(donor, method)
        if len(options) < OPTIONS and new.key not in own:
            own.add(new.key)
            source = f"feature:{donor.feature.identifier}"
            options.append(Option(text=new.text, source=source, rank=None))
    if len(options) < OPTIONS:
        raise StudyError(f"method {method} has fewer than {OPTIONS} different labels in this run")
    return options


def best(pooled: PooledFeature, method: str) -> Candidate:
    """The method's best candidate for the feature."""
    return pooled.candidates[method][0]


def _donors(
    pooled: PooledFeature, pool: Mapping[str, PooledFeature], seed: int
) -> Iterable[PooledFeature]:
    here = pooled.feature.identifier
    near = [name for name in pooled.feature.neighbours if name in pool and name != here]
    others = sorted(set(pool) - set(near) - {here})
    stream(seed, f"donors:{here}").shuffle(others)
    return (pool[name] for name in (*near, *others))


def _best_new(candidates: Sequence[Candidate], taken: Set[str]) -> Candidate | None:
    """The best candidate that is not `taken`."""
    return next((one for one in candidates if one.key not in taken), None)


def _largest_remainder(weights: Mapping[str, int], total: int) -> dict[str, int]:
    """Share `total` in whole numbers in proportion to the weights; ties go to the first."""
    whole = sum(weights.values())
    exact = {name: total * weight / whole for name, weight in weights.items()}
    given = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: given[name] - exact[name])
    for name in by_remainder[: total - sum(given.values())]:
        given[name] += 1
    return given
