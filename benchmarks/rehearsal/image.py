"""Builds the Dockerfile's image without a Docker engine: on Debian packages, with buildah.

Only the base image differs, by its build argument. The build uses this machine's settings for pip.
"""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rehearsal.compose_file import ROOT

PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
TORCH_HERE = "--build-arg=TORCH_INDEX="
"""Build argument: get torch from this machine's usual package index."""


@dataclass(frozen=True)
class Image:
    """An image unpacked into a folder, with the Dockerfile's settings for its processes."""

    root: Path
    environment: dict[str, str]
    command: list[str]
    folder: str


def built(work: Path) -> None:
    """Build the base and the image, unless they exist."""
    _configure(work)
    if not _has("earwitness-base"):
        archive = work / "base.tar"
        _call("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(archive))
        (work / "Dockerfile.base").write_text("FROM scratch\nADD base.tar /\n")
        base = ("-t", "earwitness-base", "-f", str(work / "Dockerfile.base"), str(work))
        _call("buildah", "bud", "--isolation", "chroot", *base)
        archive.unlink()
    if not _has("earwitness"):
        _call(
            "buildah", "bud", "--isolation", "chroot", "-t", "earwitness", TORCH_HERE,
            "--build-arg=BASE=localhost/earwitness-base", *_pip_of_this_machine(work), str(ROOT),
        )  # fmt: skip


def laid_out(work: Path) -> Image:
    """Unpack the image's files into a folder."""
    _configure(work)
    name = _call("buildah", "from", "localhost/earwitness").strip()
    root = Path(_call("buildah", "mount", name).strip())
    config = json.loads(_call("buildah", "inspect", name))["OCIv1"]["config"]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    return Image(root, environment, list(config["Cmd"]), config["WorkingDir"])


def _configure(work: Path) -> None:
    """Buildah's options, which keep all of its files in the work folder."""
    path = work / "storage.conf"
    folders = f'runroot = "{work}/run"\ngraphroot = "{work}/store"\n'
    path.write_text(f'[storage]\ndriver = "overlay"\n{folders}')
    os.environ["CONTAINERS_STORAGE_CONF"] = str(path)


def _has(image: str) -> bool:
    found = subprocess.run(
        ["buildah", "images", f"localhost/{image}"], capture_output=True, check=False
    )
    return found.returncode == 0


def _pip_of_this_machine(work: Path) -> list[str]:
    """pip's settings as `/etc/pip.conf`, and the folders and certificates that they name."""
    asked = _call("python3", "-m", "pip", "config", "list")
    settings = dict(line.partition(".")[2].split("=", 1) for line in asked.splitlines())
    written = configparser.ConfigParser(interpolation=None)
    written["global"] = {name: value.strip("'") for name, value in settings.items()}
    with (work / "pip.conf").open("w") as file:
        written.write(file)
    mounts = {str(work / "pip.conf"): "/etc/pip.conf", CERTIFICATES: CERTIFICATES}
    for word in " ".join(written["global"].values()).split():
        path = Path(urllib.parse.urlsplit(word).path)
        if path.is_absolute() and path.exists() and str(path) != CERTIFICATES:
            mounts[str(path)] = str(path)
            if path.name == "simple":  # A file index; its packages lie beside it.
                mounts[str(path.parent)] = str(path.parent)
    return [f"--volume={here}:{there}:ro" for here, there in mounts.items()]


def _call(*command: str) -> str:
    nice = [program for program in ("nice", "ionice") if shutil.which(program)]
    prefix = ["nice", "-n", "15", "ionice", "-c", "3"] if len(nice) == 2 else []
    done = subprocess.run([*prefix, *command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command[:3])} … exited with status {done.returncode}")
    return done.stdout
