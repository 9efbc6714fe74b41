"""Other formats of the same tables: Parquet, spreadsheets, Psych-DS, JSON; at one point in time."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from analysis.report import text as analysis_text
from studyapp import exports
from studyapp.accounts.services import projects, tokens
from studyapp.core.snapshot import snapshot
from studyapp.exports.cells import pseudonym, spreadsheet_safe
from studyapp.models import AuditRecord, Participation, Response, Study
from tests.studyapp import factories, passages

FORMULA = '=HYPERLINK("http://x","y")'


def _answered() -> Study:
    study = factories.make_study()
    client = Client()
    passages.finish(client, study, passages.reach_trials(client, study))
    Response.objects.filter(trial__number=1).update(free_text=FORMULA)
    return study


@pytest.mark.django_db
def test_every_form_says_the_same(tmp_path: Path) -> None:
    study = _answered()
    name = f"{study.slug}@{study.version}"
    call_command("export", name, out=tmp_path / "out", parquet=True, spreadsheet=True)
    for table in ("responses", "participants", "trials", "events", "labels", "stimuli"):
        rows = _rows(tmp_path / "out" / f"{table}.csv")
        columns = pq.read_table(tmp_path / "out" / f"{table}.parquet")
        assert columns.column_names == list(rows[0])
        for row, record in zip(rows, columns.to_pylist(), strict=True):
            assert row == {key: _as_cell(value) for key, value in record.items()}
    marked = tmp_path / "out" / "responses.spreadsheet.csv"
    assert marked.read_bytes().startswith(b"\xef\xbb\xbfstudy,")
    assert b"".join(exports.responses_as_csv(study, safe=True)) == marked.read_bytes()
    safe = _rows(marked)
    texts = {row["free_text"] for row in safe}
    assert f"'{FORMULA}" in texts
    assert FORMULA not in texts


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _as_cell(value: Any) -> str:
    from studyapp.exports.cells import cell

    return cell(value)


@pytest.mark.django_db
def test_psych_ds_has_its_description_and_its_names(tmp_path: Path) -> None:
    study = _answered()
    out = exports.export_study(
        study=study, out=tmp_path / "out", forms=exports.Forms(psych_ds=True)
    )
    described = json.loads((out / "dataset_description.json").read_text())
    assert (described["@context"], described["@type"]) == ("https://schema.org/", "Dataset")
    measured = {variable["name"] for variable in described["variableMeasured"]}
    data = sorted((out / "data").iterdir())
    assert len(data) == 7
    for path in data:
        assert path.name.endswith("_data.csv")
        with path.open(encoding="utf-8", newline="") as file:
            assert set(next(csv.reader(file))) <= measured


@pytest.mark.django_db
def test_nothing_that_names_a_person_is_in_an_export(tmp_path: Path) -> None:
    study = factories.make_study()
    client = Client(headers={"user-agent": "Sentinel/1.0"}, REMOTE_ADDR="192.0.2.77")
    asked = {"PROLIFIC_PID": "5f0000sentinel", "SESSION_ID": "sess-sentinel", "STUDY_ID": "s"}
    client.get(f"/s/{study.slug}/", asked)
    participation = Participation.objects.get()
    out = exports.export_study(study=study, out=tmp_path / "out")
    everything = "".join(path.read_text(encoding="utf-8") for path in out.iterdir())
    for secret in ("sentinel", "192.0.2.77", "Sentinel", participation.identifier,
                   participation.external_key):  # fmt: skip
        assert secret not in everything
    assert pseudonym(participation.identifier) in everything


@given(st.text() | st.text("=＝ \t\r\n\u200b\ufeff\u3000a"))
def test_a_safe_text_starts_no_formula_and_loses_nothing(text: str) -> None:
    safe = spreadsheet_safe(text)
    assert analysis_text.spreadsheet_safe(text) == safe  # one rule, written in both packages
    assert safe.replace("'", "") == text.replace("'", "")
    assert not safe or safe.lstrip(" \u00a0")[:1] not in set("=+-@\t\r|%＝＋－＠")


@pytest.mark.parametrize(
    "text",
    [
        "\t=1",
        "\r=1",
        " =1",
        "＝1",
        "+1",
        "-1",
        "@x",
        "\n=1",
        "%0A",
        "\u3000=1",
        "\ufeff=1",
        "\u200b＝1",
        " \t=1",
        "\x00=1",
    ],
)
def test_cells_that_other_libraries_leave_unsafe_are_made_safe(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a;=1", "a;'=1"),
        ("a; \u200b=1;+2", "a; \u200b'=1;'+2"),
        ("a\r\n=1", "a\r\n'=1"),
        (";=1", ";'=1"),
        ("=1;=2", "'=1;'=2"),
        ("low; dark\nslow", "low; dark\nslow"),
    ],
)
def test_no_formula_starts_where_semicolons_or_lines_separate_cells(text: str, safe: str) -> None:
    """German Excel splits a comma-separated file at semicolons, and ends a row at each line."""
    assert spreadsheet_safe(text) == analysis_text.spreadsheet_safe(text) == safe


@pytest.mark.django_db(transaction=True)
def test_an_export_is_one_moment_and_keeps_no_answer_waiting() -> None:
    study = _answered()
    Response.objects.all().delete()
    first = Client()
    participation = passages.reach_trials(first, study)
    passages.hear(first, study, passages.current(participation))
    with snapshot():
        before = len(list(exports.tables(study)["responses"][1]()))

        def answer() -> None:
            passages.answer(first, study, passages.current(participation))
            connection.close()

        other = threading.Thread(target=answer)
        other.start()
        other.join(timeout=15)
        assert not other.is_alive()
        assert len(list(exports.tables(study)["responses"][1]())) == before == 0
    assert len(list(exports.tables(study)["responses"][1]())) == 1


@pytest.mark.django_db
def test_the_api_gives_tables_only_to_a_token() -> None:
    study = _answered()
    user = User.objects.create_user("ada", password="x")
    study.project = projects.make(name="Hearing", owner=user)
    study.save(update_fields=["project"])
    token, secret = tokens.make(user=user, name="notebook")
    own = [study.slug, study.version]
    address = reverse("api-table", args=[*own, "responses"])
    assert Client().get(address).status_code == 401
    assert Client(headers={"authorization": "Bearer wrong"}).get(address).status_code == 401
    client = Client(headers={"authorization": f"Bearer {secret}"})
    assert "neither closed nor unblinded" in client.get(address).json()["error"]
    Study.objects.update(unblinded_at=timezone.now())
    listed = client.get(reverse("api-studies")).json()["studies"]
    assert listed[0]["tables"]["responses"] == f"http://testserver{address}"
    described = client.get(reverse("api-study", args=own)).json()
    assert described["protocol"]["design_hash"] == study.design_hash
    body = b"".join(client.get(address).streaming_content)  # type: ignore[attr-defined]
    records = [json.loads(line) for line in body.decode().splitlines()]
    table = list(csv.DictReader(io.StringIO(b"".join(exports.responses_as_csv(study)).decode())))
    assert [r["confidence"] for r in records] == [int(row["confidence"]) for row in table]
    assert list(records[0]) == list(table[0])
    assert client.get(f"{address}x").status_code == 404
    assert client.post(address).status_code == 405
    assert AuditRecord.objects.filter(action="read by token", who="ada").count() == 1
    tokens.revoke(user=user, pk=token.pk)
    assert client.get(address).status_code == 401
    assert secret not in str(list(AuditRecord.objects.values()))


@pytest.mark.django_db
def test_a_token_reads_what_its_owner_may_see_and_nothing_else() -> None:
    study = _answered()
    stranger = User.objects.create_user("eve", password="x")
    _, secret = tokens.make(user=stranger, name="n")
    client = Client(headers={"authorization": f"Bearer {secret}"})
    assert client.get(reverse("api-studies")).json() == {"studies": []}
    own = [study.slug, study.version, "responses"]
    assert client.get(reverse("api-table", args=own)).status_code == 404
