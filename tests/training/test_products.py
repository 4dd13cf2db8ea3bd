"""Products of stacked matrices: the same numbers whoever computes them, and a model's own in any stack."""

import warnings

import pytest
import torch
from torch import Tensor

from harness.training import products
from harness.training.graph.capture import captured
from harness.training.products import add_product, fastest, product, product_and
from harness.training.run import _shared_program
from tests.training.examples import train_together, trial_of
from tests.training.test_equality import assert_same

aten = torch.ops.aten
SHAPES = [(1, 1, 1), (5, 1, 3), (1, 7, 1), (3, 8, 1), (32, 4, 8), (64, 64, 10), (17, 100, 40), (130, 33, 65)]
LARGE = (32, 24, 36)
ORDERS = ["rows", "columns"]


def factors(m, shape, orders=("rows", "rows"), dtype=torch.float32):
    """Two factors of m products, each with its rows or its columns side by side in memory."""
    generator = torch.Generator().manual_seed(0)
    n, k, c = shape
    a, b = (torch.randn(m, *size, generator=generator, dtype=dtype) for size in ((n, k), (k, c)))
    return tuple(
        f if order == "rows" else f.transpose(1, 2).contiguous().transpose(1, 2)
        for f, order in zip((a, b), orders, strict=True)
    )


def error(found, a, b, term: Tensor | float = 0.0):
    """The largest error, in units of what rounding may do to a sum of so many terms."""
    exact = torch.bmm(a.double(), b.double()) + term
    size = torch.bmm(a.double().abs(), b.double().abs()).max() * torch.finfo(found.dtype).eps
    return float((found.double() - exact).abs().max() / size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("second", ORDERS)
@pytest.mark.parametrize("first", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_products(shape, first, second, dtype):
    a, b = factors(3, shape, (first, second), dtype)
    assert error(product(a, b), a, b) < 4
    row = torch.arange(3.0 * shape[2], dtype=dtype).view(3, 1, -1)
    assert error(product_and(row, a, b), a, b, row) < 4 + 3 * shape[2]
    total = torch.ones(3, shape[0], shape[2], dtype=dtype)
    assert error(add_product(total, a, b), a, b, 1.0) < 5
    assert error(total, a, b, 1.0) < 5  # written in place


@pytest.mark.parametrize("second", ORDERS)
@pytest.mark.parametrize("first", ORDERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_models_product_is_its_own(shape, first, second):
    """Bit for bit the same alone, in a stack, and where one factor is shared by all."""
    a, b = factors(7, shape, (first, second))
    together = product(a, b)
    for i in range(7):
        assert torch.equal(product(a[i : i + 1], b[i : i + 1])[0], together[i])
    shared = b[:1].expand(7, -1, -1)
    assert torch.equal(product(a, shared)[3], product(a[3:4], b[:1])[0])


def test_who_computes_a_product(monkeypatch):
    """NumPy where it is faster, of large matrices, in full precision and without gaps; else torch."""
    a, b = factors(3, LARGE)
    operations = (aten.bmm.default, aten.baddbmm.default)
    monkeypatch.setattr(products, "by_numpy", lambda: True)
    assert fastest(aten.bmm.default, (a, b)) is product
    assert fastest(aten.baddbmm.default, (a, a, b)) is product_and
    assert fastest(aten.baddbmm_.default, (a, a, b)) is add_product
    assert fastest(aten.bmm.default, (a.bfloat16(), b.bfloat16())) is aten.bmm.default
    assert fastest(aten.bmm.default, (a[:, :, ::3], b[:, ::3])) is aten.bmm.default
    assert fastest(aten.bmm.default, (a.to("meta"), b.to("meta"))) is aten.bmm.default
    assert fastest(aten.bmm.default, factors(64, (8, 9, 10))) is aten.bmm.default
    monkeypatch.setattr(products, "by_numpy", lambda: False)
    assert [fastest(op, (a, a, b)) for op in operations] == list(operations)


@pytest.mark.parametrize("numpy", [True, False], ids=["NumPy", "torch"])
def test_what_is_recorded_holds_to_the_library(numpy, monkeypatch):
    a, b = factors(3, LARGE)
    monkeypatch.setattr(products, "by_numpy", lambda: numpy)
    run = captured(lambda a, b: torch.bmm(a, b).relu(), (a, b))
    seen = []
    monkeypatch.setattr(products.np, "matmul", lambda *given, **_: seen.append(given))
    run(a, b)
    assert len(seen) == numpy


@pytest.mark.parametrize(
    "kind",
    [{}, {"optimizer__name": "adam", "train__dtype": "float64"}, {"model__widths": [40, 1]}],
    ids=["float32", "float64", "one unit"],
)
@pytest.mark.parametrize("numpy", [True, False], ids=["NumPy", "torch"])
def test_training_alone_and_in_a_stack(numpy, kind, cache_dir, monkeypatch):
    """On any machine by either library: what its own choice is, other tests hold to the same."""
    monkeypatch.setattr(products, "by_numpy", lambda: numpy)
    monkeypatch.setattr(products, "LARGE", 1)
    _shared_program.cache_clear()
    trials = [trial_of(r, **kind | {"optimizer__lr": 1e6 if r == 1 else 0.05}) for r in range(5)]
    together = train_together(trials, cache_dir)
    for trial, record in zip(trials, together, strict=True):
        (alone,) = train_together([trial], cache_dir)
        assert_same(alone, record, 0.0)
    _shared_program.cache_clear()


def test_one_thread_and_no_word_of_an_overflow():
    a, b = factors(2, (300, 300, 300))
    with warnings.catch_warnings(), products.one_thread():
        warnings.simplefilter("error")
        assert {lib["num_threads"] for lib in products._libraries().info()} <= {1}
        assert not product(a * 1e30, b * 1e30).isfinite().any()


def test_the_library_is_named():
    assert ("large ones NumPy" in products.library()) == products.by_numpy()
    assert ("tanh NumPy" in products.library()) == products.is_amd()
    assert products.library().startswith("torch")


@pytest.mark.parametrize(
    ("amd", "numpy", "setting", "said"),
    [
        (True, False, "Haswell", "OPENBLAS_CORETYPE=Haswell keeps NumPy"),
        (True, False, None, "install numpy by pip"),
        (True, True, None, ""),
        (False, False, "Haswell", ""),
    ],
)
def test_what_makes_products_slow(amd, numpy, setting, said, monkeypatch):
    maker = "AuthenticAMD" if amd else "GenuineIntel"
    monkeypatch.setattr(products, "first_core", lambda: f"vendor_id : {maker}\nflags : fma avx512f avx512dq")
    monkeypatch.setattr(products, "by_numpy", lambda: numpy)
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if setting:
        monkeypatch.setenv("OPENBLAS_CORETYPE", setting)
    assert said in products.hindrance()
    assert bool(said) == bool(products.hindrance())
