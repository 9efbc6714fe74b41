"""Files in a store that fsspec speaks to, such as `s3://BUCKET/PREFIX`.

Keys and addresses are the store's own matter: for S3 they come from AWS's variables and files, or
from fsspec's. A URL that holds them is refused, since URLs are printed and stored.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

from pipeline.errors import AwayError, PipelineError

T = TypeVar("T")

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds between the attempts of a process that the store has answered before. A process that it
never answered asks once: the URL may be wrong."""
REFUSALS = (PermissionError, ImportError, NotImplementedError, TypeError, ValueError)
"""What another attempt would not change."""
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
CACHE = "EARWITNESS_CACHE"
"""The variable that names the folder of local copies; else they are in the user's cache."""


def is_url(place: str) -> bool:
    """Whether this names a store, and not a folder."""
    return URL.match(place) is not None


def cache_of(url: str) -> Path:
    """The folder for local copies of what is at `url`, the same for every process of this user."""
    kind, _, rest = url.partition("://")
    parts = [part for part in rest.split("/") if part]
    if ".." in parts or "." in parts:
        raise PipelineError(f"{url} has a part that is . or ..; write the whole path")
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    root = os.environ.get(CACHE) or Path(home) / "earwitness"
    return Path(root).joinpath("runs", kind, *parts)


class Remote:
    """Files under one URL, by their relative paths.

    Raises `AwayError` while the store does not answer, and `PipelineError` if it refuses.
    """

    def __init__(self, url: str) -> None:
        _refuse_secrets(url)
        self.url = url.rstrip("/")
        self._answered = False

    def within(self, folder: str) -> Remote:
        """The files in a folder of these."""
        made = Remote(f"{self.url}/{folder}")
        made._answered = self._answered
        return made

    def read(self, relative: str) -> bytes | None:
        """The contents of a small file; None if there is none."""
        try:
            found: bytes = self._try(lambda: self._fs.cat_file(self._key(relative)))
        except FileNotFoundError:
            return None
        return found

    def write(self, relative: str, data: bytes) -> None:
        """Replace a small file as a whole."""
        self._put(lambda: self._fs.pipe_file(self._key(relative), data))

    def create(self, relative: str, data: bytes) -> bool:
        """Write a small file unless it exists; returns whether it did not. Of several processes at
        once only one does, where the store has conditional writes (S3: `If-None-Match`)."""
        try:
            self._put(lambda: self._fs.pipe_file(self._key(relative), data, mode="create"))
        except FileExistsError:
            return False
        except PipelineError as error:
            if not isinstance(error.__cause__, NotImplementedError | TypeError | ValueError):
                raise
            # A store without conditional writes: two at once may both write.
            if self.read(relative) is not None:
                return False
            self.write(relative, data)
        return True

    def upload(self, relative: str, path: Path) -> None:
        """Replace a file by that at `path`; it appears whole or not at all."""
        self._put(lambda: self._fs.put_file(str(path), self._key(relative)))

    def download(self, relative: str, path: Path) -> bool:
        """Fill `path`; returns whether there is such a file."""
        try:
            self._try(lambda: self._fs.get_file(self._key(relative), str(path)))
        except FileNotFoundError:
            return False
        return True

    def part(self, relative: str, start: int, stop: int) -> bytes:
        """Some bytes of a file; raises `PipelineError` if there is none."""
        key = self._key(relative)
        try:
            found: bytes = self._try(lambda: self._fs.cat_file(key, start=start, end=stop))
        except FileNotFoundError as error:
            raise PipelineError(f"{self.url}/{relative} is missing") from error
        return found

    def version(self, relative: str) -> str | None:
        """What changes when the file does; None if there is none."""
        try:
            found = self._try(lambda: self._fs.info(self._key(relative)))
        except FileNotFoundError:
            return None
        return repr(sorted(found.items())) if found["type"] == "file" else None

    def sha256(self, relative: str) -> str | None:
        """The file's SHA-256, read where it is; None if there is none."""

        def read() -> str:
            with self._fs.open(self._key(relative), "rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()

        try:
            return self._try(read)
        except FileNotFoundError:
            return None

    def names(self, folder: str = "") -> list[str]:
        """The names of the files and folders directly in a folder, sorted."""
        key = self._key(folder)
        try:
            listed = self._try(lambda: self._fs.ls(key, detail=False))
        except FileNotFoundError:
            return []
        names = (str(name).rstrip("/").rpartition("/")[2] for name in listed if name != key)
        return sorted(name for name in names if name)

    def remove(self, relative: str) -> None:
        """Remove a file, if there is one."""
        try:
            self._try(lambda: self._fs.rm_file(self._key(relative)))
        except FileNotFoundError:
            return

    def remove_folder(self, folder: str) -> None:
        """Remove all files in a folder and its subfolders."""
        key = self._key(folder)
        for found in self._try(lambda: self._fs.find(key)):
            self.remove(str(found)[len(self._key("")) + 1 :])

    def _key(self, relative: str) -> str:
        _, root = self._opened
        return f"{root}/{relative}" if relative else root

    @property
    def _fs(self) -> Any:
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """fsspec's file system, and what it calls the URL."""
        import fsspec

        kind = self.url.partition("://")[0]
        # A listing that was kept would hide what other machines have written since.
        options: dict[str, Any] = {"use_listings_cache": False}
        if kind == "file":
            options["auto_mkdir"] = True
        try:
            fs, root = fsspec.core.url_to_fs(self.url, **options)
        except (ImportError, ValueError, TypeError) as error:
            extra = "; pip install '.[s3]'" if kind in ("s3", "s3a") else ""
            raise PipelineError(f"{self.url} cannot be opened: {_line(error)}{extra}") from error
        return fs, str(root).rstrip("/")

    def _put(self, act: Callable[[], object]) -> None:
        """`_try`, for what is written: that nothing is found means that there is no bucket."""
        try:
            self._try(act)
        except FileNotFoundError as error:
            raise PipelineError(f"{self.url} cannot be written: {_line(error)}") from error

    def _try(self, act: Callable[[], T]) -> T:
        """Do something with the store, again after a pause while it does not answer.

        Raises `FileNotFoundError` and `FileExistsError` as the store does.
        """
        for pause in _pauses(PAUSES if self._answered else ()):
            try:
                found = act()
            except (FileNotFoundError, FileExistsError):
                self._answered = True
                raise
            except PipelineError:
                raise
            except REFUSALS as error:
                raise PipelineError(f"{self.url} refuses access: {_line(error)}") from error
            except Exception as error:
                # Each store has error classes of its own for a connection that failed.
                if pause is None:
                    raise AwayError(f"{self.url} does not answer: {_line(error)}") from error
                sleep(pause)
            else:
                self._answered = True
                return found
        raise AssertionError("the last pause is None")


def _pauses(pauses: tuple[float, ...]) -> Iterator[float | None]:
    yield from pauses
    yield None


def _line(error: BaseException) -> str:
    """What an error says, in one line, without a name and password in an address."""
    text = re.sub(r"://[^/\s@]*@", "://", " ".join(str(error).split()))[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _refuse_secrets(url: str) -> None:
    """Raise `PipelineError`, which does not show it, if a URL holds a password or parameters."""
    host = url.partition("://")[2].partition("/")[0]
    if ":" in host.rpartition("@")[0] or "?" in url:
        raise PipelineError(
            "a run's URL must not hold keys, passwords or parameters; for S3 set "
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if it is not Amazon's, AWS_ENDPOINT_URL"
        )
