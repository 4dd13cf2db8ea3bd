"""The table of benchmarks: one line each, its arms and pairs in a module beside this one."""

from __future__ import annotations

from harness.running.timing import activations, matrix_form, steps
from harness.running.timing.benchmark import Benchmark

NOTES = "lecture notes on neural networks"

BENCHMARKS: dict[str, Benchmark] = {
    "cost_activations": Benchmark(
        "ELU's exponential costs more than leaky ReLU; ReLU is cheap",
        NOTES,
        "forward and backward of one element",
        activations.settings,
        activations.pairs(),
    ),
    "cost_matrix_form": Benchmark(
        "Matrix form lets a net be computed in parallel",
        NOTES,
        "forward and backward of a layer, or of one net",
        matrix_form.settings,
        matrix_form.pairs(),
    ),
    "cost_device": Benchmark(
        "A GPU computes it faster",
        NOTES,
        "a training step, an example",
        steps.device_settings,
        steps.device_pairs(),
        steps.no_gpu,
    ),
    "cost_batch": Benchmark(
        "Large batches use the hardware better",
        NOTES,
        "a training step, an example",
        steps.batch_settings,
        steps.batch_pairs(),
        linear=True,
    ),
}
