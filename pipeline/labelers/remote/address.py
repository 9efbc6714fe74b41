"""The origin of an address: which server a key may be sent to, and whether others can read it."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from pipeline.errors import PipelineError

UNENCRYPTED = "EARWITNESS_KEYS_OVER_HTTP"
"""Set to 1, keys may be sent over http to other machines, as inside a closed network."""

Origin = tuple[str, str, int | None]
"""Scheme, host and port."""


def origin_of(url: str, service: str) -> Origin:
    """The origin of an address: two addresses with the same origin are the same server.

    Raises `PipelineError` if it is not an http or https address; `service` is what it should be
    the address of. The message does not show it: what was pasted in its place may be a key.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PipelineError(
            f"what is given is not an address of {service}: its host or its port cannot be read"
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "\\" in url:
        raise PipelineError(
            f"what is given is not an address of {service}: it must begin with https:// and a host "
            "(it is not shown, since it may be a key)"
        )
    usual = {"http": 80, "https": 443}[parts.scheme]
    return parts.scheme, parts.hostname, usual if port is None else port


def refuse_readable(url: str, service: str) -> None:
    """Raise `PipelineError` if a key sent to this address could be read on its way."""
    scheme, host, _ = origin_of(url, service)
    if scheme == "http" and not _is_here(host) and not _allowed():
        raise PipelineError(
            f"{host} would get the key of {service} over http, which others on the way can read: "
            f"give an https address, or set {UNENCRYPTED}=1 if the network is closed"
        )


def _allowed() -> bool:
    return os.environ.get(UNENCRYPTED, "").lower() in ("1", "true", "yes", "on")


def _is_here(host: str) -> bool:
    """Whether the host is this machine; as in `studyapp.core.addresses`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
