"""MNIST from its own IDX files: 60,000 and 10,000 handwritten digits of 28 x 28 pixels.

Source: LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition",
Proceedings of the IEEE 86(11), 1998. The IDX format: two zero bytes, a byte for the type (8: unsigned
byte), a byte for the number of dimensions, each dimension as a big-endian uint32, then the values.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from harness.catalogue.data.base import NO_SEED, Array, DataSet, Part, Seed, Splits, splits_of
from harness.catalogue.data.folder import data_dir, file_hash
from harness.catalogue.data.prepare import corrupted, generator, shuffled, standardised
from harness.errors import BadInput, DataMissing
from harness.words.base import Word, content_hash
from harness.words.design import DataFacts

N_CLASSES = 10
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_N_TRAIN, _N_TEST = 60_000, 10_000
_SEED = 0  # of the one fixed shuffle
_TRAIN, _TEST, _NOISE = range(3)  # its streams


class MnistOptions(Word):
    """Options of `mnist`. Sizes in examples."""

    n_train: PositiveInt = 55_000
    n_val: NonNegativeInt = 5_000
    n_test: NonNegativeInt = Field(default=_N_TEST, le=_N_TEST)
    shuffled: bool = Field(default=False, description="pixels in one fixed random order")
    label_noise: float = Field(default=0.0, ge=0, lt=1, description="share of wrong training labels")

    @model_validator(mode="after")
    def _fit(self) -> MnistOptions:
        if self.n_train + self.n_val > _N_TRAIN:
            raise ValueError(
                f"MNIST has {_N_TRAIN} examples for n_train + n_val; found {self.n_train} + {self.n_val}"
            )
        return self


def facts(options: MnistOptions) -> DataFacts:
    """Sizes as asked; one fixed split and MNIST's own test set."""
    return DataFacts(
        scope="fixed",
        n_train=options.n_train,
        n_val=options.n_val,
        n_test=options.n_test,
        n_classes=N_CLASSES,
        input_shape=(28, 28),
    )


def load(options: MnistOptions, data_seed: int, split_seed: int) -> Splits:
    """MNIST after one fixed shuffle; x (n, 28, 28), one mean and deviation for all pixels.

    Training examples are the first of the 60,000 shuffled, validation the last, test the first of the
    10,000 shuffled (in their own order the first half is the easier). Raises DataMissing and BadInput.
    """
    del data_seed, split_seed  # one fixed set and split
    images, labels, test_images, test_labels = (read_idx(path) for path in _find(data_dir()))
    x, y = _shuffled(images, labels, _TRAIN)
    x_test, y_test = _shuffled(test_images, test_labels, _TEST)
    if len(y) < options.n_train + options.n_val or len(y_test) < options.n_test:
        raise BadInput(
            f"the MNIST files hold {len(y)} training and {len(y_test)} test examples; asked for "
            f"{options.n_train} + {options.n_val} and {options.n_test}; fetch them again: "
            "harness data fetch mnist"
        )
    first_val = len(y) - options.n_val
    parts = standardised(x[: options.n_train], x[first_val:], x_test[: options.n_test])
    if options.shuffled:
        parts = [shuffled(part) for part in parts]
    y_train = corrupted(y[: options.n_train], options.label_noise, N_CLASSES, generator(_SEED, _NOISE))
    return splits_of(
        (parts[0], y_train), (parts[1], y[first_val:]), (parts[2], y_test[: options.n_test]), N_CLASSES
    )


def _shuffled(images: Array, labels: Array, stream: int) -> Part:
    if images.ndim != 3 or labels.shape != (len(images),):
        raise BadInput(
            f"MNIST's images have shape {images.shape} and its labels {labels.shape}; expected (n, 28, 28) "
            "and (n,); fetch the files again: harness data fetch mnist"
        )
    order = generator(_SEED, stream).permutation(len(labels))
    return images[order].astype(np.float32), labels[order].astype(np.int64)


def _find(folder: Path) -> list[Path]:
    """The four files, plain or gzipped, in `folder`/mnist or `folder`. Raises DataMissing."""
    found = [
        next(
            (
                p
                for base in (folder / "mnist", folder)
                for p in (base / f"{name}.gz", base / name)
                if p.is_file()
            ),
            None,
        )
        for name in FILES
    ]
    missing = [name for name, path in zip(FILES, found, strict=True) if path is None]
    if missing:
        raise DataMissing(
            f"MNIST isn't there: no {', '.join(missing)} (plain or .gz) in {folder / 'mnist'} or {folder}. "
            "Fetch it with: harness data fetch mnist; or set HARNESS_DATA to the folder that holds it"
        )
    return [path for path in found if path is not None]


def read_idx(path: Path) -> Array:
    """The uint8 array of an IDX file, gzipped or not. Raises BadInput that names the file."""
    data = _unpacked(path)
    n_dims = data[3] if len(data) >= 4 else 0
    if data[:3] != b"\x00\x00\x08" or n_dims == 0:
        raise BadInput(
            f"{path} is no IDX file of unsigned bytes: it starts with {data[:4].hex(' ') or 'nothing'}, "
            "expected 00 00 08 and the number of dimensions; fetch it again: harness data fetch mnist"
        )
    start = 4 + 4 * n_dims
    shape = tuple(int(n) for n in np.frombuffer(data[4:start][: (len(data) - 4) // 4 * 4], ">u4"))
    expected = start + int(np.prod(shape, dtype=np.int64))
    if len(shape) < n_dims or len(data) != expected:
        raise BadInput(
            f"{path} is cut off or too long: {len(data)} bytes unpacked, expected {expected} for shape "
            f"{shape}; fetch it again: harness data fetch mnist"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(
            f"{path} is no whole gzip file ({error}); fetch it again: harness data fetch mnist"
        ) from error


def _no_seed(options: MnistOptions) -> frozenset[Seed]:
    del options
    return NO_SEED


def _content(options: MnistOptions) -> str:
    del options
    return content_hash([file_hash(path) for path in _find(data_dir())])


MNIST = DataSet(
    name="mnist",
    description="MNIST: 28 x 28 pixels, 10 classes, 60,000 and 10,000 examples; one fixed split",
    options=MnistOptions,
    facts=facts,
    load=load,
    seeds_used=_no_seed,
    content=_content,
    varying=("label_noise",),
)
