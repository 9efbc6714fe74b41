"""Log lines: as JSON where `EARWITNESS_LOGS=json`, and never with a secret address."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message; the traceback where there is one. Nothing of a request."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class WithoutPaths(logging.Filter):
    """Names the kind of a page where Django would log its address: some addresses are secrets.

    An invitation, a link for a password, a sound's token: `/join/<str:secret>/`. Of an address
    that leads nowhere only the first part is kept, because it may be a secret one, mistyped.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line through, changed if it is about a request."""
        path = getattr(getattr(record, "request", None), "path", None)
        if path and isinstance(record.args, tuple):
            shown = _kind_of(record.request)  # type: ignore[attr-defined] # it has one
            record.args = tuple(
                shown if isinstance(one, str) and path in one else one for one in record.args
            )
        return True


def _kind_of(request: Any) -> str:
    match = getattr(request, "resolver_match", None)
    if match is not None and match.route:
        return f"/{match.route}"
    first, rest = request.path.lstrip("/").partition("/")[::2]
    return f"/{first[:20]}/…" if rest else "/…"
