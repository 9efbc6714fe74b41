"""`serve` ends with one line of error if its data folder is not writable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.site import ROOT, environment

# Without this capability root is subject to file permissions like anyone else.
BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.parametrize("there", [(), ("secret_key", "pseudonym_key")])
def test_serve_names_a_data_folder_that_is_not_writable(
    tmp_path: Path, there: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in there:
        (data / name).write_text("k" * 50)
        (data / name).chmod(0o600)
    data.chmod(0o555)
    done = subprocess.run(
        [*BOUND, sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment(data),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert str(data) in line
    assert "is not writable (Permission denied)" in line
