"""Fixtures for every test in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect


@pytest.fixture
def page(browser: Browser, live_server: Any) -> Iterator[Page]:
    """A page in a fresh context; script errors, requests elsewhere and 5xx fail the test."""
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce", locale="en")
    context.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 500 else None)
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(live_server.url) else wrong.append(sent.url),
    )
    page.on(
        "console",
        lambda line: wrong.append(line.text) if "Content Security" in line.text else None,
    )
    yield page
    context.close()
    assert wrong == []
