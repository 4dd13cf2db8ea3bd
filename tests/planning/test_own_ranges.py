"""Search ranges that options have of their own: allowed values, and what `own_range` in a study takes."""

import pytest

from harness.catalogue.networks import NETWORKS
from harness.catalogue.optimizers import OPTIMIZERS
from harness.catalogue.resolve import resolve
from harness.catalogue.schedules import SCHEDULES
from harness.planning.design import make_design
from harness.planning.options import own_range, own_ranges
from harness.words.paths import set_paths
from harness.words.study_file import load_study

BASE = {"data": {"name": "mnist1d"}, "train": {"epochs": 1, "augment": "noise"}}
ENTRIES = (
    [("optimizer", name) for name in OPTIMIZERS]
    + [("schedule", name) for name in SCHEDULES]
    + [("model", name) for name in NETWORKS if name != "cnn2d"]  # curves have one axis
)
TUNABLE = [
    "model.dropout",
    "train.l1",
    "train.l2",
    "train.label_smoothing",
    "train.augment_strength",
    "train.clip_norm",
    "train.patience",
    "optimizer.weight_decay",
    "optimizer.momentum",
    "schedule.warmup",
]


@pytest.mark.parametrize(("section", "name"), ENTRIES)
def test_both_ends_are_allowed_and_ascend(section, name):
    tree = {**BASE, section: {"name": name}}
    config = resolve(tree)
    for path in own_ranges(config):
        own = own_range(config, path)
        assert own.low < own.high
        assert own.low > 0 or not own.log
        for end in (own.low, own.high):
            resolve(set_paths(tree, {path: end}))


@pytest.mark.parametrize("path", TUNABLE)
def test_a_study_tunes_it_by_name_alone(path, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(f"""
base:
  data: {{name: mnist1d, n_train: 200, n_val: 50, n_test: 50}}
  optimizer: {{name: momentum}}
  schedule: {{name: cosine}}
  train: {{epochs: 1, batch_size: 50, augment: noise}}
arms: {{model.width: [5, 9]}}
tune: {{{path}: own_range, points: 9, seeds: 2}}
judge: {{replicates: 8}}
hypotheses:
  - {{kind: superiority, a: {{model.width: 9}}, b: {{model.width: 5}}, outcome: {{final: test/accuracy}}}}
""")
    design = make_design(load_study(file))
    (dimension,) = design.arms[0].tuned
    own = own_range(resolve(design.arms[0].config), path)
    assert (dimension.low, dimension.high, dimension.log) == own
