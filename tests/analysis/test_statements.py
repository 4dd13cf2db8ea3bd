"""What a verdict says it is about: arms by name, or else the levels that all of them share."""

import numpy as np
import pytest

from harness.analysis.judge import judge_study
from tests.analysis.swept import swept

FACTORS = {"optimizer.name": ["sgd", "adam"], "model.depth": [1, 3, 8]}
DOSE = {"kind": "dose", "over": "model.depth"}
OPTIMUM = {"kind": "interior_optimum", "over": "model.depth"}
PAIR = {"kind": "superiority", "a": "adam", "b": "sgd"}
INTERACTION = {"kind": "interaction", "a": {"optimizer.name": "adam"}, "b": {"optimizer.name": "sgd"}}


def judged(hypothesis):
    noise = np.random.default_rng(0).normal(size=20) * 0.01

    def outcomes(optimizer, depth):
        return 0.5 + 0.01 * depth + 0.02 * (optimizer == "adam") + noise

    asked = {"outcome": "test/accuracy", "delta": 0.01, **hypothesis}
    return judge_study(swept(FACTORS, outcomes, asked))


@pytest.mark.parametrize(
    ("hypothesis", "statement"),
    [
        ({**DOSE, "at": {"optimizer.name": "adam"}}, "at adam, test accuracy rises from model.depth 1 to 8"),
        ({**OPTIMUM, "at": {"optimizer.name": "sgd"}}, "at sgd, a model.depth between 1 and 8 has a better"),
        (
            {"kind": "best_of", "at": {"model.depth": 3}},
            "at depth 3, one arm has the best test accuracy of 2",
        ),
        ({**PAIR, "at": {"model.depth": 3}}, "adam, 3 has a better test accuracy than sgd, 3"),
        (
            {**INTERACTION, "over": "model.depth"},
            "the advantage of adam over sgd in test accuracy grows from",
        ),
    ],
)
def test_levels_are_named_where_the_arms_are_not(hypothesis, statement):
    verdict = judged(hypothesis)
    assert verdict.hypotheses[0].statement.startswith(statement)
    place = statement.partition(", ")[0] + ", " if statement.startswith("at ") else ""
    names_both = hypothesis["kind"] == "best_of"  # the finding does: the best arm and the next
    assert verdict.headline.count(f": {place or 'at '}") == (bool(place) and not names_both)


def test_a_setting_is_named_by_its_label_alone():
    """At every optimizer: the joint reason names the one that decides, which its own sentence repeats not."""
    joint = judged({**DOSE, "for_each": ["optimizer.name"]}).hypotheses[0]
    assert [s.statement for s in joint.settings] == [joint.settings[0].statement] * 2
    assert joint.statement.endswith("at every optimizer (2 settings)")
    assert ": test accuracy rises by" in joint.reason
