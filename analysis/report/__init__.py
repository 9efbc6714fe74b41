"""Makes the report of a table: computes every estimate, then writes page, figures and files."""

from analysis.report.build import build_report

__all__ = ["build_report"]
