"""Samples the codes of several clips at once, the same codes as one clip at a time.

Both backends give a forward pass over one step; the delay pattern, guidance and the draw of codes
are here, so that a seed means the same in either library. Three things make a clip independent of
the others in its batch:

1. *Its own random numbers.* Code t of a codebook is argmax over codes c of l_c / T + g_c, with
   g = −log(−log u) and u uniform: a draw from softmax(l / T) (the Gumbel-max trick). Each clip
   takes its u from a generator of its own, on the CPU, so the device does not matter either.
2. *Its own text.* A prompt is encoded by itself, and only prompts of equal length share a batch:
   padding would be attended to.
3. *Batches of one size.* A product of matrices rounds differently for another number of rows, and
   a code that two values compete for closely may then change. So a batch is always filled up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from itertools import groupby, pairwise
from typing import Protocol

import torch
from torch import Tensor

from pipeline.subjects.base import Generated, Request, Sampling, SubjectFacts
from pipeline.subjects.delay import codes_of
from pipeline.subjects.hooks import ResidualStream, refuse_foreign

ROWS = 16
"""Number of clips per batch, by default."""

StepLogits = Callable[[Tensor], Tensor]
"""Logits [row, codebook, card] of the next codes for the newest step [row, codebook]; the steps
before it are cached. Under guidance the rows are [conditional; unconditional]."""


class Generator(Protocol):
    """What a backend adds to the loop here."""

    facts: SubjectFacts
    stream: ResidualStream

    @property
    def special(self) -> int:
        """The token where a codebook holds no code."""

    def text_states(self, prompt: str) -> Tensor:
        """What cross-attention reads of a prompt, [token, d]."""

    def stepping(self, states: Tensor | None) -> AbstractContextManager[StepLogits]:
        """Forward passes, one step at a time, for text states [row, token, d]; None is no text."""

    def play(self, codes: Tensor) -> Tensor:
        """Audio [row, sample] float32, on the CPU, of codes [row, codebook, frame]."""


def generate_all(
    generator: Generator,
    requests: Sequence[Request],
    seconds: float,
    *,
    sampling: Sampling,
    rows: int | None,
) -> list[Generated]:
    """The clips of all requests, in their order, `rows` at a time."""
    # 1) Only vectors of this very subject: any direction of the right width would be accepted.
    for request in requests:
        refuse_foreign(request.interventions, generator.facts)
    facts = generator.facts
    frames = max(1, round(seconds * facts.frame_rate))
    samples = round(frames * facts.sample_rate / facts.frame_rate)
    # 2) The text of each prompt, once; an empty one is unconditional music.
    prompts = dict.fromkeys(r.prompt for r in requests if r.prompt)
    texts = {prompt: generator.text_states(prompt) for prompt in prompts}
    lengths = [len(texts[r.prompt]) if r.prompt else 0 for r in requests]
    # 3) Codes and audio, a batch at a time; audio is cut to whole frames.
    found: dict[int, Generated] = {}
    for places, batch in batches(requests, lengths, rows or ROWS):
        states = torch.stack([texts[r.prompt] for r in batch]) if batch[0].prompt else None
        codes = _sampled(generator, batch, states, frames, sampling)
        sounds = generator.play(codes)
        for row, place in enumerate(places):
            found[place] = Generated(sounds[row, :samples].clone(), codes[row].clone())
    return [found[place] for place in range(len(requests))]


def _sampled(
    generator: Generator,
    batch: Sequence[Request],
    states: Tensor | None,
    frames: int,
    sampling: Sampling,
) -> Tensor:
    """Codes [row, codebook, frame] of one batch, steered in every step. Under guidance the null
    condition is zeros: cross-attention has no biases, so it adds zeros."""
    guided = states is not None and sampling.guidance != 1
    if guided and states is not None:
        states = torch.cat([states, torch.zeros_like(states)])
    steered = [request.interventions for request in batch]
    with (
        torch.inference_mode(),
        generator.stream.steered(steered, frame_rate=generator.facts.frame_rate),
    ):
        return sample_codes(
            partial(generator.stepping, states),
            generator.stream,
            [request.seed for request in batch],
            frames=frames,
            codebooks=generator.facts.n_codebooks,
            special=generator.special,
            guided=guided,
            sampling=sampling,
            forget_at=batch[0].forget_at,
        )


def batches(
    requests: Sequence[Request], lengths: Sequence[int], rows: int
) -> list[tuple[list[int], list[Request]]]:
    """The requests in batches of exactly `rows`, with the places of those that count.

    `lengths` are the prompts' numbers of tokens; only equal ones that forget at the same step share
    a batch. A batch that is not full repeats its last request.
    """

    def kind(place: int) -> tuple[int, int]:
        return lengths[place], requests[place].forget_at

    found = []
    for _, group in groupby(sorted(range(len(requests)), key=kind), key=kind):
        places = list(group)
        for start in range(0, len(places), rows):
            part = places[start : start + rows]
            filled = part + part[-1:] * (rows - len(part))
            found.append((part, [requests[place] for place in filled]))
    return found


def sample_codes(
    stepping: Callable[[], AbstractContextManager[StepLogits]],
    stream: ResidualStream,
    seeds: Sequence[int],
    *,
    frames: int,
    codebooks: int,
    special: int,
    guided: bool,
    sampling: Sampling,
    forget_at: int = 0,
) -> Tensor:
    """Codes [row, codebook, frame] int64, one row per seed, on the CPU. Each call of `stepping`
    begins with an empty cache."""
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    # Step s + 1 holds codebook q of frame s − q (see `subjects.delay`): K − 1 further steps
    # complete the last frame. [row, codebook, step], the start token first.
    steps = torch.full((len(seeds), codebooks, frames + codebooks), special)
    end = frames + codebooks - 1
    bounds = [0, forget_at, end] if 0 < forget_at < end else [0, end]
    for begin, until in pairwise(bounds):
        with stepping() as forward:
            # The cache of the steps before, if it starts empty in the middle.
            stream.at_step(begin)
            for step in range(begin):
                forward(_doubled(steps[..., step], guided=guided))
            for step in range(begin, until):
                stream.at_step(step)
                logits = forward(_doubled(steps[..., step], guided=guided)).float().cpu()
                logits = _guided(logits, sampling.guidance) if guided else logits
                chosen = _choose(logits, draws, sampling)
                # Codebooks that have not begun yet, or are over, hold the special token.
                first, last = max(0, step - frames + 1), min(codebooks, step + 1)
                steps[:, first:last, step + 1] = chosen[:, first:last]
    return torch.stack([codes_of(row, frames) for row in steps])


def _doubled(newest: Tensor, *, guided: bool) -> Tensor:
    """A step's codes [row, codebook] for both halves of a batch under guidance."""
    return torch.cat([newest, newest]) if guided else newest


def _guided(logits: Tensor, scale: float) -> Tensor:
    """l_uncond + γ (l_cond − l_uncond), [row, codebook, card] (Ho and Salimans, 2207.12598)."""
    conditional, unconditional = logits.chunk(2)
    return unconditional + scale * (conditional - unconditional)


def _choose(logits: Tensor, draws: Sequence[torch.Generator], sampling: Sampling) -> Tensor:
    """One code per row and codebook, [row, codebook]."""
    if sampling.top_k == 1:
        return logits.argmax(dim=-1)
    # 1) Codes below the k-th largest logit are out.
    k = min(sampling.top_k, logits.shape[-1])
    least = logits.topk(k, dim=-1).values[..., -1:]
    kept = logits.masked_fill(logits < least, -torch.inf)
    # 2) Gumbel-max over the rest; u is never 0, whose logarithm would be infinite.
    u = torch.stack([torch.rand(logits.shape[1:], generator=one) for one in draws])
    noise = -torch.log(-torch.log(u.clamp_min(1e-20)))
    return (kept / sampling.temperature + noise).argmax(dim=-1)
