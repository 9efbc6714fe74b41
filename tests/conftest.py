"""Fixtures and options for the whole suite."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.essentia import HAS_ESSENTIA

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_report_header() -> list[str]:
    """Says what is left out."""
    return (
        [] if HAS_ESSENTIA else ["without the tests that need Essentia, which is for Python 3.11"]
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `essentia`, unless its package exists for this Python."""
    if HAS_ESSENTIA:
        return
    left_out = [item for item in items if item.get_closest_marker("essentia")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, one a test process: Playwright's loop cannot be entered twice."""
    # Its synchronous calls run inside an event loop, where Django refuses queries.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
