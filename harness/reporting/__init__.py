"""Verdicts and figures to HTML and PDF. Never imports torch, optuna or mlflow."""

from harness.reporting.build import ReportPaths, build_report

__all__ = ["ReportPaths", "build_report"]
