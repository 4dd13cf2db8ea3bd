"""Exact claims and certificates: they hold, and broken ones would be found out."""

import itertools
from typing import get_args

import numpy as np
import pytest

from harness.analysis.certificates import CERTIFICATES, INPUTS, TRUTH, linear_separability, shared_point
from harness.analysis.exact import EXACT, agreements
from harness.analysis.multiplicity import benjamini_hochberg, holm
from harness.errors import BadInput
from harness.words.certificates import GATES
from harness.words.hypothesis import CLOSED_FORMS, Certificate


def test_the_tables_have_what_a_study_may_name():
    assert tuple(EXACT) == CLOSED_FORMS
    assert tuple(CERTIFICATES) == get_args(Certificate)
    assert sorted(TRUTH) == sorted(GATES)


@pytest.mark.parametrize("name", EXACT)
def test_exact_claims_agree_to_rounding_on_inputs_of_each_replicate(name):
    found = agreements(name, 5)
    assert all(f.error <= 1e-12 * f.scale for f in found)
    assert found == agreements(name, 5)
    assert len({f.scale for f in found}) == 5


@pytest.mark.parametrize(
    ("name", "function", "wrong"),
    [
        ("quadratic_stability", "eigvalsh", lambda true: lambda h: 1.01 * true(h)),
        (
            "closed_form_regression",
            "solve",
            lambda true: lambda a, b: true(a + 1e-6 * np.eye(len(a)), b),
        ),
    ],
)
def test_a_wrong_formula_is_found_out(name, function, wrong, monkeypatch):
    monkeypatch.setattr(np.linalg, function, wrong(getattr(np.linalg, function)))
    assert all(f.error > 1e-9 * f.scale for f in agreements(name, 3))


@pytest.mark.parametrize("gate", TRUTH)
def test_a_gate_is_certified_just_where_no_line_separates_it(gate):
    """Against a search of lines: weights and thresholds of -1.5 ... 1.5 realise every separable gate."""
    labels = np.array(TRUTH[gate])
    sides = np.linspace(-1.5, 1.5, 7)
    lines = itertools.product(sides, sides, sides)
    separable = any(((INPUTS @ [u, v] > w) == labels).all() for u, v, w in lines)
    assert (shared_point(INPUTS, labels) is None) == separable
    assert (shared_point(2 * INPUTS - 1, labels) is None) == separable  # -1 and 1 for 0 and 1
    config = {"data": {"name": "gates", "gate": gate}, "model": {"widths": []}, "train": {"steps": 1}}
    assert linear_separability(config).impossible == (not separable)


def test_a_random_half_space_is_never_certified_as_impossible():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(30, 4))
    assert shared_point(inputs, (inputs @ generator.normal(size=4) > 0.2).astype(int)) is None
    inside = np.vstack([inputs, inputs.mean(axis=0)])
    found = shared_point(inside, np.array([0] * 30 + [1]))
    assert found == pytest.approx(inputs.mean(axis=0))


def test_a_certificate_says_what_it_is_not_about():
    base = {"model": {"widths": []}, "train": {"steps": 1}}
    with pytest.raises(BadInput, match="found data without gate"):
        linear_separability({**base, "data": {"name": "mnist1d"}})
    with pytest.raises(BadInput, match="Did you mean 'xor'"):
        linear_separability({**base, "data": {"name": "gates", "gate": "xro"}})
    with pytest.raises(BadInput, match="hidden layers"):
        linear_separability({**base, "data": {"name": "gates", "gate": "xor"}, "model": {"width": 4}})


def test_benjamini_hochberg_by_hand():
    # the four smallest-to-largest times 4/1, 4/2, 4/3, 4/4, monotone from the largest down
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert len(benjamini_hochberg([])) == 0
    p = np.random.default_rng(0).uniform(size=50)
    assert np.all(benjamini_hochberg(p) <= holm(p) + 1e-15)
