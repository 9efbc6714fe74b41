"""A backup: the database, the data folder and the fingerprint of the key, as a folder of files.

    backup.json        its origin, the key's fingerprint, and a SHA-256 per file; written last
    database.sqlite3   or database.dump: a snapshot of the database
    data/…             runs, stimuli, reports: the data folder without secrets, downloads, and
                       what each start makes

The database is copied first, because files are on disk before the rows that name them. The keys are
not included, so that people cannot be identified from a backup; they must be kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from studyapp.core import installation
from studyapp.core.errors import BackupError
from studyapp.core.keys import key_fingerprint
from studyapp.hosting import dumps
from studyapp.models import Run

FORMAT = 1
MANIFEST = "backup.json"
LEFT_OUT = {
    "broker", "hub", "logs", "pseudonym_key", "researcher.json", "secret_key", "serving.lock",
    "static",
}  # fmt: skip
"""Left out at the top of the data folder: secrets, what each start makes, and downloads."""
CHUNK_BYTES = 1 << 20

Watch = Callable[[int], object]
"""Called with the number of bytes of each piece that was read."""


@dataclass(frozen=True)
class Manifest:
    """The content of `backup.json`."""

    earwitness_backup: int
    made_at: str
    database: str
    """Django's name of the database engine."""
    key_fingerprint: str
    migrations: list[str]
    """Applied migrations, as `APP NAME`."""
    files: dict[str, str]
    """Path in the backup → SHA-256."""


def size() -> int:
    """Return the number of bytes that a backup copies from the data folder."""
    return sum(path.stat().st_size for path in _data_files() if path.exists())


def folders_left_out() -> list[str]:
    """Return folders that a backup lacks: imported runs outside the data folder, and links."""
    folders = Run.objects.values_list("directory", flat=True)
    imported = {one for one in folders if not _in_data(Path(settings.DATA) / one)}
    linked = {str(path) for place, names, _ in _walk() for path in _links(place, names)}
    return sorted(imported | linked)


def back_up(*, out: Path, with_data: bool = True, watch: Watch = lambda _: None) -> Path:
    """Write a backup into the new folder `out`, completely or not at all.

    Raises `BackupError` if `out` exists or is inside the data folder.
    """
    out = out.expanduser().resolve()
    if out.exists():
        raise BackupError(f"{out} already exists; give a new folder")
    if _in_data(out):
        raise BackupError(
            f"{out} is inside the data folder, which it would copy; give another folder"
        )
    draft = out.with_name(f"{out.name}.partial")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        _write(draft, with_data, watch)
        draft.rename(out)
    except OSError as error:
        raise BackupError(f"{out} cannot be written: {error}") from error
    return out


def _write(folder: Path, with_data: bool, watch: Watch) -> None:
    applied = _applied()
    name = dumps.NAMES[connection.vendor]
    dumps.dump(folder / name)
    files = {name: _file_hash(folder / name)}
    for path in _data_files() if with_data else ():
        relative = f"data/{path.relative_to(settings.DATA)}"
        try:
            files[relative] = _copy(path, folder / relative, watch)
        except FileNotFoundError:
            continue  # A worker's temporary file that has been deleted or renamed since.
    manifest = Manifest(
        FORMAT, timezone.now().isoformat(), connection.vendor, key_fingerprint(), applied, files
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def read(folder: Path) -> Manifest:
    """Read the backup's manifest. Raises `BackupError` if it is missing or malformed."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest(**found)
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{folder} is not a backup: its {MANIFEST} cannot be read") from error
    if manifest.earwitness_backup != FORMAT:
        raise BackupError(
            f"{folder} has format {manifest.earwitness_backup}; supported is {FORMAT}"
        )
    return manifest


def restore(*, folder: Path, watch: Watch = lambda _: None) -> Manifest:
    """Restore a backup on an empty machine.

    Raises `BackupError`, with nothing changed, if the backup has another key or database engine, is
    from a newer version or damaged, or if the machine is not empty. After an interruption it can
    be called again.
    """
    manifest = read(folder)
    _check_names(manifest)
    _check_fits(manifest)
    _check_empty(manifest)
    _check_whole(folder, manifest, watch)
    try:
        for relative in _data_of(manifest):
            _copy(folder / "data" / relative, Path(settings.DATA) / relative, watch)
    except OSError as error:
        raise BackupError(f"{settings.DATA} cannot be written: {error}") from error
    # The database comes last: as long as it is empty, the call can be repeated.
    dumps.load(folder / dumps.NAMES[manifest.database])
    return manifest


def _check_names(manifest: Manifest) -> None:
    """Refuse a manifest that names other files than a backup has: it may be forged."""
    for name in manifest.files:
        folder, *rest = name.split("/")
        leads_out = bool({"", ".", ".."} & set(rest)) or "\0" in name
        is_data = folder == "data" and rest and rest[0] not in LEFT_OUT
        if leads_out or not (is_data or name == dumps.NAMES.get(manifest.database)):
            raise BackupError(f"the backup's {MANIFEST} names {name!r}, which no backup contains")


def _check_fits(manifest: Manifest) -> None:
    if manifest.key_fingerprint != key_fingerprint():
        raise BackupError(
            f"the backup was made with the pseudonym key {manifest.key_fingerprint}, but this "
            f"machine has {key_fingerprint()}: restore the old key first (the file pseudonym_key "
            "in EARWITNESS_DATA, or EARWITNESS_PSEUDONYM_KEY)"
        )
    if manifest.database != connection.vendor:
        raise BackupError(
            f"the backup is of {manifest.database}, but DATABASE_URL names {connection.vendor}"
        )
    newer = sorted(set(manifest.migrations) - _known())
    if newer:
        raise BackupError(f"the backup is from a newer version, with the migration {newer[-1]}")


def _check_empty(manifest: Manifest) -> None:
    if rows := _rows():
        raise BackupError(f"the database is not empty: {rows}; restore into a new one")
    for relative in _data_of(manifest):
        path = Path(settings.DATA) / relative
        # A first start on this machine wrote this file; the backup replaces it.
        if (
            relative != installation.NAME
            and path.exists()
            and _file_hash(path) != manifest.files[f"data/{relative}"]
        ):
            raise BackupError(f"{path} already exists; restore into an empty data folder")


def _check_whole(folder: Path, manifest: Manifest, watch: Watch) -> None:
    for relative, digest in manifest.files.items():
        path = folder / relative
        if not path.is_file():
            raise BackupError(f"the backup is damaged: {relative} is missing")
        if _file_hash(path, watch) != digest:
            raise BackupError(f"the backup is damaged: {relative} differs from its hash")


def _rows() -> str:
    """Describe the rows that users have made; "" if there are none."""
    tables = set(connection.introspection.table_names())
    counted = {}
    for table in ("auth_user", "studyapp_run", "studyapp_study"):
        if table in tables:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - three names above
                [counted[table]] = cursor.fetchone()
    return ", ".join(f"{count} rows in {table}" for table, count in counted.items() if count)


def _known() -> set[str]:
    """Every migration of this version, and those that its squashed migrations replace."""
    here = MigrationLoader(None).disk_migrations or {}
    parts = [key for one in here.values() for key in one.replaces]
    return {" ".join(key) for key in [*here, *parts]}


def _applied() -> list[str]:
    try:
        return sorted(" ".join(key) for key in MigrationLoader(connection).applied_migrations)
    except DatabaseError as error:
        raise BackupError(f"the database cannot be read: {error}") from error


def _data_of(manifest: Manifest) -> list[str]:
    return [name.removeprefix("data/") for name in manifest.files if name.startswith("data/")]


def _data_files() -> Iterator[Path]:
    database = str(connection.settings_dict["NAME"])
    for place, _, names in _walk():
        for name in names:
            if not _is_database(place / name, database):
                yield place / name


def _walk() -> Iterator[tuple[Path, list[str], list[str]]]:
    """Walk the data folder like `os.walk`, without what a backup leaves out."""
    root = Path(settings.DATA)
    for place, folders, names in os.walk(root):
        left_out = LEFT_OUT if Path(place) == root else set()
        folders[:] = sorted(set(folders) - left_out)
        yield Path(place), folders, sorted(set(names) - left_out)


def _links(place: Path, names: list[str]) -> list[Path]:
    return [place / name for name in names if (place / name).is_symlink()]


def _is_database(path: Path, database: str) -> bool:
    return str(path).startswith(database) or path.name.startswith("test.sqlite3")


def _in_data(path: Path) -> bool:
    return path.resolve().is_relative_to(Path(settings.DATA).resolve())


def _copy(source: Path, target: Path, watch: Watch) -> str:
    """Copy a file with its permissions and return its SHA-256."""
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as read_from, target.open("wb") as written:
        for chunk in _chunks(read_from.read, watch):
            digest.update(chunk)
            written.write(chunk)
    shutil.copymode(source, target)
    return digest.hexdigest()


def _file_hash(path: Path, watch: Watch = lambda _: None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in _chunks(file.read, watch):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(read_from: Callable[[int], bytes], watch: Watch) -> Iterable[bytes]:
    while chunk := read_from(CHUNK_BYTES):
        yield chunk
        watch(len(chunk))
