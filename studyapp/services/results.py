"""The one door to the analysis: a report from an export.

Heavy (numpy, scipy, pandas, matplotlib): called by commands and tasks, never by the web process.
"""

from pathlib import Path


class ReportError(Exception):
    """A report cannot be made; the message is the one line that the user reads."""


def make_report(*, responses: Path, out: Path) -> Path:
    """The report of an exported `responses.csv`, in the folder `out`; the path of its page.

    Raises `ReportError` if the table is refused.
    """
    from analysis.errors import AnalysisError
    from analysis.report import build_report

    try:
        build_report(responses, out)
    except AnalysisError as error:
        raise ReportError(str(error)) from error
    return out / "report.html"
