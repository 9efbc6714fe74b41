"""Writing in a run directory: files are complete and hashed, and the manifest comes last."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load

from pipeline.errors import PipelineError
from pipeline.store.ledger import Ledger
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.tensors import safetensors_bytes


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.begin({"key": "k"})
    return directory


def test_a_stage_is_done_only_after_its_writer_is_left(directory: RunDirectory) -> None:
    with directory.writer("corpus") as writer:
        writer.write_bytes("a/b.txt", b"hello")
        writer.summary["n"] = 1
        assert not directory.is_done("corpus")
    entry = directory.manifest()["stages"]["corpus"]
    assert entry["files"] == {"a/b.txt": hashlib.sha256(b"hello").hexdigest()}
    assert directory.path_of("a/b.txt").read_bytes() == b"hello"
    assert directory.summary("corpus") == {"n": 1}


def test_a_stage_that_fails_is_not_done_and_leaves_no_partial_file(directory: RunDirectory) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise PipelineError("no")

    with pytest.raises(PipelineError), directory.writer("corpus") as writer:
        writer.write_file("whole.bin", fail)
    assert not directory.is_done("corpus")
    assert [p.name for p in directory.path.rglob("*") if p.is_file()] == ["run.json"]


def test_what_a_killed_stage_left_half_written_is_gone_with_the_next(
    directory: RunDirectory,
) -> None:
    left = directory.path / ".partial" / "corpus" / "000000-x.bin"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    with directory.writer("corpus"):
        assert not left.exists()


def test_a_run_begins_only_in_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(PipelineError, match=r"is not empty and holds no run \(thesis.txt\)"):
        RunDirectory(tmp_path).begin({})
    with pytest.raises(PipelineError, match="is a file"):
        RunDirectory(tmp_path / "thesis.txt").begin({})


def test_a_path_out_of_the_run_is_refused(directory: RunDirectory) -> None:
    with pytest.raises(PipelineError, match="leads outside the run directory"):
        directory.path_of("../elsewhere")


def test_a_second_process_is_kept_out(directory: RunDirectory) -> None:
    with (
        directory.lock(),
        pytest.raises(PipelineError, match="another process is working"),
        RunDirectory(directory.path).lock(),
    ):
        pass


def test_what_is_missing_or_broken_is_refused_by_name(directory: RunDirectory) -> None:
    directory.path_of("broken.json").write_text("{")
    directory.path_of("broken.parquet").write_text("no")
    with pytest.raises(PipelineError, match=r"broken\.json is not JSON"):
        directory.read_json("broken.json")
    with pytest.raises(PipelineError, match=r"absent\.json is missing"):
        directory.read_json("absent.json")
    with pytest.raises(PipelineError, match=r"absent\.parquet is missing"):
        directory.read_table("absent.parquet")
    with pytest.raises(PipelineError, match="is not a Parquet table"):
        directory.read_table("broken.parquet")
    with pytest.raises(PipelineError, match="cannot be read as safetensors"):
        directory.read_tensors("broken.parquet")


DTYPES = st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_])


@given(
    DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(max_side=4))),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5)),
)
def test_safetensors_of_equal_content_have_equal_bytes_and_load_elsewhere(
    array: np.ndarray, metadata: dict[str, str]
) -> None:
    data = safetensors_bytes({"b": array, "a": array[:1]}, metadata)
    backwards = dict(reversed(metadata.items()))
    assert data == safetensors_bytes({"a": array[:1], "b": array}, backwards)
    loaded = load(data)
    assert loaded["b"].dtype == array.dtype
    assert loaded["b"].tobytes() == array.tobytes()
    assert loaded["a"].shape == array[:1].shape


def test_tensors_come_back_with_their_metadata(directory: RunDirectory) -> None:
    with directory.writer("corpus") as writer:
        writer.write_tensors("t.safetensors", {"x": np.arange(6.0).reshape(2, 3)}, {"unit": "s"})
    tensors, metadata = directory.read_tensors("t.safetensors")
    assert tensors["x"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert metadata == directory.read_metadata("t.safetensors") == {"unit": "s"}


def test_half_a_character_is_kept_escaped(directory: RunDirectory, tmp_path: Path) -> None:
    """A lone surrogate in a paid reply or a concept's name must not end the run."""
    Ledger(tmp_path / "calls.jsonl").add({"said": "a\ud800"})
    assert Ledger(tmp_path / "calls.jsonl").entries() == [{"said": "a\ud800"}]
    with directory.writer("corpus") as writer:
        written = writer.write_json("concepts.json", {"name": "a\ud800"})
    assert json.loads(written.read_text(encoding="utf-8")) == {"name": "a\ud800"}
