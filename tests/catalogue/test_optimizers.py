"""Every optimizer of the table: equal to torch.optim step for step, pure, and the same alone as stacked."""

import inspect
import math

import pytest
import torch
from torch import nn

from harness.catalogue.optimizers import OPTIMIZERS

# name -> torch's optimizer of the same options. A new entry that torch has belongs here.
TORCH = {
    "sgd": lambda p, o: torch.optim.SGD(p, o.lr, weight_decay=o.weight_decay),
    "momentum": lambda p, o: torch.optim.SGD(p, o.lr, o.momentum, weight_decay=o.weight_decay),
    "nag": lambda p, o: torch.optim.SGD(p, o.lr, o.momentum, weight_decay=o.weight_decay, nesterov=True),
    "adagrad": lambda p, o: torch.optim.Adagrad(p, o.lr, weight_decay=o.weight_decay, eps=o.eps),
    "rmsprop": lambda p, o: torch.optim.RMSprop(p, o.lr, o.alpha, o.eps, weight_decay=o.weight_decay),
    "adam": lambda p, o: torch.optim.Adam(p, o.lr, (o.beta1, o.beta2), o.eps, weight_decay=o.weight_decay),
    "adamw": lambda p, o: torch.optim.AdamW(p, o.lr, (o.beta1, o.beta2), o.eps, weight_decay=o.weight_decay),
    "adadelta": lambda p, o: torch.optim.Adadelta(p, o.lr, o.rho, o.eps, weight_decay=o.weight_decay),
    "adamax": lambda p, o: torch.optim.Adamax(
        p, o.lr, (o.beta1, o.beta2), o.eps, weight_decay=o.weight_decay
    ),
    "nadam": lambda p, o: torch.optim.NAdam(p, o.lr, (o.beta1, o.beta2), o.eps, weight_decay=o.weight_decay),
    "radam": lambda p, o: torch.optim.RAdam(p, o.lr, (o.beta1, o.beta2), o.eps, weight_decay=o.weight_decay),
}
# Options off their defaults, for whichever entries have them.
UNUSUAL = {"momentum": 0.7, "beta1": 0.8, "beta2": 0.95, "alpha": 0.9, "rho": 0.8, "eps": 1e-3}
STEPS = 200
NAMES = sorted(OPTIMIZERS)


def options_of(name, **values):
    kind = OPTIMIZERS[name].options
    return kind(**{k: v for k, v in values.items() if k in kind.model_fields})


def hyper_of(*options):
    """Every option as (M, 1) float64, as training lays them out."""
    return {
        name: torch.tensor([[float(getattr(o, name))] for o in options], dtype=torch.float64)
        for name in type(options[0]).model_fields
    }


def noisy_quadratic(generator):
    """Gradient of a badly conditioned quadratic, with noise drawn afresh each step."""
    curvature = torch.logspace(-2, 1, 12, dtype=torch.float64)

    def gradient(theta):
        return curvature * theta + 0.1 * torch.randn(12, generator=generator, dtype=torch.float64)

    return torch.randn(12, generator=generator, dtype=torch.float64), gradient


def small_net(generator):
    """Gradient of a 5-4-3 tanh net's cross-entropy on a fresh batch each step, parameters flat."""

    def gradient(theta):
        w1, w2 = theta[:20].view(4, 5), theta[20:].view(3, 4)
        x = torch.randn(8, 5, generator=generator, dtype=torch.float64)
        y = torch.eye(3, dtype=torch.float64)[torch.randint(3, (8,), generator=generator)]
        hidden = torch.tanh(x @ w1.T)
        error = (torch.softmax(hidden @ w2.T, 1) - y) / 8
        inner = (error @ w2) * (1 - hidden**2)
        return torch.cat([(inner.T @ x).flatten(), (error.T @ hidden).flatten()])

    return torch.randn(32, generator=generator, dtype=torch.float64), gradient


PROBLEMS = {"noisy quadratic": noisy_quadratic, "small net": small_net}


def generator_of(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def exact_counters():
    """torch keeps NAdam's product of momenta in the default dtype: float32 would be off by 1e-8."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


@pytest.mark.usefixtures("exact_counters")
@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    ("unusual", "weight_decay"),
    [(False, 0.0), (False, 0.03), (True, 0.03)],
    ids=["plain", "decay", "unusual"],
)
@pytest.mark.parametrize("name", sorted(TORCH))
def test_agrees_with_torch_step_for_step(name, unusual, problem, weight_decay):
    # lr is one that moves and stays stable on the quadratic (curvature up to 10) for every rule
    lr = 1.0 if name == "adadelta" else 0.01
    options = options_of(name, lr=lr, weight_decay=weight_decay, **(UNUSUAL if unusual else {}))
    entry, hyper = OPTIMIZERS[name], hyper_of(options)
    theta, gradient = PROBLEMS[problem](generator_of(1))
    _, torch_gradient = PROBLEMS[problem](generator_of(1))  # the same draws again
    parameter = nn.Parameter(theta.clone())
    reference = TORCH[name]([parameter], options)
    ours, state = theta.unsqueeze(0), entry.init(theta.unsqueeze(0))
    path, expected = [], []
    for step in range(1, STEPS + 1):
        parameter.grad = torch_gradient(parameter.detach())
        reference.step()
        ours, state = entry.update(gradient(ours[0]).unsqueeze(0), state, ours, hyper, step)
        path.append(ours[0])
        expected.append(parameter.detach().clone())
    torch.testing.assert_close(torch.stack(path), torch.stack(expected), rtol=1e-10, atol=1e-13)
    assert not torch.allclose(ours[0], theta, rtol=0.01)  # it went somewhere


def test_the_table_of_references_names_entries():
    assert set(TORCH) <= set(OPTIMIZERS)


@pytest.mark.parametrize("name", NAMES)
def test_entry_says_what_it_is(name):
    entry = OPTIMIZERS[name]
    assert entry.formula
    assert entry.source
    assert inspect.getdoc(entry.update)
    assert inspect.getdoc(entry.options)
    lr = entry.lr_range
    assert lr.log
    assert math.log10(lr.high / lr.low) == pytest.approx(4)
    defaults = entry.options()
    assert entry.options.model_validate(defaults.model_dump()) == defaults
    assert lr.low <= defaults.lr <= lr.high
    for end in (lr.low, lr.high):  # both are allowed values
        entry.options.model_validate({"lr": end})


@pytest.mark.parametrize("name", NAMES)
def test_init_is_zeros_like_the_parameters(name):
    entry, params = OPTIMIZERS[name], torch.randn(3, 5)
    state = entry.init(params)
    assert len(state) == entry.n_slots
    assert all(s.shape == params.shape and s.dtype == params.dtype and not s.any() for s in state)


def stacked_start(name, m, p, dtype=torch.float32):
    """Members of different options, parameters, and a state that has seen some steps."""
    g, entry = generator_of(7), OPTIMIZERS[name]
    members = [
        options_of(
            name,
            lr=10.0 ** -(i % 5),
            weight_decay=0.01 * (i % 3),
            momentum=0.5 + 0.4 * i / m,
            beta1=0.8 + 0.1 * i / m,
            beta2=0.9 + 0.0999 * i / m,
            rho=0.8 + 0.1 * i / m,
            alpha=0.9 + 0.09 * i / m,
        )
        for i in range(m)
    ]
    params = torch.randn(m, p, generator=g, dtype=dtype)
    grads = [torch.randn(m, p, generator=g, dtype=dtype) for _ in range(6)]
    return entry, members, params, grads


def run_rows(entry, members, params, grads):
    """Parameters and state after each of the steps."""
    state, hyper, seen = entry.init(params), hyper_of(*members), []
    for step, g in enumerate(grads, 1):
        params, state = entry.update(g, state, params, hyper, step)
        seen.append((params, *state))
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_update_is_pure(name):
    entry, members, params, grads = stacked_start(name, 4, 9)
    _, state = entry.update(grads[0], entry.init(params), params, hyper_of(*members), 1)
    hyper = hyper_of(*members)
    given = [grads[1], *state, params, *hyper.values()]
    before = [t.clone() for t in given]
    first = entry.update(grads[1], state, params, hyper, 2)
    again = entry.update(grads[1], state, params, hyper, 2)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))
    assert torch.equal(first[0], again[0])
    assert all(torch.equal(a, b) for a, b in zip(first[1], again[1], strict=True))
    assert first[0].dtype == params.dtype


@pytest.mark.parametrize("m", [2, 7, 64])
@pytest.mark.parametrize("name", NAMES)
def test_a_row_alone_is_the_row_in_a_stack(name, m):
    entry, members, params, grads = stacked_start(name, m, 37)
    together = run_rows(entry, members, params, grads)
    for i in range(m):
        alone = run_rows(entry, members[i : i + 1], params[i : i + 1], [g[i : i + 1] for g in grads])
        for whole, own in zip(together, alone, strict=True):
            assert all(torch.equal(w[i], o[0]) for w, o in zip(whole, own, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_no_step_number_tells_a_stack_from_a_row(name):
    """In float64, where nothing hides behind rounding: 200 steps of one gradient."""
    entry, members, params, grads = stacked_start(name, 64, 3, torch.float64)
    together = run_rows(entry, members, params, grads[:1] * STEPS)
    for i in (0, 37, 63):
        alone = run_rows(entry, members[i : i + 1], params[i : i + 1], [grads[0][i : i + 1]] * STEPS)
        assert all(torch.equal(w[0][i], o[0][0]) for w, o in zip(together, alone, strict=True))


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NAMES)
def test_a_lost_row_touches_no_other(name, poison):
    entry, members, params, grads = stacked_start(name, 5, 11)
    healthy = run_rows(entry, members, params, grads)
    spoilt = [g.clone() for g in grads]
    spoilt[1][2] = poison
    seen = run_rows(entry, members, params, spoilt)
    others = [0, 1, 3, 4]
    for clean, dirty in zip(healthy, seen, strict=True):
        assert all(torch.equal(c[others], d[others]) for c, d in zip(clean, dirty, strict=True))
    assert not seen[-1][0][2].isfinite().all()


@pytest.mark.parametrize("mu", [0.5, 0.9, 0.99])
def test_nag_takes_the_gradient_at_the_look_ahead_point(mu):
    """The two-variable form: v <- mu v - lr grad(theta + mu v), theta <- theta + v."""
    lr, theta, gradient = 0.02, torch.tensor([3.0, -2.0, 1.0], dtype=torch.float64), torch.sin
    options = options_of("nag", lr=lr, momentum=mu)
    held, state = theta.clone().unsqueeze(0), OPTIMIZERS["nag"].init(theta.unsqueeze(0))
    velocity = torch.zeros_like(theta)
    plain = theta.clone()  # the gradient at theta, as plain momentum takes it
    plain_velocity = torch.zeros_like(theta)
    for step in range(1, 101):
        torch.testing.assert_close(held[0], theta + mu * velocity, rtol=1e-12, atol=1e-14)
        held, state = OPTIMIZERS["nag"].update(gradient(held), state, held, hyper_of(options), step)
        velocity = mu * velocity - lr * gradient(theta + mu * velocity)
        theta = theta + velocity
        plain_velocity = mu * plain_velocity - lr * gradient(plain)
        plain = plain + plain_velocity
    assert (plain - theta).abs().max() > 1e-4  # the two methods part


def test_weight_decay_of_adamw_shrinks_the_weights_not_the_gradient():
    """Without a gradient decoupled decay multiplies by 1 - lr wd; Adam's moves by lr instead."""
    params, zero = torch.full((1, 3), 2.0, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    moved = {}
    for name in ("adam", "adamw"):
        hyper = hyper_of(options_of(name, lr=0.1, weight_decay=0.5))
        moved[name], _ = OPTIMIZERS[name].update(zero, OPTIMIZERS[name].init(params), params, hyper, 1)
    torch.testing.assert_close(moved["adamw"], params * 0.95)
    torch.testing.assert_close(moved["adam"], params - 0.1, rtol=1e-6, atol=0)


def test_lion_by_its_formula():
    """Written out for one number, as in the paper's program 1."""
    options = options_of("lion", lr=0.01, weight_decay=0.1)
    entry, hyper, generator = OPTIMIZERS["lion"], hyper_of(options), generator_of(3)
    params = torch.full((1, 1), 0.7, dtype=torch.float64)
    state, theta, mean = entry.init(params), 0.7, 0.0
    for step in range(1, 101):
        gradient = float(torch.randn((), generator=generator, dtype=torch.float64))
        update = math.copysign(1.0, 0.9 * mean + 0.1 * gradient)
        theta, mean = theta - 0.01 * (update + 0.1 * theta), 0.99 * mean + 0.01 * gradient
        params, state = entry.update(torch.full_like(params, gradient), state, params, hyper, step)
        assert float(params) == pytest.approx(theta, rel=1e-12)


def test_every_step_of_lion_has_the_magnitude_of_the_learning_rate():
    """However large the gradient; a parameter that never had one stays where it is."""
    generator, entry = generator_of(4), OPTIMIZERS["lion"]
    params, hyper = torch.zeros(1, 50, dtype=torch.float64), hyper_of(options_of("lion", lr=2.0**-7))
    scale, state = torch.logspace(-20, 20, 50, dtype=torch.float64), entry.init(params)
    scale[7] = 0
    for step in range(1, 21):
        grads = scale * torch.randn(1, 50, generator=generator, dtype=torch.float64)
        before = params
        params, state = entry.update(grads, state, params, hyper, step)
        moved = params - before
        assert moved[0, 7] == 0
        assert (moved[0, scale > 0].abs() == 2.0**-7).all()
        if step == 1:
            assert torch.equal(moved.sign(), -grads.sign())


@pytest.mark.parametrize("beta2", [0.5, 0.9, 0.99, 0.999])
def test_radam_waits_for_the_squares_it_needs(beta2):
    """Plain momentum while rho_t <= 5, for ever where beta2 is small; then every gradient counts alike."""
    entry, hyper = OPTIMIZERS["radam"], hyper_of(options_of("radam", lr=0.1, beta2=beta2, eps=1e-12))
    params = torch.zeros(1, 2, dtype=torch.float64)
    grads, state = torch.tensor([[1.0, 100.0]], dtype=torch.float64), entry.init(params)
    for step in range(1, 40):
        before = params
        params, state = entry.update(grads, state, params, hyper, step)
        rho = 2 / (1 - beta2) - 1
        rectified = rho - 2 * step * beta2**step / (1 - beta2**step) > 5
        moved = (before - params)[0]
        assert float(moved[1] / moved[0]) == pytest.approx(1 if rectified else 100)
        assert rectified or float(moved[0]) == pytest.approx(0.1)
    assert rectified == (beta2 > 0.7)


def direction_of(name, options, grads, mean, step):
    """What the step multiplies by each parameter's rate, computed with Python's powers from the formulas."""
    if name in ("adagrad", "rmsprop"):
        return grads
    if name == "nadam":
        mus = [options.beta1 * (1 - 0.5 * 0.96 ** (i * 0.004)) for i in range(1, step + 2)]
        now = (1 - mus[-2]) * grads / (1 - math.prod(mus[:-1]))
        return mus[-1] * mean / (1 - math.prod(mus)) + now
    return mean / (1 - options.beta1**step)


@pytest.mark.parametrize("name", sorted(n for n in NAMES if OPTIMIZERS[n].effective_rate and n != "adadelta"))
def test_effective_rate_is_what_the_step_was_taken_with(name):
    entry, options = OPTIMIZERS[name], options_of(name, lr=0.01, weight_decay=0.0, **UNUSUAL)
    hyper = {k: v for k, v in hyper_of(options).items() if k != "weight_decay"}
    theta, gradient = noisy_quadratic(generator_of(5))
    params = theta.unsqueeze(0)
    state = entry.init(params)
    for step in range(1, 101):
        grads, before = gradient(params), params
        params, state = entry.update(grads, state, params, hyper, step)
        rate = entry.effective_rate(state, entry.rounded(hyper, step, params.dtype))
        assert rate.shape == params.shape
        assert (rate > 0).all()
        expected = before - rate * direction_of(name, options, grads, state[0], step)
        torch.testing.assert_close(params, expected, rtol=1e-10, atol=1e-13)


def test_effective_rate_of_adadelta_is_that_of_a_usual_gradient():
    """Where the square of a gradient is the mean of squares, the next step multiplies it by the rate."""
    entry, hyper = OPTIMIZERS["adadelta"], hyper_of(options_of("adadelta"))
    theta, gradient = noisy_quadratic(generator_of(6))
    params = theta.unsqueeze(0)
    state = entry.init(params)
    for step in range(1, 101):
        params, state = entry.update(gradient(params), state, params, hyper, step)
    usual = state[1].sqrt()
    rate = entry.effective_rate(state, entry.rounded(hyper, 100, params.dtype))
    moved, _ = entry.update(usual, state, params, hyper, 101)
    torch.testing.assert_close(params - moved, rate * usual, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_rates_are_per_parameter_where_the_rule_scales_gradients(name):
    """It does not where steps grow with the gradients, all of them alike, or have one size for all."""
    entry, hyper = OPTIMIZERS[name], hyper_of(options_of(name, lr=0.01, weight_decay=0.0))
    steps = {1.0: [], 3.0: []}  # factor of the gradients -> the size of every step
    for factor, sizes in steps.items():
        generator, params = generator_of(8), torch.zeros(1, 12, dtype=torch.float64)
        state, scale = entry.init(params), torch.logspace(-2, 2, 12, dtype=torch.float64)
        for step in range(1, 21):
            grads = factor * scale * torch.randn(1, 12, generator=generator, dtype=torch.float64)
            before = params
            params, state = entry.update(grads, state, params, hyper, step)
            sizes.append((params - before).abs())
    once, thrice = (torch.cat(sizes) for sizes in steps.values())
    grow_alike = torch.allclose(thrice, 3 * once, rtol=1e-9, atol=0)
    of_one_size = torch.allclose(once, once.mean(), rtol=1e-9, atol=0)
    assert (entry.effective_rate is None) == (grow_alike or of_one_size)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (name, {option: value})
        for name in NAMES
        for option, value in {
            "lr": 0.0,
            "weight_decay": -0.1,
            "momentum": 1.0,
            "beta1": 1.0,
            "beta2": -0.1,
            "alpha": 1.0,
            "rho": 1.0,
            "eps": 0.0,
        }.items()
        if option in OPTIMIZERS[name].options.model_fields
    ],
)
def test_impossible_options_are_refused(name, values):
    with pytest.raises(ValueError, match=next(iter(values))):
        OPTIMIZERS[name].options(**values)
