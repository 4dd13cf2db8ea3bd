"""What a training step costs: by batch size, and on a CPU against a GPU by width and batch."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from harness.running.timing.benchmark import Arm, Call, Pair, Setting

N_INPUTS, N_CLASSES = 40, 10
BATCHES = (1, 8, 32, 128, 512, 2048)
BATCH_WIDTHS = (100, 50)  # of two hidden layers; the first is judged
WIDTHS = (64, 512, 4096)
DEVICE_BATCHES = (64, 1024)
LEARNING_RATE = 1e-3


def batch_settings() -> list[Setting]:
    """Two nets with every batch size; times are of one example."""
    return [
        Setting(net_name(w), tuple(Arm(batch_name(b), partial(training_step, w, b), b) for b in BATCHES))
        for w in BATCH_WIDTHS
    ]


def batch_pairs() -> tuple[Pair, ...]:
    """A large batch against a usual one first; then a usual one against a single example, and beyond."""
    steps = ((32, 512), (1, 32), (512, 2048))
    net = net_name(BATCH_WIDTHS[0])
    return tuple(Pair(net, batch_name(large), batch_name(small)) for small, large in steps)


def net_name(width: int) -> str:
    """The layers' sizes."""
    return f"{N_INPUTS}-{width}-{width}-{N_CLASSES}"


def batch_name(batch: int) -> str:
    """An arm's name."""
    return f"batch {batch}"


def device_settings() -> list[Setting]:
    """Two hidden layers of every width with every batch size, on one CPU thread and on the GPU."""
    return [
        Setting(device_name(w, b), tuple(Arm(d, partial(training_step, w, b, d), b) for d in ("cpu", "cuda")))
        for w in WIDTHS
        for b in DEVICE_BATCHES
    ]


def device_pairs() -> tuple[Pair, ...]:
    """A middling net first; then the others, from the smallest up."""
    sizes = [(w, b) for w in WIDTHS for b in DEVICE_BATCHES]
    sizes.sort(key=lambda size: size != (512, 64))
    return tuple(Pair(device_name(w, b), "cuda", "cpu") for w, b in sizes)


def device_name(width: int, batch: int) -> str:
    """A setting's name."""
    return f"{net_name(width)}, batch {batch}"


def no_gpu() -> str:
    """Why a GPU can't be timed here, or nothing."""
    return "" if torch.cuda.is_available() else "torch sees no GPU here"


def training_step(width: int, batch: int, device: str = "cpu") -> Call:
    """Forward, backward and an SGD update of a plain ReLU net on one batch that lies on the device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = (nn.Linear(N_INPUTS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        model = nn.Sequential(*layers, nn.Linear(width, N_CLASSES)).to(device)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, N_INPUTS, generator=generator).to(device)
    y = torch.randint(N_CLASSES, (batch,), generator=generator).to(device)
    params = list(model.parameters())

    def run() -> None:
        grads = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), params)
        with torch.no_grad():
            for param, grad in zip(params, grads, strict=True):
                param.sub_(grad, alpha=LEARNING_RATE)
        if device == "cuda":
            torch.cuda.synchronize()  # launched is not done

    return run
