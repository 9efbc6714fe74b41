"""The tracks that a run uses."""

from __future__ import annotations

from pipeline.store.records import records_from
from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import SetAsideRecord, TrackRecord

SET_ASIDE = "activations/set_aside.parquet"


def usable_tracks(directory: RunDirectory) -> list[TrackRecord]:
    """The tracks that no stage has set aside, sorted by identifier."""
    return sorted(usable_in_table_order(directory), key=lambda record: record.track)


def usable_in_table_order(directory: RunDirectory) -> list[TrackRecord]:
    """The same tracks in the order of `corpus.parquet`, which labelers and scorers use."""
    records = records_from(TrackRecord, directory.read_table("corpus.parquet"))
    aside = set()
    # A file that the manifest does not list is left over from an interrupted attempt.
    if SET_ASIDE in directory.manifest()["stages"].get("activations", {}).get("files", {}):
        aside = {row.track for row in records_from(SetAsideRecord, directory.read_table(SET_ASIDE))}
    return [r for r in records if r.status == "ok" and r.track not in aside]
