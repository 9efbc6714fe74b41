"""The command line: exit codes, and one line per error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main


def toml_of(config: dict[str, Any]) -> str:
    """A config as TOML; JSON's lists, numbers and strings are TOML's too."""
    lines = []
    for section, values in config.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines)


@pytest.fixture
def config_file(small_config: dict[str, Any], tmp_path: Path) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(toml_of(small_config))
    return path


def test_a_run_until_a_stage_says_what_it_did(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(config_file), "--out", str(tmp_path / "o"), "--until", "corpus"]) == 0
    assert capsys.readouterr().out.split()[0] == "corpus"


def test_a_refusal_is_one_line_and_exit_code_2(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config_file.write_text(config_file.read_text() + "\n[labells]\n")
    assert main(["run", str(config_file), "--out", str(tmp_path / "o")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: config ")
    assert "unknown section 'labells'" in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_another_corpus_can_be_given(
    config_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", str(config_file), "--out", str(tmp_path / "o")]
    assert main([*arguments, "--corpus", str(tmp_path / "none")]) == 2
    assert f"corpus folder {tmp_path / 'none'} does not exist" in capsys.readouterr().err


def test_verify_says_sound_or_names_the_problem(
    run_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(run_copy)]) == 0
    (run_copy / "concepts.json").unlink()
    assert main(["verify", str(run_copy)]) == 1
    assert "concepts.json: missing" in capsys.readouterr().out
