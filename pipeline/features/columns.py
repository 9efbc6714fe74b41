"""One pass over a run's activations: statistics of every latent, and the columns of those kept.

Latents that fire at all make a sparse [track, latent] matrix: 84 GB if it were dense for 160,000
tracks and 65,536 latents. Its entries come track by track and are wanted latent by latent, so they
are sorted on disk: groups of latents go into files of their own, then one group at a time is read,
sorted and counted; a group that would take too much memory is divided in the same way first.
Whatever the number of workers or groups, each latent's entries are summed in the order of the
tracks' names.

The file `features/NAME.columns.safetensors` (see `pipeline.features.summaries`, which reads it):

    names      [byte] uint8       the tracks, sorted, as a JSON list
    latents    [stored] int32     whose columns are stored: the kept ones, or all that are active
    indptr     [stored + 1] int64 entries indptr[i] to indptr[i + 1] are those of latents[i]
    track, mean, max, frame [entry]   fields of `pipeline.features.encoding.ENTRY`, track as a row
                                  of `names`
    histogram  [n, bin] int32     validation tracks by f_j(x), bins between `EDGES`
    top_track, top_mean, top_max, top_frame [n, count]   of every latent the validation tracks in
                                  which it fires with the largest mean; track −1 where there are
                                  no more
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np

from pipeline.config import RunConfig
from pipeline.features.encoding import ENTRY, entries_of_run
from pipeline.features.filter import drop_reasons
from pipeline.features.statistics import EDGES, LatentStatistics
from pipeline.features.summaries import columns_path
from pipeline.parallel import Advance
from pipeline.sae.checkpoint import StoredSae
from pipeline.store.run_directory import RunDirectory
from pipeline.store.safetensors import OnDisk
from pipeline.store.writers import Writer

MOST_GROUPS = 256
"""Files that are open together while tracks are encoded."""
GROUP_LATENTS = 256
"""Latents in a group at least."""
SORTING = 4
"""Bytes of memory per byte of a group that is sorted: its entries, the order, and a copy."""
VALUES = ("track", "mean", "max", "frame")


def make_columns(
    config: RunConfig,
    directory: RunDirectory,
    saes: Sequence[StoredSae],
    writer: Writer,
    validation: Collection[str],
    *,
    everything: bool,
    advance: Advance,
) -> dict[str, LatentStatistics]:
    """Encode all tracks under SAEs of one hookpoint, whose activations are read once; write the
    columns of the kept latents (with `everything`: of all that are active in any track), and return
    the statistics of all latents of each SAE.

    Of the entries at most `[machine] memory_gb` are in memory; the others wait on disk.
    """
    with ExitStack() as folders:
        spills: dict[str, Spill] = {}
        for stored in saes:
            folder = folders.enter_context(writer.spill(stored.name))
            latents = range(stored.sae.n_latents)
            groups = max(1, min(MOST_GROUPS // len(saes), len(latents) // GROUP_LATENTS))
            memory = config.machine.memory_gb * 1e9
            spills[stored.name] = Spill(folder, latents, groups, memory)
        names = _encoded(config, directory, saes, spills, advance)
        return {
            stored.name: _gathered(
                config, stored, writer, validation, spills[stored.name], names[stored.name],
                everything=everything,
            )
            for stored in saes
        }  # fmt: skip


def _encoded(
    config: RunConfig,
    directory: RunDirectory,
    saes: Sequence[StoredSae],
    spills: Mapping[str, Spill],
    advance: Advance,
) -> dict[str, list[str]]:
    """Fill each SAE's spill, and return the tracks in the order in which its entries count them."""
    names: dict[str, list[str]] = {stored.name: [] for stored in saes}
    with ExitStack() as files:
        for spill in spills.values():
            files.enter_context(spill)
        for sae, tracks, entries in entries_of_run(directory, saes, config.machine):
            entries["track"] += len(names[sae])
            spills[sae].add(entries)
            names[sae] += tracks
            advance(len(tracks))
    return names


def _gathered(
    config: RunConfig,
    stored: StoredSae,
    writer: Writer,
    validation: Collection[str],
    spill: Spill,
    names: Sequence[str],
    *,
    everything: bool,
) -> LatentStatistics:
    """Sort and count the entries of one SAE, and write its columns."""
    columns = StoredColumns(spill.folder)
    statistics = LatentStatistics.zeros(stored.sae.n_latents, config.exemplars.count)
    order = np.argsort(np.asarray(names, dtype=object), kind="stable")
    listed, rank = [names[place] for place in order], np.argsort(order)
    inside = np.fromiter((name in validation for name in listed), bool, len(listed))
    for first, last, entries in spill.groups():
        ordered = _sorted(entries, rank)
        here = statistics.part(first, last)
        here.fill(ordered, first, inside, config.features)
        active = np.bincount(ordered["latent"] - first, minlength=last - first) > 0
        kept = _kept(config, here, int(inside.sum()))
        columns.add(ordered, first, active if everything else kept)
    facts = {"edges": json.dumps(EDGES.tolist()), "columns": "active" if everything else "kept"}
    _write(writer, stored.name, listed, columns, statistics, facts)
    return statistics


def _kept(config: RunConfig, statistics: LatentStatistics, n_validation: int) -> np.ndarray:
    """Which latents are kept, [latent] bool."""
    reasons = drop_reasons(config.features, statistics.firing, n_validation)
    return np.array([not reason for reason in reasons], dtype=bool)


class Spill:
    """Entries on disk, in files of neighbouring latents."""

    def __init__(self, folder: Path, latents: range, groups: int, memory: float) -> None:
        """`memory`: bytes in which a group must be sorted, if it has more than one latent."""
        edges = np.linspace(latents.start, latents.stop, groups + 1)
        self._edges = edges.astype(np.int64)
        self._memory = memory
        self.folder = folder
        self._paths = [folder / f"group-{number:03d}" for number in range(groups)]

    def __enter__(self) -> Spill:
        with ExitStack() as files:
            self._streams = [files.enter_context(path.open("wb")) for path in self._paths]
            self._files = files.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def add(self, entries: np.ndarray) -> None:
        """Append entries [entry], which are sorted by latent."""
        places = np.searchsorted(entries["latent"], self._edges)
        for stream, (start, end) in zip(self._streams, pairwise(places), strict=True):
            stream.write(entries[start:end].tobytes())

    def groups(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """First latent, last latent (exclusive) and entries of each group; its file is removed."""
        for path, (first, last) in zip(self._paths, pairwise(self._edges.tolist()), strict=True):
            if path.stat().st_size * SORTING > self._memory and last - first > 1:
                yield from self._divided(path, range(first, last)).groups()
                continue
            entries = np.fromfile(path, dtype=ENTRY)
            path.unlink()
            yield first, last, entries

    def _divided(self, path: Path, latents: range) -> Spill:
        """The entries of a group that is too large, in groups of their own."""
        folder = path.with_name(f"{path.name}-divided")
        folder.mkdir()
        at_once = 1 + int(self._memory / (SORTING * ENTRY.itemsize))
        groups = min(MOST_GROUPS, len(latents))
        with Spill(folder, latents, groups, self._memory) as spill, path.open("rb") as stream:
            while len(part := np.fromfile(stream, ENTRY, at_once)):
                spill.add(part[np.argsort(part["latent"], kind="stable")])
        path.unlink()
        return spill


def _sorted(entries: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """The entries by latent and then by the tracks' names. `rank` [track], the place of each track
    among the sorted names, replaces the track."""
    entries["track"] = rank[entries["track"]]
    ordered: np.ndarray = entries[np.lexsort((entries["track"], entries["latent"]))]
    return ordered


class StoredColumns:
    """The columns to be stored, on disk until all of them are known."""

    def __init__(self, folder: Path) -> None:
        self._paths = {value: folder / f"column-{value}" for value in VALUES}
        self._latents: list[np.ndarray] = []
        self._lengths: list[np.ndarray] = []

    def add(self, entries: np.ndarray, first: int, wanted: np.ndarray) -> None:
        """Append the columns of the latents that are `wanted` [latent] bool of a group."""
        latent = entries["latent"] - first
        self._latents.append(first + np.flatnonzero(wanted))
        self._lengths.append(np.bincount(latent, minlength=len(wanted))[wanted])
        chosen = entries[wanted[latent]]
        for value, path in self._paths.items():
            with path.open("ab") as stream:
                stream.write(chosen[value].tobytes())

    def tensors(self) -> dict[str, np.ndarray | OnDisk]:
        """The part of the file that holds columns."""
        lengths = np.concatenate(self._lengths).astype(np.int64)
        n_entries = int(lengths.sum())
        tensors: dict[str, np.ndarray | OnDisk] = {
            "latents": np.concatenate(self._latents).astype(np.int32),
            "indptr": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        }
        for value, path in self._paths.items():
            tensors[value] = OnDisk(path, ENTRY[value].name, (n_entries,))
        return tensors


def _write(
    writer: Writer,
    name: str,
    tracks: list[str],
    columns: StoredColumns,
    statistics: LatentStatistics,
    facts: dict[str, str],
) -> None:
    top = {f"top_{value}": statistics.top[value] for value in VALUES}
    listed = np.frombuffer(json.dumps(tracks).encode(), dtype=np.uint8)
    tensors = {"names": listed, "histogram": statistics.histogram, **top, **columns.tensors()}
    writer.write_tensors(columns_path(name), tensors, facts)
