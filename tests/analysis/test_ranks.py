"""Ranks against Demsar 2006, table 6: AUC of C4.5, +m, +cf, +m+cf on 14 data sets, and his numbers."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from harness.analysis.multiplicity import holm
from harness.analysis.ranks import critical_difference, friedman, mean_ranks, signed_rank_sums

# The printed tie on voting (+cf .975) does not give the published ranks: .97501.
TABLE = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.0, 1.0, 1.0, 1.0],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.97501, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_mean_ranks_as_published():
    np.testing.assert_allclose(mean_ranks(TABLE), [3.143, 2.000, 2.893, 1.964], rtol=0, atol=0.0005)
    np.testing.assert_allclose(mean_ranks(-TABLE, "lower"), mean_ranks(TABLE))


def test_friedman_and_iman_davenport_as_published():
    found = friedman(TABLE, correct_ties=False)
    assert found.chi_square == pytest.approx(9.28, abs=0.005)
    assert found.f_value == pytest.approx(3.69, abs=0.005)
    assert found.f_p_value < 0.05  # he rejects at F(3, 39) = 2.85


def test_friedman_with_ties_agrees_with_scipy():
    expected = stats.friedmanchisquare(*TABLE.T)
    found = friedman(TABLE)
    assert found.chi_square == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)


def test_critical_difference_as_published():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14) / np.sqrt(20 / 84) == pytest.approx(2.569, abs=0.0005)


def test_wilcoxon_sums_as_published():
    assert signed_rank_sums(TABLE[:, 1] - TABLE[:, 0]) == (93.0, 12.0)


def test_holm_agrees_with_statsmodels():
    for p_values in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.9, 0.8, 0.02], []):
        expected = multipletests(p_values, method="holm")[1] if p_values else []
        np.testing.assert_allclose(holm(p_values), expected, rtol=1e-14)
