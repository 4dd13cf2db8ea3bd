"""Recurrent cells with their own backward pass: torch's functions, in any stack, in any precision."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from harness.catalogue.fused_lstm import UNITS, is_fused
from harness.catalogue.losses import LOSSES
from harness.catalogue.networks import NETWORKS
from harness.catalogue.recurrence import CELLS, Scan
from harness.catalogue.rnn import Recurrent, Rnn
from harness.training.program import make_program

TORCHS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
NAMES = {
    "input.weight": "weight_ih_l0",
    "recurrent.weight": "weight_hh_l0",
    "input.bias": "bias_ih_l0",
    "recurrent.bias": "bias_hh_l0",
}
M, T, B, F, H = 3, 5, 4, 2, 3


# Narrow in float64, which is scanned, and wide in float32, which for LSTMs is torch's own kernel on a CPU.
WIDTHS = pytest.mark.parametrize(("units", "dtype"), [(H, torch.float64), (UNITS, torch.float32)])


def stacked_params(layer, m=M):
    """Random parameters of m models of a layer."""
    return {
        name: torch.randn(m, *p.shape, dtype=p.dtype) / p.shape[-1] ** 0.5
        for name, p in layer.named_parameters()
    }


def torchs(cell, params, x, directions=("",)):
    """All outputs (T, B, H) of torch's own layer of those parameters, and the parameters by our names."""
    units = params[directions[0]]["recurrent.weight"].shape[1]
    layer = TORCHS[cell](x.shape[-1], units, bidirectional=len(directions) == 2).to(x.dtype)
    given = {plain + end: params[end][own] for end in directions for own, plain in NAMES.items()}
    return functional_call(layer, given, (x,))[0]


def model_of(params, i):
    return {name: p[i].clone().requires_grad_() for name, p in params.items()}


def close(ours, theirs):
    bound = 1e-10 if ours.dtype == torch.float64 else 1e-5
    torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound)


@WIDTHS
@pytest.mark.parametrize("shared", ["nothing", "x", "parameters"])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_stack_is_torchs_model_by_model(cell, shared, units, dtype):
    """Outputs and gradients by x and all parameters, each output weighted otherwise and one not at all."""
    torch.manual_seed(0)
    layer = Recurrent(cell, F, units).to(dtype)
    params = stacked_params(layer, 1 if shared == "parameters" else M)
    x = torch.randn(1 if shared == "x" else M, T, B, F, dtype=dtype)
    direction = torch.randn(T, B, units, dtype=dtype)
    direction[2] = 0

    ours, ours_x = {n: p.clone().requires_grad_() for n, p in params.items()}, x.clone().requires_grad_()

    def function(params, x):
        return torch.stack([o for i, o in enumerate(functional_call(layer, params, (x,))) if i != 2])

    dims = (None if shared == "parameters" else 0, None if shared == "x" else 0)
    given = [
        {n: p[0] for n, p in ours.items()} if dims[0] is None else ours,
        ours_x[0] if dims[1] is None else ours_x,
    ]
    outputs = vmap(function, dims)(*given)
    (outputs * direction[[0, 1, 3, 4]]).sum().backward()

    theirs, theirs_x = {n: p.clone().requires_grad_() for n, p in params.items()}, x.clone().requires_grad_()
    for i in range(M):
        one = {n: p[i % len(p)] for n, p in theirs.items()}
        expected = torchs(cell, {"": one}, theirs_x[i % len(x)])
        close(outputs[i], expected[[0, 1, 3, 4]])
        (expected * direction).sum().backward()
    close(ours_x.grad, theirs_x.grad)
    for name, p in ours.items():
        close(p.grad, theirs[name].grad)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_gradients_are_those_of_differences(cell):
    torch.manual_seed(0)
    gates = CELLS[cell].gates
    weight = torch.randn(2, H + F + 1, gates * H, dtype=torch.float64, requires_grad=True)
    x = torch.randn(T, 2, F + 1, B, dtype=torch.float64, requires_grad=True)

    def run(weight, x):
        return Scan.apply(weight, x, CELLS[cell], torch.float64, True)[:T]

    assert torch.autograd.gradcheck(run, (weight, x))


@WIDTHS
@pytest.mark.parametrize("readout", ["last", "mean", "all"])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_recorded_step_is_torchs(cell, readout, units, dtype):
    """Outputs and gradients of a stack's program, recorded once and called with other numbers."""
    torch.manual_seed(0)
    options = NETWORKS["rnn"].options(cell=cell, hidden=units, bidirectional=True, readout=readout)
    net = Rnn(options, (T, F), 2).to(dtype)
    program = make_program(net, LOSSES["cross_entropy"])
    for _ in range(2):
        params = stacked_params(net)
        flat = torch.stack([program.layout.flatten({n: p[i] for n, p in params.items()}) for i in range(M)])
        x, y = torch.randn(B, T, F, dtype=dtype).expand(M, B, T, F), torch.randint(0, 2, (M, B))
        with torch.no_grad():
            grads, _ = program.gradient(flat, {}, x, y)
            outputs = program.outputs(flat, {}, x)
        for i in range(M):
            own = model_of(params, i)
            expected = plain(cell, own, x[i], readout)
            nn.functional.cross_entropy(expected, y[i]).backward()
            close(outputs[i], expected.detach())
            close(
                torch.cat([g[i] for g in grads]), program.layout.flatten({n: p.grad for n, p in own.items()})
            )


def plain(cell, params, x, readout):
    """The whole network (B, outputs) from torch's own layer."""
    ends = {"": "directions.0.", "_reverse": "directions.1."}
    by_end = {e: {n: params[path + n] for n in NAMES} for e, path in ends.items()}
    states = torchs(cell, by_end, x.transpose(0, 1), tuple(ends))
    read = {
        "last": torch.cat([states[-1].chunk(2, -1)[0], states[0].chunk(2, -1)[1]], -1),
        "mean": states.mean(0),
        "all": states.transpose(0, 1).flatten(1),
    }
    return nn.functional.linear(read[readout], params["output.weight"], params["output.bias"])


@pytest.mark.parametrize(
    ("hidden", "batch", "steps"), [(1, 1, 3), (1, 5, 3), (3, 1, 2), (7, 3, 3), (16, 13, 2), (33, 13, 2)]
)
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_any_shape_alone_and_in_a_stack(cell, hidden, batch, steps):
    """Bit for bit, of shapes that fill no vector and products of matrices and vectors."""
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net = Rnn(NETWORKS["rnn"].options(cell=cell, hidden=hidden), (steps,), 2)
    params = torch.randn(64, sum(p.numel() for p in net.parameters()))
    x, y = torch.randn(64, batch, steps), torch.randint(0, 2, (64, batch))
    program = make_program(net, LOSSES["cross_entropy"])
    with torch.no_grad():
        whole, _ = program.gradient(params, {}, x, y)
        for i in (0, 3, 63):
            own, _ = program.gradient(params[i : i + 1], {}, x[i : i + 1], y[i : i + 1])
            assert all(torch.equal(a[i], b[0]) for a, b in zip(whole, own, strict=True))
    torch.set_num_threads(threads)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_products_are_in_bfloat16_and_the_rest_in_float32(cell):
    torch.manual_seed(0)
    layer, x = Recurrent(cell, F, H), torch.randn(T, B, F)
    exact = torch.stack(layer(x))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = torch.stack(layer(x))
    assert mixed.dtype == torch.float32
    assert (mixed != mixed.bfloat16().float()).any()  # states aren't rounded to 8 bits
    torch.testing.assert_close(mixed, exact, rtol=0.02, atol=0.02)
    assert not torch.equal(mixed, exact)
    grads = [torch.autograd.grad(out.square().sum(), layer.parameters()) for out in (exact, mixed)]
    for full, low in zip(*grads, strict=True):
        assert low.dtype == torch.float32
        assert not torch.equal(low, full)
        torch.testing.assert_close(low, full, rtol=0.05, atol=0.05 * full.abs().max().item())


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_without_gradients_nothing_is_kept(cell, monkeypatch):
    counts = []
    apply = Scan.apply
    monkeypatch.setattr(Scan, "apply", lambda *given: counts.append(len(apply(*given))) or apply(*given))
    layer, x = Recurrent(cell, F, H), torch.randn(T, B, F)
    with torch.no_grad():
        layer(x)
    layer(x)
    assert counts[0] == T
    assert counts[1] > T


HAS_KERNEL = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="a torch without oneDNN")


@HAS_KERNEL
def test_a_wide_lstm_is_torchs_own_bit_for_bit(monkeypatch):
    monkeypatch.setattr(Scan, "apply", None)
    torch.manual_seed(0)
    layer, x = Recurrent("lstm", F, UNITS), torch.randn(T, B, F)
    params = {name: p.detach() for name, p in layer.named_parameters()}
    assert torch.equal(torch.stack(layer(x)), torchs("lstm", {"": params}, x))


@HAS_KERNEL
def test_narrow_lstms_and_other_precisions_are_scanned():
    x = torch.zeros(T, B, F)
    assert is_fused(x, UNITS)
    assert not is_fused(x, UNITS - 1)
    assert not is_fused(x.double(), UNITS)
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_fused(x, UNITS)
