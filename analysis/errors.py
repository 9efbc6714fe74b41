"""The error that a user of the analysis sees: a single line that says what is wrong."""


class AnalysisError(Exception):
    """A table or an argument cannot be used; the message is the line shown to the user."""


def refused_entry(name: str, value: object, expected: str) -> AnalysisError:
    """The refusal of an entry of `study.json`."""
    return AnalysisError(f"study.json: {name} is {quote(str(value))}, expected {expected}")


def quote(value: str, limit: int = 60) -> str:
    """A value for use in a message: quoted, on one line, cut at `limit` characters."""
    shown = value if len(value) <= limit else value[:limit] + "…"
    return repr(shown)
