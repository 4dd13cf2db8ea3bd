"""One number of a probe's values: layers, ratios and slopes whose answer is known."""

import math

import pytest

from harness.analysis.outcomes import outcome_direction, outcome_value
from harness.analysis.scale import is_share, outcome_label
from harness.errors import BadInput
from harness.words.outcome import Outcome
from harness.words.record import Status
from tests.records.examples import record

RECORD = record(
    steps=[0, 50, 100],
    curves={"train/loss": [2.0, 1.5, 1.0]},
    probes={
        "between_sample_spread": {0: [0.5, 0.25, 0.05], 100: [0.4, 0.2, 0.0]},
        "gradient_norm": {0: [1e-5, 1e-4, 1e-3], 100: [0.0, 0.0, 1.0]},
        "effective_rate": {step: [0.1 * step**-0.5, 0.3 * step**-0.5] for step in (1, 2, 4, 8, 100)},
        "saturated_fraction": {0: [math.nan]},
    },
)
SPREAD = "between_sample_spread"


def value_of(name, **options):
    outcome = Outcome.model_validate({"probe": name, **options})
    return outcome_value(outcome, RECORD).value


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        (SPREAD, {"layer": "first", "when": "start"}, 0.5),
        (SPREAD, {"layer": 2}, 0.2),
        (SPREAD, {"when": "start"}, 0.8 / 3),
        (SPREAD, {"ratio": ["last", "first"], "when": "start"}, 0.1),
        (SPREAD, {"ratio": [2, 1]}, 0.5),
        (SPREAD, {"ratio": ["last", "first"], "when": "start", "log10": True}, -1.0),
        (SPREAD, {"layer": "first", "when": "start", "log10": True}, math.log10(0.5)),
        ("gradient_norm", {"layer": 1, "log10": True}, math.log10(1.1754943508222875e-38)),
        ("gradient_norm", {"slope": "layer", "when": "start"}, 1.0),
        ("gradient_norm", {"slope": "layer"}, -math.log10(1.1754943508222875e-38) / 2),
        ("effective_rate", {"slope": "log_step"}, -0.5),
        ("effective_rate", {"slope": "log_step", "layer": "last"}, -0.5),
    ],
)
def test_values(name, options, expected):
    assert value_of(name, **options) == pytest.approx(expected)


def test_what_a_network_lacks_is_missing_never_zero():
    assert math.isnan(value_of(SPREAD, layer=4))
    assert math.isnan(value_of(SPREAD, ratio=["first", "last"]))  # over 0
    assert math.isnan(value_of(SPREAD, ratio=["first", "last"], log10=True))
    assert math.isnan(value_of("saturated_fraction", slope="layer", when="start"))  # of one layer
    with pytest.raises(BadInput, match="no such probe at step 100; it has steps 0"):
        value_of("saturated_fraction")


def test_the_end_is_the_best_weights_where_a_trial_stops_early():
    stopped = RECORD.model_copy(
        update={"best_step": 50, "probes": {SPREAD: {0: [1.0], 50: [3.0], 64: [4.0]}}}
    )
    assert outcome_value(Outcome.model_validate({"probe": SPREAD}), stopped).value == 3.0


def test_a_diverged_run_keeps_its_start_alone():
    lost = RECORD.model_copy(update={"status": Status.DIVERGED})
    start = outcome_value(Outcome.model_validate({"probe": SPREAD, "layer": 1, "when": "start"}), lost)
    end = outcome_value(Outcome.model_validate({"probe": SPREAD, "layer": 1}), lost)
    assert (start.value, start.diverged) == (0.5, False)
    assert math.isnan(end.value)
    assert end.diverged


def test_the_logarithm_of_a_share_is_no_share_and_says_so():
    share = Outcome.model_validate({"probe": "dead_fraction"})
    logarithm = Outcome.model_validate({"probe": "dead_fraction", "layer": 1, "log10": True})
    assert (is_share(share), is_share(logarithm)) == (True, False)
    assert outcome_label(logarithm) == "log10 share of dead units, layer 1"


def test_which_way_a_probe_is_better():
    assert outcome_direction(Outcome(function="probe", metric="dead_fraction")) == "lower"
    assert outcome_direction(Outcome(function="probe", metric="update_ratio"), "higher") == "higher"
    with pytest.raises(BadInput, match="give direction"):
        outcome_direction(Outcome(function="probe", metric="update_ratio"))
