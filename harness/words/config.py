"""One run's whole config: five sections, each a name from a table of the catalogue and its options.

The options of a section belong to the catalogue's entry of that name, which declares, types and
defaults them (`catalogue.resolve`); here only the form is known, so that adding an entry with new
options touches the entry alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from harness.errors import BadInput
from harness.words.base import Word
from harness.words.limits import Epochs, Evaluations, Examples, Steps
from harness.words.probes import Probes

SECTIONS = ("data", "model", "optimizer", "schedule", "train")
NEEDS_COST = (
    "needs train.cost: {step_us: ..., example_us: ...}, the microseconds of a step and of each example in "
    "it; `harness bench cost_batch` measures them"
)


class Section(Word):
    """A name from one of the catalogue's tables, and the options of that entry."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The options given beside the name."""
        return dict(self.__pydantic_extra__ or {})


class DataSection(Section):
    """A data set of the catalogue, or a table of the user's own (`file` and `target`)."""

    name: str = "file"

    @model_validator(mode="before")
    @classmethod
    def _name_or_file(cls, value: Any) -> Any:
        if isinstance(value, dict) and not {"name", "file"} & value.keys():
            raise ValueError(
                "give data.name (a data set of the catalogue) or data.file (a table of your own)"
            )
        return value


class ModelSection(Section):
    """A network of the catalogue, or a class of the user's own: `package.module:Class` or `file.py:Class`."""

    name: str = "mlp"
    class_: str | None = Field(default=None, alias="class")

    @model_validator(mode="before")
    @classmethod
    def _name_or_class(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("class") is None:
            return value
        if value.get("name", "own") != "own":
            raise ValueError("give model.name (a network of the catalogue) or model.class, not both")
        return {**value, "name": "own"}


class OptimizerSection(Section):
    """An optimizer of the catalogue; plain SGD unless named."""

    name: str = "sgd"


class ScheduleSection(Section):
    """A learning-rate schedule of the catalogue; constant unless named."""

    name: str = "constant"


class StepCost(Word):
    """What an optimizer step is declared to cost: so much a step, and so much for each example of its batch.

    Numbers of the file, not of the machine a run is on: the same file makes the same budgets everywhere.
    """

    step_us: PositiveFloat = Field(allow_inf_nan=False, description="microseconds a step, whatever its batch")
    example_us: NonNegativeFloat = Field(
        allow_inf_nan=False, description="microseconds for each example of a step's batch"
    )

    def __str__(self) -> str:
        return f"{self.step_us:g} µs a step and {self.example_us:g} µs an example"

    def of_batch(self, examples: int) -> Decimal:
        """Microseconds of a step, exactly as the numbers are written."""
        return Decimal(str(self.step_us)) + examples * Decimal(str(self.example_us))


class TrainSection(Word):
    """How one run trains. Give `epochs`, `steps` or `seconds`; `batch_size` in examples, or "full"."""

    batch_size: Examples | Literal["full"] = 100
    epochs: Epochs | None = None
    steps: Steps | None = Field(
        default=None, description="optimizer steps; 0 measures networks as they start"
    )
    seconds: PositiveFloat | None = Field(
        default=None,
        allow_inf_nan=False,
        description="as many whole optimizer steps as `cost` says fit; no clock is read",
    )
    cost: StepCost | None = Field(
        default=None,
        description="what a step is declared to cost, for `seconds` and for times in them: measured once, "
        "alone, by `harness bench cost_batch`",
    )
    loss: str = "cross_entropy"
    dtype: Literal["float32", "float64", "tf32", "bfloat16"] = Field(
        default="float32",
        description="tf32: products of float32 rounded to 10 bits, on GPUs that have it; bfloat16: mixed "
        "precision, products in bfloat16, weights and optimizer in float32",
    )
    evaluations: Evaluations | None = Field(
        default=None, description="evenly spaced evaluations; one an epoch if not given"
    )
    label_smoothing: NonNegativeFloat = Field(default=0.0, lt=1.0)
    l1: NonNegativeFloat = Field(
        default=0.0, description="the gradient is that of loss + l1 sum|w|; weights, not biases or scales"
    )
    l2: NonNegativeFloat = Field(
        default=0.0, description="the gradient is that of loss + l2/2 sum w^2; weights, not biases or scales"
    )
    clip_norm: PositiveFloat | None = Field(
        default=None, description="the largest norm of a model's gradient; a larger one is scaled down"
    )
    augment: str = Field(default="none", description="how inputs are changed anew at every training step")
    augment_strength: NonNegativeFloat = Field(default=0.1, le=1.0, description="of `augment`; 0: no change")
    patience: PositiveInt | None = Field(
        default=None, description="stop after so many evaluations without a better `monitor`; keep the best"
    )
    monitor: str = Field(
        default="val/loss", description="what early stopping looks at: a val/ or train/ metric"
    )
    stream: NonNegativeInt | None = Field(
        default=None, description="enters the seeds of init, order and noise and nothing else: for controls"
    )

    lr_multiple: PositiveFloat = Field(
        default=1.0, description="times the learning rate, in judged trials alone: tuning is at 1"
    )
    test_mode: Literal["eval", "train"] = Field(
        default="eval",
        description="how layers behave on the test split; train: as in training, in batches of batch_size",
    )

    @model_validator(mode="after")
    def _one_length(self) -> TrainSection:
        if sum(length is not None for length in (self.epochs, self.steps, self.seconds)) != 1:
            raise ValueError("give train.epochs, train.steps or train.seconds, one of the three")
        if self.seconds is not None and self.cost is None:
            raise ValueError(f"train.seconds {NEEDS_COST}")
        return self

    def steps_per_epoch(self, n_train: int) -> int:
        """Optimizer steps an epoch of `n_train` examples; a last batch that would be short is left out."""
        return 1 if self.batch_size == "full" else n_train // self.batch_size

    def total_steps(self, n_train: int) -> int:
        """Optimizer steps of a whole run."""
        if self.seconds is not None and self.cost is not None:
            step_us = self.cost.of_batch(_examples(self.batch_size, n_train))
            return int(Decimal(str(self.seconds)) * 10**6 // step_us)
        return self.steps if self.steps is not None else (self.epochs or 0) * self.steps_per_epoch(n_train)


def batch_size_of(config: Mapping[str, Any], n_train: int) -> int:
    """Examples a step of a resolved config; "full" is all `n_train` of them."""
    return _examples(config["train"]["batch_size"], n_train)


def _examples(batch_size: int | Literal["full"], n_train: int) -> int:
    return n_train if batch_size == "full" else int(batch_size)


def a_step(config: Mapping[str, Any], unit: str, n_train: int) -> float:
    """What one step of a resolved config takes, in steps (1), examples (its batch) or seconds (by its cost).

    Raises BadInput for seconds where the config declares no cost.
    """
    if unit == "steps":
        return 1
    size = batch_size_of(config, n_train)
    if unit == "examples":
        return size
    cost = config["train"].get("cost")
    if cost is None:
        raise BadInput(f"a time in seconds {NEEDS_COST}")
    return float(StepCost.model_validate(cost).of_batch(size)) / 1e6


# What acts on judged trials alone: arms that differ in nothing else share their tuning, and so its choice.
JUDGED_ALONE = ("lr_multiple", "test_mode")


def while_tuning(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved config as tuning runs it: not probed, and without what acts on judged trials alone."""
    plain = {name: TrainSection.model_fields[name].default for name in JUDGED_ALONE}
    return {k: v for k, v in tree.items() if k != "probes"} | {"train": {**tree["train"], **plain}}


class RunConfig(Word):
    """Everything that decides one run but its seeds."""

    data: DataSection
    model: ModelSection = ModelSection()
    optimizer: OptimizerSection = OptimizerSection()
    schedule: ScheduleSection = ScheduleSection()
    train: TrainSection
    probes: Probes | None = Field(
        default=None, description="probe -> when it is measured; what outcomes ask for is added"
    )

    def tree(self) -> dict[str, Any]:
        """The config as nested plain values, keys as written in a study."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
