"""Paths that lead into a folder, and paths that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.files.places import lies_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (folder / "within").symlink_to(folder / "sub")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "circle").symlink_to(folder / "circle")
    return folder


@pytest.mark.parametrize("name", [".", "sub", "sub/later.wav", "within", "within/later.wav"])
def test_a_path_in_the_folder_lies_in_it_even_if_it_is_not_there_yet(
    folder: Path, name: str
) -> None:
    assert lies_in(folder / name, folder)


@pytest.mark.parametrize(
    "name",
    ["..", "../outside", "out", "out/a.wav", "circle", "circle/a.wav", "a\0b",
     pytest.param("a" * 300, id="long name"), pytest.param("a/" * 3000, id="long path")],
)  # fmt: skip
def test_a_path_out_of_it_or_in_a_circle_does_not(folder: Path, name: str) -> None:
    assert not lies_in(folder / name, folder)


def test_a_folder_that_is_itself_a_link_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    assert lies_in(folder / "sub", tmp_path / "alias")
    assert lies_in(tmp_path / "alias/sub", folder)
