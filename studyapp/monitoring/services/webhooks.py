"""Posts signed messages to an address that a researcher gave, and to no address inside.

*Addresses (against server-side request forgery).* Only https, without name and password. The host
is resolved once, every address that it resolves to must be public, and the connection goes to one
of these very addresses: a name that resolves differently a moment later changes nothing. Redirects
are not followed, proxies of the environment are not used, and nothing of the answer but its status
is read. Where the receiver is inside the same network, an administrator sets
`EARWITNESS_PRIVATE_WEBHOOKS`; then http and private addresses are allowed, for every project.

*Signature.* `Earwitness-Signature` is `sha256=` and the HMAC-SHA256, in hex, of the header
`Earwitness-Timestamp` (seconds since 1970), a full stop and the body, under the project's secret. A
receiver compares it in constant time and refuses timestamps older than five minutes.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import time
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from studyapp.core.errors import StudyError

TIMEOUT_SECONDS = 10.0
LONGEST = 500
EMBEDDING = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
"""IPv6 addresses that lead to an IPv4 address inside them, which may be a private one."""


class WebhookError(StudyError):
    """A message was not accepted, or must not be sent to that address."""


def check(address: str) -> SplitResult:
    """Return the address's parts. Raises `WebhookError` if it is none that may be posted to.

    Names are resolved only when something is posted, by a worker.
    """
    schemes = ("https", "http") if settings.PRIVATE_WEBHOOKS else ("https",)
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:  # Such as a port that is no number.
        host = None
    if host is None or parts.scheme not in schemes or len(address) > LONGEST:
        raise WebhookError(f"the webhook is {address[:80]!r}: give an address such as https://…")
    if parts.username is not None or parts.password is not None:
        raise WebhookError("the webhook's address has a name or password: leave it out")
    if not address.isascii() or any(one.isspace() for one in address):
        raise WebhookError("the webhook's address has spaces or letters that are not ASCII")
    with suppress(ValueError):  # A name.
        _check_public(ipaddress.ip_address(host), host)
    return parts


def post(*, address: str, body: bytes, secret: str) -> None:
    """Post a signed JSON body, once. Raises `WebhookError` unless the answer has a status 2xx."""
    import httpx

    parts = check(address)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    there = _resolved(host, port)
    shown = f"[{there}]" if ":" in there else there
    query = f"?{parts.query}" if parts.query else ""
    timestamp = str(int(time.time()))
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "Earwitness",
        "Earwitness-Timestamp": timestamp,
        "Earwitness-Signature": f"sha256={signature(secret, timestamp, body)}",
    }
    url = f"{parts.scheme}://{shown}:{port}{parts.path or '/'}{query}"
    # The certificate is checked against the name, although the connection goes to the address.
    extensions = {"sni_hostname": host}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client,
            client.stream(
                "POST", url, content=body, headers=headers, extensions=extensions
            ) as answer,
        ):
            status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise WebhookError(f"the webhook cannot be reached: {type(error).__name__}") from error
    if not 200 <= status < 300:
        raise WebhookError(f"the webhook answered with status {status}")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of timestamp and body, hexadecimal."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _resolved(host: str, port: int) -> str:
    """Return an address of the host; raises `WebhookError` unless all of them may be reached."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise WebhookError(f"the webhook's host {host[:80]} cannot be resolved") from error
    addresses = [str(one[4][0]) for one in found]
    for one in addresses:
        # A zone, as in fe80::1%eth0, is no part of the address.
        _check_public(ipaddress.ip_address(one.partition("%")[0]), host)
    return addresses[0]


def _check_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address, host: str) -> None:
    if settings.PRIVATE_WEBHOOKS:
        return
    mapped = address.ipv4_mapped if address.version == 6 else None
    real = mapped or address
    is_embedding = any(real in network for network in EMBEDDING if real.version == 6)
    if not real.is_global or real.is_multicast or is_embedding:
        raise WebhookError(
            f"the webhook's host {host[:80]} is not a public address; only an administrator can "
            "allow private ones (EARWITNESS_PRIVATE_WEBHOOKS)"
        )
