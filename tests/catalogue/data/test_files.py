"""A user's own table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.catalogue.data.files import FILE, FileOptions, facts, load
from harness.catalogue.data.prepare import generator, stratified_parts
from harness.errors import BadInput, DataMissing


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.RandomState(0)
    n = 100
    return pd.DataFrame(
        {
            "age": rng.randint(18, 80, n),
            "income": np.where(rng.random_sample(n) < 0.2, np.nan, rng.standard_normal(n) * 1e4 + 5e4),
            "city": rng.choice(["Oslo", "Lima", "Pune"], n),
            "member": rng.random_sample(n) < 0.5,
            "plan": pd.Categorical(rng.choice([1, 2], n)),
            "left": np.where(np.arange(n) % 4 == 0, "yes", "no"),
            "price": rng.standard_normal(n),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def options(path: Path, target: str = "left", **more: Any) -> FileOptions:
    return FileOptions(file=str(path), target=target, **more)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_classification(frame: pd.DataFrame, tmp_path: Path, name: str) -> None:
    chosen = options(write(frame.drop(columns="plan"), tmp_path / name), drop=["price"])
    splits = load(chosen, 0, 5)
    assert splits.n_classes == 2
    assert (splits.x_train.shape, splits.x_val.shape, splits.x_test.shape) == ((60, 6), (20, 6), (20, 6))
    assert splits.y_train.mean() == pytest.approx(0.25, abs=1 / 60)  # "no" is class 0, "yes" class 1
    train, _, test = stratified_parts((frame.left == "yes").astype(np.int64).to_numpy(), generator(5, 0))
    age = frame.age.to_numpy()
    np.testing.assert_allclose(
        splits.x_test[:, 0], (age[test] - age[train].mean()) / age[train].std(), rtol=1e-5
    )
    income = frame.income.to_numpy()
    np.testing.assert_allclose(splits.x_test[np.isnan(income[test]), 1], 0, atol=1e-6)
    for column, city in zip((2, 3, 4), ("Lima", "Oslo", "Pune"), strict=True):
        np.testing.assert_array_equal(splits.x_test[:, column], frame.city[test] == city)
    told = facts(chosen)
    assert (told.scope, told.n_train, told.n_val, told.n_test, told.n_classes) == ("resplit", 60, 20, 20, 2)


def test_category_columns_are_one_hot_even_of_numbers(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame[["plan", "left"]], tmp_path / "t.parquet")
    splits = load(options(path, categorical=["plan"]), 0, 1)
    np.testing.assert_array_equal(splits.x_train.sum(1), 1)
    assert splits.x_train.shape == (60, 2)


def test_regression_and_task(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame[["age", "member", "price"]], tmp_path / "t.csv")
    splits = load(options(path, "price"), 0, 1)
    assert splits.n_classes is None
    assert splits.y_train.dtype == np.float32
    together = np.concatenate([splits.y_train, splits.y_val, splits.y_test])
    np.testing.assert_allclose(np.sort(together), np.sort(frame.price), rtol=1e-5)
    assert load(options(path, "age", task="regression"), 0, 1).n_classes is None
    assert load(options(path, "member"), 0, 1).n_classes == 2


def test_the_split_depends_on_the_split_seed_alone(frame: pd.DataFrame, tmp_path: Path) -> None:
    chosen = options(write(frame, tmp_path / "t.parquet"))
    one, same, other = (load(chosen, d, s) for d, s in ((0, 1), (5, 1), (0, 2)))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_a_category_unseen_in_training_is_all_zero(tmp_path: Path) -> None:
    kinds = [f"k{i}" for i in range(20)]
    frame = pd.DataFrame({"kind": kinds, "left": ["a", "b"] * 10})
    splits = load(options(write(frame, tmp_path / "t.csv")), 0, 0)
    assert splits.x_train.shape == (12, 20)
    np.testing.assert_array_equal(splits.x_train.sum(1), 1)
    assert not splits.x_test.any()
    assert facts(options(tmp_path / "t.csv")).input_shape == (20,)


def test_missing_categories_are_a_category(tmp_path: Path) -> None:
    frame = pd.DataFrame({"kind": ["a", None] * 20, "left": ["x", "x", "y", "y"] * 10})
    splits = load(options(write(frame, tmp_path / "t.csv")), 0, 0)
    assert splits.x_train.shape == (24, 2)
    np.testing.assert_array_equal(splits.x_train.sum(1), 1)


def test_the_index_of_a_data_frame_is_no_feature(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame[["age", "left"]].sample(frac=1, random_state=0).to_parquet(path)
    assert load(options(path), 0, 0).x_train.shape == (60, 1)


def test_separator(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    frame[["age", "left"]].to_csv(path, index=False, sep=";")
    assert load(options(path, separator=";"), 0, 0).x_train.shape == (60, 1)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"no file .*nowhere.csv"):
        load(options(tmp_path / "nowhere.csv"), 0, 0)


def bad_frames() -> list[Any]:
    ok = {"a": [1.0, 2.0, 3.0, 4.0], "left": ["x", "y", "x", "y"]}
    return [
        pytest.param(ok, {"target": "lef"}, "'lef' is no column .* Did you mean 'left'", id="target"),
        pytest.param(ok, {"target": "zzz"}, "Columns: a, left", id="far target"),
        pytest.param(ok, {"drop": ["b"]}, "data.drop: 'b' is no column", id="drop"),
        pytest.param({k: [] for k in ok}, {}, "has no rows", id="no rows"),
        pytest.param({"left": ok["left"]}, {}, "no column beside the target", id="no features"),
        pytest.param({**ok, "left": ["x", None, "x", "y"]}, {}, "missing in 1 of 4 rows", id="missing"),
        pytest.param({**ok, "left": ["x"] * 4}, {}, "has 1 classes in 4 rows", id="one class"),
        pytest.param({**ok, "left": [1, 2, 3, 4]}, {}, "set data.task: regression", id="numbers"),
        pytest.param(ok, {"task": "regression"}, "needs a target of numbers", id="regression"),
        pytest.param({**ok, "a": [1.0, np.inf, 2.0, 3.0]}, {}, "'a' of .* infinite", id="infinite"),
        pytest.param({**ok, "a": pd.date_range("2020", periods=4)}, {}, r"data.drop: \[a\]", id="dates"),
    ]


@pytest.mark.parametrize(("columns", "more", "said"), bad_frames())
def test_bad_tables(tmp_path: Path, columns: dict[str, Any], more: dict[str, Any], said: str) -> None:
    path = write(pd.DataFrame(columns), tmp_path / "t.parquet")
    with pytest.raises(BadInput, match=said):
        load(FileOptions(**{"file": str(path), "target": "left", **more}), 0, 0)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,a,b,left\n1,2,3,x\n4,5,6,y\n")
    with pytest.raises(BadInput, match=r"has columns of one name: a\. Give each a name of its own"):
        load(options(tmp_path / "t.csv"), 0, 0)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a,left\né,x\nb,y\n", "column 'a'"),
        ("a,left\n1,é\n2,y\n", "column 'left'"),
        ("é,left\n1,x\n", "the first line"),
    ],
)
def test_text_that_is_not_utf_8(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="latin-1")
    with pytest.raises(BadInput, match=f"t.csv isn't UTF-8, in {where}; save it as UTF-8"):
        load(options(tmp_path / "t.csv"), 0, 0)


def test_too_many_categories(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(2000)], "left": [0, 1] * 1000})
    with pytest.raises(BadInput, match=r"'id' .* has 2000 categories"):
        load(options(write(frame, tmp_path / "t.csv")), 0, 0)


def test_unreadable_files(tmp_path: Path) -> None:
    for name, said in (("t.parquet", "can't read"), ("t.xlsx", "allowed: .csv, .parquet")):
        (tmp_path / name).write_bytes(b"nonsense")
        with pytest.raises(BadInput, match=said):
            load(options(tmp_path / name), 0, 0)


def test_a_changed_file_is_refused_where_its_hash_was_given(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path / "t.csv")
    pinned = options(path, sha256=FILE.content(options(path)))
    assert load(pinned, 0, 0).n_classes == 2
    write(frame.iloc[:-1], path)
    with pytest.raises(BadInput, match="has changed"):
        load(pinned, 0, 0)
