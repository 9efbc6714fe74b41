"""Which address a request came from, and which one its failed logins are counted for.

`X-Forwarded-For` is what anyone writes into a request, and each proxy appends whom it heard it
from. It is therefore read from its end, only as long as the one that wrote an entry is a proxy of
ours (`EARWITNESS_TRUSTED_PROXIES`), and over no more proxies than there are (`EARWITNESS_PROXIES`).
"""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
SUBSCRIBER = 64
"""Bits of an IPv6 address that one household has to itself: it may use every address below."""


def client_address(request: HttpRequest) -> str:
    """The address of whoever asks; what a stranger wrote in the header is not believed."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    seen = request.headers.get("X-Forwarded-For", "").split(",")
    for entry in reversed(seen[-settings.PROXIES :] if settings.PROXIES else []):
        found = _parsed(entry)
        if found is None or not _is_proxy(address):
            break
        address = str(found)
    return address


def counted_address(request: HttpRequest) -> str:
    """What failed logins are counted for: the address; of IPv6 the network of a subscriber."""
    address = client_address(request)
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, SUBSCRIBER), strict=False).network_address)
    return address


def _is_proxy(address: str) -> bool:
    found = _parsed(address)
    # A server on a socket file names no address: whoever asks there is on this machine.
    return not address or (
        found is not None and any(found in network for network in settings.TRUSTED_PROXIES)
    )


def _parsed(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
