"""The export: the contract's columns, everything as shown and answered, complete or not at all."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from studyapp import exports
from studyapp.exports import write
from studyapp.exports.cells import pseudonym
from studyapp.models import Event, LabelCandidate, Participation, Response, Study, Trial
from studyapp.studies.services import design
from tests.studyapp import factories, passages

pytestmark = pytest.mark.django_db

CONTRACT = [
    "study",
    "study_version",
    "participation",
    "method",
    "run",
    "sae",
    "hookpoint",
    "feature",
    "item",
    "trial",
    "kind",
    "repeat_of",
    "clip_1",
    "clip_2",
    "clip_3",
    "option_1",
    "option_2",
    "option_3",
    "option_4",
    "option_5",
    "option_source_1",
    "option_source_2",
    "option_source_3",
    "option_source_4",
    "option_source_5",
    "option_rank_1",
    "option_rank_2",
    "option_rank_3",
    "option_rank_4",
    "option_rank_5",
    "target_position",
    "chosen_position",
    "chosen_label",
    "chosen_rank",
    "confidence",
    "free_text",
    "response_ms",
    "plays_1",
    "plays_2",
    "plays_3",
    "heard_ms_1",
    "heard_ms_2",
    "heard_ms_3",
    "hidden_ms",
    "shown_at",
    "answered_at",
    "participation_status",
    "flags",
    "simulated",
    "trial_type",
    "prompt",
    "clip_role_1",
    "clip_role_2",
    "clip_role_3",
    "strength",
    *(f"clip_strength_{n}" for n in (1, 2, 3)),
    *(f"clip_intervention_{n}" for n in (1, 2, 3)),
    "steering_seed",
    "answer",
    "clip_4",
    "clip_5",
    "clip_role_4",
    "clip_role_5",
    "plays_4",
    "plays_5",
    "heard_ms_4",
    "heard_ms_5",
    *(f"clip_clap_{n}" for n in range(1, 6)),
]
FILES = {
    "responses.csv", "participants.csv", "trials.csv", "events.csv", "problems.csv", "labels.csv",
    "stimuli.csv", "study.json", "codebook.json", "codebook.md", "dataset_description.json",
}  # fmt: skip


@pytest.fixture
def study(client: Client) -> Study:
    """An open study with one complete participation, one refused, one withdrawn."""
    made = factories.make_study()
    LabelCandidate.objects.filter(rank=1).update(scores={"detection": 0.75})
    participation = passages.reach_trials(client, made)
    passages.finish(client, made, participation)
    refused = Client()
    passages.enter(refused, made)
    refused.post(f"/s/{made.slug}/consent/", {"decision": "refuse"})
    gone = Client()
    withdrawn = passages.reach_trials(gone, made)
    passages.hear(gone, made, passages.current(withdrawn))
    passages.answer(gone, made, passages.current(withdrawn))
    Participation.objects.filter(pk=withdrawn.pk).update(status="withdrawn")
    return made


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def folder(study: Study, tmp_path: Path) -> Path:
    """The export of `study`."""
    return exports.export_study(study=study, out=tmp_path / "out")


def test_the_columns_are_the_contracts_in_its_order(folder: Path) -> None:
    header = (folder / "responses.csv").read_bytes().split(b"\r\n")[0].decode().split(",")
    assert header == CONTRACT
    assert {path.name for path in folder.iterdir()} == FILES


def test_options_are_in_the_order_shown(study: Study, folder: Path) -> None:
    for row in _table(folder, "responses.csv"):
        [person] = [
            p for p in study.participations.all() if pseudonym(p.identifier) == row["participation"]
        ]
        trial = Trial.objects.get(participation=person, number=row["trial"])
        shown = [trial.item.options[index] for index in trial.option_order]
        assert [row[f"option_{n}"] for n in range(1, 6)] == [o["text"] for o in shown]
        assert [row[f"option_source_{n}"] for n in range(1, 6)] == [o["source"] for o in shown]
        chosen = shown[trial.response.choice - 1]
        assert row["chosen_label"] == chosen["text"]
        assert row["chosen_rank"] == str(chosen["rank"] or "")
        assert row["clip_2"] == trial.item.stimulus_2.sha256
        assert row["method"] == trial.item.condition.method


def test_listening_is_summed_from_the_events(study: Study, tmp_path: Path) -> None:
    response = Response.objects.filter(trial__participation__status="complete").earliest("pk")
    trial = response.trial
    told: list[tuple[str, int | None, int | None]] = [
        ("play", 1, None), ("play", 1, None), ("heard", 1, 700), ("heard", 1, 400),
        ("visible", None, 90), ("visible", None, 10),
    ]  # fmt: skip
    for number, (kind, clip, value) in enumerate(told):
        Event.objects.create(
            participation=trial.participation, trial=trial, type=kind, clip=clip, value=value,
            at_ms=number, sequence=f"x{number}",
        )  # fmt: skip
    made = exports.export_study(study=study, out=tmp_path / "again")
    row = _table(made, "responses.csv")[0]
    assert (row["plays_1"], row["heard_ms_1"], row["hidden_ms"]) == ("2", "1100", "100")
    assert (row["plays_2"], row["heard_ms_2"], row["flags"]) == ("0", "0", "")


def test_an_answer_without_all_sounds_heard_is_flagged(study: Study, tmp_path: Path) -> None:
    trial = Response.objects.filter(trial__participation__status="complete").earliest("pk").trial
    trial.events.filter(type="ended", clip=2).delete()
    Event.objects.create(
        participation=trial.participation, trial=trial, type="error", at_ms=1, sequence="e"
    )
    made = exports.export_study(study=study, out=tmp_path / "again")
    assert _table(made, "responses.csv")[0]["flags"] == "audio_error|not_heard_to_the_end"


def test_the_withdrawn_are_in_no_file(folder: Path) -> None:
    [withdrawn] = Participation.objects.filter(status="withdrawn")
    for path in folder.iterdir():
        assert withdrawn.identifier not in path.read_text(encoding="utf-8"), path.name
    assert len(_table(folder, "responses.csv")) == 3
    statuses = [row["participation_status"] for row in _table(folder, "participants.csv")]
    assert statuses == ["complete", "refused"]


def test_companions_name_the_same_things(study: Study, folder: Path) -> None:
    responses, trials = _table(folder, "responses.csv"), _table(folder, "trials.csv")
    assert [row["answered"] for row in trials] == ["true"] * 3
    keys = {(row["run"], row["feature"]) for row in responses}
    assert keys <= {(row["run"], row["feature"]) for row in _table(folder, "labels.csv")}
    clips = {row[f"clip_{n}"] for row in responses for n in (1, 2, 3)}
    assert clips <= {row["clip"] for row in _table(folder, "stimuli.csv")}
    first = _table(folder, "labels.csv")[0]
    assert (first["rank"], first["score_detection"]) == ("1", "0.75")
    assert {row["participation"] for row in _table(folder, "events.csv")} == {
        row["participation"] for row in responses
    }


def test_simulated_participations_are_mentioned(study: Study, tmp_path: Path) -> None:
    Participation.objects.filter(status="complete").update(simulated=True)
    made = exports.export_study(study=study, out=tmp_path / "simulated")
    assert [row["simulated"] for row in _table(made, "participants.csv")] == ["true", "false"]
    protocol = json.loads((made / "study.json").read_text())
    assert protocol["simulated_participations"] == 1
    assert protocol["participations"]["complete"] == {"real": 0, "simulated": 1}
    assert protocol["design_hash"] == study.design_hash != ""


@pytest.mark.parametrize("codes", [{}, {"complete": "DONE1234"}])
def test_the_design_hash_can_be_computed_from_the_export(tmp_path: Path, codes: Any) -> None:
    """Codes worth money are withheld, and with them the hash, until the study is closed."""
    study = factories.make_study(codes=codes, practice_trials=2, catch_trials=1, languages=["en"])
    for state in ("open", "closed"):
        Study.objects.update(state=state)
        study.refresh_from_db()
        made = exports.export_study(study=study, out=tmp_path / state)
        told = json.loads((made / "study.json").read_text(encoding="utf-8"))
        assert ("DONE1234" in json.dumps(told)) == (bool(codes) and state == "closed")
        expected = "" if codes and state == "open" else study.design_hash
        assert (design.hash_of_export(told), told["design_hash"]) == (expected, study.design_hash)
    covered = {name: told["design"][name] for name in sorted(told["design_hash_covers"])}
    text = json.dumps(covered, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == study.design_hash  # as the codebook says
    changed = told | {"design": told["design"] | {"check_sounds": {"tones": []}}}
    assert design.hash_of_export(changed) != study.design_hash


def test_the_codebook_has_every_column_of_every_file(folder: Path) -> None:
    book = json.loads((folder / "codebook.json").read_text())["files"]
    text = (folder / "codebook.md").read_text()
    for name in sorted(FILES):
        if name.endswith(".csv"):
            header = (folder / name).read_text().splitlines()[0].split(",")
            assert [column["name"] for column in book[name]["columns"]] == header
            assert all(column["meaning"] for column in book[name]["columns"])
            assert all(f"| {column} |" in text for column in header)


def test_cells_keep_to_their_levels(folder: Path) -> None:
    book = json.loads((folder / "codebook.json").read_text())["files"]
    for name, file in book.items():
        for row in _table(folder, name):
            for column in file["columns"]:
                levels = {level.split(" ")[0] for level in column["levels"]}
                parts = row[column["name"]].split("|")
                assert not levels or set(parts) <= levels | {""}, (name, column["name"], parts)


def test_difficult_texts_come_back_as_typed(study: Study, tmp_path: Path) -> None:
    typed = '=1+1, "quoted"\r\nsecond line; ʻŌ 鼓 \N{BELL}'
    Response.objects.filter(trial__participation__status="complete").update(free_text=typed)
    made = exports.export_study(study=study, out=tmp_path / "texts")
    assert [row["free_text"] for row in _table(made, "responses.csv")] == [typed] * 3


def test_an_existing_folder_is_left_unchanged(study: Study, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(exports.ExportError, match="not an empty folder"):
        exports.export_study(study=study, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_failure_leaves_nothing(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise OSError("the disk is full")

    monkeypatch.setattr("studyapp.exports.selectors.events", broken)
    with pytest.raises(OSError, match="full"):
        exports.export_study(study=study, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_stream_is_the_file(study: Study, folder: Path) -> None:
    streamed = b"".join(exports.responses_as_csv(study)).decode()
    assert streamed.encode() == (folder / "responses.csv").read_bytes()


def _rows(lines: Iterable[bytes]) -> int:
    return len(list(csv.reader(io.StringIO(b"".join(lines).decode(), newline=""))))


def test_more_responses_need_no_more_queries(study: Study, client: Client) -> None:
    with CaptureQueriesContext(connection) as few:
        assert _rows(exports.responses_as_csv(study)) == 4
    other = Client()
    passages.finish(other, study, passages.reach_trials(other, study))
    with CaptureQueriesContext(connection) as more:
        assert _rows(exports.responses_as_csv(study)) == 7
    assert len(more) == len(few)


def test_the_zip_holds_the_exports_files_byte_by_byte(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 3, 2, 12, tzinfo=UTC))
    forms = exports.Forms(spreadsheet=True, parquet=True, psych_ds=True)
    folder = exports.export_study(study=study, out=tmp_path / "out", forms=forms)
    data = b"".join(exports.zip_study(study, forms))
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.testzip() is None
        held = {name: packed.read(name) for name in packed.namelist()}
    there = {
        f"{study.slug}-v1/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert held == there
    assert len(held) == 25


def test_the_zip_leaves_piece_by_piece_while_rows_are_read(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "PIECE", 1)
    monkeypatch.setattr(write, "LINES", 1)
    read: list[int] = []
    responses = write.rows.responses

    def counted(asked: Study, **among: Any) -> Iterator[Any]:
        for number, row in enumerate(responses(asked, **among)):
            read.append(number)
            yield row

    monkeypatch.setattr(write.rows, "responses", counted)
    pieces = exports.zip_study(study)
    next(pieces)
    assert len(read) < 3
    assert len(b"".join(pieces)) > 1000
    assert read[:3] == [0, 1, 2]


def test_the_command_exports_a_version_by_name(study: Study, tmp_path: Path) -> None:
    call_command("export", f"{study.slug}@1", "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "responses.csv").exists()


@pytest.mark.parametrize("name", ["nothing", "nothing@x"])
def test_the_command_refuses_what_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="nothing"):
        call_command("export", name, "--out", str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []
