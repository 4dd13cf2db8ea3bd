"""The largest numbers a study may ask for: above what any study needs, below what fills a machine."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Le
from pydantic import NonNegativeInt, PositiveInt

MOST_TRIALS = 200_000  # of a study, tuning and judging together: all of them are planned in memory
MOST_PARAMETERS = 1_000_000_000  # of a network
MOST_NUMBERS = 1_000_000_000  # in the inputs of one replicate's data
MOST_LAYERS = 1_000
MOST_STEPS = 100_000_000  # optimizer steps of a trial

Examples = Annotated[PositiveInt, Le(10_000_000)]
SomeExamples = Annotated[NonNegativeInt, Le(10_000_000)]  # of a split that may be empty
Inputs = Annotated[PositiveInt, Le(10_000)]  # numbers of an example
Units = Annotated[PositiveInt, Le(65_536)]  # of a layer: units, channels
SomeUnits = Annotated[NonNegativeInt, Le(65_536)]  # may be none
Layers = Annotated[PositiveInt, Le(MOST_LAYERS)]
SomeLayers = Annotated[NonNegativeInt, Le(MOST_LAYERS)]  # may be none
Epochs = Annotated[PositiveInt, Le(1_000_000)]
Steps = Annotated[NonNegativeInt, Le(MOST_STEPS)]
Evaluations = Annotated[PositiveInt, Le(100_000)]
