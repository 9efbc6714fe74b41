"""The origin of an address: which server a key may be sent to."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.errors import PipelineError

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
