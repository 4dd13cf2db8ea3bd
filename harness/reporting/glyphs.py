"""Text that the fonts at hand can draw: a character they lack becomes its visible code point, never a box."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from matplotlib import get_data_path
from matplotlib.ft2font import FT2Font

FONT_FOLDER = Path(get_data_path()) / "fonts" / "ttf"
FONT_FAMILY = "DejaVu Sans"
KEPT_CONTROLS = {"\n"}
UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)  # categories Cc and Cs but for a newline


@cache
def known_characters() -> frozenset[int]:
    """Code points that DejaVu Sans, the font shipped with matplotlib, has in both weights."""
    regular, bold = (FT2Font(str(FONT_FOLDER / f"DejaVuSans{w}.ttf")).get_charmap() for w in ("", "-Bold"))
    return frozenset(regular) & frozenset(bold)


def printable(text: str) -> str:
    """The text without control characters and lone surrogates, which neither HTML nor JSON may hold."""
    return UNPRINTABLE.sub("�", text)


def drawable(text: str) -> str:
    """The text with every character outside the font written as its code point.

    >>> drawable("naïve α → 漢")
    'naïve α → [U+6F22]'
    """
    known = known_characters()
    composed = unicodedata.normalize("NFC", printable(text))
    return "".join(c if c in KEPT_CONTROLS or ord(c) in known else f"[U+{ord(c):04X}]" for c in composed)
