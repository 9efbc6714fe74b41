"""Classifies errors: a final refusal, worth a retry, or a reason to stop.

A refusal is final only if it is about the question itself. A problem with the key, the model or a
quota, an outage, a time-out or an expired batch is not: the question has no answer yet, and a later
start asks it again.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

LONGEST_WAIT = 120.0
"""Maximum wait between two attempts, whatever the service asks for, seconds."""
OF_THE_QUESTION = (400, 413, 414, 422)
"""HTTP codes after which the same question would be refused again."""
RETRIED = (408, 409, 425, 429, 499)
"""HTTP codes, besides all 5xx, after which a retry may help."""
GRPC_OF_THE_QUESTION = (3, 11)
"""INVALID_ARGUMENT and OUT_OF_RANGE. Lines of a batch have gRPC or HTTP codes."""
NOT_OF_THE_QUESTION = (
    "api_key_invalid", "api key", "failed_precondition", "location is not supported", "billing",
    "quota", "overloaded", "<html",
)  # fmt: skip
"""Words in an HTTP 400 that is not about the question: the key, the account's country or billing, a
proxy's page."""
PAGE = re.compile(r"[^{]*<(html|!doctype)", re.IGNORECASE)
"""The start of a web page; JSON that mentions such a tag has a bracket before it."""
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""Transport errors before anything was sent, so that nothing can have been charged."""


class UnansweredError(Exception):
    """Some questions have no answer yet; the message says why, in one line."""


def is_final(reason: str) -> bool:
    """Whether a reason in a ledger is a refusal of the question itself.

    Older ledgers record problems with keys, outages and expired batches as refusals too.
    """
    found = re.match(r"refused: HTTP (\d{3})\b", reason)
    return found is not None and speaks_of_the_question(int(found[1]), reason)


def refusal(code: int, text: str) -> str:
    """The reason written to the ledger for a refusal of the question."""
    return f"refused: HTTP {code} {text}".strip()


def speaks_of_the_question(code: int, text: str) -> bool:
    """Whether an error is about the question, and so final; `text`: its status and details."""
    return code in OF_THE_QUESTION and not any(
        word in text.casefold() for word in NOT_OF_THE_QUESTION
    )


def is_page(text: str) -> bool:
    """Whether `text`, which is not JSON, is a web page of a proxy or portal, so that the question
    did not reach Gemini."""
    return PAGE.match(text) is not None


def may_pass(code: int) -> bool:
    """Whether a retry may help soon."""
    return code in RETRIED or code >= 500


def transport_errors() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """The exceptions of a time-out and of a lost connection. google-genai uses httpx2 if it is
    installed, else httpx, and the two have unrelated exception classes."""
    modules = [import_module(name) for name in ("httpx", "httpx2") if find_spec(name)]
    return (
        tuple(module.TimeoutException for module in modules),
        tuple(module.TransportError for module in modules),
    )


def asked_to_wait(error: Any) -> float:
    """Seconds to wait according to a refusal's header or RetryInfo; 0 if it does not say."""
    header = ""
    if getattr(error, "response", None) is not None:
        header = str((getattr(error.response, "headers", None) or {}).get("retry-after") or "")
    told = re.search(r"'retryDelay': '([0-9.]+)s'", str(error.details))
    if re.fullmatch(r"[0-9.]+", header):
        seconds = float(header)
    elif header:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            seconds = 0.0
    else:
        seconds = float(told.group(1)) if told else 0.0
    return min(LONGEST_WAIT, max(0.0, seconds))
