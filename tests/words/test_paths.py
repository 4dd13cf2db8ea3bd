"""Dotted paths."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.words.paths import flatten, get_path, merged, set_paths

KEYS = st.text("abc", min_size=1, max_size=2)
TREES = st.recursive(
    st.dictionaries(KEYS, st.integers(), max_size=3),
    lambda t: st.dictionaries(KEYS, t, max_size=3),
    max_leaves=8,
)


def test_get_set_and_missing():
    tree = {"optimizer": {"name": "sgd", "lr": 0.1}}
    assert get_path(tree, "optimizer.lr") == 0.1
    changed = set_paths(tree, {"optimizer.lr": 1, "train.epochs": 3})
    assert changed == {"optimizer": {"name": "sgd", "lr": 1}, "train": {"epochs": 3}}
    with pytest.raises(KeyError):
        get_path(tree, "optimizer.momentum")


@given(TREES)
def test_setting_every_leaf_gives_the_tree_again(tree):
    assert set_paths({}, dict(flatten(tree))) == tree


@given(TREES, st.lists(KEYS, min_size=1, max_size=3), st.integers())
def test_what_is_set_is_there_and_the_tree_is_left_alone(tree, parts, value):
    before = copy.deepcopy(tree)
    path = ".".join(parts)
    assert get_path(set_paths(tree, {path: value}), path) == value
    assert tree == before


@given(TREES, TREES)
def test_merging_keeps_both_and_the_second_wins(base, over):
    before = copy.deepcopy((base, over))
    both = merged(base, over)
    assert (base, over) == before
    assert both.keys() == base.keys() | over.keys()
    assert merged(both, over) == both
    for path, value in flatten(over):
        if value != {}:
            assert get_path(both, path) == value
