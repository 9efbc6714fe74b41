"""The address of the API, and which hosts may receive the key.

The key is sent only to Google's own host or to the one set in the environment
(`EARWITNESS_GEMINI_URL`, else google-genai's `GOOGLE_GEMINI_BASE_URL`). A config can choose between
these two but not add others: a config may come from somebody else, while the environment belongs to
this machine's administrator.
"""

from __future__ import annotations

import os

from pipeline.config import GeminiConfig
from pipeline.errors import PipelineError
from pipeline.labelers.remote.address import origin_of, refuse_readable

GOOGLE = "https://generativelanguage.googleapis.com"
VARIABLES = ("EARWITNESS_GEMINI_URL", "GOOGLE_GEMINI_BASE_URL")
SERVICE = "the Gemini API"


def base_url_of(config: GeminiConfig) -> str:
    """The address for questions and the key.

    Raises `PipelineError` if the config names a host that the environment does not allow, or if
    the key could be read on its way.
    """
    named = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), "")
    asked = config.base_url or named or GOOGLE
    allowed = {origin_of(one, SERVICE) for one in (GOOGLE, named) if one}
    if origin_of(asked, SERVICE) not in allowed:
        raise PipelineError(
            f"[gemini] base_url is {asked!r}: the key is sent only to {GOOGLE}, or to the host "
            f"that the environment names; set {VARIABLES[0]} to that address if you trust it"
        )
    refuse_readable(asked, SERVICE)
    return asked
