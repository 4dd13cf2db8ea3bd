"""A study file to begin with: what the `new` command writes."""

from __future__ import annotations

from pathlib import Path

from harness.errors import BadInput
from harness.planning.studies import FOLDER, check_name

TEMPLATE = """\
# yaml-language-server: $schema=schema.json
#
# What the study asks, in a sentence.
# Check it: harness validate <name>. What it costs: harness plan <name>. Run it: make study NAME=<name>
title: Does Adam end with a better net than SGD?
claim:
  says: Adam gives a higher test accuracy than SGD  # one sentence that can turn out wrong
  source: your own                                  # who says so

# One run's whole config. What the arms and the tuning leave alone is the same for all arms.
# `harness data list` names the data sets and their options.
base:
  data: {name: mnist1d}
  model: {name: mlp, widths: [100, 100], activation: relu, init: he_normal}
  train: {batch_size: 100, epochs: 20, loss: cross_entropy}

# What is compared: factors and their levels, which are crossed. Any dotted path of a config may be one.
arms:
  optimizer.name: [sgd, adam]

# What is tuned for every arm separately, with the same budget: points a grid, seeds a point.
tune:
  optimizer.lr: own_range
  points: 9
  seeds: 2

# Fresh replicates, paired across arms, on seeds that tuning never saw: 8 at least.
judge:
  replicates: 20

# The first is the primary one. delta is the smallest effect that matters, chosen before any data: here a
# percentage point of accuracy. README.md lists the kinds.
hypotheses:
  - {primary: true, kind: superiority, a: adam, b: sgd, outcome: {final: test/accuracy}, delta: 0.01}

# The same study for a bigger machine: harness run <name> --tier full
tiers:
  full: {data.n_train: 40000, judge.replicates: 50}
"""


def write_study(name: str, folder: Path = FOLDER) -> Path:
    """Write `folder/NAME.yaml`, a whole study with comments. Raises BadInput where it is there already."""
    check_name(name)
    path = folder / f"{name}.yaml"
    try:
        folder.mkdir(exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.replace("<name>", name))
    except FileExistsError:
        raise BadInput(f"{path} is there already and stays as it is; give another name, or edit it") from None
    except OSError as error:
        raise BadInput(
            f"can't write {path}: {error.strerror}; call this in a folder that can be written"
        ) from None
    return path
