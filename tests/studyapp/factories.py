"""Runs, features and studies for tests: real rows, real small FLAC clips, no pipeline.

`make_run` makes a finished run with a pool of clips; `make_features` gives it labelled features;
`make_study` makes a study of a run (made if none is given), frozen and open unless told otherwise.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from django.conf import settings
from numpy.typing import NDArray

from studyapp.exports import write
from studyapp.models import (
    Clip,
    Exemplar,
    Feature,
    LabelCandidate,
    Run,
    SteeredClip,
    Study,
)
from studyapp.models.steps import paper_steps
from studyapp.studies.services import lifecycle

METHODS = ("descriptors", "corpus-tags")
SAMPLE_RATE = 32_000
WORDS = tuple(
    f"{first} {second}"
    for first, second in itertools.product(
        ("warm", "bright", "slow", "rapid", "dry", "distant", "hushed", "rough"),
        ("strings", "brass", "drums", "bells", "voices", "pads", "plucks", "organs"),
    )
)
"""64 labels that reveal nothing about the method."""


Envelope = Callable[[NDArray[np.float64]], NDArray[np.float64]]
LOUDNESSES: tuple[Envelope, ...] = (
    lambda time: time / time[-1],
    lambda time: np.sin(9 * np.pi * time) ** 2,
    lambda time: np.ones_like(time),
)
"""Growing louder, pulsing, steady."""


def make_run(*, name: str | None = None, clips: int = 12, seconds: float = 1.0) -> Run:
    """A finished run with `clips` real FLAC clips of `seconds` under `EARWITNESS_DATA`."""
    name = name or f"run-{secrets.token_hex(3)}"
    run = Run.objects.create(
        name=name,
        identifier=hashlib.sha256(name.encode()).hexdigest()[:12],
        directory=f"runs/{name}",
        config={"subject": {"hookpoints": ["decoder.layers.2.resid_post"]}},
        state=Run.State.DONE,
    )
    for number in range(clips):
        make_clip(run, number=number, seconds=seconds)
    return run


def make_clip(
    run: Run,
    *,
    number: int = 0,
    seconds: float = 1.0,
    level: float = 0.2,
    envelope: Envelope = lambda time: np.exp(-time),
) -> Clip:
    """One clip: a unique chord, by default decaying, written as the pipeline writes exemplars."""
    rng = np.random.default_rng([number, int(run.identifier, 16)])
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * f * time) for f in 110 * 2 ** rng.uniform(0, 3, size=3))
    samples = level * envelope(time) * tones / 3 + 0.01 * rng.standard_normal(len(time))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    path = f"exemplars/layer2-n64-k4/clips/{sha256}.flac"
    target = Path(settings.DATA) / run.directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(buffer.getvalue())
    return Clip.objects.create(
        run=run, sha256=sha256, path=path, track=f"track-{number:04d}", start_seconds=0.0,
        seconds=seconds, tags=[WORDS[number % len(WORDS)], WORDS[(number + 9) % len(WORDS)]],
    )  # fmt: skip


def make_study_of_loudnesses(**options: Any) -> Study:
    """A study of one feature, whose three sounds differ in how their loudness develops."""
    run = make_run(clips=0)
    for number, envelope in enumerate(LOUDNESSES):
        make_clip(run, number=number, envelope=envelope)
    make_features(run, count=1, exemplars=3)
    return make_study(run=run, features=1, ratings_per_item=9, **options)


def make_features(
    run: Run,
    *,
    count: int = 6,
    methods: Sequence[str] = METHODS,
    candidates: int = 5,
    exemplars: int = 10,
    sae: str = "layer2-n64-k4",
) -> list[Feature]:
    """`count` kept features, each with `exemplars` clips and `candidates` by every method."""
    clips = list(run.clips.order_by("pk"))
    features = [_feature(run, sae, index, count) for index in range(count)]
    Feature.objects.bulk_create(features)
    Exemplar.objects.bulk_create(
        Exemplar(
            feature=feature, clip=clips[(feature.index + rank) % len(clips)], rank=rank + 1,
            mean_activation=1.0 / (rank + 1), peak_seconds=0.1,
        )
        for feature in features
        for rank in range(min(exemplars, len(clips)))
    )  # fmt: skip
    LabelCandidate.objects.bulk_create(
        LabelCandidate(
            feature=feature, method=method, rank=rank + 1, confidence=0.9 - 0.1 * rank,
            text=WORDS[(5 * feature.index + 17 * shift + rank) % len(WORDS)],
        )
        for feature in features
        for shift, method in enumerate(methods)
        for rank in range(candidates)
    )  # fmt: skip
    return features


def make_steered(
    features: Sequence[Feature],
    *,
    sides: Sequence[tuple[str, float]] = (("add", 1.0), ("add", 2.0), ("random-direction", 1.0)),
    seeds: int = 6,
    seconds: float = 1.0,
    envelope: Envelope = lambda time: np.ones_like(time),
) -> None:
    """Steered clips of the features, and one clip without steering for each seed."""
    run = features[0].run
    plain = [make_clip(run, number=9_000 + seed, seconds=seconds) for seed in range(seeds)]
    SteeredClip.objects.bulk_create(
        SteeredClip(
            feature=feature, plain=plain[seed], intervention=name, strength=dose, seed=seed,
            clip=make_clip(
                run, number=10_000 + 997 * n + 31 * seed + number, seconds=seconds,
                envelope=envelope,
            ),
        )
        for n, feature in enumerate(features)
        for number, (name, dose) in enumerate(sides)
        for seed in range(seeds)
    )  # fmt: skip


def make_pair_study(
    *, features: int = 6, trials: int = 3, seconds: float = 1.0, **options: Any
) -> Study:
    """A study of pairs, each a steered clip and the same without steering unless told otherwise."""
    run = make_run()
    made = make_features(run, count=features)
    make_steered(made, seeds=trials, seconds=seconds)
    given: dict[str, Any] = {
        "option_policy": "pair", "contrasts": ["add@1/plain"], "trials_per_participation": trials,
    }  # fmt: skip
    return make_study(run=run, features=features, **given | options)


def _feature(run: Run, sae: str, index: int, count: int) -> Feature:
    neighbours = [f"{sae}/{(index + step) % count}" for step in range(1, min(count, 4))]
    return Feature(
        run=run, identifier=f"{sae}/{index}", sae=sae, hookpoint="decoder.layers.2.resid_post",
        index=index, rate=0.05, mean_activation=0.1, max_activation=2.0, neighbours=neighbours,
    )  # fmt: skip


def make_study(
    *, run: Run | None = None, state: str = Study.State.OPEN, features: int = 6, **options: Any
) -> Study:
    """A study of `run` (default: a new one with `features` features), in that state.

    By default every feature is wanted, each participation has three trials, each item one rating,
    and there are no steps but the paper's.
    """
    if run is None:
        run = make_run()
        make_features(run, count=features, methods=options.get("methods", METHODS))
    given: dict[str, Any] = {
        "slug": f"study-{secrets.token_hex(3)}",
        "title": "What do you hear?",
        "methods": METHODS,
        "seed": 1,
        "features_wanted": features,
        "trials_per_participation": min(3, features),
        "contact": "the researchers at listening@example.org",
        "steps": paper_steps(),
    } | options
    study = lifecycle.create_study(run=run, **given)
    if state != Study.State.DRAFT:
        lifecycle.freeze(study)
    if state in (Study.State.OPEN, Study.State.PAUSED):
        lifecycle.open_study(study)
    if state == Study.State.PAUSED:
        lifecycle.pause(study)
    if state == Study.State.CLOSED:
        lifecycle.close(study)
    return study


def exported(study: Study, table: str) -> tuple[Any, list[dict[str, Any]]]:
    """A table of the study's export: its definition, and its rows by name."""
    file, rows = write.tables(study)[table]
    return file, [file.record(row) for row in rows()]
