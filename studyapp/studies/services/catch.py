"""Catch trials: an obvious sound with one right name and four absurd ones, the same for everybody.

Their sounds are synthesised and then made as every stimulus is: one encoding, length and loudness.
Nothing on the page says that a trial is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_noop as _

from studyapp.models import Item, Study
from studyapp.studies.services import synthesis
from studyapp.studies.services.made_items import Maker, Names, made_item


@dataclass(frozen=True)
class Catch:
    """A sound in three variants and five names, the right one first."""

    make: Maker
    names: Names


CATCHES = (
    Catch(synthesis.siren, (_("a siren"), _("a string quartet"), _("a man who reads the news"),
                  _("a walking bass"), _("soft rain"))),
    Catch(synthesis.clock, (_("ticking"), _("a church choir"), _("a saxophone solo"),
                  _("a long, swelling chord"), _("a crowd that cheers"))),
    Catch(synthesis.beeps, (_("beeps"), _("a gospel choir"), _("a banjo"),
                  _("thunder far away"), _("a slow waltz on the piano"))),
    Catch(synthesis.hum, (_("a deep, steady hum"), _("a fast violin solo"),
                          _("a drummer who speeds up"), _("birdsong"), _("a trumpet fanfare"))),
)  # fmt: skip


def catch_items(*, study: Study, seconds: float) -> list[Item]:
    """The study's catch items, not yet saved: all there are, where it wants any."""
    if not study.catch_trials:
        return []
    return [
        made_item(
            study=study, role=Item.Role.CATCH, identifier=f"c{number:02d}", make=one.make,
            names=one.names, seconds=seconds,
        )
        for number, one in enumerate(CATCHES, start=1)
    ]  # fmt: skip
