"""A study's items as a table: the study made of it is the same, up to its report."""

from __future__ import annotations

import csv
import io
import re
import shutil
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from analysis.report import build
from analysis.report.analyse import analyse
from analysis.report.settings import Settings
from studyapp.models import LabelCandidate, Study
from studyapp.participation.views import visitor
from studyapp.runs.services.item_tables.check import check
from studyapp.simulation import crowd
from studyapp.simulation.knowledge import Knowledge, knowledge_of
from studyapp.studies.selectors.studies import items_of
from tests.studyapp import factories

LISTENERS = 4
SETTINGS = ("--trials", "3", "--seed", "5", "--ratings", "2", "--steps", "paper", "--open")
UNEQUAL = re.compile(r"_at$|_ms(_\d)?$|^hookpoint$")


def command(name: str, *given: object) -> None:
    call_command(name, *map(str, given), stdout=StringIO(), stderr=StringIO())


def heard(study: Study) -> dict[str, Any]:
    """Item → what it is about, the bytes of its sounds, its options."""
    return {
        item.identifier: (
            item.feature and item.feature.identifier, item.condition and item.condition.method,
            [one.sha256 for one in item.stimuli], item.options, item.target,
        )
        for item in items_of(study)
    }  # fmt: skip


def answered(study: Study, url: str, knowledge: Knowledge, monkeypatch: Any) -> None:
    """Simulated listeners, one after the other, whose participations have equal seeds."""
    seeds = Random(0)
    monkeypatch.setattr("secrets.randbits", seeds.getrandbits)
    outcome = crowd.send(
        crowd.Crowd(
            link=f"{url}/s/{study.slug}/", token=visitor.simulation_token(study),
            participants=LISTENERS, concurrency=1,
        ),
        knowledge, lambda: None,
    )  # fmt: skip
    assert (len(outcome.codes), outcome.failures) == (LISTENERS, [])


def renamed(study: Study, folder: Path) -> Path:
    """The study's export with neutral names for what is named differently in another one."""
    command("export", study.slug, "--out", folder)
    names = {study.slug: "the-study"}
    for row in csv.DictReader(io.StringIO((folder / "responses.csv").read_text())):
        names.setdefault(row["participation"], f"p{len(names):019d}")
        names.setdefault(row["run"], "the-run")
    names.pop("", None)
    for path in folder.glob("*.*"):
        text = path.read_text()
        for name, neutral in names.items():
            text = text.replace(name, neutral)
        path.write_text(text)
    return folder


def rows_of(table: str) -> list[dict[str, str]]:
    """Its rows without what clocks write and where the run read, in an order of their own."""
    rows = [
        {name: cell for name, cell in row.items() if not UNEQUAL.search(name)}
        for row in csv.DictReader(io.StringIO(table))
    ]
    return sorted(rows, key=lambda row: [*row.values()])


@pytest.mark.django_db(transaction=True)
def test_the_study_made_of_a_study_s_items_has_the_same_report(
    live_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = factories.make_run()
    factories.make_features(run, count=9)
    for label in LabelCandidate.objects.all():
        label.scores = {"clap": 0.1 * label.rank, "reading": 1 / label.rank}
        label.save()
    # Fewer than the run has: the table knows nothing of the others.
    command("create_study", run.name, "--slug", "of-run", "--features", 6, *SETTINGS)
    command("export_items", "of-run", "--out", tmp_path / "items")
    table, clips = tmp_path / "items" / "items.csv", tmp_path / "items" / "clips"
    command("create_study", "--items", table, "--clips", clips, "--slug", "of-table", *SETTINGS)
    of_run, of_table = (Study.objects.get(slug=slug) for slug in ("of-run", "of-table"))
    assert heard(of_run) == heard(of_table)
    # What the run says of its sounds, the table does not.
    knowledge = knowledge_of(of_run)
    exports, reports = [], []
    for study in (of_run, of_table):
        answered(study, live_server.url, knowledge, monkeypatch)
        exports.append(renamed(study, tmp_path / study.slug))
        analysis = analyse(exports[-1] / "responses.csv", Settings(resamples=100))
        reports.append(build.files(analysis, drawings=[]))
    for name in ("responses.csv", "trials.csv", "labels.csv", "participants.csv"):
        of_both = [rows_of((one / name).read_text()) for one in exports]
        assert of_both[0] == of_both[1], name
    tables = [name for name in reports[0] if name.endswith(".csv")]
    assert {"estimates.csv", "tests.csv", "tables/features.csv"} <= set(tables)
    assert reports[0].keys() == reports[1].keys()
    for name in tables:
        assert rows_of(reports[0][name]) == rows_of(reports[1][name]), name


@pytest.mark.django_db
def test_items_of_two_runs_are_told_apart_and_near_synonyms_are_one_text(tmp_path: Path) -> None:
    runs = [factories.make_run() for _ in range(2)]
    for run in runs:
        factories.make_features(run, count=2)
    labels = LabelCandidate.objects.filter(feature__run=runs[0], rank__in=(2, 3))
    labels.update(name="one meaning")
    # As of a table that does not name its scorer.
    LabelCandidate.objects.update(scores={"given": 0.5, "clap": 0.25})
    more = ("--more-runs", runs[1].name, "--trials", 2, "--features", 4, "--steps", "paper")
    command("create_study", runs[0].name, "--slug", "both", *more)
    command("export_items", "both", "--out", tmp_path / "items")
    rows = rows_of((tmp_path / "items" / "items.csv").read_text())
    assert {row["item"].split("/")[0] for row in rows} == {run.identifier for run in runs}
    assert {row["group"] for row in rows} == {f"{run.identifier} layer2-n64-k4" for run in runs}
    ranks = {row["rank"] for row in rows if row["item"].startswith(runs[0].identifier)}
    assert ranks == {"1", "2", "4", "5"}
    assert {(row["score"], row["score_clap"]) for row in rows} == {("0.5", "0.25")}
    table = (tmp_path / "items" / "items.csv").read_bytes()
    assert check(table, tmp_path / "items" / "clips")[1] == []


@pytest.mark.django_db
def test_what_cannot_be_such_a_table_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    study = factories.make_pair_study()
    with pytest.raises(CommandError, match="has trials of the kind pair: a table of items is for"):
        command("export_items", study.slug, "--out", tmp_path / "items")
    (tmp_path / "mine").write_text("")
    study = factories.make_study()
    with pytest.raises(CommandError, match="is not an empty folder"):
        command("export_items", study.slug, "--out", tmp_path)
    with pytest.raises(CommandError, match=r"Not a directory; .*mine/items has no whole table"):
        command("export_items", study.slug, "--out", tmp_path / "mine" / "items")
    shutil.rmtree(Path(settings.DATA) / study.runs.get().directory)
    with pytest.raises(CommandError, match="is missing; nothing was written"):
        command("export_items", study.slug, "--out", tmp_path / "items")
    assert not (tmp_path / "items").exists()
