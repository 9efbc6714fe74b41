"""A clip's mel spectrogram as a small PNG, computed by librosa and written by Pillow.

Mel scale and decibels as defined by librosa (McFee et al., 2015). Time runs to the right over the
whole width, frequency upwards; the darkest colour is 70 dB below the clip's loudest cell.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BANDS = 96
WIDTH = 480
RANGE_DB = 70.0
COLOURS = (
    (17, 22, 26),
    (24, 62, 74),
    (29, 112, 112),
    (96, 178, 136),
    (226, 220, 130),
    (255, 250, 222),
)
"""Evenly spaced colour stops from the softest to the loudest, with increasing lightness."""


def png(samples: np.ndarray, sample_rate: int) -> bytes:
    """The spectrogram of mono samples [sample] at `sample_rate` Hz, `WIDTH` × `BANDS` pixels."""
    from PIL import Image

    image = Image.fromarray(pixels(samples, sample_rate))
    image.putpalette([value for colour in _palette() for value in colour])
    stream = io.BytesIO()
    image.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def pixels(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Levels [band, column] uint8, highest band first; 255 is the clip's loudest cell."""
    import librosa
    import numpy as np

    hop = max(1, -(-len(samples) // WIDTH))
    window = 2048 if sample_rate >= 16_000 else 512
    power = librosa.feature.melspectrogram(
        y=np.pad(samples, (0, max(0, window - len(samples)))),
        sr=sample_rate, n_fft=window, hop_length=hop, n_mels=BANDS, power=2.0,
    )  # fmt: skip
    decibels = librosa.power_to_db(power[:, :WIDTH], ref=np.max, top_db=RANGE_DB)
    if power.max() <= 0:
        decibels = np.full_like(decibels, -RANGE_DB)
    levels = ((decibels + RANGE_DB) / RANGE_DB * 255).clip(0, 255).round().astype(np.uint8)
    return np.ascontiguousarray(levels[::-1])


def _palette() -> list[tuple[int, int, int]]:
    """256 colours, interpolated between the stops."""
    last = len(COLOURS) - 1
    colours: list[tuple[int, int, int]] = []
    for level in range(256):
        place = level / 255 * last
        below = min(int(place), last - 1)
        share = place - below
        red, green, blue = (
            round(a + (b - a) * share)
            for a, b in zip(COLOURS[below], COLOURS[below + 1], strict=True)
        )
        colours.append((red, green, blue))
    return colours
