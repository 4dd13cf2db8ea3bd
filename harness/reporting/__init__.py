"""Verdicts and figures to HTML and PDF. Rebuilds from records alone."""
