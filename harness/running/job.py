"""What a worker does: load a stack's data, train it, hand back its records."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.catalogue.data import Splits, load_cached
from harness.catalogue.resolve import options_of
from harness.errors import HarnessError
from harness.training.finish import provenance
from harness.training.run import plan_steps
from harness.training.stack import Stack
from harness.training.train import train
from harness.words.config import RunConfig
from harness.words.predictions import Predictions
from harness.words.record import Record, Status
from harness.words.trial import Trial

CACHE = ".cache"  # of data sets, in the results folder
Report = Callable[[float], None]  # share of the job that is done, 0 to 1


class Job(NamedTuple):
    """A stack, where data are cached, and the device it runs on."""

    stack: Stack
    cache_dir: Path
    device: str = "cpu"
    predict: bool = False  # whether its trials leave predictions too

    @property
    def work(self) -> float:
        """How much there is to do, in steps x trials x parameters: for ordering and time left."""
        config = self.stack.config
        n_train = config["data"].get("n_train") or 1_000
        return float(len(self.stack.trials) * plan_steps(config, n_train)[0])


class Answer(NamedTuple):
    """What a job leaves: a record a trial and, where asked, the predictions of those that did not diverge."""

    records: list[Record]
    predictions: Mapping[str, Predictions] = {}  # by trial id


def splits_of(trial: Trial, cache_dir: Path) -> Splits:
    """The data of a trial's replicate."""
    config = RunConfig.model_validate(trial.config)
    options = options_of(config, "data")
    return load_cached(config.data.name, options, trial.study, trial.phase, trial.replicate, cache_dir)


def run_job(job: Job, report: Report = lambda share: None) -> Answer:
    """Train the job's stack. A program's error makes failed records; what the user can mend is raised."""
    try:
        splits = [splits_of(trial, job.cache_dir) for trial in job.stack.trials]
        predictions: dict[str, Predictions] = {}
        leave = predictions.__setitem__ if job.predict else None
        return Answer(list(train(job.stack, splits, job.device, report, leave)), predictions)
    except HarnessError:
        raise
    except Exception as error:
        where = traceback.format_exc(limit=-3)
        reason = f"{type(error).__name__}: {error}\n{where}"
        return Answer([_failed(trial, job, reason) for trial in job.stack.trials])


def _failed(trial: Trial, job: Job, reason: str) -> Record:
    return Record(
        **trial.identity(),
        status=Status.FAILED,
        reason=reason,
        steps=[],
        curves={},
        final={},
        n_parameters=0,
        time_s=0.0,
        provenance=provenance(job.device, len(job.stack.trials)),
    )
