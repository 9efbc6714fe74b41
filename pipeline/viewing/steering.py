"""What `python -m pipeline steer` made of one feature: music with it turned up, and without."""

from __future__ import annotations

from pipeline.store.run_directory import RunDirectory
from pipeline.store.tables import SteeringRecord, records_from


def steered(directory: RunDirectory, sae: str, feature: str) -> list[SteeringRecord]:
    """The feature's clips, by seed and then from the least α to the largest; none if not made."""
    relative = f"steering/{sae}.parquet"
    if not directory.path_of(relative).is_file():
        return []
    table = directory.read_table(relative)
    own = [row for row in records_from(SteeringRecord, table) if row.feature == feature]
    return sorted(own, key=lambda row: (row.prompt, row.seed, row.alpha))
