"""Declared precisions: products in bfloat16 or TF32, weights in float32; what isn't there is said."""

import pytest
import torch

from harness.training.run import start
from harness.training.train import _products
from harness.words.record import Status
from tests.training.examples import splits_for, stack_of, train_together, trial_of


def trained(cache_dir, **paths):
    return train_together([trial_of(r, **paths) for r in range(3)], cache_dir)


@pytest.mark.parametrize("model", [{}, {"model__normalisation": "batch_norm", "model__dropout": 0.2}])
def test_mixed_precision_is_close_to_float32_and_not_it(model, cache_dir):
    plain = trained(cache_dir, **model)
    mixed = trained(cache_dir, train__dtype="bfloat16", **model)
    for one, other in zip(plain, mixed, strict=True):
        assert other.status is Status.DONE
        first, second = one.curves["val/loss"][:2], other.curves["val/loss"][:2]
        assert second == pytest.approx(first, rel=0.02)  # bfloat16 keeps 8 bits
        assert second != first


def test_products_are_in_bfloat16_and_the_rest_in_float32(cache_dir):
    """A product of numbers that 8 bits hold is exact; one more bit is lost."""
    trial = trial_of(train__dtype="bfloat16", model__widths=[], data__n_train=30)
    run = start(stack_of([trial]), [splits_for(trial, cache_dir)], torch.device("cpu"))
    assert run.params.dtype == torch.float32
    x = torch.zeros(1, 2, 40)
    x[0, :, 0] = torch.tensor([1.0, 1 + 2.0**-10])
    params = torch.zeros_like(run.params)
    params[0, 0] = 1.0  # the weight of the first input for the first class
    outputs = run.program.outputs(params, run.buffers, x)
    assert outputs.dtype == torch.float32
    assert outputs[0, :, 0].tolist() == [1.0, 1.0]


def test_tf32_on_a_cpu_is_float32_and_says_so(cache_dir):
    (plain, *_), (asked, *_) = trained(cache_dir), trained(cache_dir, train__dtype="tf32")
    assert asked.curves == plain.curves
    assert asked.provenance.fallback == "in float32: a CPU has no tf32"
    assert plain.provenance.fallback is None


@pytest.mark.parametrize(("dtype", "wanted"), [("tf32", "tf32"), ("float32", "ieee"), ("bfloat16", "ieee")])
def test_tf32_is_where_it_is_declared_alone_and_ends_with_the_training(dtype, wanted):
    places = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    with _products(dtype):
        assert [place.fp32_precision for place in places] == [wanted] * 3
    assert [place.fp32_precision for place in places] == before
    assert torch.get_float32_matmul_precision() == "highest"  # the older setting still answers


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
def test_tf32_on_a_gpu_is_close_to_float32(cache_dir):
    (plain,) = train_together([trial_of()], cache_dir, "cuda")
    (fast,) = train_together([trial_of(train__dtype="tf32")], cache_dir, "cuda")
    assert fast.curves["val/loss"][:2] == pytest.approx(plain.curves["val/loss"][:2], rel=0.02)
