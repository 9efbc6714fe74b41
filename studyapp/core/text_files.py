"""Decodes users' text files: UTF-8, or UTF-16 or UTF-32 with a byte order mark."""

from __future__ import annotations

import codecs


def decoded(data: bytes) -> str:
    """Decode bytes to text without a byte order mark; lines end with a line feed.

    Raises `ValueError` with a line that names the byte and the likely encoding.
    """
    # The mark of UTF-32 begins with that of UTF-16, so check for it first.
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        encoding = "utf-32"
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
    try:
        text = data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"not UTF-8 text: byte 0x{data[error.start]:02X} at position {error.start}, line "
            f"{line}; was it saved as cp1252 (Windows)? Save it as UTF-8"
        ) from error
    if "\0" in text:
        # PostgreSQL cannot store this character.
        raise ValueError(
            f"not text: character {text.index(chr(0))} is 0; is it UTF-16 without a byte order "
            "mark? Save it as UTF-8"
        )
    return text
