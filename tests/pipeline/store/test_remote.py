"""Runs in a store: a real S3 server, and caches as on several machines."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pipeline.__main__ import main
from pipeline.config import config_from_dict
from pipeline.errors import AwayError, BusyError, PipelineError
from pipeline.progress import SilentProgress
from pipeline.run import execute, forget
from pipeline.store.files import RemoteFiles
from pipeline.store.remote import Remote, cache_of
from pipeline.store.run_directory import RunDirectory
from pipeline.verify import verify
from tests.pipeline.test_main import toml_of
from tests.pipeline.test_pieces import Interrupt
from tests.s3 import SECRET, Store, store

__all__ = ["store"]


@pytest.fixture
def url(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    return f"s3://{store.bucket()}/runs/one"


def on_another_machine(url: str, cache: Path) -> RunDirectory:
    """The same run with copies of its own."""
    return RunDirectory(RemoteFiles(cache, Remote(url)))


def objects(url: str) -> dict[str, bytes]:
    files = fsspec.filesystem("s3", use_listings_cache=False)
    root = url.removeprefix("s3://")
    return {name[len(root) + 1 :]: files.cat_file(name) for name in files.find(root)}


def hashes(directory: RunDirectory) -> dict[str, dict[str, str]]:
    return {stage: entry["files"] for stage, entry in directory.manifest()["stages"].items()}


def test_a_run_that_is_killed_in_the_store_continues_on_another_machine_with_the_same_files(
    small_config: dict[str, Any], finished_run: Path, url: str, tmp_path: Path
) -> None:
    config = config_from_dict(small_config)
    with pytest.raises(KeyboardInterrupt):
        execute(config, url, progress=Interrupt(48 + 40), until="activations")
    assert ".unfinished/activations/00000.json" in objects(url)
    resumed = Interrupt()
    other = on_another_machine(url, tmp_path / "other")
    execute(config, other, progress=resumed, until="activations")
    assert resumed.first == 36
    third = on_another_machine(url, tmp_path / "third")
    execute(config, third, progress=SilentProgress(), until="exemplars")
    whole = RunDirectory(finished_run)
    assert hashes(third) == hashes(whole)
    stored = objects(url)
    assert {name for files in hashes(whole).values() for name in files} | {
        "run.json", "manifest.json"
    } == set(stored)  # fmt: skip
    assert not [name for name, data in stored.items() if SECRET.encode() in data]
    assert not [path for path in cache_of(url).rglob("*") if path.is_file() and "s3" in path.name]
    assert verify(url, progress=SilentProgress()) == []


def test_verify_reads_what_is_in_the_store_and_not_the_copies(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = RunDirectory(url)
    directory.begin({"key": "k", "config": {}, "subject_fingerprint": "f"})
    with directory.writer("corpus") as writer:
        writer.write_bytes("corpus.parquet", b"whole")
        writer.write_bytes("other.bin", b"whole")
    Remote(url).write("corpus.parquet", b"damaged")
    Remote(url).remove("other.bin")
    assert main(["verify", url, "--sample", "0"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "corpus.parquet: its SHA-256 differs from the manifest", "other.bin: missing"
    ]  # fmt: skip


def test_a_copy_that_is_not_what_the_manifest_lists_is_fetched_again(
    url: str, tmp_path: Path
) -> None:
    one, other = RunDirectory(url), on_another_machine(url, tmp_path / "other")
    one.begin({"key": "k"})
    for text in (b"first", b"second"):
        with one.writer("corpus") as writer:
            writer.write_bytes("a/b.bin", text)
        other.manifest()
        assert other.path_of("a/b.bin").read_bytes() == text
    other.path_of("a/b.bin").write_bytes(b"damaged here")
    assert other.path_of("a/b.bin").read_bytes() == b"second"
    one.forget(("corpus",))
    assert not other.has("c")
    assert not other.path_of("a/b.bin").is_file()


def test_an_outage_is_waited_for_and_a_long_one_is_one_line_and_publishes_nothing(
    url: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(url)
    directory.begin({"key": "k"})
    monkeypatch.setattr("pipeline.store.remote.PAUSES", (0.25,))
    monkeypatch.setattr("pipeline.store.remote.sleep", lambda _: store.come_back())
    with directory.writer("corpus") as writer:
        store.go_away()
        writer.write_bytes("a.bin", b"a")
    assert directory.is_done("corpus")
    monkeypatch.setattr("pipeline.store.remote.sleep", lambda _: None)

    def make() -> None:
        with directory.writer("activations") as writer:
            writer.write_bytes("b.bin", b"b")
            store.go_away()

    with pytest.raises(AwayError) as raised:
        make()
    assert re.fullmatch(rf"{url} does not answer: \w+: .+", str(raised.value))
    store.come_back()
    assert list(hashes(directory)) == ["corpus"]


def test_two_commands_at_once_are_kept_apart_and_a_dead_ones_lock_is_taken_over(
    url: str, tmp_path: Path
) -> None:
    one, other = RunDirectory(url), on_another_machine(url, tmp_path / "other")
    one.begin({"key": "k"})
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with one.lock():
        lock = json.loads(Remote(url).read(".lock") or b"")
        assert (lock["host"], lock["process"]) == (socket.gethostname(), os.getpid())
        assert sys.platform != "linux" or {"boot", "numbers"} < set(lock)
        Remote(url).write(".lock", json.dumps({**lock, "process": process.pid}).encode())
        with pytest.raises(BusyError, match=f"process {process.pid} of .* delete {url}/.lock"):
            other.lock().__enter__()
        process.kill()
        process.communicate()
        with other.lock():
            pass
    # Another machine, this one's name on another machine, another container of this one's name: the
    # number may be that of a process which lives there.
    for name in {"host", *lock} - {"process", "since"}:
        elsewhere = {**lock, "process": process.pid, name: "elsewhere"}
        Remote(url).write(".lock", json.dumps(elsewhere).encode())
        with pytest.raises(BusyError, match=f"of {elsewhere['host']} has been working"):
            other.lock().__enter__()


def test_whoever_lost_the_job_sends_nothing(url: str, tmp_path: Path) -> None:
    class LostError(Exception):
        pass

    def lost() -> None:
        raise LostError

    RunDirectory(url).begin({"key": "k"})
    files = RemoteFiles(tmp_path / "slow", Remote(url))
    directory = RunDirectory(files)

    def make(piece: str, fence: Callable[[], None]) -> None:
        with directory.piece_writer("sae", piece, key="k") as writer:
            writer.write_bytes(f"sae/{piece}", b"a")
            files.fence = fence

    for piece in ("a", "b"):
        with pytest.raises(LostError):
            make(piece, lost)
    assert set(objects(url)) == {"run.json", "sae/a"}


def test_entries_of_a_ledger_are_files_of_their_own_in_order(url: str, tmp_path: Path) -> None:
    one, other = RunDirectory(url), on_another_machine(url, tmp_path / "other")
    for number in range(3):
        (one if number % 2 else other).ledger("labels/l.jsonl").add({"n": number, "é": "\ud800"})
    entries = [{"n": number, "é": "\ud800"} for number in range(3)]
    assert one.ledger("labels/l.jsonl").entries() == entries
    for name, data in objects(url).items():
        copy = tmp_path / "copied" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
    copied = RunDirectory(tmp_path / "copied").ledger("labels/l.jsonl")
    copied.add({"n": 3})
    assert copied.entries() == [*entries, {"n": 3}]


def test_a_snapshot_is_found_on_another_machine_and_goes_with_its_stage(
    url: str, tmp_path: Path
) -> None:
    import numpy as np

    one, other = RunDirectory(url), on_another_machine(url, tmp_path / "other")
    one.begin({"key": "k"})
    for step in ("1", "2"):
        one.scratch("sae").save("a.b", {"x": np.full(2, float(step))}, {"step": step})
        found = other.scratch("sae").load("a.b")
        assert found is not None
        assert (found[0]["x"].tolist(), found[1]) == ([float(step)] * 2, {"step": step})
    with one.writer("sae"):
        pass
    one.forget(("sae",))
    assert other.scratch("sae").load("a.b") is None


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("s3://{bucket}-missing/run", "cannot be written"),
        ("nothing://bucket/run", "Protocol not known: nothing"),
        ("ftp://me:{secret}@host/run", "must not hold keys"),
        ("s3://{bucket}/run?versionId={secret}", "must not hold keys"),
        ("s3://{bucket}/a/../b", "write the whole path"),
    ],
)
def test_a_wrong_url_is_one_line(
    place: str,
    fault: str,
    store: Store,
    small_config: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(toml_of(small_config))
    out = place.format(bucket=store.bucket(), secret=SECRET)
    assert main(["run", str(config), "--out", out]) == 2
    told = capsys.readouterr().err
    assert fault in told
    assert told.count("\n") == 1
    assert SECRET not in told


def test_a_prefix_that_holds_something_else_is_left_alone(
    url: str, small_config: dict[str, Any]
) -> None:
    Remote(url).write("notes.txt", b"mine")
    with pytest.raises(PipelineError, match=r"is not empty and holds no run \(notes\.txt\)"):
        execute(config_from_dict(small_config), url, progress=SilentProgress())
    assert set(objects(url)) == {"notes.txt"}
    with pytest.raises(PipelineError, match="nothing to redo"):
        forget(url, "corpus")
