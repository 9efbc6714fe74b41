"""Records survive the conversion to a table and back."""

from __future__ import annotations

from dataclasses import fields

import pyarrow as pa
import pytest

from pipeline.store import steering_tables, tables
from pipeline.store.records import records_from, schema_of, table_of
from pipeline.store.steering_tables import (
    AblationRecord,
    EffectRecord,
    HorizonEffectRecord,
    HorizonRecord,
    ImprovedRecord,
    LayerScoreRecord,
    MeanSlopeRecord,
    MovedRecord,
    OutputScoreRecord,
    SelectionRecord,
    SlopeRecord,
    SteeringRecord,
)
from pipeline.store.tables import (
    ExemplarRecord,
    FeatureRecord,
    LabelCandidate,
    NeighbourRecord,
    OverallRecord,
    QualityRecord,
    ScoreRecord,
    SetAsideRecord,
    TrackRecord,
    TrainingRecord,
)

TABLES = [
    TrackRecord, TrainingRecord, FeatureRecord, NeighbourRecord, ExemplarRecord, LabelCandidate,
    OverallRecord, QualityRecord, ScoreRecord, SetAsideRecord, SteeringRecord,
    EffectRecord, SlopeRecord, MeanSlopeRecord, ImprovedRecord, OutputScoreRecord,
    SelectionRecord, AblationRecord, HorizonRecord, HorizonEffectRecord, LayerScoreRecord,
    MovedRecord,
]  # fmt: skip


@pytest.mark.parametrize("cls", TABLES)
def test_every_column_has_a_type_and_a_meaning(cls: type) -> None:
    schema = schema_of(cls)
    assert schema.names == [f.name for f in fields(cls)]
    assert all(field.metadata[b"meaning"] for field in schema)


def test_every_record_class_is_tested() -> None:
    known = [*vars(tables).values(), *vars(steering_tables).values()]
    found = {cls for cls in known if hasattr(cls, "__dataclass_fields__")}
    assert found == set(TABLES)


def test_records_come_back_from_their_table() -> None:
    row = TrackRecord(
        track="t", path="p", sha256="s", seconds=1.5, start_seconds=0.0, sample_rate=8000,
        artist="", split="train", tags=("a", "b"), caption="", license="CC0", status="ok",
        reason="",
    )  # fmt: skip
    table = table_of(TrackRecord, [row])
    assert table.schema.field("tags").type == pa.list_(pa.string())
    assert records_from(TrackRecord, table) == [row]


def test_a_missing_score_is_null_and_comes_back_as_none() -> None:
    row = ScoreRecord(
        feature="f/0", method="m", rank=1, score=None, low=None, high=None, contrast=None,
        n_positive=0, n_negative=9, comparable=False, status="failed", reason="none fire",
    )  # fmt: skip
    assert records_from(ScoreRecord, table_of(ScoreRecord, [row])) == [row]


def test_an_empty_table_keeps_its_columns() -> None:
    assert table_of(NeighbourRecord, []).schema.names == ["feature", "neighbour", "rank", "cosine"]


def test_a_table_from_before_a_column_was_added_is_read() -> None:
    row = LabelCandidate(feature="f/0", rank=1, text="a", confidence=0.5, description="")
    table = table_of(LabelCandidate, [row]).drop_columns(["provenance", "name", "merged"])
    assert records_from(LabelCandidate, table) == [row]
