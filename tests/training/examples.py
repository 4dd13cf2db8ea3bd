"""Small trials for the tests of training: configs, stacks, and their data."""

from harness.catalogue.data import load_cached
from harness.catalogue.resolve import options_of, resolve
from harness.training.stack import Stack, stack_key
from harness.training.train import train
from harness.words.config import RunConfig
from harness.words.paths import set_paths
from harness.words.trial import Trial

BASE = {
    "data": {"name": "mnist1d", "n_train": 300, "n_val": 90, "n_test": 130},
    "model": {"name": "mlp", "widths": [13, 9]},
    "optimizer": {"name": "sgd", "lr": 0.05},
    "train": {"batch_size": 30, "steps": 200, "evaluations": 8},
}


def config_of(**paths):
    """The small config with dotted paths set; `__` stands for the dot. A section may be replaced whole."""
    return resolve(set_paths(BASE, {k.replace("__", "."): v for k, v in paths.items()})).tree()


def trial_of(replicate=0, phase="judge", study="tests", **paths):
    return Trial(study=study, phase=phase, replicate=replicate, config=config_of(**paths))


def splits_for(trial, cache_dir):
    config = RunConfig.model_validate(trial.config)
    options = options_of(config, "data")
    return load_cached(config.data.name, options, trial.study, trial.phase, trial.replicate, cache_dir)


def stack_of(trials):
    (key,) = {stack_key(t.config) for t in trials}  # they must belong together
    return Stack(key, tuple(trials))


def train_together(trials, cache_dir, device="cpu", report=lambda share: None):
    """The records of the trials as one stack."""
    splits = [splits_for(t, cache_dir) for t in trials]
    return list(train(stack_of(trials), splits, device, report))
