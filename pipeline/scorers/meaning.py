"""Features found by meaning: a query in words, compared by the run's CLAP with labels and sounds.

*By label*: the cosine of the query and the feature's nearest label, of all methods but controls.
Many features have the same label; among those the order is that of the method's confidence in it,
then that of the sound. *By sound*: the cosine of the query and the mean of the feature's exemplars,
which no label can mislead.

What is embedded of a run is independent of the query, so it is kept in one file (`load`, `save`).
A worker makes it, and embeds the query: both need torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.clap import backends
from pipeline.clap.base import Floats32, embed_whole
from pipeline.clap.store import stored_tracks, text_embeddings
from pipeline.config import RunConfig
from pipeline.context import SaeContext, open_context
from pipeline.corpus import audio
from pipeline.errors import PipelineError
from pipeline.labelers import is_control
from pipeline.progress import Progress
from pipeline.store.run_directory import RunDirectory

if TYPE_CHECKING:
    from pipeline.clap.base import Clap

WAYS = ("label", "sound")
DIGITS = 4
"""Cosines that agree in these digits are of the same text; what is left is rounding."""
LONGEST_QUERY = 300
"""Characters. CLAP cuts texts at 77 tokens."""


@dataclass(frozen=True)
class Found:
    """One feature with how near it is to the query."""

    feature: str
    label: str
    """Its label that is nearest to the query; empty if it has none."""
    method: str
    label_cosine: float
    """Of the query and that label; −1 if there is none."""
    sound_cosine: float
    """Of the query and the mean of the exemplars."""


@dataclass(frozen=True)
class Meanings:
    """The kept features of a run, as CLAP hears and reads them."""

    features: tuple[str, ...]
    sounds: Floats32
    """[feature, width]: the mean of the exemplars' embeddings."""
    texts: tuple[str, ...]
    embeddings: Floats32
    """[text, width], of norm 1."""
    labels: tuple[tuple[int, int, str, float], ...]
    """Of each label: its feature, its text, its method, the method's confidence in it."""
    stamp: str
    """What all of it was computed from."""

    def save(self, path: Path) -> None:
        """Write it as one file of tensors; the rest stands in its metadata."""
        from safetensors.numpy import save_file

        said = {"features": self.features, "texts": self.texts, "labels": self.labels}
        metadata = {"stamp": self.stamp, "said": json.dumps(said, ensure_ascii=False)}
        tensors = {"sounds": self.sounds, "embeddings": self.embeddings}
        temporary = path.with_name(f".{path.name}.new")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Meanings:
        """Read what `save` wrote."""
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            sounds, embeddings = file.get_tensor("sounds"), file.get_tensor("embeddings")
        said = json.loads(metadata["said"])
        labels = tuple((int(f), int(t), str(m), float(c)) for f, t, m, c in said["labels"])
        return cls(
            tuple(said["features"]), sounds, tuple(said["texts"]), embeddings, labels,
            metadata["stamp"],
        )  # fmt: skip


def meanings(config: RunConfig, directory: RunDirectory, *, progress: Progress) -> Meanings:
    """Embed the labels and exemplars of a run's kept features.

    Raises `PipelineError` if the run has no labels yet, or no CLAP.
    """
    if not directory.is_done("labels"):
        raise PipelineError(f"run {directory} has no labels yet: run its stage labels first")
    features: list[str] = []
    sounds: list[Floats32] = []
    labels: list[tuple[int, int, str, float]] = []
    numbers: dict[str, int] = {}
    for context in _contexts(config, directory, progress):
        first = len(features)
        features += [one.feature for one in context.features]
        sounds.append(_sounds(context))
        labels += [(first + place, *rest) for place, rest in _labels(context, numbers)]
        last = context
    texts, whole = tuple(numbers), np.concatenate(sounds).astype(np.float32)
    read = text_embeddings(last, texts) if texts else np.zeros((0, whole.shape[1]))
    return Meanings(
        features=tuple(features),
        sounds=whole,
        texts=texts,
        embeddings=np.asarray(read, dtype=np.float32),
        labels=tuple(labels),
        stamp=stamp_of(config, directory),
    )


def stamp_of(config: RunConfig, directory: RunDirectory) -> str:
    """What the embeddings depend on: the CLAP, and the files of labels and exemplars."""
    stages = directory.manifest()["stages"]
    files = {stage: stages.get(stage, {}).get("files", {}) for stage in ("exemplars", "labels")}
    return json.dumps([backends.fingerprint(config.clap), files], sort_keys=True)


def embedded(query: str, model: Clap) -> Floats32:
    """The query's embedding [width]; raises `PipelineError` for an empty or a long one."""
    words = " ".join(query.split())
    if not words or len(words) > LONGEST_QUERY:
        raise PipelineError(
            f"the query has {len(words)} characters; it must have 1 to {LONGEST_QUERY}"
        )
    return np.asarray(model.embed_texts([words])[0], dtype=np.float32)


def found(all_: Meanings, query: Floats32, *, by: str = "label", most: int = 50) -> list[Found]:
    """The features nearest to a query's embedding [width], nearest first."""
    sound = all_.sounds @ query
    nearest = _nearest(all_, all_.embeddings @ query)
    keys = {"label": (-nearest.cosine, -nearest.confidence, -sound), "sound": (-sound,)}[by]
    # The last key is the first to sort by; the feature's place makes the order one and the same.
    order = np.lexsort((np.arange(len(sound)), *reversed(keys)))
    return [_found(all_, nearest, sound, int(place)) for place in order[:most]]


@dataclass(frozen=True)
class _Nearest:
    """Each feature's label that is nearest to a query, [feature]."""

    label: Any
    """Its place in `Meanings.labels`; −1 if there is none."""
    cosine: Any
    confidence: Any


def _nearest(all_: Meanings, cosines: Floats32) -> _Nearest:
    label = np.full(len(all_.features), -1)
    cosine = np.full(len(all_.features), -1.0)
    confidence = np.zeros(len(all_.features))
    for place, (feature, text, _, sure) in enumerate(all_.labels):
        near = round(float(cosines[text]), DIGITS)
        if (near, sure) > (cosine[feature], confidence[feature]) or label[feature] < 0:
            label[feature], cosine[feature], confidence[feature] = place, near, sure
    return _Nearest(label, cosine, confidence)


def _found(all_: Meanings, nearest: _Nearest, sound: Floats32, place: int) -> Found:
    label = int(nearest.label[place])
    _, text, method, _ = all_.labels[label] if label >= 0 else (0, -1, "", 0.0)
    return Found(
        feature=all_.features[place],
        label=all_.texts[text] if text >= 0 else "",
        method=method,
        label_cosine=float(nearest.cosine[place]),
        sound_cosine=round(float(sound[place]), DIGITS),
    )


def _contexts(
    config: RunConfig, directory: RunDirectory, progress: Progress
) -> Iterator[SaeContext]:
    """The SAEs' contexts, with one store of embeddings."""
    tables = None
    for sae in directory.sae_names():
        context = open_context(config, directory, sae, progress=progress, tables=tables)
        tables = context.tables
        yield context


def _labels(
    context: SaeContext, numbers: dict[str, int]
) -> Iterator[tuple[int, tuple[int, str, float]]]:
    """Each label's feature (its place in the SAE), with text, method and confidence."""
    for method in context.config.labels.methods:
        if is_control(method):
            continue
        for row in context.labels(method):
            if row.status == "ok" and row.feature in context.column_of:
                text = numbers.setdefault(row.text, len(numbers))
                yield context.column_of[row.feature], (text, method, row.confidence)


def _sounds(context: SaeContext) -> Floats32:
    """[feature, width]: the mean of each feature's exemplars; zeros without any."""
    names = [one.feature for one in context.features]
    tracks = stored_tracks(context)
    if tracks is not None:
        rows = [tracks[context.exemplar_places(name)] for name in names]
    else:
        clips = _clips(context, names)
        rows = [
            np.stack([clips[one.clip] for one in context.exemplars[name]])
            if context.exemplars.get(name)
            else np.zeros((0, 1), dtype=np.float32)
            for name in names
        ]
    width = max(row.shape[1] for row in rows)
    return np.stack(
        [row.mean(axis=0) if len(row) else np.zeros(width, dtype=np.float32) for row in rows]
    )


def _clips(context: SaeContext, names: Sequence[str]) -> dict[str, Floats32]:
    """Each exemplar clip's embedding [width], once per run."""
    from pipeline.clap.store import loaded

    model, known = loaded(context), context.tables.memo.setdefault("clap clips", {})
    wanted = {one.clip for name in names for one in context.exemplars.get(name, ())}
    new = sorted(wanted - known.keys())
    context.progress.start(f"clips {context.sae}", len(new), "clip")
    for clip in new:
        path = context.directory.path_of(f"exemplars/{context.sae}/clips/{clip}.flac")
        sound = audio.read_mono(path, sample_rate=model.sample_rate)
        known[clip] = embed_whole(sound, model)
        context.progress.advance()
    context.progress.finish()
    found_: dict[str, Floats32] = known
    return found_
