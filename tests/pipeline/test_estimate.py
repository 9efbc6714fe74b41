"""Hours, bytes, memory and money of each stage, and the configs at the paper's size."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pipeline.paper
from pipeline.__main__ import main
from pipeline.config import RunConfig, config_from_dict, load_config
from pipeline.errors import PipelineError
from pipeline.estimate.machine import Machine
from pipeline.estimate.room import _bytes_there, require_room
from pipeline.estimate.stages import fault_of, stage_costs
from pipeline.labelers.remote.accounts import dollars_per_feature
from pipeline.paper.published import TABLE_1, TRACKS
from pipeline.sae.specs import specs
from pipeline.store.run_directory import RunDirectory
from tests.pipeline.test_main import toml_of

MACHINE = Machine(
    flops=1e12, selected=1e10, copied=1e11, decoded=100.0, memory=64e9, device_memory=48e9,
    disk=4e12,
)  # fmt: skip


def paper(size: str) -> RunConfig:
    return load_config(Path(pipeline.paper.__file__).parent / f"{size}.toml")


@pytest.mark.parametrize(("size", "width", "blocks"), [("small", 1024, 24), ("large", 2048, 48)])
def test_the_papers_configs_name_the_papers_saes(size: str, width: int, blocks: int) -> None:
    config = paper(size)
    found = {
        (int(one.hookpoint.split(".")[2]), one.n_latents // width, one.k)
        for one in specs(config, width)
    }
    rows = [row for row in TABLE_1 if row.model == f"MusicGen {size}"]
    assert found == {(row.layer, row.expansion, row.k) for row in rows}
    assert len(found) == 20
    assert max(row.layer for row in rows) == blocks - 2
    assert config.features.filter == (0.0, 0.01, 0.25)


def test_stages_take_what_their_shapes_say() -> None:
    costs = {one.stage: one for one in stage_costs(paper("large"), MACHINE, tracks=TRACKS)}
    frames = 160_000 * 500
    # Five hookpoints, float16; two expansions of d 2,048, each twice, encoder and decoder.
    assert costs["activations"].disk == 5 * frames * 2048 * 2 == pytest.approx(1.64e12, rel=0.01)
    assert costs["sae"].disk == 5 * 2 * (8192 + 65_536) * 2048 * 2 * 4
    hours = sum(10 * frames * (2 * 2048 * n / 1e12 + n / 1e10) / 3600 for n in (8192, 65_536))
    assert costs["features"].hours == pytest.approx(hours)
    assert costs["corpus"].hours == pytest.approx(1.6e6 / 100 / 3600)
    # 2,344 of 65,536 latents are assumed to be kept, and Gemini is asked once about each.
    each = dollars_per_feature(paper("large"))
    assert costs["labels"].dollars == pytest.approx(26_370 * each, rel=1e-3)
    assert costs["labels"].hours is None
    assert costs["sae"].device > 16 * 2 * 2048 * 65_536
    # Four SAEs of a hookpoint are encoded together.
    assert costs["features"].device > 4 * 2 * 2048 * 2 * (8192 + 65_536)


def test_what_a_machine_cannot_hold_is_one_line() -> None:
    costs = stage_costs(paper("large"), MACHINE, tracks=TRACKS)
    assert fault_of(costs, MACHINE) == ""
    small_disk = fault_of(costs, replace(MACHINE, disk=1e12))
    assert small_disk.startswith("the run needs 1,7")
    assert small_disk.endswith("and 1,000.0 GB are free there")
    assert fault_of(costs, replace(MACHINE, memory=8e9)).startswith("stage sae needs 24.")
    assert "the device has 4.0 GB free" in fault_of(costs, replace(MACHINE, device_memory=4e9))


def test_nothing_is_guessed_about_a_subject_or_corpus_that_is_not_here(tmp_path: Path) -> None:
    subject = {"model": str(tmp_path), "hookpoints": ["decoder.layers.0.resid_post"]}
    with pytest.raises(PipelineError, match="no corpus is given"):
        stage_costs(paper("small"), MACHINE)
    with pytest.raises(PipelineError, match="are not known before it is here"):
        stage_costs(config_from_dict({"subject": subject}), MACHINE, tracks=10)


def test_the_command_prints_a_table_or_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.estimate.machine.SAMPLE_SECONDS", 0.01)
    path = tmp_path / "small.toml"
    text = (Path(pipeline.paper.__file__).parent / "small.toml").read_text()
    path.write_text(text.replace('"cuda"', '"cpu"'))
    assert main(["estimate", str(path), "--tracks", "4", "--out", str(tmp_path / "run")]) in (0, 2)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in printed[2:10]] == [
        "| corpus", "| activations", "| sae", "| features", "| exemplars", "| labels", "| scores",
        "| in all",
    ]  # fmt: skip
    asked = ["estimate", str(path), "--tracks", "1000000000000"]
    assert main(asked) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the run needs")
    assert error.count("\n") == 1


def test_a_run_that_cannot_be_held_is_refused_before_anything_starts(
    small_config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "run.toml", tmp_path / "run"
    path.write_text(
        toml_of({**small_config, "sae": {**small_config["sae"], "batch_frames": 10**10}})
    )
    command = ["run", str(path), "--out", str(out)]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: stage sae needs 10,2")
    assert error.endswith("and run --anyway starts all the same\n")
    assert error.count("\n") == 1
    assert not out.exists()
    # What is not asked for yet need not fit.
    assert main([*command, "--until", "corpus"]) == 0
    assert main([*command, "--until", "activations", "--anyway"]) == 0


def test_only_what_is_still_to_be_made_must_fit(
    small_config: dict[str, Any], run_copy: Path
) -> None:
    config, manifest = config_from_dict(small_config), run_copy / "manifest.json"
    counted = json.loads(manifest.read_text())
    counted["stages"]["corpus"]["summary"]["usable"]["train"] = 2 * 10**10
    manifest.write_text(json.dumps(counted))
    require_room({run_copy: config}, until="exemplars")
    with pytest.raises(PipelineError, match=r"^the run needs .* of disk"):
        require_room({run_copy: config}, redo="activations")


def test_files_that_are_there_or_will_be_replaced_need_no_room(run_copy: Path) -> None:
    directory = RunDirectory(run_copy)
    with directory.piece_writer("labels", "a", key="k") as writer:
        writer.write_bytes("labels/a", bytes(1000))
    files = directory.manifest()["stages"]["sae"]["files"]
    size = sum(directory.path_of(name).stat().st_size for name in files)
    assert _bytes_there(directory, ["sae", "labels"]) == size + 1000
