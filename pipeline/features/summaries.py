"""What each latent of an SAE does in each track of a run, one latent at a time.

Every reader (exemplars, labels, scores, recovery, pages) comes here, so that no reader knows how it
is stored: by columns (`pipeline.features.columns`), or, in runs of earlier versions, as two dense
[track, latent] arrays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from pipeline.errors import PipelineError
from pipeline.store.run_directory import RunDirectory

COLUMNS_AT_ONCE = 1024
"""Columns that `matrices` makes dense together."""


class Column(NamedTuple):
    """The tracks in which a latent is active, with its activations there, normalised."""

    tracks: np.ndarray
    """[entry], ascending; places in `Summaries.tracks`."""
    mean: np.ndarray
    """[entry] float32, over the frames of the track."""
    max: np.ndarray
    """[entry] float32, over the frames of the track: f_j(x)."""
    frame: np.ndarray | None
    """[entry], the first frame that reaches `max`, as a row of the activation file; None in runs of
    earlier versions."""


class Summaries(Protocol):
    """An SAE's latents in all usable tracks of all splits."""

    tracks: tuple[str, ...]
    """Sorted."""
    n_latents: int
    latents: np.ndarray
    """Those that have a column, ascending."""
    complete: bool
    """Whether the others are active in no track: so in a run on planted concepts, or of an earlier
    version. Else only kept latents have a column."""

    def column(self, latent: int) -> Column:
        """One latent's tracks; raises `PipelineError` if it has no column."""
        ...


class _Columns:
    """The file by columns."""

    def __init__(self, directory: RunDirectory, name: str) -> None:
        self._name = name
        self._file = directory.tensor_file(columns_path(name))
        self.tracks: tuple[str, ...] = tuple(json.loads(self._file.read("names").tobytes()))
        self.latents = self._file.read("latents")
        self.n_latents = self._file.shape("histogram")[0]
        self.complete = self._file.metadata["columns"] == "active"
        self._indptr = self._file.read("indptr")

    def column(self, latent: int) -> Column:
        place = int(np.searchsorted(self.latents, latent))
        if place == len(self.latents) or self.latents[place] != latent:
            raise PipelineError(f"{self._name}/{latent} is not kept, so its tracks are not stored")
        part = int(self._indptr[place]), int(self._indptr[place + 1])
        return Column(
            *(self._file.read(value, *part) for value in ("track", "mean", "max", "frame"))
        )


class _Dense:
    """Two arrays [track, latent], as earlier versions wrote them."""

    def __init__(self, directory: RunDirectory, name: str) -> None:
        self._file = directory.open_tensors(dense_path(name))
        self.tracks: tuple[str, ...] = tuple(json.loads(self._file.metadata()["tracks"]))
        self.n_latents = int(self._file.get_slice("mean").get_shape()[1])
        self.latents: np.ndarray = np.arange(self.n_latents)
        self.complete = True

    def column(self, latent: int) -> Column:
        mean, peak = (self._file.get_slice(value)[:, latent] for value in ("mean", "max"))
        active = np.flatnonzero(peak)
        return Column(active, mean[active], peak[active], None)


def columns_path(name: str) -> str:
    """Path of an SAE's columns, relative to the run directory."""
    return f"features/{name}.columns.safetensors"


def dense_path(name: str) -> str:
    """Path of the arrays of earlier versions, relative to the run directory."""
    return f"features/{name}.activations.safetensors"


def open_summaries(directory: RunDirectory, name: str) -> Summaries:
    """The summaries of an SAE of a run whose stage `features` is done; raises `PipelineError` if
    their file is missing or damaged."""
    from safetensors import SafetensorError

    # By the manifest: a file that it does not list is left over from an interrupted attempt.
    files = directory.manifest()["stages"].get("features", {}).get("files", {})
    try:
        return (_Dense if dense_path(name) in files else _Columns)(directory, name)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"the summaries of {name} cannot be read: {error}") from error


def matrices(
    summaries: Summaries, latents: Sequence[int] | np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """`COLUMNS_AT_ONCE` latents at a time, and their means over frames [track, latent] float32.

    Raises `PipelineError` for latents whose columns are not stored although they may be active.
    """
    wanted = np.asarray(latents, dtype=np.intp)
    for start in range(0, len(wanted), COLUMNS_AT_ONCE):
        here = wanted[start : start + COLUMNS_AT_ONCE]
        dense = np.zeros((len(summaries.tracks), len(here)), dtype=np.float32)
        stored = np.isin(here, summaries.latents) if summaries.complete else np.ones(len(here))
        for place in np.flatnonzero(stored):
            column = summaries.column(int(here[place]))
            dense[column.tracks, place] = column.mean
        yield here, dense
