"""What a backup may contain, and what it leaves out. Whole backups: tests/e2e/test_backup.py."""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from studyapp.core.errors import BackupError
from studyapp.core.keys import key_fingerprint
from studyapp.hosting import backups

pytestmark = pytest.mark.django_db


@pytest.fixture
def data(tmp_path: Path, settings: Any) -> Path:
    """An empty data folder, deep enough to have something above it."""
    folder = tmp_path / "machine/data"
    folder.mkdir(parents=True)
    settings.DATA = folder
    return folder


def made(folder: Path, name: str) -> Path:
    """A valid backup for this machine that lists one file, with the right hash."""
    (folder / "data").mkdir(parents=True)
    (folder / "odd").write_bytes(b"odd")
    files = {name: sha256(b"odd").hexdigest()}
    manifest = backups.Manifest(backups.FORMAT, "now", "sqlite", key_fingerprint(), [], files)
    (folder / backups.MANIFEST).write_text(json.dumps(asdict(manifest)))
    return folder


@pytest.mark.parametrize(
    "name",
    ["data/../odd", "data//etc/odd", "data/runs/../../odd", "data/./odd", "data/", "data", "odd",
     "/etc/odd", "data/secret_key", "data/pseudonym_key", "data/a\0b"],
)  # fmt: skip
def test_a_backup_that_leads_out_of_the_data_folder_is_refused(
    data: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(BackupError, match=r"names .*, which no backup contains$"):
        backups.restore(folder=made(tmp_path / "backup", name))
    assert [path.name for path in data.parent.rglob("*")] == ["data"]


def test_symbolic_links_do_not_stop_a_backup_and_linked_folders_are_reported(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (data / "corpora").symlink_to(tmp_path / "disk")
    (data / "runs").mkdir()
    (data / "runs/gone").symlink_to(tmp_path / "nowhere")
    (data / "runs/kept").write_bytes(b"four")
    assert backups.size() == 4
    assert backups.folders_left_out() == [str(data / "corpora")]
