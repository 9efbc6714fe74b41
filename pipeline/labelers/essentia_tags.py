"""`essentia` and `essentia-relative`: the tags of Essentia's classifiers.

`essentia` is the paper's: a feature's exemplars are tagged by every head, probabilities averaged
over them, and the `[essentia] per_head` likeliest tags of each head pooled by probability.
A tag that is true of all music comes out on top everywhere.

`essentia-relative` ranks tags by how far the exemplars stand out from the corpus: each tag's
probability becomes a normal score against the tracks of train and validation, and its effect size
is that of `descriptors`. Confidence is 2Φ(d) − 1; only tags that stand out upwards are names.

Reading: the probability, or its normal score, in each track.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from pipeline import audio
from pipeline.config import RunConfig
from pipeline.errors import PipelineError
from pipeline.essentia_models import metadata
from pipeline.labelers.base import Floats, LabelCandidate, Labeler, LabelingContext, failed
from pipeline.labelers.descriptors import effect_sizes, normal_scores
from pipeline.records import FeatureRecord

FILE = "labels/essentia.safetensors"


@dataclass(frozen=True)
class Tags:
    """Every class of every head, in every track."""

    texts: tuple[str, ...]
    """[tag], as a person reads it; several heads may have the same."""
    heads: tuple[str, ...]
    """[tag]: whose class it is."""
    values: Floats
    """Probability [tag, track]."""


class EssentiaTags(Labeler):
    """Names features by the likeliest tags of their exemplars."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """The models' files."""
        return {"essentia": metadata.fingerprint(config.essentia)}

    def ready(self, config: RunConfig) -> None:
        """The package."""
        if find_spec("essentia") is None:
            raise PipelineError(
                "essentia needs the package essentia-tensorflow: pip install 'earwitness[essentia]'"
            )

    def prepare(self, context: LabelingContext) -> None:
        """Tag the corpus."""
        tags_of(context)

    def label(
        self, context: LabelingContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The pooled top tags of each feature; see the module."""
        tags = tags_of(context)
        for feature in features:
            places = context.exemplar_places(feature.feature)
            if not len(places):
                yield failed(feature.feature, "the feature has no exemplars")
                continue
            means = tags.values[:, places].mean(axis=1)
            chosen = pooled(tags, means, context.config.essentia.per_head)
            corpus = tags.values.mean(axis=1)
            for rank, row in enumerate(chosen[: context.config.labels.candidates], start=1):
                yield LabelCandidate(
                    feature=feature.feature,
                    rank=rank,
                    text=tags.texts[row],
                    confidence=float(np.clip(means[row], 0.0, 1.0)),
                    description=_description(tags, means, corpus, row),
                    provenance=tags.heads[row],
                )

    def reading(self, context: LabelingContext, texts: Sequence[str]) -> Floats:
        """The tag's probability; the largest, where several heads have it."""
        tags = tags_of(context)
        return np.stack([tags.values[_rows(tags, text)].max(axis=0) for text in texts])


class EssentiaRelative(EssentiaTags):
    """Names features by the tags that stand out from the corpus."""

    def label(
        self, context: LabelingContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The tags with the largest effect sizes; see the module."""
        from scipy.special import ndtr

        tags = tags_of(context)
        normal = _normal(context, tags)
        corpus = tags.values.mean(axis=1)
        for feature in features:
            places = context.exemplar_places(feature.feature)
            if not len(places):
                yield failed(feature.feature, "the feature has no exemplars")
                continue
            effects = np.round(effect_sizes(normal[:, places]), 9)
            order = np.lexsort((np.arange(len(effects)), -effects))
            chosen = _first_of_each_text(tags, [int(r) for r in order if effects[r] > 0])
            if not chosen:
                yield failed(feature.feature, "no tag stands out from the corpus")
            means = tags.values[:, places].mean(axis=1)
            for rank, row in enumerate(chosen[: context.config.labels.candidates], start=1):
                yield LabelCandidate(
                    feature=feature.feature,
                    rank=rank,
                    text=tags.texts[row],
                    confidence=float(2.0 * ndtr(effects[row]) - 1.0),
                    description=_description(tags, means, corpus, row),
                    provenance=tags.heads[row],
                )

    def reading(self, context: LabelingContext, texts: Sequence[str]) -> Floats:
        """The normal score of the tag's probability; the largest, where several heads have it."""
        tags = tags_of(context)
        normal = _normal(context, tags)
        return np.stack([normal[_rows(tags, text)].max(axis=0) for text in texts])


def tags_of(context: LabelingContext) -> Tags:
    """Every class of every head in every usable track; predicted once a run."""
    config = context.config.essentia
    heads = metadata.heads(config)
    rows = [f"{r.track} {r.sha256} {r.start_seconds} {r.seconds}" for r in context.tracks]
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    stamp = {"models": metadata.fingerprint(config), "tracks": digest}
    made = context.tables.tensors(FILE, stamp, partial(_predict, context, heads))
    return Tags(
        texts=tuple(readable(label) for head in heads for label in head.classes),
        heads=tuple(head.name for head in heads for _ in head.classes),
        values=np.concatenate([made[head.name].T for head in heads]).astype(np.float64),
    )


def readable(label: str) -> str:
    """A class's name as a person reads it: `Electronic---Deep_House` is `deep house`."""
    return " ".join(label.rpartition("---")[2].replace("_", " ").split()).lower()


def pooled(tags: Tags, means: Floats, per_head: int) -> list[int]:
    """The `per_head` likeliest tags of every head, by probability; each text once."""
    order = np.lexsort((np.arange(len(means)), -np.round(means, 9)))
    taken: dict[str, int] = {}
    chosen = []
    for row in order:
        head = tags.heads[row]
        if taken.get(head, 0) < per_head:
            taken[head] = taken.get(head, 0) + 1
            chosen.append(int(row))
    return _first_of_each_text(tags, chosen)


def _first_of_each_text(tags: Tags, rows: Sequence[int]) -> list[int]:
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(tags.texts[row], row)
    return list(first.values())


def _predict(
    context: LabelingContext, heads: Sequence[metadata.Head]
) -> dict[str, npt.NDArray[np.float32]]:
    """Head to probabilities [track, class]."""
    from pipeline.essentia_models.predict import Predictors

    predictors = Predictors(metadata.folder_of(context.config.essentia), heads)
    context.progress.start("labels essentia", len(context.tracks), "track")
    rows: dict[str, list[npt.NDArray[np.float32]]] = {head.name: [] for head in heads}
    for record in context.tracks:
        sounds = {
            rate: audio.read_mono(
                context.audio_path(record), sample_rate=rate,
                start_seconds=record.start_seconds, seconds=record.seconds,
            )
            for rate in predictors.sample_rates
        }  # fmt: skip
        for name, row in predictors.tags(sounds).items():
            rows[name].append(row)
        context.progress.advance()
    context.progress.finish()
    return {name: np.stack(found) for name, found in rows.items()}


def _normal(context: LabelingContext, tags: Tags) -> Floats:
    """Normal scores [tag, track] against train and validation."""
    reference = context.in_split("train", "validation")
    return np.stack([normal_scores(row, row[reference]) for row in tags.values])


def _rows(tags: Tags, text: str) -> list[int]:
    rows = [row for row, own in enumerate(tags.texts) if own == text]
    if not rows:
        raise PipelineError(f"{text!r} is no class of Essentia's heads")
    return rows


def _description(tags: Tags, means: Floats, corpus: Floats, row: int) -> str:
    return (
        f"probability {means[row]:.2f} over the exemplars, {corpus[row]:.2f} over the corpus "
        f"({tags.heads[row]})"
    )
