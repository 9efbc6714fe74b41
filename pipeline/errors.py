"""The exceptions that a user of the pipeline sees."""


class PipelineError(Exception):
    """An error whose message, one line, is shown to the user without a traceback.

    The message names the value, the limit and the likely mistake.
    """


class BusyError(PipelineError):
    """Another process is currently working on the same run."""
