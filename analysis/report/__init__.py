"""From a table to the report: every estimate, then its page, figures and files."""

from analysis.report.build import build_report

__all__ = ["build_report"]
