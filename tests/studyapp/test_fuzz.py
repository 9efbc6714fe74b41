"""A few hundred odd requests: no 5xx. `make bench-fuzz` sends tens of thousands."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.studyapp.fuzz import Outcome, admin_address, fuzz
from tests.studyapp.routes import Route
from tests.studyapp.test_who_may_what import TABLE, callers
from tests.studyapp.two_projects import make_side

REQUESTS = 500


def sent(*, count: int, seed: int) -> Outcome:
    """Send `count` requests to two fresh projects."""
    a, b = make_side("a"), make_side("b")

    def real(route: Route) -> str:
        if route.name.startswith("admin:"):
            return admin_address(route)
        return reverse(route.name, args=TABLE[route.name].arguments(a))

    known = [*callers(a, b).values()]
    return fuzz(count=count, seed=seed, side=a, callers=known, real=real)


@pytest.mark.django_db
def test_no_odd_request_is_an_error_of_the_sites() -> None:
    outcome = sent(count=REQUESTS, seed=2026)
    assert "\n\n".join(outcome.faults) == ""
    # Pages were really reached, with and without an account, not only refused.
    assert outcome.statuses[200] >= 5
    assert outcome.statuses[400] > REQUESTS / 20
