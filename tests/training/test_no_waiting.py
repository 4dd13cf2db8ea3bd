"""Between two evaluations nothing is read back: on a GPU each read would wait for all that is queued."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from harness.catalogue.optimizers import OPTIMIZERS
from harness.training.members import stacked_orders
from harness.training.run import start
from harness.training.train import one_thread, train_step
from harness.words.config import batch_size_of
from tests.training.examples import splits_for, stack_of, trial_of
from tests.training.test_equality import KINDS, members

aten = torch.ops.aten
# Operations whose result, or its shape, the processor has to know before it can go on.
READS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.is_nonzero.default,
}
MORE = {
    "penalties and clipping": {"train__l1": 1e-4, "train__l2": 1e-3, "train__clip_norm": 1.0},
    "augmented": {"train__augment": "noise", "train__augment_strength": 0.3},
    "cnn1d": {"model": {"name": "cnn1d", "normalisation": "batch_norm"}},
    "lstm": {"model": {"name": "rnn", "cell": "lstm"}},
    "attention": {"model": {"name": "attention"}},
    **{f"optimizer {name}": {"optimizer__name": name} for name in sorted(OPTIMIZERS)},
}


class NothingIsRead(TorchDispatchMode):
    """Raises at an operation that reads a tensor."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in READS:
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.fixture
def unread(monkeypatch):
    """Reads raise in it; a CPU's tensor becomes a list past the dispatcher, so that is refused too."""

    def refused(self):
        raise AssertionError("a tensor is read as a list")

    monkeypatch.setattr(Tensor, "tolist", refused)
    return NothingIsRead()


@pytest.mark.parametrize("kind", [*KINDS, *MORE])
def test_steps_between_evaluations_read_nothing(kind, unread, cache_dir):
    stack = _stack(kind)
    with one_thread(), torch.no_grad():
        run = start(stack, [splits_for(t, cache_dir) for t in stack.trials], torch.device("cpu"))
        n_train = len(run.data.splits["train"])
        size = batch_size_of(stack.config, n_train)
        orders = stacked_orders(stack.trials, n_train, size, torch.device("cpu"))
        plan, *plans = run.planned(orders, range(4))
        train_step(run, 0, *plan)  # records the step, and looks at values for it
        with unread:
            for step, plan in enumerate(plans, start=1):
                train_step(run, step, *plan)
            for step, plan in enumerate(run.planned(orders, range(4, 24)), start=4):  # into another epoch
                train_step(run, step, *plan)
    assert run.params.isfinite().any()


@pytest.mark.parametrize("read", [Tensor.item, lambda x: x.tolist(), torch.nonzero, bool])
def test_what_reads_is_seen(read, unread):
    with pytest.raises(AssertionError), unread:
        read(torch.ones(1))


def _stack(kind):
    if kind in KINDS:
        return stack_of(members(kind, 3))
    return stack_of([trial_of(i, **{"optimizer__lr": 0.01, **MORE[kind]}) for i in range(3)])
