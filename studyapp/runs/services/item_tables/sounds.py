"""The sound files that a table of items names: found in its folder, decoded, not silent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SHORTEST, LONGEST = 0.2, 600.0
"""Seconds."""
SILENT_LUFS = -70.0
"""As `studies.services.stimuli` refuses one that it would have to make louder than that."""
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")


class Sound(NamedTuple):
    """A file that can be heard."""

    path: Path
    sha256: str
    seconds: float


def sounds_of(names: Iterable[str], folder: Path) -> dict[str, Sound | str]:
    """Each name's sound, or what is wrong with it."""
    return {name: _sound(name, folder) for name in names}


def _sound(name: str, folder: Path) -> Sound | str:
    from pipeline.files.places import lies_in

    if Path(name).is_absolute() or not lies_in(folder / name, folder):
        return "does not lie in the folder of clips"
    path = folder / name
    try:
        is_file = path.is_file()
    except OSError:  # A folder that may not be entered.
        is_file = False
    if not is_file:
        return "is not in the folder of clips"
    if path.suffix.lower() not in SUFFIXES:
        return f"is not a sound file: {', '.join(SUFFIXES)}"
    return _heard(path)


def _heard(path: Path) -> Sound | str:
    """Decode it: what a header says may be wrong. Of one that is too long, no more than needed."""
    import numpy as np
    import pyloudnorm
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            samples = file.read(int(LONGEST * rate) + 1, dtype="float64", always_2d=True)
        with path.open("rb") as data:
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
    except (OSError, soundfile.LibsndfileError, RuntimeError):
        return "cannot be decoded"
    seconds = len(samples) / rate
    if seconds > LONGEST:
        return f"lasts longer than {LONGEST:g} s"
    if seconds < SHORTEST:
        return f"lasts {seconds:.2f} s: from {SHORTEST:g} to {LONGEST:g}"
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        return "holds samples that are no numbers"
    block = min(0.4, seconds)
    if pyloudnorm.Meter(rate, block_size=block).integrated_loudness(mono) < SILENT_LUFS:
        return "is silent"
    return Sound(path, sha256, seconds)
