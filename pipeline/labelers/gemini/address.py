"""The address of the API, and which hosts may receive the key.

The key is sent only to Google's own host or to the one set in the environment
(`EARWITNESS_GEMINI_URL`, else google-genai's `GOOGLE_GEMINI_BASE_URL`). A config can choose between
these two but not add others: a config may come from somebody else, while the environment belongs to
this machine's administrator.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError

GOOGLE = "https://generativelanguage.googleapis.com"
VARIABLES = ("EARWITNESS_GEMINI_URL", "GOOGLE_GEMINI_BASE_URL")

Origin = tuple[str, str, int | None]
"""Scheme, host and port."""


def base_url_of(config: GeminiConfig) -> str:
    """The address for questions and the key.

    Raises `PipelineError` if the config names a host that the environment does not allow.
    """
    named = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    asked = config.base_url or named or GOOGLE
    allowed = {origin_of(GOOGLE)} | ({origin_of(named)} if named else set())
    if origin_of(asked) not in allowed:
        raise PipelineError(
            f"[gemini] base_url is {asked!r}: the key is sent only to {GOOGLE}, or to the host "
            f"that the environment names; set {VARIABLES[0]} to that address if you trust it"
        )
    return asked


def origin_of(url: str) -> Origin:
    """The origin of an address: two addresses with the same origin are the same server.

    Raises `PipelineError` if it is not an http or https address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PipelineError(f"{url!r} is not an address of the Gemini API: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or "\\" in url:
        raise PipelineError(
            f"{url!r} is not an address of the Gemini API: it must begin with https:// and a host"
        )
    usual = {"http": 80, "https": 443}[parts.scheme]
    return parts.scheme, parts.hostname, usual if port is None else port
