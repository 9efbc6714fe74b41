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

LONGEST_WAIT = 120.0
"""Maximum wait between two attempts, whatever the service asks for, seconds."""
OF_THE_QUESTION = (400, 413, 414, 422)
"""HTTP codes after which the same question would be refused again."""
RETRIED = (408, 409, 425, 429, 499)
"""HTTP codes, besides all 5xx, after which a retry may help."""
NOT_OF_THE_QUESTION = (
    "api_key_invalid", "api key", "failed_precondition", "location is not supported", "billing",
    "quota", "overloaded", "<html", "credit", "insufficient balance", "rate limit",
    "model_not_found", "model not found", "not a valid model", "invalid model", "unknown model",
    "does not exist", "not support", "audio(s) may be provided",
)  # fmt: skip
"""Words in an HTTP 400 that is not about the question: the key, the account's country or billing, a
proxy's page, a model that is not there or does not listen."""
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
    did not reach the service."""
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


def seconds_to_wait(header: str) -> float:
    """Seconds to wait according to a reply's Retry-After, a number or a date; 0 if it has none."""
    if re.fullmatch(r"[0-9.]+", header):
        return _within(float(header))
    try:
        return _within((parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _within(seconds: float) -> float:
    return min(LONGEST_WAIT, max(0.0, seconds))


def may_have_been_sent(error: Exception) -> bool:
    """Whether the question may have reached the service before the transport failed."""
    return type(error).__name__ not in NEVER_SENT
