"""The families of the catalogue: every name of the textbook's rows, each with a formula and a source."""

import pytest
import torch
from torch import nn

from harness.catalogue.families import FAMILIES, ranges_of
from harness.catalogue.normalisation import NORMALISATIONS
from harness.catalogue.resolve import NAMES, TABLES

ENTRIES = [(family, name) for family, (_, table) in FAMILIES.items() for name in table]

# What the rows of the textbook's tables name.
NAMED = {
    "optimizers": "sgd momentum nag adagrad rmsprop adam adamw nadam radam lion",
    "activations": "step sigmoid ramp relu elu leaky_relu prelu shifted_relu swish softplus tanh arctan gelu "
    "identity square",
    "inits": "normal_1 normal_001 xavier_normal xavier_uniform he_normal lecun_normal orthogonal",
    "schedules": "constant step exponential cosine one_cycle reduce_on_plateau",
    "losses": "cross_entropy cross_entropy_one_hot softmax_mse mse rmse mae huber gaussian_nll "
    "half_squared_error",
    "regularisers": "l1 l2 weight_decay dropout early_stopping label_smoothing clip_norm",
    "augmentations": "none shift scale noise flip",
    "normalisations": "none batch_norm layer_norm",
    "networks": "mlp cnn1d cnn2d rnn attention",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_name_of_the_textbook_is_there(family):
    assert set(NAMED[family].split()) <= FAMILIES[family].table.keys()


@pytest.mark.parametrize(("family", "name"), ENTRIES)
def test_every_entry_has_a_formula_and_a_source(family, name):
    entry = FAMILIES[family].table[name]
    assert entry.formula.strip()
    assert entry.source.strip()
    for path, own in ranges_of(entry).items():
        assert "." in path
        assert own.low < own.high


def test_families_are_the_tables_that_studies_name():
    """Nothing beside the tables themselves, by the options under which configs look them up."""
    looked_up = {path: table for path, (_, table) in NAMES.items()}
    looked_up |= {f"{section}.name": table for section, (_, table) in TABLES.items()}
    for option, table in FAMILIES.values():
        if option in looked_up:
            assert looked_up[option] is table
    missing = looked_up.keys() - {option for option, _ in FAMILIES.values()}
    assert missing == {"data.name", "model.output_activation"}  # `harness data list`; activations


def test_layer_norm_is_torchs_formula():
    layer, x = NORMALISATIONS["layer_norm"].layer(6), torch.randn(4, 6)
    assert isinstance(layer, nn.LayerNorm)
    by_hand = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + layer.eps).sqrt()
    torch.testing.assert_close(layer(x), by_hand)
