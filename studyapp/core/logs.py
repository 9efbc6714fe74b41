"""Log lines: as JSON if `EARWITNESS_LOGS=json`, and never with a secret address."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message and any traceback; nothing of the request."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line."""
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
    """Replaces addresses by their URL pattern (`/join/<str:secret>/`): some addresses are secrets.

    Examples are invitations, password links and tokens of sounds. Of an unknown address only the
    first part is kept, because it may be a mistyped secret.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, without the address of its request."""
        path = getattr(getattr(record, "request", None), "path", None)
        if path and isinstance(record.args, tuple):
            shown = _kind_of(record.request)  # type: ignore[attr-defined] # checked above
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
