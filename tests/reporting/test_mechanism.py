"""What a report says of the hidden layers: numbers of the figures from records whose values are known."""

import dataclasses
import itertools
import math

import pandas as pd
import pytest

from harness.reporting.content.context import Context
from harness.reporting.content.mechanism import (
    drawn_depth,
    histogram_groups,
    mechanism_section,
    probe_frame,
)
from harness.reporting.document import Figure
from harness.reporting.figures.mechanism import Row, activation_histograms
from harness.reporting.style import COLOURS, drawing
from harness.words.design import Arm
from harness.words.paths import set_paths
from harness.words.probes import HISTOGRAM_BINS
from tests.simulated import simulated_evidence

PROBES = {
    "gradient_norm": ["start", "end"],
    "effective_rate": ["all"],
    "activation_histogram": ["start"],
    "dead_fraction": ["end"],
}


def probed(values):
    """Simulated evidence whose judged records carry the probes `values(replicate, last step)`."""
    evidence = simulated_evidence(replicates=9, arms=("momentum", "adam"))
    records = {
        key: r.model_copy(update={"probes": values(r.replicate, r.steps[-1])}) if r.phase == "judge" else r
        for key, r in evidence.records.items()
    }
    arms = [
        a.model_copy(update={"config": set_paths(a.config, {"probes": PROBES})}) for a in evidence.design.arms
    ]
    design = evidence.design.model_copy(update={"arms": arms})
    return dataclasses.replace(evidence, records=records, design=design)


def of_replicate(replicate, last):
    bins = [0.0] * HISTOGRAM_BINS
    return {
        "gradient_norm": {0: [0.1, 1.0 + replicate], last: [0.0, 0.0]},
        "effective_rate": {1: [2.0, 4.0], 8: [1.0, 1.0], last: [0.5, 0.5]},
        "activation_histogram": {0: [1.0, 3.0, *bins[2:], *bins[1:], 5.0]},
        "dead_fraction": {last: [0.25, 0.75]},
    }


@pytest.fixture(scope="module")
def figures():
    blocks = mechanism_section(Context(probed(of_replicate), None))
    assert all(isinstance(b, Figure) for b in blocks)
    return {b.name: b for b in blocks}


def test_every_probe_and_moment_has_its_figure(figures):
    assert list(figures) == [
        "probe-dead_fraction-end",
        "probe-gradient_norm-start",
        "probe-gradient_norm-end",
        "probe-effective_rate-all",
        "activations-start",
    ]


def test_bands_are_over_replicates_by_layer(figures):
    data = figures["probe-gradient_norm-start"].data
    assert data["x"] == [1, 2, 1, 2]
    assert data["median"] == [0.1, 5.0, 0.1, 5.0]  # of 1 + 0, ..., 1 + 8
    assert data["low"] == pytest.approx([0.1, 1.8, 0.1, 1.8])
    assert figures["probe-gradient_norm-end"].data["median"] == [0.0] * 4  # drawn, on a linear axis


def test_rates_are_means_over_layers_by_step(figures):
    data = figures["probe-effective_rate-all"].data
    assert data["median"][:3] == [3.0, 1.0, 0.5]
    assert data["x"][:2] == [1, 8]


def test_histograms_are_shares_of_each_layer(figures):
    data = figures["activations-start"].data
    first = [
        (layer, left, share)
        for arm, layer, left, share in zip(
            data["arm"], data["layer"], data["left"], data["share"], strict=True
        )
        if arm == "adam"
    ]
    assert first == [(1, -1.0, 0.25), (1, -0.95, 0.75), (2, pytest.approx(2.95), 1.0)]


def test_ten_layers_are_drawn_whole():
    """The notes' picture: every layer of a ten-layer net has a column, and counts stay with their layer."""

    def of_ten(replicate, last):
        bins = [[0.0] * HISTOGRAM_BINS for _ in range(10)]
        for layer, own in enumerate(bins):
            own[layer] = 1.0
        return {"activation_histogram": {0: [n for own in bins for n in own]}}

    (figure,) = mechanism_section(Context(probed(of_ten), None))
    assert figure.data["layer"][:10] == list(range(1, 11))
    assert figure.data["left"][:10] == pytest.approx([-1 + 0.05 * k for k in range(10)])
    assert set(figure.data["share"]) == {1.0}


@pytest.mark.parametrize(
    ("depths", "drawn"), [([3, 10, 20], 10), ([2, 2], 2), ([20, 40], 20), ([4, 12], 4), ([11], 11)]
)
def test_of_several_depths_one_is_drawn(depths, drawn):
    assert drawn_depth(depths) == drawn


def arms_of(levels):
    names = list(levels)
    return [
        Arm(
            label=", ".join(own),
            levels=dict(zip(names, own, strict=True)),
            values={},
            config={},
            tuned=[],
            n_parameters=1,
        )
        for own in itertools.product(*levels.values())
    ]


def test_arms_too_many_for_a_figure_are_parted_by_the_factor_with_the_fewest_levels():
    inits = [f"init {k}" for k in range(7)]
    levels = {"model.init": inits, "model.activation": ["sigmoid", "tanh", "relu"], "model.depth": ["10"]}
    groups = histogram_groups(arms_of(levels))
    assert [where for where, _ in groups] == [
        ", activation sigmoid",
        ", activation tanh",
        ", activation relu",
    ]
    assert all(list(names.values()) == inits for _, names in groups)
    assert groups[1][1]["init 3, tanh, 10"] == "init 3"


def test_no_arm_is_left_out_for_want_of_room():
    many = [f"arm {k}" for k in range(30)]
    groups = histogram_groups(arms_of({"arm": many}))
    assert [arm for _, names in groups for arm in names] == many
    assert max(len(names) for _, names in groups) <= 12
    ((where, names),) = histogram_groups(arms_of({"arm": many[:12]}))
    assert (where, list(names)) == ("", many[:12])


@pytest.mark.parametrize(("zeros", "top"), [(0.9, 0.9 / 5), (0.5, None)])
def test_a_bar_far_above_the_others_is_cut(zeros, top):
    shares = pd.DataFrame({"left": [0.0, 0.05], "width": 0.05, "share": [zeros, 0.1]})
    with drawing():
        figure = activation_histograms(shares.assign(arm="a", layer=1), [Row("a", "a", COLOURS[0])])
    (axes,) = figure.axes
    assert axes.get_ylim()[1] == pytest.approx(top or 1.05 * zeros)
    assert len(axes.lines) == (top is not None)


def test_a_probe_that_says_nothing_is_left_out():
    """As of saturation where ranges are unbounded."""
    evidence = probed(lambda replicate, last: {"dead_fraction": {last: [math.nan, math.nan]}})
    assert mechanism_section(Context(evidence, None)) == ()


def test_a_study_without_probes_has_nothing_to_show():
    assert mechanism_section(Context(simulated_evidence(replicates=8), None)) == ()


def test_the_frame_knows_which_step_is_a_runs_last():
    frame = probe_frame(probed(of_replicate), "effective_rate")
    assert set(frame[frame["end"]]["value"]) == {0.5}
