"""FLAC files reduced to what a player needs: STREAMINFO, a seek table, the frames (RFC 9639).

Without a seek table Chromium fails when it seeks near the end of a file ("demuxer seek failed");
libsndfile writes none, and writes its own name into a comment block.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

STREAMINFO, PADDING, SEEKTABLE = 0, 1, 3
LAST = 0x80
TAIL = 3
"""Frames at the end without a seek point: Chromium needs some after the one it jumps to."""
CRC8_POLYNOMIAL = 0x07


def for_playing(data: bytes) -> bytes:
    """The file with STREAMINFO and a seek table as its only metadata; the frames are untouched.

    Raises `ValueError` unless it is a FLAC file whose frames have one block size.
    """
    info, start = _stream_info(data)
    offsets = list(_frames(data, start))
    smallest, largest = struct.unpack(">HH", info[:4])
    if smallest != largest:
        raise ValueError("the file's block size is not fixed")
    points = b"".join(
        struct.pack(">QQH", number * largest, offset - start, largest)
        for number, offset in enumerate(offsets[: max(1, len(offsets) - TAIL)])
    )
    blocks = _block(STREAMINFO, info) + _block(SEEKTABLE | LAST, points)
    return data[:4] + blocks + data[start:]


def padded(data: bytes, size: int) -> bytes:
    """A file of `for_playing` with a padding block, so that it has exactly `size` bytes.

    Raises `ValueError` if it is too long for that.
    """
    _, start = _stream_info(data)
    room = size - len(data) - 4
    if room < 0:
        raise ValueError(f"the file has {len(data)} bytes, which cannot be made {size}")
    table = 4 + 4 + int.from_bytes(data[5:8], "big")
    blocks = data[:table] + bytes([data[table] & ~LAST]) + data[table + 1 : start]
    return blocks + _block(PADDING | LAST, bytes(room)) + data[start:]


def _stream_info(data: bytes) -> tuple[bytes, int]:
    """The content of STREAMINFO and where the first frame begins."""
    if data[:4] != b"fLaC" or data[4] & 0x7F != STREAMINFO:
        raise ValueError("not a FLAC file")
    position, last = 4, False
    while not last:
        last = bool(data[position] & LAST)
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    return data[8 : 8 + int.from_bytes(data[5:8], "big")], position


def _block(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(3, "big") + content


def _frames(data: bytes, start: int) -> Iterator[int]:
    """Where each frame begins: it has a sync code, its number and a correct checksum."""
    position, number = start, 0
    while (position := data.find(b"\xff\xf8", position)) >= 0:
        if _is_header(data, position, number):
            yield position
            number += 1
        position += 1
    if number == 0:
        raise ValueError("the file has no frames")


def _is_header(data: bytes, position: int, number: int) -> bool:
    """Whether frame `number` has its header here: sync, sizes, number, checksum (RFC 9639, 9.1)."""
    coded = chr(number).encode("utf-8", "surrogatepass")  # how a header writes numbers
    if data[position + 4 : position + 4 + len(coded)] != coded:
        return False
    size_code, rate_code = data[position + 2] >> 4, data[position + 2] & 0x0F
    extra = {6: 1, 7: 2}.get(size_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    end = position + 4 + len(coded) + extra
    return end < len(data) and data[end] == _crc8(data[position:end])


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value << 1) ^ (CRC8_POLYNOMIAL if value & 0x80 else 0)
            value &= 0xFF
    return value
