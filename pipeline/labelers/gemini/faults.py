"""What an error means: refused for good, worth another try, or a reason to stop.

Only a refusal that speaks of the question itself is final. A key, a model, a quota, an outage, a
time-out or an expired batch says nothing of the question: it has no answer yet, and is asked again
by a later start.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any

LONGEST_WAIT = 120.0
"""Between two tries, whatever the service asks for, seconds."""
OF_THE_QUESTION = (400, 413, 414, 422)
"""HTTP codes after which the same question would be refused again."""
RETRIED = (408, 409, 425, 429, 499)
"""With all of 5xx: codes after which another try may help."""
GRPC_OF_THE_QUESTION = (3, 11)
"""INVALID_ARGUMENT and OUT_OF_RANGE: a line of a batch has these codes or HTTP's."""
NOT_OF_THE_QUESTION = (
    "api_key_invalid", "api key", "failed_precondition", "location is not supported", "billing",
    "quota", "overloaded", "<html",
)  # fmt: skip
"""Under HTTP 400 all the same: the key, the account's country or billing, a proxy's own page."""
PAGE = re.compile(r"[^{]*<(html|!doctype)", re.IGNORECASE)
"""The beginning of a web page; JSON that speaks of pages has a bracket before that."""
NEVER_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"})
"""Errors of the transport before which nothing was asked, so that nothing was paid."""


class UnansweredError(Exception):
    """Questions are left without an answer for now; the message says why, in one line."""


def is_final(reason: str) -> bool:
    """Whether a ledger's reason is a refusal of the question itself.

    Ledgers written before there was this rule have keys, outages and expired batches as refusals.
    """
    found = re.match(r"refused: HTTP (\d{3})\b", reason)
    return found is not None and speaks_of_the_question(int(found[1]), reason)


def refusal(code: int, text: str) -> str:
    """The reason that stands in the ledger for a refusal of the question."""
    return f"refused: HTTP {code} {text}".strip()


def speaks_of_the_question(code: int, text: str) -> bool:
    """Whether an error is final; `text`: its status and details."""
    return code in OF_THE_QUESTION and not any(
        word in text.casefold() for word in NOT_OF_THE_QUESTION
    )


def is_page(text: str) -> bool:
    """Whether what is no JSON is a page: a proxy's or a portal's, which asked Gemini nothing."""
    return PAGE.match(text) is not None


def may_pass(code: int) -> bool:
    """Whether another try may help soon."""
    return code in RETRIED or code >= 500


def transport_errors() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """What a time-out and a lost connection raise: google-genai takes httpx2 where it is
    installed, else httpx, and their exceptions are not each other's."""
    modules = [import_module(name) for name in ("httpx", "httpx2") if find_spec(name)]
    return (
        tuple(module.TimeoutException for module in modules),
        tuple(module.TransportError for module in modules),
    )


def asked_to_wait(error: Any) -> float:
    """Seconds that a refusal asks to wait, by header or by RetryInfo; 0 if it does not say."""
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
