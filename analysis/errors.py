"""The one error that a user of the analysis reads: a single line that names what is wrong."""


class AnalysisError(Exception):
    """A table or an argument cannot be used; the message is the line that the user reads."""


def quote(value: str, limit: int = 60) -> str:
    """A value as it stands in a message: quoted, on one line, cut at `limit` characters."""
    shown = value if len(value) <= limit else value[:limit] + "…"
    return repr(shown)
