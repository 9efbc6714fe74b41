"""What remains of an intervention after it has stopped, window by window.

The intervention acts at full strength up to the stop, then not at all. The clip is cut into windows
of the time after the stop, 0–1, 1–2, 2–5 s and from 5 s to the end, and two of 1 s before it. Each
is *heard by itself*: CLAP gets its sound, and the SAE reads its codes from a start token, as if
there were nothing else. Read within the clip, a window's activations would hold what the reader
remembers of the steered music before it.

The sound is cut from the whole clip, whose codec has a memory of its own; see docs/steering.md for
how much of it crosses the cut.

With the delay pattern the last K − 1 frames before the stop have some codes that were drawn after
it; every frame after it is drawn without intervention. What the decoder remembers stays: keys and
values of the steered steps are in its cache, and later steps attend to them, so the vector may act
on without being heard. With `forget` they are computed again from the codes at the stop, and what
remains is in the music only.

Of the whole clip it is measured how much of what sounds before the stop returns after it, as a
motif and not only in texture (`pipeline.steering.recurrence`).

`pipeline/steering/horizons/continuity.py` says what is made of the windows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.errors import PipelineError
from pipeline.steering.evaluation import Aim, Heard, along
from pipeline.steering.hearing import Ear, embed
from pipeline.steering.interventions import PAIR
from pipeline.steering.plan import PLAIN, POOL, Clip
from pipeline.steering.recurrence import across
from pipeline.steering.settings import HorizonsConfig
from pipeline.steering.vectors import index_of
from pipeline.store.steering_tables import HorizonEffectRecord
from pipeline.subjects.base import Generated

STAGE = "steering-horizons"
BEFORE, LAST = (-2.0, -1.0), (-1.0, 0.0)
"""Windows before the stop: the instrument, and the one that later windows are compared with."""
AFTER = ((0.0, 1.0), (1.0, 2.0), (2.0, 5.0))
FROM = 5.0
"""The last window is from here to the clip's end, if that is 1 s or more."""

Window = tuple[float, float]
"""Start and end, seconds after the stop."""


def windows_of(config: HorizonsConfig) -> list[Window]:
    """The windows that lie within the clip, those before the stop first."""
    rest = config.seconds - config.stop
    found = [BEFORE, LAST, *(one for one in AFTER if one[1] <= rest)]
    return [*found, (FROM, rest)] if rest >= FROM + 1 else found


def stopping(config: HorizonsConfig, frame_rate: float) -> int:
    """The first step without the intervention."""
    return round(config.stop * frame_rate)


def stopped(config: HorizonsConfig, frame_rate: float) -> tuple[tuple[float, float], ...]:
    """The schedule of weight 1 before the step where the intervention stops and 0 from it on: no
    step lies between the two points."""
    step = stopping(config, frame_rate)
    return (((step - 0.75) / frame_rate, 1.0), ((step - 0.25) / frame_rate, 0.0))


@dataclass(frozen=True)
class WindowEar:
    """Listens to the windows of clips."""

    ear: Ear
    config: HorizonsConfig

    def hear(self, clips: Sequence[Generated]) -> Heard:
        """Of each clip and window: `embedding` [clip, window, width] by CLAP, `latents` [clip,
        window, kept feature] (mean over frames, normalised); and of each clip `recurrence` [clip],
        and its `codes` [clip, codebook, frame]."""
        rate = self.ear.subject.facts.sample_rate
        embeddings, latents = [], []
        for window in windows_of(self.config):
            sounds = [clip.audio[self._samples(window)] for clip in clips]
            embeddings.append([embed(self.ear.clap, one.numpy(), rate) for one in sounds])
            latents.append(self.ear.latents(torch.stack(sounds)))
        return {
            "embedding": np.array(embeddings).swapaxes(0, 1),
            "latents": np.array(latents).swapaxes(0, 1),
            "recurrence": np.array([self._recurrence(clip.audio.numpy()) for clip in clips]),
            "codes": np.stack([clip.codes.numpy() for clip in clips]).astype(np.int16),
        }

    def _recurrence(self, sound: np.ndarray) -> float:
        """How much of what is before the stop returns up to the end of the last window; NaN where
        one of the two is silent."""
        end = self._samples(windows_of(self.config)[-1]).stop
        try:
            return across(sound[:end], self.ear.subject.facts.sample_rate, self.config.stop).score
        except PipelineError:
            return float("nan")

    def frames(self, window: Window) -> slice:
        """The frames of a window."""
        rate = self.ear.subject.facts.frame_rate
        start, end = (round((self.config.stop + at) * rate) for at in window)
        return slice(start, end)

    def _samples(self, window: Window) -> slice:
        frames, size = self.frames(window), self.ear.subject.facts.frame_samples
        return slice(frames.start * size, frames.stop * size)


def effects(
    windows: WindowEar,
    clips: Sequence[Clip],
    found: Heard,
    aims: Sequence[Aim],
    spread: np.ndarray,
) -> Iterator[HorizonEffectRecord]:
    """One row per clip, aim and window; `spread` [kept feature] are the standard deviations of mean
    activations over validation tracks."""
    config = windows.config
    plain = {
        (one.asked.prompt, one.seed): row
        for row, one in enumerate(clips)
        if one.intervention == PLAIN
    }
    by_name = {aim.name: aim for aim in aims}
    column_of = {int(index): column for column, index in enumerate(windows.ear.kept)}
    for row, clip in enumerate(clips):
        if clip.intervention == PLAIN:
            continue
        beside = plain[clip.asked.beside(config), clip.seed]
        heard = {name: (array[row], array[beside]) for name, array in found.items()}
        for aim in aims if clip.intervention == POOL else [by_name[clip.feature]]:
            column = None if aim.name.startswith(PAIR) else column_of[index_of(aim.name)]
            for place, window in enumerate(windows_of(config)):
                yield _effect(windows, clip, aim, heard, place, window, column, spread)


def _effect(
    windows: WindowEar,
    clip: Clip,
    aim: Aim,
    heard: dict[str, tuple[np.ndarray, np.ndarray]],
    place: int,
    window: Window,
    column: int | None,
    spread: np.ndarray,
) -> HorizonEffectRecord:
    """The row of one window; `heard` has the arrays of the clip and of its twin."""
    ours, theirs = (codes[:, windows.frames(window)] for codes in heard["codes"])
    similarity = [along(one[place], aim.towards) for one in heard["embedding"]]
    label = [along(one[place], aim.label_towards) for one in heard["embedding"]]
    own = [
        None if column is None else float(one[place][column] / spread[column])
        for one in heard["latents"]
    ]
    returning = [float(one) if np.isfinite(one) else None for one in heard["recurrence"]]
    return HorizonEffectRecord(
        feature=aim.name,
        intervention=clip.intervention,
        draw=clip.draw,
        hookpoint=clip.asked.hookpoint(windows.ear.stored),
        alpha=clip.alpha,
        beta=clip.beta,
        prompt=clip.asked.prompt,
        seed=clip.seed,
        stop=windows.config.stop,
        forgotten=windows.config.forget,
        start=window[0],
        end=window[1],
        changed_share=float((ours != theirs).mean()),
        similarity=similarity[0],
        similarity_plain=similarity[1],
        label=aim.label,
        label_similarity=label[0],
        label_similarity_plain=label[1],
        own_activation=own[0],
        own_activation_plain=own[1],
        recurrence=returning[0],
        recurrence_plain=returning[1],
    )
