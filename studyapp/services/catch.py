"""Catch trials: an obvious sound with one right name and four absurd ones, the same for everybody.

Their sounds are synthesised and then made as every stimulus is: one encoding, length and loudness.
Nothing on the page says that a trial is one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_noop as _

from studyapp.models import Item, Study
from studyapp.services import stimuli
from studyapp.services.draws import Option
from studyapp.services.stimuli import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]


@dataclass(frozen=True)
class Catch:
    """A sound in three variants and five names, the right one first."""

    make: Callable[[float, int], Samples]
    names: tuple[str, str, str, str, str]


def siren(seconds: float, variant: int) -> Samples:
    """A tone that rises and falls again and again; `variant` sets its pace."""
    import numpy as np

    time = _time(seconds)
    pitch = 700 + 350 * np.sin(2 * np.pi * (0.8, 1.0, 1.3)[variant] * time)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    return np.asarray(np.sin(phase) + 0.3 * np.sin(2 * phase), dtype=np.float64)


def clock(seconds: float, variant: int) -> Samples:
    """Short strokes at even distances, every second one lower."""
    import numpy as np

    each = round((0.5, 0.4, 0.3)[variant] * SAMPLE_RATE)
    click_time = _time(0.1)
    sound = np.zeros(round(seconds * SAMPLE_RATE) + len(click_time))
    for number, start in enumerate(range(0, round(seconds * SAMPLE_RATE), each)):
        pitch = 2400.0 if number % 2 == 0 else 1800.0
        click = np.sin(2 * np.pi * pitch * click_time) * np.exp(-click_time * 45)
        sound[start : start + len(click)] += click
    return np.asarray(sound[: round(seconds * SAMPLE_RATE)], dtype=np.float64)


def beeps(seconds: float, variant: int) -> Samples:
    """One steady high tone, on for a quarter of a second and off as long."""
    import numpy as np

    time = _time(seconds)
    pitch, rate = ((1000.0, 2.0), (1200.0, 2.5), (850.0, 1.6))[variant]
    gate = np.clip(40 * np.sin(2 * np.pi * rate * time), 0.0, 1.0)
    return np.asarray(np.sin(2 * np.pi * pitch * time) * gate, dtype=np.float64)


def hum(seconds: float, variant: int) -> Samples:
    """One deep tone that does not change."""
    import numpy as np

    time, pitch = _time(seconds), (100.0, 120.0, 90.0)[variant]
    partials = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in (1, 2, 3, 4))
    return np.asarray(partials, dtype=np.float64)


CATCHES = (
    Catch(siren, (_("a siren"), _("a string quartet"), _("a man who reads the news"),
                  _("a walking bass"), _("soft rain"))),
    Catch(clock, (_("ticking"), _("a church choir"), _("a saxophone solo"),
                  _("a long, swelling chord"), _("a crowd that cheers"))),
    Catch(beeps, (_("beeps"), _("a gospel choir"), _("a banjo"),
                  _("thunder far away"), _("a slow waltz on the piano"))),
    Catch(hum, (_("a deep, steady hum"), _("a fast violin solo"), _("a drummer who speeds up"),
                _("birdsong"), _("a trumpet fanfare"))),
)  # fmt: skip


def catch_items(*, study: Study, seconds: float) -> list[Item]:
    """The study's catch items, not yet saved: all there are, where it wants any."""
    if not study.catch_trials:
        return []
    return [_item(study, number, one, seconds) for number, one in enumerate(CATCHES, start=1)]


def _item(study: Study, number: int, one: Catch, seconds: float) -> Item:
    first, second, third = (
        stimuli.make_synthetic_stimulus(
            samples=one.make(seconds, variant),
            loudness_lufs=study.loudness_lufs,
            seconds=seconds,
            name=one.names[0],
        )
        for variant in range(3)
    )
    return Item(
        study=study,
        role=Item.Role.CATCH,
        identifier=f"c{number:02d}",
        stimulus_1=first,
        stimulus_2=second,
        stimulus_3=third,
        options=[Option(text=name, source="catch", rank=None) for name in one.names],
        target=0,
    )


def _time(seconds: float) -> Samples:
    import numpy as np

    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
