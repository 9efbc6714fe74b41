"""Lighthouse's figures for participants' pages, measured in Chromium with an empty cache.

    python -m benchmarks.page_weight [--loads 5] [--device phone|desktop]

The site runs under gunicorn, as in the image. The phone has Lighthouse's settings: 412 pixels, a
network of 1.6 Mbit/s and 150 ms, a CPU slowed down four times; the desktop has 1350 pixels and no
throttling. Each page is loaded in a new browser context, then again in the same one.

It prints medians: bytes without the sounds (transferred, and decompressed), requests, third-party
requests, first and largest contentful paint, blocking time of long tasks, and layout shift until
everything including the sounds is loaded. The bytes of the second visit are those not in the cache.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from statistics import median
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from benchmarks.common.served import Served, served

LIMIT_BYTES = 60_000
PREPARE = """
from tests.studyapp.factories import make_features, make_run, make_study
run = make_run(clips=12, seconds=10.0)
make_features(run, count=6)
make_study(run=run, slug="weight", features=6, trials_per_participation=3, ratings_per_item=99,
           ethics_approval="IRB 77/2026", languages=["en", "de"])
"""
WATCH = """
window.seen = {shift: 0, largest: 0, blocked: 0};
const watch = (type, add) =>
  new PerformanceObserver((list) => list.getEntries().forEach(add)).observe({type, buffered: true});
watch('layout-shift', (entry) => { window.seen.shift += entry.value; });
watch('largest-contentful-paint', (entry) => { window.seen.largest = entry.startTime; });
watch('longtask', (entry) => { window.seen.blocked += Math.max(0, entry.duration - 50); });
"""
READ = """
() => ({
  ...window.seen,
  first: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
  loaded: ['navigation', 'resource'].flatMap((type) => performance.getEntriesByType(type))
    .map((entry) => [entry.name, entry.transferSize, entry.decodedBodySize]),
})
"""
PAGES = {"consent": "", "instructions": "instructions/", "trial": "trial/"}
SOUNDS = ("/audio/", "/sound/")


@dataclass(frozen=True)
class Device:
    """The emulated device."""

    width: int
    height: int
    kilobytes_per_second: float
    """0: no throttling."""
    latency_ms: float
    slower: int


DEVICES = {
    "phone": Device(412, 823, 1638.4 / 8, 150.0, 4),
    "desktop": Device(1350, 940, 0.0, 0.0, 1),
}


@dataclass(frozen=True)
class Figures:
    """The figures of one page load."""

    sent: float
    unpacked: float
    requests: int
    elsewhere: int
    first: float
    largest: float
    blocked: float
    shift: float


def main() -> None:
    """Measure every page and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--device", choices=DEVICES, default="phone")
    given = parser.parse_args()
    device = DEVICES[given.device]
    with served() as site, sync_playwright() as playwright:
        site.python(PREPARE)
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        print(f"{given.device}, median of {given.loads} loads; load {os.getloadavg()[0]:.1f}")
        print(
            f"{'page':<14}{'sent B':>8}{'unpacked B':>12}{'again B':>9}{'requests':>10}"
            f"{'others':>8}{'first ms':>10}{'largest ms':>12}{'blocked ms':>12}{'shift':>8}"
        )
        heaviest = 0.0
        for name, path in PAGES.items():
            cold, again = measured(browser, site, name, path, device, given.loads)
            row = {key: median(getattr(one, key) for one in cold) for key in vars(cold[0])}
            heaviest = max(heaviest, row["unpacked"])
            print(
                f"{name:<14}{row['sent']:>8.0f}{row['unpacked']:>12.0f}"
                f"{median(one.sent for one in again):>9.0f}{row['requests']:>10.0f}"
                f"{row['elsewhere']:>8.0f}{row['first']:>10.0f}{row['largest']:>12.0f}"
                f"{row['blocked']:>12.0f}{row['shift']:>8.4f}"
            )
        browser.close()
    verdict = "under" if heaviest < LIMIT_BYTES else "NOT under"
    print(f"the heaviest page is {verdict} {LIMIT_BYTES} bytes, unpacked and without its sounds")


def measured(
    browser: Browser, site: Served, name: str, path: str, device: Device, loads: int
) -> tuple[list[Figures], list[Figures]]:
    """Page loads with an empty cache, and a second visit after each."""
    cookies = led_to(browser, site, name)
    cold, again = [], []
    for _ in range(loads):
        context = browser.new_context(
            storage_state=cookies, viewport={"width": device.width, "height": device.height}
        )
        page = braked(context, device)
        cold.append(figures(page, site, f"{site.url}/s/weight/{path}"))
        again.append(figures(page, site, f"{site.url}/s/weight/{path}"))
        context.close()
    return cold, again


def led_to(browser: Browser, site: Served, name: str) -> Any:
    """The cookies of a participant who has reached that page."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/s/weight/")
    if name != "consent":
        page.get_by_role("button", name="I agree to take part").click()
        page.get_by_role("button", name="Start").wait_for()
    if name == "trial":
        page.get_by_role("button", name="Start").click()
        page.locator(".outline").last.wait_for(state="attached")
    state = context.storage_state()
    context.close()
    return {**state, "origins": []}


def braked(context: BrowserContext, device: Device) -> Page:
    """A browser page for the device that records layout shifts, paints and long tasks."""
    context.add_init_script(WATCH)
    page = context.new_page()
    if device.kilobytes_per_second:
        tools = context.new_cdp_session(page)
        rate = 1024 * device.kilobytes_per_second
        tools.send("Network.enable")
        tools.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": device.latency_ms, "downloadThroughput": rate,
             "uploadThroughput": rate},
        )  # fmt: skip
        tools.send("Emulation.setCPUThrottlingRate", {"rate": device.slower})
    return page


def figures(page: Page, site: Served, address: str) -> Figures:
    """Load the page and wait until the network is idle."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    read = page.evaluate(READ)
    loaded = [one for one in read["loaded"] if not any(part in one[0] for part in SOUNDS)]
    return Figures(
        sent=sum(sent for _, sent, _ in loaded),
        unpacked=sum(size for _, _, size in loaded),
        requests=len(loaded),
        elsewhere=sum(not url.startswith((site.url, "data:")) for url, _, _ in loaded),
        first=read["first"],
        largest=read["largest"],
        blocked=read["blocked"],
        shift=read["shift"],
    )


if __name__ == "__main__":
    main()
