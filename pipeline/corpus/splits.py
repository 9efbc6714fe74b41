"""Splits the corpus by a salted hash of each recording's group (artist, else recording)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from pipeline.config import CorpusConfig
from pipeline.corpus.adapters.base import CorpusEntry

SPLITS = ("train", "validation", "test")


def split_of(group: str, config: CorpusConfig) -> str:
    """The split of a group (an artist or track): train, validation or test.

    It depends only on a salted hash of the group's name, so other tracks cannot change it.
    """
    digest = hashlib.sha256(f"{config.split_salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.train_share:
        return "train"
    return "validation" if place < config.train_share + config.validation_share else "test"


def joined(entries: list[CorpusEntry]) -> list[CorpusEntry]:
    """The entries with `split_by` filled in, where rows link several artists and groups.

    Without this, a recording listed under two artists, or with its artist in one row only, would
    be in two splits. Linked names are split by the first of them, artists before groups; a name
    without links is split by itself.
    """
    leads: dict[str, str] = {}

    def first(name: str) -> str:
        while leads.get(name, name) != name:
            name = leads[name]
        return name

    for entry in entries:
        if entry.artist and entry.group:
            found = (first(f"artist {entry.artist}"), first(entry.group))
            one, other = sorted(found, key=lambda name: (not name.startswith("artist "), name))
            leads[other] = one
    return [replace(entry, split_by=first(group_of(entry))) for entry in entries]


def group_of(entry: CorpusEntry) -> str:
    """The group that a split must keep together; an artist and a track of the same name differ."""
    if entry.split_by:
        return entry.split_by
    if entry.artist:
        return f"artist {entry.artist}"
    return entry.group or f"track {entry.track}"
