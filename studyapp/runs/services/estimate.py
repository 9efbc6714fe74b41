"""Estimates what a run will take, from its config's shapes and from runs that are done."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from django.db.models import QuerySet

from studyapp.core.text import hours_in_words
from studyapp.models import Run
from studyapp.runs.services.budget import is_remote
from studyapp.runs.services.configs import refusals

if TYPE_CHECKING:
    from pipeline.config import RunConfig

MAX_FILES = 60_000
"""A corpus folder with more files is not listed while a page is being loaded."""
MAX_SECONDS = 1.0
"""Nor is a folder that takes longer to scan."""
LISTING_BYTES = 2_000
"""Bytes of a listing or tar shard that take about as long to read as it takes to find a file."""
LISTINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".tar")
REMEMBERED_SECONDS = 300


def estimates_of(
    configs: Mapping[str, Mapping[str, Any]], *, runs: QuerySet[Run]
) -> dict[str, Any]:
    """Estimate the runs of these configs, by their subjects' names: `estimate` as of one run, for
    all together, and `subjects`, each with its own, if they are a sweep."""
    found = {name: estimate_of(config, runs=runs) for name, config in configs.items()}
    first = next(iter(found.values()))
    if "" in found:
        return {"estimate": first, "subjects": []}
    return {"estimate": _in_all(list(found.values())), "subjects": list(found.items())}


def _in_all(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Sum estimates; what is not known of one run is not known of all."""
    summed = {
        name: None if any(one[name] is None for one in each) else sum(one[name] for one in each)
        for name in (
            "saes",
            "latents",
            "total_bytes",
            "hours",
            "features",
            "dollars",
            "most_dollars",
        )
    }
    hours = summed["hours"]
    return each[0] | summed | {"duration": None if hours is None else hours_in_words(hours)}


def estimate_of(config: Mapping[str, Any], *, runs: QuerySet[Run] | None = None) -> dict[str, Any]:
    """Estimate what a run with this config will take.

    `runs` are the runs to learn from (default: all). In the result:
    - `hours` and `duration` (the same in words) are None if no run has the same subject model;
    - `tracks` and what depends on it are None if the corpus is too large to be listed quickly;
    - `remote` lists the methods that use a paid service, and `dollars` is their estimated cost for
      `features`, the expected number of kept features (None if no run is comparable).

    Raises `RunError` if the config or its corpus is refused.
    """
    from dataclasses import asdict

    from pipeline.config import config_from_dict
    from pipeline.estimate import cost_of

    done = (Run.objects.all() if runs is None else runs).filter(state=Run.State.DONE)
    with refusals():
        checked = config_from_dict(config)
        tracks = _tracks(checked)
        # Without its corpus: only `_tracks` may list the folder, within limits.
        found = cost_of(replace(checked, corpus=replace(checked.corpus, path=None)), tracks=tracks)
        methods = config.get("labels", {}).get("methods") or ()
        hours = _hours(config, found.tracks, done)
        features = _features(config, found.latents, done)
        return {
            **asdict(found),
            "total_bytes": found.total_bytes,
            "shape": _shape(checked),
            "too_large": checked.corpus.path is not None and tracks is None,
            "hours": hours,
            "duration": None if hours is None else hours_in_words(hours),
            "remote": [one for one in methods if is_remote(one)],
            "features": features,
            "most_dollars": (found.latents or 0) * found.dollars_per_feature,
            "dollars": None if features is None else features * found.dollars_per_feature,
            "budget": sum(
                getattr(checked, section).budget_dollars for section in checked.paid_sections()
            ),
        }


def _shape(config: "RunConfig") -> tuple[tuple[int, str], ...]:
    """Return what the number of SAEs is the product of: numbers and what is counted."""
    hookpoints, sae = config.subject.hookpoints, config.sae
    own = [(len(hookpoints), "hookpoint")]
    if not sae.checkpoint:
        own += [(len(sae.expansions), "expansion"), (len(sae.ks), "k")]
    return tuple(own)


def _tracks(config: "RunConfig") -> int | None:
    """Return the number of tracks in the corpus; None if there is none or it is too large."""
    from pipeline.corpus.adapters import ADAPTERS
    from pipeline.registry import resolve

    folder = config.corpus.path
    if folder is None:
        return None
    adapter = resolve(ADAPTERS, config.corpus.adapter, "corpus adapter")
    key = f"tracks:{config.corpus.adapter}:{folder}"
    key = "".join(one if one.isalnum() else f"-{ord(one):x}-" for one in key)[-200:]
    known = cache.get(key)
    if known is None:
        known = len(adapter.entries(folder)) if _is_small(folder) else -1
        cache.set(key, known, REMEMBERED_SECONDS)
    return None if known < 0 else int(known)


def _is_small(folder: Path) -> bool:
    """Whether a folder can be listed quickly."""
    end, work = time.monotonic() + MAX_SECONDS, 0.0
    for entry in _files(folder):
        work += 1
        if entry.name.lower().endswith(LISTINGS):
            work += _size(entry) / LISTING_BYTES
        if work > MAX_FILES or time.monotonic() > end:
            return False
    return True


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a broken link
        return 0


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything under a folder one by one; a complete list could take forever."""
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError:
            continue


def _hours(config: Mapping[str, Any], tracks: int | None, runs: QuerySet[Run]) -> float | None:
    """Estimate hours from the latest run of the same subject model; None if there is none."""
    model = config.get("subject", {}).get("model")
    for run in runs.prefetch_related("stages")[:50]:
        stages = list(run.stages.all())
        done = next((s.done for s in stages if s.stage == "activations"), 0)
        seconds = sum(stage.seconds or 0.0 for stage in stages)
        if tracks and done and seconds and run.config.get("subject", {}).get("model") == model:
            return seconds / done * tracks / 3600
    return None


def _features(config: Mapping[str, Any], latents: int | None, runs: QuerySet[Run]) -> int | None:
    """Estimate the features to be kept from the latest run of the same subject model."""
    from pipeline.config import config_from_dict
    from pipeline.errors import PipelineError
    from pipeline.estimate import latents_of

    model = config.get("subject", {}).get("model")
    for run in runs[:50]:
        kept = run.facets.get("features")
        if kept and run.config.get("subject", {}).get("model") == model:
            try:
                theirs = latents_of(config_from_dict(run.config))
            except PipelineError:
                continue  # Made by a version with other fields, so not comparable.
            if latents and theirs:  # not known of a run with an SAE from elsewhere
                return round(latents * int(kept) / theirs)
    return None
