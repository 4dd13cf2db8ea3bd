"""What the nets of a stack say of the validation and test examples, for ensembles to be made from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax

from harness.errors import BadInput
from harness.training.evaluate import CHUNK, tested
from harness.training.finish import final_weights
from harness.training.members import Split
from harness.training.run import Run
from harness.words.predictions import Predicted, Predictions


def check_predictable(run: Run) -> None:
    """Raise BadInput where nets don't answer in classes: a regression's outputs are no log-probabilities."""
    if run.data.n_classes is None:
        raise BadInput(
            "predictions were asked for of a regression, whose outputs are values; allowed: classifications. "
            "Ensembles are made of these alone: compare arms of a regression as they are"
        )


def predict(run: Run) -> Iterator[tuple[str, Predictions]]:
    """Trial id and predictions on val and test of every trial of a stack of classifiers trained to its end.

    One that diverged has none. Logits to log-probabilities net by net and in float64, so that they
    depend on nothing but the net.
    """
    splits = {name: run.data.splits[name] for name in ("val", "test")}
    outputs = {name: _outputs(run, split) for name, split in splits.items()}
    _, data, rows = final_weights(run)
    diverged = run.diverged.tolist()
    for place, row in enumerate(rows.tolist()):
        if not diverged[row]:
            yield (
                run.stack.trials[row].id,
                {
                    name: Predicted(
                        log_softmax(outputs[name][place].astype(np.float64), -1).astype(np.float32),
                        split.y[data.member[place]].cpu().numpy(),
                    )
                    for name, split in splits.items()
                },
            )


def _outputs(run: Run, split: Split) -> NDArray[np.floating]:
    """The nets' outputs (m, n, C) over a split."""
    weights, data, _ = final_weights(run)
    program, chunk = run.program, CHUNK
    if split is run.data.splits["test"]:
        program, chunk = tested(program, run.stack.config, len(run.data.splits["train"]))
    chunks = [program.outputs(*weights, x).cpu() for x, _ in data.chunks(split, chunk)]
    return torch.cat(chunks, 1).numpy()
