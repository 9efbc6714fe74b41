"""A config with several subjects: one run each, everything else shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.config import load_config, load_sweep
from pipeline.errors import PipelineError

SHARED = """
[subject]
model = "facebook/musicgen-small"
hookpoints = ["decoder.layers.2.resid_post"]
[sae]
ks = [32]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sweep.toml"
    path.write_text(SHARED + text)
    return path


def test_each_subject_is_a_run_and_shares_the_other_sections(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[[sweep.subjects]]\nname = "small"\n'
        '[[sweep.subjects]]\nname = "large"\nmodel = "facebook/musicgen-large"\n'
        'hookpoints = ["paper-large"]\n',
    )
    found = load_sweep(path)
    assert list(found) == ["small", "large"]
    assert found["small"].subject.model == "facebook/musicgen-small"
    assert len(found["large"].subject.hookpoints) == 5
    assert {config.sae.ks for config in found.values()} == {(32,)}
    with pytest.raises(PipelineError, match=r"only `python -m pipeline run` makes several runs"):
        load_config(path)
    assert list(load_sweep(written(tmp_path, ""))) == [""]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[sweep]\nks = [1]\n", "holds one list"),
        ("[sweep]\nsubjects = []\n", "holds one list"),
        ('[[sweep.subjects]]\nname = "../x"\n', "each needs a name of its own"),
        ('[[sweep.subjects]]\nname = "a"\n[[sweep.subjects]]\nname = "a"\n', "name is 'a'"),
        ('[[sweep.subjects]]\nname = "a"\ncolour = "red"\n', "unknown key 'colour'"),
    ],
)
def test_another_form_is_refused_in_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(written(tmp_path, text)), "--out", str(tmp_path / "o")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_a_subject_that_is_no_section_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('subject = "small"\n[[sweep.subjects]]\nname = "a"\n')
    assert main(["run", str(path), "--out", str(tmp_path / "o")]) == 2
    assert "[subject] must be a section with keys" in capsys.readouterr().err
