"""Which split a recording is in: what must not be parted, and a salted hash of its name."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from pipeline.config import CorpusConfig
from pipeline.corpus.adapters.base import CorpusEntry

SPLITS = ("train", "validation", "test")


def split_of(group: str, config: CorpusConfig) -> str:
    """The split of an artist or track: train, validation or test.

    A salted hash of the name alone, so no other track of the corpus can change it.
    """
    digest = hashlib.sha256(f"{config.split_salt}\0{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < config.train_share:
        return "train"
    return "validation" if place < config.train_share + config.validation_share else "test"


def joined(entries: list[CorpusEntry]) -> list[CorpusEntry]:
    """The entries with what their split is drawn by, where rows link artists and groups.

    A recording listed under two artists, or with its artist in one row only, would be in two
    splits. Of names that are linked the first counts, artists before groups; what is linked to
    nothing is drawn by its own name, as ever.
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
    """What must not be parted by the split; an artist and a track of one name are two groups."""
    if entry.split_by:
        return entry.split_by
    if entry.artist:
        return f"artist {entry.artist}"
    return entry.group or f"track {entry.track}"
