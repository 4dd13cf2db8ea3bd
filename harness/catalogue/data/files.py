"""A table of the user's own, CSV or Parquet: numbers standardised, other columns one-hot, split anew.

Read with pyarrow, whose import takes a few hundredths of a second where pandas takes half of one.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from pydantic import Field

from harness.catalogue.config_error import ConfigError
from harness.catalogue.data.base import SPLIT_SEED, Array, DataSet, Seed, Splits, splits_of
from harness.catalogue.data.folder import file_hash
from harness.catalogue.data.prepare import generator, standardised, stratified_parts
from harness.errors import BadInput, DataMissing
from harness.words.base import Word
from harness.words.design import DataFacts

MAX_CATEGORIES = 1000  # a column of text with more is an identifier, or free text
MAX_LINE = 100_000  # characters of a file's first line that are looked at
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_SPLIT = 0  # stream of the split seed
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # how pandas writes an index into a Parquet file


class FileOptions(Word):
    """Options of a table of one's own."""

    file: str = Field(description="path of a .csv or .parquet file")
    target: str = Field(description="the column to predict")
    task: Literal["auto", "classification", "regression"] = Field(
        default="auto", description="auto: regression where the target holds fractions, else classification"
    )
    drop: list[str] = Field(default=[], description="columns to leave out")
    categorical: list[str] = Field(default=[], description="columns of numbers that are codes: one-hot")
    separator: str = Field(default=",", min_length=1, max_length=1, description="of a .csv file")
    sha256: str = Field(
        default="", description="of the file's bytes; where given, another content is refused"
    )


class _Target(NamedTuple):
    """The target column: y (n,) class indices or values, and the number of classes (None: regression)."""

    y: Array
    n_classes: int | None


def facts(options: FileOptions) -> DataFacts:
    """Sizes, classes and features, the same in every replicate; reads the file."""
    splits = load(options, 0, 0)
    return DataFacts(
        scope="resplit",
        n_train=len(splits.y_train),
        n_val=len(splits.y_val),
        n_test=len(splits.y_test),
        n_classes=splits.n_classes,
        input_shape=splits.input_shape,
    )


def load(options: FileOptions, data_seed: int, split_seed: int) -> Splits:
    """A 60/20/20 split from the split seed, stratified where the target is a class; x (n, features).

    Features stand in the table's order of columns: a number is one feature, standardised on the
    training part, missing values at its mean; any other column is one feature a category, 0 or 1.
    Their number is that of the whole table, for networks of one shape in all replicates; a category
    that training never saw is 0 everywhere. Classes are numbered in sorted order.

    Raises DataMissing and BadInput.
    """
    del data_seed  # the rows are always the same
    table = _read(options)
    y, n_classes = _target(table, options)
    groups = np.zeros(len(y), np.int64) if n_classes is None else y
    parts = stratified_parts(groups, generator(split_seed, _SPLIT))
    names = [name for name in table.column_names if name != options.target]
    if not names:
        raise BadInput(f"{options.file} has no column beside the target {options.target!r}")
    blocks = [_features(table[name], name, parts[0], options) for name in names]
    x = np.concatenate(blocks, axis=1)
    train, val, test = ((x[rows], y[rows]) for rows in parts)
    return splits_of(train, val, test, n_classes)


def _read(options: FileOptions) -> pa.Table:
    """The table without dropped columns. Raises DataMissing and BadInput."""
    path = _path(options)
    if options.sha256 and options.sha256 != file_hash(path):
        raise BadInput(
            f"{path} has changed: its SHA-256 is {file_hash(path)}, this config was made for "
            f"{options.sha256}. Plan the study again to run on the new content"
        )
    table = _parsed(path, options.separator)
    twice = [name for name, times in Counter(table.column_names).items() if times > 1]
    if twice:
        raise BadInput(f"{path} has columns of one name: {', '.join(twice)}. Give each a name of its own")
    if options.target not in table.column_names and (hint := _separator_hint(path, options.separator)):
        raise BadInput(f"{path} has no column {options.target!r}.{hint}")
    for what, names in (
        ("target", [options.target]),
        ("drop", options.drop),
        ("categorical", options.categorical),
    ):
        for name in names:
            _require(name, what, table.column_names, path)
    if not table.num_rows:
        raise BadInput(f"{path} has no rows")
    return table.drop_columns([n for n in table.column_names if n in options.drop or _PANDAS_INDEX.match(n)])


def _parsed(path: Path, separator: str) -> pa.Table:
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            return pa_parquet.read_table(path)
        if path.suffix.lower() == ".csv":
            table = pa_csv.read_csv(
                path,
                parse_options=pa_csv.ParseOptions(delimiter=separator),
                convert_options=pa_csv.ConvertOptions(strings_can_be_null=True),
            )
            _check_utf8(table, path)
            return table
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"can't read {path}: {error}.{_separator_hint(path, separator)}") from error
    raise BadInput(f"{path} has the ending {path.suffix!r}; allowed: .csv, .parquet")


def _check_utf8(table: pa.Table, path: Path) -> None:
    """Raises BadInput for another encoding, where pyarrow gives bytes in the place of text."""
    try:
        columns = zip(table.column_names, table.schema.types, strict=True)
        where = [f"column {name!r}" for name, kind in columns if pa.types.is_binary(kind)]
    except UnicodeDecodeError:
        where = ["the first line"]
    if where:
        raise BadInput(f"{path} isn't UTF-8, in {', '.join(where)}; save it as UTF-8")


def _separator_hint(path: Path, separator: str) -> str:
    """What separates the columns, where a .csv file's first line has another separator than asked for."""
    if path.suffix.lower() != ".csv":
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline(MAX_LINE)
    found = next((s for s in SEPARATORS if s in first), None)
    if found is None or separator in first:
        return ""
    return f" Its columns look separated by {SEPARATORS[found]}: set data.separator: {json.dumps(found)}"


def _require(name: str, what: str, columns: list[str], path: Path) -> None:
    if name in columns:
        return
    near = difflib.get_close_matches(name, columns, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    shown = ", ".join(columns[:30]) + (", ..." if len(columns) > 30 else "")
    raise ConfigError(f"data.{what}", f"{name!r} is no column of {path}.{hint} Columns: {shown}")


def _target(table: pa.Table, options: FileOptions) -> _Target:
    """The target encoded. Raises BadInput where it can't be."""
    column = table[options.target]
    if column.null_count:
        raise ConfigError(
            "data.target",
            f"the target {options.target!r} is missing in {column.null_count} of {len(column)} rows of "
            f"{options.file}; remove those rows",
        )
    task = options.task
    if task == "auto":
        task = "regression" if pa.types.is_floating(column.type) else "classification"
    return _values(column, options) if task == "regression" else _classes(column, options)


def _values(column: pa.ChunkedArray, options: FileOptions) -> _Target:
    if not _is_number(column.type):
        message = f"regression needs a target of numbers; {options.target!r} holds {column.type}"
        raise ConfigError("data.task", message)
    return _Target(_numbers(column), None)


def _classes(column: pa.ChunkedArray, options: FileOptions) -> _Target:
    classes, y = np.unique(np.asarray(column.to_pylist()), return_inverse=True)
    if not 2 <= len(classes) <= max(2, len(y) // 2):
        raise ConfigError(
            "data.target",
            f"the target {options.target!r} has {len(classes)} classes in {len(y)} rows; a classification "
            "needs at least 2, and 2 rows a class; for a number to predict set data.task: regression",
        )
    return _Target(y.astype(np.int64), len(classes))


def _features(column: pa.ChunkedArray, name: str, train: Array, options: FileOptions) -> Array:
    """One column as features (n, k), fitted on the rows `train`."""
    file, is_category = options.file, name in options.categorical or pa.types.is_dictionary(column.type)
    if _is_number(column.type) and not is_category:
        return _standardised_numbers(_numbers(column), name, train, file)
    if is_category or pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _one_hot(column, name, train, file)
    raise BadInput(
        f"column {name!r} of {file} holds {column.type}; allowed: numbers, booleans and text. Turn it into "
        f"one of these, or leave it out with data.drop: [{name}]"
    )


def _standardised_numbers(values: Array, name: str, train: Array, file: str) -> Array:
    if np.isinf(values).any():
        raise BadInput(f"column {name!r} of {file} holds infinite values; replace or remove them")
    known = values[train][~np.isnan(values[train])]
    filled = np.where(np.isnan(values), known.mean() if len(known) else 0.0, values)[:, None]
    return standardised(filled[train], filled, per_feature=True)[1]


def _one_hot(column: pa.ChunkedArray, name: str, train: Array, file: str) -> Array:
    """(n, categories); the feature of a category that isn't among the training rows is all zero."""
    texts = np.array(["" if value is None else f"={value}" for value in column.to_pylist()])
    categories = np.unique(texts)
    if len(categories) > MAX_CATEGORIES:
        raise BadInput(
            f"column {name!r} of {file} has {len(categories)} categories; allowed: {MAX_CATEGORIES}. "
            f"Leave it out with data.drop: [{name}]"
        )
    hot = texts[:, None] == categories
    return np.asarray(hot & hot[train].any(0), np.float32)


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind)
    )


def _numbers(column: pa.ChunkedArray) -> Array:
    """(n,) float64, missing values NaN. By the memory itself: pyarrow's own `to_numpy` imports pandas."""
    parts = []
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        values = np.frombuffer(chunk.buffers()[1], np.float64)[chunk.offset :][: len(chunk)]
        missing = np.from_dlpack(chunk.is_null().cast(pa.uint8()))
        parts.append(np.where(missing, np.nan, values))
    return np.concatenate(parts)


def _split_seed(options: FileOptions) -> frozenset[Seed]:
    del options
    return SPLIT_SEED


def _content(options: FileOptions) -> str:
    return file_hash(_path(options))


def _path(options: FileOptions) -> Path:
    """The table's file. Raises DataMissing and BadInput."""
    path = Path(options.file).expanduser()
    if path.is_dir():
        raise BadInput(f"{path} is a folder; data.file is the path of one .csv or .parquet file")
    if not path.is_file():
        raise DataMissing(f"no file {path}; data.file is a path, relative to the study file's folder")
    return path


FILE = DataSet(
    name="file",
    description="a table of your own (CSV or Parquet): data: {file: churn.parquet, target: left}",
    options=FileOptions,
    facts=facts,
    load=load,
    seeds_used=_split_seed,
    content=_content,
)
