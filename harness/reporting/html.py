"""The document as one HTML file: style and drawings inside, no script, nothing fetched."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.reporting.document import Document, plain
from harness.reporting.glyphs import printable


def to_html(document: Document) -> str:
    """The whole page. Every text is escaped; only drawings and our own style sheet go in as they are."""
    return render("report.html.j2", document=cleaned(plain(document)))


def render(name: str, **values: Any) -> str:
    """One of our templates with these values, all of them escaped, and the style sheet of all pages."""
    environment = Environment(
        loader=PackageLoader("harness.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline_svg"] = inline_svg
    css, _, _ = environment.loader.get_source(environment, "report.css")  # type: ignore[union-attr]
    return environment.get_template(name).render(css=Markup(css), **values)


def inline_svg(svg: str, name: str, alt: str) -> Markup:
    """A drawing for the middle of a page: scalable, described, its ids unlike those of any other.

    `svg` must be our own drawing: it is not escaped.
    """
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    body = re.sub(r'(href="|url\()#', rf"\1#{name}-", body)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    described = Markup('<svg role="img" aria-label="{}"').format(escape(alt))
    return Markup(body.replace("<svg", described, 1))


def cleaned(value: Any) -> Any:
    """The same tree without characters that HTML forbids."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [cleaned(v) for v in value]
    if isinstance(value, dict):
        return {k: cleaned(v) for k, v in value.items()}
    return value
