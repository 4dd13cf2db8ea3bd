"""The predictions a study keeps: one file a trial, written once, whole or not at all."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

import numpy as np

from harness.files import write_whole
from harness.records.files import damaged
from harness.words.predictions import Predicted, Predictions

ENDING = ".npz"


@final
class PredictionFiles(Mapping[str, Predictions]):
    """Trial id -> its predictions, read when asked for. They lie in `predictions/` of a study's folder.

    A file holds `<split>/log_p` and `<split>/labels` of every split. Asking for what is not there
    raises KeyError, a damaged file HarnessError.
    """

    def __init__(self, study_folder: Path) -> None:
        self._folder = study_folder / "predictions"

    def add(self, trial: str, predictions: Predictions) -> None:
        """Keep a trial's predictions; durable when this returns. Raises RunFailed as `write_whole`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"{split}/{name}": a for split, p in predictions.items() for name, a in p._asdict().items()}
        write_whole(self._path(trial), lambda file: np.savez(file, **arrays))

    def __getitem__(self, trial: str) -> Predictions:
        path = self._path(trial)
        try:
            with path.open("rb") as file, np.load(file) as held:
                splits = {name.partition("/")[0] for name in held}
                return {s: Predicted(held[f"{s}/log_p"], held[f"{s}/labels"]) for s in splits}
        except FileNotFoundError:
            raise KeyError(trial) from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise damaged(
                path, error, "remove it and run the study again; only this trial runs anew"
            ) from error

    def __contains__(self, trial: object) -> bool:
        return isinstance(trial, str) and self._path(trial).exists()

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self._folder.glob(f"*{ENDING}")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, trial: str) -> Path:
        return self._folder / f"{trial}{ENDING}"
