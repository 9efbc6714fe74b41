"""Text files from elsewhere: CSV, JSON, JSON Lines.

Read are UTF-8, with or without a byte order mark, and UTF-16 and UTF-32 with their mark; anything
else is refused in one line that names the file, the byte and the likely encoding. Lines end at a
line feed only: `str.splitlines` would also split at U+2028 and the like, which a text may contain.
"""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError

# The mark of UTF-32 begins with that of UTF-16, so it is looked for first.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file."""
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise AnalysisError(f"{path.name}: {reason.lower()}") from error


def read_text(path: Path) -> str:
    """The text of a file."""
    return decoded(path.name, read_bytes(path))


def decoded(name: str, data: bytes) -> str:
    """Bytes as text, without a byte order mark; a refusal names the file, `name`."""
    encoding = next((codec for mark, codec in MARKS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnalysisError(
            f"{name}: not UTF-8 text (byte {error.start}, line {line}, is "
            f"0x{data[error.start]:02X}): was it saved as cp1252, as Excel's plain CSV is? Save it "
            'as UTF-8 ("CSV UTF-8" in Excel)'
        ) from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_json(path: Path) -> Any:
    """The JSON content of a file."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AnalysisError(f"{path.name}: not readable as JSON") from error
