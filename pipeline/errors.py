"""The one exception that a user of the pipeline sees."""


class PipelineError(Exception):
    """A refusal or failure whose message is the one line that the user reads.

    The message names the value, the limit and the likely mistake.
    """


class BusyError(PipelineError):
    """Another process is working on the same run just now."""
