"""A study may ask for what the losses of its arms give, and is told where one of them doesn't."""

from harness.planning.design import make_design

STUDY = """\
title: Does a head that says how sure it is fit better?
claim: {says: "a probabilistic output fits better", source: lecture notes}
base:
  data: {name: heteroscedastic}
  model: {name: mlp, widths: [20]}
  train: {batch_size: 100, epochs: 30}
arms: {train.loss: [gaussian_nll, mse]}
tune: {optimizer.lr: own_range}
hypotheses:
  - {primary: true, kind: superiority, a: gaussian_nll, b: mse, outcome: {final: test/nll}, delta: 0.05}
"""


def test_every_regression_has_an_nll(load):
    """With a head of twice the outputs where the loss takes them."""
    design = make_design(load(STUDY))
    sizes = {arm.label: arm.n_parameters for arm in design.arms}
    assert sizes == {"gaussian_nll": 20 * 2 + 21 * 2, "mse": 20 * 2 + 21}


def test_of_a_density_no_share_can_be_taken(complaint):
    """Its negative log may be 0 or below, so that 5 % of it says nothing."""
    for delta in ("", ", delta: 5%"):
        (line,) = complaint(STUDY.replace(", delta: 0.05", delta))
        assert "hypotheses.0.delta: " in line
        assert "no share can be taken of final test/nll, the negative log of a density" in line


def test_a_metric_that_an_arms_loss_does_not_give(complaint):
    (line, *_) = complaint(STUDY.replace("test/nll", "test/ece"))
    assert line.startswith("study.yaml:10: hypotheses.0.outcome: ece is not measured at the end")
    assert "where train.loss is gaussian_nll, as in the arm 'gaussian_nll'" in line
    assert "Allowed: conditional_coverage_error, coverage_error, loss, mae, mse, nll, r2, rmse" in line


def test_a_loss_that_is_not_for_the_data(complaint):
    lines = complaint(STUDY.replace("heteroscedastic", "mnist1d"))
    assert (
        "gaussian_nll is for targets that are values; these are classes; allowed: cross_entropy" in lines[0]
    )
