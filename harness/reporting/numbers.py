"""Every number a report prints is formatted here: significant digits, intervals, times, settings."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

MISSING = "–"
LONG_NUMBER = re.compile(r"(?<![\w.\-])\d+(?:\.\d+)?e[+-]\d{1,3}(?![\w.])|(?<![\w.])\d+\.\d{6,}(?![\w.])")
MINUS = re.compile(r"(?<![\w.)])-(?=\d)")
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """A number to `digits` significant digits; a dash where there is none.

    >>> number(0.98765), number(1234567.0), number(3.2e-5), number(None)
    ('0.988', '1,234,567', '3.2 × 10⁻⁵', '–')
    """
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    exponent = _exponent(value, digits)
    if exponent < -4 or exponent >= 9:
        return _scientific(value, digits)
    return _signed(f"{value:,.{max(0, digits - 1 - exponent)}f}")


def setting(value: Any) -> str:
    """A setting's value as short text: numbers without needless zeros, lists with commas.

    >>> setting(0.0010), setting(1e-5), setting([100, 100]), setting(True)
    ('0.001', '10⁻⁵', '100, 100', 'yes')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) >= 10_000 else _signed(str(value))
    if isinstance(value, float):
        return _setting_number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {setting(v)}" for k, v in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(setting(v) for v in value) or "none"
    return str(value)


def readable(text: str) -> str:
    """A sentence or a name with its numbers as people write them.

    >>> readable("lr 1e-05 loses by -0.2"), readable("1.5e-16, 0.0316227766")
    ('lr 10⁻⁵ loses by −0.2', '1.5 × 10⁻¹⁶, 0.0316')
    """
    return MINUS.sub("−", LONG_NUMBER.sub(lambda found: setting(float(found.group())), text))


def power_of_ten(value: float) -> str:
    """A tick of a logarithmic axis, narrow: 0.01 to 100 in plain digits, other powers as such.

    >>> power_of_ten(0.001), power_of_ten(0.1)
    ('10⁻³', '0.1')
    """
    return setting(value) if 0.01 <= value <= 100 else _scientific(value, 3)


def count(value: int) -> str:
    """A whole number with thousands separated.

    >>> count(12000)
    '12,000'
    """
    return _signed(f"{value:,}")


def interval(low: float | None, high: float | None) -> str:
    """An interval, with decimals for two significant digits of half its width.

    >>> interval(1.4123, 1.8511), interval(-0.0123, 0.0042)
    ('1.41 to 1.85', '−0.0123 to 0.0042')
    """
    decimals = _decimals(low, high)
    return f"{_fixed(low, decimals)} to {_fixed(high, decimals)}"


def estimate(value: float | None, low: float | None, high: float | None) -> str:
    """A value and its interval, in the same decimals.

    >>> estimate(1.6123, 1.4123, 1.8511)
    '1.61 (1.41 to 1.85)'
    """
    decimals = _decimals(low, high)
    return f"{_fixed(value, decimals)} ({interval(low, high)})"


def in_unit(text: str, unit: str) -> str:
    """A number or an estimate with the unit it is in, where it has one.

    >>> in_unit("3.1", "percentage points"), in_unit("3.1", "% of sgd's mean"), in_unit("3.1", "")
    ('3.1, percentage points', "3.1 % of sgd's mean", '3.1')
    """
    if unit.startswith("%"):
        return f"{text} {unit}"
    return f"{text}, {unit}" if unit else text


def p_value(value: float | None) -> str:
    """A p-value; below 0.001 only that.

    >>> p_value(0.01234), p_value(1e-9)
    ('0.012', '< 0.001')
    """
    if value is None or math.isnan(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def share(part: int, whole: int) -> str:
    """A part of a whole as counts.

    >>> share(2, 20)
    '2 of 20'
    """
    return f"{count(part)} of {count(whole)}"


def duration(seconds: float | None) -> str:
    """A time in the two units that fit it.

    >>> duration(0.42), duration(80), duration(7265)
    ('0.42 s', '1 min 20 s', '2 h 1 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{number(seconds, 2)} s"
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{count(minutes // 60)} h {minutes % 60} min"


def _exponent(value: float, digits: int) -> int:
    return int(f"{abs(value):.{digits - 1}e}".partition("e")[2])


def _scientific(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(SUPERSCRIPT)
    return power if mantissa == "1" else f"{_signed(mantissa)} × {power}"


def _setting_number(value: float) -> str:
    if not math.isfinite(value):
        return number(value)
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        return _scientific(value, 3)
    return _signed(f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}")


def _decimals(low: float | None, high: float | None) -> int | None:
    """Decimals for two significant digits of half the width; None where the width says nothing."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return None
    return max(0, 1 - math.floor(math.log10((high - low) / 2)))


def _fixed(value: float | None, decimals: int | None) -> str:
    plain = decimals is not None and decimals <= 6
    if not plain or value is None or not math.isfinite(value):
        return number(value)
    text = f"{value:,.{decimals}f}"
    return _signed(text if float(text.replace(",", "")) != 0 else text.lstrip("-"))


def _signed(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
