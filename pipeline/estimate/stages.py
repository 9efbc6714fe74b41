"""Hours, bytes on disk, memory and money of each stage of a run, from shapes and speeds.

What is counted is what grows with the corpus and the SAEs; the formulas stand at each stage. Hours
of methods that read the sound themselves (descriptors, essentia) and of remote ones are not known
beforehand: only the price of paid services is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.config import RunConfig
from pipeline.config.sections import parse_hookpoint
from pipeline.errors import PipelineError
from pipeline.estimate.machine import Machine
from pipeline.estimate.sizes import (
    FRAMES_PER_SECOND,
    RunCost,
    cost_of,
    kept_of,
    kept_share,
    width_of,
)

BASE = 0.5e9
"""Memory of Python and its libraries, bytes."""
TRACK = 9e3
"""Memory per track of the corpus's table and of what is kept by track, bytes: more than twice the
largest growth that `make bench-scale` found in a stage, 3.3 kB, whose tracks have no captions."""
CODEC_FLOPS = 8.7e9
"""Operations of EnCodec's encoder per second of sound, from the shapes of MusicGen's 32 kHz one."""
CLAP_FLOPS = 11.8e9
"""Operations of CLAP's audio tower per crop of ten seconds, counted by torch."""
FLAC = 0.6 * 44_100 * 2 * 2
"""Bytes of a stored clip per second: stereo, 16 bit, compressed by two fifths."""
CLAP_SCORERS = {"clap", "detection", "intruder", "localisation", "fuzzing"}
SLOW_METHODS = {"descriptors", "essentia", "essentia-relative"}
"""Methods that analyse the sound of every track."""


class StageCost(NamedTuple):
    """What one stage takes."""

    stage: str
    hours: float | None
    """None where it is not known."""
    disk: float
    """Bytes that stay."""
    memory: float
    """Bytes of this machine's memory at its peak; on a CPU those of the device too."""
    device: float = 0.0
    """Bytes of the device's memory."""
    dollars: float = 0.0
    """Paid to remote services."""


@dataclass(frozen=True)
class Shapes:
    """What the formulas are made of."""

    config: RunConfig
    cost: RunCost
    tracks: int
    width: int

    @property
    def seconds(self) -> float:
        """Of sound, in all tracks."""
        return self.tracks * self.config.corpus.clip_seconds

    @property
    def frames(self) -> float:
        """Of all tracks."""
        return self.seconds * FRAMES_PER_SECOND

    @property
    def blocks(self) -> int:
        """Decoder blocks up to the deepest hookpoint."""
        return 1 + max(parse_hookpoint(name)[0] for name in self.config.subject.hookpoints)

    @property
    def sizes(self) -> list[int]:
        """Latents of each SAE."""
        sae = self.config.sae
        each = [self.width * e for e in sae.expansions for _ in sae.ks]
        return each * len(self.config.subject.hookpoints)


def stage_costs(
    config: RunConfig, machine: Machine, *, tracks: int | None = None
) -> list[StageCost]:
    """Every stage of a run, in order.

    Raises `PipelineError` if the number of tracks or the subject's width is not known here.
    """
    cost, width = cost_of(config, tracks=tracks), width_of(config.subject.model)
    if cost.tracks is None:
        raise PipelineError("no corpus is given: use --corpus DIR, or --tracks N")
    if width is None or config.sae.checkpoint:
        raise PipelineError(
            f"the sizes of {config.sae.checkpoint or config.subject.model} are not known before "
            "it is here; give its folder"
        )
    of = Shapes(config, cost, cost.tracks, width)
    found = [_corpus(of, machine), _activations(of, machine), _sae(of, machine)]
    found += [_features(of, machine), _exemplars(of, machine), _labels(of), _scores(of, machine)]
    return [_with_base(one, of) for one in found]


def fault_of(costs: Sequence[StageCost], machine: Machine) -> str:
    """What this machine cannot hold, in one line; empty if it can hold everything."""
    disk = sum(one.disk for one in costs)
    if disk > machine.disk:
        return f"the run needs {_gb(disk)} of disk, and {_gb(machine.disk)} are free there"
    for one in costs:
        for needed, free, where in (
            (one.memory, machine.memory, "this machine"),
            (one.device, machine.device_memory, "the device"),
        ):
            if needed > free:
                return (
                    f"stage {one.stage} needs {_gb(needed)} of memory, and {where} has "
                    f"{_gb(free)} free; fewer [machine] workers or smaller SAEs need less"
                )
    return ""


def lines(costs: Sequence[StageCost], machine: Machine, *, price: float = 0.0) -> list[str]:
    """A table, one line per stage, and their sum. `price`: dollars per hour of this machine."""
    rows = ["| stage | hours | disk GB | memory GB | dollars |", "|---|---|---|---|---|"]
    for one in costs:
        hours = "not known" if one.hours is None else f"{one.hours:.2f}"
        dollars = one.dollars + price * (one.hours or 0.0)
        memory = f"{one.memory / 1e9:.1f}"
        memory += f" + {one.device / 1e9:.1f} on the device" if one.device else ""
        rows.append(f"| {one.stage} | {hours} | {one.disk / 1e9:.1f} | {memory} | {dollars:.2f} |")
    known = sum(one.hours or 0.0 for one in costs)
    more = " and more" if any(one.hours is None for one in costs) else ""
    dollars = sum(one.dollars for one in costs) + price * known
    disk, most = sum(one.disk for one in costs), max(one.memory for one in costs)
    rows.append(
        f"| in all | {known:.2f}{more} | {disk / 1e9:.1f} | {most / 1e9:.1f} | {dollars:.2f} |"
    )
    source = f"stated: {machine.stated}; the rest measured" if machine.stated else "measured"
    return [
        *rows,
        f"{source}: {machine.flops / 1e9:,.0f} GFLOP/s, {machine.selected / 1e6:,.0f} million "
        f"latents/s, {machine.decoded:,.0f} s of sound decoded per second; free: "
        f"{_gb(machine.memory)} of memory, {_gb(machine.disk)} of disk",
    ]


def _gb(count: float) -> str:
    return f"{count / 1e9:,.1f} GB"


def _with_base(one: StageCost, of: Shapes) -> StageCost:
    """With what every stage holds; on a CPU the device's memory is this machine's."""
    on_cpu = of.config.machine.device == "cpu"
    memory = one.memory + BASE + TRACK * of.tracks + (one.device if on_cpu else 0.0)
    hours = None if one.hours is None else one.hours / 3600
    return one._replace(hours=hours, memory=memory, device=0.0 if on_cpu else one.device)


def _corpus(of: Shapes, machine: Machine) -> StageCost:
    # Decoded once, for hash, levels and length.
    return StageCost("corpus", of.seconds / machine.decoded, 1e3 * of.tracks, 0.0)


def _activations(of: Shapes, machine: Machine) -> StageCost:
    # Per frame and block 12 d² weights are multiplied (attention 4 d², feed-forward 8 d²), and 2 d
    # values per frame of the track; each product is two operations.
    per_track = of.frames / of.tracks
    d = of.width
    decoder = of.frames * of.blocks * (24 * d * d + 4 * d * per_track)
    seconds = (decoder + of.seconds * CODEC_FLOPS) / machine.flops + of.seconds / machine.decoded
    # Weights in float32, and one batch's stream at every hookpoint and within a block.
    batch = of.config.machine.batch_tracks * of.config.machine.workers * per_track
    device = 4 * (12 * d * d * of.blocks + 8e7) + batch * d * 4 * (12 + len(_hookpoints(of)))
    shard = 64 * per_track * d * 2 * 2 * len(_hookpoints(of))
    return StageCost("activations", seconds, of.cost.activation_bytes or 0, shard, device)


def _sae(of: Shapes, machine: Machine) -> StageCost:
    from pipeline.sae.frames import POOL_FRAMES

    sae, d = of.config.sae, of.width
    seconds = 0.0
    for n in of.sizes:
        # Each step multiplies its frames by the encoder once (the gradients are sums over firing
        # pairs), and Adam reads and writes weights, gradient and two moments.
        product = 2 * sae.batch_frames * d * n / machine.flops
        seconds += sae.steps * (product + 2 * n * d * 28 / machine.copied)
    train = of.frames * of.config.corpus.train_share
    # A pool, and the parts that it is joined from.
    pool = 2 * 2 * d * min(train, POOL_FRAMES)
    # Weights, gradients and two moments, and a batch's pre-activations; of all the hookpoint's SAEs
    # if they are trained together.
    groups, latents = _pieces(of)
    jobs = min(of.config.machine.workers, groups)
    held = 4 * 4 * 2 * d * latents + 2 * 4 * sae.batch_frames * max(of.sizes)
    # A snapshot, of one SAE at a time: weights and moments, copied from a GPU.
    snapshot = 0 if of.config.machine.device == "cpu" else 3 * 4 * 2 * d * max(of.sizes)
    memory = jobs * (pool + snapshot)
    return StageCost("sae", seconds, of.cost.sae_bytes or 0, memory, jobs * held)


def _pieces(of: Shapes) -> tuple[int, float]:
    """The pieces of `sae` and `features`, and the latents of all SAEs of the largest."""
    if not of.config.sae.together:
        return len(of.sizes), max(of.sizes)
    groups = len(_hookpoints(of))
    return groups, sum(of.sizes) / groups


def _features(of: Shapes, machine: Machine) -> StageCost:
    from pipeline.features.columns import SORTING
    from pipeline.features.encoding import CELLS_AT_ONCE, ENTRY

    seconds = 0.0
    for n in of.sizes:
        seconds += of.frames * (2 * of.width * n / machine.flops + n / machine.selected)
    # Encoders, of all the hookpoint's SAEs if they are encoded together, and for each worker one
    # batch's pre-activations, at its largest three times; before that, one SAE's decoder as it is
    # read.
    largest, workers = max(of.sizes), of.config.machine.workers
    batch = min(CELLS_AT_ONCE, 4 * of.frames / of.tracks * largest)
    decoder = 2 * 4 * of.width * largest
    device = 4 * of.width * _pieces(of)[1] + max(decoder, workers * 3 * 4 * batch)
    # What is sorted in memory at once is a group of latents, of at most `memory_gb`; here all of
    # them, so that the estimate is rather too high.
    entries = of.tracks * largest * ENTRY.itemsize * SORTING
    memory = min(of.config.machine.memory_gb * 1e9, entries)
    return StageCost("features", seconds, of.cost.summary_bytes or 0, memory, device)


def _exemplars(of: Shapes, machine: Machine) -> StageCost:
    # Each validation track is cut once at most, however many features it is an exemplar of.
    wanted = kept_of(of.config, sum(of.sizes)) * of.config.exemplars.count
    clips = min(wanted, of.tracks * of.config.corpus.validation_share)
    sound = clips * of.config.corpus.clip_seconds
    return StageCost("exemplars", 2 * sound / machine.decoded, sound * FLAC, 0.0)


def _labels(of: Shapes) -> StageCost:
    methods = {name.partition("@")[0] for name in of.config.labels.methods}
    dollars = kept_of(of.config, sum(of.sizes)) * of.cost.dollars_per_feature
    hours = None if methods & SLOW_METHODS or dollars else 0.0
    return StageCost("labels", hours, 0.0, 0.0, dollars=dollars)


def _scores(of: Shapes, machine: Machine) -> StageCost:
    if not CLAP_SCORERS & set(of.config.scores.scorers):
        return StageCost("scores", 0.0, 0.0, 0.0)
    # Train tracks are not heard.
    heard = 1 - of.config.corpus.train_share
    crops = heard * of.tracks * -(-of.config.corpus.clip_seconds // 10.0)
    seconds = crops * CLAP_FLOPS / machine.flops + heard * of.seconds / machine.decoded
    # Embeddings of 512 dimensions, in the table and while they are gathered; the model.
    embeddings = of.tracks * 512 * 4
    return StageCost("scores", seconds, embeddings, 2 * embeddings + 0.8e9)


def _hookpoints(of: Shapes) -> tuple[str, ...]:
    return of.config.subject.hookpoints


def assumption(config: RunConfig) -> str:
    """What the table assumes of the features, in one line."""
    return (
        f"assumed: {kept_share(config):.1%} of the latents are kept, and every track is "
        f"{config.corpus.clip_seconds:g} s long"
    )
