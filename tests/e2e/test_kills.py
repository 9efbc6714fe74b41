"""A hundred kills of the site under simulated listeners; `make bench-kills` has a thousand."""

from __future__ import annotations

import pytest

from benchmarks import kills

pytestmark = pytest.mark.xdist_group("kills")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_fifty_kills_lose_and_double_no_acknowledged_answer(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "DATABASE_EVERY", 20)
    came = kills.run(kills=50, database=database, seed=1)
    assert came.trouble == ""
    assert (came.kills, came.masters, came.databases) == (50, 5, 2 * (database == "postgresql"))
    assert came.acknowledged == came.stored
    assert (came.lost, came.doubled) == (0, 0)
    assert came.completed == came.codes > 0
    assert sum(came.stored.values()) == came.completed * 5
