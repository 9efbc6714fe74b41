"""Files that are written completely or not at all, and files that only the first writer creates."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write the file under a temporary name beside it, then rename it, so that readers never see
    part of it.

    `mode` sets the permissions; by default the process's umask decides.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def create_once(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Create the file completely or not at all; do nothing if it exists.

    `mode` sets the permissions, less those that the process's umask withholds.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Linking fails if the file exists: of several simultaneous writers only the first succeeds.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
