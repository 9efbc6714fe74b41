"""The address that a request came from, and the one that its failed logins are counted for.

Anyone can send an `X-Forwarded-For` header; each proxy appends the address that it received the
request from. So the header is read from its end, only as long as the sender of an entry is one of
our proxies (`EARWITNESS_TRUSTED_PROXIES`), and for at most `EARWITNESS_PROXIES` entries.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SUBSCRIBER = 64
"""Prefix length that a household is assigned in IPv6: it can use every address within it."""


def client_address(request: HttpRequest) -> str:
    """Return the address of the client; entries from untrusted senders are ignored."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    seen = request.headers.get("X-Forwarded-For", "").split(",")
    for entry in reversed(seen[-settings.PROXIES :] if settings.PROXIES else []):
        found = _parsed(entry)
        if found is None or not _is_proxy(address):
            break
        address = str(found)
    return address


def counted_address(request: HttpRequest) -> str:
    """Return what failed logins are counted for: the address or, in IPv6, its network."""
    address = client_address(request)
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, SUBSCRIBER), strict=False).network_address)
    return address


def _is_proxy(address: str) -> bool:
    found = _parsed(address)
    # A server on a Unix socket has no address; its clients are on this machine.
    return not address or (
        found is not None and any(found in network for network in settings.TRUSTED_PROXIES)
    )


def is_readable(url: str) -> bool:
    """Whether a secret sent to this address could be read on its way: http to another machine."""
    parts = urlsplit(url)
    here = _parsed(parts.hostname or "")
    is_here = parts.hostname == "localhost" or (here is not None and here.is_loopback)
    return parts.scheme == "http" and not is_here


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
