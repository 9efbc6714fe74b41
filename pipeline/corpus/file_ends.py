"""Detects truncated sound files whose decoders stop without an error.

A length stated in seconds proves nothing: encoders and recorders guess it, pad it or never come
back to fill it in, and a container's length may be that of its video. Instead, this module checks
whether the file ends inside a structure that it started: a chunk of samples, a page, a frame, a
box. FLAC and AAC need no check, since their decoders raise an error at an incomplete frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from pipeline.corpus import audio_source

SLACK_BYTES = 1024
"""By how much a stated size may be too large: some writers count their header or padding."""
UNKNOWN_FROM = 0x7FFF_0000
"""Sizes from here on mean "not known": writers to a pipe leave all ones or the largest number."""
LARGEST_OGG_PAGE = 65_307
TAIL = 16_384
"""Number of bytes at the end in which frames of MPEG audio and AC-3 are followed."""
TS_PACKET = 188
MAX_CHUNKS = 4096


def is_cut(path: Path) -> bool:
    """Whether the file or member ends inside a structure that it started."""
    size = audio_source.size_of(path)
    with audio_source.opened(path) as stream:
        head = stream.read(16)
        for matches, look in CHECKS:
            if matches(head):
                return look(stream, size)
    return False


def _riff(stream: IO[bytes], size: int) -> bool:
    stream.seek(8)
    wanted = b"LIST" if stream.read(4) == b"AVI " else b"data"
    return _lacks_samples(_chunks(stream, size, 12, "little"), wanted, size)


def _rf64(stream: IO[bytes], size: int) -> bool:
    """EBU Tech 3306: the chunk `ds64` holds the size of the samples, which may exceed 32 bits."""
    chunks = list(_chunks(stream, size, 12, "little"))
    stream.seek(28)
    large = (
        int.from_bytes(stream.read(8), "little") if chunks[:1] and chunks[0][0] == b"ds64" else 0
    )
    known = [(name, place, large if stated == 0xFFFF_FFFF else stated)
             for name, place, stated in chunks]  # fmt: skip
    return _lacks_samples(known, b"data", size)


def _w64(stream: IO[bytes], size: int) -> bool:
    """Sony Wave64: chunk names of 16 bytes; sizes of 8 bytes that include the 24-byte header;
    chunks start at multiples of 8."""
    place = 40
    for _ in range(MAX_CHUNKS):
        stream.seek(place)
        head = stream.read(24)
        stated = int.from_bytes(head[16:], "little")
        if len(head) < 24 or stated < 24:
            return False
        if head[:4] == b"data":
            return stated < 1 << 62 and place + stated > size + SLACK_BYTES
        place += -(-stated // 8) * 8
    return False


def _aiff(stream: IO[bytes], size: int) -> bool:
    return _lacks_samples(_chunks(stream, size, 12, "big"), b"SSND", size)


def _caf(stream: IO[bytes], size: int) -> bool:
    return _lacks_samples(_chunks(stream, size, 8, "big", width=8), b"data", size)


def _au(stream: IO[bytes], size: int) -> bool:
    stream.seek(4)
    offset, stated = (int.from_bytes(stream.read(4), "big") for _ in range(2))
    return _lacks_samples([(b"data", offset, stated)], b"data", size)


Chunk = tuple[bytes, int, int]
"""Name, offset of the contents, and their stated size."""


def _chunks(
    stream: IO[bytes], size: int, start: int, order: str, *, width: int = 4
) -> Iterator[Chunk]:
    """The chunks of RIFF, AIFF or CAF, one after another."""
    place = start
    for _ in range(MAX_CHUNKS):
        stream.seek(place)
        name = stream.read(4)
        stated = int.from_bytes(stream.read(width), "little" if order == "little" else "big")
        place += 4 + width
        if place > size:
            return
        yield name, place, stated
        place += stated + (stated % 2 if width == 4 else 0)


def _lacks_samples(chunks: Iterator[Chunk] | list[Chunk], wanted: bytes, size: int) -> bool:
    """Whether a chunk named `wanted` states more bytes than follow."""
    return any(
        stated < UNKNOWN_FROM and place + stated > size + SLACK_BYTES
        for name, place, stated in chunks
        if name == wanted
    )


def _ogg(stream: IO[bytes], size: int) -> bool:
    """RFC 3533: byte 26 of a page is the number of its segments, whose lengths follow."""
    stream.seek(max(0, size - LARGEST_OGG_PAGE))
    tail = stream.read()
    start = tail.rfind(b"OggS")
    if start < 0:
        return False  # something else follows the last page
    page = tail[start:]
    if len(page) < 27:
        return True
    lengths = page[27 : 27 + page[26]]
    return len(lengths) < page[26] or len(page) < 27 + len(lengths) + sum(lengths)


def _mp4(stream: IO[bytes], size: int) -> bool:
    """Whether a box of samples (`mdat`) or of their index (`moov`, `moof`) exceeds the file."""
    place, slack = 0, SLACK_BYTES
    for _ in range(MAX_CHUNKS):
        stream.seek(place)
        head = stream.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or length < 8:  # 0 means: up to the end of the file
            return False
        place += length
        if place > size:
            torn = head[4:8] == b"mdat" and place > size + slack
            return torn or head[4:8] in (b"moof", b"moov")
        if head[4:8] == b"moof":
            slack = 0  # Fragments are small and are written once their size is known.
    return False


def _matroska(stream: IO[bytes], size: int) -> bool:
    """Whether the segment, which contains everything, or its last element states more bytes than
    follow."""
    stream.seek(4)
    header = _vint(stream)
    if header is None:
        return False
    stream.seek(header, 1)
    if stream.read(4) != b"\x18\x53\x80\x67":
        return False
    segment = _vint(stream)
    if segment is None:  # a live recording, whose size was not known
        return _ends_in_an_element(stream, size)
    return stream.tell() + segment > size


def _ends_in_an_element(stream: IO[bytes], size: int) -> bool:
    """Whether the chain of EBML elements runs past the end of the file.

    An element of unknown size is a cluster; its children follow its header.
    """
    place = stream.tell()
    while place < size:
        stream.seek(place)
        first = stream.read(1)[0]
        if first < 0x10:
            return False  # not the start of an element
        stream.seek(place + 9 - first.bit_length())
        inside = _vint(stream)
        if inside is None and stream.tell() >= size:
            return True
        place = stream.tell() + (inside or 0)
    return place > size


def _vint(stream: IO[bytes]) -> int | None:
    """A variable-length integer of EBML; None if all its bits are 1, which means "not known"."""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(first + stream.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def _mp3(stream: IO[bytes], size: int) -> bool:
    """Whether the last frame is incomplete and the Info tag states more bytes than there are; for
    layer 2, which has no such tag, whether the last frame is incomplete.

    Each alone can occur in an MP3 that is complete: a recorded stream may end anywhere, and an
    editor that cuts at frames leaves the tag unchanged.
    """
    stream.seek(0)
    start = _id3_end(stream.read(10))
    stream.seek(start)
    first = stream.read(512)
    is_layer_2 = _frame_bytes(first) > 0 and first[1] & 6 == 4
    stated = None if is_layer_2 else _info_bytes(first)
    if not is_layer_2 and (stated is None or start + stated <= size + SLACK_BYTES):
        return False
    stream.seek(max(start, size - TAIL))
    return _ends_in_a_frame(stream.read(), _frame_bytes)


def _id3_end(head: bytes) -> int:
    if head[:3] != b"ID3":
        return 0
    one, two, three, four = (byte & 0x7F for byte in head[6:10].ljust(4, b"\0"))
    return 10 + (one << 21) + (two << 14) + (three << 7) + four


def _info_bytes(frame: bytes) -> int | None:
    """Size of the stream in bytes according to the tag in the first frame; None without a tag."""
    vbri = frame.find(b"VBRI")
    if vbri >= 0:
        return int.from_bytes(frame[vbri + 10 : vbri + 14], "big")
    place = max(frame.find(b"Xing"), frame.find(b"Info"))
    if place < 0 or not frame[place + 7] & 2:
        return None
    place += 12 if frame[place + 7] & 1 else 8
    return int.from_bytes(frame[place : place + 4], "big")


KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by MPEG version (1 or 2) and layer; in version 2, layer 3 has those of layer 2."""
RATES = (44_100, 48_000, 32_000)


def _frame_bytes(head: bytes) -> int:
    """Length of the MPEG audio frame that starts with `head`; 0 if it is not a frame header."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    rate, step = (head[2] >> 2) & 3, head[2] >> 4
    if version == 1 or layer == 4 or rate == 3 or step in (0, 15):
        return 0
    low = version != 3  # MPEG 2, or 2.5, which has half its sample rates
    hertz = RATES[rate] // ({3: 1, 2: 2, 0: 4}[version])
    bits = 1000 * KBITS[(2, min(layer, 2)) if low else (1, layer)][step - 1]
    padding = (head[2] >> 1) & 1
    if layer == 1:
        return int((12 * bits // hertz + padding) * 4)
    return int((72 if low and layer == 3 else 144) * bits // hertz + padding)


def _ac3(stream: IO[bytes], size: int) -> bool:
    stream.seek(max(0, size - TAIL))
    return _ends_in_a_frame(stream.read(), _ac3_bytes)


AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _ac3_bytes(head: bytes) -> int:
    """Length of the AC-3 or E-AC-3 frame that starts with `head` (ATSC A/52, 5.4.1, E.2.3); 0 if it
    is not a frame header."""
    if len(head) < 6 or head[:2] != b"\x0b\x77" or head[5] >> 3 > 16:
        return 0
    if head[5] >> 3 > 10:  # E-AC-3 states the number of 16-bit words minus one
        return 2 * ((int.from_bytes(head[2:4], "big") & 0x7FF) + 1)
    rate, step = head[4] >> 6, head[4] & 0x3F
    if rate == 3 or step >= 2 * len(AC3_KBITS):
        return 0
    kbits = AC3_KBITS[step >> 1]
    return (4 * kbits, 2 * (kbits * 320 // 147 + (step & 1)), 6 * kbits)[rate]


def _ends_in_a_frame(tail: bytes, frame_bytes: Callable[[bytes], int]) -> bool:
    """Whether a chain of at least three frames runs past the end of `tail`."""
    for start in range(len(tail)):
        place, frames = start, 0
        while place < len(tail) and (length := frame_bytes(tail[place : place + 6])):
            place, frames = place + length, frames + 1
        if frames >= 3:
            return place > len(tail)
    return False


def _mpeg_ts(stream: IO[bytes], size: int) -> bool:
    """Whether the last packet is incomplete; each has 188 bytes and starts with 0x47."""
    for packet in range(1, 4):
        stream.seek(packet * TS_PACKET)
        if stream.read(1) != b"G":
            return False
    return size % TS_PACKET != 0


def _voc(stream: IO[bytes], size: int) -> bool:
    """Creative Voice: a header that states its own length, then blocks of one byte for the kind (0
    is the end) and three bytes for the length."""
    stream.seek(20)
    place = int.from_bytes(stream.read(2), "little")
    for _ in range(MAX_CHUNKS):
        stream.seek(place)
        head = stream.read(4)
        if len(head) < 4 or head[0] == 0:
            return False
        place += 4 + int.from_bytes(head[1:], "little")
        if place > size:
            return True
    return False


Check = Callable[[IO[bytes], int], bool]
CHECKS: tuple[tuple[Callable[[bytes], bool], Check], ...] = (
    (lambda head: head[:4] == b"RIFF", _riff),
    (lambda head: head[:4] in (b"RF64", b"BW64"), _rf64),
    (lambda head: head[:4] == b"riff", _w64),
    (lambda head: head[:4] == b"FORM", _aiff),
    (lambda head: head[:4] == b"caff", _caf),
    (lambda head: head[:4] == b".snd", _au),
    (lambda head: head[:4] == b"OggS", _ogg),
    (lambda head: head[:4] == b"\x1a\x45\xdf\xa3", _matroska),
    (lambda head: head[4:8] in (b"ftyp", b"mdat", b"moov", b"styp", b"free", b"wide"), _mp4),
    (lambda head: head[:2] == b"\x0b\x77", _ac3),
    (lambda head: head[:1] == b"G", _mpeg_ts),
    (lambda head: head == b"Creative Voice F", _voc),
    (lambda head: head[:3] == b"ID3" or _frame_bytes(head[:4]) > 0, _mp3),
)
"""For each file format, how to recognise it and how to check whether it is truncated."""
