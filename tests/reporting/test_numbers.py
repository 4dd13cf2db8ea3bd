import doctest
import math

import pytest

from harness.reporting import numbers
from harness.reporting.numbers import duration, estimate, interval, number, p_value, setting


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(numbers).attempted > 5
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (-1.5, "−1.50"),
        (999.96, "1,000"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_interval_keeps_the_same_decimals_at_both_ends() -> None:
    assert interval(9.996, 10.52) == "10.00 to 10.52"
    assert estimate(-0.0001, -0.2, 0.2) == "0.00 (−0.20 to 0.20)"


def test_interval_of_no_width_or_without_bound_still_prints() -> None:
    assert interval(1.5, 1.5) == "1.50 to 1.50"
    assert interval(-math.inf, 2.0) == "−∞ to 2.00"
    assert interval(None, None) == "– to –"


def test_tiny_interval_is_scientific() -> None:
    assert interval(1e-9, 2e-9) == "10⁻⁹ to 2 × 10⁻⁹"


def test_p_value_never_prints_zero() -> None:
    assert p_value(0.0) == "< 0.001"
    assert p_value(0.0499) == "0.050"


def test_settings_read_as_written() -> None:
    assert setting("relu") == "relu"
    assert setting(3) == "3"
    assert setting({"a": 1, "b": [0.5, True]}) == "a 1, b 0.5, yes"
    assert setting([]) == "none"


def test_duration() -> None:
    assert duration(None) == "–"
    assert duration(3599.9) == "1 h 0 min"
