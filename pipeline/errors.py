"""The exceptions that a user of the pipeline sees."""


class PipelineError(Exception):
    """An error whose message, one line, is shown to the user without a traceback.

    The message names the value, the limit and the likely mistake.
    """


class BusyError(PipelineError):
    """It cannot be done now, such as while another process works on the same run."""


class AwayError(BusyError):
    """The store that a run's files are in does not answer. What is finished is there; the same
    command continues after it."""


class NoActivationsError(PipelineError):
    """The run's activations are not here: they were removed, or never stored (`run --online`)."""
