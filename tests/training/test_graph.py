"""A recorded function gives what the function gives, whatever is left out, joined or written in place."""

import pytest
import torch

from harness.training import elementwise, products
from harness.training.graph.capture import ByShape, bound, captured


def ones(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape))) - 0.5


def outer(w, x):
    return torch.bmm(w.view(3, 4, 1), x.view(3, 1, 5)).relu()


def sums_of_one(w, x):
    column = (w @ w.mT)[:, :1, :1]
    return column.mean(2), column.sum((1, 2)), column.sum(1, keepdim=True), x.mean(1)


def written_between(w, x):
    """A product's factor changes before the product is added."""
    product = torch.bmm(w.view(3, 2, 2), w.view(3, 2, 2))
    w.mul_(2.0)
    return product + w.view(3, 2, 2)


def written_through_a_view(w, x):
    product = torch.bmm(w.view(3, 2, 2), w.view(3, 2, 2))
    product[:, :1] = 0.0
    return product + 1.0


def narrow_written(w, x):
    product = torch.bmm(x.unsqueeze(2) * w.unsqueeze(1), w.view(3, 4, 1))
    product.view(3, 5).relu_()
    return product


def part_of_itself(w, x):
    copy = w + 0.0
    copy[:, 2:] = copy[:, 2:] * 0.5
    return copy


def once_over(w, x):
    same, only = w * 1.0, w.view(3, 4, 1).mean(2)
    same.relu_()
    only.neg_()
    return same + w + only


def summed_before_it_changes(w, x):
    """What lies over one element alone is a view, unless its source changes afterwards."""
    h = torch.bmm(w.view(3, 1, 4), w.view(3, 4, 1))
    mean, kept = h.mean(1), h.sum(1, keepdim=True)
    h.neg_()
    return h - 2.0 * mean + 3.0 * kept


def read_before_it_changes(w, x):
    first = w[:, :1].sum(1)
    w.mul_(2.0)
    return first.unsqueeze(1) + w


def once_over_before_it_changes(w, x):
    h = w + 0.5
    same = torch.ops.aten.pow.Tensor_Scalar(h, 1)
    h.neg_()
    return h * 0.5 + same


FUNCTIONS = {f.__name__: f for f in (outer, written_between, written_through_a_view, narrow_written)} | {
    f.__name__: f for f in (part_of_itself, once_over)
}
FUNCTIONS |= {
    f.__name__: f for f in (summed_before_it_changes, read_before_it_changes, once_over_before_it_changes)
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_recorded_gives_the_same_and_changes_the_same(name):
    function = FUNCTIONS[name]
    w, x = ones(3, 4), ones(3, 5)
    given = w.clone(), x.clone()
    wanted = function(w, x)
    run = captured(function, tuple(v.clone() for v in given))
    for _ in range(2):
        own = tuple(v.clone() for v in given)
        assert torch.equal(run(*own), wanted)
        assert torch.equal(own[0], w)
        assert torch.equal(own[1], x)


def test_sums_over_one_element_are_left_out():
    w, x = ones(3, 4, 4), ones(3, 5)
    run = captured(sums_of_one, (w, x))
    for found, wanted in zip(run(w, x), sums_of_one(w, x), strict=True):
        assert torch.equal(found, wanted)
    names = run.body.__code__.co_names
    assert names.count("squeeze") == 1
    assert "sum" not in names
    assert "mean" in names  # over five


def dropped(w, x):
    return w.view(3, 2, 2).sum(1, keepdim=True).view(3, 2), x.sum(-1, keepdim=True).view(3)


def turned_over(w, x):
    """The same number of values, and another order of axes."""
    return w.view(3, 2, 2).sum(1, keepdim=True).view(2, 3), w


def kept_too(w, x):
    total = w.view(3, 2, 2).sum(1, keepdim=True)
    return total.view(3, 2), total


def dropped_and_changed(w, x):
    return w.view(3, 2, 2).sum(1, keepdim=True).view(3, 2).neg_(), w


@pytest.mark.parametrize(
    ("function", "views"), [(dropped, 0), (turned_over, 1), (kept_too, 1), (dropped_and_changed, 1)]
)
def test_an_axis_is_not_kept_to_be_dropped(function, views):
    w, x = ones(3, 4), ones(3, 5)
    run = captured(function, (w.clone(), x))
    for found, wanted in zip(run(w, x), function(w, x), strict=True):
        assert found.shape == wanted.shape
        assert torch.equal(found, wanted)
    assert run.body.__code__.co_names.count("view") == views


def test_an_outer_product_takes_no_matrix_product():
    run = captured(outer, (ones(3, 4), ones(3, 5)))
    assert "bmm" not in run.body.__code__.co_names


def test_what_is_bound_follows_its_first_argument():
    """Views of parameters are taken once, and see every change in place; another size is recorded anew."""

    def product(w, parts):
        return torch.bmm(w.view(3, 2, 2), parts["x"]).sum(2)

    w = ones(3, 4)
    step = bound(ByShape(product), w)
    for columns in (2, 2, 3, 2):
        x = ones(3, 2, columns)
        assert torch.equal(step({"x": x}), product(w, {"x": x}))
        w.add_(0.25)
    assert torch.equal(bound(product, w)({"x": x}), product(w, {"x": x}))


@pytest.mark.parametrize("amd", [False, True])
def test_what_is_computed_of_parameters_is_computed_anew(amd, monkeypatch):
    """A square root by NumPy, and on AMD's processors tanh and products: they are no views."""
    for module in (elementwise, products):
        monkeypatch.setattr(module, "is_amd", lambda: amd)
    monkeypatch.setattr(products, "by_numpy", lambda: amd)

    def function(w, x):
        square = w.view(3, 32, 32)
        a, b = torch.std_mean(w, 1)
        return torch.bmm(square, square).flatten(1) + x * torch.sqrt(w) * torch.tanh(w) + (a * b).unsqueeze(1)

    w, x = ones(3, 1024) + 1, ones(3, 1024)
    step = bound(ByShape(function), w)
    for _ in range(3):
        torch.testing.assert_close(step(x), function(w, x))
        w.mul_(0.5)


def test_all_tensors_of_the_first_argument_may_change_in_place():
    def update(own, x):
        w, (slot,) = own
        for part, kept, given in zip(
            w.split([1, 3], 1), slot.split([1, 3], 1), x.split([1, 3], 1), strict=True
        ):
            kept.copy_(kept * 0.5 + given)
            part.copy_(part - kept)

    own, like = ((ones(3, 4), (ones(3, 4) + 1,)) for _ in range(2))
    step = bound(ByShape(update), own)
    for _ in range(3):
        step(ones(3, 4))
        update(like, ones(3, 4))
        own[1][0].mul_(1.5), like[1][0].mul_(1.5)
    assert torch.equal(own[0], like[0])
    assert torch.equal(own[1][0], like[1][0])


def picked(w, x):
    """A picked value's gradient, scattered into zeros, and another that is added to it."""
    index = torch.tensor([[1], [3], [0]])
    return (w * 2.0) + w.new_zeros(3, 4).scatter_add(1, index, x[:, :1]), w


def picked_twice(w, x):
    """Several values of a row: in another order they would round to something else."""
    index = torch.tensor([[1, 1], [3, 3], [0, 2]])
    return w.new_zeros(3, 4).scatter_add(1, index, x[:, :2]) + w * 2.0, w


def picked_and_kept(w, x):
    scattered = w.new_zeros(3, 4).scatter_add(1, torch.tensor([[1], [3], [0]]), x[:, :1])
    return w * 2.0 + scattered, scattered


@pytest.mark.parametrize(
    ("function", "added"), [(picked, False), (picked_twice, True), (picked_and_kept, True)]
)
def test_one_value_a_row_is_added_where_it_belongs(function, added):
    w, x = ones(3, 4), ones(3, 5)
    run = captured(function, (w.clone(), x))
    for found, wanted in zip(run(w.clone(), x), function(w.clone(), x), strict=True):
        assert torch.equal(found, wanted)
    assert bool({"add", "add_"} & set(run.body.__code__.co_names)) is added


def test_a_row_is_added_where_the_product_lies():
    def layer(w, x):
        return w.view(3, 1, 16) + torch.bmm(x.view(3, 5, 2), w.view(3, 2, 8).repeat(1, 1, 2))

    w, x = ones(3, 16), ones(3, 10)
    run = captured(layer, (w, x))
    torch.testing.assert_close(run(w, x), layer(w, x), rtol=1e-6, atol=1e-6)
    assert {"bmm", "add_"} <= set(run.body.__code__.co_names)
    assert "baddbmm" not in run.body.__code__.co_names
