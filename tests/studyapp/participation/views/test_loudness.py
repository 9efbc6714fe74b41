"""The loudness of the sounds reaches no page, unless the study draws their outlines."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from studyapp.models import Study
from tests.studyapp import passages
from tests.studyapp.factories import make_study, make_study_of_loudnesses

pytestmark = pytest.mark.django_db
# What differs from request to request: the token, and the time left on a slow machine.
CHANGING = re.compile(r'(?<=name="csrfmiddlewaretoken" value=")\w+|about \d+ minutes? left')


def pages_by_order(study: Study, client: Client) -> list[tuple[str, dict[str, str]]]:
    """The page of one trial with its sounds in three orders: masked HTML, and headers."""
    passages.reach_trials(client, study)
    seen = []
    for _ in range(3):
        response = client.get(f"/s/{study.slug}/trial/")
        seen.append((CHANGING.sub("", response.content.decode()), dict(response.items())))
        for item in study.items.all():
            item.stimulus_1, item.stimulus_2, item.stimulus_3 = (*item.stimuli[1:], item.stimulus_1)
            item.save()
    return seen


def test_whichever_sound_grows_louder_the_page_is_the_same(client: Client) -> None:
    study = make_study_of_loudnesses()
    first, *others = pages_by_order(study, client)
    assert others == [first, first]
    assert "peaks" not in first[0]


def test_a_study_that_draws_outlines_does_show_it(client: Client) -> None:
    study = make_study_of_loudnesses(show_waveform=True)
    pages = [page for page, _ in pages_by_order(study, client)]
    assert len(set(pages)) == 3
    assert all(page.count("data-peaks=") == 3 for page in pages)


@pytest.mark.parametrize(("drawn", "times"), [(False, 0), (True, 3)])
def test_the_example_and_the_practice_follow_the_study(
    client: Client, drawn: bool, times: int
) -> None:
    study = make_study(steps=["consent", "instructions", "practice", "trial"], show_waveform=drawn)
    participation = passages.reach(client, study, "instructions")
    for step in ("instructions", "practice", "practice"):  # the last one is feedback
        page = client.get(f"/s/{study.slug}/{step}/").content.decode()
        assert page.count('<li class="player') == 3
        assert page.count("data-peaks=") == times
        passages.pass_step(client, study, participation, step)
