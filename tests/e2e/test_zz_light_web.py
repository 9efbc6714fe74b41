"""The web process loads nothing heavy. Last of its group: it closes the study."""

from __future__ import annotations

import json

import pytest
from django.urls import get_resolver

from tests.e2e.site import LiveSite, python

pytestmark = pytest.mark.xdist_group("e2e")


def test_the_web_process_stays_light_after_every_page(site: LiveSite, finished: int) -> None:
    site.login()
    said = json.loads(python(site.data, "-m", "tests.e2e.visit").splitlines()[-1])
    names = {str(key) for key in get_resolver().reverse_dict if isinstance(key, str)}
    assert set(said["served"]) == names
    assert said["heavy"] == []
