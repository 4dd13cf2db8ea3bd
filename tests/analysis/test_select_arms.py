"""Which arms a hypothesis names."""

import pytest

from harness.errors import BadInput, UnknownName
from harness.words.design import Arm, DataFacts, Design
from harness.words.study import Study


@pytest.fixture
def design():
    study = Study.model_validate({"arms": {"model.activation": ["relu", "tanh"], "model.depth": [1, 3]}})
    arms = [
        Arm(
            label=f"{act}, {depth}",
            levels={"model.activation": act, "model.depth": str(depth)},
            values={"model.activation": act, "model.depth": depth},
            config={},
            tuned=[],
            n_parameters=1,
        )
        for act in ("relu", "tanh")
        for depth in (1, 3)
    ]
    facts = DataFacts(scope="fresh", n_train=1, n_val=1, n_test=1, n_classes=2)
    return Design(name="s", study=study, arms=arms, data={a.label: facts for a in arms}, points=9, steps={})


def test_label_and_level_and_selector(design):
    assert design.select_arm("relu, 3").label == "relu, 3"
    assert design.select_arm("relu", {"model.depth": 3}).label == "relu, 3"
    assert design.select_arm({"model.activation": "tanh", "model.depth": 1}).label == "tanh, 1"
    assert design.select_arm("relu", {"model.depth": 3.0}).label == "relu, 3"
    assert [a.label for a in design.select_arms("relu")] == ["relu, 1", "relu, 3"]
    assert len(design.select_arms({})) == 4


def test_ambiguous_and_missing_list_the_arms(design):
    with pytest.raises(BadInput, match="2 arms: relu, 1, relu, 3; name one"):
        design.select_arm("relu")
    with pytest.raises(BadInput, match="no arm; the study's arms: relu, 1"):
        design.select_arm("gelu")
    with pytest.raises(BadInput, match="no arm"):
        design.select_arm("relu, 3", {"model.depth": 1})
    with pytest.raises(UnknownName, match=r"model\.depth"):
        design.select_arm("relu", {"model.dept": 3})
