"""`essentia`, `essentia-paper` and `essentia-relative`: the tags of Essentia's classifiers.

`essentia` ranks tags by how far the exemplars stand out from the corpus. Let p be the probability
of tag c in track t and x = log(p / (1 − p)). The tracks of train and validation give each tag a
mean and a standard deviation (`spread`) of x. The score of a tag for a feature is

    s_c = min(1, p̄_c / `FLOOR`) · mean over exemplars of (x_ct − mean_c) / spread_c

where p̄_c is the mean probability over the exemplars; the factor keeps a tag that is nearly absent
from the exemplars from winning because it is even rarer elsewhere. Each head gives at most
`[essentia] per_head` tags; a head with two classes gives only the class that stands out, and only
if it is also the more probable one. Confidence is 2Φ(s̃ / √2) − 1, with s̃ shrunk as in
`descriptors`.

`essentia-paper` is the paper's method: probabilities are averaged over the exemplars, and the most
probable `per_head` tags per head are pooled. The more probable class of a two-class head
exceeds 0.5 by construction, which one of 400 genres rarely does, so these heads rank highest for
most features. Only their more probable class is a candidate, so that no feature gets both.

`essentia-relative` ranks by effect sizes, like `descriptors`: each tag's probability becomes a
normal score against train and validation. Confidence is 2Φ(d) − 1; only tags that are more probable
in the exemplars than in the corpus become labels.

The reading of a track is the standardised log-odds, the probability or its normal score,
respectively.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt

from pipeline.config import RunConfig
from pipeline.context import Floats, SaeContext
from pipeline.corpus import audio
from pipeline.errors import PipelineError
from pipeline.labelers.base import Labeler, failed
from pipeline.labelers.descriptors import PRIOR_MEAN, effect_sizes, normal_scores
from pipeline.labelers.essentia import metadata
from pipeline.store.tables import FeatureRecord, LabelCandidate, TrackRecord

FILE = "labels/essentia.safetensors"
FLOOR = 0.05
"""Mean probability over the exemplars below which a tag's score is scaled down."""
SMALLEST = 1e-6
"""Probabilities are clipped to this distance from 0 and 1, which float32 sigmoids reach."""
RANKING = "essentia ranks by what stands out from the corpus (the paper's is essentia-paper), "
"""Part of a run's key, since earlier labels under the name `essentia` were the paper's method."""


def advice(python: tuple[int, int]) -> str:
    """How to install the package on Python `python`, (major, minor)."""
    if python == (3, 11):
        return "pip install '.[essentia]'"
    return (
        f"its wheel is for Python 3.11 only, and this is Python {python[0]}.{python[1]}; install "
        "Earwitness with Python 3.11, or remove Essentia's methods from [labels] methods"
    )


@dataclass(frozen=True)
class Tags:
    """The probability of every class of every head, in every track."""

    texts: tuple[str, ...]
    """[tag]: readable text; several heads may have the same one."""
    heads: tuple[str, ...]
    """[tag]: the head that the class belongs to."""
    values: Floats
    """Probability [tag, track]."""

    @cached_property
    def two_class(self) -> npt.NDArray[np.bool_]:
        """[tag]: whether its head has exactly two classes, which are opposites."""
        sizes = Counter(self.heads)
        return np.asarray([sizes[head] == 2 for head in self.heads], dtype=bool)


class Essentia(Labeler):
    """Labels features with the tags that stand out from the corpus."""

    def outside(self, config: RunConfig) -> Mapping[str, str]:
        """Fingerprint of the models' files and of the ranking."""
        return {"essentia": RANKING + metadata.fingerprint(config.essentia)}

    def ready(self, config: RunConfig) -> None:
        """Raise `PipelineError` if the package or the models are missing."""
        if find_spec("essentia") is None:
            raise PipelineError(
                f"essentia needs the package essentia-tensorflow: {advice(sys.version_info[:2])}"
            )
        metadata.heads(config.essentia)

    def shared(self) -> Mapping[str, Callable[[SaeContext], object]]:
        """The tags of all usable tracks."""
        return {"essentia": tags_of}

    def label(
        self, context: SaeContext, features: Sequence[FeatureRecord]
    ) -> Iterator[LabelCandidate]:
        """The best tags of each feature by the method's ranking; see the module docstring."""
        tags = tags_of(context)
        scores = self._scores(context, tags)
        corpus = tags.values.mean(axis=1)
        for feature in features:
            places = context.exemplar_places(feature.feature)
            if not len(places):
                yield failed(feature.feature, "the feature has no exemplars")
                continue
            means = tags.values[:, places].mean(axis=1)
            standing, confidence = self._standing(tags, scores[:, places], means)
            chosen = self._chosen(tags, standing, context.config)
            if not chosen:
                yield failed(feature.feature, "no tag stands out from the corpus")
            for rank, row in enumerate(chosen[: context.config.labels.candidates], start=1):
                yield LabelCandidate(
                    feature=feature.feature,
                    rank=rank,
                    text=tags.texts[row],
                    confidence=float(np.clip(confidence[row], 0.0, 1.0)),
                    description=_description(tags, means, corpus, row),
                    provenance=tags.heads[row],
                )

    def reading(self, context: SaeContext, texts: Sequence[str]) -> Floats:
        """The tag's score in each track [text, track]; the largest if several heads have it."""
        tags = tags_of(context)
        scores = self._scores(context, tags)
        result = np.zeros((len(texts), scores.shape[1]))
        for place, text in enumerate(texts):
            result[place] = scores[_rows(tags, text)].max(axis=0)
        return result

    def _scores(self, context: SaeContext, tags: Tags) -> Floats:
        """[tag, track]: log-odds, standardised by the mean and deviation over the reference."""
        inside = np.clip(tags.values, SMALLEST, 1.0 - SMALLEST)
        odds = np.log(inside) - np.log1p(-inside)
        reference = odds[:, context.in_split("train", "validation")]
        spread = reference.std(axis=1, keepdims=True)
        # A tag that has the same value in all tracks does not stand out in any.
        apart = odds - reference.mean(axis=1, keepdims=True)
        return np.asarray(np.where(spread > 0, apart / np.where(spread > 0, spread, 1.0), 0.0))

    def _standing(self, tags: Tags, scores: Floats, means: Floats) -> tuple[Floats, Floats]:
        """Ranking score and confidence [tag] from the exemplars' scores [tag, exemplar] and
        `means`, their mean probability [tag]. A tag with a score of 0 or less is not a label."""
        from scipy.special import ndtr

        weight = np.where(tags.two_class, means > 0.5, np.minimum(1.0, means / FLOOR))
        standing = weight * scores.mean(axis=1)
        n = scores.shape[1]
        return standing, 2.0 * ndtr(standing * n / (n + PRIOR_MEAN) / np.sqrt(2.0)) - 1.0

    def _chosen(self, tags: Tags, standing: Floats, config: RunConfig) -> list[int]:
        """Rows of the chosen tags, by descending score."""
        return pooled(tags, standing, config.essentia.per_head)


class EssentiaPaper(Essentia):
    """Labels features with the most probable tags of their exemplars, as in the paper."""

    def _scores(self, context: SaeContext, tags: Tags) -> Floats:
        return tags.values

    def _standing(self, tags: Tags, scores: Floats, means: Floats) -> tuple[Floats, Floats]:
        return means, means


class EssentiaRelative(Essentia):
    """Labels features with the tags whose normal scores stand out from the corpus."""

    def _scores(self, context: SaeContext, tags: Tags) -> Floats:
        """[tag, track]: normal scores of the probabilities against train and validation."""
        reference = context.in_split("train", "validation")
        return np.stack([normal_scores(row, row[reference]) for row in tags.values])

    def _standing(self, tags: Tags, scores: Floats, means: Floats) -> tuple[Floats, Floats]:
        from scipy.special import ndtr

        effects = np.round(effect_sizes(scores), 9)
        return effects, 2.0 * ndtr(effects) - 1.0

    def _chosen(self, tags: Tags, standing: Floats, config: RunConfig) -> list[int]:
        return pooled(tags, standing, len(standing))


def tags_of(context: SaeContext) -> Tags:
    """Every class of every head in every usable track; predicted once per run."""
    config = context.config.essentia
    heads = metadata.heads(config)
    stamp = {
        "models": metadata.fingerprint(config), "tracks": tracks_digest(context.tracks),
    }  # fmt: skip
    made = context.tables.tensors(FILE, stamp, partial(_predict, context, heads))
    return Tags(
        texts=tuple(readable(label) for head in heads for label in head.classes),
        heads=tuple(head.name for head in heads for _ in head.classes),
        values=np.concatenate([made[head.name].T for head in heads]).astype(np.float64),
    )


def tracks_digest(tracks: Sequence[TrackRecord]) -> str:
    """SHA-256 over the excerpt used of each track, in order."""
    rows = [f"{r.track} {r.sha256} {r.start_seconds} {r.seconds}" for r in tracks]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def readable(label: str) -> str:
    """A class's name in readable form: `Electronic---Deep_House` becomes `deep house`."""
    return " ".join(label.rpartition("---")[2].replace("_", " ").split()).lower()


def pooled(tags: Tags, standing: Floats, per_head: int) -> list[int]:
    """Rows of the tags whose score `standing` [tag] is positive, highest first: at most `per_head`
    per head, one for a head with two classes, and each text once."""
    # Rounded, so that a difference in the last bit between machines cannot swap two equal tags.
    order = np.lexsort((np.arange(len(standing)), -np.round(standing, 9)))
    taken: Counter[str] = Counter()
    first: dict[str, int] = {}
    for row in (int(place) for place in order if standing[place] > 0):
        if taken[tags.heads[row]] < (1 if tags.two_class[row] else per_head):
            taken[tags.heads[row]] += 1
            first.setdefault(tags.texts[row], row)
    return list(first.values())


def _predict(
    context: SaeContext, heads: Sequence[metadata.Head]
) -> dict[str, npt.NDArray[np.float32]]:
    """Probabilities [track, class] of each head."""
    from pipeline.labelers.essentia.predict import Predictors

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


def _rows(tags: Tags, text: str) -> list[int]:
    rows = [row for row, own in enumerate(tags.texts) if own == text]
    if not rows:
        raise PipelineError(f"{text!r} is not a class of Essentia's heads")
    return rows


def _description(tags: Tags, means: Floats, corpus: Floats, row: int) -> str:
    return (
        f"probability {means[row]:.2f} over the exemplars, {corpus[row]:.2f} over the corpus "
        f"({tags.heads[row]})"
    )
