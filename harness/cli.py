"""Typer commands, a few lines each; the only place that prints or exits."""
